"""Joining far behind: the state is taken from peers, all at once, instead of executing the past.

A node that is further behind than its configuration says takes the state at an *anchor*, a certified block shortly
before where the others are, and what can be looked up in the blocks before (``chain.arrival``). Every peer is asked for
pieces at the same time. Each piece is verified by itself, so a peer that lies is found at its first lie. It is left
alone for a while, as is one that does not answer or has nothing, and others are asked for the piece; so no peer can
hold this up for longer than one request. If nothing comes from anybody for a while, another anchor is chosen.

What has come stands in a folder of its own, so that the running node goes on with what it has, and a stop or crash
loses nothing. Once all is there, ``COMPLETE`` says so, and the node starts again with it (``node.recovery.take_over``).
From there it catches up as usual, and ``node.back_fill`` fetches the past.
"""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from chain.arrival import Arrival, Stretch
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.packages import Packages
from chain.primitives.encoding import decode, encode
from chain.proofs.past import SPAN_BLOCKS, Anchor, Span, verify_anchor
from chain.proofs.trust import TrustHistory
from chain.recovery import RECHECKED_BLOCKS
from chain.state.chunks import StateChunk
from chain.storage.files import replace_file
from chain.storage.head import HeadFile
from chain.storage.level import LevelDatabase
from node.execution import is_local_fault
from node.frames import AnchorQuery, BlockRange, ChunkQuery, FrameKind, SpanQuery
from node.links import Links
from node.metrics import Metrics
from node.pool import Pool

FOLDER = "arrival"
COMPLETE = "COMPLETE"
DATABASES = ("blocks", "state", "HEAD")
_AT_ONCE = 3
"""Requests to a peer at once: while one is on its way, another is answered."""
_REQUEST_TIMEOUT_S = 10.0
_PAUSE_FIRST_S = 0.5
_PAUSE_MAX_S = 60.0
"""How long a peer is left alone that was no help, twice as long each time; one that lied at once for the longest."""
_STUCK_S = 60.0
"""Without any progress: the peers have another anchor by now."""
_ANCHOR_S = 10.0
_UNWANTED_S = 60.0
_LOGGED_S = 5.0

_log = logging.getLogger("blockpool.state_sync")
Result = TypeVar("Result")


class _NobodyHelps(Exception):
    """No peer has an anchor."""


class _Piece(NamedTuple):
    """What is asked of a peer."""

    stretch: Stretch | None
    """Of the state; None for a span."""
    first: int = 0
    offset: int = 0

    @property
    def key(self) -> tuple[str, int]:
        """What no two peers are asked for at once."""
        return ("state", self.stretch.part) if self.stretch is not None else ("span", self.first)


class StateSync:
    """Takes a chain from peers.

    Args:
        genesis: of the chain.
        data: the node's data folder.
        pool: the node's own chain.
        links: to the peers.
        from_blocks: how far behind a node has to be; 0 for never.
        known_height: gives a height that an honest validator is known to have reached.
        metrics: told how far it is.
        on_complete: called once all is there: the node has to start again.
    """

    def __init__(
        self,
        genesis: Genesis,
        data: Path,
        pool: Pool,
        links: Links,
        from_blocks: int,
        known_height: Callable[[], int],
        metrics: Metrics,
        on_complete: Callable[[], None],
    ) -> None:
        self._genesis = genesis
        self._data = data
        self._folder = data / FOLDER
        self._pool = pool
        self._links = links
        self._from_blocks = from_blocks
        self._known_height = known_height
        self._metrics = metrics
        self._on_complete = on_complete
        self._worker: ThreadPoolExecutor | None = None
        self._arrival: Arrival | None = None
        self._asked: set[tuple[str, int]] = set()
        self._pauses_s: dict[str, float] = {}
        self._paused_until_s: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._moved_s = 0.0
        self._unwanted_until_s = 0.0
        self.percent: int | None = None
        """How much is there; None while nothing is taken."""

    def may_be_wanted(self, height: int) -> bool:
        """Whether a peer that claims this height is so far ahead that the state should be taken, if that is true."""
        if time.monotonic() < self._unwanted_until_s:
            return False
        is_free = self._from_blocks > 0 and self._pool.ledger.blocks.past_height == 0
        return is_free and _anchor_below(height) >= max(self._pool.height + self._from_blocks, SPAN_BLOCKS)

    @property
    def is_wanted(self) -> bool:
        """Whether this node is so far behind an honest validator that the state should be taken."""
        return self.may_be_wanted(self._known_height())

    async def run(self) -> None:
        """Take all, and say that it is complete; the node starts again then. If no peer has an anchor, this is not
        wanted for a while: blocks may come all the same.

        Raises:
            PoolError: a code that ``is_storage`` if the disk fails.
        """
        self._worker = ThreadPoolExecutor(1, "state-sync")
        databases: list[LevelDatabase] = []
        try:
            arrival = self._arrival = await self._beside(lambda: self._open(databases))
            self.percent = int(arrival.share_done * 100)
            await self._take_all(arrival)
            await self._finish(arrival)
        except _NobodyHelps:
            self._unwanted_until_s = time.monotonic() + _UNWANTED_S
            _log.warning("no peer has a state to begin with; this node goes on with blocks")
            return
        finally:
            self.percent = self._arrival = None
            self._metrics.state_sync.set(0)
            self._worker.shutdown(wait=True)
            for database in databases:
                database.close()
        if self._pool.height >= arrival.height:  # this node was faster by itself
            shutil.rmtree(self._folder)
            return
        replace_file(self._folder / COMPLETE, time.strftime("replaced-%Y%m%d-%H%M%S", time.gmtime()).encode())
        _log.info("the state is here; this node starts again with it", extra={"height": arrival.height})
        self._on_complete()

    def _open(self, databases: list[LevelDatabase]) -> Arrival:
        try:
            return self._open_folder(databases)
        except PoolError as error:
            if error.code is not ErrorCode.DATABASE_DAMAGED:
                raise
            _log.warning("what had come is damaged; it is taken anew", extra={"reason": error.detail})
        for database in databases:
            database.close()
        databases.clear()
        shutil.rmtree(self._folder)
        return self._open_folder(databases)

    def _open_folder(self, databases: list[LevelDatabase]) -> Arrival:
        databases += [LevelDatabase(self._folder / name) for name in DATABASES[:2]]
        arrival = Arrival(self._genesis, *databases)
        arrival.open()
        return arrival

    async def _take_all(self, arrival: Arrival) -> None:
        began_s = logged_s = time.monotonic()
        if arrival.anchor is None or not self._is_recent(arrival.height):
            await self._choose_anchor(arrival)
        _log.info("taking the state from the peers", extra={"height": arrival.height, "percent": self.percent})
        tasks: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._moved_s = time.monotonic()
        try:
            while not arrival.has_everything:
                for task in [task for task in tasks.values() if task.done()]:
                    task.result()
                for name in ((peer, number) for peer in self._helpful_peers() for number in range(_AT_ONCE)):
                    if name not in tasks or tasks[name].done():
                        tasks[name] = asyncio.get_running_loop().create_task(self._ask_on(arrival, name[0]))
                if time.monotonic() - self._moved_s > _STUCK_S:
                    _log.warning("no peer has anything of this state", extra={"height": arrival.height})
                    await self._choose_anchor(arrival)
                await self._wait_for_change()
                self.percent = int(arrival.share_done * 100)
                self._metrics.state_sync.set(arrival.share_done)
                if time.monotonic() - logged_s > _LOGGED_S:
                    logged_s = time.monotonic()
                    _log.info("taking the state from the peers", extra={"percent": self.percent})
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        _log.info("all of the state has come", extra={"seconds": round(time.monotonic() - began_s, 1)})

    def _is_recent(self, height: int) -> bool:
        """Whether an anchor that was chosen before is worth going on with: what follows it must be quicker to catch up
        with than all of this again.
        """
        return height > self._pool.height and self._known_height() - height < max(self._from_blocks, 2 * SPAN_BLOCKS)

    async def _choose_anchor(self, arrival: Arrival) -> None:
        """Ask one peer after the other for an anchor below where the others are known to be."""
        began_s = time.monotonic()
        while time.monotonic() - began_s < _ANCHOR_S:
            height = _anchor_below(self._known_height())
            for peer in self._helpful_peers():
                try:
                    anchor, trust = await self._fetch_anchor(peer, height)
                except PoolError as error:
                    self._leave_alone(peer, error)
                    continue
                await self._beside(lambda: arrival.begin(anchor, trust))  # noqa: B023  # it is over when this returns
                self._moved_s = time.monotonic()
                return
            await self._wait_for_change()
        raise _NobodyHelps

    async def _fetch_anchor(self, peer: str, height: int) -> tuple[Anchor, TrustHistory]:
        """A verified anchor, with the hand-overs up to it: as many requests as those take."""
        trust = TrustHistory(self._genesis)
        while True:
            known = trust.since_height
            query = encode(AnchorQuery(height, known))
            anchor = decode(Anchor, await self._request(peer, FrameKind.FETCH_ANCHOR, query))
            try:
                verify_anchor(trust, anchor, height)
            except PoolError as error:
                if error.code is not ErrorCode.UNKNOWN_VALIDATORS or trust.since_height == known:
                    raise
                continue
            return anchor, trust

    async def _ask_on(self, arrival: Arrival, peer: str) -> None:
        """Ask a peer for one piece after the other, until it is no help."""
        while not self._is_paused(peer) and (piece := self._next_piece(arrival)) is not None:
            self._asked.add(piece.key)
            try:
                await self._fetch(arrival, peer, piece)
            except PoolError as error:
                if is_local_fault(error):
                    raise
                self._leave_alone(peer, error)
            else:
                self._pauses_s.pop(peer, None)
                self._moved_s = time.monotonic()
            finally:
                self._asked.discard(piece.key)
                self._changed.set()

    def _next_piece(self, arrival: Arrival) -> _Piece | None:
        """A piece that is missing and that nobody is asked for."""
        pieces = [_Piece(stretch) for stretch in arrival.missing_state()]
        found = next((piece for piece in pieces if piece.key not in self._asked), None)
        if found is None:
            spans = (_Piece(None, first, offset) for first, offset in arrival.missing_spans())
            found = next((piece for piece in spans if piece.key not in self._asked), None)
        return found

    async def _fetch(self, arrival: Arrival, peer: str, piece: _Piece) -> None:
        if (stretch := piece.stretch) is not None:
            query = encode(ChunkQuery(arrival.height, stretch.first, stretch.until))
            chunk = decode(StateChunk, await self._request(peer, FrameKind.FETCH_CHUNK, query))
            await self._beside(lambda: arrival.take_chunk(stretch, chunk))
        else:
            query = encode(SpanQuery(arrival.height, piece.first, piece.offset))
            reply = await self._request(peer, FrameKind.FETCH_SPAN, query)
            await self._beside(lambda: arrival.take_span(piece.first, piece.offset, decode(Span, reply)))

    async def _finish(self, arrival: Arrival) -> None:
        """Take the anchor's own block, whole, from the first peer that has it."""
        while True:
            for peer in self._helpful_peers():
                try:
                    query = encode(BlockRange(arrival.height, 1))
                    packages = decode(Packages, await self._request(peer, FrameKind.FETCH_BLOCKS, query))
                    if not packages:
                        raise PoolError(ErrorCode.NOT_HERE_YET, "it does not have the anchor's block")
                    await self._beside(lambda: self._end(arrival, packages))  # noqa: B023
                except PoolError as error:
                    if is_local_fault(error):
                        raise
                    self._leave_alone(peer, error)
                else:
                    return
            await self._wait_for_change()

    def _end(self, arrival: Arrival, packages: Packages) -> None:
        anchor = HeadFile(self._folder / "HEAD")
        try:
            arrival.finish(packages[0], anchor)
        finally:
            anchor.close()

    async def _request(self, peer: str, kind: FrameKind, query: bytes) -> bytes:
        return await self._links.request(peer, kind, query, timeout_s=_REQUEST_TIMEOUT_S)

    async def _beside(self, work: Callable[[], Result]) -> Result:
        """What ``work`` gives, which verifies and writes, beside the loop; one after the other."""
        if self._worker is None:
            raise PoolError(ErrorCode.NOT_READY, "the state is not being taken")
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    async def _wait_for_change(self) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(_PAUSE_FIRST_S):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _helpful_peers(self) -> list[str]:
        return [peer for peer in self._links.connected if not self._is_paused(peer)]

    def _is_paused(self, peer: str) -> bool:
        return time.monotonic() < self._paused_until_s.get(peer, 0.0)

    def _leave_alone(self, peer: str, error: PoolError) -> None:
        is_silent = error.code in (ErrorCode.UNREACHABLE, ErrorCode.NOT_HERE_YET)
        pause_s = min(self._pauses_s.get(peer, _PAUSE_FIRST_S) * 2, _PAUSE_MAX_S) if is_silent else _PAUSE_MAX_S
        self._pauses_s[peer], self._paused_until_s[peer] = pause_s, time.monotonic() + pause_s
        _log.warning("peer is no help in taking the state", extra={"peer": peer, "reason": error.detail})


def _anchor_below(height: int) -> int:
    """Height of the anchor for a node that joins others at a height. The blocks that a start looks at lie after it: a
    validator finds its own votes there that it may have forgotten.
    """
    return max(0, height - RECHECKED_BLOCKS) // SPAN_BLOCKS * SPAN_BLOCKS
