"""What a post says of records with keys: which rows are new, which are changed, and which the chain has as they are.

Asked of the node's own state, so nothing needs to be remembered. The keys are those of open records: what blinds those
of sealed ones is the owner's, and no node has it.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

from chain.errors import ErrorCode, PoolError, Refusal
from chain.ledger import Ledger
from chain.primitives.crypto import Hash
from chain.record_keys import open_keys, split_keys
from chain.schema import record_rules
from chain.state.entries import DatasetEntry, PresentRecord, record_key_key
from chain.transactions.parcel import ParcelHeader, decode_content, record_leaves
from chain.transactions.registry import decode_transaction_header

Change = Literal["new", "changed", "unchanged"]


class Row(NamedTuple):
    """A row of a post."""

    change: Change
    record: str
    """Id of the record that it is."""


class Wanted(NamedTuple):
    """What of a post is to be shared."""

    records: Sequence[bytes]
    keys: bytes
    """24 bytes a record; empty where records have no keys."""
    present: Sequence[Row]
    """All rows, where nothing is to be shared."""


def keys_of(chain_id: bytes, entry: DatasetEntry, records: Sequence[bytes]) -> list[bytes]:
    """Keys of records; none where they have none.

    Raises:
        PoolError: codes ``key_secret_needed``, ``schema_violation``, ``key_repeated``.
    """
    rules = record_rules(entry.schema)
    if not rules.key_fields:
        return []
    if entry.sharing != "open":
        raise Refusal(ErrorCode.KEY_SECRET_NEEDED)
    values, violation = rules.read(records)
    if violation is not None:
        raise violation
    objects = cast("list[dict[str, Any]]", values)  # a schema that names key fields is of objects
    keys = list(open_keys(chain_id, entry.dataset, rules.key_fields, objects))
    places = {key: index for index, key in reversed(list(enumerate(keys)))}
    for index, key in enumerate(keys):
        if places[key] != index:
            raise Refusal(ErrorCode.KEY_REPEATED, record_index=index)
    return keys


def wanted(ledger: Ledger, entry: DatasetEntry, records: Sequence[bytes]) -> Wanted:
    """The records that are new or changed after the newest block; raises as ``keys_of``, and ``not_ready``."""
    keys = keys_of(ledger.chain_id, entry, records)
    if not keys:
        return Wanted(records, b"", ())
    snapshot, parcels = ledger.snapshot(), dict[Hash, Sequence[Hash]]()
    leaves = record_leaves(ledger.chain_id, records)
    present = [snapshot.entry(record_key_key(entry.dataset, key), PresentRecord) for key in keys]
    changed = [
        (record, key)
        for record, key, leaf, found in zip(records, keys, leaves, present, strict=True)
        if found is None or _leaf_of(ledger, found, parcels) != leaf
    ]
    rows = [] if changed else [Row("unchanged", _id_of(found)) for found in present if found is not None]
    return Wanted([record for record, _ in changed], b"".join(key for _, key in changed), rows)


def rows_of(
    ledger: Ledger, entry: DatasetEntry, records: Sequence[bytes], header: bytes, id_: Hash, height: int
) -> list[Row]:
    """What a post's rows were when its parcel was committed at ``height``; none where records have no keys."""
    keys = keys_of(ledger.chain_id, entry, records)
    if not keys:
        return []
    parcel = cast("ParcelHeader", decode_transaction_header(ledger.chain_id, header))
    places = {key: index for index, key in enumerate(split_keys(parcel.record_keys))}
    before, after = ledger.state_at(height - 1), ledger.snapshot()
    rows = []
    for key in keys:
        place = record_key_key(entry.dataset, key)
        if key in places:
            change: Change = "new" if before.get(place) is None else "changed"
            rows.append(Row(change, f"{id_.hex()}/{places[key]}"))
        elif (found := after.entry(place, PresentRecord)) is not None:
            rows.append(Row("unchanged", _id_of(found)))
        else:
            detail = "records of the dataset have other keys since this was posted: post it under another key"
            raise PoolError(ErrorCode.IDEMPOTENCY_CONFLICT, detail)
    return rows


def _id_of(present: PresentRecord) -> str:
    return f"{present.transaction_id.hex()}/{present.index}"


def _leaf_of(ledger: Ledger, present: PresentRecord, parcels: dict[Hash, Sequence[Hash]]) -> Hash:
    """Leaf of a record. It stays when its content is erased or left to others: so what was erased is not shared again.

    Raises:
        PoolError: code ``not_ready``.
    """
    id_, blocks = present.transaction_id, ledger.blocks
    if id_ not in parcels:
        location = blocks.location(id_)
        if location is None:
            raise PoolError(ErrorCode.NOT_READY, f"parcel {id_.hex()} is not here yet")
        kept = blocks.erased_payload(location) or blocks.dropped_payload(location)
        stored = None if kept is not None else blocks.transaction(location)
        if kept is not None:
            parcels[id_] = kept.leaves
        elif stored is not None and stored.payload:
            header = cast("ParcelHeader", decode_transaction_header(ledger.chain_id, stored.header))
            parcels[id_] = record_leaves(ledger.chain_id, decode_content(header, stored.payload).records)
        else:
            raise PoolError(ErrorCode.NOT_READY, f"parcel {id_.hex()} is being erased")
    return parcels[id_][present.index]
