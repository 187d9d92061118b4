"""Pings: how long a peer takes to answer, and how far its clock is from ours.

A peer can answer late and say any time, so both are for people and change nothing. What it cannot do is answer a ping
that was not sent: a pong says the number of its ping, and when that went is known here alone.
"""

import struct
import time
from collections.abc import Callable
from typing import NamedTuple

from node.links.connection import protocol_violation

_PING = struct.Struct(">Q")
_PONG = struct.Struct(">QQ")
PING_BYTES = _PING.size
_CLOCK_MAX_MS = 2**53 - 1
"""The largest number that every reader of JSON takes exactly."""


class Answered(NamedTuple):
    """What a pong says."""

    rtt_ms: float
    """From the ping to its pong."""
    clock_offset_ms: int
    """The peer's clock less ours, as of the middle between the two (RFC 5905, section 8); wrong by half of ``rtt_ms``
    at most, if the peer tells the truth."""


class Pings:
    """The pings of one connection, of which one is under way at a time.

    Args:
        clock_ms: this node's clock, milliseconds since 1970.
    """

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._number = 0
        self._sent_s: float | None = None

    def make(self) -> bytes:
        """Body of the next ping; the one before it is given up."""
        self._number += 1
        self._sent_s = time.monotonic()  # not the loop's clock, which uvloop keeps in milliseconds
        return _PING.pack(self._number)

    def answered(self, body: bytes) -> Answered | None:
        """What a pong says; None if the ping that it answers is not under way.

        Raises:
            PoolError: code ``malformed``.
        """
        if len(body) != _PONG.size:
            raise protocol_violation(f"a pong of {len(body)} bytes")
        number, clock_ms = _PONG.unpack(body)
        if clock_ms > _CLOCK_MAX_MS:
            raise protocol_violation("a pong with a time that no clock shows")
        if number != self._number or self._sent_s is None:
            return None
        rtt_ms, self._sent_s = (time.monotonic() - self._sent_s) * 1000, None
        return Answered(rtt_ms, clock_ms - round(self._clock_ms() - rtt_ms / 2))


def pong(ping: bytes, clock_ms: int) -> bytes:
    """Body of the answer to a ping: its number, and the time here, milliseconds since 1970.

    Args:
        ping: ``PING_BYTES``.
    """
    return ping + struct.pack(">Q", clock_ms)
