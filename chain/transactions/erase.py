"""``erase``: every node drops the payload of a parcel."""

from typing import Annotated

from msgspec import Meta

from chain.errors import ErrorCode, Refusal
from chain.limits import LIMITS
from chain.primitives.crypto import Hash
from chain.primitives.types import DatasetId, Hash32, Reason, verify_owner
from chain.state.entries import Erasure, erasure_key
from chain.transactions.base import CheckedTransaction, Header, TransactionType
from chain.transactions.context import Effect, ExecutionContext


class EraseHeader(Header, frozen=True, tag=7):
    """Has every node drop a parcel's payload. Signed by the owner of its dataset."""

    dataset: DatasetId
    parcel: Hash32
    """Transaction id of the parcel."""
    legal_basis: Annotated[str, Meta(min_length=1, max_length=LIMITS.text_length)]
    """Why it has to go: which law, which order."""
    reason: Reason


def verify_not_erased(context: ExecutionContext, parcel: Hash) -> None:
    """Check that a parcel's records are there; raises ``parcel_erased``."""
    present = context.state.read(erasure_key(parcel), Erasure)
    if present is not None:
        raise Refusal(ErrorCode.PARCEL_ERASED, parcel=parcel, height=present.height)


def _execute(context: ExecutionContext, checked: CheckedTransaction, header: EraseHeader) -> Effect:
    verify_owner(header.dataset, header.member)
    context.parcel_of(header.dataset, header.parcel)
    verify_not_erased(context, header.parcel)
    erasure = Erasure(
        dataset=header.dataset,
        owner=header.member,
        legal_basis=header.legal_basis,
        reason=header.reason,
        height=context.height,
        time_ms=context.time_ms,
        transaction_id=checked.id,
    )
    context.state.write(erasure_key(header.parcel), erasure)
    return Effect()


ERASE = TransactionType(name="erase", header=EraseHeader, execute=_execute)
