"""What transactions do to the state. Deterministic: the same block on the same parent state gives the same outcomes and
root on every validator and for every auditor.

Each handler has one shape: check everything, then change. A refused transaction changes nothing and leaves an
outcome with the code and a reason, so that its sender has a final, provable answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chain import state
from chain.blocks import OK, Outcome
from chain.crypto import Hash
from chain.encoding import Value, encode
from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.members import Member, signing_key
from chain.schema import RecordSchema, compile_schema
from chain.state import DatasetEntry, DatasetUsage
from chain.transactions import CheckedTransaction, DatasetHeader, ParcelHeader
from chain.types import verify_dataset_id


class StateReader(Protocol):
    """Reads the state after the parent block."""

    def __call__(self, key: bytes, type_: type[Value]) -> Value | None:
        """The decoded entry of ``key``, or None."""
        ...


class Execution:
    """Executes the transactions of one block, in order, over the parent's state.

    Attributes:
        changes: new values by state key, complete once all transactions have run.
    """

    def __init__(self, read_parent: StateReader, height: int, time_ms: int) -> None:
        self._read_parent = read_parent
        self._height = height
        self._time_ms = time_ms
        self._entries: dict[bytes, object] = {}

    @property
    def changes(self) -> dict[bytes, bytes]:
        """New values by state key."""
        return {key: encode(entry) for key, entry in sorted(self._entries.items(), key=lambda item: item[0])}

    def run(self, transactions: Sequence[CheckedTransaction]) -> tuple[Outcome, ...]:
        """Execute all transactions; one outcome for each, in the same order."""
        return tuple(self._outcome(checked) for checked in transactions)

    def _outcome(self, checked: CheckedTransaction) -> Outcome:
        try:
            self._apply(checked)
        except PoolError as error:
            return Outcome(checked.id, error.code.value, error.detail[: LIMITS.reason_length], 0)
        return Outcome(checked.id, OK, "", 0)

    def _apply(self, checked: CheckedTransaction) -> None:
        header = checked.header
        if header.expiry_ms and header.expiry_ms < self._time_ms:
            raise PoolError(
                ErrorCode.EXPIRED, f"expired at {header.expiry_ms} ms, the block's time is {self._time_ms} ms"
            )
        member = self._read(state.member_key(header.member), Member)
        signing_key(member, header.member, header.key_id, self._height)
        if isinstance(header, DatasetHeader):
            self._apply_dataset(checked, header)
        else:
            self._apply_parcel(checked, header)

    def _apply_dataset(self, checked: CheckedTransaction, header: DatasetHeader) -> None:
        if verify_dataset_id(header.dataset) != header.member:
            raise PoolError(ErrorCode.NOT_OWNER, f"{header.dataset} belongs to {header.dataset.partition('.')[0]}")
        if header.schema:
            compile_schema(header.schema)
        key = state.dataset_key(header.dataset)
        present = self._read(key, DatasetEntry)
        following = present.version + 1 if present else 1
        if header.version != following:
            raise PoolError(ErrorCode.STALE_VERSION, f"version {header.version} was sent, {following} comes next")
        entry = DatasetEntry(
            dataset=header.dataset,
            owner=header.member,
            version=header.version,
            title_zh=header.title_zh,
            title_en=header.title_en,
            schema=header.schema,
            sharing=header.sharing,
            legal_basis=header.legal_basis,
            contract=header.contract,
            registered_height=present.registered_height if present else self._height,
            updated_height=self._height,
            transaction_id=checked.id,
        )
        self._write(key, entry)
        if present is None:
            self._write(state.usage_key(header.dataset), DatasetUsage(0, 0, 0, 0))

    def _apply_parcel(self, checked: CheckedTransaction, header: ParcelHeader) -> None:
        entry = self._read(state.dataset_key(header.dataset), DatasetEntry)
        if entry is None:
            raise PoolError(ErrorCode.UNKNOWN_DATASET, f"{header.dataset} is not in the catalogue")
        if entry.owner != header.member:
            raise PoolError(ErrorCode.NOT_OWNER, f"{header.dataset} belongs to {entry.owner}, not to {header.member}")
        if entry.sharing != "open" or header.envelope:
            raise PoolError(ErrorCode.SEALING_REQUIRED, f"{header.dataset} is shared as {entry.sharing}")
        if entry.schema:
            offence = verdict_on_records(checked, compile_schema(entry.schema))
            if offence is not None:
                raise offence
        key = state.usage_key(header.dataset)
        usage = self._read(key, DatasetUsage) or DatasetUsage(0, 0, 0, 0)
        self._write(
            key,
            DatasetUsage(
                parcels=usage.parcels + 1,
                records=usage.records + header.record_count,
                size_bytes=usage.size_bytes + len(checked.transaction.payload),
                last_height=self._height,
            ),
        )

    def _read(self, key: bytes, type_: type[Value]) -> Value | None:
        changed = self._entries.get(key)
        if changed is not None:
            return changed  # type: ignore[return-value]  # a key's kind decides its type
        return self._read_parent(key, type_)

    def _write(self, key: bytes, entry: object) -> None:
        self._entries[key] = entry


def verdict_on_records(checked: CheckedTransaction, schema: RecordSchema) -> PoolError | None:
    """What ``schema`` says of a parcel's records. Asked once: the node asks on arrival, so that execution finds it
    there.
    """
    verdicts: dict[Hash, PoolError | None] = checked.schema_verdicts
    if schema.hash not in verdicts:
        verdicts[schema.hash] = schema.check(checked.records)
    return verdicts[schema.hash]
