"""What peers ask for is worked on at their cost, whatever it is that answers."""

import asyncio
import time

import pytest

from node.links.requests import _metered


async def test_s61_the_steps_of_an_answer_are_paid_for_and_its_waits_are_not() -> None:
    paid_s: list[float] = []

    async def answer() -> bytes:
        time.sleep(0.02)  # noqa: ASYNC251  what is measured is a loop that is held up
        await asyncio.sleep(0.2)
        time.sleep(0.02)  # noqa: ASYNC251  what is measured is a loop that is held up
        return b"answer"

    assert await _metered(answer(), paid_s.append) == b"answer"
    assert 0.04 <= sum(paid_s) < 0.15


async def test_s61_an_answer_that_fails_is_paid_for() -> None:
    paid_s: list[float] = []

    async def answer() -> bytes:
        await asyncio.sleep(0)
        time.sleep(0.02)  # noqa: ASYNC251  what is measured is a loop that is held up
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        await _metered(answer(), paid_s.append)
    assert sum(paid_s) >= 0.02


async def test_an_answer_hears_that_it_was_given_up() -> None:
    heard: list[str] = []

    async def answer() -> bytes:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            heard.append("given up")
            raise
        return b""

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await _metered(answer(), lambda seconds: None)
    assert heard == ["given up"]
