"""Carries operations out over httpx, for asyncio programs: adds no rule of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

import httpx

from blockpool.answers import BlockSummary, Record, VerifiedReceipt
from blockpool.events import EventFeed
from blockpool.exchange import Answer, Emit, Operation, Pause, Reply, Request, Send, Stream, Unreachable
from blockpool.operations.reading import Opened, Place, ReadPlan, SealedReading
from blockpool.operations.submitting import Submission
from blockpool.over_httpx import ReplyReader, arguments, client_settings, describe
from blockpool.pipeline import in_order_async
from blockpool.reading import AsyncReading

T = TypeVar("T")


class AsyncRunner:
    """Connections to nodes from one event loop.

    Args:
        urls: base URLs of all of them.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._http = httpx.AsyncClient(**client_settings(urls))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def events(self, feed: EventFeed) -> AsyncGenerator[BlockSummary]:
        """Follow a feed."""
        while True:
            url, pause_s, request = feed.connection()
            await asyncio.sleep(pause_s)
            try:
                async with self._http.stream(**arguments(url, request)) as response:
                    if response.status_code == 200:
                        feed.opened()
                        async for line in response.aiter_lines():
                            if (event := feed.take_line(line)) is not None:
                                yield event
                        feed.lost("the stream ended")
                    else:
                        feed.refused(await _read(request, response))
            except httpx.RequestError as error:
                feed.lost(describe(error))

    async def read(self, plan: ReadPlan) -> AsyncGenerator[Record]:
        """Carry out a reading, fetching ahead in tasks; they end with the iterator."""

        async def fetch(chunk: Sequence[Place]) -> list[Opened]:
            return await self.run(plan.fetch(chunk))

        async with (
            aclosing(self.iterate(plan.chunks())) as chunks,
            aclosing(in_order_async(chunks, fetch)) as fetched,
        ):
            async for parcels in fetched:
                for opened in parcels:
                    for record in plan.records(opened):
                        yield record
                    await asyncio.sleep(0)  # opening is pure computation: let others run between parcels

    def reading(self, plan: SealedReading) -> AsyncReading:
        """Carry out a reading, and tell of it."""
        return AsyncReading(plan, self.read(plan))

    async def submit(self, submission: Submission) -> AsyncGenerator[VerifiedReceipt]:
        """Carry out a submission, several parcels at once."""
        begun = await self.run(submission.begin())
        waiting: deque[asyncio.Task[VerifiedReceipt]] = deque()
        try:
            for group in begun.groups():
                # Sealing and writing a journal take milliseconds: the loop goes on meanwhile, and sends what is ready.
                parcel = await asyncio.to_thread(begun.sign, *group)
                waiting.append(asyncio.create_task(self.run(begun.commit(parcel))))
                if len(waiting) >= submission.options.in_flight:
                    yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def collect(self, stream: AsyncGenerator[T]) -> list[T]:
        """All that a stream gives."""
        return [item async for item in stream]

    async def run(self, operation: Operation[T]) -> T:
        """Carry out an operation that gives one result."""
        answer: Answer = None
        try:
            while True:
                answer = await self._do(operation.send(answer))
        except StopIteration as end:
            result: T = end.value
            return result

    async def iterate(self, operation: Stream[T]) -> AsyncGenerator[T]:
        """Carry out an operation that gives many items."""
        answer: Answer = None
        while True:
            try:
                action = operation.send(answer)
            except StopIteration:
                return
            if isinstance(action, Emit):
                answer = None
                yield action.item
            else:
                answer = await self._do(action)

    async def _do(self, action: Send | Pause) -> Answer:
        if isinstance(action, Pause):
            await asyncio.sleep(action.seconds)
        elif isinstance(action, Send):
            try:
                async with self._http.stream(**arguments(action.url, action.request)) as response:
                    return await _read(action.request, response)
            except httpx.RequestError as error:
                return Unreachable(describe(error))
        return None


async def _read(request: Request, response: httpx.Response) -> Reply:
    reader = ReplyReader(request)
    async for piece in response.aiter_bytes():
        reader.take(piece)
    return reader.reply(response)
