"""A member that does not vote, and misbehaves: it sends to all but the primary, floods, forges, asks for too much,
claims what is not so, and answers with rubbish. It stands for any number of them.

It draws from a source of its own and its frames are never lost, so the rest of a seed's schedule is chosen as without.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from random import Random

from chain.limits import LIMITS
from chain.primitives.encoding import encode
from consensus import messages
from node.frames import BlockRange, FrameKind, News
from tests.node.cluster import forged
from tests.sim.network import Frame, Packet, Request, Response
from tests.sim.stage import members_of
from tests.sim.validator import TICK_S, Validator, World

NAME = "outsider"
_FLOOD = 200


class Observer:
    """See the module. ``begin`` has it act, at a pace that the source chooses, until the run ends."""

    is_up = True

    def __init__(self, random: Random, world: World, nodes: dict[str, Validator]) -> None:
        self._random = random
        self._world = world
        self._nodes = nodes
        self._pause_s = random.choice((0.02, 0.1, 0.4))
        self._made = 0

    def begin(self) -> None:
        """Act now and then from here on."""
        self._world.after(self._pause_s * (0.5 + self._random.random()), self._act)

    def receive(self, sender: str, packet: Packet) -> None:
        """Requests are answered with rubbish, with nothing, or not at all."""
        if isinstance(packet, Request) and (way := self._random.randrange(3)):
            self._count("rubbish answers")
            self._send(sender, Response(packet.id, self._random.randbytes(40) if way == 1 else encode(())))

    def hear_hello(self, sender: str, height: int) -> None:
        """It has nothing to say to that."""

    def claimed_height(self) -> int:
        """What a new link is told."""
        return 10**12

    def _act(self) -> None:
        ways: tuple[Callable[[], None], ...] = (
            self._send_to_all_but_the_primary,
            self._flood,
            self._forge,
            self._ask_for_much,
            self._claim,
            self._babble,
        )
        for name in self._nodes:
            self._world.network.linked.add(frozenset((NAME, name)))
        self._random.choice(ways)()
        self.begin()

    def _send_to_all_but_the_primary(self) -> None:
        self._count("withheld from the primary")
        services = [node.service for node in self._nodes.values() if node.service is not None]
        primaries = {service.driver.replica.primary for service in services}
        for _ in range(self._random.randint(1, 3)):
            self._made += 1
            body = encode((_transaction(self._world.members.size, self._made),))
            for name in self._nodes:
                if name not in primaries or self._made == 1:
                    self._send(name, Frame(FrameKind.TRANSACTIONS, body))

    def _flood(self) -> None:
        self._count("floods")
        data = _transaction(self._world.members.size, 1)
        self._to_all(Frame(FrameKind.TRANSACTIONS, encode((data,) * _FLOOD)))

    def _forge(self) -> None:
        self._count("forgeries")
        self._to_all(Frame(FrameKind.TRANSACTIONS, encode((forged(_transaction(self._world.members.size, 1)),))))

    def _ask_for_much(self) -> None:
        self._count("costly questions")
        many = tuple(number.to_bytes(32) for number in range(self._random.choice((1, 500))))
        for kind, body in (
            (FrameKind.FETCH_BLOCKS, encode(BlockRange(0, LIMITS.catch_up_blocks))),
            (FrameKind.FETCH_TRANSACTIONS, encode(self._random.choice((many, many[:1] * 2)))),
            (FrameKind.FETCH_VOTES, b""),
        ):
            self._world.network.requests += 1
            self._to_all(Request(self._world.network.requests, kind, body))

    def _claim(self) -> None:
        self._count("false claims")
        self._to_all(Frame(FrameKind.NEWS, encode(News(self._random.choice((0, 5, 10**12))))))
        named = tuple(self._random.randbytes(32) for _ in range(20))
        self._to_all(Frame(FrameKind.OVERDUE, encode(named)))

    def _babble(self) -> None:
        """Rubbish of every kind, and votes, which are not its to cast."""
        self._count("rubbish")
        kind = self._random.choice([int(kind) for kind in FrameKind])
        self._to_all(Frame(kind, self._random.randbytes(self._random.randint(0, 200))))
        vote = messages.Prepare(self._random.randint(0, 50), 0, bytes(32), "a", bytes(64))
        self._to_all(Frame(FrameKind.CONSENSUS, messages.encode_message(vote)))

    def _to_all(self, packet: Packet) -> None:
        for name in self._nodes:
            self._send(name, packet)

    def _send(self, to: str, packet: Packet) -> None:
        if not self._nodes[to].is_up:
            return
        pause_s = TICK_S * self._random.random()
        self._world.after(pause_s, partial(self._world.network.stations[to].receive, NAME, packet))

    def _count(self, what: str) -> None:
        self._world.counts[f"observer: {what}"] += 1


@lru_cache(maxsize=4096)
def _transaction(size: int, number: int) -> bytes:
    """Of the observer: its dataset first, then parcels."""
    network = members_of(size)
    network.nonce = 10**9 + number
    if number == 1:
        return encode(network.dataset(NAME))
    return encode(network.parcel([b'{"n":%d}' % number], NAME, f"{NAME}.flights"))
