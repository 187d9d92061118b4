"""Reads take turns: what they have of the node's time is bounded while it orders, and shared among addresses
(scenario 81)."""

import asyncio
import time

import pytest

from chain.errors import ErrorCode, PoolError
from node.api import turns as module
from node.api.turns import AT_ONCE, PARTS, Turns


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def ordering(clock: Clock) -> Turns:
    """Of a node that has transactions waiting."""
    return Turns(lambda: 1, lambda: 0, clock)


def test_s81_what_a_read_has_had_is_waited_out_while_the_node_orders() -> None:
    async def run() -> None:
        clock = Clock()
        turns = ordering(clock)
        turn = await turns.take("a")
        turn.charge(0.01)
        turn.end()
        waiting = asyncio.create_task(turns.take("a"))
        await asyncio.sleep(0)
        assert not waiting.done()
        clock.now_s += 0.01 * PARTS
        async with asyncio.timeout(5):
            await waiting

    asyncio.run(run())


def test_s81_a_node_that_orders_nothing_answers_at_once() -> None:
    async def run() -> None:
        turns = Turns(lambda: 0, lambda: 0, Clock())
        for _ in range(100):
            turn = await turns.take("a")
            turn.charge(1)
            turn.end()

    asyncio.run(run())


def test_s81_who_has_had_least_goes_first() -> None:
    """One address asks a hundred times as often as another, which waits for one read of it and no more."""

    async def run() -> None:
        turns, served = Turns(lambda: 0, lambda: 0), list[str]()

        async def read(source: str) -> None:
            turn = await turns.take(source)
            served.append(source)
            await asyncio.sleep(0)
            turn.charge(0.001)
            turn.end()

        greedy = [asyncio.create_task(read("greedy")) for _ in range(100)]
        await asyncio.sleep(0)
        await read("modest")
        assert served.index("modest") <= 2 * AT_ONCE
        await asyncio.gather(*greedy)

    asyncio.run(run())


def test_s81_who_would_wait_too_long_is_told_so_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        monkeypatch.setattr(module, "WAIT_MAX_S", 0.01)
        turns = Turns(lambda: 0, lambda: 0)
        held = [await turns.take("a") for _ in range(AT_ONCE)]
        with pytest.raises(PoolError) as refused:
            await turns.take("b")
        assert refused.value.code is ErrorCode.NOT_READY
        given_up = asyncio.create_task(turns.take("c"))
        await asyncio.sleep(0)
        given_up.cancel()
        for turn in held:
            turn.end()
            turn.end()
        for _ in range(10 * AT_ONCE):
            (await turns.take("d")).end()

    asyncio.run(run())


def test_s81_addresses_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        monkeypatch.setattr(module, "_SOURCES", 10)
        turns = Turns(lambda: 0, lambda: 0, time.monotonic)
        for number in range(1000):
            turn = await turns.take(str(number))
            turn.charge(0.001)
            turn.end()
        assert len(turns._had) <= 11

    asyncio.run(run())
