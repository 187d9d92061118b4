"""Fetching the past that a node has not executed: whole blocks, from the newest to the first, each verified by itself.

A node that took the state from others has of earlier blocks only what can be looked up in them. The rest of each comes
after it, while the node takes part: certificate, signatures, payloads as far as the peers still have them. The blocks
are asked of one peer after the other, in stretches; one that is no help is left alone for a while. The work takes at
most half of a core, beside the event loop, and less where there is more to do.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

from chain.arrival import WholeBlock
from chain.errors import ErrorCode, PoolError
from chain.packages import Packages
from chain.primitives.encoding import decode, encode
from node.execution import is_local_fault
from node.frames import BlockRange, FrameKind
from node.links import Links
from node.metrics import Metrics
from node.pool import Pool

_STRETCH_BLOCKS = 64
_REQUEST_TIMEOUT_S = 10.0
_PAUSE_FIRST_S = 1.0
_PAUSE_MAX_S = 60.0
_IDLE_S = 0.5

_log = logging.getLogger("blockpool.back_fill")


class BackFill:
    """See the module.

    Args:
        pool: the node's chain.
        links: to the peers.
        metrics: told how much is missing.
        on_fatal: told of an error after which this node must stop.
    """

    def __init__(self, pool: Pool, links: Links, metrics: Metrics, on_fatal: Callable[[Exception], None]) -> None:
        self._pool = pool
        self._links = links
        self._metrics = metrics
        self._on_fatal = on_fatal
        self._task: asyncio.Task[None] | None = None
        self._pauses_s: dict[str, float] = {}
        self._paused_until_s: dict[str, float] = {}

    def start(self) -> None:
        """Go on where it was left."""
        missing = self._pool.ledger.blocks.past_height
        self._metrics.past_blocks.set(missing)
        if missing:
            _log.info("fetching the past", extra={"blocks": missing})
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop; what is there stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        ledger = self._pool.ledger
        try:
            while last := ledger.blocks.past_height:
                first = max(1, last - _STRETCH_BLOCKS + 1)
                await self._fill(first, last)
                ledger.end_past(first - 1)
                self._metrics.past_blocks.set(first - 1)
            _log.info("the past is here")
        except Exception as error:
            self._on_fatal(error)

    async def _fill(self, first: int, last: int) -> None:
        """Make the blocks from ``first`` to ``last`` whole, by as many requests as that takes."""
        while first <= last:
            peer = self._next_peer()
            if peer is None:
                await asyncio.sleep(_IDLE_S)
                continue
            try:
                first += await self._take(peer, first, last)
            except PoolError as error:
                if is_local_fault(error):
                    raise
                self._leave_alone(peer, error)

    async def _take(self, peer: str, first: int, last: int) -> int:
        """Take blocks from a peer; how many."""
        query = encode(BlockRange(first, last - first + 1))
        reply = await self._links.request(peer, FrameKind.FETCH_BLOCKS, query, timeout_s=_REQUEST_TIMEOUT_S)
        packages = decode(Packages, reply)[: last - first + 1]
        if not packages:
            raise PoolError(ErrorCode.NOT_HERE_YET, "it does not have that block either")
        for height, package in enumerate(packages, first):
            began_s = time.monotonic()
            past: WholeBlock = await self._pool.read(partial(self._pool.ledger.open_past, package, height))
            self._pool.ledger.fill(past)
            await asyncio.sleep(time.monotonic() - began_s)
        self._pauses_s.pop(peer, None)
        return len(packages)

    def _next_peer(self) -> str | None:
        """The connected peer that was of help, or was not asked for the longest time."""
        now_s = time.monotonic()
        peers = [peer for peer in self._links.connected if self._paused_until_s.get(peer, 0.0) <= now_s]
        return min(peers, key=lambda peer: (peer in self._pauses_s, self._paused_until_s.get(peer, 0.0)), default=None)

    def _leave_alone(self, peer: str, error: PoolError) -> None:
        pause_s = self._pauses_s[peer] = min(self._pauses_s.get(peer, _PAUSE_FIRST_S) * 2, _PAUSE_MAX_S)
        self._paused_until_s[peer] = time.monotonic() + pause_s
        _log.warning("peer is no help with the past", extra={"peer": peer, "reason": error.detail})
