"""A running node: builds its parts, starts them, and stops them in order."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.primitives.encoding import decode, encode
from chain.state.entries import member_key
from chain.state.members import Member
from consensus.config import ConsensusConfig
from node.back_fill import BackFill
from node.catch_up import CatchUp
from node.checkpoints import TICK_S as CHECKPOINT_TICK_S
from node.checkpoints import Checkpoints
from node.cold import TICK_S as COLD_TICK_S
from node.cold import ColdBlocks
from node.config import NodeConfig, split_address
from node.consensus_events import ConsensusEvents
from node.cosigner import Cosigner
from node.cosigning_right import CosigningRight
from node.dealings import DealingCheck
from node.dispatcher import Dispatcher, Routes
from node.dissemination import Dissemination
from node.driver import ConsensusDriver, DriverEvents, ReplicaSettings
from node.engine_process import ContractEngine
from node.erasure import Eraser
from node.examiners import Examiners
from node.execution import Executions, ExecutionThread
from node.frames import AnchorQuery, BlockRange, ChunkQuery, FrameKind, HandOverQuery, SpanQuery, decode_ids
from node.home import Home
from node.intake import Intake
from node.key_shares import KeyShares
from node.links import Links, Peer
from node.metrics import Metrics
from node.misbehaviour import MisbehaviourFolder
from node.overdue import Overdue
from node.payloads import TICK_S as PAYLOADS_TICK_S
from node.payloads import PayloadPolicy, Payloads
from node.peer_heights import PeerHeights
from node.periodic import PeriodicWork
from node.pool import CommittedBlock, Pool
from node.priorities import lower_background_threads
from node.proposal_bodies import ProposalBodies
from node.readiness import Readiness
from node.recovery import ProbationFile, open_votes
from node.serving import Serving
from node.state_serving import StateServing
from node.state_sync import StateSync
from node.voting_right import VotingRight

Query = TypeVar("Query")


class NodeService:
    """See the module.

    Args:
        home: opened.
        ledger: opened, closed by ``stop``.
        on_stop: called when the node must stop because of ``fatal``.
        software: this build's version.
        engine: runs the network's contracts; None where there are none.

    Attributes:
        fatal: the error for which the node must stop, once there is one.
        must_restart: whether it stops in order to start again, with a chain that it has taken from its peers.
    """

    def __init__(
        self,
        home: Home,
        ledger: Ledger,
        on_stop: Callable[[], None],
        software: str,
        engine: ContractEngine | None = None,
    ) -> None:
        self.home = home
        self.engine = engine
        self.software = software
        self.fatal: Exception | None = None
        self.must_restart = False
        self._on_stop = on_stop
        self._log = logging.getLogger("blockpool.node")
        self._engine_start: asyncio.Task[None] | None = None
        # A node with another engine than its network's cannot tell right from wrong. It serves what it holds, but does
        # not vote, follow the chain, take transactions or give shares (it does not learn of revoked grants).
        self._engine_problem = engine.problem if engine is not None else None
        kem_key = home.kem_key if self._engine_problem is None else None
        self.pool = Pool(ledger, lambda: time.time_ns() // 1_000_000, time.monotonic)
        self.pool.add_listener(self._take_up_successor)  # before the driver hears of the block
        self.metrics = Metrics()
        self.periodic = PeriodicWork(self.fail)
        self.misbehaviour = MisbehaviourFolder(home.data / "misbehaviour", ledger.trust, self.metrics)
        self._policy = PayloadPolicy(home.config.file.storage.payloads, home.member.name)
        self.links = self._make_links()
        self.votes = open_votes(home)
        self.execution = ExecutionThread(engine, self.metrics.execution.observe)
        self.executions = Executions(self.pool, self.execution, home.member.name)
        self.state_sync = StateSync(
            home.genesis,
            home.data,
            self.pool,
            self.links,
            home.config.file.sync.state_from_blocks,
            lambda: self.heights.known_height,
            self.metrics,
            self._restart,
        )
        self.catch_up = CatchUp(self.pool, self.links, self.execution, self.state_sync, self.fail)
        self.back_fill = BackFill(self.pool, self.links, self.metrics, self.fail)
        self.heights = PeerHeights(self.pool, self.links, self.catch_up if self._engine_problem is None else None)
        self.serving = Serving(self.pool, self.links)
        self.state_serving = StateServing(self.pool)
        self.examiners = Examiners(ledger, home.config.examiners)
        self.intake = Intake(self.pool, self.links, self.fail, self.examiners, self._engine_problem)
        self.dissemination = Dissemination(self.pool, self.links, self.intake)
        settings = ReplicaSettings(
            home.member.name,
            home.signers,
            consensus_config(home.config),
            home.config.file.consensus.tick_ms / 1000,
        )
        told_after_s = settings.timers.overdue_ticks * settings.tick_s / 5
        self.overdue = Overdue(self.pool, self.links, self.intake, told_after_s)
        self.driver = self._make_driver(settings)
        self.intake.add_listener(self.driver.work_changed)
        self.key_shares = KeyShares(self.pool, self.links, home.member.name, kem_key, self.metrics)
        self.dealings = DealingCheck(home.member.name, kem_key, self.metrics) if kem_key is not None else None
        if self.dealings is not None:
            self.pool.add_listener(self.dealings.on_committed)
        self.payloads = Payloads(self.pool, self.links, self._policy, self.metrics, self.fail)
        self.cold = ColdBlocks(self.pool, self.metrics, self.fail)
        self.eraser = Eraser(self.pool, self.votes, home.data, self.metrics, self.fail)
        self.pool.add_listener(self.eraser.on_committed)
        self.voting = self._make_voting_right(settings)
        self.pool.add_listener(self.metrics.on_committed)
        self.pool.add_listener(self.heights.on_committed)
        self.pool.add_listener(self._on_committed)
        self.readiness = Readiness(
            home.member.name, self.pool, self.links, self.heights, self.driver, engine, self.state_sync
        )
        self.checkpoints, cosigning = self._make_checkpoints()
        self.dispatcher = Dispatcher(self._routes(cosigning), self.pool, self.fail)
        self._observe()

    @property
    def ledger(self) -> Ledger:
        """The node's ledger."""
        return self.pool.ledger

    async def start(self) -> None:
        """Connect to the peers and start the clock; raises ``port_in_use``."""
        self.eraser.start()
        self.examiners.start()
        await self.links.start()
        self.periodic.every(1.0, self.pool.forget_expired)
        self.periodic.every(1.0, lower_background_threads)
        self.periodic.every(PAYLOADS_TICK_S, self.payloads.tick)
        self.periodic.every(COLD_TICK_S, self.cold.tick)
        self.periodic.every(CHECKPOINT_TICK_S, self.checkpoints.tick)
        if self._engine_problem is not None:
            self._log.error(
                "this node runs another contract engine than its network: it neither votes nor follows",
                extra={"reason": self._engine_problem},
            )
            return
        if self.engine is not None:
            self.engine.on_restart = self.metrics.engine_restarts.inc
            self._engine_start = asyncio.get_running_loop().create_task(self._start_engine())
        self.back_fill.start()
        self.periodic.every(self.home.config.file.consensus.tick_ms / 1000, self.driver.tick)
        self.periodic.every(self.dissemination.repeat_s, self.dissemination.repeat)
        if self.voting is not None:
            self.periodic.every(1.0, self.voting.ask_all)
            self.voting.start()

    async def stop(self) -> None:
        """Stop gracefully: answer those who wait, close links, then the databases."""
        self.pool.close()
        self.intake.close()
        self.examiners.close()
        self.periodic.close()
        await self.catch_up.close()
        await self.payloads.close()
        await self.back_fill.close()
        await self.cold.close()
        if self.voting is not None:
            await self.voting.close()
        await self.driver.close()
        await self.overdue.close()
        await self.links.close()
        await self.execution.close()
        if self._engine_start is not None:
            await asyncio.gather(self._engine_start, return_exceptions=True)
        if self.dealings is not None:
            await self.dealings.close()
        await self.pool.finish_reading()
        await self.eraser.close()
        await self.key_shares.close()
        self.checkpoints.close()
        self.ledger.close()
        self.votes.close()

    def fail(self, error: Exception) -> None:
        """An error after which this node must not go on: what is on disk, or our own state, cannot be trusted."""
        if self.fatal is None:
            self.fatal = error
            self._log.critical("the node stops", extra={"reason": str(error)}, exc_info=error)
            self.pool.is_closing = True
            self._on_stop()

    def _restart(self) -> None:
        self.must_restart = True
        self._on_stop()

    async def _start_engine(self) -> None:
        try:
            await self.execution.start_engine()
        except Exception as error:
            if not self.pool.is_closing:
                self.fail(error)

    def _take_up_successor(self, block: CommittedBlock) -> None:
        """At a hand-over this member's key may have changed: the one that votes now lies beside the one before."""
        key = self.ledger.validators.key_of(self.home.member.name)
        if not block.executed.header.hands_over or key is None or key in self.home.signers or not self.home.signers:
            return
        try:
            self.home.load_successor()
        except PoolError as error:
            self._log.error("the consensus key that follows cannot be read", extra={"reason": error.detail})

    def _on_committed(self, block: CommittedBlock) -> None:
        if any(key.startswith(member_key("")) for key in block.executed.update.changes):
            self.links.update_peers(self._peers())
        if (unknown := self.ledger.unknown_rules) is not None:
            self._log.error("this node stops here: it neither votes nor follows", extra={"reason": unknown})

    # Parts

    def _make_links(self) -> Links:
        home = self.home
        return Links(
            me=home.identity,
            peers=self._peers(),
            listen=split_address(home.config.file.peer.listen),
            chain_id=home.genesis.chain_id,
            validators=lambda: self.ledger.validators,
            height=lambda: self.pool.height,
            clock_ms=lambda: self.pool.clock_ms(),
            # The parts that the dispatcher knows send over these links: it is made last.
            on_message=lambda member, kind, body: self.dispatcher.on_message(member, kind, body),
            on_request=lambda member, kind, body: self.dispatcher.on_request(member, kind, body),
            on_connect=lambda member, hello: self.dispatcher.on_connect(member, hello),
            on_disconnect=lambda member: self.dispatcher.on_disconnect(member),
            on_refused=lambda reason: self.metrics.links_refused.labels(reason).inc(),
            software=self.software,
            payloads=self._policy.name,
        )

    def _peers(self) -> dict[str, Peer]:
        """Where the other members' nodes listen and who they are, as the state at the tip has it."""
        members, me = self.ledger.members(), self.home.member.name
        return {member.name: _peer(member) for member in members if member.node and member.name != me}

    def _make_driver(self, settings: ReplicaSettings) -> ConsensusDriver:
        bodies = ProposalBodies(self.pool, self.votes, self.intake, self.dissemination)
        report = ConsensusEvents(self.metrics, self.misbehaviour, self.links).report
        events = DriverEvents(report, self.heights.hear, self.fail)
        return ConsensusDriver(
            settings, self.pool, self.votes, self.links, self.executions, bodies, self.overdue, events
        )

    def _make_voting_right(self, settings: ReplicaSettings) -> VotingRight | None:
        if not self.home.signers or self._engine_problem is not None:
            return None
        mark = ProbationFile(self.home.probation_file, self.fail)
        return VotingRight(settings, self.pool, self.links, self.heights, self.votes, self.driver, mark)

    def _make_checkpoints(self) -> tuple[Checkpoints, CosigningRight | None]:
        home = self.home
        cosigner, right = None, None
        if home.checkpoint_signers:
            name = home.member.name
            cosigner = Cosigner(home.data / "COSIGNED", home.checkpoint_signers, name, self.ledger.trust)
            voter = self.driver if home.signers else None
            right = CosigningRight(name, cosigner, self.pool, self.heights, self.readiness, voter)
        checkpoints = Checkpoints(
            self.pool,
            self.links,
            cosigner,
            home.data / "checkpoint.note",
            self.metrics,
            right.may_cosign if right is not None else lambda: False,
            self.misbehaviour.on_conflict,
            time.time,
            time.monotonic,
        )
        return checkpoints, right

    def _routes(self, cosigning: CosigningRight | None) -> Routes:
        messages: dict[int, Callable[[str, bytes], None]] = {
            FrameKind.CONSENSUS: self.driver.receive,
            FrameKind.TRANSACTIONS: self.dissemination.receive,
            FrameKind.COSIGNATURE: self.checkpoints.receive,
            FrameKind.OVERDUE: self.overdue.hear,
        }
        if self._engine_problem is not None:
            messages = dict.fromkeys(messages, _ignore)
        listeners = (self.heights, self.checkpoints, cosigning, self.voting)
        return Routes(
            messages={**messages, FrameKind.NEWS: self.heights.receive},
            requests={
                FrameKind.FETCH_TRANSACTIONS: self._serve_transactions,
                FrameKind.FETCH_BLOCKS: self._serving(BlockRange, self.catch_up.serve),
                FrameKind.FETCH_HANDOVERS: self._serving(HandOverQuery, self.catch_up.serve_handovers),
                FrameKind.FETCH_SHARES: lambda _, body: self.key_shares.serve(body),
                FrameKind.FETCH_VOTES: self._serve_votes,
                FrameKind.FETCH_ANCHOR: self._serving(AnchorQuery, self.state_serving.anchor),
                FrameKind.FETCH_CHUNK: self._serving(ChunkQuery, self.state_serving.chunk),
                FrameKind.FETCH_SPAN: self._serving(SpanQuery, self.state_serving.span),
            },
            connections=tuple(listener.on_connect for listener in listeners if listener is not None),
        )

    async def _serve_transactions(self, member: str, body: bytes) -> bytes:
        return await self.serving.serve(member, partial(self.dissemination.serve, decode_ids(body)))

    def _serving(
        self, type_: type[Query], answer: Callable[[Query], Awaitable[tuple[bytes, float]]]
    ) -> Callable[[str, bytes], Awaitable[bytes]]:
        """Answers queries of a type when it is the peer's turn."""

        async def serve(member: str, body: bytes) -> bytes:
            return await self.serving.serve(member, partial(answer, decode(type_, body)))

        return serve

    async def _serve_votes(self, member: str, body: bytes) -> bytes:
        return encode(self.driver.replica.statements_of(member))

    def _observe(self) -> None:
        metrics, mempool = self.metrics, self.pool.mempool
        metrics.observe(self.home.data, lambda: (len(mempool), mempool.size_bytes))
        metrics.clock.set_function(lambda: self.pool.clock_ms() / 1000)
        metrics.chain_ahead.set_function(lambda: self.readiness.chain_ahead_ms / 1000)
        metrics.height.set(self.pool.height)
        metrics.peers.set_function(lambda: len(self.links.connected))
        metrics.view.set_function(lambda: self.driver.replica.view)
        metrics.observe_clocks(self._peer_clocks_s)

    def _peer_clocks_s(self) -> dict[str, float]:
        """By peer: its clock less this node's, as it says."""
        said = {member: status.clock_offset_ms for member, status in self.links.status().items()}
        return {member: offset_ms / 1000 for member, offset_ms in said.items() if offset_ms is not None}


def consensus_config(config: NodeConfig) -> ConsensusConfig:
    """The core's timers, in ticks."""
    section = config.file.consensus
    return ConsensusConfig(view_timeout_ticks=max(2, section.view_timeout_ms // section.tick_ms))


def _ignore(member: str, body: bytes) -> None:
    """What a node that does not follow the chain does with a message."""


def _peer(member: Member) -> Peer:
    if member.node is None:
        raise PoolError(ErrorCode.BAD_CONFIGURATION, f"{member.name} has no node")
    host, port = split_address(member.node.address)
    return Peer(host, port, member.node.tls_certificate)
