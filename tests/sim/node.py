"""A simulated node: the real consensus core with a tiny deterministic application around it.

It carries effects out one by one, in order, and can crash before any of them; then all that is left is its disk. A
block is valid if its proposer did not mark it bad and none of its transactions is committed already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from chain.blocks import Proposal, decode_header
from chain.errors import PoolError
from chain.primitives.crypto import Hash
from chain.proofs.validators import verify_certificate
from consensus.config import ConsensusConfig
from consensus.effects import (
    Broadcast,
    Build,
    CatchUp,
    Deliver,
    Effect,
    Evidence,
    Execute,
    Persist,
    Reject,
    Send,
    ViewChangeStarted,
    ViewEntered,
)
from consensus.messages import Message
from consensus.replica import Replica
from tests.consensus.support import CHAIN_ID, FakeSigner, fake_verifier, hash_of, make_proposal, validator_set
from tests.sim.checkers import Checkers
from tests.sim.clock import MOMENTS_PER_TICK, Clock
from tests.sim.disk import Disk, StoredBlock
from tests.sim.network import Network, Packet

CONFIG = ConsensusConfig(
    view_timeout_ticks=20,
    timeout_doublings_max=4,
    retransmit_ticks=8,
    retransmit_doublings_max=2,
    status_ticks=40,
    censorship_ticks=100,
    censorship_heights=8,
)
"""Short bounds, so that every timer fires in a run."""

BAD_TIME_MS = 666
"""Time of a block that no honest node finds valid."""
BLOCK_TRANSACTIONS_MAX = 4
BLOCKS_AT_ONCE = 16
GOSSIP_TICKS = 10


@dataclass(frozen=True, slots=True)
class Transactions:
    """Pending transactions, passed on."""

    ids: tuple[Hash, ...]


@dataclass(frozen=True, slots=True)
class BlockRequest:
    """Asks for the blocks from a height on."""

    first_height: int


@dataclass(frozen=True, slots=True)
class BlockResponse:
    """Blocks in ascending order."""

    blocks: tuple[StoredBlock, ...]


@dataclass(slots=True)
class World:
    """What all nodes of a run share."""

    size: int
    clock: Clock
    random: Random
    network: Network
    checkers: Checkers
    counts: Counter[str]
    crash_chance: float = 0.0
    """Chance to crash before any one effect."""
    eclipse_chance: float = 0.0
    """Chance that whoever is first to store a block is cut off at that moment, before it can tell anyone."""


class SimNode:
    """One validator. Subclasses in ``faults`` misbehave by overriding what goes out or how blocks are judged."""

    is_byzantine = False

    def __init__(self, name: str, world: World, memory_survives: bool = True) -> None:
        self.name = name
        self.world = world
        self.disk = Disk(world.size)
        self.peers = [peer for peer in validator_set(world.size).names if peer != name]
        self.memory_survives = memory_survives
        self._life = 0
        self.replica: Replica | None = None
        self.mempool: dict[Hash, None] = {}
        self._committed: set[Hash] = set()
        self._queue: list[Effect] = []
        self._is_carrying = False

    @property
    def is_up(self) -> bool:
        return self.replica is not None

    def start(self) -> None:
        """Start, or start again, from the disk."""
        memory = dict(self.disk.memory) if self.memory_survives else {}
        self._life += 1
        self.replica = Replica(CHAIN_ID, self.name, FakeSigner(self.name), self.disk.tip, CONFIG, memory, fake_verifier)
        self.mempool.clear()
        self._committed = {id_ for proposal, _ in self.disk.blocks for id_ in proposal.transaction_ids}
        self._schedule_tick(self._life, self.world.random.randint(1, MOMENTS_PER_TICK))

    def crash(self) -> None:
        """Stop at once. Effects not carried out yet are lost."""
        self.replica = None
        self._queue.clear()
        self.mempool.clear()

    def receive(self, sender: str, packet: Packet) -> None:
        """A packet arrives."""
        if self.replica is None:
            return
        if isinstance(packet, Transactions):
            self.add_transactions(packet.ids)
        elif isinstance(packet, BlockRequest):
            blocks = self.disk.blocks[packet.first_height - 1 : packet.first_height - 1 + BLOCKS_AT_ONCE]
            self.world.network.send(self.name, sender, BlockResponse(tuple(blocks)))
        elif isinstance(packet, BlockResponse):
            for block in packet.blocks:
                self._store_verified(block)
        else:
            self.replica.step(sender, packet)  # type: ignore[arg-type]
        self._carry_out()

    def add_transactions(self, ids: tuple[Hash, ...]) -> None:
        """Transactions to be ordered; those known already change nothing."""
        for id_ in ids:
            if id_ not in self._committed:
                self.mempool.setdefault(id_)
        self._report_work()
        self._carry_out()

    def is_valid(self, proposal: Proposal) -> bool:
        """The application's verdict on a block."""
        ids = proposal.transaction_ids
        is_fresh = len(set(ids)) == len(ids) and not any(id_ in self._committed for id_ in ids)
        return is_fresh and decode_header(proposal.header).time_ms != BAD_TIME_MS

    def build(self, height: int) -> Proposal | None:
        """A block of the oldest transactions, or None."""
        ids = tuple(self.mempool)[:BLOCK_TRANSACTIONS_MAX]
        return self.make_block(height, ids) if ids else None

    def make_block(self, height: int, ids: tuple[Hash, ...], time_ms: int = 0) -> Proposal:
        """A block on top of this node's tip; ``time_ms`` makes otherwise equal blocks different."""
        return make_proposal(height, self.disk.tip.block_hash, self.name, ids, time_ms)

    def send_message(self, to: str, message: Message) -> None:
        """Put a consensus message on a link."""
        self.world.checkers.on_sent(self.name, message)
        self.world.network.send(self.name, to, message)

    def broadcast_message(self, message: Message) -> None:
        """Put a consensus message on all links."""
        for peer in self.peers:
            self.send_message(peer, message)

    def _report_work(self) -> None:
        if self.replica is not None:
            self.replica.work_pending(next(iter(self.mempool), None))

    def _schedule_tick(self, life: int, moments: int) -> None:
        def event() -> None:
            if self.replica is None or self._life != life:
                return
            self.replica.tick()
            if self.mempool and self.world.clock.ticks % GOSSIP_TICKS == 0:
                for peer in self.peers:
                    self.world.network.send(self.name, peer, Transactions(tuple(self.mempool)[:BLOCK_TRANSACTIONS_MAX]))
            self._carry_out()
            self._schedule_tick(life, MOMENTS_PER_TICK)

        self.world.clock.after(moments, event)

    def _carry_out(self) -> None:
        """Carry effects out in order until there are none; inputs given on the way only append to the queue."""
        if self._is_carrying or self.replica is None:
            return
        self._is_carrying = True
        self._queue += self.replica.take_effects()
        while self._queue and not self._crashes_now():
            self._carry_out_one(self._queue.pop(0))
            if self.replica is not None:
                self._queue += self.replica.take_effects()
        self._is_carrying = False

    def _crashes_now(self) -> bool:
        if self.world.random.random() >= self.world.crash_chance:
            return False
        self.world.counts["crashes between effects"] += 1
        self.crash()
        return True

    def _carry_out_one(self, effect: Effect) -> None:
        counts = self.world.counts
        if isinstance(effect, Persist):
            self.disk.memory[effect.key] = effect.value
        elif isinstance(effect, Broadcast):
            self.broadcast_message(effect.message)
        elif isinstance(effect, Send):
            self.send_message(effect.to, effect.message)
        elif isinstance(effect, Build):
            self._later(lambda replica: replica.propose(effect.height, effect.view, self.build(effect.height)))
        elif isinstance(effect, Execute):
            refusal = None if self.is_valid(effect.proposal) else "bad block"
            self._later(lambda replica: replica.executed(effect.block_hash, refusal))
        elif isinstance(effect, Deliver):
            self._store((effect.proposal, effect.certificate))
        elif isinstance(effect, CatchUp):
            counts["catch-ups"] += 1
            self.world.network.send(self.name, effect.peer, BlockRequest(self.disk.height + 1))
        elif isinstance(effect, Evidence):
            counts["evidence"] += 1
            if not self.is_byzantine:
                self.world.checkers.on_evidence(self.name, effect)
        elif isinstance(effect, ViewChangeStarted):
            counts[f"view change: {effect.reason}"] += 1
        elif isinstance(effect, ViewEntered):
            counts["views entered"] += 1
        elif isinstance(effect, Reject):
            counts["rejects"] += 1

    def _later(self, answer: Callable[[Replica], None]) -> None:
        """Answer the core after some work, unless the node has crashed since."""
        life = self._life

        def event() -> None:
            if self.replica is not None and self._life == life:
                answer(self.replica)
                self._carry_out()

        self.world.clock.after(self.world.random.randint(1, MOMENTS_PER_TICK // 2), event)

    def _store_verified(self, block: StoredBlock) -> None:
        """Store a block that a peer sent, if it is the next one and proves itself."""
        proposal, certificate = block
        if self.replica is None or certificate.height != self.disk.height + 1:
            return
        header = decode_header(proposal.header)
        try:
            verify_certificate(
                CHAIN_ID, certificate, self.disk.tip.validators, header.height, hash_of(proposal), fake_verifier
            )
        except PoolError:
            self.world.counts["bad blocks refused"] += 1
            return
        self._store(block)

    def _store(self, block: StoredBlock) -> None:
        proposal, certificate = block
        if certificate.height <= self.disk.height:
            return
        if not self.is_byzantine:
            is_first = self.world.checkers.height < certificate.height
            self.world.checkers.on_stored(self.name, proposal, certificate)
            if is_first and self.world.random.random() < self.world.eclipse_chance:
                self.world.counts["eclipses"] += 1
                self.world.network.cut.update(
                    link for peer in self.peers for link in ((self.name, peer), (peer, self.name))
                )
        self.disk.append(proposal, certificate)
        self._committed.update(proposal.transaction_ids)
        for id_ in proposal.transaction_ids:
            self.mempool.pop(id_, None)
        if not self._crashes_now() and self.replica is not None:
            self._report_work()
            self.replica.advance(self.disk.tip)
