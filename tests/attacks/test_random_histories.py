"""Random histories of contracts, requests, answers and read reports, good ones and bad ones in any order: whatever
members send, the counters and the folded histories in the state say exactly what the outcomes say, and a second node
that executes it all agrees. What is expected is computed here from the transactions and their outcomes alone.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from chain.access.decision import RequestStatus
from chain.access.history import ReadLog
from chain.access.policy import verify_grant
from chain.blocks import OK, Outcome
from chain.errors import PoolError
from chain.ledger import ExecutedBlock
from chain.limits import LIMITS
from chain.primitives.crypto import Hash, hash_tagged
from chain.primitives.types import Answer
from chain.state.entries import DatasetReads, ParcelReads, ReaderEntry, ReadHistory
from chain.transactions.approval import ApprovalHeader
from chain.transactions.base import Header, Transaction
from chain.transactions.read_report import ReadReportHeader
from chain.transactions.request import RequestHeader
from tests.chain.access_world import PURPOSES, AccessWorld, by_purpose
from tests.ledgers import caught_up
from tests.networks import TestNetwork

MEMBERS = ("a", "b", "c", "d", "outsider")
DATASETS = ("a.flights", "c.secret")
RECORDS = [b'{"n":1}'] * 3
PARCELS = (0, 1, 2, 3)
"""Places in ``Scene.parcels``."""

Step = tuple[str, int, str, str, str, tuple[int, ...], Answer]
steps: st.SearchStrategy[Step] = st.tuples(
    st.sampled_from(["request", "answer", "read_report"] * 2 + ["again", "contract", "dataset"]),
    st.integers(0, 7),
    st.sampled_from(MEMBERS),
    st.sampled_from(DATASETS),
    st.sampled_from(sorted(PURPOSES)),
    st.lists(st.sampled_from(PARCELS), max_size=3, unique=True).map(tuple),
    st.sampled_from(get_args(Answer)),
)
histories = st.lists(st.lists(steps, min_size=1, max_size=8), min_size=1, max_size=8)


@dataclass
class Expected:
    """What the state must say, from the transactions and their outcomes."""

    network: TestNetwork
    datasets: dict[str, DatasetReads] = field(default_factory=dict)
    folded: defaultdict[str, list[Hash]] = field(default_factory=lambda: defaultdict(list))
    parcels: defaultdict[tuple[str, Hash], list[Hash]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    status: dict[Hash, RequestStatus] = field(default_factory=dict)
    readers: dict[Hash, tuple[str, str]] = field(default_factory=dict)
    granted: defaultdict[tuple[str, str], list[Hash]] = field(default_factory=lambda: defaultdict(list))

    def add(self, header: Header, outcome: Outcome) -> None:
        """Take in one transaction with what became of it."""
        if outcome.code != OK or not isinstance(header, RequestHeader | ApprovalHeader | ReadReportHeader):
            return
        id_, dataset = outcome.transaction_id, header.dataset
        self.folded[dataset].append(id_)
        if isinstance(header, RequestHeader):
            self.readers[id_] = dataset, header.member
            self.counts["requests", dataset] += 1
            self.counts["asked", dataset, header.member] += 1
        elif isinstance(header, ReadReportHeader):
            self.counts["read_reports", dataset] += 1
            self.counts["records", dataset] += header.record_count
        if not isinstance(header, ApprovalHeader):
            for parcel in header.parcels:
                self.parcels[dataset, parcel].append(id_)
        if outcome.verdict is not None:
            self._decided(header, outcome)

    def _decided(self, header: Header, outcome: Outcome) -> None:
        request = header.request if isinstance(header, ApprovalHeader) else outcome.transaction_id
        dataset, reader = self.readers[request]
        before = self.status.get(request)
        assert outcome.verdict is not None
        status: RequestStatus = {"allow": "granted", "deny": "denied", "ask": "asked"}[outcome.verdict.verdict]  # type: ignore[assignment]
        if isinstance(header, ApprovalHeader) and header.answer == "revoke" and header.member in (dataset[0], reader):
            status = "revoked"
        self.status[request] = status
        if status == "granted" and before != "granted":
            self.counts["grants", dataset] += 1
            grants = self.granted[dataset, reader]
            self.granted[dataset, reader] = [request, *(id_ for id_ in grants if id_ != request)]
            self.counts["granted", dataset, reader] += 1
        self.counts["denials", dataset] += status == "denied"

    def fold(self, ids: list[Hash]) -> ReadHistory:
        """As ``ReadHistory`` documents it."""
        head = bytes(32)
        for id_ in ids:
            head = hash_tagged("read-history", self.network.chain_id, head + id_)
        return ReadHistory(len(ids), head)


class Scene:
    """Carries out steps: every reference is to something that was sent before, whether it took effect or not."""

    def __init__(self) -> None:
        self.world = AccessWorld(by_purpose=by_purpose)
        self.expected = Expected(self.world.network)
        self.log = ReadLog(self.world.network.chain_id)
        network = self.world.network
        datasets = ("a.flights", "a.flights", "c.secret")
        shared = (network.sealed_parcel(RECORDS, dataset[0], dataset) for dataset in datasets)
        self.parcels = (*self.world.accept(*shared), bytes(32))
        """Of each dataset some, and one that is not there."""
        self.requests: list[tuple[Hash, str]] = [(bytes(32), "a.flights")]
        self.sent: list[Transaction] = []

    def transaction(self, step: Step) -> Transaction:
        """What a step sends."""
        kind, number, member, dataset, purpose, places, says = step
        parcels = tuple(self.parcels[place] for place in places)
        network = self.world.network
        request, of_request = self.requests[-1 - number % len(self.requests)]
        if kind == "answer":
            return network.approval(request, says, member, of_request)
        if kind == "read_report":
            parcels = parcels or self.parcels[:1]
            return network.read_report(request, parcels, member, of_request, record_count=number + 1)
        if kind == "contract":
            return network.contract("by_purpose" if number else "nonsense", member, "rule", version=1 + number % 3)
        if kind == "dataset":
            sharing = ("open", "conditional", "closed")[number % 3]
            return network.dataset(member, version=1 + number // 2, sharing=sharing, contract="a.rule")
        made = network.request(member, dataset, purpose=purpose, parcels=parcels, until_ms=0)
        self.requests.append((network.id_of(made), dataset))
        return made

    def commit(self, block: list[Step]) -> ExecutedBlock:
        """One block of steps; what was sent before is never sent again by an honest proposer."""
        world = self.world
        made = [self.transaction(step) for step in block]
        world.time_ms += 1
        executed = world.network.commit(world.ledger, made, world.time_ms)
        for checked, outcome in zip(executed.transactions, executed.outcomes, strict=True):
            self.expected.add(checked.header, outcome)
        self.log.add_block(executed)
        return executed

    def check(self) -> None:
        """Hold the state against what is expected."""
        world, expected = self.world, self.expected
        for dataset in DATASETS:
            reads = world.reads(dataset)
            assert reads.history == expected.fold(expected.folded[dataset])
            assert (reads.requests, reads.read_reports, reads.records_read, reads.grants, reads.denials) == tuple(
                expected.counts[what, dataset] for what in ("requests", "read_reports", "records", "grants", "denials")
            )
            self.log.verify_complete(dataset, reads)
            for member in MEMBERS:
                asked, grants = (expected.counts[what, dataset, member] for what in ("asked", "granted"))
                newest = tuple(expected.granted[dataset, member][: LIMITS.contract_grants])
                assert world.reader(member, dataset) == ReaderEntry(asked, grants, newest)
                self.log.verify_reader_complete(dataset, member, world.reader(member, dataset))
        for (dataset, parcel), ids in expected.parcels.items():
            entry: ParcelReads = world.parcel_reads(parcel, dataset)
            assert entry.history == expected.fold(ids)
            assert entry.requests + entry.read_reports == len(ids)
        for request, status in expected.status.items():
            self._check_request(request, status)

    def _check_request(self, request: Hash, status: RequestStatus) -> None:
        entry = self.world.request(request)
        held = entry.decision
        assert held.status == status
        assert not (held.failure and status != "denied")
        assert status != "asked" or 1 <= held.needed <= len(held.approvers)
        opens = True
        try:
            verify_grant(held, entry.decided_ms)
        except PoolError:
            opens = False
        assert opens == (status == "granted")


@settings(max_examples=150)
@given(histories)
def test_s23_whatever_is_sent_the_state_says_what_the_outcomes_say(history: list[list[Step]]) -> None:
    scene = Scene()
    for block in history:
        before = scene.world.ledger.tip.header.state_root
        executed = scene.commit(block)
        if not any(outcome.is_ok for outcome in executed.outcomes):
            assert executed.header.state_root == before
    scene.check()
    ledger = scene.world.ledger
    assert caught_up(ledger, scene.world.policy).tip == ledger.tip


def test_the_steps_reach_every_outcome_that_they_are_meant_to() -> None:
    """A fixed history, so that the random ones are known not to be all alike."""
    scene, found = Scene(), Counter[str]()
    for number in range(240):
        kinds = ("request", "answer", "read_report", "request", "answer", "answer", "contract", "dataset")
        step: Step = (
            kinds[number % len(kinds)],
            number * 7 % 5,
            MEMBERS[number * 3 % 5],
            DATASETS[number % 11 == 0],
            sorted(PURPOSES)[number * 5 % len(PURPOSES)],
            PARCELS[: number % 3],
            get_args(Answer)[number % 3],
        )
        for outcome in scene.commit([step]).outcomes:
            found[outcome.verdict.verdict if outcome.verdict else outcome.code] += 1
    scene.check()
    wanted = {"allow", "deny", "ask", "ok", "not_an_approver", "request_settled", "not_reader", "stale_version"}
    assert wanted <= set(found), found


def test_a_grant_that_outlives_a_revocation_is_counted_once() -> None:
    """One of two approvers takes its word back; the other one's is enough."""
    scene = Scene()
    scene.commit([("request", 0, "b", "a.flights", "two-of-three", (), "approve")])
    for member, says in (("a", "approve"), ("c", "approve"), ("d", "revoke")):
        scene.commit([("answer", 0, member, "a.flights", "", (), says)])  # type: ignore[list-item]
    ((request, status),) = scene.expected.status.items()
    assert (status, len(scene.world.request(request).answers)) == ("granted", 3)
    assert scene.world.reads().grants == 1
    scene.check()
