"""When contract calls have their turn, and whether a primary gives each member its own.

A block with contract calls takes up to a hundred times as long as one without, and everything in it waits. So a primary
makes such a block only after others have had three times as long as the last one took, while anything else is being
ordered; where nothing is, calls follow each other at once. Which member's calls come first changes with every such
block (``Mempool.select``), so each waits for at most as many of them as there are members that call.

Replicas hold the primary to that (``node.neglect``): skipping a member's calls is excused while its turn may come.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from chain.primitives.crypto import Hash
from chain.transactions.base import CheckedTransaction
from node.mempool import Mempool

_OTHERS_SHARE = 3
"""Time for other transactions after a block with calls, in terms of what that block took."""
_PAUSE_S_MAX = 5.0
_IDLE_S = 0.25
"""Nothing else was ordered for this long: calls need not wait for it."""
_EXCUSED_S = 2 * _PAUSE_S_MAX
"""A primary that has ordered no call for this long has no excuse."""
_EXCUSED_ROUNDS = 2
"""Turns begin anew with a new primary."""


class CallTurns:
    """See the module. Times are seconds of the node's monotonic clock.

    Args:
        mempool: what waits.
        now_s: the clock.
    """

    def __init__(self, mempool: Mempool, now_s: Callable[[], float]) -> None:
        self._mempool = mempool
        self._now_s = now_s
        self._began_s: float | None = None
        self._calls_from_s = 0.0
        self._others_s = float("-inf")
        self._called_s = float("-inf")
        self._skipped: Counter[str] = Counter()
        """By member, blocks with calls in succession that held none of its calls, while one was overdue."""

    @property
    def has_come(self) -> bool:
        """Whether calls may be proposed."""
        return self._now_s() >= min(self._calls_from_s, self._others_s + _IDLE_S)

    def began(self) -> None:
        """A block with calls for the present height is being executed."""
        if self._began_s is None:
            self._began_s = self._now_s()

    def committed(self, ordered: Sequence[CheckedTransaction], is_overdue: Callable[[Hash], bool]) -> None:
        """A block was committed, and its transactions wait no more."""
        now_s, began_s, self._began_s = self._now_s(), self._began_s, None
        callers = {checked.header.member for checked in ordered if checked.type.calls_contract}
        if any(not checked.type.calls_contract for checked in ordered):
            self._others_s = now_s
        if not callers:
            return
        self._called_s = now_s
        if began_s is not None:
            self._calls_from_s = now_s + min(_PAUSE_S_MAX, _OTHERS_SHARE * (now_s - began_s))
        waiting = self._mempool.callers
        for member in {*self._skipped, *waiting}:
            oldest = waiting.get(member)
            if member in callers or oldest is None or not is_overdue(oldest.id):
                self._skipped.pop(member, None)
            else:
                self._skipped[member] += 1

    def may_wait(self, member: str) -> bool:
        """Whether the turn of this member's calls may still come."""
        rounds = _EXCUSED_ROUNDS * len(self._mempool.callers)
        return self._now_s() - self._called_s <= _EXCUSED_S and self._skipped[member] <= rounds
