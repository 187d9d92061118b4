"""``request``: a member asks to read a dataset."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chain.errors import ErrorCode, Refusal
from chain.limits import LIMITS
from chain.primitives.kem import KemKey
from chain.primitives.types import DatasetId, Hash32, Text, Title, Unsigned
from chain.transactions.base import Header, Index, TransactionType, verify_named_once


class RequestHeader(Header, frozen=True, tag=4):
    """Asks to read a dataset. Signed by a system of the reader."""

    dataset: DatasetId
    parcels: Annotated[tuple[Hash32, ...], Meta(max_length=LIMITS.request_parcels)]
    """Transaction ids of the parcels wanted; empty for all in the range of heights."""
    from_height: Unsigned
    """First block whose parcels are wanted; 0 for the first of all."""
    until_height: Unsigned
    """Last such block; 0 for no end, parcels to come included."""
    until_ms: Unsigned
    """How long access is wanted, milliseconds since 1970; 0 for as long as it is given."""
    purpose: Annotated[str, Meta(min_length=1, max_length=LIMITS.title_length)]
    legal_basis: Text
    case_number: Title
    person: Title
    """Who answers for it on the reader's side."""
    kem_key: KemKey
    """The reader's key that key shares are sealed to."""


def _index(header: RequestHeader) -> Index:
    return Index(reads_of=header.dataset, read_parcels=header.parcels)


def _check(header: RequestHeader) -> None:
    if header.until_height and header.until_height < header.from_height:
        raise Refusal(ErrorCode.EMPTY_RANGE, from_height=header.from_height, until_height=header.until_height)
    verify_named_once(header.parcels)


REQUEST = TransactionType(name="request", header=RequestHeader, check=_check, index=_index, calls_contract=True)
