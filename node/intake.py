"""Transactions on their way in: not yet decoded or verified, bounded, looked at a little at a time.

Checking a signature costs more than everything else that a node does with a transaction. Done as frames come in, a
burst of them would hold up consensus messages for many times their own cost. So arrivals are queued, and decoded and
verified in short slices between which the event loop turns; a transaction that a proposal needs at once is verified out
of turn. Sources (each peer, this node's own API, and each batch that comes through it) have queues of their own and
take turns, so that a source that floods delays only itself. What comes to nothing costs the peer that brought it: a
provable fault its links, anything else its allowance. A node with cores to spare has processes that verify ahead of
the slices (``node.examiners``): when much waits, only what these have not vouched for is verified here.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from chain.errors import ErrorCode, PoolError
from chain.examination.facts import TransactionFacts
from chain.limits import MIB
from chain.primitives.crypto import Hash
from chain.transactions.base import CheckedTransaction
from node.examiners import Examiners
from node.links import Links
from node.links.allowance import step_s
from node.pool import Pool, Verified

_SLICE_S = 0.0015
_CAPACITY_BYTES = 32 * MIB
"""Of the queue of a validator, and of all that is handed to this node itself."""
_OTHERS_CAPACITY_BYTES = 8 * MIB
"""The same of a member that does not vote."""
_DECODED = 16
"""Transactions of a source that are decoded in its turn before some are verified, so that a proposal finds them."""
_VERIFIED = 4
"""Transactions of a source that are verified in its turn."""
_BATCH_MIN, _BATCH_BYTES_MIN = 8, MIB // 16
"""What is less than both is verified here in less time than it takes to hand it to an examiner and wait."""
_BATCH_MAX, _BATCH_BYTES_MAX = 64, MIB // 2
"""What an examiner is given at once: the order of a source's transactions waits for all of it."""
OWN_API = ""
"""The source of what is handed to this node itself, one by one; no member has an empty name."""


@dataclass(slots=True, eq=False)
class _Arrival:
    source: str
    checked: CheckedTransaction
    answer: asyncio.Future[Verified] | None
    """Whoever handed the transaction to this node waits here; None for one that a peer spreads."""
    is_waiting: bool = True
    """False once it was verified, in or out of its turn."""
    is_away: bool = False
    """Whether an examiner has it."""
    is_back: bool = False
    """Whether an examiner has had it."""
    facts: TransactionFacts | None = None
    """What that has found."""


@dataclass(slots=True)
class _Queue:
    """One source's arrivals in order."""

    encoded: deque[bytes] = field(default_factory=deque)
    arrivals: deque[_Arrival] = field(default_factory=deque)
    size_bytes: int = 0

    @property
    def has_work(self) -> bool:
        """Whether something can be done about it now."""
        return bool(self.encoded) or (bool(self.arrivals) and not self.is_away)

    @property
    def is_away(self) -> bool:
        """Whether the next arrival is at an examiner: those behind it wait, so that a source's order is kept."""
        return bool(self.arrivals) and self.arrivals[0].is_away and self.arrivals[0].is_waiting


class Intake:
    """The queue before the mempool.

    Args:
        pool: verifies and keeps.
        links: to the peers, who answer for what they bring.
        on_fatal: told of a failing disk.
        examiners: verify beside the loop what waits, if it is much.
        refusal: why this node takes no transactions at all, or None.
    """

    def __init__(
        self,
        pool: Pool,
        links: Links,
        on_fatal: Callable[[Exception], None],
        examiners: Examiners,
        refusal: str | None = None,
    ) -> None:
        self._refusal = refusal
        self._examiners = examiners
        self._pool = pool
        self._links = links
        self._listeners: list[Callable[[], None]] = []
        self._on_fatal = on_fatal
        self._queues: dict[str, _Queue] = {}
        self._arrivals: dict[Hash, list[_Arrival]] = {}
        """Those that wait to be verified. Ids do not cover signatures, so several may have one."""
        self._own_bytes = 0
        """Of what was handed to this node itself."""
        self._wasteful: set[str] = set()
        """Sources whose last turn came to nothing, in part at least, and of which more waits."""
        self._is_due = False
        """Whether a slice comes with the loop's next turn."""
        self._later: asyncio.TimerHandle | None = None
        """A slice that comes when somebody has paid."""
        self.refused = 0
        """Transactions from peers that failed a check."""

    def add_listener(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after every slice, which may have let something into the mempool."""
        self._listeners.append(listener)

    @property
    def is_behind(self) -> bool:
        """Whether anything waits to be verified; not what comes from those whose last turn came to nothing, or nobody's
        block would be made at once any more.
        """
        return not self._wasteful.issuperset(self._queues)

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
        if self._own_bytes + checked.size_bytes > _CAPACITY_BYTES:
            raise PoolError(ErrorCode.MEMPOOL_FULL, f"{_CAPACITY_BYTES} bytes wait to be verified")
        answer: asyncio.Future[Verified] = asyncio.get_running_loop().create_future()
        self._own_bytes += checked.size_bytes
        self._queue(_Arrival(source, checked, answer))
        self._schedule()
        return await answer

    def receive(self, peer: str, items: Iterable[bytes]) -> None:
        """Queue transactions that a peer spreads; what has no room is dropped, to be fetched if it is proposed."""
        queue, capacity = self._queues.get(peer) or _Queue(), self._capacity_of(peer)
        for data in items:
            if queue.size_bytes + len(data) <= capacity:
                queue.encoded.append(data)
                queue.size_bytes += len(data)
        if queue.encoded:
            self._queues[peer] = queue
        self._schedule()

    def hurry(self, ids: Collection[Hash]) -> None:
        """Verify these now, if they are waiting here: a proposal needs them. One of each source, which may be a
        forgery; what is missing then is fetched.

        A proposal is urgent and overtakes the frames that bring its transactions, so they may have come in the very
        same read, and not been decoded yet.
        """
        if any(id_ not in self._arrivals and id_ not in self._pool.mempool for id_ in ids):
            self._decode_for_a_moment()
        for id_ in ids:
            if id_ not in self._arrivals:
                continue
            sources = set()
            for arrival in list(self._arrivals[id_]):
                if arrival.source not in sources and id_ not in self._pool.mempool:
                    sources.add(arrival.source)
                    self._verify(arrival)

    def close(self) -> None:
        """Answer those who wait that the node is stopping."""
        for arrivals in self._arrivals.values():
            for arrival in arrivals:
                if arrival.answer is not None and not arrival.answer.done():
                    arrival.answer.set_exception(PoolError(ErrorCode.NOT_READY, "the node is shutting down"))
        self._arrivals.clear()
        self._queues.clear()

    # Queues

    def _queue_of(self, source: str) -> _Queue:
        queue = self._queues.get(source)
        if queue is None:
            queue = self._queues[source] = _Queue()
        return queue

    def _capacity_of(self, peer: str) -> int:
        return _CAPACITY_BYTES if peer in self._pool.ledger.validators else _OTHERS_CAPACITY_BYTES

    def _queue(self, arrival: _Arrival) -> None:
        self._queue_of(arrival.source).arrivals.append(arrival)
        self._arrivals.setdefault(arrival.checked.id, []).append(arrival)

    def _drop(self, source: str) -> None:
        """Forget what a peer at fault has brought."""
        queue = self._queues.pop(source, _Queue())
        self._wasteful.discard(source)
        for arrival in queue.arrivals:
            if arrival.is_waiting:
                self._take_out(arrival)
        queue.encoded.clear()
        queue.arrivals.clear()

    def _take_out(self, arrival: _Arrival) -> None:
        arrival.is_waiting = False
        namesakes = self._arrivals[arrival.checked.id]
        namesakes.remove(arrival)
        if not namesakes:
            del self._arrivals[arrival.checked.id]

    # Slices

    def _schedule(self) -> None:
        """Something has come: whoever brought it does not wait for those who have spent their share."""
        if self._queues and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._work)

    def _work(self) -> None:
        """Decode and verify for a moment, the sources in turn, then let the loop turn before going on."""
        self._is_due, end_s = False, time.perf_counter() + _SLICE_S
        if self._later is not None:
            self._later.cancel()
            self._later = None
        sources = [source for source in self._queues if not self._links.wait_s(source)]
        try:
            while sources and time.perf_counter() < end_s:
                sources = [source for source in sources if self._take_turn(source, end_s)]
        except PoolError as error:
            self._on_fatal(error)
            return
        waits_s = [self._links.wait_s(source) for source, queue in self._queues.items() if queue.has_work]
        wait_s = min(waits_s, default=None)
        if wait_s:
            self._later = asyncio.get_running_loop().call_later(wait_s, self._work)
        elif wait_s is not None:
            self._schedule()
        for listener in self._listeners:
            listener()

    def _hand_over(self) -> None:
        """Give the examiners what comes next, if it is so much that they are worth their cost."""
        while self._examiners.has_room:
            batch = self._next_batch()
            if len(batch) < _BATCH_MIN and sum(arrival.checked.size_bytes for arrival in batch) < _BATCH_BYTES_MIN:
                return
            for arrival in batch:
                arrival.is_away = True
            self._examiners.examine([arrival.checked for arrival in batch], partial(self._take_back, batch))

    def _next_batch(self) -> list[_Arrival]:
        """What waits and was not examined, the sources in turn; not those whose last turn came to nothing, nor what
        needs a schema that is not compiled here: examiners share no time out among members.
        """
        turns = [
            (
                arrival
                for arrival in queue.arrivals
                if arrival.is_waiting
                and not (arrival.is_away or arrival.is_back)
                and self._pool.has_schema(arrival.checked)
            )
            for source, queue in self._queues.items()
            if source not in self._wasteful
        ]
        batch: list[_Arrival] = []
        size_bytes = 0
        while turns and len(batch) < _BATCH_MAX and size_bytes < _BATCH_BYTES_MAX:
            turn = list(islice(turns[0], _VERIFIED))
            size_bytes += sum(arrival.checked.size_bytes for arrival in turn)
            batch += turn
            turns = turns[1:] + turns[:1] if turn else turns[1:]
        return batch

    def _take_back(self, batch: Sequence[_Arrival], found: Sequence[TransactionFacts | None]) -> None:
        for arrival, facts in zip(batch, found, strict=True):
            arrival.is_away, arrival.is_back, arrival.facts = False, True, facts
        self._schedule()

    def _take_turn(self, source: str, end_s: float) -> bool:
        """Returns False if the source has nothing more to do in this slice. If anything came to nothing it pays for the
        whole turn: to read the clock for each transaction would make the good ones costlier.
        """
        queue, began_s = self._queues[source], time.perf_counter()
        is_worth_it = self._decode_some(source, queue)
        self._hand_over()
        for _ in range(min(_VERIFIED, len(queue.arrivals))):
            if queue.is_away:
                break
            if not self._verify_next(source, queue):
                is_worth_it = False
                break
            if time.perf_counter() > end_s:
                break
        if is_worth_it:
            self._wasteful.discard(source)
        else:
            self._wasteful.add(source)
            self._links.spend(source, step_s(began_s))
        if queue.encoded or queue.arrivals:
            return is_worth_it and queue.has_work
        self._queues.pop(source, None)
        self._wasteful.discard(source)
        return False

    def _decode_for_a_moment(self) -> None:
        """Decode what waits, the sources in turn; none of it is verified. Nobody pays for it, so those whose last turn
        came to nothing are left out: what is missing then is fetched.
        """
        end_s = time.perf_counter() + _SLICE_S
        sources = [source for source, queue in self._queues.items() if queue.encoded and source not in self._wasteful]
        while sources and time.perf_counter() < end_s:
            sources = [
                source
                for source in sources
                if self._decode_some(source, queue := self._queues[source]) and queue.encoded
            ]

    def _decode_some(self, source: str, queue: _Queue) -> bool:
        """Returns False if some came to nothing."""
        count = min(_DECODED, len(queue.encoded))
        return not sum(not self._decode_next(source, queue) for _ in range(count))

    def _decode_next(self, source: str, queue: _Queue) -> bool:
        """Returns False if it came to nothing."""
        if not queue.encoded:
            return True
        data = queue.encoded.popleft()
        try:
            checked = self._pool.decode(data)
            self._pool.mempool.verify_room(checked.header.member, checked.size_bytes)
        except PoolError as error:
            queue.size_bytes -= len(data)
            self._refuse(source, error)
            return False
        if checked.id in self._pool.mempool:
            queue.size_bytes -= len(data)
            return False
        self._queue(_Arrival(source, checked, None))
        return True

    def _verify_next(self, source: str, queue: _Queue) -> bool:
        """Returns False if it came to nothing."""
        while queue.arrivals:
            arrival = queue.arrivals.popleft()
            if arrival.is_waiting:
                return self._verify(arrival)
        return True

    def _verify(self, arrival: _Arrival) -> bool:
        """Returns False if nothing new waits in the mempool for it."""
        self._take_out(arrival)
        checked, answer = arrival.checked, arrival.answer
        if answer is not None:
            self._own_bytes -= checked.size_bytes
        elif (queue := self._queues.get(arrival.source)) is not None:
            queue.size_bytes -= checked.size_bytes
        was_known = checked.id in self._pool.mempool
        try:
            verified = self._pool.verify(checked, arrival.facts)
            if verified.checked is not None:
                self._pool.admit(verified.checked)
        except PoolError as error:
            if error.code.is_storage:
                raise
            if answer is None:
                self._refuse(arrival.source, error)
            elif not answer.done():
                answer.set_exception(error)
            return False
        if answer is not None and not answer.done():
            answer.set_result(verified)
        return verified.checked is not None and not was_known

    def _refuse(self, peer: str, error: PoolError) -> None:
        self.refused += error.code not in (ErrorCode.MEMPOOL_FULL, ErrorCode.QUOTA_EXCEEDED)
        if self._links.is_at_fault(peer, error):
            self._drop(peer)
