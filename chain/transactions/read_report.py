"""``read_report``: a reader says what it has read."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chain.limits import LIMITS
from chain.primitives.types import DatasetId, Hash32
from chain.transactions.base import Header, Index, TransactionType, verify_named_once


class ReadReportHeader(Header, frozen=True, tag=6):
    """Reports what a read returned: the second side of the read. Signed by a system of the reader."""

    dataset: DatasetId
    request: Hash32
    """Transaction id of the request."""
    parcels: Annotated[tuple[Hash32, ...], Meta(min_length=1, max_length=LIMITS.report_parcels)]
    """Transaction ids of the parcels that were read, each once."""
    record_count: Annotated[int, Meta(ge=1, le=LIMITS.report_parcels * LIMITS.transaction_records)]
    digest: Hash32
    """Of the plaintexts returned: ``chain.access.policy.ReadDigest``."""


def _index(header: ReadReportHeader) -> Index:
    return Index(reads_of=header.dataset, read_parcels=header.parcels)


def _check(header: ReadReportHeader) -> None:
    verify_named_once(header.parcels)


READ_REPORT = TransactionType(name="read_report", header=ReadReportHeader, check=_check, index=_index)
