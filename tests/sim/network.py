"""The network between whole validators: every direction of every link has its own delay and loss, and can be cut.

``SimLinks`` has the interface of ``node.links.Links`` as far as the node's parts use it. Frames may be lost, doubled
and overtaken, which real links (TCP) do only when they break: the simulator is the harder judge.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Protocol

from chain.errors import ErrorCode, PoolError
from node.links.peer_state import PROVABLE
from tests.sim.loop import SimLoop


@dataclass(frozen=True, slots=True)
class Frame:
    """A message."""

    kind: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """A question; ``id`` is unique in the run."""

    id: int
    kind: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to a request; no body if it failed."""

    id: int
    body: bytes | None


Packet = Frame | Request | Response


@dataclass(frozen=True, slots=True)
class LinkQuality:
    """One direction of one link."""

    delay_s: float
    jitter_s: float
    loss: float
    duplication: float


class Station(Protocol):
    """Whoever is reached under a name."""

    @property
    def is_up(self) -> bool:
        """Whether a process runs there."""
        ...

    def receive(self, sender: str, packet: Packet) -> None:
        """A packet arrives."""
        ...

    def hear_hello(self, sender: str, height: int) -> None:
        """A link to ``sender`` has come up."""
        ...

    def claimed_height(self) -> int:
        """The height that a new link is told."""
        ...


HEALTHY = LinkQuality(0.001, 0.004, 0.0, 0.0)


class Network:
    """All links of a run."""

    def __init__(self, loop: SimLoop, random: Random, names: Iterable[str]) -> None:
        self.loop = loop
        self.random = random
        self.names = tuple(names)
        self.stations: dict[str, Station] = {}
        self.quality: dict[tuple[str, str], LinkQuality] = {}
        self.slowness_s: dict[str, float] = {}
        """What a slow node takes longer over everything that it hears."""
        self.cut: set[tuple[str, str]] = set()
        """(sender, receiver) of broken directions."""
        self.linked: set[frozenset[str]] = set()
        """Pairs whose links are up."""
        self.counts: Counter[str] = Counter()
        self.requests = 0
        self.trace = 0
        """Changes with everything that arrives: equal for equal runs."""

    def send(self, sender: str, to: str, packet: Packet, delay_s: float = 0.0) -> None:
        """Put a packet on the way."""
        counts, random = self.counts, self.random
        counts["packets sent"] += 1
        if (sender, to) in self.cut:
            counts["packets cut off"] += 1
            return
        quality = self.quality.get((sender, to), HEALTHY)
        if quality.loss and random.random() < quality.loss:
            counts["packets lost"] += 1
            return
        copies = 1
        if quality.duplication and random.random() < quality.duplication:
            counts["packets duplicated"] += 1
            copies = 2
        for _ in range(copies):
            pause_s = quality.delay_s + quality.jitter_s * random.random() + self.slowness_s.get(to, 0.0) + delay_s
            self.loop.call_later(pause_s, self._arrive, sender, to, packet)

    def _arrive(self, sender: str, to: str, packet: Packet) -> None:
        self.counts["packets arrived"] += 1
        self.trace = hash((self.trace, self.loop.time(), ord(sender[0]), ord(to[0]), len(packet.body or b"")))
        self.stations[to].receive(sender, packet)

    def connect(self, name: str) -> None:
        """Bring up the links of one node to all that it reaches both ways."""
        for peer in self.names:
            pair = frozenset((name, peer))
            if peer == name or pair in self.linked or not self.stations[peer].is_up:
                continue
            if (name, peer) in self.cut or (peer, name) in self.cut:
                continue
            self.linked.add(pair)
            self.loop.call_later(0.002, partial(self._greet, name, peer))

    def _greet(self, name: str, peer: str) -> None:
        first, second = self.stations[name], self.stations[peer]
        if first.is_up and second.is_up:
            first.hear_hello(peer, second.claimed_height())
            second.hear_hello(name, first.claimed_height())

    def disconnect(self, name: str) -> None:
        """A process is gone, and its links with it."""
        self.linked = {pair for pair in self.linked if name not in pair}

    def is_linked(self, name: str, peer: str) -> bool:
        """Whether ``name`` takes its link to ``peer`` for up."""
        return frozenset((name, peer)) in self.linked

    def heal(self) -> None:
        """Good links everywhere."""
        self.cut.clear()
        self.quality.clear()
        self.slowness_s.clear()


class Sender(Protocol):
    """The process behind one end of the links."""

    name: str
    peers: tuple[str, ...]

    def on_fault(self, member: str, error: PoolError) -> None:
        """A peer is provably at fault."""
        ...

    def transmit(self, to: str, packet: Packet) -> None:
        """Let a packet go, or do something else with it."""
        ...


class SimLinks:
    """One process's end of the links."""

    def __init__(self, network: Network, owner: Sender) -> None:
        self._network = network
        self._owner = owner
        self._waiting: dict[int, asyncio.Future[bytes]] = {}

    @property
    def connected(self) -> list[str]:
        """Peers whose link is up."""
        return [peer for peer in self._owner.peers if self.is_connected(peer)]

    def is_connected(self, member: str) -> bool:
        """Whether the link to ``member`` is up."""
        return self._network.is_linked(self._owner.name, member)

    def is_at_fault(self, member: str, error: PoolError) -> bool:
        """Whether a member has sent what no honest one could have."""
        if error.code not in PROVABLE:
            return False
        self._owner.on_fault(member, error)
        return True

    def spend(self, member: str, seconds: float) -> None:
        """Time costs nothing here."""

    def wait_s(self, member: str) -> float:
        """Nobody has to wait."""
        return 0.0

    def send(self, member: str, kind: int, body: bytes, *, urgent: bool = False) -> bool:
        """Send a frame; False if the link is down."""
        if not self.is_connected(member):
            return False
        self._owner.transmit(member, Frame(kind, body))
        return True

    def broadcast(self, kind: int, body: bytes, *, urgent: bool = False) -> int:
        """Send a frame to all."""
        return sum(self.send(peer, kind, body) for peer in self.connected)

    async def request(self, member: str, kind: int, body: bytes, timeout_s: float = 5.0) -> bytes:
        """Ask, and wait for the answer.

        Raises:
            PoolError: code ``unreachable``.
        """
        if not self.is_connected(member):
            raise _unreachable(member)
        self._network.requests += 1
        id_ = self._network.requests
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[id_] = answer
        self._owner.transmit(member, Request(id_, kind, body))
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise _unreachable(member) from None
        finally:
            del self._waiting[id_]

    def answered(self, sender: str, response: Response) -> None:
        """An answer has come."""
        answer = self._waiting.get(response.id)
        if answer is None or answer.done():
            return
        if response.body is None:
            answer.set_exception(_unreachable(sender))
        else:
            answer.set_result(response.body)


def _unreachable(member: str) -> PoolError:
    return PoolError(ErrorCode.UNREACHABLE, f"request to {member}: no answer")
