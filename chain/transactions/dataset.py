"""``dataset``: a catalogue entry is registered or updated."""

from typing import Annotated

from msgspec import Meta

from chain.catalogue import Description, verify_description
from chain.errors import ErrorCode, Refusal
from chain.granularity import WHOLE, Granularity, verify_granularity
from chain.limits import LIMITS
from chain.primitives.types import DatasetId, SharingClass, Text, Title, Version, verify_owner, verify_version
from chain.schema import compile_schema
from chain.state.entries import (
    ContractEntry,
    DatasetEntry,
    DatasetTotals,
    contract_key,
    dataset_key,
    dataset_totals_key,
)
from chain.transactions.base import CheckedTransaction, Header, TransactionType
from chain.transactions.context import Effect, ExecutionContext


class DatasetHeader(Header, frozen=True, tag=1):
    """Registers or updates a catalogue entry. Signed by the owner."""

    dataset: DatasetId
    """``owner.name``."""
    version: Version
    title_zh: Title
    title_en: Title
    schema: Annotated[str, Meta(max_length=LIMITS.schema_size_bytes)]
    """JSON Schema that every record must satisfy, as JSON text; empty for records of any bytes."""
    sharing: SharingClass
    legal_basis: Text
    contract: DatasetId
    """Access contract of a dataset that is shared conditionally, one of the owner's; empty for none."""
    description: Description
    granularity: Granularity = WHOLE
    """What sealed parcels can be opened by."""


def _check(header: DatasetHeader) -> None:
    verify_granularity(header.granularity)


def _execute(context: ExecutionContext, checked: CheckedTransaction, header: DatasetHeader) -> Effect:
    verify_owner(header.dataset, header.member)
    has_personal = bool(header.schema) and compile_schema(header.schema).has_personal
    verify_description(header.description, header.sharing, header.legal_basis, has_personal=has_personal)
    _verify_contract(context, header)
    key = dataset_key(header.dataset)
    present = context.state.read(key, DatasetEntry)
    verify_version(header.version, present.version if present else 0)
    entry = DatasetEntry(
        dataset=header.dataset,
        owner=header.member,
        version=header.version,
        title_zh=header.title_zh,
        title_en=header.title_en,
        schema=header.schema,
        sharing=header.sharing,
        legal_basis=header.legal_basis,
        contract=header.contract,
        description=header.description,
        registered_height=present.registered_height if present else context.height,
        updated_height=context.height,
        transaction_id=checked.id,
        granularity=header.granularity,
    )
    context.state.write(key, entry)
    if present is None:
        context.state.write(dataset_totals_key(header.dataset), DatasetTotals(0, 0, 0, 0))
    return Effect()


def _verify_contract(context: ExecutionContext, header: DatasetHeader) -> None:
    """What is shared conditionally needs a contract. It must be the owner's: its owner can change it."""
    if header.sharing == "conditional" and not header.contract:
        raise Refusal(ErrorCode.CONTRACT_REQUIRED, dataset=header.dataset)
    if not header.contract:
        return
    contract = context.state.read(contract_key(header.contract), ContractEntry)
    if contract is None:
        raise Refusal(ErrorCode.UNKNOWN_CONTRACT, contract=header.contract)
    if contract.owner != header.member:
        raise Refusal(ErrorCode.NOT_CONTRACT_OWNER, contract=header.contract, owner=contract.owner)


DATASET = TransactionType(
    name="dataset", header=DatasetHeader, execute=_execute, check=_check, schema_of=lambda header: header.schema
)
