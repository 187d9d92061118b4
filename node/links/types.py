"""What links are given and what they say about themselves."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from chain.limits import KIB, LIMITS, MIB
from node.links.hello import Hello


class LinkKind(IntEnum):
    """Frame kinds that the links themselves use, below `FIRST_MESSAGE_KIND`."""

    HELLO = 1
    """First frame in both directions: see `node.links.hello`."""
    REFUSE = 2
    """Instead of the answering hello, before closing: the reason as UTF-8 text."""
    PING = 3
    """See `node.links.pings`."""
    PONG = 4
    REQUEST = 5
    """Request id (4 bytes, big-endian), kind of the request (1 byte), body."""
    RESPONSE = 6
    """Request id (4 bytes), body."""
    FAILURE = 7
    """Request id (4 bytes), reason as UTF-8 text."""


FIRST_MESSAGE_KIND = 16
"""Kinds 16 to 63 are messages between nodes, and mean nothing to the links."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a member's node is found, and what it must prove to be."""

    host: str
    port: int
    certificate: bytes
    """X.509, DER: the one in the member's record."""


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """Bounds of the links. Sizes in bytes for each peer, times in seconds."""

    frame_size_bytes: int = LIMITS.frame_size_bytes
    """One frame's body."""
    urgent_queue_bytes: int = 2 * LIMITS.frame_size_bytes
    """Consensus messages that wait for a slow peer."""
    bulk_queue_bytes: int = 3 * LIMITS.frame_size_bytes
    """Transactions and blocks that wait for a slow peer."""
    strangers: int = 64
    """Accepted connections whose handshake has not finished, from all addresses that no member is known to use."""
    unauthenticated_per_address: int = 16
    """The same from one IPv4 address or IPv6 /56 network, be it a member's or not."""
    first_byte_timeout_s: float = 1.0
    """From being accepted until the first byte."""
    strangers_handshakes_per_s: float = 20.0
    """TLS handshakes that all strangers together are given: each costs about a millisecond of our time."""
    member_handshakes_per_s: float = 5.0
    """The same for each address of a member."""
    handshakes_at_once: int = 64
    """Of either, after a pause."""
    request_size_bytes: int = 256 * KIB
    """One request's body."""
    requests_in_flight: int = 8
    """Our requests that a peer works on at once; further ones wait their turn."""
    requests_served: int = 16
    """A peer's requests that we work on at once; beyond that its link is not read until one is done."""
    connect_timeout_s: float = 5.0
    handshake_timeout_s: float = 5.0
    """From the first byte until the hello is there."""
    request_served_timeout_s: float = 30.0
    """After which a request that we work on is given up."""
    ping_interval_s: float = 2.0
    backlog_intervals: int = 8
    """A link that has not taken for so long what waited on it then is closed: it holds our memory for nothing."""
    silent_intervals: int = 4
    """A link on which nothing was heard for this many intervals is closed: the other side is gone or frozen."""
    backoff_min_s: float = 0.1
    """Wait before the first new attempt; it doubles up to `backoff_max_s` and is jittered down to half."""
    backoff_max_s: float = 2.0
    redial_interval_min_s: float = 0.1
    """Between attempts, even if the peer dials in, which otherwise ends the wait."""
    penalty_min_s: float = 1.0
    """How long a peer gets no link after its first provable fault. It doubles with each up to `penalty_max_s`, and
    begins anew once there was none for that long."""
    penalty_max_s: float = 300.0
    turn_s: float = 0.001
    """Frames of one link are handled for so long before the event loop turns."""
    share: float = 0.1
    """Of the loop's time, for what validators that may be faulty cause, all together. The frames of one that is honest
    took at most 0.045 of it where four nodes were driven as hard as they go."""
    others_share: float = 0.125
    """The same for all members that do not vote, together."""
    write_buffer_bytes: int = MIB // 4
    """Handed to the transport at once. What is there can no longer be overtaken."""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One peer's links now, and what went over them since the start."""

    connected: bool
    """Our link to the peer is up: what we send arrives."""
    connected_in: bool
    """The peer's link to us is up."""
    rtt_ms: float | None
    """Last round trip of a ping."""
    clock_offset_ms: int | None
    """The peer's clock less ours, as it said last."""
    queued_bytes: int
    """Waits to be sent."""
    sent_frames: int
    sent_bytes: int
    received_frames: int
    received_bytes: int
    dropped_frames: int
    """Not sent because a queue was full or the link down."""
    faults: int
    """Frames of the peer that broke a rule."""
    connects: int
    """How often our link came up."""
    last_error: str | None
    """Why the link is down, or was the last time."""
    height: int | None
    """What the peer said in its last hello."""
    software: str | None
    payloads: str | None


OnMessage = Callable[[str, int, bytes], None]
"""(member, kind, body). A `PoolError` is the peer's fault: it is counted and the frame dropped."""
OnRequest = Callable[[str, int, bytes], Coroutine[Any, Any, bytes]]
"""(member, kind, body) -> body of the response. A `PoolError` becomes the reason that the peer is given."""
OnRefused = Callable[[str], None]
"""Why an accepted connection came to nothing, as one word."""
OnConnect = Callable[[str, Hello], None]
OnDisconnect = Callable[[str], None]
