"""The mempool's bounds and order: quotas, turns among members, expiry."""

import contextlib

import pytest

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS, Limits
from chain.transactions.base import CheckedTransaction
from node.mempool import Mempool
from tests.networks import TIME_MS, TestNetwork

NETWORK = TestNetwork()


def parcel(member: str = "a", size: int = 1, expiry_ms: int = 0) -> CheckedTransaction:
    """A transaction of about `size` hundred bytes over its smallest."""
    text = b'{"n":1,"t":"%s"}' % (b"x" * (100 * size))
    return NETWORK.checked(NETWORK.parcel([text], member, f"{member}.flights", expiry_ms=expiry_ms))


def refusal(mempool: Mempool, checked: CheckedTransaction) -> ErrorCode:
    with pytest.raises(PoolError) as caught:
        mempool.add(checked)
    return caught.value.code


def test_sizes_add_up_and_go_down_to_nothing() -> None:
    mempool = Mempool()
    waiting = [parcel(member, size) for member in "abc" for size in (1, 5)]
    for checked in waiting:
        mempool.add(checked)
        mempool.add(checked)
    assert len(mempool) == 6
    assert mempool.size_bytes == sum(checked.size_bytes for checked in waiting)
    mempool.remove([checked.id for checked in waiting] + [bytes(32)])
    assert (len(mempool), mempool.size_bytes, mempool.oldest) == (0, 0, None)


def test_s54_a_member_may_use_its_share_and_no_more() -> None:
    size = parcel().size_bytes
    mempool = Mempool(Limits(mempool_size_bytes=8 * size, mempool_member_share=4))
    mempool.add(parcel())
    mempool.add(parcel())
    assert refusal(mempool, parcel()) == ErrorCode.QUOTA_EXCEEDED
    mempool.add(parcel("b"))
    assert len(mempool) == 3
    first = mempool.oldest
    assert first is not None
    mempool.remove([first.id])
    mempool.add(parcel())
    assert refusal(mempool, parcel()) == ErrorCode.QUOTA_EXCEEDED


def test_a_full_mempool_takes_nothing_from_anybody() -> None:
    size = parcel().size_bytes
    mempool = Mempool(Limits(mempool_size_bytes=3 * size, mempool_member_share=2))
    for member in "abc":
        mempool.add(parcel(member))
    assert refusal(mempool, parcel("d")) == ErrorCode.MEMPOOL_FULL
    assert mempool.size_bytes == 3 * size


def test_s54_members_that_flood_together_leave_room_for_one_who_comes_later() -> None:
    """However many of them there are, and in whatever order they take what they can."""
    size, flooders = parcel().size_bytes, "bcd"
    mempool = Mempool(Limits(mempool_size_bytes=60 * size, mempool_member_share=4))
    for member in flooders * 60:
        with contextlib.suppress(PoolError):
            mempool.add(parcel(member))
    assert all(refusal(mempool, parcel(member)) == ErrorCode.QUOTA_EXCEEDED for member in flooders)
    assert mempool.size_bytes <= 30 * size
    for _ in range(5):
        mempool.add(parcel("a"))


def test_the_oldest_is_the_one_that_came_first() -> None:
    mempool = Mempool()
    first, second, third = parcel("b"), parcel("a"), parcel("b")
    for checked in (first, second, third):
        mempool.add(checked)
    assert mempool.oldest == first
    mempool.remove([first.id])
    assert mempool.oldest == second
    assert mempool.get(first.id) is None
    assert mempool.get(third.id) is third


def test_s54_a_flood_leaves_every_other_member_its_turn() -> None:
    """s54: one member fills its quota; whatever the others hand in is in the very next block."""
    mempool = Mempool(Limits(block_transactions=10))
    for _ in range(500):
        mempool.add(parcel("a"))
    others = [parcel(member) for member in "bcdbcd"]
    for checked in others:
        mempool.add(checked)
    chosen = mempool.select(TIME_MS)
    assert len(chosen) == 10
    assert {checked.id for checked in others} < {checked.id for checked in chosen}


def test_each_members_transactions_keep_their_order() -> None:
    mempool = Mempool()
    waiting = [parcel(member) for member in "abababaacb"]
    for checked in waiting:
        mempool.add(checked)
    chosen = mempool.select(TIME_MS)
    assert len(chosen) == len(waiting)
    for member in "abc":
        assert [c.id for c in chosen if c.header.member == member] == [
            c.id for c in waiting if c.header.member == member
        ]


def test_a_block_is_filled_to_its_size_and_not_beyond() -> None:
    size = parcel("a", 9).size_bytes
    mempool = Mempool(Limits(block_size_bytes=3 * size + size // 2))
    for _ in range(5):
        mempool.add(parcel("a", 9))
    small = parcel("b", 1)
    mempool.add(small)
    chosen = mempool.select(TIME_MS)
    assert sum(checked.size_bytes for checked in chosen) <= 3 * size + size // 2
    assert len(chosen) == 4
    assert small in chosen
    mempool.remove([checked.id for checked in chosen])
    assert len(mempool.select(TIME_MS)) == 2


def test_selecting_takes_nothing_out_but_what_has_expired() -> None:
    mempool = Mempool()
    late, in_time, eternal = parcel(expiry_ms=TIME_MS - 1), parcel(expiry_ms=TIME_MS), parcel()
    for checked in (late, in_time, eternal):
        mempool.add(checked)
    assert mempool.select(TIME_MS) == [in_time, eternal]
    assert mempool.select(TIME_MS) == [in_time, eternal]
    assert late.id not in mempool
    assert mempool.size_bytes == in_time.size_bytes + eternal.size_bytes


def test_expired_ones_are_dropped_without_being_selected() -> None:
    """A node that is no primary selects nothing; what expires must not look like work that the primary leaves out."""
    mempool = Mempool()
    late, in_time, eternal = parcel(expiry_ms=TIME_MS - 1), parcel(expiry_ms=TIME_MS), parcel()
    for checked in (late, in_time, eternal):
        mempool.add(checked)
    assert mempool.drop_expired(TIME_MS) == {late.id: TIME_MS - 1}
    assert mempool.oldest == in_time
    mempool.remove([in_time.id])
    assert mempool.drop_expired(TIME_MS + 1) == {}
    assert mempool.oldest == eternal


def test_s54_what_is_known_of_expiries_stays_bounded() -> None:
    mempool = Mempool()
    for _ in range(100):
        checked = parcel(expiry_ms=TIME_MS)
        mempool.add(checked)
        mempool.remove([checked.id])
    assert len(mempool._expiries) <= 3


def test_one_that_expired_and_came_back_is_chosen_once() -> None:
    """A clock that jumped ahead and back lets the same transaction in twice; twice in a block makes it invalid."""
    mempool = Mempool()
    first, comes_back = parcel(), parcel(expiry_ms=TIME_MS)
    mempool.add(first)
    mempool.add(comes_back)
    mempool.select(TIME_MS + 3_600_000)
    mempool.add(comes_back)
    chosen = mempool.select(TIME_MS)
    assert chosen == [first, comes_back]


def test_each_block_begins_with_another_member() -> None:
    mempool = Mempool()
    for member in "cabab":
        mempool.add(parcel(member))
    first = [mempool.select(TIME_MS)[0].header.member for _ in range(4)]
    assert first == ["a", "b", "c", "a"]


def test_s96_what_names_many_parcels_takes_much_of_a_block() -> None:
    """A report of a thousand parcels costs every node a thousand look-ups and entries, whatever its bytes."""
    ids = [number.to_bytes(32) for number in range(LIMITS.report_parcels)]
    reports = [NETWORK.checked(NETWORK.read_report(bytes(32), ids)) for _ in range(8)]
    mempool = Mempool()
    for checked in reports:
        mempool.add(checked)
    chosen = mempool.select(TIME_MS)
    assert len(chosen) == 3
    named = sum(len(checked.type.index(checked.header).read_parcels) for checked in chosen)
    assert named * LIMITS.named_parcel_size_bytes < LIMITS.block_size_bytes
    ledger = NETWORK.ledger()
    with pytest.raises(PoolError, match="larger than"):
        ledger.check(ledger.execute(reports[:4], TIME_MS, "a").proposal, reports[:4], None)


def test_s100_a_schema_takes_much_of_a_block() -> None:
    """Compiling the costliest schema takes 25 ms; its bytes alone would leave room for 30,000 of them."""
    mempool = Mempool()
    for number in range(20):
        mempool.add(
            NETWORK.checked(NETWORK.dataset(name=f"d{number}", schema=f'{{"pattern":"^.{{0,{number + 1}}}$"}}'))
        )
    chosen = mempool.select(TIME_MS)
    assert len(chosen) == LIMITS.block_size_bytes // LIMITS.schema_block_size_bytes - 1
    plain = NETWORK.checked(NETWORK.dataset(schema=""))
    assert plain.block_size_bytes == plain.size_bytes
