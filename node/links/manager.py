"""The links of one node to all others: a full mesh, each node dialling every other and sending on its own connection.

Two connections a pair (one each way) need no agreement on who dials whom. A message travels on its sender's connection;
only answers come back on it.
Nothing here blocks: what cannot be queued is dropped and said so, and whoever misses it asks for it again.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping

from chain.errors import ErrorCode, PoolError
from chain.proofs.validators import ValidatorSet
from node.addresses import origin
from node.links.allowance import Allowances
from node.links.framing import KINDS
from node.links.incoming import IncomingLink
from node.links.outgoing import OutgoingLink
from node.links.peer_state import PROVABLE, LinkSetup, PeerState
from node.links.reception import Reception
from node.links.types import (
    FIRST_MESSAGE_KIND,
    LinkLimits,
    LinkStatus,
    OnConnect,
    OnDisconnect,
    OnMessage,
    OnRefused,
    OnRequest,
    Peer,
)
from node.tls import LinkIdentity, fingerprint, server_context

_CLOSE_TIMEOUT_S = 1.0
_REQUEST_PREFIX_BYTES = 5


class Links:
    """Sends to, asks and hears the other nodes. Used from one event loop, asyncio's or uvloop's."""

    def __init__(
        self,
        *,
        me: LinkIdentity,
        peers: Mapping[str, Peer],
        listen: tuple[str, int],
        chain_id: bytes,
        on_message: OnMessage,
        on_request: OnRequest,
        on_connect: OnConnect = lambda member, hello: None,
        on_disconnect: OnDisconnect = lambda member: None,
        on_refused: OnRefused = lambda reason: None,
        validators: Callable[[], ValidatorSet | None] = lambda: None,
        height: Callable[[], int] = lambda: 0,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        software: str = "",
        payloads: str = "all",
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
            on_refused: an accepted connection came to nothing: `crowded`, `silent`, `not_tls`, `tls`, `late`, `hello`.
            validators: who votes now; None for nobody.
            height: our last committed height, told to peers as a hint.
            clock_ms: our clock, milliseconds since 1970, told to peers.
            software: our version, told to peers for people.
            payloads: which payloads we keep, told to peers.
            limits: bounds, `LinkLimits()` if not given.
            jitter: uniform in [0, 1), spreads attempts to connect.
            log: where links coming up and going down are reported.
        """
        limits = limits or LinkLimits()
        self._setup = LinkSetup(
            me=me,
            chain_id=chain_id,
            software=software,
            payloads=payloads,
            height=height,
            clock_ms=clock_ms,
            on_message=on_message,
            on_request=on_request,
            on_connect=on_connect,
            on_disconnect=on_disconnect,
            on_refused=on_refused,
            allowances=Allowances(validators, limits.share, limits.others_share),
            limits=limits,
            jitter=jitter,
            log=log or logging.getLogger("blockpool.links"),
        )
        self._peers = dict(peers)
        self._listen = listen
        self._states: dict[str, PeerState] = {}
        self._outgoing: dict[str, OutgoingLink] = {}
        self._states_by_certificate: dict[bytes, PeerState] = {}
        self._server_tls = server_context(me, [])
        self._reception = Reception(self._setup, lambda: self._server_tls, self._new_link, self._origins)

    # Life

    async def start(self) -> None:
        """Listen, and begin to dial every peer.

        Raises:
            PoolError: codes `port_in_use`, `bad_configuration` (an address that is not ours or cannot be resolved).
        """
        await self._reception.start(*self._listen)
        self.update_peers(self._peers)

    async def close(self) -> None:
        """Stop accepting and dialling, hand over what is queued as far as peers take it, and close all links."""
        await self._reception.close()
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
                state = self._states[member] = PeerState(member, self._setup)
                state.note_origin(origin(peer.host))
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
        return self._reception.port

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

    def is_at_fault(self, member: str, error: PoolError) -> bool:
        """Whether what a member has sent is refused for what no honest node could have sent. It then loses its links
        for a while, see `PeerState.count_fault`.
        """
        state = self._states.get(member)
        if state is None or error.code not in PROVABLE:
            return False
        state.count_fault(error)
        return True

    def spend(self, member: str, seconds: float) -> None:
        """A member has caused work that came to nothing: it costs its allowance."""
        if (state := self._states.get(member)) is not None:
            state.spend(seconds)

    def wait_s(self, member: str) -> float:
        """How long nothing more is to be done for a member, seconds."""
        state = self._states.get(member)
        return state.allowance.wait_s if state is not None else 0.0

    async def taken(self, member: str, limit_bytes: int) -> None:
        """Return once a member has taken its answers, but for so much."""
        state = self._states.get(member)
        if state is not None and state.incoming is not None:
            await state.incoming.taken(limit_bytes)

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

    def _new_link(self) -> IncomingLink:
        return IncomingLink(self._setup, self._states_by_certificate.get, self._established)

    def _established(self, state: PeerState) -> None:
        if (link := self._outgoing.get(state.member)) is not None and state.outgoing is None:
            link.dial_soon()

    def _origins(self) -> frozenset[str]:
        return frozenset(source for state in self._states.values() for source in state.origins)
