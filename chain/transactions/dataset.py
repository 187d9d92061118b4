"""``dataset``: a catalogue entry is registered or updated."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chain.limits import LIMITS
from chain.primitives.types import DatasetId, Sharing, Text, Title, Version
from chain.transactions.base import Header, TransactionType


class DatasetHeader(Header, frozen=True, tag=1):
    """Registers or updates a catalogue entry. Signed by the owner."""

    dataset: DatasetId
    """``owner.name``."""
    version: Version
    title_zh: Title
    title_en: Title
    schema: Annotated[str, Meta(max_length=LIMITS.schema_size_bytes)]
    """JSON Schema that every record must satisfy, as JSON text; empty for records of any bytes."""
    sharing: Sharing
    legal_basis: Text
    contract: DatasetId
    """Access contract of a dataset that is shared conditionally, one of the owner's; empty for none."""


DATASET = TransactionType(name="dataset", header=DatasetHeader)
