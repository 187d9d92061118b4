"""``request``: a member asks to read a dataset."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from chain.access.rules import AccessRules
from chain.errors import ErrorCode, Refusal
from chain.limits import LIMITS
from chain.primitives.kem import KemKey, verify_kem_key, verify_suite
from chain.primitives.types import DatasetId, Hash32, Text, Title, Unsigned
from chain.state.entries import RequestEntry
from chain.transactions.base import CheckedTransaction, Header, Index, TransactionType, verify_named_once
from chain.transactions.context import Effect, ExecutionContext


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


def _execute(context: ExecutionContext, checked: CheckedTransaction, header: RequestHeader) -> Effect:
    rules = AccessRules(context)
    dataset = context.dataset(header.dataset)
    if dataset.sharing == "open":
        raise Refusal(ErrorCode.ACCESS_NOT_NEEDED, dataset=header.dataset)
    verify_suite(verify_kem_key(header.kem_key), context.protocol.kem_suite)
    if header.until_ms and header.until_ms <= context.time_ms:
        raise Refusal(ErrorCode.REQUEST_OVER, until_ms=header.until_ms, time_ms=context.time_ms)
    entry = _new_entry(context, header)
    rules.list_read(header.dataset, checked.id, requests=1)
    asked = rules.reader(header.dataset, header.member)
    rules.write_reader(header.dataset, header.member, replace(asked, requests=asked.requests + 1))
    for parcel_id in header.parcels:
        rules.list_parcel_read(header.dataset, parcel_id, checked.id, requests=1)
    return rules.decide(checked.id, entry, dataset)


def _new_entry(context: ExecutionContext, header: RequestHeader) -> RequestEntry:
    """A request on which nothing has been decided yet."""
    return RequestEntry(
        reader=header.member,
        dataset=header.dataset,
        parcels=header.parcels,
        from_height=header.from_height,
        until_height=header.until_height,
        wanted_until_ms=header.until_ms,
        purpose=header.purpose,
        legal_basis=header.legal_basis,
        case_number=header.case_number,
        person=header.person,
        kem_key=header.kem_key,
        height=context.height,
        time_ms=context.time_ms,
        status="denied",
        facts=(),
        failure="",
        until_ms=0,
        fields=None,
        approvers=(),
        needed=0,
        note="",
        contract="",
        contract_version=0,
        contract_hash=b"",
        inputs_hash=b"",
        fuel=0,
        decided_height=context.height,
        decided_ms=context.time_ms,
        answers=(),
        read_reports=0,
        records_read=0,
        first_report_ms=0,
    )


REQUEST = TransactionType(
    name="request", header=RequestHeader, execute=_execute, check=_check, index=_index, calls_contract=True
)
