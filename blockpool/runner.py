"""Carries operations out for blocking programs: adds no rule of its own.

Requests are made on an event loop in a thread of its own, so what a program asks for from several threads, and the
parcels of one submission, share connections and travel together. Operations themselves, and what they call back, run in
the thread that asked.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterator
from concurrent.futures import Future, wait
from contextlib import closing
from itertools import chain
from typing import Any, TypeVar, cast

from blockpool.answers import BlockEvent, Record, VerifiedReceipt
from blockpool.async_runner import AsyncRunner
from blockpool.events import EventFeed
from blockpool.exchange import Answer, Emit, Operation, Stream
from blockpool.operations.reading import OpenReading, ReadPlan, SealedReading
from blockpool.operations.submitting import Submission
from blockpool.reading import Reading, Records

T = TypeVar("T")

_CLOSING_S = 5.0
_END: Any = object()


class Runner:
    """Connections to nodes. It may be used from several threads."""

    def __init__(self) -> None:
        self._async = AsyncRunner()
        self._starting = threading.Lock()
        self._thread: _LoopThread | None = None
        self._is_closed = False

    def close(self) -> None:
        """Close the connections."""
        self._is_closed = True
        if self._thread is not None:
            self._thread.close()

    def run(self, operation: Operation[T]) -> T:
        """Carry out an operation that gives one result."""
        answer: Answer = None
        try:
            while True:
                answer = self._wait(self._async.do(operation.send(answer)))
        except StopIteration as end:
            result: T = end.value
            return result

    def iterate(self, operation: Stream[T]) -> Iterator[T]:
        """Carry out an operation that gives many items."""
        answer: Answer = None
        try:
            while True:
                action = operation.send(answer)
                if isinstance(action, Emit):
                    answer = None
                    yield action.item
                else:
                    answer = self._wait(self._async.do(action))
        except StopIteration:
            return

    def read(self, plan: ReadPlan) -> Generator[Record]:
        """Carry out a reading, fetching ahead while records are handed out."""
        with closing(self._each(self._async.fetched(plan))) as fetched:
            for opened in chain.from_iterable(fetched):
                yield from plan.records(opened)

    def records(self, plan: OpenReading) -> Records:
        """Carry out a reading of open records, and tell of it."""
        return Records(plan, self.read(plan))

    def reading(self, plan: SealedReading) -> Reading:
        """Carry out a reading, and tell of it."""
        return Reading(plan, self.read(plan))

    def submit(self, submission: Submission) -> Iterator[VerifiedReceipt]:
        """Carry out a submission, with as many parcels in flight as its window allows."""
        begun = self.run(submission.begin())
        waiting: deque[Future[VerifiedReceipt]] = deque()
        try:
            for group in begun.groups():
                waiting.append(self._start(self._async.commit(begun, begun.sign(group), group)))
                while waiting and (waiting[0].done() or len(waiting) >= begun.window.limit):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            wait(waiting)
            begun.close()

    def collect(self, stream: Iterator[T]) -> list[T]:
        """All that a stream gives."""
        return list(stream)

    def events(self, feed: EventFeed) -> Generator[BlockEvent]:
        """Follow a feed."""
        return self._each(self._async.events(feed))

    def _each(self, items: AsyncGenerator[T]) -> Generator[T]:
        turn = asyncio.Lock()
        """What was interrupted ends in the loop's own time; only then can it be closed."""

        async def following() -> T:
            async with turn:
                try:
                    return await items.__anext__()
                except StopAsyncIteration:
                    return cast(T, _END)

        async def close() -> None:
            async with turn:
                await items.aclose()

        try:
            while (item := self._wait(following())) is not _END:
                yield item
        finally:
            if not self._is_closed:
                self._wait(close())

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future = self._start(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # the program was interrupted
            raise

    def _start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        with self._starting:
            if self._is_closed or (self._thread is not None and self._thread.is_current):
                work.close()
                raise RuntimeError("the client is closed, or called from within what it calls back")
            if self._thread is None or not self._thread.is_alive:  # a forked process has no threads of its parent
                self._thread = _LoopThread(self._async)
            return asyncio.run_coroutine_threadsafe(work, self._thread.loop)


class _LoopThread:
    """An event loop that runs in a thread until it is closed, forgotten, or the program ends."""

    def __init__(self, runner: AsyncRunner) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_serve, args=(self.loop,), name="blockpool", daemon=True)
        self._thread.start()
        self.close = weakref.finalize(self, _end, self.loop, self._thread, runner)

    @property
    def is_alive(self) -> bool:
        """Whether it runs in this process."""
        return self._thread.is_alive()

    @property
    def is_current(self) -> bool:
        """Whether this is called in it."""
        return self._thread is threading.current_thread()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread, runner: AsyncRunner) -> None:
    async def end() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await loop.shutdown_asyncgens()
        await runner.close()
        loop.stop()

    if thread.is_alive():
        asyncio.run_coroutine_threadsafe(end(), loop)
        if thread is not threading.current_thread():
            thread.join(_CLOSING_S)
