"""A connection that a peer made to us: its hello, then its messages, requests and pings."""

import asyncio
from collections.abc import Callable

from chain.errors import ErrorCode, PoolError
from node.links.connection import Connection, protocol_violation
from node.links.hello import decode_hello
from node.links.peer_state import LinkSetup, PeerState
from node.links.pings import PING_BYTES, pong
from node.links.requests import IncomingRequests
from node.links.types import FIRST_MESSAGE_KIND, LinkKind
from node.tls import fingerprint, peer_certificate

Identify = Callable[[bytes], PeerState | None]
"""Fingerprint of a certificate -> the peer that has it now."""


class IncomingLink:
    """One accepted connection. Until its hello is accepted it belongs to no member and may send nothing else."""

    def __init__(self, setup: LinkSetup, identify: Identify, on_established: Callable[[PeerState], None]) -> None:
        self._setup = setup
        self._identify = identify
        self._on_established = on_established
        self._state: PeerState | None = None
        self._requests: IncomingRequests | None = None
        self.settled = asyncio.Event()
        """Set when the hello was accepted or refused, or the connection is gone."""
        self.connection = Connection(setup.limits, self._received, self._lost)

    @property
    def is_established(self) -> bool:
        """Whether the connection belongs to its member."""
        return self._state is not None

    def _received(self, connection: Connection, kind: int, body: bytes) -> None:
        if self._state is None or self._requests is None:
            self._received_hello(kind, body)
        elif kind >= FIRST_MESSAGE_KIND:
            try:
                self._setup.on_message(self._state.member, kind, body)
            except PoolError as error:
                self._state.count_fault(error)
        elif kind == LinkKind.REQUEST:
            self._requests.received(body)
        elif kind == LinkKind.PING and len(body) == PING_BYTES:
            connection.send(LinkKind.PONG, pong(body, self._setup.clock_ms()), urgent=True)
        else:
            raise protocol_violation(f"a frame of kind {kind} after the hello")

    def _received_hello(self, kind: int, body: bytes) -> None:
        setup, connection = self._setup, self.connection
        state = self._identify(fingerprint(peer_certificate(connection.ssl_object)))
        try:
            if state is None:
                raise PoolError(ErrorCode.UNKNOWN_MEMBER, "the certificate is not in any member's record")
            if kind != LinkKind.HELLO:
                raise protocol_violation(f"a frame of kind {kind} instead of a hello")
            decode_hello(body, state.member, setup.chain_id)
            if state.barred_s:
                raise PoolError(ErrorCode.NOT_READY, "it was at fault; no link for now")
        except PoolError as error:
            if state is not None:
                state.note_refusal(error.detail)
            connection.send(LinkKind.REFUSE, error.detail.encode()[:300], urgent=True)
            connection.close(error.detail)
            self.settled.set()
            return
        if state.incoming is not None:
            state.incoming.abort("replaced by a newer connection of the same member")
        connection.send(LinkKind.HELLO, setup.hello(), urgent=True)
        self._state = state
        self._requests = IncomingRequests(state, connection, setup)
        state.incoming = connection
        state.note_origin(connection.origin)
        connection.accept(state.allowance, state.bar)
        self.settled.set()
        self._on_established(state)

    def _lost(self, connection: Connection) -> None:
        self.settled.set()
        if self._state is None or self._requests is None:
            return
        self._requests.cancel()
        self._state.connection_ended(connection)
        self._setup.log.info("link from %s is down: %s", self._state.member, connection.error)
        if self._state.incoming is connection:
            self._state.incoming = None
