"""Many transactions in one request, each answered by itself as soon as it is committed.

An item of the answer says what the transaction alone would have been answered: so one that is refused affects no
other, and sending a batch again, or a part of it, is as harmless as sending a transaction again.

All of a batch is queued, in its order, before the answer begins; and batches that come from one place for one member
share a queue. So who sends the next batch once the answer to this one has begun has all verified in that order.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from chain.errors import PoolError
from chain.limits import KIB, LIMITS
from chain.primitives.encoding import encode
from node.api.bodies import MSGPACK, Receive, Send
from node.api.commit import commit, refused_answer
from node.service import NodeService

TRANSACTIONS_MAX = 512
SIZE_BYTES_MAX = LIMITS.transaction_size_bytes + 64 * KIB
"""The largest transaction fits, and something beside it."""
NDJSON = "application/x-ndjson"
_AT_ONCE = 16
"""Transactions decoded before the event loop turns."""


class Batch:
    """Transactions that came together.

    Args:
        service: of the node.
        transactions: encoded.
        timeout_s: how long to wait for each one's commit.
        accept: media types of the answer.
        source: where it came from; it takes turns with what comes from elsewhere.
    """

    def __init__(
        self, service: NodeService, transactions: Sequence[bytes], timeout_s: float, accept: str, source: str
    ) -> None:
        self._service = service
        self._timeout_s = timeout_s
        self._accept = accept
        self._is_binary = MSGPACK in accept
        self._source = f"batch {source} {self._member(transactions[0])}"
        self._places: dict[bytes, list[int]] = {}
        for place, data in enumerate(transactions):
            self._places.setdefault(data, []).append(place)
        self._unanswered = len(transactions)
        self._items: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(self, receive: Receive, send: Send) -> None:
        """Take all in, and answer each as it is committed. A client that goes away is given no more answers; what was
        taken in by then is ordered all the same.
        """
        media_type = MSGPACK if self._is_binary else NDJSON
        headers = [(b"content-type", media_type.encode()), (b"x-accel-buffering", b"no")]
        try:
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(_watch(receive))
                await self._take_in(tasks)
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                while self._unanswered:
                    items = [await self._items.get()]
                    while not self._items.empty():
                        items.append(self._items.get_nowait())
                    self._unanswered -= len(items)
                    body = b"".join(items)
                    await send({"type": "http.response.body", "body": body, "more_body": self._unanswered > 0})
                watch.cancel()
        except* _ClientGone:
            pass

    async def _take_in(self, tasks: asyncio.TaskGroup) -> None:
        waiting = deque(self._places.items())
        self._places.clear()  # nothing is held here that was refused, or is in the mempool
        while waiting:
            for _ in range(min(_AT_ONCE, len(waiting))):
                tasks.create_task(self._answer(*waiting.popleft()))
            await asyncio.sleep(0)

    def _member(self, data: bytes) -> str:
        """Whose transaction it says that it is."""
        try:
            return self._service.pool.decode(data).header.member
        except PoolError:
            return ""

    async def _answer(self, data: bytes, places: Sequence[int]) -> None:
        try:
            status, _, body = await commit(self._service, data, self._timeout_s, self._accept, self._source)
        except PoolError as error:
            status, _, body = refused_answer(self._service, error)
        for place in places:
            self._items.put_nowait(self._item(place, status, body))

    def _item(self, place: int, status: int, body: bytes) -> bytes:
        if not self._is_binary:
            return b'{"index":%d,"status":%d,"answer":%b}\n' % (place, status, body)
        item = encode((place, status, body))
        return len(item).to_bytes(4, "big") + item


class _ClientGone(Exception):
    """Nobody reads the answers any more."""


async def _watch(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise _ClientGone
