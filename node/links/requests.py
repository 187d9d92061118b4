"""Requests over links: ids and answers on the asking side, bounded work on the answering side."""

import asyncio
import itertools
import struct
import time
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from chain.errors import ErrorCode, PoolError
from node.links.allowance import step_s
from node.links.connection import Connection, protocol_violation
from node.links.framing import SEGMENT_SIZE_BYTES
from node.links.peer_state import PROVABLE, LinkSetup, PeerState
from node.links.types import LinkKind, LinkLimits

_ID = struct.Struct(">I")
_REQUEST = struct.Struct(">IB")
_ID_MODULUS = 2**32
_SERVING = "serving"

T = TypeVar("T")


class OutgoingRequests:
    """Our requests to one peer that wait for an answer."""

    def __init__(self, member: str, limits: LinkLimits) -> None:
        self._member = member
        self._slots = asyncio.Semaphore(limits.requests_in_flight)
        self._ids = itertools.count()
        self._waiting: dict[int, asyncio.Future[bytes]] = {}

    async def ask(self, connection: Connection | None, kind: int, body: bytes) -> bytes:
        """Send a request and wait for its answer; the caller bounds the time.

        Raises:
            PoolError: code `unreachable` if the link is or goes down, or the peer answers with a failure.
        """
        async with self._slots:
            id_ = next(self._ids) % _ID_MODULUS
            frame = _REQUEST.pack(id_, kind) + body
            if connection is None or not connection.send(LinkKind.REQUEST, frame, urgent=True):
                raise self._unreachable("the link is down or its queue full")
            answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            self._waiting[id_] = answer
            try:
                return await answer
            finally:
                del self._waiting[id_]

    def answered(self, frame: bytes, *, failed: bool) -> None:
        """Take a response or failure; one that nobody waits for any more is dropped."""
        if len(frame) < _ID.size:
            raise protocol_violation("a response without its id")
        answer = self._waiting.get(_ID.unpack_from(frame)[0])
        if answer is None or answer.done():
            return
        if failed:
            answer.set_exception(self._unreachable(frame[_ID.size :].decode("utf-8", "replace")[:300]))
        else:
            answer.set_result(frame[_ID.size :])

    def fail_all(self, reason: str) -> None:
        """The link is gone: nothing will be answered any more."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(self._unreachable(reason))

    def _unreachable(self, detail: str) -> PoolError:
        return PoolError(ErrorCode.UNREACHABLE, f"request to {self._member}: {detail}", member=self._member)


class IncomingRequests:
    """Requests of one peer on one connection that we work on."""

    def __init__(self, state: PeerState, connection: Connection, setup: LinkSetup) -> None:
        self._state = state
        self._connection = connection
        self._on_request = setup.on_request
        self._limits = setup.limits
        self._log = setup.log
        self._tasks: set[asyncio.Task[None]] = set()
        # Came in with the last bytes that were read: reading stops while anything is here, which bounds it.
        self._backlog: deque[bytes] = deque()

    def received(self, frame: bytes) -> None:
        """Start working on a request, or stop reading from the peer if enough are under way."""
        if len(frame) < _REQUEST.size:
            raise protocol_violation("a request without id and kind")
        if len(frame) > _REQUEST.size + self._limits.request_size_bytes:
            raise protocol_violation(f"a request of {len(frame)} bytes")
        if len(self._tasks) < self._limits.requests_served:
            self._start(frame)
        else:
            self._backlog.append(frame)
            self._connection.hold(_SERVING)

    def cancel(self) -> None:
        """The connection is gone: nobody waits for the answers."""
        self._backlog.clear()
        for task in self._tasks:
            task.cancel()

    def _start(self, frame: bytes) -> None:
        id_, kind = _REQUEST.unpack_from(frame)
        task = asyncio.get_running_loop().create_task(self._serve(id_, kind, frame[_REQUEST.size :]))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._backlog:
            self._start(self._backlog.popleft())
        if not self._backlog:
            self._connection.release(_SERVING)

    async def _serve(self, id_: int, kind: int, body: bytes) -> None:
        try:
            async with asyncio.timeout(self._limits.request_served_timeout_s):
                answer = await _metered(self._on_request(self._state.member, kind, body), self._state.spend)
        except PoolError as error:
            self._fail(id_, error.detail)
            if error.code in PROVABLE:
                self._state.count_fault(error)
        except TimeoutError:
            self._fail(id_, "took too long")
        except Exception as error:
            # Logged and answered: one request that we cannot serve is no reason to lose the link.
            self._log.exception("request from %s failed", self._state.member, exc_info=error)
            self._fail(id_, "failed on the other side")
        else:
            self._answer(id_, answer)

    def _answer(self, id_: int, answer: bytes) -> None:
        if _ID.size + len(answer) > self._limits.frame_size_bytes:
            self._fail(id_, "the answer exceeds the frame limit")
            return
        # A small answer is what somebody waits for; a large one must not delay consensus.
        urgent = len(answer) < SEGMENT_SIZE_BYTES
        if not self._connection.send(LinkKind.RESPONSE, _ID.pack(id_) + answer, urgent=urgent):
            self._fail(id_, "the queue for answers is full")

    def _fail(self, id_: int, reason: str) -> None:
        self._connection.send(LinkKind.FAILURE, _ID.pack(id_) + reason.encode()[:300], urgent=True)


@types.coroutine
def _metered(work: Coroutine[Any, Any, T], spend: Callable[[float], None]) -> Generator[Any, Any, T]:
    """What ``work`` returns. After each of its steps on the event loop, ``spend`` is told the seconds that it took."""
    step: Callable[[Any], Any] = work.send
    argument: BaseException | None = None
    while True:
        began_s = time.perf_counter()
        try:
            awaited = step(argument)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            spend(step_s(began_s))
        try:
            yield awaited
            step, argument = work.send, None
        except BaseException as error:  # the request was given up: that is for the work to hear
            step, argument = work.throw, error
