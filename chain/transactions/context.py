"""What executing a transaction has to do with: the state, the block that it stands in, and what comes of it."""

from collections.abc import Callable
from typing import NamedTuple

from chain.access.decision import AccessVerdict
from chain.access.policy import ContractRunner
from chain.errors import ErrorCode, Refusal
from chain.facts import Facts
from chain.limits import Limits
from chain.primitives.crypto import Hash
from chain.proofs.validators import ValidatorSet
from chain.state.entries import DatasetEntry, ProtocolEntry, dataset_key
from chain.state.working import StateReader, WorkingState


class Effect(NamedTuple):
    """What a transaction that took effect leaves in its outcome."""

    fuel: int = 0
    facts: Facts = ()
    verdict: AccessVerdict | None = None


class AcceptedParcel(NamedTuple):
    """A parcel that the chain has accepted."""

    dataset: str
    record_count: int


FindParcel = Callable[[Hash], AcceptedParcel | None]
"""A parcel that the chain has accepted up to the parent block, by its id; None if there is none."""


class BlockSetting(NamedTuple):
    """What is fixed before a block is executed."""

    height: int
    time_ms: int
    validators: ValidatorSet
    """Of that height."""
    protocol: ProtocolEntry
    """What the block follows."""
    limits: Limits
    """Those of its rules."""


class ExecutionContext:
    """One block's execution, as the types of transactions see it.

    Args:
        chain_id: of the chain.
        read_parent: reads the parent's state.
        setting: of the block.
        contracts: runs contracts; None where the network has none.
        find_parcel: looks parcels up in the chain.
    """

    def __init__(
        self,
        chain_id: bytes,
        read_parent: StateReader,
        setting: BlockSetting,
        contracts: ContractRunner | None,
        find_parcel: FindParcel,
    ) -> None:
        self.chain_id = chain_id
        self.state = WorkingState(read_parent)
        self.height, self.time_ms, self.validators, self.protocol, self.limits = setting
        self._contracts = contracts
        self._find_parcel = find_parcel
        self._accepted: dict[Hash, AcceptedParcel] = {}
        """Parcels that this block has accepted so far."""

    @property
    def contracts(self) -> ContractRunner:
        """Runs contracts; raises ``no_contracts``."""
        if self._contracts is None:
            raise Refusal(ErrorCode.NO_CONTRACTS)
        return self._contracts

    def dataset(self, dataset: str) -> DatasetEntry:
        """A catalogue entry; raises ``unknown_dataset``."""
        entry = self.state.read(dataset_key(dataset), DatasetEntry)
        if entry is None:
            raise Refusal(ErrorCode.UNKNOWN_DATASET, dataset=dataset)
        return entry

    def parcel(self, parcel_id: Hash) -> AcceptedParcel | None:
        """A parcel that was accepted before, in this block too."""
        return self._accepted.get(parcel_id) or self._find_parcel(parcel_id)

    def parcel_of(self, dataset: str, parcel_id: Hash) -> AcceptedParcel:
        """Such a parcel of one dataset; raises ``unknown_parcel``."""
        parcel = self.parcel(parcel_id)
        if parcel is None or parcel.dataset != dataset:
            raise Refusal(ErrorCode.UNKNOWN_PARCEL, parcel=parcel_id, dataset=dataset)
        return parcel

    def accept_parcel(self, parcel_id: Hash, parcel: AcceptedParcel) -> None:
        """Note a parcel of this block."""
        self._accepted[parcel_id] = parcel
