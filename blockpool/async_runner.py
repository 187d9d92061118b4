"""Carries operations out for asyncio programs: adds no rule of its own."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

from blockpool.answers import BlockEvent, Record, VerifiedReceipt
from blockpool.events import EventFeed
from blockpool.exchange import Answer, Emit, Operation, Pause, Send, Stream
from blockpool.grouping import Groups
from blockpool.operations.reading import Opened, OpenReading, Place, ReadPlan, SealedReading
from blockpool.operations.submitting import Group, ParcelSubmission, Submission
from blockpool.pipeline import in_order
from blockpool.reading import AsyncReading, AsyncRecords
from blockpool.signing import SignedTransaction
from blockpool.transport import Broken, Transport

T = TypeVar("T")

_TURN_S = 0.002
"""How long records are signed before the event loop turns."""


class AsyncRunner:
    """Connections to nodes from one event loop."""

    def __init__(self) -> None:
        self._connected: tuple[asyncio.AbstractEventLoop, Transport, Groups] | None = None

    async def close(self) -> None:
        """Close the connections."""
        connected, self._connected = self._connected, None
        if connected is not None:
            _, transport, groups = connected
            await groups.close()
            await transport.close()

    async def do(self, action: Send | Pause) -> Answer:
        """Do one thing that an operation asks for."""
        if isinstance(action, Pause):
            await asyncio.sleep(action.seconds)
            return None
        transport, groups = self._connections()
        return await (groups if action.request.is_transaction else transport).send(action.url, action.request)

    async def run(self, operation: Operation[T]) -> T:
        """Carry out an operation that gives one result."""
        answer: Answer = None
        try:
            while True:
                answer = await self.do(operation.send(answer))
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
                answer = await self.do(action)

    async def fetched(self, plan: ReadPlan) -> AsyncGenerator[list[Opened]]:
        """Carry out a reading but for opening the records, fetching ahead in tasks; they end with the iterator."""

        async def fetch(chunk: Sequence[Place]) -> list[Opened]:
            return await self.run(plan.fetch(chunk))

        async with aclosing(self.iterate(plan.chunks())) as chunks, aclosing(in_order(chunks, fetch)) as fetched:
            async for parcels in fetched:
                yield parcels

    async def read(self, plan: ReadPlan) -> AsyncGenerator[Record]:
        """Carry out a reading."""
        async with aclosing(self.fetched(plan)) as fetched:
            async for parcels in fetched:
                for opened in parcels:
                    for record in plan.records(opened):
                        yield record
                    await asyncio.sleep(0)  # opening is pure computation: let others run between parcels

    def records(self, plan: OpenReading) -> AsyncRecords:
        """Carry out a reading of open records, and tell of it."""
        return AsyncRecords(plan, self.read(plan))

    def reading(self, plan: SealedReading) -> AsyncReading:
        """Carry out a reading, and tell of it."""
        return AsyncReading(plan, self.read(plan))

    async def submit(self, submission: Submission) -> AsyncGenerator[VerifiedReceipt]:
        """Carry out a submission, with as many parcels in flight as its window allows."""
        begun = await self.run(submission.begin())
        waiting: deque[asyncio.Task[VerifiedReceipt]] = deque()
        turned_s = 0.0
        try:
            for group in begun.groups():
                # Sealing and writing a journal take milliseconds: the loop goes on meanwhile, and sends what is ready.
                parcel = begun.sign(group) if begun.is_quick(group) else await asyncio.to_thread(begun.sign, group)
                waiting.append(asyncio.create_task(self.commit(begun, parcel, group)))
                if time.monotonic() - turned_s > _TURN_S:
                    await asyncio.sleep(0)
                    turned_s = time.monotonic()
                while waiting and (waiting[0].done() or len(waiting) >= begun.window.limit):
                    yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            begun.close()

    async def commit(self, begun: ParcelSubmission, parcel: SignedTransaction, group: Group) -> VerifiedReceipt:
        """Commit a parcel of a submission."""
        with begun.timed(parcel, time.monotonic):
            return await self.run(begun.commit(parcel, group))

    async def collect(self, stream: AsyncGenerator[T]) -> list[T]:
        """All that a stream gives."""
        return [item async for item in stream]

    async def events(self, feed: EventFeed) -> AsyncGenerator[BlockEvent]:
        """Follow a feed."""
        while True:
            url, pause_s, request = feed.connection()
            await asyncio.sleep(pause_s)
            try:
                async with self._connections()[0].open(url, request, is_endless=True) as response:
                    if response.status == 200:
                        feed.opened()
                        async with aclosing(response.lines()) as lines:
                            async for line in lines:
                                if (event := feed.take_line(line)) is not None:
                                    yield event
                        feed.lost("the stream ended")
                    else:
                        feed.refused(await response.reply())
            except Broken as error:
                feed.lost(str(error))

    def _connections(self) -> tuple[Transport, Groups]:
        loop = asyncio.get_running_loop()
        if self._connected is None or self._connected[0] is not loop:
            transport = Transport()
            self._connected = loop, transport, Groups(transport)
        return self._connected[1:]
