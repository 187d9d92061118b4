"""``contract``: an access contract is deployed or updated."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chain.limits import LIMITS
from chain.primitives.types import DatasetId, Version
from chain.transactions.base import Header, TransactionType


class ContractHeader(Header, frozen=True, tag=3):
    """Deploys or updates an access contract. Signed by its owner."""

    contract: DatasetId
    """``owner.name``."""
    version: Version
    source: Annotated[str, Meta(max_length=LIMITS.contract_source_size_bytes)]
    """Python source text."""
    parameters: Annotated[str, Meta(max_length=LIMITS.contract_parameters_size_bytes)]
    """JSON object that the contract finds in ``ctx.parameters``."""


CONTRACT = TransactionType(name="contract", header=ContractHeader, calls_contract=True)
