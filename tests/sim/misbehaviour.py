"""Validators that break the protocol, one way each; at most ``f`` of them in a run, unless a test wants more.

A new kind is a subclass of ``Validator`` and an entry in ``KINDS``. Each one runs the real node and changes what leaves
it; it signs with its own key only.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from chain.blocks import Block, Proposal, block_hash, decode_header
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.packages import BlockPackage, Packages
from chain.primitives.crypto import Hash
from chain.primitives.encoding import decode, encode
from chain.transactions.base import CheckedTransaction
from consensus import messages
from node.frames import BlockRange, FrameKind, News
from node.mempool import Mempool
from tests.equivocation import Equivocation
from tests.sim.network import Frame, Packet, Request, Response
from tests.sim.validator import CONFIG, LIMITS, TICK_S, SimPool, SimService, Validator, World

S = TypeVar("S", bound=messages.Statement)


class Byzantine(Validator):
    """Rewrites consensus messages on their way out: override ``lie``."""

    is_byzantine = True

    def transmit(self, to: str, packet: Packet) -> None:
        if isinstance(packet, Frame) and packet.kind == FrameKind.CONSENSUS and self.service is not None:
            for message in self.lie(self.service, to, messages.decode_message(packet.body)):
                super().transmit(to, Frame(FrameKind.CONSENSUS, messages.encode_message(message)))
        else:
            super().transmit(to, packet)

    def lie(self, service: SimService, to: str, message: messages.Message) -> Sequence[messages.Message]:
        """What goes to ``to`` instead of a message."""
        return [message]

    def signed(self, statement: S) -> S:
        """The statement with this node's genuine signature."""
        signature = self.signer.sign(messages.signed_message(self.world.members.chain_id, statement))
        return msgspec.structs.replace(statement, signature=signature)

    def prepare(self, height: int, view: int, hash_: bytes) -> messages.Prepare:
        """A genuine prepare of this node's."""
        return self.signed(messages.Prepare(height, view, hash_, self.name, bytes(64)))

    def hash_of(self, proposal: Proposal) -> bytes:
        """A proposal's block hash."""
        return block_hash(self.world.members.chain_id, proposal.header)


class Silent(Byzantine):
    """Says nothing of its own, as if crashed for ever, also when it is the primary."""

    def transmit(self, to: str, packet: Packet) -> None:
        self.world.counts["packets withheld"] += 1


class Mute(Byzantine):
    """Follows, answers and spreads transactions, but never votes or proposes."""

    def lie(self, service: SimService, to: str, message: messages.Message) -> Sequence[messages.Message]:
        return [message] if isinstance(message, messages.Status) else []


class Equivocator(Byzantine):
    """As primary proposes one block to some and another block to the others, and votes for both."""

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name, world)
        self.equivocation = Equivocation(world.members.chain_id, name, self.signer)
        self.misled = {peer for peer in self.peers if world.random.random() < 0.5}

    def lie(self, service: SimService, to: str, message: messages.Message) -> Sequence[messages.Message]:
        if to not in self.misled:
            return [message]
        instead = self.equivocation.instead_of(message, service.ledger, service.pool.mempool)
        self.world.counts["equivocations"] += isinstance(instead, messages.PrePrepare)
        return [message if instead is None else instead]


class Falsifier(Byzantine):
    """As primary lies in every block's header: about its state, its outcomes, its time, its parent."""

    fields: tuple[str, ...] = ("state_root", "result_root", "time_ms", "parent_hash", "history_root")

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name, world)
        self._false: dict[bytes, Proposal] = {}
        """By the hash of the true block."""

    def lie(self, service: SimService, to: str, message: messages.Message) -> Sequence[messages.Message]:
        if isinstance(message, messages.Prepare | messages.Commit):
            told = self._false.get(message.block_hash)
            if told is None:
                return [message]
            return [self.signed(msgspec.structs.replace(message, block_hash=self.hash_of(told)))]
        if not isinstance(message, messages.PrePrepare):
            return [message]
        true = self.hash_of(message.proposal)
        false = self._false.get(true)
        if false is None:
            header = decode_header(message.proposal.header)
            field = self.world.random.choice(self.fields)
            value = header.time_ms + 3_600_000 if field == "time_ms" else bytes(32)
            lie = msgspec.structs.replace(header, **{field: value})
            false = self._false[true] = Proposal(encode(lie), message.proposal.transaction_ids)
        self.world.counts["false headers"] += 1
        vote = message.prepare
        return [messages.PrePrepare(self.prepare(vote.height, vote.view, self.hash_of(false)), false)]


class YesSayer(Byzantine):
    """Votes for whatever is proposed by whomever, in both phases and at once, and for the opposite too."""

    def receive(self, sender: str, packet: Packet) -> None:
        super().receive(sender, packet)
        if not isinstance(packet, Frame) or packet.kind != FrameKind.CONSENSUS or self.service is None:
            return
        try:
            message = messages.decode_message(packet.body)
        except PoolError:
            return
        if isinstance(message, messages.PrePrepare):
            self.world.counts["votes for anything"] += 1
            self.assent(message.prepare, message.prepare.block_hash, self.peers)

    def assent(self, to_vote: messages.Prepare, hash_: Hash, peers: Sequence[str]) -> None:
        """Vote for a block at the height and in the view of a proposal, before some of the peers."""
        for phase in (messages.Prepare, messages.Commit):
            vote = self.signed(phase(to_vote.height, to_vote.view, hash_, self.name, bytes(64)))
            for peer in peers:
                self.world.network.send(self.name, peer, Frame(FrameKind.CONSENSUS, messages.encode_message(vote)))

    def lie(self, service: SimService, to: str, message: messages.Message) -> Sequence[messages.Message]:
        return [] if isinstance(message, messages.Prepare | messages.Commit) else [message]


class Amnesiac(Byzantine):
    """Claims in every view change that it saw nothing prepared, and asks for view changes without need."""

    def lie(self, service: SimService, to: str, message: messages.Message) -> Sequence[messages.Message]:
        if isinstance(message, messages.ViewChange):
            return [self._empty(message.vote.height, message.vote.view)]
        if self.world.random.random() < 0.05:
            self.world.counts["needless view changes"] += 1
            replica = service.driver.replica
            return [message, self._empty(replica.height, replica.view + 1)]
        return [message]

    def _empty(self, height: int, view: int) -> messages.ViewChange:
        vote = self.signed(messages.ViewChangeVote(height, view, None, None, self.name, bytes(64)))
        return messages.ViewChange(vote, None, None)


class Forger(Byzantine):
    """Signs nothing properly when it counts: forged votes, claims with forged proofs, new views without proof."""

    def lie(self, service: SimService, to: str, message: messages.Message) -> Sequence[messages.Message]:
        if self.world.random.random() < 0.5 or not isinstance(
            message, messages.Prepare | messages.Commit | messages.ViewChange | messages.NewView
        ):
            return [message]
        self.world.counts["forgeries"] += 1
        match message:
            case messages.Prepare() | messages.Commit():
                return [msgspec.structs.replace(message, signature=bytes(64))]
            case messages.ViewChange(vote=vote):
                hash_ = self.world.random.randbytes(32)
                claim = self.signed(
                    messages.ViewChangeVote(vote.height, vote.view, vote.view - 1, hash_, self.name, bytes(64))
                )
                return [messages.ViewChange(claim, self._proof(vote.height, vote.view - 1, hash_), message.proposal)]
            case messages.NewView(height=height, view=view):
                hash_ = self.world.random.randbytes(32)
                claim = self.signed(messages.ViewChangeVote(height, view, view - 1, hash_, self.name, bytes(64)))
                votes = tuple(claim if vote.validator == self.name else vote for vote in message.votes)
                proof = self.world.random.choice((None, self._proof(height, view - 1, hash_)))
                return [messages.NewView(height, view, votes, proof)]

    def _proof(self, height: int, view: int, hash_: Hash) -> messages.PreparedCertificate:
        """Prepares of all, of which only its own is genuine."""
        own = self.prepare(height, view, hash_).signature
        names = self.world.members.names
        return messages.PreparedCertificate(
            height, view, hash_, tuple((name, own if name == self.name else bytes(64)) for name in names)
        )


class Slow(Byzantine):
    """Sends every consensus message just before the others time out."""

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name, world)
        self._delay_s = CONFIG.view_timeout_ticks * TICK_S * world.random.choice((0.3, 0.45, 0.7, 0.9))

    def transmit(self, to: str, packet: Packet) -> None:
        if isinstance(packet, Frame) and packet.kind == FrameKind.CONSENSUS:
            self.world.counts["packets held back"] += 1
            self.world.network.send(self.name, to, packet, self._delay_s)
        else:
            super().transmit(to, packet)


class _CensoringMempool(Mempool):
    victim: str

    @property
    def oldest(self) -> CheckedTransaction | None:
        others = (checked for id_ in self.ids if (checked := self.get(id_)) and checked.header.member != self.victim)
        return next(others, None)

    def select(self, time_ms: int, *, with_calls: bool = True) -> list[CheckedTransaction]:
        chosen = super().select(time_ms, with_calls=with_calls)
        return [checked for checked in chosen if checked.header.member != self.victim]


class Censor(Byzantine):
    """As primary never orders one member's transactions."""

    def make_pool(self, ledger: Ledger) -> SimPool:
        pool = super().make_pool(ledger)
        mempool = pool.mempool = _CensoringMempool(LIMITS)
        mempool.victim = self.peers[0]
        return pool


class Withholder(Byzantine):
    """Keeps what it is handed from whoever is primary, and tells all the others."""

    def transmit(self, to: str, packet: Packet) -> None:
        service = self.service
        is_primary = service is not None and to == service.driver.replica.primary
        if is_primary and isinstance(packet, Frame) and packet.kind in (FrameKind.TRANSACTIONS, FrameKind.OVERDUE):
            self.world.counts["transactions withheld"] += 1
        else:
            super().transmit(to, packet)


class CatchUpLiar(Byzantine):
    """Claims heights that do not exist, and serves false blocks, other blocks, nothing, or rubbish, or stalls."""

    def claimed_height(self) -> int:
        return super().claimed_height() + self.world.random.choice((0, 5, 10**12))

    def lie(self, service: SimService, to: str, message: messages.Message) -> Sequence[messages.Message]:
        if isinstance(message, messages.Status):
            if self.world.random.random() < 0.2:
                super().transmit(to, Frame(FrameKind.NEWS, encode(News(self.claimed_height()))))
            return [messages.Status(message.height + self.world.random.choice((0, 1, 100)), message.view)]
        return [message]

    async def answer(self, service: SimService, sender: str, request: Request) -> bytes:
        if request.kind != FrameKind.FETCH_BLOCKS:
            return await super().answer(service, sender, request)
        random = self.world.random
        wanted = decode(BlockRange, request.body)
        way = random.choice(("stall", "nothing", "rubbish", "later blocks", "one block", "false block", "refuse"))
        self.world.counts[f"catch-up lie: {way}"] += 1
        if way == "stall":
            await asyncio.sleep(60)
        if way == "nothing":
            return encode(())
        if way == "rubbish":
            return random.randbytes(random.randint(0, 200))
        if way == "refuse":
            raise PoolError(ErrorCode.NOT_FOUND, "go away")
        first = wanted.first + (way == "later blocks")
        shifted = Request(request.id, request.kind, encode(BlockRange(first, 1 if way == "one block" else 256)))
        honest = await super().answer(service, sender, shifted)
        return self._falsified(honest) if way == "false block" else honest

    def _falsified(self, packages: bytes) -> bytes:
        """The packages with something changed in one of them."""
        found = list(decode(Packages, packages))
        if not found:
            return packages
        random = self.world.random
        place = random.randrange(len(found))
        package = found[place]
        block = decode(Block, package.block)
        ways = [
            BlockPackage(encode(msgspec.structs.replace(block, certificate=None)), package.transactions),
            BlockPackage(encode(msgspec.structs.replace(block, outcomes=block.outcomes[:-1])), package.transactions),
            BlockPackage(package.block, package.transactions[:-1]),
            BlockPackage(package.block, tuple(reversed(package.transactions)) + package.transactions[:1]),
        ]
        if block.certificate is not None:
            votes = block.certificate.votes
            for other in (votes[:1] * len(votes), votes[:-1], tuple((name, bytes(64)) for name, _ in votes)):
                lie = msgspec.structs.replace(block.certificate, votes=other)
                ways.append(BlockPackage(encode(msgspec.structs.replace(block, certificate=lie)), package.transactions))
        found[place] = random.choice(ways)
        return encode(tuple(found))


class Babbler(Byzantine):
    """Sends rubbish of every kind, changed and old frames, and votes for heights far and near, with what it says."""

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name, world)
        self._heard: deque[Packet] = deque(maxlen=64)

    def receive(self, sender: str, packet: Packet) -> None:
        self._heard.append(packet)
        super().receive(sender, packet)

    def transmit(self, to: str, packet: Packet) -> None:
        super().transmit(to, packet)
        if self.service is not None and self.world.random.random() < 0.3:
            self.world.counts["rubbish sent"] += 1
            self.world.network.send(self.name, to, self._rubbish(self.service))

    def _rubbish(self, service: SimService) -> Packet:
        random, replica = self.world.random, service.driver.replica
        way = random.randrange(4)
        kinds = [int(kind) for kind in FrameKind]
        if way == 0:
            return Frame(random.choice(kinds), random.randbytes(random.randint(0, 300)))
        if way == 1 and self._heard:
            return random.choice(self._heard)
        if way == 2 and self._heard and isinstance(heard := random.choice(self._heard), Frame) and heard.body:
            body = bytearray(heard.body)
            body[random.randrange(len(body))] ^= 1 << random.randrange(8)
            return Frame(heard.kind, bytes(body))
        height, view = replica.height + random.choice((0, 1, 2, 15, 16, 17, 10**9)), replica.view + random.randrange(3)
        vote = random.choice((messages.Prepare, messages.Commit))(
            height, view, random.randbytes(32), self.name, bytes(64)
        )
        return Frame(FrameKind.CONSENSUS, messages.encode_message(self.signed(vote)))


class _Twin(Validator):
    """One of two processes with one key. It hears and reaches only the peers that are on its side."""

    is_byzantine = True

    def __init__(self, name: str, world: World, side: set[str]) -> None:
        super().__init__(name, world)
        self.side = side

    def transmit(self, to: str, packet: Packet) -> None:
        if to in self.side or isinstance(packet, Response):
            super().transmit(to, packet)


class Twins(Byzantine):
    """Two whole validators with one key and disks of their own; the network shows each of them to some peers, and now
    and then to others (Bano et al., "Twins: BFT Systems Made Robust", 2020).
    """

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name, world)
        self.twins = (_Twin(name, world, set()), _Twin(name, world, set()))
        self.is_splitting = True
        """Whether the network changes what it shows them."""
        self._split()

    @property
    def processes(self) -> tuple[Validator, ...]:
        return self.twins

    @property
    def is_up(self) -> bool:
        return any(twin.is_up for twin in self.twins)

    def start(self) -> None:
        for twin in self.twins:
            if not twin.is_up:
                twin.start()

    def crash(self) -> None:
        for twin in self.twins:
            twin.crash()

    def receive(self, sender: str, packet: Packet) -> None:
        if self.is_splitting and self.world.random.random() < 0.01:
            self._split()
        for twin in self.twins:
            if sender in twin.side or isinstance(packet, Response):
                twin.receive(sender, packet)

    def hear_hello(self, sender: str, height: int) -> None:
        for twin in self.twins:
            twin.hear_hello(sender, height)

    def claimed_height(self) -> int:
        return max(twin.claimed_height() for twin in self.twins)

    def _split(self) -> None:
        """Another view of the network for each; some peers may be seen by both."""
        self.world.counts["twin splits"] += 1
        for twin in self.twins:
            twin.side.clear()
        for peer in self.peers:
            fate = self.world.random.randrange(5)
            for index, twin in enumerate(self.twins):
                if fate == 4 or fate % 2 == index:
                    twin.side.add(peer)


KINDS: tuple[type[Validator], ...] = (
    Twins,
    Equivocator,
    Silent,
    Mute,
    Slow,
    Censor,
    Withholder,
    CatchUpLiar,
    Babbler,
    Falsifier,
    YesSayer,
    Amnesiac,
    Forger,
)
