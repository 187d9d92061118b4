"""HTTP connections with bounds that uvicorn does not set: time and size of a request's head, connections at once, in
all and from one address.

uvicorn alone would hold a connection whose head never ends for ever, and all of that head. Refusals here are problem
documents like any other; only of a flood that does not even read them the rest is dropped without a word, since each
connection that waits for its refusal costs a descriptor.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chain.errors import ErrorCode, PoolError
from chain.limits import KIB
from node.addresses import origin
from node.api.bodies import Receive, Scope, Send, refuse
from node.api.problems import MEDIA_TYPE, bad_request, problem_body

_HEAD_S = 10.0
"""From the first byte of a request, or from connecting, until its head is complete."""
_HEAD_BYTES = 64 * KIB
_LARGE_HEAD = f"the request's head is larger than {_HEAD_BYTES} bytes"
_HEADER_SIGNS = 4
"""Colon, space and the line's end."""
_UNTAKEN_S = 60.0
"""How long an answer may wait for a client that takes nothing of it."""
_UNREAD_S = 60.0
"""From an answer that was given before its request was complete until the rest has come, which is thrown away."""
_PIPELINED = 16
"""Requests that wait on their connection for the answers to those before them; hardly any client sends ahead."""
_REFUSED = 64
"""Connections beyond a bound that are held until their request has come and is refused; any more are dropped."""


def bounded_protocol(connections: int, connections_per_address: int) -> type[HttpToolsProtocol]:
    """The protocol class of a server that serves ``connections`` connections and requests at once, and of those no more
    than ``connections_per_address`` from one address."""

    class Bounded(_BoundedProtocol):
        connections_max = connections
        connections_per_address_max = connections_per_address
        connections_from: ClassVar[Counter[str]] = Counter()

    return Bounded


class _BoundedProtocol(HttpToolsProtocol):
    connections_max: int
    connections_per_address_max: int
    connections_from: ClassVar[Counter[str]]
    """How many are open, by origin."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._served = self.app
        self._origin = ""
        self._is_refused = False
        self._is_in_head = False
        self._is_request_complete = True
        self._head_bytes = 0
        self._parsed_bytes = 0
        """Of the target and the headers that this request has."""
        self._head_due: asyncio.TimerHandle | None = None
        self._rest_due: asyncio.TimerHandle | None = None
        self._untaken: asyncio.TimerHandle | None = None
        self._closes_after_request = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._origin = origin(self.client[0]) if self.client else ""
        self.connections_from[self._origin] += 1
        excess = self._excess()
        if excess > _REFUSED:
            transport.abort()
            return
        # Decided once: whoever was here before is served on, however many come later.
        self._is_refused = excess > 0
        self._head_due = self.loop.call_later(_HEAD_S, self._refuse, "the request did not come in time")

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        self._rest_arrived()
        self._taken()
        self.connections_from[self._origin] -= 1
        if not self.connections_from[self._origin]:
            del self.connections_from[self._origin]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        was_in_head = self._is_in_head
        super().data_received(data)
        if not self._is_in_head:
            self._head_arrived()
            if not self._is_request_complete and self.cycle.response_complete:
                self._expect_rest()
            return
        if self._head_due is None:
            self._head_due = self.loop.call_later(_HEAD_S, self._refuse, "the request's head did not come in time")
        if was_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                self._refuse(_LARGE_HEAD)

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _PIPELINED:
            raise _TooManyAhead  # out of the parser, which is the end of the connection
        self._is_in_head = True
        self._is_request_complete = False
        self._parsed_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._parsed_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._parsed_bytes += len(name) + len(value) + _HEADER_SIGNS
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._head_bytes = 0
        if self._is_refused or len(self.tasks) >= self.connections_max:
            self.app = _overloaded
        else:
            # A head may come in one read, complete, and be larger than is read of one that comes in parts.
            self.app = self._served if self._parsed_bytes <= _HEAD_BYTES else _large_headed
        super().on_headers_complete()
        if self._is_refused or not self.cycle.keep_alive:
            self.cycle.transport = _LateClosing(self.transport, self._close_after_request)  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        self._is_request_complete = True
        self._rest_arrived()
        super().on_message_complete()
        if self._closes_after_request:
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._untaken = self.loop.call_later(_UNTAKEN_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._taken()

    def _taken(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

    def _close_after_request(self) -> None:
        """Close once the request is complete: a connection that is closed with bytes unread is reset, and the answer
        may be lost with it."""
        if self._is_request_complete:
            self.transport.close()
        else:
            self._closes_after_request = True
            self._expect_rest()

    def send_400_response(self, msg: str) -> None:
        self._refuse(msg)

    def _excess(self) -> int:
        """Connections beyond the bound that is exceeded most; none if not positive."""
        return max(
            len(self.connections) - self.connections_max,
            self.connections_from[self._origin] - self.connections_per_address_max,
        )

    def _head_arrived(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _expect_rest(self) -> None:
        if self._rest_due is None:
            self._rest_due = self.loop.call_later(_UNREAD_S, self.transport.close)

    def _rest_arrived(self) -> None:
        if self._rest_due is not None:
            self._rest_due.cancel()
            self._rest_due = None

    def _refuse(self, detail: str) -> None:
        """Answer and close."""
        self._head_arrived()
        self._is_in_head = False
        self._is_request_complete = True
        body = problem_body(bad_request(detail))
        status = HTTPStatus(ErrorCode.BAD_REQUEST.info.http_status)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


async def _large_headed(_scope: Scope, _receive: Receive, send: Send) -> None:
    await refuse(send, bad_request(_LARGE_HEAD), {"Connection": "close"})


class _TooManyAhead(Exception):
    """A client sends requests without end and reads no answers."""


class _LateClosing:
    """The transport of a response after which the connection closes, but for when it does."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


async def _overloaded(_scope: Scope, _receive: Receive, send: Send) -> None:
    error = PoolError(ErrorCode.NOT_READY, "this node serves as many connections as it can, or as many of this address")
    await refuse(send, error, {"Connection": "close"})
