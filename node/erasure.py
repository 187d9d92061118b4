"""Removing erased and rejected payloads from this node's files.

Committing an erasure deletes the payload and marks its place, durably, in one batch. But LevelDB goes on holding the
bytes until a compaction passes, and the file of bodies voted for until it is overwritten. So the latter is made anew at
once, and a thread has the database compacted around the payload; only then the mark goes. After a restart the marks
that are left are worked off. The payload of a rejected parcel was never in the database, but is among the bodies
voted for: these are made anew soon after, once for all that a moment brings, and at every start. Databases that were
set aside after damage are the operator's: nothing of ours deletes them, but they are counted, and named whenever
something is erased.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chain.errors import PoolError
from chain.primitives.encoding import encode
from chain.storage.votes import VoteStore
from chain.transactions.erase import ERASE
from node.metrics import Metrics
from node.pool import CommittedBlock, Pool

_AT_ONCE = 64
"""Payloads that one round of compactions takes."""
_PAUSE_FIRST_S = 0.2
_PAUSE_MAX_S = 30.0
"""Before a round is repeated because a reader still held a file; each time twice as long."""
_REJECTED_S = 0.5
"""After a rejected parcel, before the bodies voted for are made anew: whoever sends many costs no more than that."""


class Eraser:
    """Listens to the node's pool, after the driver: that has forgotten the bodies of committed blocks by then.

    Args:
        pool: of the node.
        votes: holds the bodies of blocks voted for.
        data: the node's data folder.
        metrics: counts what is erased, and what is left to do.
        on_fatal: told if the disk fails.
    """

    def __init__(
        self, pool: Pool, votes: VoteStore, data: Path, metrics: Metrics, on_fatal: Callable[[Exception], None]
    ) -> None:
        self._pool = pool
        self._votes = votes
        self._data = data
        self._metrics = metrics
        self._on_fatal = on_fatal
        self._worker = ThreadPoolExecutor(1, "eraser")
        self._stopping = threading.Event()
        self._bodies_due: asyncio.TimerHandle | None = None
        self._log = logging.getLogger("blockpool.erasure")

    def start(self) -> None:
        """Go on with what the last stop has interrupted.

        Raises:
            PoolError: codes ``disk_full``, ``storage_failed``: the process must stop.
        """
        self._metrics.databases_set_aside.set(len(self._set_aside()))
        self._replace_bodies()
        if self._pool.ledger.blocks.unpurged(1):
            self._purge()

    def on_committed(self, block: CommittedBlock) -> None:
        """Begin with the payloads that a block has erased or rejected."""
        executed = block.executed
        has_rejected = any(
            checked.type.payload is not None and not outcome.is_ok
            for checked, outcome in zip(executed.transactions, executed.outcomes, strict=True)
        )
        if has_rejected and self._bodies_due is None:
            self._bodies_due = asyncio.get_running_loop().call_later(_REJECTED_S, self._replace_bodies_later)
        erased = [header.parcel.hex() for _, header in block.executed.accepted(ERASE)]
        if not erased:
            return
        self._metrics.parcels_erased.inc(len(erased))
        self._log.info("parcels are erased", extra={"height": block.executed.header.height, "parcels": erased})
        if folders := self._set_aside():
            left = [str(folder) for folder in folders]
            self._log.warning(
                "databases that were set aside may hold what is erased: delete them", extra={"left": left}
            )
        self._metrics.databases_set_aside.set(len(folders))
        self._purge()

    async def close(self) -> None:
        """Return when the thread has let go of the databases. What is left waits for the next start."""
        if self._bodies_due is not None:
            self._bodies_due.cancel()
            self._replace_bodies_later()
        self._stopping.set()
        await asyncio.get_running_loop().run_in_executor(None, lambda: self._worker.shutdown(cancel_futures=True))

    def _purge(self) -> None:
        self._metrics.is_erasing.set(1)
        self._replace_bodies()
        self._worker.submit(self._purge_database, asyncio.get_running_loop())

    def _replace_bodies(self) -> None:
        """On the loop, which is where votes are written."""
        self._votes.replace_bodies([encode(checked.transaction) for checked in self._pool.voted_for.values()])

    def _replace_bodies_later(self) -> None:
        self._bodies_due = None
        try:
            self._replace_bodies()
        except PoolError as error:
            self._on_fatal(error)

    def _purge_database(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the thread, until nothing is marked any more."""
        blocks, pause_s = self._pool.ledger.blocks, _PAUSE_FIRST_S
        try:
            while not self._stopping.is_set() and (places := blocks.unpurged(_AT_ONCE)):
                if blocks.purge(places):
                    pause_s = _PAUSE_FIRST_S
                    self._log.info("erased payloads are gone from the files", extra={"parcels": len(places)})
                else:
                    self._stopping.wait(pause_s)
                    pause_s = min(2 * pause_s, _PAUSE_MAX_S)
            self._metrics.is_erasing.set(bool(blocks.unpurged(1)))
        except PoolError as error:
            loop.call_soon_threadsafe(self._on_fatal, error)

    def _set_aside(self) -> list[Path]:
        return sorted([*self._data.glob("damaged-*"), *self._data.glob("replaced-*")])
