"""Transactions on their way in: decoded, not yet verified, bounded, verified a little at a time.

Checking a signature costs more than everything else that a node does with a transaction. Done as frames come in, a
burst of them would hold up consensus messages for many times their own cost. So arrivals are queued and verified in
short slices between which the event loop turns; a transaction that a proposal needs at once is verified out of
turn. Sources (each peer, this node's own API, and each batch that comes through it) have queues of their own and take
turns, so that a source that floods delays only itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from chain.errors import ErrorCode, PoolError
from chain.limits import MIB
from chain.primitives.crypto import Hash
from chain.transactions.base import CheckedTransaction
from node.pool import Pool, Verified

_SLICE_S = 0.0015
_CAPACITY_BYTES = 32 * MIB
"""Of one peer's queue, and of all that is handed to this node itself."""
OWN_API = ""
"""The source of what is handed to this node itself, one by one; no member has an empty name."""


class _Arrival(NamedTuple):
    source: str
    checked: CheckedTransaction
    answer: asyncio.Future[Verified] | None
    """Whoever handed the transaction to this node waits here; None for one that a peer spreads."""


@dataclass(slots=True)
class _Queue:
    """One source's arrivals in order. Ids that were verified out of turn stay in it until their turn comes."""

    ids: deque[Hash] = field(default_factory=deque)
    size_bytes: int = 0


class Intake:
    """The queue before the mempool.

    Args:
        pool: verifies and keeps.
        on_fatal: told of a failing disk.
        refusal: why this node takes no transactions at all, or None.
    """

    def __init__(
        self,
        pool: Pool,
        on_fatal: Callable[[Exception], None],
        refusal: str | None = None,
    ) -> None:
        self._refusal = refusal
        self._pool = pool
        self._listeners: list[Callable[[], None]] = []
        self._on_fatal = on_fatal
        self._arrivals: dict[Hash, _Arrival] = {}
        self._queues: dict[str, _Queue] = {}
        self._own_bytes = 0
        """Of what was handed to this node itself."""
        self._is_due = False
        self.refused = 0
        """Transactions from peers that failed a check."""

    def add_listener(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after every slice, which may have let something into the mempool."""
        self._listeners.append(listener)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be verified."""
        return not self._arrivals

    def __contains__(self, id_: object) -> bool:
        return id_ in self._arrivals

    async def submit(self, data: bytes, source: str = OWN_API) -> Verified:
        """Queue a transaction handed to this node, and wait until it is verified and in the mempool.

        Args:
            data: the encoded transaction.
            source: takes turns with the other sources; no member's name.

        Raises:
            PoolError: why it is refused.
        """
        refusal = self._refusal or self._pool.ledger.unknown_rules
        if refusal is not None:
            raise PoolError(ErrorCode.NOT_READY, refusal)
        checked = self._pool.decode(data)
        known = self._pool.recognise(checked)
        if known is not None:
            return Verified(known.id, known, None)
        if checked.id in self._arrivals:
            return self._admit(checked)  # at once: the verdict on the other one with its id is not its own
        if self._own_bytes + checked.size_bytes > _CAPACITY_BYTES:
            raise PoolError(ErrorCode.MEMPOOL_FULL, f"{_CAPACITY_BYTES} bytes wait to be verified")
        answer: asyncio.Future[Verified] = asyncio.get_running_loop().create_future()
        self._queue(_Arrival(source, checked, answer))
        return await answer

    def receive(self, peer: str, items: Iterable[bytes]) -> None:
        """Queue transactions that a peer spreads.

        Those that do not decode are its fault; what has no room is dropped, to be fetched if it is proposed.
        """
        for data in items:
            try:
                checked = self._pool.decode(data)
            except PoolError:
                self.refused += 1
                continue
            if checked.id in self._pool.mempool:
                continue
            waiting = self._arrivals.get(checked.id)
            if waiting is None:
                if self._has_room(peer, checked):
                    self._queue(_Arrival(peer, checked, None))
            elif waiting.checked.transaction != checked.transaction:
                self._verify(_Arrival(peer, checked, None))

    def hurry(self, ids: Iterable[Hash]) -> None:
        """Verify these now, if they are waiting here: a proposal needs them."""
        for id_ in ids:
            self._verify_waiting(id_)

    def close(self) -> None:
        """Answer those who wait that the node is stopping."""
        for arrival in self._arrivals.values():
            if arrival.answer is not None and not arrival.answer.done():
                arrival.answer.set_exception(PoolError(ErrorCode.NOT_READY, "the node is shutting down"))
        self._arrivals.clear()
        self._queues.clear()

    def _has_room(self, peer: str, checked: CheckedTransaction) -> bool:
        queue = self._queues.get(peer)
        return queue is None or queue.size_bytes + checked.size_bytes <= _CAPACITY_BYTES

    def _queue(self, arrival: _Arrival) -> None:
        self._arrivals[arrival.checked.id] = arrival
        queue = self._queues.get(arrival.source)
        if queue is None:
            queue = self._queues[arrival.source] = _Queue()
        queue.ids.append(arrival.checked.id)
        queue.size_bytes += arrival.checked.size_bytes
        if arrival.answer is not None:
            self._own_bytes += arrival.checked.size_bytes
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._verify_slice)

    def _verify_slice(self) -> None:
        """Verify for a moment, the sources in turn, then let the loop turn before going on."""
        end_s = time.perf_counter() + _SLICE_S
        try:
            while self._queues and time.perf_counter() < end_s:
                self._verify_one_of_each()
        except PoolError as error:
            self._on_fatal(error)
            return
        self._is_due = bool(self._queues)
        if self._is_due:
            asyncio.get_running_loop().call_soon(self._verify_slice)
        for listener in self._listeners:
            listener()

    def _verify_one_of_each(self) -> None:
        for source, queue in list(self._queues.items()):
            if queue.ids:
                self._verify_waiting(queue.ids.popleft())
            else:
                del self._queues[source]

    def _verify_waiting(self, id_: Hash) -> None:
        arrival = self._arrivals.pop(id_, None)
        if arrival is None:
            return
        queue = self._queues.get(arrival.source)
        if queue is not None:
            queue.size_bytes -= arrival.checked.size_bytes
        if arrival.answer is not None:
            self._own_bytes -= arrival.checked.size_bytes
        self._verify(arrival)

    def _verify(self, arrival: _Arrival) -> None:
        answer = arrival.answer
        try:
            verified = self._admit(arrival.checked)
        except PoolError as error:
            if error.code.is_storage:
                raise
            if answer is None:
                self.refused += error.code not in (ErrorCode.MEMPOOL_FULL, ErrorCode.QUOTA_EXCEEDED)
            elif not answer.done():
                answer.set_exception(error)
            return
        if answer is not None and not answer.done():
            answer.set_result(verified)

    def _admit(self, checked: CheckedTransaction) -> Verified:
        verified = self._pool.verify(checked)
        if verified.checked is not None:
            self._pool.admit(verified.checked)
        return verified
