"""The history of reads: who asked for what and why, what was decided on which grounds, who answered, what was read.

``ReadLog`` takes it from executed blocks, or from single transactions whose read reports were verified. Either way it
can be held against what the state says, which the validators' certificate vouches for: every transaction about a
dataset's reads is folded into one hash under ``reads/``, so a list with one left out, or put in, or moved does not
lead there.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from chain.access.decision import AccessVerdict, RequestStatus, failure_of, status_of
from chain.blocks import Outcome
from chain.errors import ErrorCode, PoolError
from chain.facts import Facts
from chain.ledger import ExecutedBlock
from chain.messages import denial
from chain.primitives.crypto import Hash
from chain.primitives.typed import typed
from chain.primitives.types import Answer
from chain.state.entries import EMPTY_HISTORY, DatasetReads, ParcelReads, ReaderEntry, ReadHistory
from chain.transactions.approval import APPROVAL
from chain.transactions.base import Header, Index
from chain.transactions.parcel import PARCEL
from chain.transactions.read_report import READ_REPORT
from chain.transactions.registry import type_of
from chain.transactions.request import REQUEST, RequestHeader


@dataclass(frozen=True, slots=True)
class Signed:
    """Who said something on the chain, where and when."""

    transaction_id: Hash
    member: str
    height: int
    time_ms: int
    """The block's time."""


@dataclass(frozen=True, slots=True)
class DecisionNote:
    """What a transaction has led to for its request."""

    by: Signed
    """The request itself, or the answer after which it was decided anew."""
    verdict: AccessVerdict
    """With the contract, its version and hash, the inputs' hash, and until when access is given."""
    facts: Facts
    """Why it was denied or revoked."""
    fuel: int

    @property
    def status(self) -> RequestStatus:
        """Where the request stands from then on."""
        return status_of(self.verdict.verdict, self.facts)

    @property
    def failure(self) -> str:
        """Error code if the contract failed, which denies; else empty."""
        return failure_of(self.facts)

    @property
    def sentence(self) -> str:
        """Why it was denied or revoked, for people; else empty."""
        return denial(self.facts)


@dataclass(frozen=True, slots=True)
class AnswerNote:
    """What an approver, the owner or the reader has said of a request."""

    by: Signed
    answer: Answer
    reason: str


@dataclass(frozen=True, slots=True)
class ReportNote:
    """What the reader says that it has read."""

    by: Signed
    parcels: tuple[Hash, ...]
    record_count: int
    digest: Hash
    """Of the plaintexts: ``chain.access.policy.ReadDigest``."""
    fields: tuple[str, ...] = ()
    """Whose columns were opened; empty for all."""


Note = DecisionNote | AnswerNote | ReportNote


@dataclass(frozen=True, slots=True)
class RequestHistory:
    """One request to read with everything that came of it, oldest first."""

    by: Signed
    """The reader; the transaction's id is the request's."""
    header: RequestHeader
    """As the reader signed it: dataset, parcels or heights, purpose, legal basis, case number, person."""
    notes: tuple[Note, ...]
    """In the chain's order; an answer stands before the decision that it led to. The first is a decision."""

    @property
    def decisions(self) -> tuple[DecisionNote, ...]:
        """What was decided on it."""
        return tuple(note for note in self.notes if isinstance(note, DecisionNote))

    @property
    def answers(self) -> tuple[AnswerNote, ...]:
        """What was said of it."""
        return tuple(note for note in self.notes if isinstance(note, AnswerNote))

    @property
    def read_reports(self) -> tuple[ReportNote, ...]:
        """What was read under it."""
        return tuple(note for note in self.notes if isinstance(note, ReportNote))

    @property
    def status(self) -> RequestStatus:
        """Where it stands now; a grant may have expired since."""
        return self.decisions[-1].status

    @property
    def grants(self) -> int:
        """How often it was granted: again after it was not any more."""
        statuses = [None, *(decision.status for decision in self.decisions)]
        return sum(after == "granted" != before for before, after in itertools.pairwise(statuses))

    @property
    def records_read(self) -> int:
        """Sum over the read reports."""
        return sum(report.record_count for report in self.read_reports)

    def concerns(self, parcel: "ParcelPlace") -> bool:
        """Whether it asks for a parcel, or has read it."""
        header = self.header
        if header.dataset != parcel.dataset:
            return False
        if any(parcel.id in report.parcels for report in self.read_reports):
            return True
        if header.parcels:
            return parcel.id in header.parcels
        return header.from_height <= parcel.height and (not header.until_height or parcel.height <= header.until_height)

    def happens_between(self, since_ms: int, until_ms: int) -> bool:
        """Whether any of its transactions is of that time: from ``since_ms`` on, before ``until_ms`` (0: no end)."""
        times_ms = (note.by.time_ms for note in self.notes)
        return any(since_ms <= time_ms and (not until_ms or time_ms < until_ms) for time_ms in times_ms)


@dataclass(frozen=True, slots=True)
class ParcelPlace:
    """Where a parcel stands: what decides which requests are for it."""

    id: Hash
    dataset: str
    height: int


@dataclass(frozen=True, slots=True)
class ReadFilter:
    """Which requests are wanted; what is left empty does not matter."""

    dataset: str = ""
    reader: str = ""
    parcel: ParcelPlace | None = None
    purpose: str = ""
    """Part of the purpose, in whatever case, form and spacing (``chain.primitives.typed``)."""
    since_ms: int = 0
    """Something happened then or later."""
    until_ms: int = 0
    """Something happened before."""
    status: RequestStatus | None = None

    def matches(self, read: RequestHistory) -> bool:
        """Whether a request is wanted."""
        return (
            self.dataset in ("", read.header.dataset)
            and self.reader in ("", read.by.member)
            and (self.parcel is None or read.concerns(self.parcel))
            and typed(self.purpose).casefold() in typed(read.header.purpose).casefold()
            and read.happens_between(self.since_ms, self.until_ms)
            and self.status in (None, read.status)
        )


class ReadLog:
    """All requests with what came of them. Feed it transactions in the chain's order."""

    def __init__(self, chain_id: bytes) -> None:
        self._chain_id = chain_id
        self._requests: dict[Hash, tuple[Signed, RequestHeader, list[Note]]] = {}
        """What was asked, and all that came of it so far, oldest first."""
        self._by_reader: dict[tuple[str, str], list[Hash]] = {}
        """Requests by dataset and reader."""
        self._parcels: dict[Hash, ParcelPlace] = {}
        self._histories: dict[str, ReadHistory] = {}
        self._parcel_histories: dict[tuple[str, Hash], ReadHistory] = {}

    def add_block(self, executed: ExecutedBlock) -> None:
        """Take in a block: ``ChainAudit`` calls this."""
        header = executed.header
        for checked, outcome in zip(executed.transactions, executed.outcomes, strict=True):
            self.add(header.height, header.time_ms, checked.header, outcome)

    def add(self, height: int, time_ms: int, header: Header, outcome: Outcome) -> None:
        """Take in a transaction. What was rejected, or is not about reads, leaves no trace here.

        Raises:
            PoolError: code ``bad_proof`` for an answer or a read report to a request that was never taken in.
        """
        if not outcome.is_ok:
            return
        by = Signed(outcome.transaction_id, header.member, height, time_ms)
        if parcel := PARCEL.of(header):
            if parcel.envelope:
                self._parcels[by.transaction_id] = ParcelPlace(by.transaction_id, parcel.dataset, height)
        elif request := REQUEST.of(header):
            self._requests[by.transaction_id] = by, request, [_decision(by, outcome)]
            self._by_reader.setdefault((request.dataset, by.member), []).append(by.transaction_id)
        elif answer := APPROVAL.of(header):
            self._notes(answer.request).extend((AnswerNote(by, answer.answer, answer.reason), _decision(by, outcome)))
        elif report := READ_REPORT.of(header):
            note = ReportNote(by, report.parcels, report.record_count, report.digest, report.fields)
            self._notes(report.request).append(note)
        self._fold(by, type_of(header).index(header))

    def reads(self, wanted: ReadFilter = ReadFilter()) -> list[RequestHistory]:
        """The requests that are wanted, in chain order."""
        ids: Iterable[Hash] = self._requests
        if wanted.dataset and wanted.reader:
            ids = self._by_reader.get((wanted.dataset, wanted.reader), ())
        found = (RequestHistory(by, header, tuple(notes)) for by, header, notes in map(self._requests.__getitem__, ids))
        return [read for read in found if wanted.matches(read)]

    @property
    def request_count(self) -> int:
        """Requests in all."""
        return len(self._requests)

    def parcel(self, parcel_id: Hash) -> ParcelPlace:
        """Where a sealed parcel stands; raises ``not_found``."""
        place = self._parcels.get(parcel_id)
        if place is None:
            raise PoolError(ErrorCode.NOT_FOUND, f"{parcel_id.hex()[:16]} is no sealed parcel of this chain")
        return place

    @property
    def datasets(self) -> list[str]:
        """Datasets that anybody has asked to read."""
        return sorted(self._histories)

    def transaction_count(self, dataset: str) -> int:
        """Requests, answers and read reports of a dataset."""
        return self._histories.get(dataset, EMPTY_HISTORY).count

    def verify_complete(self, dataset: str, reads: DatasetReads | None) -> None:
        """Check that nothing about a dataset's reads is missing here, or too much.

        Args:
            dataset: ``owner.name``.
            reads: the counters in the state after the last block that was taken in; None if there are none.

        Raises:
            PoolError: code ``bad_proof``.
        """
        found = self._histories.get(dataset, EMPTY_HISTORY)
        _verify_same(f"the reads of {dataset}", found, reads.history if reads else EMPTY_HISTORY)

    def verify_parcel_complete(self, parcel: ParcelPlace, reads: ParcelReads | None) -> None:
        """Check that no request or read report that names a parcel is missing here; as ``verify_complete``."""
        found = self._parcel_histories.get((parcel.dataset, parcel.id), EMPTY_HISTORY)
        _verify_same(f"what names parcel {parcel.id.hex()[:16]}", found, reads.history if reads else EMPTY_HISTORY)

    def verify_reader_complete(self, dataset: str, reader: str, entry: ReaderEntry | None) -> None:
        """Check that all requests and grants of a reader are here; as ``verify_complete``. An entry without grants, or
        none at all, says that it never had one.
        """
        own = self.reads(ReadFilter(dataset=dataset, reader=reader))
        found = (len(own), sum(request.grants for request in own))
        proven = (entry.requests, entry.grants) if entry is not None else (0, 0)
        if found != proven:
            raise PoolError(
                ErrorCode.BAD_PROOF,
                f"{found[0]} requests and {found[1]} grants of {reader} on {dataset} are here, the state counts "
                f"{proven[0]} and {proven[1]}",
            )

    def _notes(self, request_id: Hash) -> list[Note]:
        if request_id not in self._requests:
            raise PoolError(ErrorCode.BAD_PROOF, f"request {request_id.hex()[:16]} was left out, an answer to it not")
        return self._requests[request_id][2]

    def _fold(self, by: Signed, index: Index) -> None:
        """As ``chain.access.rules`` does it in the state."""
        dataset = index.reads_of
        if not dataset:
            return
        history = self._histories.get(dataset, EMPTY_HISTORY)
        self._histories[dataset] = history.extended(self._chain_id, by.transaction_id)
        for parcel_id in index.read_parcels:
            key = (dataset, parcel_id)
            history = self._parcel_histories.get(key, EMPTY_HISTORY)
            self._parcel_histories[key] = history.extended(self._chain_id, by.transaction_id)


def _decision(by: Signed, outcome: Outcome) -> DecisionNote:
    if outcome.verdict is None:
        raise PoolError(ErrorCode.BAD_PROOF, f"transaction {by.transaction_id.hex()[:16]} has no verdict")
    return DecisionNote(by, outcome.verdict, outcome.facts, outcome.fuel)


def _verify_same(what: str, found: ReadHistory, proven: ReadHistory) -> None:
    if found.count != proven.count:
        raise PoolError(ErrorCode.BAD_PROOF, f"{found.count} of {proven.count} transactions of {what} are here")
    if found != proven:
        raise PoolError(ErrorCode.BAD_PROOF, f"{what} are others, or in another order, than the state says")
