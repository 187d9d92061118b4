"""What transactions do to the state. Deterministic: the same block on the same parent state gives the same outcomes and
root on every validator and for every auditor.

Each handler has one shape: check everything, then change. A refused transaction changes nothing and leaves an
outcome with the code and facts, so that its sender has a final, provable answer. What fails because of this machine
(its disk, its contract engine) is no outcome: it is raised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chain.access.policy import ContractRunner
from chain.access.rules import AccessRules, Effect
from chain.blocks import OK, Outcome
from chain.errors import ErrorCode, InvariantBroken, PoolError, Refusal
from chain.limits import Limits
from chain.primitives.crypto import Hash
from chain.primitives.encoding import Value
from chain.primitives.kem import verify_suite
from chain.primitives.types import verify_owner, verify_version
from chain.proofs.validators import ValidatorSet
from chain.schema import RecordSchema, compile_schema
from chain.state.entries import (
    ContractEntry,
    DatasetEntry,
    DatasetUsage,
    DerivedParcels,
    Erasure,
    MemberSharing,
    ProtocolEntry,
    contract_key,
    dataset_key,
    derived_key,
    erasure_key,
    member_key,
    sharing_key,
    usage_key,
)
from chain.state.members import Member, signing_key
from chain.state.working import StateReader, WorkingState
from chain.transactions.approval import ApprovalHeader
from chain.transactions.base import CheckedTransaction, Header
from chain.transactions.contract import ContractHeader
from chain.transactions.dataset import DatasetHeader
from chain.transactions.erase import EraseHeader
from chain.transactions.parcel import ParcelHeader, source_parcels
from chain.transactions.read_report import ReadReportHeader
from chain.transactions.request import RequestHeader
from chain.transactions.sealed import decode_envelope, verify_envelope_keys

FindDataset = Callable[[Hash], str | None]
"""The dataset of a parcel that the chain has accepted up to the parent block, by its id; None if there is none."""


class Executed(NamedTuple):
    """The transactions that were executed, and one outcome for each."""

    transactions: tuple[CheckedTransaction, ...]
    outcomes: tuple[Outcome, ...]


@dataclass
class ContractBudget:
    """How much contract work may still stand in a block. It bounds how long executing the block can take."""

    limits: Limits
    calls: int = 0
    fuel: int = 0
    fuel_by_member: Counter[str] = field(default_factory=Counter)

    @property
    def is_spent(self) -> bool:
        """Whether no further call may stand in the block: a rule that every validator checks."""
        return self.calls >= self.limits.block_contract_calls or self.fuel >= self.limits.block_contract_fuel

    def spend(self, member: str, fuel: int) -> None:
        """Note a call for a transaction of ``member``."""
        self.calls += 1
        self.fuel += fuel
        self.fuel_by_member[member] += fuel


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


class Execution:
    """Executes the transactions of one block, in order, over the parent's state.

    Args:
        chain_id: of the chain.
        read_parent: reads the parent's state.
        setting: of the block.
        contracts: runs contracts; None where the network has none.
        find_dataset: looks parcels up in the chain.
    """

    def __init__(
        self,
        chain_id: bytes,
        read_parent: StateReader,
        setting: BlockSetting,
        contracts: ContractRunner | None,
        find_dataset: FindDataset,
    ) -> None:
        self._chain_id = chain_id
        self._state = WorkingState(read_parent)
        self._find_dataset = find_dataset
        self._accepted: dict[Hash, str] = {}
        """Datasets of the parcels that this block has accepted so far."""
        self._setting = setting
        self._height, self._time_ms = height, time_ms = setting.height, setting.time_ms
        suite = setting.protocol.kem_suite
        self._access = AccessRules(chain_id, self._state, contracts, height, time_ms, suite) if contracts else None
        self._budget = ContractBudget(setting.limits)

    @property
    def changes(self) -> dict[bytes, bytes]:
        """New values by state key, complete once all transactions have run."""
        return self._state.changes

    @property
    def entries(self) -> dict[bytes, object]:
        """The same, as values."""
        return self._state.entries

    def read(self, key: bytes, type_: type[Value]) -> Value | None:
        """A state entry as it stands after the transactions that have run."""
        return self._state.read(key, type_)

    def run(self, transactions: Sequence[CheckedTransaction]) -> Executed:
        """Execute all transactions of a block that was proposed.

        Raises:
            PoolError: code ``bad_block`` if it holds more contract work than a block may; a code that ``is_engine``
                or ``is_storage`` if this machine has failed.
        """
        outcomes = []
        for checked in transactions:
            if checked.type.calls_contract and self._budget.is_spent:
                raise PoolError(ErrorCode.BAD_BLOCK, "it holds more contract work than a block may")
            outcomes.append(self._outcome(checked))
        return Executed(tuple(transactions), tuple(outcomes))

    def select(self, transactions: Sequence[CheckedTransaction]) -> Executed:
        """Execute what fits a block that is being made; what calls contracts beyond the budget is left out.

        The fuel is shared out evenly among the members that call contracts, so that one whose calls are costly leaves
        the others theirs.

        Raises:
            PoolError: a code that ``is_engine`` or ``is_storage`` if this machine has failed.
        """
        members = {checked.header.member for checked in transactions if checked.type.calls_contract}
        share = self._setting.limits.block_contract_fuel // max(1, len(members))
        chosen, outcomes = [], []
        for checked in transactions:
            if checked.type.calls_contract:
                has_spent_share = self._budget.fuel_by_member[checked.header.member] >= share
                if self._budget.is_spent or has_spent_share:
                    continue
            chosen.append(checked)
            outcomes.append(self._outcome(checked))
        return Executed(tuple(chosen), tuple(outcomes))

    def _outcome(self, checked: CheckedTransaction) -> Outcome:
        try:
            effect = self._apply(checked)
        except Refusal as refusal:
            self._note_call(checked, refusal.fuel)
            return Outcome(checked.id, refusal.code.value, refusal.facts, refusal.fuel)
        except PoolError as error:
            if error.code.is_engine or error.code.is_storage:
                raise
            raise InvariantBroken(f"execution refuses with facts only, not as {error.code}: {error.detail}") from error
        self._note_call(checked, effect.fuel)
        return Outcome(checked.id, OK, effect.facts, effect.fuel, effect.verdict)

    def _note_call(self, checked: CheckedTransaction, fuel: int) -> None:
        if checked.type.calls_contract:
            self._budget.spend(checked.header.member, fuel)

    def _apply(self, checked: CheckedTransaction) -> Effect:
        header = checked.header
        if header.expiry_ms and header.expiry_ms < self._time_ms:
            raise Refusal(ErrorCode.EXPIRED, until_ms=header.expiry_ms, time_ms=self._time_ms)
        member = self._state.read(member_key(header.member), Member)
        signing_key(member, header.member, header.key_id, self._height)
        match header:
            case ParcelHeader():
                self._apply_parcel(checked, header)
            case DatasetHeader():
                self._apply_dataset(checked, header)
            case EraseHeader():
                self._apply_erasure(checked.id, header)
            case _:
                return self._apply_access(checked.id, header)
        return Effect()

    def _apply_access(self, id_: Hash, header: Header) -> Effect:
        if self._access is None:
            raise Refusal(ErrorCode.NO_CONTRACTS)
        match header:
            case ContractHeader():
                return self._access.deploy(id_, header)
            case RequestHeader():
                return self._access.request(id_, header)
            case ApprovalHeader():
                return self._access.answer(id_, header)
            case ReadReportHeader():
                return self._access.read_report(id_, header)
            case _:
                raise TypeError(f"no rule for {type(header).__name__}")

    def _apply_dataset(self, checked: CheckedTransaction, header: DatasetHeader) -> None:
        verify_owner(header.dataset, header.member)
        if header.schema:
            compile_schema(header.schema)
        self._verify_contract(header)
        key = dataset_key(header.dataset)
        present = self._state.read(key, DatasetEntry)
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
            registered_height=present.registered_height if present else self._height,
            updated_height=self._height,
            transaction_id=checked.id,
        )
        self._state.write(key, entry)
        if present is None:
            self._state.write(usage_key(header.dataset), DatasetUsage(0, 0, 0, 0))

    def _verify_contract(self, header: DatasetHeader) -> None:
        """What is shared conditionally needs a contract. It must be the owner's: its owner can change it."""
        if header.sharing == "conditional" and not header.contract:
            raise Refusal(ErrorCode.CONTRACT_REQUIRED, dataset=header.dataset)
        if not header.contract:
            return
        contract = self._state.read(contract_key(header.contract), ContractEntry)
        if contract is None:
            raise Refusal(ErrorCode.UNKNOWN_CONTRACT, contract=header.contract)
        if contract.owner != header.member:
            raise Refusal(ErrorCode.NOT_CONTRACT_OWNER, contract=header.contract, owner=contract.owner)

    def _apply_parcel(self, checked: CheckedTransaction, header: ParcelHeader) -> None:
        entry = self._state.read(dataset_key(header.dataset), DatasetEntry)
        if entry is None:
            raise Refusal(ErrorCode.UNKNOWN_DATASET, dataset=header.dataset)
        if entry.owner != header.member:
            raise Refusal(ErrorCode.NOT_OWNER, dataset=header.dataset, owner=entry.owner)
        for source in source_parcels(header):
            if self._dataset_of(source) is None:
                raise Refusal(ErrorCode.UNKNOWN_SOURCE, parcel=source)
        if header.envelope and entry.sharing == "open":
            raise Refusal(ErrorCode.OPEN_PARCEL_REQUIRED, dataset=header.dataset)
        if not header.envelope and entry.sharing != "open":
            raise Refusal(ErrorCode.SEALING_REQUIRED, dataset=header.dataset, sharing=entry.sharing)
        if header.envelope:
            envelope = decode_envelope(header.envelope)
            verify_suite(envelope.suite, self._setting.protocol.kem_suite)
            verify_envelope_keys(envelope, self._kem_keys())
        elif entry.schema:
            offence = verdict_on_records(checked, compile_schema(entry.schema))
            if offence is not None:
                raise offence
        self._count_parcel(header, checked.payload_size_bytes)
        for source in source_parcels(header):
            key = derived_key(source)
            derived = self._state.read(key, DerivedParcels) or DerivedParcels()
            self._state.write(key, DerivedParcels(derived.history.extended(self._chain_id, checked.id)))
        self._accepted[checked.id] = header.dataset

    def _apply_erasure(self, id_: Hash, header: EraseHeader) -> None:
        verify_owner(header.dataset, header.member)
        if self._dataset_of(header.parcel) != header.dataset:
            raise Refusal(ErrorCode.UNKNOWN_PARCEL, parcel=header.parcel, dataset=header.dataset)
        key = erasure_key(header.parcel)
        present = self._state.read(key, Erasure)
        if present is not None:
            raise Refusal(ErrorCode.PARCEL_ERASED, parcel=header.parcel, height=present.height)
        erasure = Erasure(
            dataset=header.dataset,
            owner=header.member,
            legal_basis=header.legal_basis,
            reason=header.reason,
            height=self._height,
            time_ms=self._time_ms,
            transaction_id=id_,
        )
        self._state.write(key, erasure)

    def _dataset_of(self, parcel_id: Hash) -> str | None:
        return self._accepted.get(parcel_id) or self._find_dataset(parcel_id)

    def _count_parcel(self, header: ParcelHeader, size_bytes: int) -> None:
        key = usage_key(header.dataset)
        usage = self._state.read(key, DatasetUsage) or DatasetUsage(0, 0, 0, 0)
        usage = DatasetUsage(
            usage.parcels + 1, usage.records + header.record_count, usage.size_bytes + size_bytes, self._height
        )
        self._state.write(key, usage)
        key = sharing_key(header.member)
        sharing = self._state.read(key, MemberSharing) or MemberSharing()
        sharing = MemberSharing(sharing.parcels + 1, sharing.records + header.record_count, self._height, self._time_ms)
        self._state.write(key, sharing)

    def _kem_keys(self) -> dict[str, bytes]:
        """KEM keys of the validators that have one."""
        members = (self._state.read(member_key(name), Member) for name in self._setting.validators.names)
        return {member.name: member.kem_key for member in members if member and member.kem_key}


def verdict_on_records(checked: CheckedTransaction, schema: RecordSchema) -> Refusal | None:
    """What ``schema`` says of a parcel's records. Asked once: the node asks on arrival, so that execution finds it
    there. Of an erased parcel it is what the committed outcome says.
    """
    if checked.absent is not None:
        return checked.absent.offence
    verdicts: dict[Hash, Refusal | None] = checked.schema_verdicts
    if schema.hash not in verdicts:
        verdicts[schema.hash] = schema.check(checked.records)
    return verdicts[schema.hash]
