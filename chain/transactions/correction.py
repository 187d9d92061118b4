"""``correction``: a record takes the place of one that was wrong.

It is a parcel of one record whose first source is the record that it corrects: so it points to the old one, and the
list of what was made of the old one's parcel points to it. The old record stays where it is and can still be proved;
the state says of it that it was corrected, by what and why.
"""

from typing import Annotated, cast

from msgspec import Meta
from msgspec.structs import replace

from chain.errors import ErrorCode, PoolError, Refusal
from chain.limits import LIMITS
from chain.primitives.types import Text, verify_owner
from chain.record_keys import KEY_SIZE
from chain.state.entries import (
    DatasetTotals,
    OwnerAct,
    RecordPlaces,
    corrected_records_key,
    correction_key,
    dataset_totals_key,
)
from chain.transactions.base import CheckedTransaction, Payload, TransactionType
from chain.transactions.context import Effect, ExecutionContext
from chain.transactions.erase import verify_not_erased
from chain.transactions.parcel import PARCEL, ParcelHeader, Source, verify_sources


class CorrectionHeader(ParcelHeader, frozen=True, tag=8):
    """Shares one record that takes the place of ``derived_from[0]``. Signed by a system of the dataset's owner."""

    legal_basis: Annotated[Text, Meta(min_length=1)]
    """By which law, order or finding it is corrected."""
    reason: Annotated[str, Meta(min_length=1, max_length=LIMITS.reason_length)]
    """What was wrong."""
    key: Annotated[bytes, Meta(max_length=KEY_SIZE)]
    """Key of the record, 24 bytes; empty in a dataset whose records have none."""

    @property
    def record_keys(self) -> bytes:
        """See ``ParcelHeader``."""
        return self.key

    @property
    def corrected(self) -> Source:
        """The record that was wrong."""
        return self.derived_from[0]


def _check(header: CorrectionHeader) -> None:
    verify_sources(header.derived_from)
    if header.record_count != 1 or not header.derived_from:
        raise PoolError(ErrorCode.BAD_REQUEST, "a correction is one record, and names the one that it corrects")
    if len(header.key) not in (0, KEY_SIZE):
        raise PoolError(ErrorCode.BAD_REQUEST, f"a record's key has {KEY_SIZE} bytes")


def _execute(context: ExecutionContext, checked: CheckedTransaction, header: CorrectionHeader) -> Effect:
    verify_owner(header.dataset, header.member)
    parcel, index = header.corrected
    found = context.parcel_of(header.dataset, parcel)
    if index >= found.record_count:
        raise Refusal(ErrorCode.UNKNOWN_SOURCE, parcel=parcel, record_index=index)
    verify_not_erased(context, parcel, index)
    key = correction_key(parcel, index)
    present = context.state.read(key, OwnerAct)
    if present is not None:
        raise Refusal(ErrorCode.RECORD_CORRECTED, parcel=parcel, record_index=index, by=present.transaction_id)
    effect = PARCEL.execute(context, checked, header)
    correction = OwnerAct(
        dataset=header.dataset,
        owner=header.member,
        legal_basis=header.legal_basis,
        reason=header.reason,
        height=context.height,
        time_ms=context.time_ms,
        transaction_id=checked.id,
    )
    context.state.write(key, correction)
    _count(context, header)
    return effect


def _count(context: ExecutionContext, header: CorrectionHeader) -> None:
    """Note the record among those of its parcel that were corrected, and of its dataset."""
    parcel, index = header.corrected
    key = corrected_records_key(parcel)
    records = context.state.read(key, RecordPlaces) or RecordPlaces()
    context.state.write(key, records.extended(index))
    key = dataset_totals_key(header.dataset)
    totals = context.state.read(key, DatasetTotals)
    if totals is not None:
        context.state.write(key, replace(totals, corrected=totals.corrected + 1))


CORRECTION: TransactionType[CorrectionHeader] = TransactionType(
    name="correction",
    header=CorrectionHeader,
    execute=_execute,
    check=_check,
    index=PARCEL.index,
    prepare=PARCEL.prepare,
    checked_by=PARCEL.checked_by,
    payload=cast("Payload[CorrectionHeader]", PARCEL.payload),
)
