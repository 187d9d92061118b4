"""Keys of records: what tells the records of a dataset apart whose schema names key fields.

A key is a digest of 24 bytes. Of an open record it follows from the values of its key fields, and every validator holds
its sender to that. Of a sealed one it is blinded (``sealing.record_keys``) and taken as given.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated

from msgspec import Meta

from chain.primitives.crypto import hash_tagged
from chain.primitives.encoding import encode

KEY_SIZE = 24
"""Bytes of a key: nobody finds two values with one key (96 bits), or a value for a key (192 bits)."""
KEY_FIELDS_MAX = 8

RecordKey = Annotated[bytes, Meta(min_length=KEY_SIZE, max_length=KEY_SIZE)]

KeyValues = tuple[str, ...]
"""Values of a record's key fields, in the order in which the schema names them: strings as they are, integers in
decimal digits."""


def key_values(names: Sequence[str], record: Mapping[str, object]) -> KeyValues:
    """The values of a record's key fields. The record satisfies the schema: each is a string or an integer."""
    values = (record[name] for name in names)
    return tuple(value if isinstance(value, str) else str(int(value)) for value in values)  # type: ignore[call-overload]


def key_content(dataset: str, names: Sequence[str], values: KeyValues) -> bytes:
    """What a key is made of: equal only for equal values of the same fields of one dataset."""
    return encode((dataset, tuple(names), values))


def open_key(chain_id: bytes, dataset: str, names: Sequence[str], values: KeyValues) -> bytes:
    """Key of an open record."""
    return hash_tagged("record-key", chain_id, key_content(dataset, names, values))[:KEY_SIZE]


def open_keys(
    chain_id: bytes, dataset: str, names: Sequence[str], records: Iterable[Mapping[str, object]]
) -> Iterator[bytes]:
    """Keys of open records that satisfy the schema."""
    return (open_key(chain_id, dataset, names, key_values(names, record)) for record in records)


def split_keys(keys: bytes) -> list[bytes]:
    """The keys of a parcel's records, in their order."""
    return [keys[start : start + KEY_SIZE] for start in range(0, len(keys), KEY_SIZE)]
