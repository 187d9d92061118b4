"""Work that is done ahead: order, bounds, errors, and nothing left behind."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from blockpool.pipeline import in_order


async def test_results_come_in_the_order_of_the_jobs_and_an_error_in_its_place() -> None:
    async def numbers() -> AsyncGenerator[int]:
        for number in range(30):
            await asyncio.sleep(0)
            yield number

    async def work(job: int) -> int:
        await asyncio.sleep(0.001 * (job % 3))
        if job == 20:
            raise KeyError("job 20")
        return job

    async with aclosing(numbers()) as jobs, aclosing(in_order(jobs, work)) as results:
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

    async with aclosing(numbers()) as jobs, aclosing(in_order(jobs, work)) as results:
        assert await anext(results) == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
