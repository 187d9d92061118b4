"""Transactions that are sent at the same time travel together: one request carries many (docs/protocol.md, section 13).

Nobody says what belongs together. What is sent while nothing is under way to a node goes at once, with all that is
there when the event loop turns. While something is under way, what comes within 2 ms goes together; and once several
requests are, the rest gathers until one of them has ended. So a program with many callers at once makes few requests,
however they come, and one with a single caller waits for nobody.

A node has taken in a whole request, in its order, before it begins to answer, and the next request goes only then: so
what is sent to a node stands in its queue in the order in which it was sent, and the chain keeps that while all of it
goes through one node and no link between nodes loses any.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from blockpool.exchange import NodeRequest, Reply, Unreachable
from blockpool.transport import Broken, Response, Transport
from chain.limits import KIB
from chain.primitives.encoding import EncodingError, Wire, decode, encode
from chain.primitives.types import Unsigned

_REQUESTS = 16
"""Under way to one node at once."""
_GATHERING_S = 0.002
_TRANSACTIONS = 512
_TAKEN_S = 0.5
"""So long the next request waits for this one to be taken in; a proxy may hold back what the node says."""
_SIZE_BYTES = 1024 * KIB
"""Of the transactions in one request; a single larger one travels alone."""
_ITEM_SIZE_MAX_BYTES = 1024 * KIB


class _Item(Wire, frozen=True):
    """What one transaction of a batch was answered."""

    index: Unsigned
    status: Unsigned
    answer: bytes


class _Waiting(NamedTuple):
    request: NodeRequest
    answer: asyncio.Future[Reply | Unreachable]

    def give(self, answer: Reply | Unreachable) -> None:
        if not self.answer.done():  # else whoever waited has gone
            self.answer.set_result(answer)


class Groups:
    """Sends transactions to nodes, together where they come together.

    Args:
        transport: carries the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._waiting: dict[str, deque[_Waiting]] = {}
        self._under_way: Counter[str] = Counter()
        self._handing_in: dict[str, asyncio.TimerHandle] = {}
        """By node, until the last request is taken in."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send(self, url: str, request: NodeRequest) -> Reply | Unreachable:
        """Send ``request``, which is a transaction, and give the answer to it."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting.setdefault(url, deque())
        item = _Waiting(request, loop.create_future())
        waiting.append(item)
        if len(waiting) == 1:
            loop.call_later(_GATHERING_S if self._under_way[url] else 0, self._depart, url)
        return await item.answer

    def _depart(self, url: str) -> None:
        waiting = self._waiting[url]
        if waiting and self._under_way[url] < _REQUESTS and url not in self._handing_in:
            group = _next_group(waiting)
            self._under_way[url] += 1
            handing_in: asyncio.TimerHandle = asyncio.get_running_loop().call_later(
                _TAKEN_S, lambda: self._taken_in(url, handing_in)
            )
            self._handing_in[url] = handing_in
            task = asyncio.create_task(self._carry(url, group, handing_in))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _taken_in(self, url: str, handing_in: asyncio.TimerHandle) -> None:
        """The request is taken in, or takes too long: the next one may go."""
        handing_in.cancel()
        if self._handing_in.get(url) is handing_in:
            del self._handing_in[url]
            self._depart(url)

    async def _carry(self, url: str, group: Sequence[_Waiting], handing_in: asyncio.TimerHandle) -> None:
        reason = "the client was closed"
        try:
            async with self._transport.open(url, _batch([item.request for item in group])) as response:
                self._taken_in(url, handing_in)
                await _read_items(response, group)
            reason = "the answer ended early"
        except Broken as error:
            reason = str(error)
        finally:
            for item in group:
                item.give(Unreachable(reason))
            self._under_way[url] -= 1
            self._taken_in(url, handing_in)
            self._depart(url)


def _next_group(waiting: deque[_Waiting]) -> list[_Waiting]:
    group: list[_Waiting] = []
    size_bytes = 0
    while waiting and len(group) < _TRANSACTIONS:
        size_bytes += len(waiting[0].request.body or b"")
        if group and size_bytes > _SIZE_BYTES:
            break
        group.append(waiting.popleft())
    return group


def _batch(requests: Sequence[NodeRequest]) -> NodeRequest:
    """One request for all, as patient as each alone."""
    first = requests[0]
    return replace(first, path=f"{first.path}/batch", body=encode(tuple(request.body for request in requests)))


async def _read_items(response: Response, group: Sequence[_Waiting]) -> None:
    """Give everybody an answer as it comes; raises ``Broken``."""
    if response.status != 200:
        reply = await response.reply()
        for item in group:
            item.give(reply)
        return
    async for content in _items(response):
        try:
            found = decode(_Item, content)
            group[found.index].give(Reply(found.status, {}, found.answer))
        except (EncodingError, IndexError):
            raise Broken("an item of the answer is not what the API promises") from None


async def _items(response: Response) -> AsyncIterator[bytes]:
    """Items without the lengths that stand before them."""
    received = bytearray()
    async for piece in response.pieces():
        received += piece
        start = 0
        while len(received) - start >= 4:
            size_bytes = int.from_bytes(received[start : start + 4], "big")
            if size_bytes > _ITEM_SIZE_MAX_BYTES:
                raise Broken(f"an item of {size_bytes} bytes in the answer")
            if len(received) - start - 4 < size_bytes:
                break
            yield bytes(received[start + 4 : start + 4 + size_bytes])
            start += 4 + size_bytes
        del received[:start]
