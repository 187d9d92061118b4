"""``erase``: every node drops the payload of a parcel, or some of its records."""

from itertools import pairwise
from typing import Annotated

from msgspec import Meta

from chain.errors import ErrorCode, PoolError, Refusal
from chain.limits import LIMITS
from chain.primitives.crypto import Hash
from chain.primitives.types import DatasetId, Hash32, Reason, verify_owner
from chain.state.entries import OwnerAct, RecordPlaces, erased_records_key, erasure_key, record_erasure_key
from chain.transactions.base import CheckedTransaction, Header, Index, TransactionType
from chain.transactions.context import Effect, ExecutionContext

RecordIndex = Annotated[int, Meta(ge=0, le=LIMITS.transaction_records - 1)]


class EraseHeader(Header, frozen=True, tag=7):
    """Has every node drop a parcel's payload, or some of its records. Signed by the owner of its dataset."""

    dataset: DatasetId
    parcel: Hash32
    """Transaction id of the parcel."""
    records: Annotated[tuple[RecordIndex, ...], Meta(max_length=LIMITS.transaction_records)]
    """The records that go, strictly ascending; empty for the whole parcel, and with it the shares of its key."""
    legal_basis: Annotated[str, Meta(min_length=1, max_length=LIMITS.text_length)]
    """Why they have to go: which law, which order."""
    reason: Reason


def verify_not_erased(context: ExecutionContext, parcel: Hash, index: int | None = None) -> None:
    """Check that a parcel is there, and a record of it if ``index`` names one; raises ``parcel_erased``,
    ``record_erased``.
    """
    present = context.state.read(erasure_key(parcel), OwnerAct)
    if present is not None:
        raise Refusal(ErrorCode.PARCEL_ERASED, parcel=parcel, height=present.height)
    if index is None:
        return
    present = context.state.read(record_erasure_key(parcel, index), OwnerAct)
    if present is not None:
        raise Refusal(ErrorCode.RECORD_ERASED, parcel=parcel, record_index=index, height=present.height)


def _check(header: EraseHeader) -> None:
    if any(earlier >= later for earlier, later in pairwise(header.records)):
        raise PoolError(ErrorCode.BAD_REQUEST, "the records that are erased are named in order, each once")


def _execute(context: ExecutionContext, checked: CheckedTransaction, header: EraseHeader) -> Effect:
    verify_owner(header.dataset, header.member)
    found = context.parcel_of(header.dataset, header.parcel)
    verify_not_erased(context, header.parcel)
    for index in header.records:
        if index >= found.record_count:
            raise Refusal(ErrorCode.UNKNOWN_SOURCE, parcel=header.parcel, record_index=index)
        verify_not_erased(context, header.parcel, index)
    erasure = OwnerAct(
        dataset=header.dataset,
        owner=header.member,
        legal_basis=header.legal_basis,
        reason=header.reason,
        height=context.height,
        time_ms=context.time_ms,
        transaction_id=checked.id,
    )
    if not header.records:
        context.state.write(erasure_key(header.parcel), erasure)
        return Effect()
    for index in header.records:
        context.state.write(record_erasure_key(header.parcel, index), erasure)
    key = erased_records_key(header.parcel)
    erased = context.state.read(key, RecordPlaces) or RecordPlaces()
    context.state.write(key, erased.extended(*header.records))
    return Effect()


ERASE = TransactionType(
    name="erase",
    header=EraseHeader,
    execute=_execute,
    check=_check,
    index=lambda header: Index(keys=len(header.records)),
)
