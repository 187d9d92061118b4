"""Repeating own transactions: what a broken link may have lost, a little at a time."""

import asyncio

import pytest

from chain.limits import MIB
from chain.primitives.encoding import decode, encode
from chain.transactions.base import Transaction
from node.dissemination import Dissemination
from node.examiners import Examiners
from node.frames import FrameKind, TransactionList
from node.intake import Intake
from node.pool import Pool
from tests.networks import TIME_MS, TestNetwork
from tests.node.test_intake import Peers


class RecordingLinks(Peers):
    """Keeps what is broadcast."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[list[bytes]] = []

    def broadcast(self, kind: int, body: bytes, *, urgent: bool = False) -> int:
        assert kind == FrameKind.TRANSACTIONS
        self.frames.append(list(decode(TransactionList, body)))
        return 3

    def taken(self) -> list[bytes]:
        frames, self.frames = self.frames, []
        return [data for frame in frames for data in frame]


class Setting:
    """A node's dissemination with links that record and a clock that is set by hand."""

    def __init__(self) -> None:
        self.network = TestNetwork()
        self.now_s = 0.0
        self.pool = Pool(self.network.ledger(), lambda: TIME_MS, lambda: self.now_s)
        self.links = RecordingLinks()
        intake = Intake(self.pool, self.links, lambda error: None, Examiners(self.pool.ledger, 0))
        self.dissemination = Dissemination(self.pool, self.links, intake)

    async def submit(self, transaction: Transaction) -> bytes:
        data = encode(transaction)
        await self.dissemination.submit(data)
        return data

    async def spread(self) -> list[bytes]:
        async with asyncio.timeout(10):
            while self.dissemination._flush_due is not None:
                await asyncio.sleep(0)
        return self.links.taken()

    async def repeated(self) -> list[bytes]:
        self.dissemination.repeat()
        return await self.spread()


async def test_a_submission_is_spread_once() -> None:
    setting = Setting()
    data = await setting.submit(setting.network.dataset())
    await asyncio.sleep(0)
    assert setting.links.taken() == [data]
    await setting.submit(decode(Transaction, data))
    await asyncio.sleep(0)
    assert setting.links.taken() == []


async def test_what_follows_at_once_is_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.dissemination._GATHER_S", 0.2)
    setting = Setting()
    await setting.submit(setting.network.dataset())
    await asyncio.sleep(0)
    assert len(setting.links.frames) == 1
    for number in range(5):
        await setting.submit(setting.network.dataset(name=f"set-{number}"))
        await asyncio.sleep(0)
    assert len(setting.links.frames) == 1
    assert len(await setting.spread()) == 6
    await setting.submit(setting.network.dataset(name="late"))
    large = await setting.submit(setting.network.parcel([b'{"n":%30d}' % number for number in range(4000)]))
    assert large in setting.links.taken(), "enough for a frame does not wait"


async def test_only_what_waits_long_is_repeated_oldest_first() -> None:
    setting = Setting()
    first = await setting.submit(setting.network.dataset())
    setting.now_s = 2.0
    second = await setting.submit(setting.network.dataset(name="other"))
    assert sorted(await setting.spread()) == sorted([first, second])
    assert await setting.repeated() == []
    setting.now_s = 4.0
    assert await setting.repeated() == [first]
    setting.now_s = 9.0
    assert await setting.repeated() == [first, second]


async def test_an_overload_is_not_repeated_as_a_whole() -> None:
    setting = Setting()
    records = [b'{"n":%d}' % number for number in range(4000)]
    for _ in range(20):
        await setting.submit(setting.network.parcel(records))
    assert len(await setting.spread()) == 20
    setting.now_s = 60.0
    repeated = await setting.repeated()
    assert 1 <= len(repeated) < 20
    assert sum(map(len, repeated)) < MIB // 2


async def test_what_is_ordered_is_not_repeated() -> None:
    setting = Setting()
    data = await setting.submit(setting.network.dataset())
    setting.now_s = 60.0
    assert data in await setting.repeated()
    network, ledger = setting.network, setting.pool.ledger
    executed = ledger.execute(setting.pool.mempool.select(TIME_MS), TIME_MS, "a")
    setting.pool.commit(executed, network.certify(executed))
    assert await setting.repeated() == []
