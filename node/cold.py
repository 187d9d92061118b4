"""Old blocks move into compressed frames (``chain.storage.frames``), by and by and beside the event loop.

A slice moves a thousand blocks or a few megabytes, and is followed by a rest of three times as long, so that it takes
at most a quarter of a core from a busy node; its thread steps back for the loop as LevelDB's does. Now and then the
database gives back the room that was left. Nothing is lost by a crash, nor by a stop: what has moved has moved in one
batch.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

from node.metrics import Metrics
from node.periodic import BackgroundWork
from node.pool import Pool

TICK_S = 5.0
_REST = 3
"""So many times as long as the slice before took."""
_COMPACTED_BLOCKS = 16_384


class ColdBlocks:
    """See the module.

    Args:
        pool: of the node.
        metrics: say how far it has come.
        on_fatal: told if the disk fails.
    """

    def __init__(self, pool: Pool, metrics: Metrics, on_fatal: Callable[[Exception], None]) -> None:
        self._pool = pool
        self._blocks = pool.ledger.blocks
        self._metrics = metrics
        self._compacted = self._blocks.frozen_height
        self._work = BackgroundWork(on_fatal)
        self._log = logging.getLogger("blockpool.cold")

    def tick(self) -> None:
        """Look whether there is anything to move; called every ``TICK_S``."""
        if not self._pool.is_closing:
            self._work.start(self._run)

    async def close(self) -> None:
        """Stop after the slice that is being moved."""
        await self._work.close()

    async def _run(self) -> None:
        is_more = True
        while is_more:
            began_s = time.monotonic()
            is_more = await self._pool.read(self._blocks.freeze)
            frozen = self._blocks.frozen_height
            self._metrics.frozen_height.set(frozen)
            if frozen - self._compacted >= _COMPACTED_BLOCKS:
                first, self._compacted = self._compacted, frozen
                await self._pool.read(partial(self._blocks.compact, first, frozen))
                self._log.info("old blocks are compressed", extra={"until_height": frozen})
            await asyncio.sleep(_REST * (time.monotonic() - began_s))
