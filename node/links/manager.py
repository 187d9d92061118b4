"""The links of one node to all others: a full mesh, each node dialling every other and sending on its own connection.

Two connections a pair (one each way) need no agreement on who dials whom. A message travels on its sender's connection;
only answers come back on it.
Nothing here blocks: what cannot be queued is dropped and said so, and whoever misses it asks for it again.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import random
import socket
from collections.abc import Callable, Mapping

from chain.errors import ErrorCode, PoolError
from node.addresses import origin
from node.links.framing import KINDS
from node.links.incoming import IncomingLink
from node.links.outgoing import OutgoingLink, describe
from node.links.peer_state import LinkSetup, PeerState
from node.links.types import (
    FIRST_MESSAGE_KIND,
    LinkLimits,
    LinkStatus,
    OnConnect,
    OnDisconnect,
    OnMessage,
    OnRequest,
    Peer,
)
from node.tls import Identity, fingerprint, server_context

_ACCEPT_RETRY_S = 0.2
_CLOSE_TIMEOUT_S = 1.0
_REQUEST_PREFIX_BYTES = 5


class Links:
    """Sends to, asks and hears the other nodes. Used from one event loop, asyncio's or uvloop's."""

    def __init__(
        self,
        *,
        me: Identity,
        peers: Mapping[str, Peer],
        listen: tuple[str, int],
        chain_id: bytes,
        on_message: OnMessage,
        on_request: OnRequest,
        on_connect: OnConnect = lambda member, hello: None,
        on_disconnect: OnDisconnect = lambda member: None,
        height: Callable[[], int] = lambda: 0,
        software: str = "",
        limits: LinkLimits | None = None,
        jitter: Callable[[], float] = random.random,
        log: logging.Logger | None = None,
    ) -> None:
        """Take the configuration; nothing happens before `start`.

        Args:
            me: our member, certificate and key.
            peers: the other nodes by member name.
            listen: host and port to accept links on; port 0 takes any free one.
            chain_id: SHA-256 of the genesis file. Nodes of other chains are refused.
            on_message: called for every message, on the event loop; it must not take long.
            on_request: answers requests.
            on_connect: our link to a member is up, and `send` to it works.
            on_disconnect: it is down again.
            height: our last committed height, told to peers as a hint.
            software: our version, told to peers for people.
            limits: bounds, `LinkLimits()` if not given.
            jitter: uniform in [0, 1), spreads attempts to connect.
            log: where links coming up and going down are reported.
        """
        self._setup = LinkSetup(
            me=me,
            chain_id=chain_id,
            software=software,
            height=height,
            on_message=on_message,
            on_request=on_request,
            on_connect=on_connect,
            on_disconnect=on_disconnect,
            limits=limits or LinkLimits(),
            jitter=jitter,
            log=log or logging.getLogger("blockpool.links"),
        )
        self._peers = dict(peers)
        self._listen = listen
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._handshakes: dict[asyncio.Task[None], str] = {}
        """Handshakes that are not done, with where they come from."""
        self._states: dict[str, PeerState] = {}
        self._outgoing: dict[str, OutgoingLink] = {}
        self._states_by_certificate: dict[bytes, PeerState] = {}
        self._server_tls = server_context(me, [])

    # Life

    async def start(self) -> None:
        """Listen, and begin to dial every peer.

        Raises:
            PoolError: codes `port_in_use`, `bad_configuration` (an address that is not ours or cannot be resolved).
        """
        self._listener = await _listen(*self._listen)
        self.update_peers(self._peers)
        self._accepting = asyncio.get_running_loop().create_task(self._accept_forever(self._listener))

    async def close(self) -> None:
        """Stop accepting and dialling, hand over what is queued as far as peers take it, and close all links."""
        tasks = [task for task in (self._accepting, *self._handshakes) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
        states = list(self._states.values())
        for member in list(self._states):
            self._remove(member, "this node is shutting down")
        deadline_s = asyncio.get_running_loop().time() + _CLOSE_TIMEOUT_S
        while any(state.outgoing or state.incoming for state in states):
            if asyncio.get_running_loop().time() > deadline_s:
                break
            await asyncio.sleep(0.01)

    def update_peers(self, peers: Mapping[str, Peer]) -> None:
        """Take a new membership: links of peers that are gone or changed are closed, new peers are dialled."""
        for member, peer in self._peers.items():
            if member in self._states and peers.get(member) != peer:
                self._remove(member, "the member's record has changed")
        self._peers = {member: peer for member, peer in peers.items() if member != self._setup.me.member}
        self._server_tls = server_context(self._setup.me, [peer.certificate for peer in self._peers.values()])
        for member, peer in self._peers.items():
            if member not in self._states:
                state = self._states[member] = PeerState(member, self._setup.log)
                self._outgoing[member] = OutgoingLink(self._setup, peer, state)
        self._states_by_certificate = {
            fingerprint(peer.certificate): self._states[member] for member, peer in self._peers.items()
        }

    def _remove(self, member: str, reason: str) -> None:
        self._outgoing.pop(member).close(reason)
        state = self._states.pop(member)
        if state.incoming is not None:
            state.incoming.close(reason)

    @property
    def port(self) -> int:
        """The port that we listen on."""
        if self._listener is None:
            raise RuntimeError("links have no port before they are started")
        port: int = self._listener.getsockname()[1]
        return port

    # Use

    def send(self, member: str, kind: int, body: bytes, *, urgent: bool = False) -> bool:
        """Queue a message. False if there is no link to the member, or too much waits on it already.

        `urgent` messages overtake the others. Messages of one class arrive in order while the link lives; when it comes
        up anew (`on_connect`), what was lost is not sent again by itself.

        Raises:
            PoolError: code `too_large`, for a body over the frame limit.
        """
        self._check(kind, len(body))
        state = self._states.get(member)
        if state is None:
            return False
        if state.outgoing is None or not state.outgoing.send(kind, body, urgent=urgent):
            state.dropped_frames += 1
            return False
        return True

    def broadcast(self, kind: int, body: bytes, *, urgent: bool = False) -> int:
        """Send to every peer; returns for how many it was queued."""
        return sum(self.send(member, kind, body, urgent=urgent) for member in self._states)

    async def request(self, member: str, kind: int, body: bytes, timeout_s: float = 5.0) -> bytes:
        """Ask a member and wait for its answer.

        Raises:
            PoolError: codes `unreachable` (no link, link lost, or the peer could not answer: the detail says which),
                `timeout`, `too_large`.
        """
        self._check(kind, _REQUEST_PREFIX_BYTES + len(body))
        link = self._outgoing.get(member)
        if link is None:
            raise PoolError(ErrorCode.UNREACHABLE, f"{member} is not a peer", member=member)
        try:
            async with asyncio.timeout(timeout_s):
                return await link.request(kind, body)
        except TimeoutError:
            detail = f"{member} did not answer within {timeout_s:g} s"
            raise PoolError(ErrorCode.TIMEOUT, detail, member=member) from None

    def is_connected(self, member: str) -> bool:
        """Whether our link to the member is up."""
        state = self._states.get(member)
        return state is not None and state.outgoing is not None

    @property
    def connected(self) -> list[str]:
        """Members that our link to is up, by name."""
        return sorted(member for member in self._states if self.is_connected(member))

    def status(self) -> dict[str, LinkStatus]:
        """Each peer's links now, by member."""
        return {member: state.status() for member, state in self._states.items()}

    def _check(self, kind: int, size_bytes: int) -> None:
        if not FIRST_MESSAGE_KIND <= kind < KINDS:
            raise ValueError(f"message kinds are {FIRST_MESSAGE_KIND} to {KINDS - 1}, not {kind}")
        limit = self._setup.limits.frame_size_bytes
        if size_bytes > limit:
            raise PoolError(ErrorCode.TOO_LARGE, f"a message of {size_bytes} bytes exceeds the frame limit of {limit}")

    # Accepting

    async def _accept_forever(self, listener: socket.socket) -> None:
        loop, log = asyncio.get_running_loop(), self._setup.log
        while True:
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError as error:  # out of file descriptors, or gone before we accepted
                log.warning("cannot accept a connection: %s", error)
                await asyncio.sleep(_ACCEPT_RETRY_S)
                continue
            source = origin(address[0])
            if not self._has_room_for(source):
                sock.close()
                continue
            task = loop.create_task(self._complete_handshake(sock))
            self._handshakes[task] = source
            task.add_done_callback(self._handshakes.pop)

    def _has_room_for(self, source: str) -> bool:
        limits, sources = self._setup.limits, self._handshakes.values()
        return (
            len(sources) < limits.unauthenticated
            and sum(other == source for other in sources) < limits.unauthenticated_per_address
        )

    async def _complete_handshake(self, sock: socket.socket) -> None:
        """Take an accepted connection through TLS and hello, in bounded time; then it belongs to its member."""
        link = IncomingLink(self._setup, self._states_by_certificate.get, self._established)
        timeout_s = self._setup.limits.handshake_timeout_s
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: link.connection, sock, ssl=self._server_tls, ssl_handshake_timeout=timeout_s
            )
        except OSError as error:
            self._setup.log.info("an incoming connection failed its TLS handshake: %s", describe(error))
            sock.close()
            return
        try:
            async with asyncio.timeout(timeout_s):
                await link.settled.wait()
        except TimeoutError:
            link.connection.abort("no hello in time")

    def _established(self, state: PeerState) -> None:
        if (link := self._outgoing.get(state.member)) is not None and state.outgoing is None:
            link.dial_soon()


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
