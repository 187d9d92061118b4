"""Doing work ahead: results in order, a bounded number of them in the making, nothing left running at the end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

JOBS_AHEAD = 2
"""Jobs that are done while the result of an earlier one is used."""


class Stopped(Exception):
    """Raised in work that nobody waits for any more."""


def in_order(
    jobs: Callable[[Event], Iterator[Job]], work: Callable[[Job, Event], Result], ahead: int = JOBS_AHEAD
) -> Generator[Result]:
    """Results of ``work`` on each job, in order; up to ``ahead`` jobs are worked on in threads meanwhile, and the job
    after them is looked for.

    Both functions get an event that is set when nobody waits for them any more: they raise ``Stopped`` then.
    """
    stop = Event()
    threads = ThreadPoolExecutor(ahead + 1, "blockpool-ahead")
    try:
        upcoming = jobs(stop)
        following: Future[Job | None] = threads.submit(next, upcoming, None)
        waiting: deque[Future[Result]] = deque()
        while (job := following.result()) is not None:
            following = threads.submit(next, upcoming, None)
            waiting.append(threads.submit(work, job, stop))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        stop.set()
        threads.shutdown(cancel_futures=True)


async def in_order_async(
    jobs: AsyncIterator[Job], work: Callable[[Job], Coroutine[None, None, Result]], ahead: int = JOBS_AHEAD
) -> AsyncGenerator[Result]:
    """``in_order`` with tasks in place of threads."""
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
    return await anext(jobs, None)
