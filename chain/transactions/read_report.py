"""``read_report``: a reader says what it has read."""

from typing import Annotated

from msgspec import Meta

from chain.access.policy import granted_fields
from chain.access.rules import AccessRules
from chain.errors import ErrorCode, Refusal
from chain.granularity import FieldName
from chain.limits import LIMITS
from chain.primitives.types import DatasetId, Hash32
from chain.state.entries import RequestTotals, totals_key
from chain.transactions.base import CheckedTransaction, Header, Index, TransactionType, verify_named_once
from chain.transactions.context import Effect, ExecutionContext


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
    fields: Annotated[tuple[FieldName, ...], Meta(max_length=LIMITS.contract_fields)] = ()
    """Fields whose columns were opened; empty for all."""


def _index(header: ReadReportHeader) -> Index:
    return Index(reads_of=header.dataset, read_parcels=header.parcels)


def _check(header: ReadReportHeader) -> None:
    verify_named_once(header.parcels)


def _execute(context: ExecutionContext, checked: CheckedTransaction, header: ReadReportHeader) -> Effect:
    rules = AccessRules(context)
    entry = rules.request(header.request, header.dataset)
    terms, status = entry.terms, entry.decision.status
    if terms.reader != header.member:
        raise Refusal(ErrorCode.NOT_READER, request=header.request, owner=terms.reader)
    if status not in ("granted", "revoked"):
        raise Refusal(ErrorCode.NOTHING_TO_READ, request=header.request, status=status)
    for parcel_id in header.parcels if terms.parcels else ():
        if parcel_id not in terms.parcels:
            raise Refusal(ErrorCode.PARCEL_NOT_REQUESTED, parcel=parcel_id, request=header.request)
    granted = granted_fields(terms, entry.decision)
    if granted is not None and not header.fields:
        raise Refusal(ErrorCode.FIELD_NOT_GRANTED, request=header.request)
    for name in header.fields:
        if granted is not None and name not in granted:
            raise Refusal(ErrorCode.FIELD_NOT_GRANTED, request=header.request, text=name)
    there = sum(context.parcel_of(header.dataset, parcel_id).record_count for parcel_id in header.parcels)
    if header.record_count > there:
        raise Refusal(ErrorCode.RECORD_COUNT_EXCEEDED, found=header.record_count, limit=there)
    rules.list_read(header.dataset, checked.id, read_reports=1, records_read=header.record_count)
    for parcel_id in header.parcels:
        rules.list_parcel_read(header.dataset, parcel_id, checked.id, read_reports=1)
    key = totals_key(header.request)
    totals = context.state.read(key, RequestTotals) or RequestTotals()
    context.state.write(
        key,
        RequestTotals(
            totals.read_reports + 1,
            totals.records_read + header.record_count,
            totals.first_report_ms or context.time_ms,
        ),
    )
    return Effect()


READ_REPORT = TransactionType(name="read_report", header=ReadReportHeader, execute=_execute, check=_check, index=_index)
