"""The client for asyncio programs. It is ``Client`` with ``await``: arguments, results and errors are described
there.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from blockpool.answers import (
    BlockAnswer,
    BlockSummary,
    Dataset,
    NodeStatus,
    Record,
    RecordAnswer,
    TransactionAnswer,
    VerifiedReceipt,
)
from blockpool.events import EventFeed
from blockpool.exchange import Answer, Emit, NodePool, Operation, Pause, Reply, Request, RetryPolicy, Send, Unreachable
from blockpool.identity import Identity
from blockpool.operations import Operations, ResumeProbe
from blockpool.over_httpx import ReplyReader, arguments, client_settings, describe
from blockpool.signing import PARCEL_RECORDS, DatasetDefinition, RecordBody, RecordId, SignedTransaction
from chain.genesis import Genesis
from chain.packages import BlockPackage

T = TypeVar("T")

PARCELS_IN_FLIGHT = 4
"""Parcels of one submission that wait for their commit at the same time."""


class AsyncClient:
    """A connection to a pool from one event loop. Close it, or use ``async with``. See ``Client``."""

    def __init__(
        self,
        urls: str | Sequence[str],
        genesis: Genesis | None = None,
        identity: Identity | None = None,
        *,
        retry: RetryPolicy | None = None,
    ) -> None:
        urls = [urls] if isinstance(urls, str) else list(urls)
        nodes = NodePool(urls, time.monotonic)
        self._operations = Operations(nodes, retry or RetryPolicy(), genesis, identity)
        self._http = httpx.AsyncClient(**client_settings(urls))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def status(self) -> NodeStatus:
        """What the node says about itself."""
        return await self._run(self._operations.status())

    async def datasets(self) -> tuple[Dataset, ...]:
        """The catalogue, as the node gives it."""
        return await self._run(self._operations.datasets())

    async def dataset(self, dataset: str) -> Dataset:
        """One catalogue entry, as the node gives it; raises ``not_found``."""
        return await self._run(self._operations.dataset(dataset))

    async def block(self, height: int | None = None) -> BlockAnswer:
        """The block at ``height`` (the newest by default), as the node gives it."""
        return await self._run(self._operations.block(height))

    async def transaction(self, transaction_id: bytes) -> TransactionAnswer:
        """Where a transaction stands, as the node gives it."""
        return await self._run(self._operations.transaction(transaction_id))

    async def record(self, record: RecordId) -> RecordAnswer:
        """A record, as the node gives it. ``evidence`` proves it."""
        return await self._run(self._operations.record(record))

    async def receipt(self, transaction_id: bytes) -> VerifiedReceipt:
        """The verified receipt of a committed transaction, accepted or not; raises ``not_found``."""
        return await self._run(self._operations.receipt(transaction_id))

    async def evidence(self, record: RecordId) -> bytes:
        """A record's evidence file (JSON), verified."""
        return await self._run(self._operations.evidence(record))

    async def define(self, definition: DatasetDefinition) -> VerifiedReceipt | None:
        """Register a dataset or update its entry; None if the catalogue says the same already."""
        return await self._run(self._operations.define(definition))

    async def commit(self, transaction: SignedTransaction) -> VerifiedReceipt:
        """Send a signed transaction and wait until it is final."""
        return await self._run(self._operations.commit(transaction))

    async def submit(
        self,
        records: Iterable[RecordBody],
        dataset: str,
        *,
        parcel_records: int = PARCEL_RECORDS,
        idempotency_key: str | None = None,
        in_flight: int = PARCELS_IN_FLIGHT,
    ) -> list[VerifiedReceipt]:
        """Share records: cut into parcels, signed, committed and verified."""
        stream = self.submit_stream(
            records, dataset, parcel_records=parcel_records, idempotency_key=idempotency_key, in_flight=in_flight
        )
        return [receipt async for receipt in stream]

    async def submit_stream(
        self,
        records: Iterable[RecordBody],
        dataset: str,
        *,
        parcel_records: int = PARCEL_RECORDS,
        idempotency_key: str | None = None,
        in_flight: int = PARCELS_IN_FLIGHT,
    ) -> AsyncGenerator[VerifiedReceipt]:
        """Share records, with up to ``in_flight`` parcels waiting for their commit; gives the receipts in order.

        When a parcel fails, those after it that are in flight are given up: they may still commit.
        """
        probe = None if idempotency_key is None else ResumeProbe(in_flight)
        waiting: deque[asyncio.Task[VerifiedReceipt]] = deque()
        try:
            for parcel in self._operations.signed_parcels(records, dataset, parcel_records, idempotency_key):
                waiting.append(asyncio.create_task(self._run(self._operations.commit_parcel(parcel, probe))))
                await asyncio.sleep(0)  # let it be sent before the next one is read and signed
                if len(waiting) >= in_flight:
                    yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def records(self, dataset: str) -> AsyncGenerator[Record]:
        """All records of a dataset in chain order, each verified."""
        async with aclosing(self._iterate(self._operations.records(dataset))) as found:
            async for record in found:
                yield record

    async def chain(self, first_height: int = 0) -> AsyncGenerator[BlockPackage]:
        """All blocks with their transactions, as the node gives them."""
        async with aclosing(self._iterate(self._operations.chain(first_height))) as found:
            async for package in found:
                yield package

    async def events(self, from_height: int | None = None) -> AsyncGenerator[BlockSummary]:
        """Blocks as they are committed, each height once and in order; never ends by itself."""
        feed = EventFeed(self._operations.nodes, self._operations.policy, from_height)
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

    async def _run(self, operation: Operation[T]) -> T:
        answer: Answer = None
        try:
            while True:
                answer = await self._do(operation.send(answer))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _iterate(self, operation: Operation[None]) -> AsyncGenerator[Any]:
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
