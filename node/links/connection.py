"""One TLS connection between two nodes: frames in, frames out, and a watch over its silence.

A connection knows nothing of members or meanings. Sending never blocks and never calls back: frames are queued, written
together once per turn of the event loop, and held back here (where urgent ones overtake) while the transport is full.
"""

import asyncio
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from chain.errors import ErrorCode, PoolError
from node.addresses import origin
from node.links.allowance import Allowance, step_s
from node.links.framing import FrameDecoder, SendQueue
from node.links.types import LinkLimits

_RESTING, _TURN = "resting", "turn"
_READ_S = 1e-4
"""What each read costs besides: the event loop's turn, and the way out of what is answered."""

OnFrame = Callable[["Connection", int, bytes], None]
OnLost = Callable[["Connection"], None]


class Connection(asyncio.BufferedProtocol):
    """A connection after the TLS handshake. It calls `on_frame` for every frame, and `on_lost` once at its end.

    A `PoolError` out of `on_frame` closes the connection: the peer broke a rule of the links. Anything else is a fault
    of ours, closes it too, and goes to the event loop's exception handler.
    """

    def __init__(self, limits: LinkLimits, on_frame: OnFrame, on_lost: OnLost) -> None:
        self._limits = limits
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._on_fault: Callable[[str], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._decoder = FrameDecoder()
        self._queue = SendQueue(limits.urgent_queue_bytes, limits.bulk_queue_bytes)
        self._transport: asyncio.Transport | None = None
        self._flush_scheduled = False
        self._write_paused = False
        self._holds: set[str] = set()
        """Why nothing is read now."""
        self._allowance: Allowance | None = None
        self._backlog: deque[int] = deque(maxlen=limits.backlog_intervals)
        """What had been queued since the beginning, at the latest intervals."""
        self._heard = False
        self._silent_intervals = 0
        self._watch: asyncio.TimerHandle | None = None
        self.error: str | None = None
        """Why it was closed, once it is."""
        self.is_closed = False
        self._read_since_s = 0.0
        self._taken_bytes = 0
        self._moved = asyncio.Event()
        self.sent_frames = 0
        self.sent_bytes = 0
        self.received_frames = 0
        self.received_bytes = 0

    # What its owner does with it

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait here for the transport."""
        return self._queue.size_bytes

    @property
    def ssl_object(self) -> ssl.SSLObject:
        """The finished TLS session."""
        if self._transport is None:
            raise RuntimeError("the TLS session was asked for before the handshake was done")
        return cast(ssl.SSLObject, self._transport.get_extra_info("ssl_object"))

    @property
    def origin(self) -> str:
        """Where the other end is, as `node.addresses.origin` has it; empty if it is gone already."""
        address = self._transport.get_extra_info("peername") if self._transport is not None else None
        return origin(address[0]) if address else ""

    def send(self, kind: int, body: bytes, *, urgent: bool) -> bool:
        """Queue a frame; False if the connection is closed or the queue full."""
        if self.is_closed or not self._queue.put(kind, body, urgent=urgent):
            return False
        self.sent_frames += 1
        self.sent_bytes += len(body)
        if not self._flush_scheduled and not self._write_paused:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)
        return True

    def accept(self, allowance: Allowance, on_fault: Callable[[str], None]) -> None:
        """The peer's hello is accepted: from now on it may send large frames, within its allowance. `on_fault` is told
        which rule of the links it has broken, and closes the connection.
        """
        self._decoder.widen(self._limits.frame_size_bytes)
        self._allowance = allowance
        self._on_fault = on_fault

    def abandon(self) -> None:
        """There was no connection after all. What refers to this one is let go, for reference counting to free it at
        once: strangers can make many of them."""
        self._on_frame = lambda connection, kind, body: None
        self._on_lost = lambda connection: None
        self._on_fault = None

    async def taken(self, limit_bytes: int) -> None:
        """Return once no more than so much waits here, or the connection is closed."""
        while not self.is_closed and self.queued_bytes > limit_bytes:
            self._moved.clear()
            await self._moved.wait()

    def hold(self, reason: str) -> None:
        """Stop reading, until every reason for it is gone."""
        if self._transport is not None and not self.is_closed and not self._holds:
            self._transport.pause_reading()
        self._holds.add(reason)

    def release(self, reason: str) -> None:
        """A reason not to read is gone."""
        if reason not in self._holds:
            return
        self._holds.discard(reason)
        if self._transport is not None and not self.is_closed and not self._holds:
            self._transport.resume_reading()

    def spend(self, seconds: float) -> None:
        """The peer has caused so much work. Nothing is read as long as it has spent more than its allowance."""
        if self._allowance is not None:
            self._allowance.spend(seconds)
            self.rest()

    @property
    def _wait_s(self) -> float:
        return 0.0 if self._allowance is None else self._allowance.wait_s

    def rest(self) -> None:
        """Do not read before the allowance is paid back."""
        wait_s = self._wait_s
        if wait_s and not self.is_closed and _RESTING not in self._holds:
            self.hold(_RESTING)
            if self._transport is not None:
                # TLS would go on to read meanwhile, byte by byte if the peer likes.
                cast(Any, self._transport).set_read_buffer_limits(high=1, low=0)
            self._loop.call_later(wait_s, self._wake)

    def _wake(self) -> None:
        if self._transport is not None and not self.is_closed:
            cast(Any, self._transport).set_read_buffer_limits()
        self.release(_RESTING)
        self.rest()

    def close(self, error: str) -> None:
        """Send what is queued as far as the transport takes it, then close; `error` says why."""
        if self.is_closed:
            return
        self._flush()
        self._mark_closed(error)
        if self._transport is not None:
            self._transport.close()
            # A peer that does not take the rest, or never answers close_notify of TLS, is not waited for.
            self._loop.call_later(self._limits.handshake_timeout_s, self._transport.abort)

    def abort(self, error: str) -> None:
        """Close at once; what is queued is lost. `error` says why."""
        if self.is_closed:
            return
        self._mark_closed(error)
        if self._transport is not None:
            self._transport.abort()

    def _mark_closed(self, error: str) -> None:
        self.is_closed = True
        self.error = error
        self._moved.set()
        if self._watch is not None:
            self._watch.cancel()

    # What the event loop does with it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TLS handshake is done."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._limits.write_buffer_bytes)
        _tune(transport.get_extra_info("socket"), self._limits.write_buffer_bytes)
        self._watch = self._loop.call_later(self._limits.ping_interval_s, self._check_silence)

    def connection_lost(self, exception: Exception | None) -> None:
        """The end, whoever wanted it."""
        if not self.is_closed:
            self._mark_closed(str(exception) if exception else "closed by the peer")
        self._on_lost(self)
        self.abandon()

    def eof_received(self) -> None:
        """The peer has closed its side: TLS has no half-open connections."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the transport puts the next bytes, once it has decrypted them."""
        self._read_since_s = time.perf_counter()
        return self._decoder.writable()

    def buffer_updated(self, count: int) -> None:
        """`count` bytes have arrived."""
        self._heard = True
        self.received_bytes += count
        self._take(count, self._read_since_s - _READ_S)

    def _take(self, count: int, since_s: float) -> None:
        """Handle the frames that are complete, for a moment; the rest after a turn of the loop and its wait. The peer
        pays for the time since `since_s`.
        """
        self.release(_TURN)
        began_s = time.perf_counter()
        is_left = False
        try:
            for kind, body in self._decoder.received(count):
                if self.is_closed:
                    return
                self.received_frames += 1
                self._on_frame(self, kind, body)
                if time.perf_counter() - began_s > self._limits.turn_s:
                    is_left = True
                    break
        except PoolError as error:
            (self._on_fault or self.close)(error.detail)
        except Exception as error:
            self.abort("a handler of ours failed")
            self._loop.call_exception_handler({"message": "handler of a frame failed", "exception": error})
        self.spend(step_s(since_s))
        if is_left:
            self.hold(_TURN)
            self._loop.call_later(self._wait_s, self._take_rest)

    def _take_rest(self) -> None:
        self._take(0, time.perf_counter())

    def pause_writing(self) -> None:
        """The transport is full."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """The transport has room."""
        self._write_paused = False
        self._flush()

    def _flush(self) -> None:
        self._flush_scheduled = False
        # write() calls pause_writing() at once when the transport is full, which ends the loop.
        while self._transport is not None and not self.is_closed and not self._write_paused:
            before = self._queue.size_bytes
            chunk = self._queue.take(self._limits.write_buffer_bytes)
            if not chunk:
                return
            self._taken_bytes += before - self._queue.size_bytes
            self._moved.set()
            self._transport.write(chunk)

    def _check_silence(self) -> None:
        # Intervals in which *we* looked are counted, not time: if our own loop stood still, the peer is not to blame.
        self._silent_intervals = 0 if self._heard or self._holds else self._silent_intervals + 1
        self._heard = False
        if self._silent_intervals >= self._limits.silent_intervals:
            self.abort(f"nothing heard for {self._silent_intervals * self._limits.ping_interval_s:g} s")
            return
        if len(self._backlog) == self._backlog.maxlen and self._taken_bytes < self._backlog[0]:
            self.abort("it does not take what it is sent")
            return
        self._backlog.append(self._taken_bytes + self.queued_bytes)
        self._watch = self._loop.call_later(self._limits.ping_interval_s, self._check_silence)


def protocol_violation(detail: str) -> PoolError:
    """The error of a peer that does not speak the protocol."""
    return PoolError(ErrorCode.MALFORMED, detail)


def _tune(sock: socket.socket, unsent_limit_bytes: int) -> None:
    """Small frames leave at once, and little waits in the kernel, where urgent frames could not overtake it."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, unsent_limit_bytes)
