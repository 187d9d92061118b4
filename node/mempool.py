"""Transactions that wait to be ordered: verified, bounded, with a quota for each member and turns among members.

Only verified transactions come in, so a forged one can neither take room nor push another out.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Set
from heapq import heapify, heappop, heappush
from itertools import islice

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS, Limits
from chain.primitives.crypto import Hash
from chain.transactions.base import CheckedTransaction


class _Queue:
    """Transactions in order of arrival, and each member's."""

    __slots__ = ("by_id", "by_member")

    def __init__(self) -> None:
        self.by_id: dict[Hash, CheckedTransaction] = {}
        self.by_member: dict[str, dict[Hash, CheckedTransaction]] = {}

    @property
    def oldest(self) -> CheckedTransaction | None:
        """What has waited longest."""
        return next(iter(self.by_id.values()), None)

    def add(self, checked: CheckedTransaction) -> None:
        """Put it at the end."""
        self.by_id[checked.id] = checked
        self.by_member.setdefault(checked.header.member, {})[checked.id] = checked

    def pop(self, checked: CheckedTransaction) -> None:
        """Take it out, if it is there."""
        if self.by_id.pop(checked.id, None) is None:
            return
        waiting = self.by_member[checked.header.member]
        del waiting[checked.id]
        if not waiting:
            del self.by_member[checked.header.member]


class Mempool:
    """Waiting transactions by id, in order of arrival, and by member.

    Attributes:
        size_bytes: sum of the encoded sizes.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._all = _Queue()
        self._others = _Queue()
        """Those among them that call no contract: a block may hold these alone."""
        self._member_bytes: dict[str, int] = {}
        self._expiries: list[tuple[int, Hash]] = []
        """(time, id) of those that expire, soonest first; some may wait no more."""
        self.size_bytes = 0
        self._first = {True: "", False: ""}
        """Whose turn it was to be first, where contracts are called and where not."""

    def __len__(self) -> int:
        return len(self._all.by_id)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._all.by_id

    @property
    def oldest(self) -> CheckedTransaction | None:
        """The transaction that has waited longest."""
        return self._all.oldest

    @property
    def oldest_other(self) -> CheckedTransaction | None:
        """The one among those that call no contract."""
        return self._others.oldest

    @property
    def callers(self) -> Mapping[str, CheckedTransaction]:
        """Members whose oldest transaction calls a contract, with that transaction."""
        return _callers(self._all.by_member)

    @property
    def ids(self) -> Iterable[Hash]:
        """Of all that wait, in order of arrival."""
        return self._all.by_id.keys()

    @property
    def members(self) -> Set[str]:
        """Members whose transactions wait."""
        return self._all.by_member.keys()

    def waiting(self, member: str, position: int) -> CheckedTransaction | None:
        """A member's transaction at a position of its queue, 0 being its oldest; None beyond the end."""
        return next(islice(self._all.by_member.get(member, {}).values(), position, None), None)

    def get(self, id_: Hash) -> CheckedTransaction | None:
        """A waiting transaction by its id."""
        return self._all.by_id.get(id_)

    def add(self, checked: CheckedTransaction) -> None:
        """Admit a verified transaction; one that waits already is ignored.

        Raises:
            PoolError: codes ``mempool_full``, ``quota_exceeded``.
        """
        if checked.id in self:
            return
        member, size = checked.header.member, checked.size_bytes
        self.verify_room(member, size)
        self._all.add(checked)
        if not checked.type.calls_contract:
            self._others.add(checked)
        self._member_bytes[member] = self._member_bytes.get(member, 0) + size
        self.size_bytes += size
        if checked.header.expiry_ms:
            if len(self._expiries) > 2 * len(self):
                self._expiries = [expiry for expiry in self._expiries if expiry[1] in self]
                heapify(self._expiries)
            heappush(self._expiries, (checked.header.expiry_ms, checked.id))

    def drop_expired(self, time_ms: int) -> dict[Hash, int]:
        """Forget what expires before ``time_ms``; returns the expiry of each, by id.

        Every node does so by itself: what a primary will not order must not make the others wait for it.
        """
        dropped = {}
        while self._expiries and self._expiries[0][0] < time_ms:
            expiry_ms, id_ = heappop(self._expiries)
            if id_ in self:
                dropped[id_] = expiry_ms
        self.remove(dropped)
        return dropped

    def verify_room(self, member: str, size: int) -> None:
        """Whether a transaction of ``size`` bytes by ``member`` would fit; asked before costly checks.

        A member's quota is a part of what is free, so however many fill theirs, there is room for one who comes later
        (dynamic thresholds: Choudhury and Hahne 1998). One alone has one part in ``mempool_member_share`` of all.

        Raises:
            PoolError: codes ``mempool_full``, ``quota_exceeded``.
        """
        capacity = self._limits.mempool_size_bytes
        free = capacity - self.size_bytes
        if size > free:
            raise PoolError(ErrorCode.MEMPOOL_FULL, f"{self.size_bytes} of {capacity} bytes are taken")
        used, quota = self._member_bytes.get(member, 0), free // (self._limits.mempool_member_share - 1)
        # Something of everybody's may wait, as long as there is room at all.
        if used and used + size > quota:
            raise PoolError(ErrorCode.QUOTA_EXCEEDED, f"{member} has {used} of its {quota} bytes waiting")

    def remove(self, ids: Iterable[Hash]) -> None:
        """Forget transactions that were ordered or have expired."""
        for id_ in ids:
            checked = self.get(id_)
            if checked is None:
                continue
            self._all.pop(checked)
            self._others.pop(checked)
            member = checked.header.member
            self._member_bytes[member] -= checked.size_bytes
            self.size_bytes -= checked.size_bytes
            if not self._member_bytes[member]:
                del self._member_bytes[member]

    def select(self, time_ms: int, *, with_calls: bool = True) -> list[CheckedTransaction]:
        """The next block's transactions: members take turns, each in its order of arrival, until the block is full.

        A member that floods thus fills only what the others leave; each block begins with another member, since one
        costly contract call may be all that a block has room for. Transactions that expire before ``time_ms`` are
        dropped. Without calls, a block has none, and what a member has sent after its calls goes ahead of them.
        """
        self.drop_expired(time_ms)
        chosen: list[CheckedTransaction] = []
        room = self._limits.block_size_bytes
        by_member = (self._all if with_calls else self._others).by_member
        turns = deque(iter(by_member[member].values()) for member in self._order_of_turns(by_member))
        while turns and len(chosen) < self._limits.block_transactions:
            waiting = turns.popleft()
            checked = next(waiting, None)
            if checked is None:
                continue
            size_bytes = checked.block_size_bytes
            if size_bytes > room:
                continue
            room -= size_bytes
            chosen.append(checked)
            turns.append(waiting)
        return chosen

    def _order_of_turns(self, by_member: Mapping[str, Mapping[Hash, CheckedTransaction]]) -> list[str]:
        """Members in order of their names, beginning with the next one whose turn it is to be first.

        Where contracts are called, only members whose next transaction calls one are first in turn: they alone compete
        for what a block has least of, so it must not depend on how many others share data meanwhile, in blocks between.
        """
        members, callers = sorted(by_member), _callers(by_member)
        candidates = sorted(callers) or members
        if not candidates:
            return []
        last = self._first[bool(callers)]
        first = self._first[bool(callers)] = next((member for member in candidates if member > last), candidates[0])
        start = members.index(first)
        return members[start:] + members[:start]


def _callers(by_member: Mapping[str, Mapping[Hash, CheckedTransaction]]) -> dict[str, CheckedTransaction]:
    heads = ((member, next(iter(waiting.values()))) for member, waiting in by_member.items())
    return {member: checked for member, checked in heads if checked.type.calls_contract}
