"""Blocks as they become final, as server-sent events (WHATWG HTML, section 9.2).

An event is made once, however many follow: those of the last blocks when they are committed, those of older ones in a
reader's thread, ``CHUNK`` at a time, for all who want them. Each delivery takes a turn like any other read
(``node.api.turns``), so followers get many events at once where the node has much else to do.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Mapping
from itertools import islice

import orjson

from chain.errors import PoolError
from node.api.turns import Turns
from node.api.views import block_event
from node.pool import CommittedBlock
from node.service import NodeService

HEARTBEAT_S = 15.0
CHUNK = 64
"""Blocks whose events are delivered at once at most."""
RECENT = 1024
"""Blocks whose events are kept from their commit on."""
CHUNKS = 64
"""Chunks of older events that are kept for others who come by."""
FOLLOWERS = 1024
FOLLOWERS_PER_ADDRESS = 256
_DELIVERY_S = 0.0002
"""What a delivery is counted as: it is written outside of the turn's own steps."""


class _Follower:
    """One who follows."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.is_evicted = False
        self.patience: asyncio.Timeout | None = None

    def evict(self) -> None:
        """End the stream: the client resumes where it broke off, here or elsewhere."""
        self.is_evicted = True
        if self.patience is not None and not self.patience.expired():
            self.patience.reschedule(asyncio.get_running_loop().time())


class Events:
    """See the module. All methods run on the event loop's thread.

    Args:
        service: whose blocks.
        turns: of reading.
    """

    def __init__(self, service: NodeService, turns: Turns) -> None:
        self._service = service
        self._turns = turns
        self._recent: OrderedDict[int, bytes] = OrderedDict()
        self._chunks: OrderedDict[int, asyncio.Task[list[bytes]]] = OrderedDict()
        self._followers: dict[_Follower, None] = {}
        self._of: Counter[str] = Counter()
        service.pool.add_listener(self._on_committed)

    async def follow(self, source: str, height: int) -> AsyncIterator[bytes]:
        """Events from ``height`` on, for a follower at this address; a comment now and then, so that a dead connection
        is noticed. Ends when the node stops, or needs the place for others.
        """
        follower = self._enter(source)
        try:
            while not follower.is_evicted:
                try:
                    async with asyncio.timeout(HEARTBEAT_S) as follower.patience:
                        await self._service.pool.wait_for_height(height)
                    turn = await self._turns.take(source)
                except TimeoutError:
                    if not follower.is_evicted:
                        yield b": waiting\n\n"
                    continue
                except PoolError:
                    if self._service.pool.is_closing:
                        return
                    yield b": waiting\n\n"  # others read too much for a turn now
                    continue
                turn.charge(_DELIVERY_S)
                turn.end()
                events = await self._since(height)
                yield b"".join(events)
                height += len(events)
        finally:
            self._leave(follower)

    def _enter(self, source: str) -> _Follower:
        """Let one in; the one who has been there longest makes room, of the same address or of that with most."""
        if self._of[source] >= FOLLOWERS_PER_ADDRESS:
            self._evict_from(source)
        elif len(self._followers) >= FOLLOWERS:
            self._evict_from(self._of.most_common(1)[0][0])
        follower = _Follower(source)
        self._followers[follower] = None
        self._of[source] += 1
        return follower

    def _evict_from(self, source: str) -> None:
        oldest = next(follower for follower in self._followers if follower.source == source)
        self._leave(oldest)
        oldest.evict()

    def _leave(self, follower: _Follower) -> None:
        if follower in self._followers:
            del self._followers[follower]
            self._of[follower.source] -= 1
            self._of += Counter()  # forgets those who have none

    async def _since(self, height: int) -> list[bytes]:
        """Events from a height on, some of those that there are."""
        if height in self._recent:
            first = next(iter(self._recent))
            return list(islice(self._recent.values(), height - first, height - first + CHUNK))
        number = height // CHUNK
        making = self._chunks.get(number)
        if making is None or (making.done() and (making.cancelled() or making.exception() is not None)):
            making = self._chunks[number] = asyncio.create_task(self._make(number))
            while len(self._chunks) > CHUNKS:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(number)
        events = await asyncio.shield(making)
        if height - number * CHUNK >= len(events):  # made while the chunk was not complete
            del self._chunks[number]
            return await self._since(height)
        return events[height - number * CHUNK :]

    async def _make(self, number: int) -> list[bytes]:
        """The events of a chunk, as far as its blocks are there."""
        ledger = self._service.ledger
        first, last = number * CHUNK, min(number * CHUNK + CHUNK - 1, ledger.tip.height)

        def make() -> list[bytes]:
            changes = dict(ledger.blocks.changes(first, last))
            return [
                event(height, ledger.chain_id, ledger.header_bytes_at(height), changes.get(height))
                for height in range(first, last + 1)
            ]

        return await self._service.pool.read(make)

    def _on_committed(self, block: CommittedBlock) -> None:
        executed = block.executed
        height = executed.header.height
        if self._recent and next(reversed(self._recent)) != height - 1:
            self._recent.clear()
        self._recent[height] = event(height, self._service.ledger.chain_id, executed.proposal.header, executed.changes)
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)


def event(height: int, chain_id: bytes, header: bytes, changes: Mapping[bytes, bytes] | None) -> bytes:
    """The event of a block, with its changes of the state if they are kept here."""
    return b"id: %d\nevent: block\ndata: %b\n\n" % (height, orjson.dumps(block_event(chain_id, header, changes)))
