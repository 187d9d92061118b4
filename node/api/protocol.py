"""HTTP connections with bounds that uvicorn does not set: time and size of a request's head, connections at once.

uvicorn alone would hold a connection whose head never ends for ever, and all of that head; refusals here are problem
documents like any other.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chain.errors import ErrorCode, PoolError
from chain.limits import KIB
from node.api.bodies import Receive, Scope, Send
from node.api.problems import MEDIA_TYPE, bad_request, problem_body, problem_headers

_HEAD_S = 10.0
"""From the first byte of a request, or from connecting, until its head is complete."""
_HEAD_BYTES = 64 * KIB


def bounded_protocol(connections: int) -> type[HttpToolsProtocol]:
    """The protocol class of a server that serves ``connections`` connections and requests at once."""

    class Bounded(_BoundedProtocol):
        connections_max = connections

    return Bounded


class _BoundedProtocol(HttpToolsProtocol):
    connections_max: int

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._served = self.app
        self._is_in_head = False
        self._head_bytes = 0
        self._head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._head_due = self.loop.call_later(_HEAD_S, self._refuse, "the request did not come in time")

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        was_in_head = self._is_in_head
        super().data_received(data)
        if not self._is_in_head:
            self._head_arrived()
            return
        if self._head_due is None:
            self._head_due = self.loop.call_later(_HEAD_S, self._refuse, "the request's head did not come in time")
        if was_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                self._refuse(f"the request's head is larger than {_HEAD_BYTES} bytes")

    def on_message_begin(self) -> None:
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._head_bytes = 0
        is_overloaded = len(self.connections) > self.connections_max or len(self.tasks) >= self.connections_max
        self.app = _overloaded if is_overloaded else self._served
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(msg)

    def _head_arrived(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _refuse(self, detail: str) -> None:
        """Answer and close."""
        self._head_arrived()
        self._is_in_head = False
        body = problem_body(bad_request(detail))
        status = HTTPStatus(ErrorCode.BAD_REQUEST.info.http_status)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


async def _overloaded(_scope: Scope, _receive: Receive, send: Send) -> None:
    error = PoolError(ErrorCode.NOT_READY, "this node serves as many connections as it can")
    headers = problem_headers(error) | {"Content-Type": MEDIA_TYPE, "Connection": "close"}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.code.info.http_status, "headers": raw})
    await send({"type": "http.response.body", "body": problem_body(error)})
