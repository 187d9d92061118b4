"""Spreads transactions before they are ordered: the node that receives one sends it to every other node at once.

A primary then proposes ids only. Links may drop frames, so a node repeats its own transactions while they wait, and a
node that lacks a proposed transaction fetches it.
"""

import asyncio
import time
from collections.abc import Sequence

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS, MIB
from chain.primitives.crypto import Hash
from chain.primitives.encoding import decode, encode
from chain.storage.blocks import Location
from chain.transactions.base import CheckedTransaction
from node.frames import FrameKind, TransactionList
from node.intake import OWN_API, Intake
from node.links import Links
from node.pool import Pool

_FRAME_BYTES = MIB
"""A frame is closed once it holds this much; a single larger transaction still goes in one."""
_GATHER_S = 0.005
_GATHERED_BYTES = MIB // 16
"""A frame costs its sender and every peer the same however little is in it. So a transaction is spread at once if none
was just before; those that follow gather for a moment, or until there is this much."""
_REPEAT_S = 2.0
_REPEAT_AFTER_S = 3.0
_REPEATED_BYTES = MIB // 4
"""Own transactions repeated at once; a single larger one is repeated too."""
_FETCH_TIMEOUT_S = 2.0
_REPLY_BYTES = LIMITS.block_size_bytes
_SLICE_S = 0.0015


async def request_transactions(links: Links, peer: str, ids: Sequence[Hash]) -> tuple[bytes, ...]:
    """What a peer gives of the transactions with these ids, encoded; nothing about them is checked.

    Raises:
        PoolError: it does not answer, or the answer does not decode or has more than was asked for.
    """
    reply = await links.request(peer, FrameKind.FETCH_TRANSACTIONS, encode(tuple(ids)), timeout_s=_FETCH_TIMEOUT_S)
    given = decode(TransactionList, reply)
    if len(given) > len(ids):
        raise PoolError(ErrorCode.MALFORMED, f"an answer holds {len(given)} transactions, {len(ids)} were asked for")
    return given


class Dissemination:
    """Sends this node's transactions, receives those of others, and fetches missing ones."""

    def __init__(self, pool: Pool, links: Links, intake: Intake) -> None:
        self._pool = pool
        self._links = links
        self._intake = intake
        self._outbox: list[bytes] = []
        self._outbox_bytes = 0
        self._own: dict[Hash, None] = {}
        self._flush_due: asyncio.Handle | None = None
        self._flushed_s = 0.0

    async def submit(self, data: bytes, source: str = OWN_API) -> tuple[Hash, Location | None]:
        """Verify, keep and spread a transaction handed to this node; ``source`` as in ``Intake.submit``.

        Returns:
            Its id, and where it is committed if it is already.

        Raises:
            PoolError: why it is refused.
        """
        verified = await self._intake.submit(data, source)
        if verified.location is None and verified.id not in self._own:
            self._own[verified.id] = None
            self._spread(data)
        return verified.id, verified.location

    def receive(self, peer: str, body: bytes) -> None:
        """Receive transactions that a peer spreads. A bad one is the peer's fault and does not affect others.

        Raises:
            PoolError: the frame does not decode.
        """
        self._intake.receive(peer, decode(TransactionList, body))

    def repeat(self) -> None:
        """Spread the oldest of our own transactions once more if they wait suspiciously long; called every
        ``repeat_s``.

        A link that broke may have lost them. Only a little at a time: when all wait because the nodes are overloaded,
        repeating everything would make it worse. The oldest come first, so each one's turn comes.
        """
        mempool = self._pool.mempool
        self._own = {id_: None for id_ in self._own if id_ in mempool}
        size = 0
        for id_ in self._own:
            checked = mempool.get(id_)
            if checked is None or size >= _REPEATED_BYTES or self._pool.waiting_s(id_) < _REPEAT_AFTER_S:
                break
            size += checked.size_bytes
            self._spread(encode(checked.transaction))

    @property
    def repeat_s(self) -> float:
        """Pause between repetitions, seconds."""
        return _REPEAT_S

    async def fetch(self, ids: Sequence[Hash], prefer: str) -> dict[Hash, CheckedTransaction]:
        """Get transactions that have been proposed from peers, the preferred one first, and verify each.

        Returns:
            Those that could be had.
        """
        found: dict[Hash, CheckedTransaction] = {}
        peers = sorted(self._links.connected, key=lambda member: member != prefer)
        for peer in peers:
            missing = tuple(id_ for id_ in ids if id_ not in found)
            if not missing:
                break
            try:
                await self._take(await request_transactions(self._links, peer, missing), set(missing), found)
            except PoolError as error:
                if error.code.is_storage:
                    raise
                self._intake.refused += 1
                self._links.is_at_fault(peer, error)
        return found

    async def _take(self, reply: Sequence[bytes], missing: set[Hash], found: dict[Hash, CheckedTransaction]) -> None:
        """Verify what a peer gave, in slices between which the loop turns.

        Raises:
            PoolError: it does not verify, or nobody asked for it.
        """
        end_s = time.perf_counter() + _SLICE_S
        for data in reply:
            checked = self._pool.decode(data)
            if checked.id not in missing:
                raise PoolError(ErrorCode.MALFORMED, "an answer holds a transaction that was not asked for, or twice")
            missing.remove(checked.id)
            verified = self._pool.verify(checked, is_proposed=True)
            if verified.checked is not None:
                found[verified.id] = verified.checked
            if time.perf_counter() > end_s:
                await asyncio.sleep(0)
                end_s = time.perf_counter() + _SLICE_S

    async def serve(self, ids: Sequence[Hash]) -> tuple[bytes, float]:
        """Answer a peer's fetch from the mempool, what was voted for, and the chain; says how long it took, seconds."""
        found: list[bytes] = []
        size, spent_s, began_s = 0, 0.0, time.perf_counter()
        for id_ in ids:
            if (took_s := time.perf_counter() - began_s) > _SLICE_S:
                await asyncio.sleep(0)
                spent_s, began_s = spent_s + took_s, time.perf_counter()
            data = self._encoded(id_)
            if data is None:
                continue
            size += len(data)
            if size > _REPLY_BYTES:
                break
            found.append(data)
        answer = encode(tuple(found))
        return answer, spent_s + time.perf_counter() - began_s

    def _encoded(self, id_: Hash) -> bytes | None:
        checked = self._pool.mempool.get(id_) or self._pool.voted_for.get(id_)
        if checked is not None:
            return encode(checked.transaction)
        blocks = self._pool.ledger.blocks
        location = blocks.location(id_)
        if location is None or blocks.dropped_payload(location) or blocks.erased_payload(location):
            return None
        stored = blocks.transaction(location)
        return None if stored is None else encode(stored)

    def _spread(self, data: bytes) -> None:
        self._outbox.append(data)
        self._outbox_bytes += len(data)
        if self._outbox_bytes >= _GATHERED_BYTES:
            self._flush()
        elif self._flush_due is None:
            loop = asyncio.get_running_loop()
            pause_s = self._flushed_s + _GATHER_S - loop.time()
            self._flush_due = loop.call_later(pause_s, self._flush) if pause_s > 0 else loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Send what has gathered, in frames of about ``_FRAME_BYTES``."""
        if self._flush_due is not None:
            self._flush_due.cancel()
        self._flush_due, self._flushed_s = None, asyncio.get_running_loop().time()
        self._outbox_bytes = 0
        outbox, self._outbox = self._outbox, []
        frame: list[bytes] = []
        size = 0
        for data in outbox:
            frame.append(data)
            size += len(data)
            if size >= _FRAME_BYTES or len(frame) == LIMITS.block_transactions:
                self._links.broadcast(FrameKind.TRANSACTIONS, encode(tuple(frame)))
                frame, size = [], 0
        if frame:
            self._links.broadcast(FrameKind.TRANSACTIONS, encode(tuple(frame)))
