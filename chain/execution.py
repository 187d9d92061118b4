"""What transactions do to the state. Deterministic: the same block on the same parent state gives the same outcomes and
root on every validator and for every auditor.

Each type of transaction executes in its own module under ``chain.transactions``. A refused transaction changes nothing
and leaves an outcome with the code and facts, so that its sender has a final, provable answer. What fails because of
this machine (its disk, its contract engine) is no outcome: it is raised.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chain.blocks import OK, Outcome
from chain.errors import ErrorCode, InvariantBroken, PoolError, Refusal
from chain.limits import Limits
from chain.primitives.encoding import Value
from chain.state.entries import member_key
from chain.state.members import Member, signing_key
from chain.transactions.base import CheckedTransaction
from chain.transactions.context import Effect, ExecutionContext


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


@dataclass
class SchemaBudget:
    """Which schemas the parcels of a block are checked by. It bounds how long making them ready can take."""

    limits: Limits
    texts: set[str] = field(default_factory=set)
    size_bytes: int = 0

    def has_room(self, text: str) -> bool:
        """Whether a parcel that is checked by this schema may still stand in the block: a rule that every validator
        checks.
        """
        if not text or text in self.texts:
            return True
        return self.size_bytes + len(text.encode()) <= self.limits.schemas_block_size_bytes

    def note(self, text: str) -> None:
        """A parcel is checked by this schema."""
        if text and text not in self.texts:
            self.texts.add(text)
            self.size_bytes += len(text.encode())


class Execution:
    """Executes the transactions of one block, in order, over the parent's state that its context holds."""

    def __init__(self, context: ExecutionContext) -> None:
        self._context = context
        self._budget = ContractBudget(context.limits)
        self._schemas = SchemaBudget(context.limits)

    @property
    def changes(self) -> dict[bytes, bytes]:
        """New values by state key, complete once all transactions have run."""
        return self._context.state.changes

    @property
    def entries(self) -> dict[bytes, object]:
        """The same, as values."""
        return self._context.state.entries

    def read(self, key: bytes, type_: type[Value]) -> Value | None:
        """A state entry as it stands after the transactions that have run."""
        return self._context.state.read(key, type_)

    def run(self, transactions: Sequence[CheckedTransaction]) -> Executed:
        """Execute all transactions of a block that was proposed.

        Raises:
            PoolError: code ``bad_block`` if it holds more contract work than a block may, or its parcels are checked by
                more schemas; a code that ``is_engine`` or ``is_storage`` if this machine has failed.
        """
        outcomes = []
        for checked in transactions:
            if checked.type.calls_contract and self._budget.is_spent:
                raise PoolError(ErrorCode.BAD_BLOCK, "it holds more contract work than a block may")
            if not self._has_schema(checked):
                raise PoolError(ErrorCode.BAD_BLOCK, "its parcels are checked by more schemas than a block's may be")
            outcomes.append(self._outcome(checked))
        return Executed(tuple(transactions), tuple(outcomes))

    def select(self, transactions: Sequence[CheckedTransaction]) -> Executed:
        """Execute what fits a block that is being made; what calls contracts beyond the budget is left out.

        The fuel is shared out evenly among the members that call contracts, so that one whose calls are costly leaves
        the others theirs. What is checked by a schema that has no room any more is left out too, and with it all that
        its member has sent after it, which may build on it.

        Raises:
            PoolError: a code that ``is_engine`` or ``is_storage`` if this machine has failed.
        """
        members = {checked.header.member for checked in transactions if checked.type.calls_contract}
        share = self._context.limits.block_contract_fuel // max(1, len(members))
        chosen, outcomes = [], []
        waiting: set[str] = set()
        for checked in transactions:
            if checked.header.member in waiting or not self._has_schema(checked):
                waiting.add(checked.header.member)
                continue
            if checked.type.calls_contract:
                has_spent_share = self._budget.fuel_by_member[checked.header.member] >= share
                if self._budget.is_spent or has_spent_share:
                    continue
            chosen.append(checked)
            outcomes.append(self._outcome(checked))
        return Executed(tuple(chosen), tuple(outcomes))

    def _has_schema(self, checked: CheckedTransaction) -> bool:
        """Whether the schema that checks a transaction's records has room; then it is noted."""
        text = checked.type.checked_by(checked.header, self._context.state.read)
        if not self._schemas.has_room(text):
            return False
        self._schemas.note(text)
        return True

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
        context, header = self._context, checked.header
        if header.expiry_ms and header.expiry_ms < context.time_ms:
            raise Refusal(ErrorCode.EXPIRED, until_ms=header.expiry_ms, time_ms=context.time_ms)
        member = context.state.read(member_key(header.member), Member)
        signing_key(member, header.member, header.key_id, context.height)
        return checked.type.execute(context, checked, header)
