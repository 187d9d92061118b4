"""``keyed_parcel``: a parcel of a dataset whose records have keys.

The newest record of a key is the present one. The state says which that is, so that can be proved, and that a key has
none. Datasets without keys have plain parcels, and cost nothing more.
"""

from typing import Annotated, cast

from msgspec import Meta

from chain.errors import ErrorCode, PoolError, Refusal
from chain.limits import LIMITS
from chain.record_keys import KEY_SIZE, split_keys
from chain.transactions.base import Payload, TransactionType
from chain.transactions.parcel import PARCEL, ParcelHeader, verify_sources


class KeyedParcelHeader(ParcelHeader, frozen=True, tag=9):
    """Shares a set of records of one dataset, each with its key. Signed by a system of the dataset's owner."""

    keys: Annotated[bytes, Meta(min_length=KEY_SIZE, max_length=KEY_SIZE * LIMITS.transaction_records)]
    """Keys of the records in their order, 24 bytes each, all of them different."""

    @property
    def record_keys(self) -> bytes:
        """See ``ParcelHeader``."""
        return self.keys


def _check(header: KeyedParcelHeader) -> None:
    verify_sources(header.derived_from)
    if len(header.keys) != KEY_SIZE * header.record_count:
        raise PoolError(ErrorCode.BAD_REQUEST, "a keyed parcel has one key a record")
    seen: set[bytes] = set()
    for index, key in enumerate(split_keys(header.keys)):
        if key in seen:
            raise Refusal(ErrorCode.KEY_REPEATED, record_index=index)
        seen.add(key)


KEYED_PARCEL: TransactionType[KeyedParcelHeader] = TransactionType(
    name="keyed_parcel",
    header=KeyedParcelHeader,
    execute=PARCEL.execute,
    check=_check,
    index=PARCEL.index,
    prepare=PARCEL.prepare,
    checked_by=PARCEL.checked_by,
    payload=cast("Payload[KeyedParcelHeader]", PARCEL.payload),
)
