"""Work that is done ahead: order, bounds, errors, and nothing left behind."""

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, closing
from threading import Event

import pytest

from blockpool.pipeline import Stopped, in_order, in_order_async

BUSY = "blockpool-ahead"


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(BUSY)]


def test_results_come_in_the_order_of_the_jobs() -> None:
    def work(job: int, stop: Event) -> int:
        time.sleep(0.002 * (job % 3))
        return job * job

    assert list(in_order(lambda stop: iter(range(50)), work)) == [job * job for job in range(50)]
    assert threads() == []


def test_no_more_is_made_than_allowed() -> None:
    begun = 0

    def work(job: int, stop: Event) -> int:
        nonlocal begun
        begun += 1
        return job

    with closing(in_order(lambda stop: itertools.count(), work, ahead=2)) as results:
        for used, _ in zip(range(1, 10), results, strict=False):
            time.sleep(0.005)
            assert begun <= used + 3
    assert threads() == []


@pytest.mark.parametrize("fails", ["jobs", "work"])
def test_an_error_comes_in_its_place_and_ends_all(fails: str) -> None:
    def jobs(stop: Event) -> Iterator[int]:
        yield from range(4)
        if fails == "jobs":
            raise KeyError("job 4")
        yield 4

    def work(job: int, stop: Event) -> int:
        if job == 4:
            raise KeyError("job 4")
        return job

    results = in_order(jobs, work, ahead=1)
    assert list(itertools.islice(results, 3)) == [0, 1, 2]
    with pytest.raises(KeyError, match="job 4"):
        list(results)
    assert threads() == []


def test_work_that_nobody_waits_for_is_told_to_stop() -> None:
    stopped: list[int] = []

    def work(job: int, stop: Event) -> int:
        if job == 0:
            return 0
        stop.wait(30)
        stopped.append(job)
        raise Stopped

    results = in_order(lambda stop: iter(range(9)), work)
    assert next(results) == 0
    started_s = time.monotonic()
    results.close()
    assert time.monotonic() - started_s < 5
    assert set(stopped) <= {1, 2, 3}
    assert threads() == []


async def test_tasks_do_the_same() -> None:
    async def numbers() -> AsyncGenerator[int]:
        for number in range(30):
            await asyncio.sleep(0)
            yield number

    async def work(job: int) -> int:
        await asyncio.sleep(0.001 * (job % 3))
        if job == 20:
            raise KeyError("job 20")
        return job

    async with aclosing(numbers()) as jobs, aclosing(in_order_async(jobs, work)) as results:
        assert [await anext(results) for _ in range(20)] == list(range(20))
        with pytest.raises(KeyError, match="job 20"):
            await anext(results)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_tasks_end_with_the_iterator() -> None:
    async def numbers() -> AsyncGenerator[int]:
        for number in itertools.count():
            yield number

    async def work(job: int) -> int:
        await asyncio.sleep(0 if job == 0 else 30)
        return job

    async with aclosing(numbers()) as jobs, aclosing(in_order_async(jobs, work)) as results:
        assert await anext(results) == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
