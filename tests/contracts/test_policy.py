"""Whole stories on a ledger: library contracts in the real sandbox decide who may read, and do so again anywhere."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from chain.access.decision import AccessVerdict, failure_of
from chain.access.policy import AccessPolicy, contract_hash
from chain.blocks import Outcome
from chain.contract_engine import EngineIdentity
from chain.errors import ErrorCode
from chain.state import entries
from chain.transactions.base import Transaction
from contracts.engine import ENGINE_IDENTITY, Engine
from contracts.library import source_of
from contracts.policy import BlockContracts, SandboxPolicy, verify_engine
from contracts.sandbox import Sandbox
from contracts.worker import SandboxProcess
from tests.networks import TIME_MS, TestNetwork
from tests.refusals import refuses
from tests.vectors.access import make_access
from tests.vectors.network import make_genesis

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
CHAIN_ID = TestNetwork(has_contracts=True).chain_id


class Story:
    """``a`` shares ``a.flights`` under a contract; what happens to it, block by block.

    Args:
        policy: runs the contracts.
        source: of the contract.
        **parameters: of the contract.
    """

    def __init__(self, policy: AccessPolicy, source: str, **parameters: Any) -> None:
        self.network = TestNetwork(has_contracts=True, policy=policy)
        self.ledger = self.network.ledger()
        self.time_ms = TIME_MS
        self.parameters = orjson.dumps(parameters).decode()
        self.commit(
            self.network.contract(source, parameters=self.parameters),
            self.network.dataset(sharing="conditional", contract="a.rule"),
        )
        _, (parcel,) = self.commit(self.network.sealed_parcel())
        self.parcel = parcel.transaction_id

    def commit(self, *transactions: Transaction, after_ms: int = 1) -> tuple[int, tuple[Outcome, ...]]:
        """Height and outcomes of one more block; all its transactions take effect."""
        self.time_ms += after_ms
        executed = self.network.commit(self.ledger, transactions, self.time_ms)
        assert {outcome.code for outcome in executed.outcomes} == {"ok"}, executed.outcomes
        return executed.header.height, executed.outcomes

    def ask(self, member: str = "b", after_ms: int = 1, **changes: Any) -> tuple[bytes, AccessVerdict, str]:
        """A request's id, what was decided on it and why."""
        _, (outcome,) = self.commit(self.network.request(member, **changes), after_ms=after_ms)
        assert outcome.verdict is not None
        return outcome.transaction_id, outcome.verdict, outcome.sentence

    def answer(self, request: bytes, answer: Any, member: str, reason: str = "") -> tuple[AccessVerdict, str]:
        """What a request has come to after an answer."""
        _, (outcome,) = self.commit(self.network.approval(request, answer, member, reason=reason))
        assert outcome.verdict is not None
        return outcome.verdict, outcome.sentence

    def request(self, request_id: bytes) -> entries.RequestEntry:
        """A request as it stands."""
        entry = self.ledger.entry(entries.request_key(request_id), entries.RequestEntry)
        assert entry is not None
        return entry


@pytest.fixture
def policy(engine: Engine) -> SandboxPolicy:
    return SandboxPolicy(Sandbox(engine, CHAIN_ID))


@pytest.fixture(scope="module")
def process(cache_folder: Path) -> Iterator[SandboxProcess]:
    with SandboxProcess(CHAIN_ID, cache_folder) as process:
        yield process


def test_reading_is_bound_to_purposes(policy: SandboxPolicy) -> None:
    story = Story(policy, source_of("purpose_bound"), purposes={"flood warning": ["n"], "audit": None}, days=2)
    request_id, verdict, reason = story.ask()
    assert (verdict.verdict, reason, verdict.until_ms) == ("allow", "", story.time_ms + 2 * DAY_MS)
    assert (verdict.contract, verdict.contract_version) == ("a.rule", 1)
    assert verdict.contract_hash == contract_hash(story.network.chain_id, source_of("purpose_bound"), story.parameters)
    entry = story.request(request_id)
    assert (entry.decision.status, entry.decision.fields, entry.decision.note) == ("granted", ("n",), "flood warning")
    assert entry.decision.fuel > 0
    _, verdict, reason = story.ask(purpose="marketing")
    assert verdict.verdict == "deny"
    assert reason == "a.flights is not shared for the purpose 'marketing'"
    _, verdict, _ = story.ask(purpose="audit", until_ms=story.time_ms + HOUR_MS)
    assert verdict.until_ms == story.time_ms - 1 + HOUR_MS, "the reader wanted less than it could have"


def test_people_approve(policy: SandboxPolicy) -> None:
    story = Story(policy, source_of("approval_required"), approvers=["a", "c", "d"], needed=2, days=1)
    request_id, verdict, _ = story.ask("outsider")
    assert (verdict.verdict, verdict.until_ms) == ("ask", 0)
    entry = story.request(request_id)
    assert (entry.decision.approvers, entry.decision.needed) == (("a", "c", "d"), 2)
    assert entry.decision.note == "outsider asks for a.flights: flood warning"
    assert story.answer(request_id, "refuse", "a", "why?")[0].verdict == "ask"
    assert story.answer(request_id, "approve", "c")[0].verdict == "ask"
    verdict, _ = story.answer(request_id, "approve", "d")
    assert (verdict.verdict, verdict.until_ms) == ("allow", story.time_ms + DAY_MS)
    assert story.request(request_id).decision.note == "approved by c, d"
    verdict, reason = story.answer(request_id, "revoke", "d")
    assert (verdict.verdict, reason) == ("deny", "refused by a, d")
    assert story.request(request_id).decision.status == "denied"


def test_a_quota_counts_grants_in_a_window(policy: SandboxPolicy) -> None:
    story = Story(policy, source_of("quota"), grants=2, days=7)
    assert [story.ask()[1].verdict for _ in range(3)] == ["allow", "allow", "deny"]
    assert story.ask("d")[1].verdict == "allow", "every reader has its own"
    assert story.ask(after_ms=7 * DAY_MS)[1].verdict == "allow"
    reads = story.ledger.entry(entries.reads_key("a.flights"), entries.DatasetReads)
    assert reads is not None
    assert (reads.requests, reads.grants, reads.denials) == (5, 4, 1)


def test_who_shares_may_read(policy: SandboxPolicy) -> None:
    story = Story(policy, source_of("reciprocal"), days=30, records=2)
    _, verdict, reason = story.ask()
    assert (verdict.verdict, reason) == ("deny", "b has shared 0 records; 2 are needed")
    network = story.network
    story.commit(network.dataset("b", "weather"), network.parcel([b'{"n":1}'] * 2, "b", "b.weather"))
    shared_ms = story.time_ms
    _, verdict, _ = story.ask()
    assert (verdict.verdict, verdict.until_ms) == ("allow", shared_ms + 30 * DAY_MS)
    assert story.ask(after_ms=30 * DAY_MS)[1].verdict == "deny"


def test_in_an_emergency_a_report_is_due(policy: SandboxPolicy) -> None:
    story = Story(policy, source_of("break_glass"), purposes=["rescue"], hours=4, report_hours=24)
    first, verdict, _ = story.ask(purpose="rescue")
    assert verdict.until_ms == story.time_ms + 4 * HOUR_MS
    _, verdict, reason = story.ask(purpose="rescue", after_ms=25 * HOUR_MS)
    assert (verdict.verdict, reason) == ("deny", f"b owes the report on request {first.hex()[:16]}")
    story.commit(story.network.read_report(first, [story.parcel]))
    assert story.ask(purpose="rescue")[1].verdict == "allow"


FAILURES = {
    "raises": ("    return 1 / 0\n", ErrorCode.CONTRACT_FAILED),
    "loops": ("    while True:\n        pass\n", ErrorCode.CONTRACT_OUT_OF_FUEL),
    "hoards": ("    return [0] * 10**9\n", ErrorCode.CONTRACT_OUT_OF_MEMORY),
    "babbles": ("    return 'yes'\n", ErrorCode.CONTRACT_BAD_VERDICT),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_contract_that_fails_denies_and_the_next_call_is_none_the_worse(policy: SandboxPolicy, failure: str) -> None:
    body, code = FAILURES[failure]
    source = (
        "from blockpool.contract import allow\n\n"
        "def can_read(request, dataset, ctx):\n"
        "    if request.purpose == 'good':\n"
        "        ctx.state['calls'] = ctx.state.get('calls', 0) + 1\n"
        "        return allow()\n" + body
    )
    story = Story(policy, source)
    network = story.network
    requests = [network.request(purpose=purpose) for purpose in ("good", "bad", "good")]
    _, outcomes = story.commit(*requests)
    assert [outcome.verdict and outcome.verdict.verdict for outcome in outcomes] == ["allow", "deny", "allow"]
    assert [failure_of(outcome.facts) for outcome in outcomes] == ["", code.value, ""]
    assert outcomes[1].sentence
    assert all(outcome.fuel > 0 for outcome in outcomes)
    kept = story.ledger.entry(entries.contract_state_key("a.flights", "a.rule"), entries.ContractState)
    assert kept == entries.ContractState(b'{"calls":2}')


def test_a_contract_that_cannot_be_deployed_is_rejected_with_its_line(policy: SandboxPolicy) -> None:
    story = Story(policy, source_of("open"))
    network = story.network
    executed = network.commit(
        story.ledger, [network.contract("def can_read(request dataset):\n    pass\n", name="wrong")], story.time_ms
    )
    (outcome,) = executed.outcomes
    assert (outcome.code, outcome.sentence[:8]) == ("bad_contract", "line 1: ")
    assert story.ledger.state_value(entries.contract_key("a.wrong")) is None


def test_s92_long_notes_of_earlier_grants_lock_no_reader_out(policy: SandboxPolicy) -> None:
    """Of as many grants with the longest notes as a contract may be told of, it is told the newest that fit."""
    body = "def can_read(request, dataset, ctx):\n    return allow(note=f'{len(ctx.grants)} ' + '很' * 1990)\n"
    story = Story(policy, "from blockpool.contract import allow\n\n" + body)
    network, told, left = story.network, [], [story.network.request() for _ in range(60)]
    while left:
        _, outcomes = story.commit(*left)
        done = {outcome.transaction_id for outcome in outcomes}
        left = [request for request in left if network.id_of(request) not in done]
        for outcome in outcomes:
            entry = story.ledger.entry(entries.request_key(outcome.transaction_id), entries.RequestEntry)
            assert entry is not None
            assert entry.decision.verdict == "allow"
            told.append(int(entry.decision.note.split()[0]))
    assert told[:40] == list(range(40))
    assert told[-1] == told[-2] < 44  # some 6,000 bytes each


def test_what_the_contract_was_told_has_the_hash_in_the_verdict(policy: SandboxPolicy) -> None:
    """The inputs, written out by hand from what is on the chain."""
    story = Story(policy, source_of("open"))
    first, _, _ = story.ask()
    granted_ms = story.time_ms
    second, verdict, _ = story.ask(parcels=(story.parcel,), until_ms=TIME_MS + DAY_MS, purpose="research")
    until_ms = TIME_MS + DAY_MS
    call = [
        [
            second.hex(),
            "research",
            "Flood Control Law",
            "2023-17",
            "Li Wei",
            [story.parcel.hex()],
            0,
            0,
            until_ms,
            [],
            [],
            [],
        ],
        ["a.flights", "a", "conditional", "", "航班", "Flights", 1, 1],
        [
            story.ledger.tip.height,
            story.time_ms,
            ["b", "government", []],
            ["a", "government", []],
            [],
            [[first.hex(), 3, granted_ms, 0, "flood warning", "", 0]],
            [1, 1],
            [0, 0, 0, 0],
            {},
        ],
    ]
    encoded = json.dumps(call, ensure_ascii=False, separators=(",", ":")).encode()
    chain_id = story.network.chain_id
    assert verdict.inputs_hash == hashlib.sha256(b"blockpool/2\0contract-inputs\0" + chain_id + encoded).digest()


def test_the_engine_of_the_genesis_is_the_one_that_must_run(engine: Engine) -> None:
    verify_engine(ENGINE_IDENTITY)
    other = msgspec.structs.replace(ENGINE_IDENTITY, wasmtime_version="1.0.0")
    with refuses(ErrorCode.ENGINE_UNAVAILABLE, "wasmtime 1.0.0"):
        verify_engine(other)


class HereForAny(SandboxPolicy):
    """Runs the contracts of a network whose genesis names another engine."""

    def open_block(self, engine: EngineIdentity) -> BlockContracts:
        return super().open_block(ENGINE_IDENTITY)


def test_the_vectors_say_what_an_engine_decides(engine: Engine) -> None:
    policy = HereForAny(Sandbox(engine, make_genesis().chain_id))
    with_engine, without = (
        [outcome | {"fuel": bool(outcome["fuel"])} for block in made["blocks"] for outcome in block["outcomes"]]
        for made in (make_access(policy), make_access())
    )
    assert with_engine == without
