"""Our link to one peer: dialled again and again with bounded, jittered waits, and used for all that we send to it."""

import asyncio
import contextlib
from collections.abc import Callable

from node.links.connection import Connection, protocol_violation
from node.links.hello import decode_hello
from node.links.peer_state import LinkSetup, PeerState
from node.links.pings import Pings
from node.links.requests import OutgoingRequests
from node.links.types import LinkKind, Peer
from node.tls import client_context, peer_certificate


class Backoff:
    """Waits between attempts: doubling from a minimum to a maximum, each shortened at random by up to half.

    The randomness keeps nodes that lost each other at one moment from trying again at one moment.
    """

    def __init__(self, min_s: float, max_s: float, jitter: Callable[[], float]) -> None:
        """`jitter` gives numbers in [0, 1)."""
        self._min_s = min_s
        self._max_s = max_s
        self._jitter = jitter
        self._wait_s = min_s

    def next_s(self) -> float:
        """The wait before the next attempt, in seconds."""
        wait_s = self._wait_s
        self._wait_s = min(2 * wait_s, self._max_s)
        return wait_s * (1 - 0.5 * self._jitter())

    def reset(self) -> None:
        """Start from the minimum again."""
        self._wait_s = self._min_s


class OutgoingLink:
    """Keeps a connection to one peer. Everything that comes back on it is an answer: hello, pongs, responses."""

    def __init__(self, setup: LinkSetup, peer: Peer, state: PeerState) -> None:
        self._setup = setup
        self._peer = peer
        self._state = state
        self._tls = client_context(setup.me, [peer.certificate])  # trusts this one certificate and nothing else
        self._requests = OutgoingRequests(state.member, setup.limits)
        self._pings = Pings(setup.clock_ms)
        self._redial = asyncio.Event()
        self._gone = asyncio.Event()
        self._connection: Connection | None = None
        self._task = asyncio.get_running_loop().create_task(self._keep_dialling())

    def dial_soon(self) -> None:
        """The peer is known to be there: do not wait any longer."""
        self._redial.set()

    def close(self, reason: str) -> None:
        """Stop dialling and close the connection, telling the peer nothing but the end of it."""
        self._task.cancel()
        if self._connection is not None:
            self._connection.close(reason)

    async def request(self, kind: int, body: bytes) -> bytes:
        """See `Links.request`, without the time limit."""
        return await self._requests.ask(self._state.outgoing, kind, body)

    async def _keep_dialling(self) -> None:
        limits, loop = self._setup.limits, asyncio.get_running_loop()
        backoff = Backoff(limits.backoff_min_s, limits.backoff_max_s, self._setup.jitter)
        while True:
            started_s = loop.time()
            await asyncio.sleep(self._state.barred_s)
            await self._dial_once()
            # Only a link that lasted proves that waiting can start from the bottom again.
            if loop.time() - started_s > limits.backoff_max_s + limits.connect_timeout_s:
                backoff.reset()
            self._redial.clear()
            await asyncio.sleep(limits.redial_interval_min_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff.next_s()):
                    await self._redial.wait()

    async def _dial_once(self) -> None:
        """Dial, and return when there is no connection (any more)."""
        limits, loop = self._setup.limits, asyncio.get_running_loop()
        self._gone.clear()
        try:
            async with asyncio.timeout(limits.connect_timeout_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(limits, self._received, self._lost),
                    self._peer.host,
                    self._peer.port,
                    ssl=self._tls,
                    server_hostname="",
                    ssl_handshake_timeout=limits.handshake_timeout_s,
                )
        except (OSError, UnicodeError) as error:
            self._state.note_error(describe(error))
            return
        self._connection = connection
        self._state.note_origin(connection.origin)
        if peer_certificate(connection.ssl_object) != self._peer.certificate:
            connection.abort("another certificate than the member's record has")
        connection.send(LinkKind.HELLO, self._setup.hello(), urgent=True)
        hello_due = loop.call_later(limits.handshake_timeout_s, self._check_hello, connection)
        await self._gone.wait()
        hello_due.cancel()

    def _check_hello(self, connection: Connection) -> None:
        if self._state.outgoing is not connection:
            connection.abort("no hello came back in time")

    def _received(self, connection: Connection, kind: int, body: bytes) -> None:
        if self._state.outgoing is not connection:
            self._received_hello(connection, kind, body)
        elif kind == LinkKind.PONG:
            self._state.answered = self._pings.answered(body) or self._state.answered
        elif kind in (LinkKind.RESPONSE, LinkKind.FAILURE):
            self._requests.answered(body, failed=kind == LinkKind.FAILURE)
        else:
            raise protocol_violation(f"a frame of kind {kind} where only answers belong")

    def _received_hello(self, connection: Connection, kind: int, body: bytes) -> None:
        state = self._state
        if kind == LinkKind.REFUSE:
            raise protocol_violation(f"refused by the peer: {body.decode('utf-8', 'replace')[:300]}")
        if kind != LinkKind.HELLO:
            raise protocol_violation(f"a frame of kind {kind} instead of a hello")
        state.hello = decode_hello(body, state.member, self._setup.chain_id)
        connection.accept(state.allowance, state.bar)
        state.outgoing = connection
        state.answered = None
        state.connects += 1
        state.last_error = None
        self._setup.log.info("link to %s is up (height %d)", state.member, state.hello.height)
        self._ping(connection)
        self._setup.on_connect(state.member, state.hello)

    def _ping(self, connection: Connection) -> None:
        if not connection.is_closed:
            connection.send(LinkKind.PING, self._pings.make(), urgent=True)
            asyncio.get_running_loop().call_later(self._setup.limits.ping_interval_s, self._ping, connection)

    def _lost(self, connection: Connection) -> None:
        state = self._state
        state.connection_ended(connection)
        if not self._task.cancelling():  # else it was we who wanted the end
            state.note_error(connection.error or "closed")
        self._gone.set()
        if state.outgoing is connection:
            state.outgoing = None
            self._requests.fail_all(connection.error or "the link went down")
            self._setup.on_disconnect(state.member)


def describe(error: Exception) -> str:
    """One line for people: some errors of the event loop have no text."""
    return str(error) or type(error).__name__
