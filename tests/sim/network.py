"""Links between simulated nodes: they delay, reorder, lose, duplicate, and break in one or both directions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.sim.clock import MOMENTS_PER_TICK, Clock

Packet = object
"""Whatever one node sends another; nodes tell the kinds apart by type."""


@dataclass(frozen=True, slots=True)
class LinkQuality:
    """How bad the links are."""

    loss: float
    """Part of the packets that vanish."""
    duplication: float
    """Part of the packets that arrive twice."""
    delay_moments_max: int
    """Packets take 1 to so many moments, each on its own: they overtake each other."""


HEALTHY = LinkQuality(loss=0.0, duplication=0.0, delay_moments_max=MOMENTS_PER_TICK // 2)


class Network:
    """All links. ``deliver(to, sender, packet)`` is called when a packet arrives."""

    def __init__(self, clock: Clock, random: Random, deliver: Callable[[str, str, Packet], None]) -> None:
        self._clock = clock
        self._random = random
        self._deliver = deliver
        self.quality = HEALTHY
        self.cut: set[tuple[str, str]] = set()
        """(sender, receiver) of the directions that are broken."""
        self.losses: dict[str, float] = {}
        """Further loss by kind of packet: what makes replicas see different parts of one conversation."""
        self.counts: Counter[str] = Counter()

    def send(self, sender: str, to: str, packet: Packet) -> None:
        """Put a packet on the link from ``sender`` to ``to``."""
        self.counts["packets sent"] += 1
        if (sender, to) in self.cut:
            self.counts["packets cut off"] += 1
            return
        if self._random.random() < self.quality.loss + self.losses.get(type(packet).__name__, 0.0):
            self.counts["packets lost"] += 1
            return
        self._carry(sender, to, packet)
        if self._random.random() < self.quality.duplication:
            self.counts["packets duplicated"] += 1
            self._carry(sender, to, packet)

    def heal(self) -> None:
        """Good links everywhere."""
        self.cut.clear()
        self.losses.clear()
        self.quality = HEALTHY

    def _carry(self, sender: str, to: str, packet: Packet) -> None:
        delay = self._random.randint(1, self.quality.delay_moments_max)
        self._clock.after(delay, lambda: self._deliver(to, sender, packet))
