"""The reads of a chain that was verified, and the proof that none is left out."""

from dataclasses import dataclass, replace

from audit.chain import ChainAudit
from audit.sources import ChainSource
from audit.walk import OnProgress, silent, walk
from chain.access.history import ParcelPlace, ReadFilter, ReadLog, RequestHistory
from chain.access.policy import AccessPolicy
from chain.errors import PoolError
from chain.genesis import Genesis
from chain.state.entries import DatasetReads, ParcelReads, ReaderEntry, parcel_reads_key, reader_key, reads_key


@dataclass(frozen=True, slots=True)
class ReadProof:
    """What the state says of the list: that it is complete, and what a reader was granted."""

    dataset: str
    transactions: int
    """Requests, answers and read reports, none left out."""
    reader: str = ""
    """The member that was asked about."""
    requests: int = 0
    grants: int = 0
    """Of that member: 0 if it never had one."""


@dataclass(frozen=True, slots=True)
class FoundReads:
    """Requests that were wanted, and what is proven about them."""

    height: int
    """Last block that was looked at."""
    time_ms: int
    """Its time: what came after it is not here."""
    reads: list[RequestHistory]
    total: int
    """Requests in all, wanted or not."""
    proofs: list[ReadProof]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which reads are asked for."""

    filter: ReadFilter
    parcel_id: bytes | None

    def of(self, log: ReadLog) -> ReadFilter:
        """The filter, now that it is known where the parcel stands; raises ``not_found``."""
        return self.filter if self.parcel_id is None else replace(self.filter, parcel=log.parcel(self.parcel_id))


def collect_reads(
    genesis: Genesis, source: ChainSource, policy: AccessPolicy, wanted: Wanted, on_progress: OnProgress = silent
) -> FoundReads:
    """Verify a whole chain and take the reads from it.

    Raises:
        PoolError: what does not hold, or cannot be had.
    """
    log = ReadLog(genesis.chain_id)
    audit = ChainAudit(genesis, policy, log.add_block)
    failure = walk(audit, source.blocks(0), source.newest, on_progress)
    if failure is not None:
        where = f"the chain does not hold from height {failure.context['height']} on: "
        raise PoolError(failure.code, where + failure.detail, **failure.context)
    reader, datasets = wanted.filter.reader, [wanted.filter.dataset] if wanted.filter.dataset else log.datasets
    proofs = []
    for dataset in datasets:
        log.verify_complete(dataset, audit.entry(reads_key(dataset), DatasetReads))
        entry = audit.entry(reader_key(dataset, reader), ReaderEntry) if reader else None
        if reader:
            log.verify_reader_complete(dataset, reader, entry)
        proofs.append(proof_of(log, dataset, reader, entry))
    chosen = wanted.of(log)
    if chosen.parcel is not None:
        _verify_parcel(log, chosen.parcel, audit)
    return FoundReads(audit.report.height, audit.report.time_ms, log.reads(chosen), log.request_count, proofs)


def _verify_parcel(log: ReadLog, parcel: ParcelPlace, audit: ChainAudit) -> None:
    key = parcel_reads_key(parcel.dataset, parcel.id)
    log.verify_parcel_complete(parcel, audit.entry(key, ParcelReads))


def proof_of(log: ReadLog, dataset: str, reader: str, entry: ReaderEntry | None) -> ReadProof:
    """What has been verified about a dataset, and about a reader's ``entry`` if there is a reader."""
    requests, grants = (entry.requests, entry.grants) if entry is not None else (0, 0)
    return ReadProof(dataset, log.transaction_count(dataset), reader, requests, grants)
