"""The sandbox in a process of its own, so that evaluation never holds up the daemon's event loop.

wasmtime releases the interpreter's lock while the guest runs, but each call takes the lock back some ten times, and a
busy event loop gives it up only every few milliseconds: a thread gets a fraction of the speed. A child process has a
lock of its own, and whatever goes wrong in it takes down nothing else. The calls are the sandbox's and block their
caller on a pipe: make them from a thread (``run_in_executor``).

The child ends when the parent does: its standard input closes. Should the child die, the call raises, the block is
executed again, and the next session starts a new child: a lost process is never a verdict.
"""

import contextlib
import select
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from chain.access.decision import CallResult
from chain.access.policy import Deployable
from chain.errors import ErrorCode, PoolError, Refusal
from chain.facts import Facts, unpack
from contracts.compiled import OnStage, Stage
from contracts.engine import Engine
from contracts.facts import ContextFacts, DatasetFacts, RequestFacts, encode_call
from contracts.guests import GUESTS_AHEAD
from contracts.sandbox import Sandbox, SandboxSession, verify_deployable

SPARE_TIME_S = 0.05
"""Without an order for this long, the child works ahead: not at once, when the block that it has just served is being
voted on.
"""
_LENGTH = struct.Struct("<I")


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One frame on the pipe; both ends are the same version of this file."""


class _Check(_Message, frozen=True):
    source: str
    parameters: str


class _Open(_Message, frozen=True):
    session: int
    source: str
    parameters: str


class _Decide(_Message, frozen=True):
    session: int
    call: bytes
    time_ms: int


class _Close(_Message, frozen=True):
    session: int


class _Staged(_Message, frozen=True):
    stage: Stage


class _Done(_Message, frozen=True):
    fuel: int = 0
    members: tuple[str, ...] = ()
    called: CallResult | None = None


class _Failed(_Message, frozen=True):
    code: ErrorCode
    detail: str
    context: dict[str, str | int]


class _Refused(_Message, frozen=True):
    code: ErrorCode
    facts: Facts
    fuel: int


_Order = _Check | _Open | _Decide | _Close
_Reply = _Staged | _Done | _Failed | _Refused
_encode = msgspec.msgpack.Encoder().encode
_orders: msgspec.msgpack.Decoder[_Order] = msgspec.msgpack.Decoder(_Order)
_replies: msgspec.msgpack.Decoder[_Reply] = msgspec.msgpack.Decoder(_Reply)


class SandboxProcess:
    """A sandbox in a child process; the same calls as ``Sandbox``. Threads may share it: calls take turns.

    Args:
        chain_id: for the hashes.
        cache_folder: of compiled guests; None for the user's.
        on_stage: told when the start is going to take long, and why.
        on_start: given the child before it is ready, so that somebody else can end it.

    Raises:
        PoolError: as ``Engine.open`` does.
    """

    def __init__(
        self,
        chain_id: bytes,
        cache_folder: Path | None = None,
        on_stage: OnStage = lambda stage: None,
        on_start: Callable[[subprocess.Popen[bytes]], None] = lambda child: None,
    ) -> None:
        self._command = [sys.executable, "-P", "-m", "contracts.worker", chain_id.hex(), str(cache_folder or "")]
        self._on_stage = on_stage
        self._on_start = on_start
        self._turn = threading.Lock()
        self._sessions = 0
        self._process = self._start()

    def check(self, source: str, parameters: str = "{}") -> Deployable:
        """As ``Sandbox.check``."""
        verify_deployable(source, parameters)
        done = self._ask(_Check(source, parameters))
        return Deployable(done.fuel, done.members)

    def contract(self, source: str, parameters: str = "{}") -> "RemoteSession":
        """As ``Sandbox.contract``. Starts a new child if the last one was lost."""
        verify_deployable(source, parameters)
        with self._turn:
            if self._process.poll() is not None:
                self._process = self._start()
            self._sessions += 1
            session = self._sessions
        self._ask(_Open(session, source, parameters))
        return RemoteSession(self, session)

    def close(self) -> None:
        """End the child."""
        with self._turn:
            _end(self._process)

    def kill(self) -> None:
        """End the child at once, in the middle of a call too: whoever waits for that gets ``engine_damaged``."""
        self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """Whether the child is there; ``contract`` starts a new one if it is not."""
        return self._process.poll() is None

    @property
    def process_id(self) -> int:
        """Of the child, for metrics."""
        return self._process.pid

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._on_start(process)
        try:
            self._reply(process)
        except PoolError:
            _end(process)
            raise
        return process

    def _ask(self, order: _Order) -> _Done:
        with self._turn:
            try:
                _write(_pipe(self._process.stdin), order)
            except (OSError, ValueError):
                raise _lost(self._process) from None
            return self._reply(self._process)

    def _reply(self, process: subprocess.Popen[bytes]) -> _Done:
        while True:
            data = _read(_pipe(process.stdout))
            if data is None:
                raise _lost(process)
            reply = _replies.decode(data)
            if isinstance(reply, _Staged):
                self._on_stage(reply.stage)
            elif isinstance(reply, _Refused):
                raise Refusal(reply.code, fuel=reply.fuel, **unpack(reply.facts))
            elif isinstance(reply, _Failed):
                raise PoolError(reply.code, reply.detail, **reply.context)
            else:
                return reply


class RemoteSession:
    """One contract in one block, in the child. As ``SandboxSession``."""

    def __init__(self, sandbox: SandboxProcess, session: int) -> None:
        self._sandbox = sandbox
        self._session = session

    def decide(self, request: RequestFacts, dataset: DatasetFacts, ctx: ContextFacts) -> CallResult:
        """As ``SandboxSession.decide``.

        Raises:
            PoolError: code ``contract_inputs_too_large``; ``engine_damaged`` if the child was lost.
        """
        return self.decide_encoded(encode_call(request, dataset, ctx), ctx.time_ms)

    def decide_encoded(self, call: bytes, time_ms: int) -> CallResult:
        """As ``SandboxSession.decide_encoded``.

        Raises:
            PoolError: code ``engine_damaged`` if the child was lost.
        """
        called = self._sandbox._ask(_Decide(self._session, call, time_ms)).called
        if called is None:
            raise PoolError(ErrorCode.ENGINE_DAMAGED, "the contract engine's process gave no decision")
        return called

    def close(self) -> None:
        """Give the guest's memory back."""
        self._sandbox._ask(_Close(self._session))


class _Worker:
    """The child's side: one sandbox and its sessions."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._sessions: dict[int, SandboxSession] = {}
        self._closed: list[SandboxSession] = []

    def answer(self, order: _Order) -> _Reply:
        """Carry one order out."""
        try:
            if isinstance(order, _Check):
                found = self._sandbox.check(order.source, order.parameters)
                return _Done(fuel=found.fuel, members=found.members)
            if isinstance(order, _Open):
                self._sessions[order.session] = self._sandbox.contract(order.source, order.parameters)
            elif isinstance(order, _Decide):
                session = self._sessions.get(order.session)
                if session is None:  # opened in a child that was lost
                    return _Failed(ErrorCode.ENGINE_DAMAGED, "the session ended with its process", {})
                return _Done(called=session.decide_encoded(order.call, order.time_ms))
            elif session := self._sessions.pop(order.session, None):
                session.close()
                self._closed.append(session)
        except Refusal as refusal:
            return _Refused(refusal.code, refusal.facts, refusal.fuel)
        except PoolError as error:
            return _Failed(error.code, error.detail, error.context)
        return _Done()

    @property
    def has_spare_work(self) -> bool:
        """Whether something can be done ahead: between two blocks, the contracts that were called last."""
        return bool(self._closed) and not self._sessions

    def work_ahead(self) -> None:
        """Load them for the next block."""
        for session in self._closed[-GUESTS_AHEAD:]:
            session.prepare_next()
        self._closed.clear()


def main(chain_id: str, cache_folder: str) -> None:
    """Serve the pipe until it closes."""
    for number in (signal.SIGINT, signal.SIGTERM):  # these reach the whole group; the parent decides
        signal.signal(number, signal.SIG_IGN)
    orders, replies = sys.stdin.buffer, sys.stdout.buffer
    try:
        folder = Path(cache_folder) if cache_folder else None
        engine = Engine.open(folder, lambda stage: _write(replies, _Staged(stage)))
    except PoolError as error:
        _write(replies, _Failed(error.code, error.detail, error.context))
        return
    _write(replies, _Done())
    worker = _Worker(Sandbox(engine, bytes.fromhex(chain_id)))
    while (data := _read(orders)) is not None:
        _write(replies, worker.answer(_orders.decode(data)))
        if worker.has_spare_work and not select.select([orders], [], [], SPARE_TIME_S)[0]:
            worker.work_ahead()


def _write(pipe: IO[bytes], message: _Message) -> None:
    data = _encode(message)
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> bytes | None:
    """The next frame; None at the end."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    length = _LENGTH.unpack(head)[0]
    data = pipe.read(length)
    return data if len(data) == length else None


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("the process has no pipe")
    return pipe


def _lost(process: subprocess.Popen[bytes]) -> PoolError:
    code = process.wait()
    return PoolError(ErrorCode.ENGINE_DAMAGED, f"the contract engine's process has ended with code {code}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the child's input and wait; a call that is running is bounded by its fuel."""
    with contextlib.suppress(OSError):  # an order that a dead child never took
        _pipe(process.stdin).close()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _pipe(process.stdout).close()


if __name__ == "__main__":
    main(*sys.argv[1:])
