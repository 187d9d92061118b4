"""When a block has neglected a member, as the core's watch on primaries is told (s26)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from chain.limits import LIMITS
from chain.primitives.crypto import Hash
from chain.transactions.base import CheckedTransaction
from node.mempool import Mempool
from node.neglect import neglected_members
from tests.networks import TestNetwork

NETWORK = TestNetwork()
ALL_OVERDUE: Callable[[Hash], bool] = lambda id_: True  # noqa: E731
NO_TURN: Callable[[str], bool] = lambda member: False  # noqa: E731


def parcels(member: str, count: int, size: int = 1) -> list[CheckedTransaction]:
    """Transactions of about `size` hundred bytes over the smallest."""
    text = b'{"n":1,"t":"%s"}' % (b"x" * (100 * size))
    return [NETWORK.checked(NETWORK.parcel([text], member, f"{member}.flights")) for _ in range(count)]


def call(member: str) -> CheckedTransaction:
    return NETWORK.checked(NETWORK.request(member))


def holding(*groups: Sequence[CheckedTransaction]) -> Mempool:
    mempool = Mempool()
    for group in groups:
        for checked in group:
            mempool.add(checked)
    return mempool


def test_s26_a_member_left_out_of_a_block_with_room_is_neglected() -> None:
    assert neglected_members(parcels("a", 3), holding(parcels("b", 1)), ALL_OVERDUE, NO_TURN) == {"b"}


def test_s26_everybody_is_neglected_by_tiny_blocks() -> None:
    waiting = holding(parcels("a", 5), parcels("b", 5))
    assert neglected_members(parcels("a", 1), waiting, ALL_OVERDUE, NO_TURN) == {"a", "b"}


def test_s26_what_came_lately_does_not_count() -> None:
    early, late = parcels("b", 1), parcels("b", 9)
    mempool = holding(early, late)
    known = {checked.id for checked in early}
    assert neglected_members(parcels("b", 1), mempool, lambda id_: id_ in known, NO_TURN) == frozenset()
    assert neglected_members(parcels("a", 1), mempool, lambda id_: id_ in known, NO_TURN) == {"b"}


def test_s26_a_block_that_orders_as_much_as_it_leaves_is_enough() -> None:
    assert neglected_members(parcels("b", 5), holding(parcels("b", 5)), ALL_OVERDUE, NO_TURN) == frozenset()
    assert neglected_members(parcels("b", 5), holding(parcels("b", 6)), ALL_OVERDUE, NO_TURN) == {"b"}


def test_s26_s103_a_block_without_room_for_a_members_schema_need_not_hold_its_parcels() -> None:
    waiting, full = holding(parcels("b", 9)), lambda checked: False
    assert neglected_members(parcels("a", 2) + parcels("b", 2), waiting, ALL_OVERDUE, NO_TURN) == {"b"}
    ordered = parcels("a", 2) + parcels("b", 2)
    assert neglected_members(ordered, waiting, ALL_OVERDUE, NO_TURN, has_schema_room=full) == frozenset()
    ordered = parcels("a", 12)
    assert neglected_members(ordered, waiting, ALL_OVERDUE, NO_TURN, has_schema_room=full) == {"b"}


def test_s26_a_full_block_owes_each_member_half_of_an_equal_share() -> None:
    limits = replace(LIMITS, block_transactions=8)
    waiting = holding(parcels("a", 9), parcels("b", 9))
    assert neglected_members(parcels("a", 6) + parcels("b", 2), waiting, ALL_OVERDUE, NO_TURN, limits) == frozenset()
    assert neglected_members(parcels("a", 7) + parcels("b", 1), waiting, ALL_OVERDUE, NO_TURN, limits) == {"b"}


def test_s26_shares_of_a_full_block_are_counted_in_bytes_too() -> None:
    """Few large ones are as good a share as many small ones."""
    limits = replace(LIMITS, block_transactions=8)
    waiting = holding(parcels("a", 9), parcels("b", 9, size=40))
    ordered = parcels("a", 7) + parcels("b", 1, size=40)
    assert neglected_members(ordered, waiting, ALL_OVERDUE, NO_TURN, limits) == frozenset()


def test_s26_no_room_for_the_oldest_is_an_excuse() -> None:
    ordered = parcels("a", 2) + parcels("b", 2)
    large = parcels("b", 9, size=100)
    size_bytes = sum(checked.size_bytes for checked in ordered)
    limits = replace(LIMITS, block_size_bytes=size_bytes + large[0].size_bytes - 1)
    assert neglected_members(ordered, holding(large), ALL_OVERDUE, NO_TURN, limits) == frozenset()
    limits = replace(limits, block_size_bytes=size_bytes + large[0].size_bytes)
    assert neglected_members(ordered, holding(large), ALL_OVERDUE, NO_TURN, limits) == {"b"}


def test_s26_calls_may_wait_as_long_as_their_turn_may_come() -> None:
    waiting = holding([call("b"), call("b")])
    assert neglected_members(parcels("a", 3), waiting, ALL_OVERDUE, lambda member: member == "b") == frozenset()
    assert neglected_members(parcels("a", 3), waiting, ALL_OVERDUE, NO_TURN) == {"b"}


def test_s26_what_an_honest_primary_leaves_is_no_neglect() -> None:
    """Whatever waits, of whatever size: what is selected neglects nobody."""
    for limits in (
        replace(LIMITS, block_transactions=7),
        replace(LIMITS, block_size_bytes=12_000),
        replace(LIMITS, block_size_bytes=6_000, block_transactions=9),
    ):
        mempool = Mempool(limits)
        for member, size in (("a", 1), ("b", 20), ("c", 50)):
            for checked in parcels(member, 12, size):
                mempool.add(checked)
        while chosen := mempool.select(0):
            mempool.remove([checked.id for checked in chosen])
            assert neglected_members(chosen, mempool, ALL_OVERDUE, NO_TURN, limits) == frozenset()
