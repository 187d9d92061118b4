"""Accepting connections: each is taken through its first byte, TLS and hello in bounded time, room and work.

Anybody who reaches the port can connect. So nothing is allocated before the first bytes are those of TLS, no more than
a hello needs before the hello is accepted, and what fails is counted, not logged. A newcomer always finds a place:
where there is none, the oldest silent connection goes, or else the oldest, of the address that holds most.
Addresses that members use have places of their own, so strangers cannot keep a node out that restarts.
"""

import asyncio
import errno
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

from chain.errors import ErrorCode, PoolError
from node.addresses import origin
from node.links.incoming import IncomingLink
from node.links.peer_state import LinkSetup

_ACCEPT_RETRY_S = 0.2
_TLS_HANDSHAKE = b"\x16\x03"
"""How every TLS handshake begins: content type and major version (RFC 8446, section 5.1)."""


@dataclass(slots=True, eq=False)
class _Seat:
    """A connection on its way to its hello."""

    origin: str
    is_silent: bool = True


class Reception:
    """Takes connections in until they belong to a member.

    Args:
        setup: of the links.
        server_tls: the context to accept with, now.
        new_link: makes the link of a connection.
        member_origins: addresses that members use, now (see `node.addresses.origin`).
    """

    def __init__(
        self,
        setup: LinkSetup,
        server_tls: Callable[[], ssl.SSLContext],
        new_link: Callable[[], IncomingLink],
        member_origins: Callable[[], Collection[str]],
    ) -> None:
        self._setup = setup
        self._server_tls = server_tls
        self._new_link = new_link
        self._member_origins = member_origins
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._places: dict[asyncio.Task[None], _Seat] = {}
        """Oldest first."""
        self._paces: dict[str, float] = {}

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            PoolError: codes `port_in_use`, `bad_configuration` (an address that is not ours or cannot be resolved).
        """
        self._listener = await _listen(host, port)
        self._accepting = asyncio.get_running_loop().create_task(self._accept_forever(self._listener))

    async def close(self) -> None:
        """Stop accepting, and drop what has not come to its hello."""
        tasks = [task for task in (self._accepting, *self._places) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()

    @property
    def port(self) -> int:
        """The port that we listen on."""
        if self._listener is None:
            raise RuntimeError("links have no port before they are started")
        port: int = self._listener.getsockname()[1]
        return port

    async def _accept_forever(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError as error:  # out of file descriptors, or gone before we accepted
                self._setup.log.warning("cannot accept a connection: %s", error)
                await asyncio.sleep(_ACCEPT_RETRY_S)
                continue
            place = _Seat(origin(address[0]))
            self._make_room_for(place.origin)
            task = loop.create_task(self._receive(sock, place))
            self._places[task] = place
            task.add_done_callback(self._places.pop)

    def _make_room_for(self, newcomer: str) -> None:
        limits, reserved = self._setup.limits, self._member_origins()
        held = Counter(place.origin for task, place in self._places.items() if not task.cancelling())
        strangers = {source: count for source, count in held.items() if source not in reserved}
        if held[newcomer] >= limits.unauthenticated_per_address:
            self._evict_from(newcomer)
        elif newcomer not in reserved and sum(strangers.values()) >= limits.strangers:
            self._evict_from(max(strangers, key=strangers.__getitem__))

    def _evict_from(self, source: str) -> None:
        tasks = [task for task, place in self._places.items() if place.origin == source and not task.cancelling()]
        oldest_silent = next((task for task in tasks if self._places[task].is_silent), tasks[0])
        oldest_silent.cancel()
        self._setup.on_refused("crowded")

    async def _receive(self, sock: socket.socket, place: _Seat) -> None:
        """Take an accepted connection to its hello; after that it belongs to its member."""
        link = self._new_link()
        try:
            refusal = await self._meet(sock, place, link)
        except OSError:
            refusal = "tls"
        finally:
            if not link.is_established:
                link.connection.abort("no hello")
                link.connection.abandon()
                sock.close()
        if refusal:
            self._setup.on_refused(refusal)

    async def _meet(self, sock: socket.socket, place: _Seat, link: IncomingLink) -> str | None:
        """Returns why it came to nothing, unless the hello was there and has its answer."""
        limits, loop = self._setup.limits, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limits.first_byte_timeout_s):
                start = await _first_bytes(sock)
        except TimeoutError:
            return "silent"
        if not start or not _TLS_HANDSHAKE.startswith(start):
            return "not_tls"
        place.is_silent = False
        try:
            async with asyncio.timeout(limits.handshake_timeout_s):
                await self._keep_pace(place.origin)
                await loop.connect_accepted_socket(lambda: link.connection, sock, ssl=self._server_tls())
                await link.settled.wait()
        except TimeoutError:
            return "late"
        return None if link.is_established else "hello"

    async def _keep_pace(self, source: str) -> None:
        """Wait until the source may have another handshake: members' addresses each at their own pace, all strangers
        together at one.
        """
        limits, reserved, now_s = self._setup.limits, self._member_origins(), asyncio.get_running_loop().time()
        is_member = source in reserved
        interval_s = 1 / (limits.member_handshakes_per_s if is_member else limits.strangers_handshakes_per_s)
        self._paces = {name: paid_s for name, paid_s in self._paces.items() if not name or name in reserved}
        pace = source if is_member else ""
        # What is paid for lies ahead by so much: the generic cell rate algorithm (ITU-T I.371).
        paid_s = self._paces[pace] = max(self._paces.get(pace, 0.0), now_s) + interval_s
        await asyncio.sleep(paid_s - now_s - limits.handshakes_at_once * interval_s)


async def _first_bytes(sock: socket.socket) -> bytes:
    """Wait until something can be read, and return how it begins, without taking it; empty at the end."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sock, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(sock)
    return sock.recv(len(_TLS_HANDSHAKE), socket.MSG_PEEK)


async def _listen(host: str, port: int) -> socket.socket:
    try:
        addresses = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, address = addresses[0]
        listener = socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PoolError(ErrorCode.PORT_IN_USE, f"port {port} on {host} is taken", port=port) from None
        raise PoolError(ErrorCode.BAD_CONFIGURATION, f"cannot listen on {host}:{port}: {error}") from None
    listener.setblocking(False)
    return listener
