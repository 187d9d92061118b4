"""What the state tree holds: the key and value of every kind of entry, in one table.

| key                    | value            | written by           |
|------------------------|------------------|----------------------|
| ``member/NAME``        | ``Member``       | genesis              |
| ``dataset/OWNER.NAME`` | ``DatasetEntry`` | ``dataset``          |
| ``usage/OWNER.NAME``   | ``DatasetUsage`` | ``dataset``, ``parcel`` |
"""

from __future__ import annotations

from chain.encoding import Wire
from chain.transactions import Sharing
from chain.types import Hash32, Name, Unsigned


class DatasetEntry(Wire, frozen=True):
    """A catalogue entry."""

    dataset: str
    """``owner.name``."""
    owner: Name
    version: int
    """Counts the updates, from 1."""
    title_zh: str
    title_en: str
    schema: str
    """JSON Schema as JSON text; empty for records of any bytes."""
    sharing: Sharing
    legal_basis: str
    contract: str
    registered_height: Unsigned
    """Block of version 1."""
    updated_height: Unsigned
    """Block of this version."""
    transaction_id: Hash32
    """Transaction of this version."""


class DatasetUsage(Wire, frozen=True):
    """How much a dataset holds. Apart from the entry, since it changes with every block that adds to it."""

    parcels: Unsigned
    records: Unsigned
    size_bytes: Unsigned
    """Sum of the payloads."""
    last_height: Unsigned
    """Last block that added a parcel; 0 for none."""


def member_key(name: str) -> bytes:
    """State key of a member."""
    return b"member/" + name.encode()


def dataset_key(dataset: str) -> bytes:
    """State key of a catalogue entry."""
    return b"dataset/" + dataset.encode()


def usage_key(dataset: str) -> bytes:
    """State key of a dataset's counters."""
    return b"usage/" + dataset.encode()
