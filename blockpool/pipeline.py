"""Doing work ahead: results in order, a bounded number of them in the making, nothing left running at the end."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

JOBS_AHEAD = 2
"""Jobs that are done while the result of an earlier one is used."""


async def in_order(
    jobs: AsyncIterator[Job], work: Callable[[Job], Coroutine[None, None, Result]], ahead: int = JOBS_AHEAD
) -> AsyncGenerator[Result]:
    """Results of ``work`` on each job, in order; up to ``ahead`` jobs are worked on meanwhile, and the next is looked
    for.
    """
    waiting: deque[asyncio.Task[Result]] = deque()
    following = asyncio.create_task(_next(jobs))
    try:
        while (job := await following) is not None:
            following = asyncio.create_task(_next(jobs))
            waiting.append(asyncio.create_task(work(job)))
            if len(waiting) > ahead:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    finally:
        for task in (following, *waiting):
            task.cancel()
        await asyncio.gather(following, *waiting, return_exceptions=True)


async def _next(jobs: AsyncIterator[Job]) -> Job | None:
    async for job in jobs:
        return job
    return None
