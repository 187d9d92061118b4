"""Reads take turns: nobody who only asks keeps the node from ordering, or another from being answered.

What is shared is processor time, on the event loop and in reader threads alike, whatever a read does with it. While the
node orders, all reads together get one part in ``PARTS`` of a processor; what they have had beyond it is waited out
before the next one begins. Among those who wait, the address that has had least goes first (start-time fair queueing:
Goyal, Vin and Cheng 1996).
"""

import asyncio
import time
import types
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextvars import ContextVar
from typing import Any, TypeVar

from chain.errors import ErrorCode, PoolError
from node.addresses import origin
from node.api.bodies import AsgiApp, Receive, Scope, Send, refuse

T = TypeVar("T")

PARTS = 10
AT_ONCE = 2
"""Reads that have begun and are not answered: as many as there are reader threads."""
WAIT_MAX_S = 8.0
"""Who would wait for longer is told to come back."""
_PAUSE_MAX_S = 10.0
_ORDERED_S = 1.0
"""For so long after a block the node is taken to be ordering."""
_SOURCES = 4096
"""Addresses remembered for what they have had."""
_PROBES = ("/healthz", "/readyz")
"""Are asked by whoever watches over the node, perhaps from an address that many others ask from too."""


class Turn:
    """The right to read now, of one request."""

    def __init__(self, turns: "Turns", source: str) -> None:
        self._turns = turns
        self._source = source
        self._is_over = False

    def charge(self, seconds: float) -> None:
        """Count processor time."""
        self._turns.charge(self._source, seconds)

    def end(self) -> None:
        """Let another begin; harmless if it is over already."""
        if not self._is_over:
            self._is_over = True
            self._turns.ended()


_turn: ContextVar[Turn] = ContextVar("turn")


class Turns:
    """See the module. All methods run on the event loop's thread.

    Args:
        waiting: how many transactions wait to be ordered.
        height: of the newest block.
        clock: seconds that never go back.
    """

    def __init__(
        self, waiting: Callable[[], int], height: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._transactions = waiting
        self._height = height
        self._clock = clock
        self._seen = (height(), -_ORDERED_S)
        """The newest block, and when it was first seen here."""
        self._had: dict[str, float] = {}
        """Seconds by address, on the queue's own clock: at least what the last one to begin had had."""
        self._virtual_s = 0.0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._begun = 0
        self._due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, source: str) -> Turn:
        """A turn for a read from this address, once it is its turn.

        Raises:
            PoolError: code ``not_ready`` if others would keep it waiting for too long.
        """
        if self._waiting or not self._has_room():
            await self._wait(source)
        else:
            self._begin(source)
        return Turn(self, source)

    def charge(self, source: str, seconds: float) -> None:
        """Count processor time of an address."""
        self._had[source] = max(self._had.pop(source, 0.0), self._virtual_s) + seconds
        if len(self._had) > _SOURCES:
            del self._had[next(iter(self._had))]  # who has asked for nothing for longest
        if self._is_ordering():
            now_s = self._clock()
            self._due_s = min(max(self._due_s, now_s) + seconds * PARTS, now_s + _PAUSE_MAX_S)

    def ended(self) -> None:
        """A read is answered."""
        self._begun -= 1
        self._go_on()

    def _is_ordering(self) -> bool:
        now_s, height = self._clock(), self._height()
        if height != self._seen[0]:
            self._seen = height, now_s
        return self._transactions() > 0 or now_s < self._seen[1] + _ORDERED_S

    def _has_room(self) -> bool:
        return self._begun < AT_ONCE and self._clock() >= self._due_s

    def _begin(self, source: str) -> None:
        self._begun += 1
        self._virtual_s = max(self._virtual_s, self._had.get(source, 0.0))

    async def _wait(self, source: str) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(source, deque()).append(future)
        self._go_on()
        try:
            async with asyncio.timeout(WAIT_MAX_S):
                await future
        except BaseException as error:
            if future.done() and not future.cancelled():
                self.ended()  # its turn had come meanwhile
            if not isinstance(error, TimeoutError):
                raise
            raise PoolError(ErrorCode.NOT_READY, "more is read from this node than it has time for") from None
        finally:
            self._forget(source, future)

    def _forget(self, source: str, future: "asyncio.Future[None]") -> None:
        queue = self._waiting.get(source)
        if queue is not None and future in queue:
            queue.remove(future)
            if not queue:
                del self._waiting[source]

    def _go_on(self) -> None:
        """Begin those whose turn it is; come back when the next one may."""
        while self._waiting and self._has_room():
            source = min(self._waiting, key=lambda name: max(self._had.get(name, 0.0), self._virtual_s))
            queue = self._waiting[source]
            future = queue.popleft()
            if not queue:
                del self._waiting[source]
            if not future.done():
                self._begin(source)
                future.set_result(None)
        if self._waiting and self._begun < AT_ONCE and self._timer is None:
            delay_s = max(0.0, self._due_s - self._clock())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._timer_ended)

    def _timer_ended(self) -> None:
        self._timer = None
        self._go_on()


class TakingTurns:
    """ASGI application whose requests take turns."""

    def __init__(self, app: AsgiApp, turns: Turns) -> None:
        self._app = app
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Its turn is over when its answer begins: a slow client holds nobody up."""
        source = source_of(scope)
        try:
            turn = await self._turns.take(f"{source} probe" if scope["path"] in _PROBES else source)
        except PoolError as error:
            await refuse(send, error)
            return

        async def answer(message: Any) -> None:
            turn.end()
            await send(message)

        _turn.set(turn)
        try:
            await _metered(self._app(scope, receive, answer), turn.charge)
        finally:
            turn.end()


def source_of(scope: Scope) -> str:
    """The address that a request comes from, as far as it counts."""
    client = scope.get("client")
    return origin(client[0]) if client else ""


def step_back() -> None:
    """Called by a request that is going to wait for something to happen: others may read meanwhile."""
    if (turn := _turn.get(None)) is not None:
        turn.end()


async def counted(read: Callable[[Callable[[], T]], Awaitable[T]], work: Callable[[], T]) -> T:
    """Have ``read`` do ``work`` in another thread, and count its time as the request's."""
    turn, taken_s = _turn.get(None), 0.0

    def timed() -> T:
        nonlocal taken_s
        began_s = time.thread_time()
        try:
            return work()
        finally:
            taken_s = time.thread_time() - began_s

    try:
        return await read(timed)
    finally:
        if turn is not None:
            turn.charge(taken_s)


@types.coroutine
def _metered(steps: Any, charge: Callable[[float], None]) -> Generator[Any, Any, None]:
    """Carry out a coroutine, and count what each of its steps takes of the loop."""
    raised: BaseException | None = None
    while True:
        began_s = time.thread_time()
        try:
            waits_for = steps.send(None) if raised is None else steps.throw(raised)
        except StopIteration:
            return
        finally:
            charge(time.thread_time() - began_s)
        try:
            yield waits_for
            raised = None
        except BaseException as error:
            raised = error
