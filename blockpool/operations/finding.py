"""Finding the present record of a key, or that there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blockpool.exchange import Operation
from blockpool.operations.evidence_files import record_evidence
from blockpool.operations.proofs import newest_header, state_entry
from blockpool.operations.session import Session
from blockpool.record_keys import KeyMaker, KeyValue
from blockpool.signing import RecordId
from chain.blocks import BlockHeader
from chain.errors import ErrorCode, PoolError
from chain.state.entries import DatasetEntry, PresentRecord, dataset_key, record_key_key
from evidence.record import parse_record_evidence


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """What the state says of a key after one block, proven."""

    dataset: str
    key: bytes
    """24 bytes."""
    height: int
    """Of that block."""
    record: RecordId | None
    """The present record; None if it is proven that the key has none."""
    record_height: int = 0
    """Block of that record."""
    versions: int = 0
    """Records that the key has had so far."""
    previous: RecordId | None = None
    """The record before it; None for a key's first."""
    body: bytes | None = None
    """As it stands in its parcel, a sealed one sealed; None for none, or one that was erased."""
    evidence: bytes | None = None
    """The record's evidence file: it proves that, and is verified."""


def newest_key(
    session: Session, dataset: str, values: Mapping[str, KeyValue] | Sequence[KeyValue], secret: bytes | None
) -> Operation[tuple[BlockHeader, bytes]]:
    """A record's key by its values, as the newest block has the dataset, and that block's header.

    Raises:
        PoolError: codes ``unknown_dataset``, ``bad_request`` (records have no keys, or others), ``key_secret_needed``.
    """
    header = yield from newest_header(session)
    entry = yield from state_entry(session, dataset_key(dataset), DatasetEntry, header)
    if entry is None:
        raise PoolError(ErrorCode.UNKNOWN_DATASET, f"{dataset} is not in the catalogue up to block {header.height}")
    chain_id, is_sealed = session.genesis.chain_id, entry.sharing != "open"
    return header, KeyMaker(chain_id, dataset, entry.schema, secret, is_sealed).key(values)


def find(
    session: Session, dataset: str, values: Mapping[str, KeyValue] | Sequence[KeyValue], secret: bytes | None = None
) -> Operation[FoundRecord]:
    """The present record of a key.

    Raises:
        PoolError: codes ``unknown_dataset``, ``bad_request`` (records have no keys, or others), ``key_secret_needed``.
    """
    header, key = yield from newest_key(session, dataset, values, secret)
    present = yield from state_entry(session, record_key_key(dataset, key), PresentRecord, header)
    if present is None:
        return FoundRecord(dataset, key, header.height, None)
    record = RecordId(present.transaction_id, present.index)
    evidence = yield from record_evidence(session, record)
    return FoundRecord(
        dataset=dataset,
        key=key,
        height=header.height,
        record=record,
        record_height=present.height,
        versions=present.versions,
        previous=None if present.previous is None else RecordId(*present.previous),
        body=parse_record_evidence(evidence).record.body,
        evidence=evidence,
    )
