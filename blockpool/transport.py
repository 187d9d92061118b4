"""Requests over HTTP, from one event loop: what aiohttp makes of them, within bounds."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from blockpool.exchange import NodeRequest, Reply, Unreachable
from chain.messages.languages import LANGUAGE
from chain.packages import MAX_PACKAGE_SIZE_BYTES

REPLY_SIZE_MAX_BYTES = 2 * MAX_PACKAGE_SIZE_BYTES
"""More than the largest answer there is, blocks for an audit."""
_CONNECT_TIMEOUT_S = 3.0
_SLOWNESS_MAX = 4
"""An answer may take so many times the silence allowed until it is complete."""
_CONNECTIONS = 128
"""Open at once; requests beyond that wait for one."""
_LINE_SIZE_BYTES = 64 * 1024


class Broken(Exception):
    """A connection failed, or what came is no HTTP, too much or too slow."""


class Transport:
    """Connections to nodes. It is made and used within one event loop. Proxies of the environment are not used, and
    redirects, which could lead from https to http, not followed.
    """

    def __init__(self) -> None:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity", "Accept-Language": LANGUAGE.get()},
            auto_decompress=False,
            read_bufsize=_LINE_SIZE_BYTES,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    @asynccontextmanager
    async def open(self, url: str, request: NodeRequest, *, is_endless: bool = False) -> "AsyncGenerator[Response]":
        """Send a request to the node at ``url``; raises ``Broken``, also out of the block."""
        total_s = None if is_endless else _SLOWNESS_MAX * request.timeout_s
        try:
            async with self._http.request(
                request.method,
                URL(url + request.target, encoded=True),
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total_s, sock_connect=_CONNECT_TIMEOUT_S, sock_read=request.timeout_s),
            ) as response:
                yield Response(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Broken(str(error) or type(error).__name__) from None

    async def send(self, url: str, request: NodeRequest) -> Reply | Unreachable:
        """Send a request and read the whole answer."""
        try:
            async with self.open(url, request) as response:
                return await response.reply()
        except Broken as error:
            return Unreachable(str(error))


class Response:
    """An answer whose head has come."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The body as it comes; raises ``Broken`` beyond its bound."""
        size_bytes = 0
        async for piece in self._response.content.iter_any():
            size_bytes += len(piece)
            if size_bytes > REPLY_SIZE_MAX_BYTES:
                raise Broken(f"the answer is larger than {REPLY_SIZE_MAX_BYTES} bytes")
            yield piece

    async def lines(self) -> AsyncGenerator[str]:
        """The body line by line without their ends, however long it goes on; raises ``Broken`` for a line over its
        bound.
        """
        try:
            async for line in self._response.content:
                yield line.decode(errors="replace").rstrip("\r\n")
        except ValueError as error:  # a line over its bound
            raise Broken(str(error)) from None

    async def reply(self) -> Reply:
        """The whole answer."""
        body = b"".join([piece async for piece in self.pieces()])
        return Reply(self.status, {name.lower(): value for name, value in self._response.headers.items()}, body)
