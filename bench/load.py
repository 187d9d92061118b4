"""The load generator: an open loop over raw sockets, in a process of its own.

Requests are sent at fixed times, whatever the answers; an answer's latency counts from the time its request was due,
so a stall is charged to everything that it delayed (no coordinated omission). One request is under way on a connection
at a time; connections are opened as needed, up to a bound, beyond which requests queue here, on the clock.
"""

import asyncio
import gc
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import TypeVar

import uvloop

from bench.workload import SignedRequest, Workload, parcel_requests

Result = TypeVar("Result")

CONNECTIONS_PER_NODE = 512
OPENED_IN_ADVANCE = 64
SAMPLES = 25
"""Receipts kept of each run, to be verified afterwards."""
_PACE_S = 0.002
"""Requests that fall due within this time are sent together: waking for each would take processor time from the nodes.
Latency counts from when a request was due all the same.
"""
FAILED = 0
"""Status of a request whose connection broke."""
UNANSWERED = -1
"""Status of a request without an answer when the run ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan(Workload):
    """What to send, and when."""

    rate: float
    """Transactions a second."""
    duration_s: float
    """How long to send."""
    start_at_s: float = 0
    """Monotonic time of the first request; 0 for as soon as everything is signed."""
    grace_s: float = 20
    """How long to wait for answers after the last request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request; times are seconds after the first one was due."""

    due_s: float
    done_s: float
    status: int

    @property
    def latency_ms(self) -> float:
        """From when it was due to when it was answered."""
        return (self.done_s - self.due_s) * 1000


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Everything that a run has seen."""

    plan: LoadPlan
    answers: tuple[Answer, ...]
    started_at_s: float
    """Monotonic time of the first request."""
    cpu_seconds: float
    """Processor time of the load generator while it sent."""
    total_cpu_seconds: float
    """The same, with the time for signing everything beforehand."""
    samples: tuple[tuple[bytes, bytes], ...]
    """(transaction id, receipt bytes) of some transactions."""


class LoadProcess:
    """The process in which loads run, one at a time."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))

    def start(self, plan: LoadPlan) -> Future[LoadResult]:
        """Run ``plan``; the result comes when all has been answered or given up."""
        return self._pool.submit(run_load, plan)

    def run(self, plan: LoadPlan) -> LoadResult:
        """Run ``plan`` and wait for its result."""
        return self.start(plan).result(timeout=plan.duration_s + plan.grace_s + 120)

    def call(self, function: Callable[..., Result], *arguments: object) -> Result:
        """What ``function`` gives there."""
        return self._pool.submit(function, *arguments).result(timeout=300)

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown(cancel_futures=True)


def run_load(plan: LoadPlan) -> LoadResult:
    """Sign everything, then send it."""
    cpu_before = time.process_time()
    count = max(1, round(plan.rate * plan.duration_s))
    requests = list(parcel_requests(plan, count))
    gc.collect()
    gc.disable()
    try:
        result = uvloop.run(_Run(plan, requests).drive())
        return replace(result, total_cpu_seconds=time.process_time() - cpu_before)
    finally:
        gc.enable()


class _Run:
    def __init__(self, plan: LoadPlan, requests: Sequence[SignedRequest]) -> None:
        self._plan = plan
        self._requests = requests
        self._answers: list[Answer | None] = [None] * len(requests)
        self._open = len(requests)
        self._finished = asyncio.Event()
        self._samples: list[tuple[bytes, bytes]] = []
        self._sample_every = max(1, len(requests) // SAMPLES)
        self._start_s = 0.0

    async def drive(self) -> LoadResult:
        plan, loop = self._plan, asyncio.get_running_loop()
        nodes = [_NodePool(sender.host, sender.port, self._answered) for sender in plan.senders]
        per_node = max(1, min(OPENED_IN_ADVANCE, round(plan.rate / len(nodes))))
        await asyncio.gather(*(node.open(per_node) for node in nodes))
        self._start_s = plan.start_at_s or time.monotonic() + 0.1
        cpu_before = time.process_time()
        number = 0
        while number < len(self._requests):
            now = time.monotonic() - self._start_s
            while number < len(self._requests) and number / plan.rate <= now:
                nodes[number % len(nodes)].submit(number, self._requests[number].parts)
                number += 1
            await asyncio.sleep(max(_PACE_S, number / plan.rate - now))
        loop.call_later(plan.grace_s, self._finished.set)
        await self._finished.wait()
        cpu_seconds = time.process_time() - cpu_before
        for node in nodes:
            node.close()
        end = time.monotonic() - self._start_s
        answers = tuple(
            answer or Answer(number / plan.rate, end, UNANSWERED) for number, answer in enumerate(self._answers)
        )
        return LoadResult(plan, answers, self._start_s, cpu_seconds, cpu_seconds, tuple(self._samples))

    def _answered(self, number: int, status: int, body: bytes) -> None:
        self._answers[number] = Answer(number / self._plan.rate, time.monotonic() - self._start_s, status)
        if status == 200 and number % self._sample_every == 0:
            self._samples.append((self._requests[number].transaction_id, body))
        self._open -= 1
        if not self._open:
            self._finished.set()


_Answered = Callable[[int, int, bytes], None]


class _NodePool:
    """Connections to one node."""

    def __init__(self, host: str, port: int, answered: _Answered) -> None:
        self._address = (host, port)
        self._answered = answered
        self._idle: deque[_Connection] = deque()
        self._all: set[_Connection] = set()
        self._waiting: deque[tuple[int, tuple[bytes, bytes]]] = deque()
        self._opening: set[asyncio.Task[None]] = set()

    async def open(self, count: int) -> None:
        await asyncio.gather(*(self._connect() for _ in range(count)))

    def submit(self, number: int, parts: tuple[bytes, bytes]) -> None:
        if self._idle:
            self._idle.pop().send(number, parts)
            return
        self._waiting.append((number, parts))
        if len(self._all) + len(self._opening) < CONNECTIONS_PER_NODE:
            task = asyncio.get_running_loop().create_task(self._connect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def close(self) -> None:
        for connection in list(self._all):
            connection.close()

    def freed(self, connection: "_Connection") -> None:
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._idle.append(connection)

    def done(self, number: int, status: int, body: bytes) -> None:
        self._answered(number, status, body)

    def lost(self, connection: "_Connection") -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    async def _connect(self) -> None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(self), *self._address
            )
        except OSError:
            # Nobody listens: whoever waits for this node has failed now.
            while self._waiting:
                self._answered(self._waiting.popleft()[0], FAILED, b"")
            return
        self._all.add(connection)
        self.freed(connection)


class _Connection(asyncio.Protocol):
    """One keep-alive connection; reads answers with a Content-Length."""

    def __init__(self, node: _NodePool) -> None:
        self._node = node
        self._transport: asyncio.Transport | None = None
        self._number: int | None = None
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's transport

    def send(self, number: int, parts: tuple[bytes, bytes]) -> None:
        self._number = number
        if self._transport is not None:
            self._transport.writelines(parts)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or self._number is None:
            return
        head = bytes(self._received[:end]).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self._received) < end + 4 + length:
            return
        number, self._number = self._number, None
        body = bytes(self._received[end + 4 : end + 4 + length])
        del self._received[: end + 4 + length]
        self._node.done(number, int(head[9:12]), body)
        self._node.freed(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._node.lost(self)
        if self._number is not None:
            number, self._number = self._number, None
            self._node.done(number, FAILED, b"")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
