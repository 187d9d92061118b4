"""Members whose pending transactions a block skipped: the consensus core gets them after each block.

An honest primary takes pending transactions from members in turn until the block is full (``Mempool.select``). So a
block with room should hold every transaction that has been known for long, and a full block should hold about as much
of each member. Every replica judges by its own mempool, so it may err; the core needs to see it repeatedly.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from chain.limits import LIMITS, Limits
from chain.primitives.crypto import Hash
from chain.transactions.base import CheckedTransaction
from node.mempool import Mempool


def neglected_members(
    ordered: Sequence[CheckedTransaction],
    mempool: Mempool,
    is_overdue: Callable[[Hash], bool],
    may_wait: Callable[[str], bool],
    limits: Limits = LIMITS,
    has_schema_room: Callable[[CheckedTransaction], bool] = lambda checked: True,
) -> frozenset[str]:
    """Members of which a block skipped more overdue transactions than it ordered, without an excuse.

    Excuses are: no room for the member's oldest one, while the member got at least half of an equal share of the block,
    by number or by bytes, or a single one is more than that; and that the member's turn to call contracts may come
    (``node.call_turns``). A member that is skipped for ever with another excuse some day has the oldest transaction of
    all, and for that no excuse counts (``PrimaryWatch``).

    Args:
        ordered: the block's transactions.
        mempool: what waits now, without them.
        is_overdue: whether a waiting transaction was known early enough to be in the block.
        may_wait: whether a member's contract calls may still have their turn.
        limits: of blocks.
        has_schema_room: whether the block had room for the schema that checks a transaction's records.
    """
    if not mempool.members:
        return frozenset()
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for checked in ordered:
        counts[checked.header.member] += 1
        sizes[checked.header.member] += checked.block_size_bytes
    room = limits.block_size_bytes - sizes.total()
    shares = 2 * len(counts.keys() | mempool.members)
    neglected = set()
    for member in mempool.members:
        oldest, next_after = mempool.waiting(member, 0), mempool.waiting(member, counts[member])
        if oldest is None or next_after is None or not is_overdue(next_after.id):
            continue
        if oldest.type.calls_contract and may_wait(member):
            continue
        has_room = (
            len(ordered) < limits.block_transactions and oldest.block_size_bytes <= room and has_schema_room(oldest)
        )
        has_less = counts[member] * shares < len(ordered) and sizes[member] * shares < sizes.total()
        # Such a one waits until the member's turn comes first.
        is_bulky = oldest.block_size_bytes * shares > limits.block_size_bytes
        if has_room or (has_less and not is_bulky):
            neglected.add(member)
    return frozenset(neglected)
