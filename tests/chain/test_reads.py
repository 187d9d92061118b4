"""The history of reads: what a log of it says, which requests a filter finds, and that a list with a gap is caught."""

from collections.abc import Callable

import pytest

from audit.chain import ChainAudit
from chain.access.history import AnswerNote, DecisionNote, ParcelPlace, ReadFilter, ReadLog, ReportNote
from chain.blocks import Outcome
from chain.errors import ErrorCode, PoolError
from chain.ledger import ExecutedBlock
from chain.state.entries import DatasetReads, ParcelReads, ReaderEntry, parcel_reads_key, reader_key, reads_key
from chain.transactions.base import Transaction
from tests.chain.access_world import AccessWorld, approved_by, deny
from tests.ledgers import audited, packages_of
from tests.networks import TIME_MS, TestNetwork
from tests.refusals import refuses

DAY_MS = 86_400_000


class ReadWorld:
    """A chain with reads of every kind: one that is approved and read, one denied, one revoked, one of a closed
    dataset; two parcels at heights 2 and 3.
    """

    def __init__(self) -> None:
        world = self.world = AccessWorld(
            rule=lambda case: approved_by(1, "c", "d")(case) if case.reader.name == "b" else deny("not a department")
        )
        network = world.network
        (self.first_parcel,) = world.accept(network.sealed_parcel())
        (self.second_parcel,) = world.accept(network.sealed_parcel())
        self.asked, _ = world.ask(purpose="flood warning", parcels=(self.first_parcel,), after_ms=DAY_MS)
        self.answer = world.accept(network.approval(self.asked, "approve", "d", reason="season"))[0]
        self.read_report = world.accept(network.read_report(self.asked, [self.first_parcel], record_count=1))[0]
        self.denied, _ = world.ask("outsider", purpose="Advertising", after_ms=DAY_MS)
        self.late, _ = world.ask(purpose="statistics", from_height=3, after_ms=DAY_MS)
        world.accept(network.approval(self.late, "approve", "c"))
        self.revoked = world.accept(network.approval(self.late, "revoke", "a", reason="case closed"))[0]
        self.closed, _ = world.ask(dataset="c.secret")

    def blocks(self) -> list[ExecutedBlock]:
        """Every block with transactions, as an auditor executes it again."""
        found: list[ExecutedBlock] = []
        self.audit(found.append)
        return found

    def audit(self, on_block: Callable[[ExecutedBlock], None]) -> ChainAudit:
        auditor = ChainAudit(self.world.network.genesis, self.world.policy, on_block)
        return audited(auditor, packages_of(self.world.ledger))


@pytest.fixture(scope="module")
def world() -> ReadWorld:
    return ReadWorld()


@pytest.fixture(scope="module")
def log(world: ReadWorld) -> ReadLog:
    log = ReadLog(world.world.network.chain_id)
    world.audit(log.add_block)
    return log


def ids(log: ReadLog, **wanted: object) -> list[bytes]:
    return [read.by.transaction_id for read in log.reads(ReadFilter(**wanted))]  # type: ignore[arg-type]


def test_a_request_has_everything_that_came_of_it_in_order(world: ReadWorld, log: ReadLog) -> None:
    read = log.reads()[0]
    assert (read.by.transaction_id, read.by.member, read.by.height) == (world.asked, "b", 4)
    assert (read.header.purpose, read.header.case_number, read.header.person) == ("flood warning", "2023-17", "Li Wei")
    asked, answer, granted, report = read.notes
    assert isinstance(asked, DecisionNote)
    assert (asked.status, asked.verdict.verdict, asked.by) == ("asked", "ask", read.by)
    assert (asked.verdict.contract, asked.verdict.contract_version, asked.fuel) == ("a.rule", 1, 1000)
    assert isinstance(answer, AnswerNote)
    assert (answer.by.member, answer.answer, answer.reason) == ("d", "approve", "season")
    assert isinstance(granted, DecisionNote)
    assert (granted.status, granted.by.transaction_id) == ("granted", world.answer)
    assert isinstance(report, ReportNote)
    assert (report.by.transaction_id, report.parcels, report.record_count) == (
        world.read_report,
        (world.first_parcel,),
        1,
    )
    assert (read.status, read.grants, read.records_read) == ("granted", 1, 1)


def test_denials_and_revocations_keep_their_reason(world: ReadWorld, log: ReadLog) -> None:
    (denied,) = log.reads(ReadFilter(reader="outsider"))
    assert (denied.status, denied.decisions[-1].sentence, denied.grants) == ("denied", "not a department", 0)
    (revoked,) = log.reads(ReadFilter(status="revoked"))
    assert revoked.by.transaction_id == world.late
    assert (revoked.decisions[-1].sentence, revoked.grants) == ("withdrawn by a: case closed", 1)
    assert revoked.decisions[-1].by.transaction_id == world.revoked


def test_a_revocation_by_an_approver_is_what_the_contract_makes_of_it() -> None:
    world = AccessWorld(rule=approved_by(1, "c", "d"))
    request, _ = world.ask()
    for answer in ("approve", "revoke"):
        world.answer(request, answer, "c")
    log = ReadLog(world.network.chain_id)
    for height in range(1, world.ledger.tip.height + 1):
        block = world.ledger.block_at(height)
        for stored, outcome in zip(world.ledger.blocks.transactions(height), block.outcomes, strict=True):
            log.add(height, world.time_ms, world.network.checked(stored).header, outcome)
    assert [note.status for note in log.reads()[0].decisions] == ["asked", "granted", "asked"]
    assert log.reads()[0].status == world.request(request).decision.status
    log.verify_reader_complete("a.flights", "b", world.reader())


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["asked", "denied", "late", "closed"]),
        ({"dataset": "a.flights"}, ["asked", "denied", "late"]),
        ({"dataset": "c.secret"}, ["closed"]),
        ({"dataset": "a.nothing"}, []),
        ({"reader": "b"}, ["asked", "late", "closed"]),
        ({"purpose": "advert"}, ["denied"]),
        ({"purpose": "FLOOD", "dataset": "a.flights"}, ["asked"]),
        ({"status": "granted"}, ["asked"]),
        ({"status": "denied"}, ["denied", "closed"]),
        ({"since_ms": TIME_MS + 2 * DAY_MS}, ["denied", "late", "closed"]),
        ({"until_ms": TIME_MS + 2 * DAY_MS}, ["asked"]),
        ({"since_ms": TIME_MS + 2 * DAY_MS, "until_ms": TIME_MS + 3 * DAY_MS}, ["denied"]),
    ],
)
def test_a_filter_finds(world: ReadWorld, log: ReadLog, wanted: dict[str, object], found: list[str]) -> None:
    assert ids(log, **wanted) == [getattr(world, name) for name in found]


def test_a_parcel_is_found_by_name_by_height_and_by_read_report(world: ReadWorld, log: ReadLog) -> None:
    first, second = log.parcel(world.first_parcel), log.parcel(world.second_parcel)
    assert (first.dataset, first.height, second.height) == ("a.flights", 2, 3)
    assert ids(log, parcel=first) == [world.asked, world.denied], "one asks from height 3 on"
    assert ids(log, parcel=second) == [world.denied, world.late]
    assert ids(log, parcel=ParcelPlace(first.id, "c.secret", 2)) == [world.closed]
    with refuses(ErrorCode.NOT_FOUND):
        log.parcel(world.asked)


def test_the_log_is_what_the_state_says(world: ReadWorld, log: ReadLog) -> None:
    ledger = world.world.ledger
    assert log.datasets == ["a.flights", "c.secret"]
    for dataset in (*log.datasets, "a.nothing"):
        reads = ledger.entry(reads_key(dataset), DatasetReads)
        log.verify_complete(dataset, reads)
        assert log.transaction_count(dataset) == (reads.history.count if reads else 0)
        for reader in ("a", "b", "c", "outsider"):
            log.verify_reader_complete(dataset, reader, ledger.entry(reader_key(dataset, reader), ReaderEntry))
    for parcel in (world.first_parcel, world.second_parcel):
        key = parcel_reads_key("a.flights", parcel)
        log.verify_parcel_complete(log.parcel(parcel), ledger.entry(key, ParcelReads))
    assert log.transaction_count("a.flights") == 7


def entries(world: ReadWorld) -> list[tuple[int, int, Transaction, Outcome]]:
    """All transactions with their outcomes."""
    return [
        (executed.header.height, executed.header.time_ms, checked.transaction, outcome)
        for executed in world.blocks()
        for checked, outcome in zip(executed.transactions, executed.outcomes, strict=True)
    ]


def log_of(network: TestNetwork, listed: list[tuple[int, int, Transaction, Outcome]]) -> ReadLog:
    log = ReadLog(network.chain_id)
    for height, time_ms, transaction, outcome in listed:
        log.add(height, time_ms, network.checked(transaction).header, outcome)
    return log


@pytest.mark.parametrize("name", ["denied", "read_report", "revoked", "answer"])
def test_a_transaction_left_out_is_noticed(world: ReadWorld, name: str) -> None:
    left_out = getattr(world, name)
    listed = [entry for entry in entries(world) if entry[3].transaction_id != left_out]
    log = log_of(world.world.network, listed)
    with refuses(ErrorCode.BAD_PROOF, "6 of 7"):
        log.verify_complete("a.flights", world.world.reads())


def test_a_request_left_out_with_its_answers_kept_is_noticed(world: ReadWorld) -> None:
    listed = [entry for entry in entries(world) if entry[3].transaction_id != world.asked]
    with pytest.raises(PoolError, match="was left out"):
        log_of(world.world.network, listed)


def test_a_list_in_another_order_is_noticed(world: ReadWorld) -> None:
    listed = entries(world)
    places = [place for place, entry in enumerate(listed) if entry[3].transaction_id in (world.denied, world.late)]
    listed[places[0]], listed[places[1]] = listed[places[1]], listed[places[0]]
    with pytest.raises(PoolError, match="another order"):
        log_of(world.world.network, listed).verify_complete("a.flights", world.world.reads())


def test_a_transaction_listed_twice_is_noticed(world: ReadWorld) -> None:
    listed = entries(world)
    (twice,) = [entry for entry in listed if entry[3].transaction_id == world.read_report]
    with pytest.raises(PoolError, match="8 of 7"):
        log_of(world.world.network, [*listed, twice]).verify_complete("a.flights", world.world.reads())


def test_a_parcels_and_a_readers_counters_catch_a_gap_too(world: ReadWorld) -> None:
    listed = [entry for entry in entries(world) if entry[3].transaction_id != world.read_report]
    log = log_of(world.world.network, listed)
    with pytest.raises(PoolError, match="1 of 2"):
        log.verify_parcel_complete(log.parcel(world.first_parcel), world.world.parcel_reads(world.first_parcel))
    listed = [entry for entry in entries(world) if entry[3].transaction_id != world.denied]
    with pytest.raises(PoolError, match="0 requests and 0 grants of outsider"):
        log_of(world.world.network, listed).verify_reader_complete(
            "a.flights", "outsider", world.world.reader("outsider")
        )


def test_reads_of_a_dataset_that_nobody_ever_asked_for_are_none(world: ReadWorld, log: ReadLog) -> None:
    log.verify_complete("a.nothing", None)
    with pytest.raises(PoolError):
        log.verify_complete("a.flights", None)


def test_what_was_rejected_leaves_no_trace(world: ReadWorld) -> None:
    network = world.world.network
    log = ReadLog(network.chain_id)
    checked = network.checked(network.request())
    log.add(1, TIME_MS, checked.header, Outcome(checked.id, "expired", (), 0))
    assert log.reads() == []


def test_a_request_without_verdict_is_no_outcome_of_an_honest_chain(world: ReadWorld) -> None:
    listed = entries(world)
    (request,) = [entry for entry in listed if entry[3].transaction_id == world.asked]
    bare = Outcome(request[3].transaction_id, "ok", (), 0)
    with pytest.raises(PoolError, match="no verdict"):
        log_of(world.world.network, [(*request[:3], bare)])


def test_the_reads_of_one_reader_are_found_without_looking_at_those_of_others(
    log: ReadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So an audit takes as long as there are reads, not that for each dataset again."""
    looked: list[bytes] = []
    matches = ReadFilter.matches
    monkeypatch.setattr(
        ReadFilter, "matches", lambda wanted, read: looked.append(read.by.transaction_id) or matches(wanted, read)
    )
    found = ids(log, dataset="a.flights", reader="outsider")
    assert found == [read.by.transaction_id for read in log.reads(ReadFilter(reader="outsider"))]
    assert looked[: len(found)] == found
    assert len(looked) == len(found) + log.request_count
    assert ids(log, dataset="a.flights", reader="nobody") == []
