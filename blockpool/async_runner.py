"""Carries operations out over httpx, for asyncio programs: adds no rule of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import httpx

from blockpool.answers import BlockSummary, Record
from blockpool.events import EventFeed
from blockpool.exchange import Answer, Emit, Operation, Pause, Reply, Request, Send, Unreachable
from blockpool.operations.reading import Opened, Place, ReadPlan
from blockpool.over_httpx import ReplyReader, arguments, client_settings, describe
from blockpool.pipeline import in_order_async

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

    async def run(self, operation: Operation[T]) -> T:
        """Carry out an operation that gives one result."""
        answer: Answer = None
        try:
            while True:
                answer = await self._do(operation.send(answer))
        except StopIteration as end:
            result: T = end.value
            return result

    async def iterate(self, operation: Operation[None]) -> AsyncGenerator[Any]:
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

    async def _do(self, action: Send | Pause | Emit) -> Answer:
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
