"""What an audit has found, as a report or a page tells it: from blocks that were verified, and from the state
that follows from them.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from audit.chain import AuditReport, ChainAudit
from audit.misbehaviour import NOT_ASKED, MisbehaviourFindings, verify_files
from audit.parallel import open_audit
from audit.series import TimeSeries
from audit.sources import ChainSource
from audit.walk import OnProgress, silent
from chain.access.decision import Decision
from chain.access.history import ReadLog, RequestHistory
from chain.access.policy import AccessPolicy
from chain.erasure import places_gone
from chain.errors import PoolError
from chain.genesis import Genesis
from chain.ledger import ExecutedBlock
from chain.primitives.crypto import Hash
from chain.primitives.encoding import decode
from chain.primitives.places import count_of, left_after
from chain.state.entries import (
    ContractEntry,
    DatasetEntry,
    DatasetReads,
    DatasetTotals,
    RequestEntry,
    contract_key,
    dataset_key,
    dataset_totals_key,
    member_key,
    reads_key,
    request_key,
)
from chain.state.members import Member
from chain.transactions.contract import CONTRACT
from chain.transactions.dataset import DATASET
from chain.transactions.erase import ERASE, EraseHeader
from chain.transactions.parcel import PARCEL

Conclusion = Literal["holds", "attention", "fails"]
"""Everything holds; it does, but a member's misbehaviour is proven or a claim of it could not be verified; something
is missing or wrong."""


class Place(NamedTuple):
    """A block."""

    height: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class MemberFinding:
    """A member, and what it has done on the chain."""

    entry: Member
    accepted: int
    """Its transactions that took effect."""
    rejected: int
    proposed: int
    """Blocks that its node has built."""


@dataclass(frozen=True, slots=True)
class DatasetFinding:
    """A dataset as the catalogue has it at the end."""

    entry: DatasetEntry
    totals: DatasetTotals | None
    """None if it never got a parcel."""
    reads: DatasetReads | None
    """None if nobody has asked to read it."""
    changed: Place
    """Its newest parcel, or its newest entry in the catalogue."""


@dataclass(frozen=True, slots=True)
class ErasureFinding:
    """An erasure that took effect."""

    by: str
    height: int
    time_ms: int
    parcel: Hash
    dataset: str
    legal_basis: str
    reason: str
    records: int | None
    """Records of the parcel. None: the source still gave their bodies, though they should be gone."""


@dataclass(slots=True)
class Collector:
    """Collects from verified blocks: requests with all that came of them, and counts of everything else."""

    log: ReadLog
    records: TimeSeries = field(default_factory=TimeSeries)
    """Accepted records by dataset."""
    verdicts: TimeSeries = field(default_factory=TimeSeries)
    """By what they say."""
    erasures: list[ErasureFinding] = field(default_factory=list)
    datasets: dict[str, Place] = field(default_factory=dict)
    """When each was changed last."""
    contracts: set[str] = field(default_factory=set)
    accepted: Counter[str] = field(default_factory=Counter)
    """Transactions by member."""
    rejected: Counter[str] = field(default_factory=Counter)
    proposed: Counter[str] = field(default_factory=Counter)
    """Blocks by member."""
    _absent: dict[Hash, bytes] = field(default_factory=dict)
    """Places of a parcel's records that came without their bodies and are not erased so far, by the parcel's id."""

    def add_block(self, executed: ExecutedBlock) -> None:
        """Add a block: ``ChainAudit`` calls this."""
        self.log.add_block(executed)
        header = executed.header
        place = Place(header.height, header.time_ms)
        self.proposed[header.proposer] += 1
        for checked, outcome in zip(executed.transactions, executed.outcomes, strict=True):
            if outcome.verdict is not None:
                self.verdicts.add(outcome.verdict.verdict, header.time_ms)
            (self.accepted if outcome.is_ok else self.rejected)[checked.header.member] += 1
        for _, entry in executed.accepted(DATASET):
            self.datasets[entry.dataset] = place
        for checked, parcel in executed.accepted(PARCEL):
            self.datasets[parcel.dataset] = place
            self.records.add(parcel.dataset, header.time_ms, checked.record_count)
            if checked.absent is not None:
                self._absent[checked.id] = places_gone(checked)
        self.contracts.update(contract.contract for _, contract in executed.accepted(CONTRACT))
        for _, erase in executed.accepted(ERASE):
            self._add_erasure(erase, header.height, header.time_ms)

    def _add_erasure(self, erase: EraseHeader, height: int, time_ms: int) -> None:
        absent = self._absent.pop(erase.parcel, None)
        left = left_after(absent or b"", erase.records)
        if left:
            self._absent[erase.parcel] = left
        records = None if absent is None else count_of(absent) - count_of(left)
        self.erasures.append(
            ErasureFinding(
                erase.member, height, time_ms, erase.parcel, erase.dataset, erase.legal_basis, erase.reason, records
            )
        )


class Audited(NamedTuple):
    """A chain that was gone through."""

    audit: ChainAudit
    collector: Collector
    failure: PoolError | None
    """The first thing that does not hold, with ``height`` in its context."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How an audit was made."""

    source: str
    """Home or URL, as it was given."""
    made_ms: int
    """This machine's clock when it began."""
    seconds: float
    overdue_days: int
    """How long a request may wait for answers."""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that the report tells."""

    circumstances: Circumstances
    genesis: Genesis
    report: AuditReport
    failure: PoolError | None
    members: tuple[MemberFinding, ...]
    datasets: tuple[DatasetFinding, ...]
    contracts: tuple[ContractEntry, ...]
    reads: tuple[RequestHistory, ...]
    records: TimeSeries
    verdicts: TimeSeries
    erasures: tuple[ErasureFinding, ...]
    misbehaviour: MisbehaviourFindings
    decisions: Mapping[Hash, Decision]
    """On requests that wait or were never used, as the state has them: who was asked, what the contract noted."""

    @property
    def conclusion(self) -> Conclusion:
        """What it all comes to."""
        if self.failure is not None or not self.report.is_complete:
            return "fails"
        return "attention" if self.misbehaviour.needs_attention or self.unerased else "holds"

    @property
    def unerased(self) -> tuple[ErasureFinding, ...]:
        """Erasures whose parcel the source still gave with its bodies."""
        return tuple(erasure for erasure in self.erasures if erasure.records is None)

    @property
    def waiting(self) -> list[RequestHistory]:
        """Requests that wait for answers, the longest first."""
        return [read for read in self.reads if _waits(read)]

    def waited_days(self, read: RequestHistory) -> int:
        """Whole days since a request was made, up to when the report was."""
        return max(0, self.circumstances.made_ms - read.by.time_ms) // (24 * 60 * 60 * 1000)

    def is_overdue(self, read: RequestHistory) -> bool:
        """Whether a request that waits has waited too long."""
        return self.waited_days(read) >= self.circumstances.overdue_days

    @property
    def unused(self) -> list[RequestHistory]:
        """Requests that were granted and under which nothing was ever read."""
        return [read for read in self.reads if _is_unused(read)]


def investigate(
    name: str,
    genesis: Genesis,
    source: ChainSource,
    policy: AccessPolicy,
    accusations: Iterable[bytes] | None,
    *,
    overdue_days: int,
    jobs: int = 1,
    on_progress: OnProgress = silent,
) -> Findings:
    """Verify a whole chain, and collect what there is to tell.

    Args:
        name: of the source, for people.
        genesis: of the chain.
        source: its blocks.
        policy: runs the contracts.
        accusations: files of evidence of misbehaviour that the source gives; None if it cannot be asked.
        overdue_days: how long a request may wait for answers.
        jobs: processes that share the work.
        on_progress: shows how far it is.

    Raises:
        PoolError: if the blocks cannot be had, or this machine cannot run the contracts: nothing is known then.
    """
    made_ms, started_s = time.time_ns() // 1_000_000, time.monotonic()
    collector = Collector(ReadLog(genesis.chain_id))
    with open_audit(genesis, policy, collector.add_block, jobs=jobs) as auditing:
        failure = auditing.run(source, on_progress) or _incompleteness(auditing.audit, collector.log)
        misbehaviour = NOT_ASKED if accusations is None else verify_files(accusations, genesis)
        circumstances = Circumstances(name, made_ms, time.monotonic() - started_s, overdue_days)
        return conclude(circumstances, genesis, Audited(auditing.audit, collector, failure), misbehaviour)


def _incompleteness(audit: ChainAudit, log: ReadLog) -> PoolError | None:
    """Why the list of reads is not the one that the state counts; None if it is."""
    try:
        for dataset in log.datasets:
            log.verify_complete(dataset, audit.entry(reads_key(dataset), DatasetReads))
    except PoolError as error:
        return PoolError(error.code, error.detail, height=audit.report.height)
    return None


def conclude(
    circumstances: Circumstances, genesis: Genesis, audited: Audited, misbehaviour: MisbehaviourFindings
) -> Findings:
    """Put together what was found, with what the state says after the last block that holds."""
    audit, collector = audited.audit, audited.collector
    reads = tuple(collector.log.reads())
    ids = (read.by.transaction_id for read in reads if _waits(read) or _is_unused(read))
    entries = {id_: audit.entry(request_key(id_), RequestEntry) for id_ in ids}
    return Findings(
        circumstances,
        genesis,
        audit.report,
        audited.failure,
        tuple(_members(audit, collector)),
        tuple(_datasets(audit, collector)),
        tuple(filter(None, (audit.entry(contract_key(name), ContractEntry) for name in sorted(collector.contracts)))),
        reads,
        collector.records,
        collector.verdicts,
        tuple(collector.erasures),
        misbehaviour,
        {id_: entry.decision for id_, entry in entries.items() if entry is not None},
    )


def _waits(read: RequestHistory) -> bool:
    return read.status == "asked"


def _is_unused(read: RequestHistory) -> bool:
    return bool(read.grants) and not read.read_reports


def _members(audit: ChainAudit, collector: Collector) -> Iterable[MemberFinding]:
    for value in audit.entries(member_key("")).values():
        entry = decode(Member, value)
        name = entry.name
        yield MemberFinding(entry, collector.accepted[name], collector.rejected[name], collector.proposed[name])


def _datasets(audit: ChainAudit, collector: Collector) -> Iterable[DatasetFinding]:
    for dataset, changed in sorted(collector.datasets.items()):
        entry = audit.entry(dataset_key(dataset), DatasetEntry)
        if entry is not None:
            totals = audit.entry(dataset_totals_key(dataset), DatasetTotals)
            yield DatasetFinding(entry, totals, audit.entry(reads_key(dataset), DatasetReads), changed)


@dataclass(slots=True)
class Tally:
    """Requests that have something in common."""

    requests: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    """Where they stand now."""
    read_reports: int = 0
    records_read: int = 0
    readers: set[str] = field(default_factory=set)

    def add(self, read: RequestHistory) -> None:
        """Count a request."""
        self.requests += 1
        self.by_status[read.status] += 1
        self.read_reports += len(read.read_reports)
        self.records_read += read.records_read
        self.readers.add(read.by.member)


def tally(reads: Iterable[RequestHistory], group: Callable[[RequestHistory], str]) -> list[tuple[str, Tally]]:
    """Requests counted by what ``group`` says of them, the largest group first."""
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    for read in reads:
        tallies[group(read)].add(read)
    return sorted(tallies.items(), key=lambda item: (-item[1].requests, item[0]))
