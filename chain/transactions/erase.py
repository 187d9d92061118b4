"""``erase``: every node drops the payload of a parcel."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chain.limits import LIMITS
from chain.primitives.types import DatasetId, Hash32, Reason
from chain.transactions.base import Header, TransactionType


class EraseHeader(Header, frozen=True, tag=7):
    """Has every node drop a parcel's payload. Signed by the owner of its dataset."""

    dataset: DatasetId
    parcel: Hash32
    """Transaction id of the parcel."""
    legal_basis: Annotated[str, Meta(min_length=1, max_length=LIMITS.text_length)]
    """Why it has to go: which law, which order."""
    reason: Reason


ERASE = TransactionType(name="erase", header=EraseHeader)
