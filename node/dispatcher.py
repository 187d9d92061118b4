"""Hands what peers send to the part of the node that it is for."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from chain.errors import ErrorCode, PoolError
from node.links import Hello
from node.pool import Pool


@dataclass(frozen=True)
class Routes:
    """Who handles what, by ``FrameKind``."""

    messages: Mapping[int, Callable[[str, bytes], None]]
    """``(member, body)``."""
    requests: Mapping[int, Callable[[str, bytes], Awaitable[bytes]]]
    """``(member, body)``; returns the response."""
    connections: Sequence[Callable[[str, int], None]]
    """Told ``(member, height)`` when a link comes up, in this order."""


class Dispatcher:
    """Handles the events of links.

    Args:
        routes: of this node.
        pool: while it is closing, messages are dropped.
        on_fatal: told of a failing disk.
    """

    def __init__(self, routes: Routes, pool: Pool, on_fatal: Callable[[Exception], None]) -> None:
        self._routes = routes
        self._pool = pool
        self._on_fatal = on_fatal
        self._log = logging.getLogger("blockpool.node")

    def on_message(self, member: str, kind: int, body: bytes) -> None:
        """A message has come.

        Raises:
            PoolError: its sender is at fault.
        """
        if self._pool.is_closing:
            return
        handle = self._routes.messages.get(kind)
        if handle is None:
            raise PoolError(ErrorCode.MALFORMED, f"frames of kind {kind} are unknown")
        try:
            handle(member, body)
        except PoolError as error:
            if not error.code.is_storage:
                raise
            self._on_fatal(error)

    async def on_request(self, member: str, kind: int, body: bytes) -> bytes:
        """A request has come; returns the response.

        Raises:
            PoolError: it is refused.
        """
        handle = self._routes.requests.get(kind)
        if handle is None:
            raise PoolError(ErrorCode.MALFORMED, f"requests of kind {kind} are unknown")
        try:
            return await handle(member, body)
        except PoolError as error:
            if error.code.is_storage:
                self._on_fatal(error)
            raise

    def on_connect(self, member: str, hello: Hello) -> None:
        """A link to a peer is up."""
        self._log.info("peer connected", extra={"peer": member, "height": hello.height})
        for tell in self._routes.connections:
            tell(member, hello.height)

    def on_disconnect(self, member: str) -> None:
        """It is down again."""
        self._log.info("peer disconnected", extra={"peer": member})
