"""When contract calls have their turn, and what primaries owe to whoever calls contracts (s90, s91)."""

from chain.transactions.base import CheckedTransaction
from node.call_turns import CallTurns
from node.mempool import Mempool
from node.neglect import neglected_members
from tests.networks import TestNetwork

NETWORK = TestNetwork()


class Setting:
    """A node's call turns, under a clock of their own."""

    def __init__(self, *waiting: CheckedTransaction) -> None:
        self.now_s = 100.0
        self.mempool = Mempool()
        for checked in waiting:
            self.mempool.add(checked)
        self.turns = CallTurns(self.mempool, lambda: self.now_s)

    def commit(self, *ordered: CheckedTransaction, took_s: float = 0.0) -> None:
        if took_s:
            self.turns.began()
        self.now_s += took_s
        self.turns.committed(ordered, lambda id_: True)

    def neglected(self, *ordered: CheckedTransaction) -> frozenset[str]:
        return neglected_members(ordered, self.mempool, lambda id_: True, self.turns.may_wait)


def call(member: str) -> CheckedTransaction:
    return NETWORK.checked(NETWORK.request(member))


def parcel(member: str) -> CheckedTransaction:
    return NETWORK.checked(NETWORK.parcel(member=member, dataset=f"{member}.flights"))


def test_s90_after_calls_the_others_have_three_times_as_long() -> None:
    setting = Setting()
    setting.commit(call("a"), parcel("b"), took_s=0.2)
    for _ in range(6):
        assert not setting.turns.has_come
        setting.now_s += 0.1001
        setting.commit(parcel("b"))
    assert setting.turns.has_come


def test_s90_where_nothing_else_is_ordered_calls_follow_each_other() -> None:
    setting = Setting()
    setting.commit(call("a"), took_s=0.2)
    assert setting.turns.has_come
    setting.commit(parcel("b"))
    assert not setting.turns.has_come
    setting.now_s += 0.251
    assert setting.turns.has_come


def test_s90_a_block_of_calls_that_took_for_ever_does_not_stop_calls_for_ever() -> None:
    setting = Setting()
    setting.commit(call("a"), parcel("b"), took_s=60)
    setting.now_s += 5.01
    setting.commit(parcel("b"))
    assert setting.turns.has_come


def test_s90_without_calls_a_block_has_room_for_whatever_else_waits() -> None:
    calls, data = [call("a") for _ in range(3)], [parcel("a"), parcel("b")]
    mempool = Setting(*calls, *data).mempool
    assert mempool.select(0, with_calls=False) == data
    assert set(mempool.select(0)) == {*calls, *data}
    mempool.remove([checked.id for checked in data])
    assert mempool.select(0, with_calls=False) == []
    assert mempool.oldest_other is None


def test_s90_blocks_between_do_not_change_whose_calls_come_first() -> None:
    mempool = Setting(*(call(member) for member in "bd"), *(parcel(member) for member in "ac")).mempool
    first = []
    for _ in range(4):
        first.append(next(checked.header.member for checked in mempool.select(0) if checked.type.calls_contract))
        mempool.select(0, with_calls=False)
    assert first == ["b", "d", "b", "d"]


def test_s26_s91_a_primary_with_a_call_of_its_own_is_not_excused_from_those_of_others() -> None:
    """Three members call; one is left out of block after block, each of which holds a call of another's."""
    setting = Setting(call("b"), call("c"), call("d"))
    for _ in range(6):
        setting.commit(call("c"))
        assert setting.neglected(call("c")) == frozenset()
    setting.commit(call("c"))
    assert setting.neglected(call("c")) == {"b", "d"}
    setting.commit(call("b"))
    assert setting.neglected(call("b")) == {"d"}


def test_s26_s91_a_primary_that_orders_no_calls_has_no_excuse_for_long() -> None:
    setting = Setting(call("b"))
    setting.commit(call("c"))
    setting.now_s += 9.9
    assert setting.neglected(parcel("a")) == frozenset()
    setting.now_s += 0.2
    assert setting.neglected(parcel("a")) == {"b"}


def test_s90_a_member_whose_calls_no_longer_wait_is_not_counted() -> None:
    setting = Setting(call("b"))
    for _ in range(9):
        setting.commit(call("c"))
    setting.mempool.remove(list(setting.mempool.ids))
    setting.commit(call("c"))
    assert setting.turns.may_wait("b")
