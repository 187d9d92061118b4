"""``contract``: an access contract is deployed or updated."""

from typing import Annotated

from msgspec import Meta

from chain.access.policy import contract_hash
from chain.errors import ErrorCode, Refusal
from chain.limits import LIMITS
from chain.primitives.types import DatasetId, Version, verify_contract_owner, verify_version
from chain.state.entries import ContractEntry, contract_key, member_key
from chain.state.members import Member
from chain.transactions.base import CheckedTransaction, Header, TransactionType
from chain.transactions.context import Effect, ExecutionContext


class ContractHeader(Header, frozen=True, tag=3):
    """Deploys or updates an access contract. Signed by its owner."""

    contract: DatasetId
    """``owner.name``."""
    version: Version
    source: Annotated[str, Meta(max_length=LIMITS.contract_source_size_bytes)]
    """Python source text."""
    parameters: Annotated[str, Meta(max_length=LIMITS.contract_parameters_size_bytes)]
    """JSON object that the contract finds in ``ctx.parameters``."""


def _execute(context: ExecutionContext, checked: CheckedTransaction, header: ContractHeader) -> Effect:
    contracts = context.contracts
    verify_contract_owner(header.contract, header.member)
    key = contract_key(header.contract)
    present = context.state.read(key, ContractEntry)
    verify_version(header.version, present.version if present else 0)
    found = contracts.check(header.source, header.parameters)
    for name in found.members:
        if context.state.read(member_key(name), Member) is None:
            raise Refusal(ErrorCode.UNKNOWN_MEMBER, fuel=found.fuel, member=name[: LIMITS.name_length])
    entry = ContractEntry(
        contract=header.contract,
        owner=header.member,
        version=header.version,
        source=header.source,
        parameters=header.parameters,
        hash=contract_hash(context.chain_id, header.source, header.parameters),
        deployed_height=present.deployed_height if present else context.height,
        updated_height=context.height,
        transaction_id=checked.id,
    )
    context.state.write(key, entry)
    return Effect(found.fuel)


CONTRACT = TransactionType(name="contract", header=ContractHeader, execute=_execute, calls_contract=True)
