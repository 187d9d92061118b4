"""The history of a dataset's reads, proven complete without going through the chain.

A node lists the transactions; each comes with its receipt. That none is left out follows from the state: they fold into
the hash that stands there under ``reads/``, proven under a block header that a quorum has signed.
"""

from collections.abc import Callable
from dataclasses import dataclass

from blockpool.answers import ReadPage
from blockpool.exchange import Operation
from blockpool.operations.headers import committed_header
from blockpool.operations.proofs import newest_header, state_entry
from blockpool.operations.session import Session
from chain.access.history import ParcelPlace, ReadLog
from chain.blocks import BlockHeader
from chain.errors import ErrorCode, PoolError
from chain.state.entries import DatasetReads, ParcelReads, ReaderEntry, parcel_reads_key, reader_key, reads_key

OnRead = Callable[[int, int], None]
"""(transactions verified, transactions in all)."""
_PAGE_READS = 100


@dataclass(frozen=True, slots=True)
class ProvenReads:
    """All reads of a dataset up to a height, none left out and none made up."""

    dataset: str
    height: int
    """Block whose state proves it."""
    time_ms: int
    """That block's time."""
    log: ReadLog
    """Every request with what came of it."""
    counters: DatasetReads
    reader: ReaderEntry | None
    """What the reader that was asked about has asked for: with no ``grants`` it never had one, None if it never
    asked."""
    parcel: ParcelPlace | None
    """The parcel that was asked about."""


def read_history(
    session: Session,
    dataset: str,
    reader: str = "",
    parcel_id: bytes | None = None,
    on_read: OnRead = lambda done, total: None,
) -> Operation[ProvenReads]:
    """All reads of a dataset up to a node's newest block.

    Args:
        session: of the client.
        dataset: ``owner.name``.
        reader: a member, to be told what it was granted.
        parcel_id: a sealed parcel of the dataset, to be told what names it.
        on_read: told how far it is.

    Raises:
        PoolError: code ``bad_proof`` if the list is not what the state says; ``not_found`` for an unknown parcel.
    """
    header = yield from newest_header(session)
    counters = (yield from state_entry(session, reads_key(dataset), DatasetReads, header)) or DatasetReads()
    log = ReadLog(session.genesis.chain_id)
    yield from _fill(session, log, dataset, header, counters.history.count, on_read)
    log.verify_complete(dataset, counters)
    asked: ReaderEntry | None = None
    if reader:
        asked = yield from state_entry(session, reader_key(dataset, reader), ReaderEntry, header)
        log.verify_reader_complete(dataset, reader, asked)
    place: ParcelPlace | None = None
    if parcel_id is not None:
        receipt, signed = yield from committed_header(session, parcel_id)
        log.add(receipt.header.height, receipt.header.time_ms, signed, receipt.outcome)
        place = log.parcel(parcel_id)
        if place.dataset != dataset:
            raise PoolError(ErrorCode.NOT_FOUND, f"parcel {parcel_id.hex()[:16]} is of {place.dataset}")
        key = parcel_reads_key(place.dataset, parcel_id)
        log.verify_parcel_complete(place, (yield from state_entry(session, key, ParcelReads, header)))
    return ProvenReads(dataset, header.height, header.time_ms, log, counters, asked, place)


def _fill(
    session: Session, log: ReadLog, dataset: str, header: BlockHeader, count: int, on_read: OnRead
) -> Operation[None]:
    """Add the transactions that a node lists, up to the height of ``header`` and no more than there are."""
    after: dict[str, str] = {}
    while True:
        page = yield from session.get(f"/v1/datasets/{dataset}/reads", ReadPage, limit=_PAGE_READS, **after)
        for summary in page.reads:
            if summary.height > header.height or log.transaction_count(dataset) >= count:
                return
            if summary.code != "ok":
                continue
            receipt, signed = yield from committed_header(session, bytes.fromhex(summary.transaction_id))
            log.add(receipt.header.height, receipt.header.time_ms, signed, receipt.outcome)
            on_read(log.transaction_count(dataset), count)
        if page.next is None:
            return
        after = {"after": page.next}
