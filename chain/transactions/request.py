"""``request``: a member asks to read a dataset."""

from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from chain.access.decision import Decision
from chain.access.rules import AccessRules
from chain.errors import ErrorCode, Refusal
from chain.granularity import FieldName
from chain.limits import LIMITS
from chain.primitives.kem import KemKey, verify_kem_key, verify_suite
from chain.primitives.types import DatasetId, Hash32, Text, Title, Unsigned
from chain.record_keys import RecordKey
from chain.state.entries import DatasetEntry, RequestEntry, RequestTerms
from chain.transactions.base import CheckedTransaction, Header, Index, TransactionType, verify_named_once
from chain.transactions.context import Effect, ExecutionContext
from chain.transactions.parcel import Source


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
    keys: Annotated[tuple[RecordKey, ...], Meta(max_length=LIMITS.request_records)] = ()
    """Keys of the records wanted: all records that have them. With ``records``, empty for all records."""
    records: Annotated[tuple[Source, ...], Meta(max_length=LIMITS.request_records)] = ()
    """Ids of records wanted, of the parcels that are named."""
    fields: Annotated[tuple[FieldName, ...], Meta(max_length=LIMITS.request_fields)] = ()
    """Fields wanted; empty for all."""


def _index(header: RequestHeader) -> Index:
    return Index(reads_of=header.dataset, read_parcels=header.parcels)


def _check(header: RequestHeader) -> None:
    if header.until_height and header.until_height < header.from_height:
        raise Refusal(ErrorCode.EMPTY_RANGE, from_height=header.from_height, until_height=header.until_height)
    verify_named_once(header.parcels)
    for parcel, index in header.records:
        if parcel not in header.parcels:
            raise Refusal(ErrorCode.RECORD_OF_OTHER_PARCEL, parcel=parcel, record_index=index)


def _execute(context: ExecutionContext, checked: CheckedTransaction, header: RequestHeader) -> Effect:
    rules = AccessRules(context)
    dataset = context.dataset(header.dataset)
    if dataset.sharing == "open":
        raise Refusal(ErrorCode.ACCESS_NOT_NEEDED, dataset=header.dataset)
    _verify_granularity(header, dataset)
    verify_suite(verify_kem_key(header.kem_key), context.protocol.kem_suite)
    if header.until_ms and header.until_ms <= context.time_ms:
        raise Refusal(ErrorCode.REQUEST_OVER, until_ms=header.until_ms, time_ms=context.time_ms)
    entry = RequestEntry(request_terms(header, context.height, context.time_ms), Decision("deny"))
    rules.list_read(header.dataset, checked.id, requests=1)
    asked = rules.reader(header.dataset, header.member)
    rules.write_reader(header.dataset, header.member, replace(asked, requests=asked.requests + 1))
    for parcel_id in header.parcels:
        rules.list_parcel_read(header.dataset, parcel_id, checked.id, requests=1)
    return rules.decide(checked.id, entry, dataset)


def request_terms(header: RequestHeader, height: int, time_ms: int) -> RequestTerms:
    """What a request in a block at ``height``, of ``time_ms``, asks for."""
    return RequestTerms(
        header.member,
        header.dataset,
        header.parcels,
        header.from_height,
        header.until_height,
        header.until_ms,
        header.purpose,
        header.legal_basis,
        header.case_number,
        header.person,
        header.kem_key,
        height,
        time_ms,
        header.keys,
        header.records,
        header.fields,
    )


def _verify_granularity(header: RequestHeader, dataset: DatasetEntry) -> None:
    """Nobody is granted what cannot be opened by itself."""
    granularity = dataset.granularity
    if (header.keys or header.records) and not granularity.by_record:
        raise Refusal(ErrorCode.RECORDS_NOT_OPENABLE, dataset=header.dataset)
    if header.fields:
        filled = granularity.columns_within(header.fields)
        opened = {name for column in filled for name in granularity.columns[column]}
        for name in header.fields:
            if name not in opened:
                raise Refusal(ErrorCode.FIELDS_NOT_OPENABLE, dataset=header.dataset, text=name)


REQUEST = TransactionType(
    name="request", header=RequestHeader, execute=_execute, check=_check, index=_index, calls_contract=True
)
