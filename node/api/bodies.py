"""Bodies of requests, read with a bound on their size and on the time that they take."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from chain.errors import ErrorCode, PoolError
from chain.limits import MIB
from chain.messages.languages import LANGUAGE, of_header
from node.api.problems import MEDIA_TYPE, bad_request, problem_body, problem_headers

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

MSGPACK = "application/msgpack"
JSON = "application/json"
_BODY_S = 60.0
"""From the request's head to the end of its body."""
_DISCARDED_BYTES = 64 * MIB
"""Of a body that is too large, so much is read and thrown away, since a client that is still sending would not see the
answer; after that the connection is closed.
"""


class BodyRoom:
    """Memory for bodies that are on their way: bounded, and of one address no more than a share.

    What has come of a slow body waits in memory for the rest, which may take a minute.
    """

    def __init__(self, size_bytes: int = 256 * MIB, share: int = 4) -> None:
        """Room for ``size_bytes``, and of each address for one part in ``share``."""
        self._free_bytes = size_bytes
        self._of_address_bytes = size_bytes // share
        self._held: Counter[str] = Counter()
        """Bytes by origin."""

    def take(self, source: str, size_bytes: int) -> None:
        """Take room.

        Raises:
            PoolError: code ``not_ready``.
        """
        if size_bytes > self._free_bytes or self._held[source] + size_bytes > self._of_address_bytes:
            raise PoolError(ErrorCode.NOT_READY, "as much as fits is on its way to this node, or from your address")
        self._free_bytes -= size_bytes
        self._held[source] += size_bytes

    def give_back(self, source: str, size_bytes: int) -> None:
        """Room that is no longer needed."""
        self._free_bytes += size_bytes
        self._held[source] -= size_bytes
        if not self._held[source]:
            del self._held[source]


class BodyAbandoned(Exception):
    """The body is so large or so slow that the connection is closed rather than read to its end."""

    def __init__(self, error: PoolError) -> None:
        super().__init__(error.detail)
        self.error = error


def request_headers(scope: Scope) -> tuple[str, str, int | None]:
    """Content type without parameters, what is accepted, and the body's length if it is said."""
    content_type = accept = ""
    length: int | None = None
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value.decode("latin-1").partition(";")[0].strip().lower()
        elif name == b"accept":
            accept = value.decode("latin-1").lower()
        elif name == b"content-length" and value.isdigit():
            length = int(value)
    return content_type, accept, length


def verify_content_type(content_type: str) -> None:
    """Check that a body is MessagePack or JSON.

    Raises:
        PoolError: code ``bad_request``.
    """
    if content_type not in (MSGPACK, JSON):
        raise bad_request(f"Content-Type must be {MSGPACK} or {JSON}, not {content_type or 'absent'}")


async def read_body(
    receive: Receive, length: int | None, limit: int, room: BodyRoom | None = None, source: str = ""
) -> bytes:
    """The request's body. One that is declared too large is refused at once; of any other that is, no more than
    ``limit`` is ever held, and in ``room`` if it comes in parts.

    Raises:
        PoolError: codes ``too_large``, ``bad_request``, and ``not_ready`` if there is no room.
        BodyAbandoned: answer, then close the connection.
    """
    if length is not None and length > limit:
        raise _too_large(limit) if length <= _DISCARDED_BYTES else BodyAbandoned(_too_large(limit))
    try:
        async with asyncio.timeout(_BODY_S):
            return await _read_chunks(receive, limit, room or BodyRoom(limit, 1), source)
    except TimeoutError:
        raise BodyAbandoned(bad_request(f"the body did not come within {_BODY_S:g} s")) from None


async def _read_chunks(receive: Receive, limit: int, room: BodyRoom, source: str) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > limit:
            raise _too_large(limit)
        return body
    chunks, size, held = [body], len(body), 0
    try:
        while message.get("more_body", False):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise bad_request("the connection closed before the body was complete")
            chunk = message.get("body", b"")
            size += len(chunk)
            if size <= limit:
                room.take(source, len(chunk))
                held += len(chunk)
                chunks.append(chunk)
            elif size > _DISCARDED_BYTES:
                raise BodyAbandoned(_too_large(limit))
            elif chunks:
                chunks.clear()
                room.give_back(source, held)
                held = 0
    finally:
        room.give_back(source, held)
    if size > limit:
        raise _too_large(limit)
    return b"".join(chunks)


async def respond(send: Send, status: int, media_type: str, body: bytes, headers: dict[str, str]) -> None:
    """Send a whole response."""
    raw = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
    raw += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def hear_language(scope: Scope) -> None:
    """Speak to whoever sent this request in the language that it prefers, as long as the request is served."""
    headers = scope.get("headers", ())
    LANGUAGE.set(of_header(b",".join(value for name, value in headers if name == b"accept-language").decode("latin-1")))


async def refuse(send: Send, error: PoolError, headers: dict[str, str] | None = None) -> None:
    """Send a problem document, with more headers if given."""
    status, more = error.code.info.http_status, problem_headers(error) | (headers or {})
    await respond(send, status, MEDIA_TYPE, problem_body(error), more)


def _too_large(limit: int) -> PoolError:
    return PoolError(ErrorCode.TOO_LARGE, f"the body is larger than {limit} bytes")
