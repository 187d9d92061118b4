"""What all links of one node share, and what is remembered of one peer across its connections."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from chain.errors import ErrorCode, PoolError
from node.links.allowance import Allowance, Allowances
from node.links.connection import Connection
from node.links.hello import Hello, encode_hello
from node.links.pings import Answered
from node.links.types import LinkLimits, LinkStatus, OnConnect, OnDisconnect, OnMessage, OnRefused, OnRequest
from node.tls import LinkIdentity

PROVABLE = {
    ErrorCode.MALFORMED,
    ErrorCode.NOT_CANONICAL,
    ErrorCode.TOO_LARGE,
    ErrorCode.WRONG_CHAIN,
    ErrorCode.BAD_SIGNATURE,
    ErrorCode.PAYLOAD_MISMATCH,
}
"""Found in the bytes alone, so an honest sender finds it too. Anything else may look different at another height."""


@dataclass(frozen=True, slots=True)
class LinkSetup:
    """Who we are, what we call, and within which bounds."""

    me: LinkIdentity
    chain_id: bytes
    software: str
    payloads: str
    height: Callable[[], int]
    clock_ms: Callable[[], int]
    on_message: OnMessage
    on_request: OnRequest
    on_connect: OnConnect
    on_disconnect: OnDisconnect
    on_refused: OnRefused
    allowances: Allowances
    limits: LinkLimits
    jitter: Callable[[], float]
    log: logging.Logger

    def hello(self) -> bytes:
        """Our hello, as of now."""
        return encode_hello(Hello(self.chain_id, self.me.member, self.software, self.height(), self.payloads))


class PeerState:
    """One peer's connections and the sums over those that are gone."""

    def __init__(self, member: str, setup: LinkSetup) -> None:
        self.member = member
        self.outgoing: Connection | None = None
        """Our link to the peer, once both hellos are exchanged."""
        self.incoming: Connection | None = None
        """The peer's link to us, likewise."""
        self.hello: Hello | None = None
        self.answered: Answered | None = None
        """What the last pong on this link said."""
        self.connects = 0
        self.dropped_frames = 0
        self.last_error: str | None = None
        self.origins: tuple[str, ...] = ()
        """Where the peer was last, at most two: its own address and the one that its connections come from."""
        self.last_refusal = ""
        self._limits = setup.limits
        self._log = setup.log
        self._allowances = setup.allowances
        self._faults = 0
        self._penalty_s = 0.0
        self._barred_until_s = 0.0
        self._sent = [0, 0]
        self._received = [0, 0]

    def connection_ended(self, connection: Connection) -> None:
        """Keep the sums of a connection that is gone."""
        self._sent = [self._sent[0] + connection.sent_frames, self._sent[1] + connection.sent_bytes]
        self._received = [self._received[0] + connection.received_frames, self._received[1] + connection.received_bytes]

    def note_origin(self, origin: str) -> None:
        """The peer is, or dials from, there."""
        if origin and origin not in self.origins:
            self.origins = (*self.origins[-1:], origin)

    def note_refusal(self, reason: str) -> None:
        """Remember why the peer's link was refused; the same reason again and again is logged once."""
        if reason != self.last_refusal:
            self.last_refusal = reason
            self._log.warning("refused a link from %s: %s", self.member, reason)

    @property
    def allowance(self) -> Allowance:
        """What the peer may take of our time."""
        return self._allowances.of(self.member)

    @property
    def barred_s(self) -> float:
        """How long the peer gets no link, seconds; 0 if it may have one."""
        return max(0.0, self._barred_until_s - time.monotonic())

    def spend(self, seconds: float) -> None:
        """The peer has caused so much work."""
        self.allowance.spend(seconds)
        for link in (self.outgoing, self.incoming):
            if link is not None:
                link.rest()

    def count_fault(self, error: PoolError) -> None:
        """Remember what the peer has sent that is refused. If no honest node could have sent it, that costs the peer
        its links for a while, which doubles each time; what may have come about otherwise is only counted.
        """
        self._faults += 1
        if self._faults & (self._faults - 1) == 0:  # a peer that sends nothing else must not fill the log
            self._log.warning("%s sent what is refused (%d so far): %s", self.member, self._faults, error)
        if error.code in PROVABLE:
            self.bar(f"at fault: {error.detail}")

    def bar(self, reason: str) -> None:
        """Close the links to the peer, and let no new one come up for a while."""
        now_s, limits = time.monotonic(), self._limits
        if now_s - self._barred_until_s > limits.penalty_max_s:
            self._penalty_s = 0.0
        self._penalty_s = min(max(2 * self._penalty_s, limits.penalty_min_s), limits.penalty_max_s)
        self._barred_until_s = now_s + self._penalty_s
        for link in (self.outgoing, self.incoming):
            if link is not None:
                # Not in good order: until the peer has agreed to the end, TLS would go on to take what it sends.
                link.abort(reason)

    def note_error(self, error: str) -> None:
        """Remember why there is no link; the same reason again and again is logged once."""
        if error != self.last_error:
            self.last_error = error
            self._log.warning("no link to %s: %s", self.member, error)

    def status(self) -> LinkStatus:
        """Now, and the sums so far."""
        answered = self.answered if self.outgoing is not None else None
        connections = [link for link in (self.outgoing, self.incoming) if link is not None]
        return LinkStatus(
            connected=self.outgoing is not None,
            connected_in=self.incoming is not None,
            rtt_ms=answered.rtt_ms if answered is not None else None,
            clock_offset_ms=answered.clock_offset_ms if answered is not None else None,
            queued_bytes=self.outgoing.queued_bytes if self.outgoing is not None else 0,
            sent_frames=self._sent[0] + sum(link.sent_frames for link in connections),
            sent_bytes=self._sent[1] + sum(link.sent_bytes for link in connections),
            received_frames=self._received[0] + sum(link.received_frames for link in connections),
            received_bytes=self._received[1] + sum(link.received_bytes for link in connections),
            dropped_frames=self.dropped_frames,
            faults=self._faults,
            connects=self.connects,
            last_error=self.last_error,
            height=self.hello.height if self.hello is not None else None,
            software=self.hello.software if self.hello is not None else None,
            payloads=self.hello.payloads if self.hello is not None else None,
        )
