"""All records that a key has had in a dataset, proven to be all of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from blockpool.exchange import Operation, UntrueAnswer, emitted
from blockpool.operations.erasure import erased_records, erasure_of
from blockpool.operations.finding import newest_key
from blockpool.operations.headers import committed_header
from blockpool.operations.listing import ParcelListing
from blockpool.operations.proofs import header_at, state_entry
from blockpool.operations.session import Session
from blockpool.record_keys import KeyValue
from blockpool.signing import RecordId
from chain.errors import ErrorCode
from chain.record_keys import split_keys
from chain.state.entries import PresentRecord, record_key_key
from chain.transactions.parcel import ParcelHeader


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """The records of a key up to one block."""

    dataset: str
    height: int
    """Of that block."""
    records: tuple[RecordId, ...]
    """All that the key has had, in chain order."""
    erased: frozenset[RecordId]
    """Those of them that are erased."""

    @property
    def present(self) -> tuple[RecordId, ...]:
        """Those that are not."""
        return tuple(record for record in self.records if record not in self.erased)


def key_history(
    session: Session, dataset: str, values: Mapping[str, KeyValue], secret: bytes | None = None
) -> Operation[KeyHistory]:
    """The records of a key, with what was erased of them.

    Going back from the newest entry, the state before each block with records of the key says how many that block has
    added: as many are looked for in its parcels.

    Raises:
        PoolError: codes ``unknown_dataset``, ``bad_request`` (records have no keys, or others), ``key_secret_needed``.
    """
    header, key = yield from newest_key(session, dataset, values, secret)
    place, found = record_key_key(dataset, key), list[RecordId]()
    present = yield from state_entry(session, place, PresentRecord, header)
    while present is not None:
        parent = yield from header_at(session, present.height - 1)
        before = yield from state_entry(session, place, PresentRecord, parent)
        added = yield from _records_in_block(session, dataset, present.height, key)
        expected = present.versions - (0 if before is None else before.versions)
        if len(added) != expected:
            detail = f"block {present.height} has {len(added)} records of a key of {dataset}, the state says {expected}"
            raise UntrueAnswer(ErrorCode.BAD_PROOF, detail)
        found, present = added + found, before
    erased = yield from _erased(session, found)
    return KeyHistory(dataset, header.height, tuple(found), erased)


def _records_in_block(session: Session, dataset: str, height: int, key: bytes) -> Operation[list[RecordId]]:
    """The records of a key in one block, in order."""
    found: list[RecordId] = []
    for chunk in (yield from emitted(ParcelListing(session, dataset, height, height).chunks())):
        for summary in chunk:
            id_ = bytes.fromhex(summary.transaction_id)
            receipt, header = yield from committed_header(session, id_)
            if not isinstance(header, ParcelHeader) or not receipt.outcome.is_ok:
                raise UntrueAnswer(ErrorCode.BAD_PROOF, f"{id_.hex()[:16]} is listed, which is no accepted parcel")
            keys = enumerate(split_keys(header.record_keys))
            found += [RecordId(id_, index) for index, other in keys if other == key]
    return found


def _erased(session: Session, records: list[RecordId]) -> Operation[frozenset[RecordId]]:
    gone: set[RecordId] = set()
    for parcel in dict.fromkeys(record.transaction_id for record in records):
        is_whole = (yield from erasure_of(session, parcel)) is not None
        places = yield from erased_records(session, parcel)
        own = (record for record in records if record.transaction_id == parcel)
        gone |= {record for record in own if is_whole or places.has(record.index)}
    return frozenset(gone)
