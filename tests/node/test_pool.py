"""The pool on its own: what is verified before it is kept, and who is told what, when."""

import asyncio
import time
from collections import OrderedDict

import pytest

import chain.schema
from chain.errors import ErrorCode, PoolError
from chain.primitives.encoding import encode
from chain.proofs.receipts import Receipt, verify_receipt
from chain.schema import is_compiled
from chain.transactions.base import Transaction
from node import pool
from node.pool import CommittedBlock, Pool
from tests.networks import TIME_MS, TestNetwork
from tests.node.cluster import forged
from tests.refusals import refuses


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_ms = TIME_MS

    def __call__(self) -> int:
        return self.now_ms


class Bench:
    """A pool over a ledger in memory, and a network that certifies what it is told to."""

    def __init__(self) -> None:
        self.network = TestNetwork()
        self.clock = Clock()
        self.pool = Pool(self.network.ledger(), self.clock, time.monotonic)

    def take(self, transaction: Transaction | bytes) -> bytes:
        """Verify and admit; gives the id."""
        data = transaction if isinstance(transaction, bytes) else encode(transaction)
        verified = self.pool.verify(self.pool.decode(data))
        if verified.location is None and verified.checked is not None:
            self.pool.admit(verified.checked)
        return verified.id

    def commit_waiting(self) -> None:
        """Order everything that waits."""
        pool = self.pool
        chosen = pool.mempool.select(self.clock())
        pool.forget_expired()
        if chosen:
            executed = pool.ledger.execute(chosen, self.clock(), "a")
            pool.commit(executed, self.network.certify(executed))

    def verify(self, id_: bytes, receipt: Receipt) -> None:
        verify_receipt(self.network.trust, id_, receipt)


def refused(bench: Bench, data: Transaction | bytes) -> ErrorCode:
    with pytest.raises(PoolError) as caught:
        bench.take(data)
    return caught.value.code


def test_s34_a_forged_signature_is_never_kept() -> None:
    """s34: not the first time, not over a waiting transaction, not over a committed one."""
    bench = Bench()
    good = encode(bench.network.dataset())
    assert refused(bench, forged(good)) == ErrorCode.BAD_SIGNATURE
    assert len(bench.pool.mempool) == 0
    id_ = bench.take(good)
    assert refused(bench, forged(good)) == ErrorCode.BAD_SIGNATURE
    waiting = bench.pool.mempool.get(id_)
    assert waiting is not None
    assert encode(waiting.transaction) == good
    bench.commit_waiting()
    assert refused(bench, forged(good)) == ErrorCode.BAD_SIGNATURE
    assert len(bench.pool.mempool) == 0


def test_the_same_transaction_waits_once_and_is_recognised_when_committed() -> None:
    """s49."""
    bench = Bench()
    data = encode(bench.network.dataset())
    assert bench.take(data) == bench.take(data)
    assert len(bench.pool.mempool) == 1
    bench.commit_waiting()
    verified = bench.pool.verify(bench.pool.decode(data))
    assert verified.location is not None
    assert bench.pool.height == 1
    bench.verify(verified.id, bench.pool.receipt(verified.location))


async def test_everybody_who_waits_gets_the_same_receipt() -> None:
    bench = Bench()
    id_ = bench.take(bench.network.dataset())
    waiting = [asyncio.create_task(bench.pool.wait_for_receipt(id_, 5)) for _ in range(3)]
    await asyncio.sleep(0)
    bench.commit_waiting()
    receipts = await asyncio.gather(*waiting)
    assert receipts[0] == receipts[1] == receipts[2]
    bench.verify(id_, receipts[0])


async def test_a_commit_before_the_wait_is_not_missed() -> None:
    bench = Bench()
    id_ = bench.take(bench.network.dataset())
    bench.commit_waiting()
    bench.verify(id_, await bench.pool.wait_for_receipt(id_, 0.01))


async def test_waiting_ends_with_the_timeout_and_leaves_nothing_behind() -> None:
    bench = Bench()
    id_ = bench.take(bench.network.dataset())
    with refuses(ErrorCode.TIMEOUT):
        await bench.pool.wait_for_receipt(id_, 0.01)
    assert not bench.pool._waiters
    bench.commit_waiting()
    bench.verify(id_, await bench.pool.wait_for_receipt(id_, 0.01))


async def test_one_who_gives_up_does_not_take_the_answer_from_the_others() -> None:
    bench = Bench()
    id_ = bench.take(bench.network.dataset())
    patient = asyncio.create_task(bench.pool.wait_for_receipt(id_, 5))
    gone = asyncio.create_task(bench.pool.wait_for_receipt(id_, 5))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    bench.commit_waiting()
    bench.verify(id_, await patient)


async def test_one_who_gives_up_just_when_the_answer_comes_has_given_up() -> None:
    """Else whoever cancels a client in a loop of submissions waits for it for ever."""

    bench = Bench()
    id_ = bench.take(bench.network.dataset())
    gone = asyncio.create_task(bench.pool.wait_for_receipt(id_, 5))
    await asyncio.sleep(0)
    bench.commit_waiting()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_expired_on_arrival_is_refused_and_expired_while_waiting_is_answered() -> None:
    """The answer comes once a later block's time excludes that a node with a slower clock has it ordered yet."""

    bench = Bench()
    assert refused(bench, bench.network.dataset(expiry_ms=TIME_MS - 1)) == ErrorCode.EXPIRED
    id_ = bench.take(bench.network.dataset(expiry_ms=TIME_MS + 5))
    waiting = asyncio.create_task(bench.pool.wait_for_receipt(id_, 5))
    await asyncio.sleep(0)
    bench.clock.now_ms += 6
    bench.pool.forget_expired()
    assert (len(bench.pool.mempool), bench.pool.waiting_s(id_)) == (0, 0)
    await asyncio.sleep(0.01)
    assert not waiting.done()
    bench.take(bench.network.dataset(name="other"))
    bench.commit_waiting()
    bench.pool.forget_expired()
    with refuses(ErrorCode.EXPIRED):
        await waiting


async def test_one_that_expired_here_and_was_ordered_elsewhere_is_answered_with_its_receipt() -> None:
    bench = Bench()
    id_ = bench.take(bench.network.dataset(expiry_ms=TIME_MS + 5))
    (checked,) = bench.pool.mempool.select(TIME_MS)
    waiting = asyncio.create_task(bench.pool.wait_for_receipt(id_, 5))
    await asyncio.sleep(0)
    bench.clock.now_ms += 6
    bench.pool.forget_expired()
    executed = bench.pool.ledger.execute([checked], TIME_MS + 5, "a")
    bench.pool.commit(executed, bench.network.certify(executed))
    bench.verify(id_, await waiting)


async def test_shutting_down_answers_everybody() -> None:
    bench = Bench()
    id_ = bench.take(bench.network.dataset())
    receipt = asyncio.create_task(bench.pool.wait_for_receipt(id_, 60))
    height = asyncio.create_task(bench.pool.wait_for_height(7))
    await asyncio.sleep(0)
    bench.pool.close()
    for task in (receipt, height):
        with refuses(ErrorCode.NOT_READY):
            await task


async def test_waiting_for_a_height_ends_when_it_is_reached() -> None:
    bench = Bench()
    waiting = asyncio.create_task(bench.pool.wait_for_height(2))
    for _ in range(2):
        await asyncio.sleep(0)
        assert not waiting.done()
        bench.take(bench.network.dataset(name=f"set-{bench.pool.height}"))
        bench.commit_waiting()
    await waiting
    await bench.pool.wait_for_height(1)


def test_listeners_hear_of_every_block_once_and_of_the_time_waited() -> None:
    bench = Bench()
    heard: list[CommittedBlock] = []
    bench.pool.add_listener(heard.append)
    id_ = bench.take(bench.network.dataset())
    bench.commit_waiting()
    (block,) = heard
    assert block.executed.header.height == 1
    assert set(block.waiting_ms) == {id_}
    assert 0 <= block.waiting_ms[id_] < 10_000


def test_stored_blocks_are_announced_once_they_are_durable() -> None:
    bench = Bench()
    pool, network = bench.pool, bench.network
    heard: list[CommittedBlock] = []
    pool.add_listener(heard.append)
    id_ = bench.take(network.dataset())
    executed = pool.ledger.execute(pool.mempool.select(TIME_MS), TIME_MS, "a")
    pool.store(executed, network.certify(executed))
    assert (pool.height, heard) == (1, [])
    assert pool.ledger._anchor.read() is not None
    assert pool.ledger._anchor.read().height == 0  # type: ignore[union-attr]
    location = pool.ledger.blocks.location(id_)
    assert location is not None
    bench.verify(id_, pool.receipt(location))
    assert [block.executed.header.height for block in heard] == [1], "an answer is a promise: durable first"
    assert pool.ledger._anchor.read().height == 1  # type: ignore[union-attr]
    assert id_ not in pool.mempool


def test_a_commit_announces_what_was_stored_before_it_first() -> None:
    bench = Bench()
    pool, network = bench.pool, bench.network
    heard: list[CommittedBlock] = []
    pool.add_listener(heard.append)
    for transaction in (network.dataset(), network.parcel()):
        executed = pool.ledger.execute([network.checked(transaction)], TIME_MS, "a")
        pool.store(executed, network.certify(executed))
    bench.take(network.parcel())
    bench.commit_waiting()
    assert [block.executed.header.height for block in heard] == [1, 2, 3]


def test_s103_each_member_has_a_share_of_the_time_for_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose records alternate among many has to wait; those whose schema is ready, and other members, do not."""
    monkeypatch.setattr(chain.schema, "_known", OrderedDict())
    monkeypatch.setattr(pool, "step_s", lambda began_s: 0.04)
    bench = Bench()
    for number in range(5):
        bench.take(bench.network.dataset("a", f"d{number}", schema=f'{{"title":"{number}"}}'))
    bench.take(bench.network.dataset("b", schema='{"title":"of b"}'))
    bench.commit_waiting()
    monkeypatch.setattr(chain.schema, "_known", OrderedDict())
    for number in range(3):
        bench.take(bench.network.parcel(dataset=f"a.d{number}"))
    other = bench.network.parcel(dataset="a.d3")
    assert refused(bench, other) == ErrorCode.QUOTA_EXCEEDED
    bench.take(bench.network.parcel(dataset="a.d0"))
    bench.take(bench.network.parcel(member="b"))
    assert not is_compiled('{"title":"3"}')
    checked = bench.pool.decode(encode(other))
    assert bench.pool.verify(checked, is_proposed=True).checked is checked
    assert not is_compiled('{"title":"3"}')
