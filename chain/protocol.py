"""The rules of the protocol by their version: what this program knows, in one table.

A block follows the rules that the state after its parent names (``protocol``, see ``chain.state.entries``). Old blocks
are executed under the rules of their time, whatever the newest are. A program that lacks a version stops before the
first block under it: what it would compute of that block is worth nothing.
"""

from dataclasses import dataclass

from chain.errors import ErrorCode, PoolError
from chain.execution import Execution
from chain.limits import LIMITS, Limits
from chain.transactions.base import CheckedTransaction
from chain.transactions.registry import TRANSACTION_TYPES, TransactionTypes


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one version."""

    version: int
    limits: Limits
    """What all validators must agree on: sizes, counts, times."""
    transactions: TransactionTypes
    """What may be ordered."""
    execution: type[Execution]
    """What transactions do to the state."""

    def verify_type(self, checked: CheckedTransaction) -> None:
        """Check that a transaction is of a type that these rules have.

        Raises:
            PoolError: code ``malformed``.
        """
        if self.transactions.get(checked.type.tag) is not checked.type:
            raise PoolError(
                ErrorCode.MALFORMED, f"protocol version {self.version} has no {checked.type.name} transactions"
            )


RULES: dict[int, Rules] = {2: Rules(2, LIMITS, TRANSACTION_TYPES, Execution)}
"""Every version that this program knows."""


def rules_of(version: int, height: int) -> Rules:
    """The rules that the block at ``height`` follows, by their version.

    Raises:
        PoolError: code ``unknown_protocol`` if this program does not know them.
    """
    rules = RULES.get(version)
    if rules is None:
        raise PoolError(
            ErrorCode.UNKNOWN_PROTOCOL,
            f"block {height} follows protocol version {version}; this program knows {', '.join(map(str, RULES))}",
            height=height,
            version=version,
        )
    return rules
