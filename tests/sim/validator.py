"""A whole validator on simulated time, network and disk.

Real: the consensus core and its driver, mempool, intake, dissemination, catch-up with all its checks, ledger with
recovery and HEAD, vote memory, probation, the service's handling of frames. Simulated: the event loop's time, the
links, the two kinds of files under the stores. Left out: TLS, HTTP, contracts, key
shares. It dies between any two accesses to its disk and before any packet; what it left running then finds its disk and
links gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import NoReturn, cast

from chain.errors import ErrorCode, InvariantBroken, PoolError
from chain.ledger import Ledger
from chain.limits import Limits
from chain.packages import read_packages
from chain.primitives.crypto import Ed25519Signer
from chain.primitives.encoding import decode, encode
from consensus.config import ConsensusConfig
from consensus.effects import Effect, Evidence, Reject, ViewChangeStarted, ViewEntered
from node.catch_up import CatchUp
from node.dispatcher import Dispatcher, Routes
from node.dissemination import Dissemination
from node.driver import ConsensusDriver, DriverEvents, ReplicaSettings
from node.examiners import Examiners
from node.execution import Executions, ExecutionThread
from node.frames import BlockRange, FrameKind, HandOverQuery, decode_ids
from node.intake import Intake
from node.links import Hello, Links
from node.mempool import Mempool
from node.metrics import Metrics
from node.overdue import Overdue
from node.peer_heights import PeerHeights
from node.periodic import PeriodicWork
from node.pool import CommittedBlock, Pool
from node.proposal_bodies import ProposalBodies
from node.state_sync import StateSync
from node.voting_right import VotingRight
from tests.networks import TIME_MS, TestNetwork
from tests.sim.checkers import Checkers
from tests.sim.disk import Crashed, Disk, Life, SimHead, SimVotes
from tests.sim.loop import SimLoop
from tests.sim.network import Frame, Network, Packet, Request, Response, SimLinks

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
TICK_S = 0.02
LIMITS = Limits(mempool_size_bytes=64 * 1024, block_transactions=8)
"""Small enough that load fills them."""


KEY_GENERATIONS = 4
"""How many consensus keys each validator has in store."""
CRASH_FACTORS = {"before a packet": 1, "in a write": 12}
"""How much likelier power cuts find a process there: it waits for its disk for longer than for its links, longest in
the write of a file."""
DISK_CRASH_FACTOR = 4
"""The same for all other points."""


@cache
def shared_metrics() -> Metrics:
    """Nobody looks at them, and a registry for every start would cost more than the node."""
    return Metrics()


@cache
def shared_execution() -> ExecutionThread:
    """Never used: without contracts every block is executed on the loop."""
    return ExecutionThread(None, lambda seconds: None)


@cache
def consensus_keys(name: str) -> dict[bytes, Ed25519Signer]:
    """All keys that a validator may ever vote with, by public key."""
    keys = (TestNetwork.consensus_key(name, generation) for generation in range(KEY_GENERATIONS))
    return {key.public_key: key for key in keys}


class World:
    """What all validators of a run share."""

    def __init__(
        self, loop: SimLoop, network: Network, members: TestNetwork, checkers: Checkers, counts: Counter[str]
    ) -> None:
        self.loop = loop
        self.network = network
        self.members = members
        self.checkers = checkers
        self.counts = counts
        self.random = network.random
        self.crash_chance = 0.0
        """Chance to die at any one access to the disk or packet sent."""

    def after(self, pause_s: float, work: Callable[[], None]) -> None:
        """Do ``work`` later."""
        self.loop.call_later(pause_s, work)


class SimPool(Pool):
    """The real pool, with small limits and without threads."""

    def __init__(self, ledger: Ledger, clock_ms: Callable[[], int], monotonic_s: Callable[[], float]) -> None:
        super().__init__(ledger, clock_ms, monotonic_s)
        self.mempool = Mempool(LIMITS)

    async def read_packages(self, first: int, limit: int, size_bytes: int) -> list[bytes]:
        """Read on the loop: a thread would not come back at the same moment in every run."""
        limit = min(limit, self.height - first + 1)
        prove = self.ledger.prove_erasures
        return read_packages(self.ledger.blocks, first, limit, size_bytes, prove) if limit > 0 else []


class SimProbation:
    """The mark on the simulated disk."""

    def __init__(self, owner: Validator) -> None:
        self._owner = owner

    @property
    def is_set(self) -> bool:
        return self._owner.disk.is_on_probation

    def set(self) -> None:
        self._owner.mark("forgotten votes found")

    def clear(self) -> None:
        self._owner.end_probation()


class NoStateSync:
    """A simulated chain is short: whoever is behind takes its blocks."""

    is_wanted = False

    def may_be_wanted(self, height: int) -> bool:
        return False


class SimService:
    """The real parts around simulated links and disk. Each start of a validator makes a new one."""

    def __init__(self, owner: Validator, ledger: Ledger, votes: SimVotes) -> None:
        self.owner = owner
        self.ledger = ledger
        self.fatal: Exception | None = None
        self.pool = pool = owner.make_pool(ledger)
        self.sim_links = SimLinks(owner.world.network, owner)
        links = cast(Links, self.sim_links)
        self.votes = votes
        self.periodic = PeriodicWork(self.fail)
        execution = shared_execution()
        self.catch_up = CatchUp(pool, links, execution, cast(StateSync, NoStateSync()), self.fail)
        self.heights = PeerHeights(pool, links, self.catch_up)
        self.intake = Intake(pool, links, self.fail, Examiners(pool.ledger, 0))
        self.dissemination = Dissemination(pool, links, self.intake)
        settings = ReplicaSettings(owner.name, owner.signers, CONFIG, TICK_S)
        self.overdue = Overdue(pool, links, self.intake, CONFIG.overdue_ticks * TICK_S / 5)
        self.driver = ConsensusDriver(
            settings,
            pool,
            votes,
            links,
            Executions(pool, execution, owner.name),
            ProposalBodies(pool, votes, self.intake, self.dissemination),
            self.overdue,
            DriverEvents(owner.on_report, self.heights.hear, self.fail),
        )
        self.intake.add_listener(self.driver.work_changed)
        pool.add_listener(owner.on_committed)
        self.voting = VotingRight(settings, pool, links, self.heights, votes, self.driver, SimProbation(owner))
        pool.add_listener(shared_metrics().on_committed)
        pool.add_listener(self.heights.on_committed)
        self.dispatcher = Dispatcher(self._routes(), pool, self.fail)

    def begin(self) -> None:
        """Start the clock, as ``NodeService.start`` does."""
        self.periodic.every(1.0, self._look_around)
        self.periodic.every(TICK_S, self.driver.tick)
        self.periodic.every(self.dissemination.repeat_s, self.dissemination.repeat)
        self.voting.start()

    def fail(self, error: Exception) -> None:
        """A real node stops here."""
        if self.fatal is None:
            self.fatal = error
            self.pool.is_closing = True
            self.owner.on_fatal(self, error)

    def end(self) -> None:
        """The process is gone."""
        self.pool.is_closing = True
        self.periodic.close()

    def _look_around(self) -> None:
        self.pool.forget_expired()
        self.owner.world.network.connect(self.owner.name)
        self.voting.ask_all()

    def _routes(self) -> Routes:
        # Checkpoints are signed beside consensus and change nothing in it: they are left out, as are shares.
        return Routes(
            messages={
                FrameKind.CONSENSUS: self.driver.receive,
                FrameKind.TRANSACTIONS: self.dissemination.receive,
                FrameKind.NEWS: self.heights.receive,
                FrameKind.OVERDUE: self.overdue.hear,
            },
            requests={
                FrameKind.FETCH_TRANSACTIONS: self._serve_transactions,
                FrameKind.FETCH_BLOCKS: self._serve_blocks,
                FrameKind.FETCH_HANDOVERS: self._serve_handovers,
                FrameKind.FETCH_VOTES: self._serve_votes,
            },
            connections=(self.heights.on_connect, self.voting.on_connect),
        )

    async def _serve_transactions(self, member: str, body: bytes) -> bytes:
        return (await self.dissemination.serve(decode_ids(body)))[0]

    async def _serve_blocks(self, member: str, body: bytes) -> bytes:
        return (await self.catch_up.serve(decode(BlockRange, body)))[0]

    async def _serve_handovers(self, member: str, body: bytes) -> bytes:
        return (await self.catch_up.serve_handovers(decode(HandOverQuery, body)))[0]

    async def _serve_votes(self, member: str, body: bytes) -> bytes:
        return encode(self.driver.replica.statements_of(member))


class Validator:
    """One validator: a disk, and the process that runs on it from time to time. Subclasses misbehave."""

    is_byzantine = False

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.world = world
        self.peers = tuple(peer for peer in world.members.names if peer != name)
        self.signer: Ed25519Signer = world.members.consensus[name]
        self.signers = consensus_keys(name)
        self.disk = Disk()
        self.clock_offset_ms = 0
        self.life = Life()
        self.service: SimService | None = None
        self.dies_after: int | None = None
        """How many more accesses to disk and links it survives; None for as many as it likes."""
        self.died_at = ""
        """Where it died last of its own."""

    # Life

    @property
    def processes(self) -> tuple[Validator, ...]:
        """Whoever runs under this name."""
        return (self,)

    @property
    def is_up(self) -> bool:
        """Whether the process runs."""
        return self.service is not None

    def start(self) -> None:
        """Start, or start again, from what the disk holds: the same steps as ``node.recovery``."""
        life = self.life = Life(self._may_die)
        try:
            ledger = self._open(life)
            if self.disk.votes.is_new or self.disk.votes.is_doubtful:
                self.mark("probations")
            service = self.service = SimService(
                self, ledger, SimVotes(self.disk.votes.attach(life), self.disk.bodies.attach(life))
            )
            service.begin()
        except Crashed:
            return
        self.world.checkers.on_started(self)
        self.world.network.connect(self.name)

    def crash(self) -> None:
        """The process is gone; what it had not synced may be too."""
        service, self.service = self.service, None
        self.life.is_over = True
        if service is not None:
            service.end()
        self.world.network.disconnect(self.name)
        for fault in self.disk.crash(self.world.random):
            self.world.counts[fault] += 1

    def end_probation(self) -> None:
        """The mark is taken away, if there is one."""
        self.world.counts["probations ended"] += self.disk.is_on_probation
        self.disk.is_on_probation = False

    def _open(self, life: Life) -> Ledger:
        try:
            return self._open_once(life)
        except (PoolError, InvariantBroken) as error:
            if isinstance(error, PoolError) and error.code is not ErrorCode.DATABASE_DAMAGED:
                raise
            self.world.checkers.on_damage(self, error)
        self.world.counts["databases set aside"] += 1
        self.mark("probations")
        self.disk.set_aside()
        return self._open_once(life)

    def _open_once(self, life: Life) -> Ledger:
        disk = self.disk
        ledger = Ledger(
            self.world.members.genesis,
            disk.blocks.attach(life),
            disk.state.attach(life),
            SimHead(disk.head.attach(life)),
        )
        ledger.open()
        return ledger

    def mark(self, count: str) -> None:
        """Note on disk that votes may have been forgotten."""
        self.world.counts[count] += 1
        self.disk.is_on_probation = True

    def _may_die(self, point: str) -> None:
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                self.dies_after = None
                self._die(point)
        chance = self.world.crash_chance * CRASH_FACTORS.get(point, DISK_CRASH_FACTOR)
        if chance and self.world.random.random() < chance:
            self._die(point)

    def _die(self, point: str) -> NoReturn:
        self.world.counts[f"crashes {point}"] += 1
        self.died_at = point
        self.crash()
        raise Crashed

    # What the process does with the world

    def make_pool(self, ledger: Ledger) -> SimPool:
        """The pool of a new process, with this machine's clock."""
        loop = self.world.loop
        return SimPool(ledger, lambda: TIME_MS + int(loop.time() * 1000) + self.clock_offset_ms, loop.time)

    def transmit(self, to: str, packet: Packet) -> None:
        """Put a packet on the link."""
        self.life.access("before a packet")
        self.world.checkers.on_sent(self, packet)
        self.world.network.send(self.name, to, packet)

    def receive(self, sender: str, packet: Packet) -> None:
        """A packet arrives."""
        service = self.service
        if service is None:
            return
        if isinstance(packet, Response):
            service.sim_links.answered(sender, packet)
        elif isinstance(packet, Frame):
            try:
                service.dispatcher.on_message(sender, packet.kind, packet.body)
            except PoolError as error:
                self.world.counts["bad frames refused"] += 1
                service.sim_links.is_at_fault(sender, error)
        else:
            self.world.loop.create_task(self._serve(service, sender, packet))
        self.world.checkers.after_event(self)

    async def _serve(self, service: SimService, sender: str, request: Request) -> None:
        body: bytes | None = None
        try:
            body = await self.answer(service, sender, request)
        except PoolError:
            self.world.counts["requests refused"] += 1
        if service is self.service:
            self.transmit(sender, Response(request.id, body))

    async def answer(self, service: SimService, sender: str, request: Request) -> bytes:
        """Work on a peer's request; raises ``PoolError``."""
        return await service.dispatcher.on_request(sender, request.kind, request.body)

    def hear_hello(self, sender: str, height: int) -> None:
        """A link has come up."""
        if self.service is not None:
            try:
                self.service.dispatcher.on_connect(sender, Hello(b"", sender, "", height))
            except Crashed:
                return

    def claimed_height(self) -> int:
        """What peers are told when a link comes up."""
        return self.service.pool.height if self.service is not None else 0

    def on_report(self, effect: Effect) -> None:
        """The driver reports something."""
        if isinstance(effect, ViewChangeStarted):
            self.world.counts[f"view change: {effect.reason}"] += 1
        elif isinstance(effect, ViewEntered):
            self.world.counts["views entered"] += 1
        elif isinstance(effect, Evidence):
            self.world.counts["evidence"] += 1
            self.world.checkers.on_evidence(self, effect)
        elif isinstance(effect, Reject) and effect.is_forged:
            self.on_fault(effect.peer, PoolError(ErrorCode.BAD_SIGNATURE, effect.reason))

    def on_fault(self, member: str, error: PoolError) -> None:
        """A peer is provably at fault."""
        self.world.counts["faults found"] += 1
        self.world.checkers.on_fault(self, member, error)

    def on_committed(self, block: CommittedBlock) -> None:
        """A block is final here."""
        self.world.checkers.on_committed(self, block)

    def on_fatal(self, service: SimService, error: Exception) -> None:
        """The node stops itself, which no fault of the others and no crash may make it do."""
        if service is self.service:
            self.world.checkers.on_fatal(self, error)
