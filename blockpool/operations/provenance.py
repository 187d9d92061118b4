"""Walking from a record to what it was made from, and to who used it and what they made of it.

Each step is proven before the next one is taken: a parcel by its header, which hashes to its id, its member's signature
and its receipt; the lists of what was made of a parcel and of who read it by the histories that the state has of them,
so that no node can leave one out. All lists are as of one block. What no node can prove is noted as a gap, and the
walk goes on around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from blockpool.answers import ParcelPage, ReadPage
from blockpool.exchange import NodeRequest, Operation, UntrueAnswer, reader
from blockpool.operations.headers import committed_header
from blockpool.operations.proofs import Entry, newest_header, state_entry
from blockpool.operations.session import PageType, Session
from blockpool.provenance import (
    Gap,
    ParcelUse,
    Provenance,
    ProvenanceBounds,
    ProvenParcel,
    ProvenReport,
    Unproven,
    Uses,
    is_made_from,
)
from blockpool.signing import RecordId, parse_transaction_id
from chain.blocks import BlockHeader
from chain.errors import ErrorCode, PoolError
from chain.state.entries import (
    EMPTY_HISTORY,
    DatasetEntry,
    DerivedParcels,
    OwnerAct,
    ParcelReads,
    ReadHistory,
    RecordPlaces,
    RequestEntry,
    corrected_records_key,
    correction_key,
    dataset_key,
    derived_key,
    erased_records_key,
    erasure_key,
    parcel_reads_key,
    record_erasure_key,
    request_key,
)
from chain.transactions.parcel import ParcelHeader, source_parcels
from chain.transactions.read_report import ReadReportHeader

T = TypeVar("T")

OnParcel = Callable[[int], None]
"""(parcels looked at so far)."""
_PAGE_LINES = 1000
_LISTED_MAX = 10_000
"""Parcels made of one that are listed; of more, only the number is given."""
_GAPS_MAX = 8
"""With so many gaps, no further answer is waited for: whoever is asked has nothing to give."""


def provenance(
    session: Session, record: RecordId, bounds: ProvenanceBounds, on_parcel: OnParcel = lambda count: None
) -> Operation[Provenance]:
    """The graph around a record, up to a node's newest block.

    Raises:
        PoolError: code ``not_found`` if there is no such record; what does not verify of its own parcel.
    """
    header = yield from newest_header(session)
    walk = _Walk(session, header, bounds, on_parcel)
    start = yield from walk.parcel(record.transaction_id)
    if record.index >= start.header.record_count:
        raise PoolError(
            ErrorCode.NOT_FOUND, f"the parcel has {start.header.record_count} records: there is no {record}"
        )
    yield from walk.towards_sources(start)
    yield from walk.towards_uses(start, record)
    yield from walk.look_up_datasets()
    place = record.transaction_id, record.index
    erasure = yield from state_entry(session, record_erasure_key(*place), OwnerAct, header)
    correction = yield from state_entry(session, correction_key(*place), OwnerAct, header)
    return Provenance(
        record=record,
        height=header.height,
        time_ms=header.time_ms,
        bounds=bounds,
        parcels=walk.parcels,
        uses=walk.uses,
        gaps=tuple(walk.gaps),
        datasets=walk.datasets,
        is_cut=walk.is_cut,
        erasure=erasure,
        correction=correction,
    )


class _Walk:
    """What was found so far.

    Args:
        session: whom to ask.
        header: of the block as of which uses are listed, verified.
        bounds: how far to go.
        on_parcel: told of each parcel.
    """

    def __init__(self, session: Session, header: BlockHeader, bounds: ProvenanceBounds, on_parcel: OnParcel) -> None:
        self._session = session
        self._header = header
        self._bounds = bounds
        self._on_parcel = on_parcel
        self._requests: dict[bytes, RequestEntry | None] = {}
        self.parcels: dict[bytes, ProvenParcel] = {}
        self.uses: dict[bytes, Uses] = {}
        self.gaps: list[Gap] = []
        self.datasets: dict[str, DatasetEntry] = {}
        self.is_cut = False

    def towards_sources(self, start: ProvenParcel) -> Operation[None]:
        """Look at what a parcel was made from, and so on."""
        level, met = [start], {start.id}
        for _ in range(self._bounds.depth):
            found = []
            for parcel in level:
                for id_ in source_parcels(parcel.header):
                    source = yield from self._parcel_or_gap(id_)
                    if source is not None and id_ not in met:
                        met.add(id_)
                        found.append(source)
            level = found

    def towards_uses(self, start: ProvenParcel, record: RecordId) -> Operation[None]:
        """Look at who used a parcel and what they made of it, and so on; of the first, at what names ``record``."""
        level, met = [start], {start.id}
        for _ in range(self._bounds.depth):
            found = []
            for parcel in level:
                uses = yield from self._parcel_uses(parcel)
                self.uses[parcel.id] = uses
                for id_ in uses.derived:
                    made = yield from self._parcel_or_gap(id_)
                    if made is not None and id_ not in met and is_made_from(made, parcel.id, record):
                        met.add(id_)
                        found.append(made)
            level = found

    def look_up_datasets(self) -> Operation[None]:
        """Fetch the catalogue entries of all datasets that were met."""
        for dataset in dict.fromkeys(parcel.header.dataset for parcel in self.parcels.values()):
            entry = yield from self._entry(dataset_key(dataset), DatasetEntry)
            if entry is not None:
                self.datasets[dataset] = entry

    def parcel(self, id_: bytes) -> Operation[ProvenParcel]:
        """Look at a parcel.

        Raises:
            PoolError: code ``not_found`` for what is no accepted parcel; what does not verify.
        """
        receipt, header = yield from committed_header(self._session, id_)
        if not isinstance(header, ParcelHeader) or not receipt.outcome.is_ok:
            raise PoolError(ErrorCode.NOT_FOUND, f"the chain has accepted no parcel {id_.hex()}")
        erasure = yield from self._entry(erasure_key(id_), OwnerAct)
        erased = (yield from self._entry(erased_records_key(id_), RecordPlaces)) or RecordPlaces()
        corrected = (yield from self._entry(corrected_records_key(id_), RecordPlaces)) or RecordPlaces()
        place = (receipt.height, receipt.receipt.index, receipt.header.time_ms)
        parcel = self.parcels[id_] = ProvenParcel(id_, header, *place, erasure, erased, corrected)
        self._on_parcel(len(self.parcels))
        return parcel

    def _parcel_or_gap(self, id_: bytes) -> Operation[ProvenParcel | None]:
        """A parcel, looked at once; None if it cannot be proven, or is one too many."""
        if id_ in self.parcels or any((gap.parcel, gap.what) == (id_, "parcel") for gap in self.gaps):
            return self.parcels.get(id_)
        if len(self.parcels) >= self._bounds.parcels:
            self.is_cut = True
            return None
        return (yield from self._unless_gap(id_, "parcel", self.parcel(id_)))

    def _parcel_uses(self, parcel: ProvenParcel) -> Operation[Uses]:
        """Who used a parcel, and what was made of it."""
        made = (yield from self._entry(derived_key(parcel.id), DerivedParcels)) or DerivedParcels()
        reads_key = parcel_reads_key(parcel.header.dataset, parcel.id)
        counters = (yield from self._entry(reads_key, ParcelReads)) or ParcelReads()
        derived: tuple[bytes, ...] | None = ()
        if made.history.count <= _LISTED_MAX:
            derived = yield from self._unless_gap(parcel.id, "derived", self._derived(parcel.id, made.history))
        reads: tuple[ParcelUse, ...] | None = ()
        if counters.history.count <= self._bounds.reads:
            reads = yield from self._unless_gap(parcel.id, "reads", self._reads(parcel.id, counters.history))
        return Uses(made.history.count, derived or (), counters, reads or ())

    def _derived(self, id_: bytes, history: ReadHistory) -> Operation[tuple[bytes, ...]]:
        path = f"/v1/parcels/{id_.hex()}/derived"
        return self._listed(path, ParcelPage, lambda page: (line.transaction_id for line in page.parcels), history)

    def _reads(self, id_: bytes, history: ReadHistory) -> Operation[tuple[ParcelUse, ...]]:
        """The requests that name a parcel, and those under which it was read, with their read reports."""
        path = f"/v1/parcels/{id_.hex()}/reads"
        listed = yield from self._listed(
            path, ReadPage, lambda page: (line.transaction_id for line in page.reads), history
        )
        reports: dict[bytes, list[ProvenReport]] = {}
        for read_id in listed:
            if (yield from self._request(read_id)) is not None:
                reports.setdefault(read_id, [])
            else:
                request_id, report = yield from self._report(read_id, id_)
                reports.setdefault(request_id, []).append(report)
        uses = []
        for request_id, found in reports.items():
            request = yield from self._request(request_id)
            if request is None:
                raise PoolError(ErrorCode.BAD_PROOF, f"a read report names request {request_id.hex()}: it is not there")
            uses.append(ParcelUse(request_id, request, request_id in listed, tuple(found)))
        return tuple(uses)

    def _report(self, report_id: bytes, parcel_id: bytes) -> Operation[tuple[bytes, ProvenReport]]:
        """The request that a read report is about, and the report."""
        receipt, header = yield from committed_header(self._session, report_id)
        if not isinstance(header, ReadReportHeader) or parcel_id not in header.parcels:
            raise UntrueAnswer(ErrorCode.BAD_PROOF, f"{report_id.hex()} is no read of parcel {parcel_id.hex()}")
        place = (receipt.height, receipt.header.time_ms)
        return header.request, ProvenReport(report_id, header.member, *place, len(header.parcels), header.record_count)

    def _request(self, id_: bytes) -> Operation[RequestEntry | None]:
        """A request as it stands; None if it is proven that the id is no request's."""
        if id_ not in self._requests:
            self._requests[id_] = yield from self._entry(request_key(id_), RequestEntry)
        return self._requests[id_]

    def _entry(self, key: bytes, type_: type[Entry]) -> Operation[Entry | None]:
        return state_entry(self._session, key, type_, self._header)

    def _listed(
        self, path: str, type_: type[PageType], ids_of: Callable[[PageType], Iterable[str]], history: ReadHistory
    ) -> Operation[tuple[bytes, ...]]:
        """The ids of a list that fold to its history in the state, which knows nothing of what was listed later.

        Raises:
            PoolError: code ``bad_proof`` if no node has such a list.
        """
        found: list[bytes] = []
        if history.count == 0:
            return ()

        def check(page: PageType) -> Operation[None]:
            found.clear()
            while True:
                listed = [_parsed(text) for text in ids_of(page)]
                found.extend(listed)
                if len(found) >= history.count or page.next is None or not listed:
                    break
                page = yield from self._session.get(path, type_, limit=_PAGE_LINES, after=page.next)
            del found[history.count :]
            folded = EMPTY_HISTORY
            for id_ in found:
                folded = folded.extended(self._session.genesis.chain_id, id_)
            if folded != history:
                raise UntrueAnswer(ErrorCode.BAD_PROOF, f"its list {path} is not the one that the state has")

        yield from self._session.exchange(NodeRequest("GET", path, {"limit": _PAGE_LINES}), reader(type_), check)
        return tuple(found)

    def _unless_gap(self, parcel_id: bytes, what: Unproven, operation: Operation[T]) -> Operation[T | None]:
        """What an operation gives; None, and a gap noted, if no node has an answer that verifies."""
        try:
            return (yield from operation)
        except PoolError as error:
            is_unproven = isinstance(error, UntrueAnswer) or error.code in (ErrorCode.NOT_FOUND, ErrorCode.BAD_PROOF)
            if not is_unproven or len(self.gaps) >= _GAPS_MAX:
                raise
            self.gaps.append(Gap(parcel_id, what, error.code, error.detail))
            return None


def _parsed(text: str) -> bytes:
    try:
        return parse_transaction_id(text)
    except PoolError as error:
        raise UntrueAnswer(ErrorCode.MALFORMED, error.detail) from None
