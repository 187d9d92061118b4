"""A running node: pool, links, consensus, catch-up and dissemination joined together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable

from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.primitives.crypto import Ed25519Signer
from chain.primitives.encoding import decode, encode
from chain.primitives.keys import new_seed
from chain.proofs.checkpoints import CheckpointKeys
from chain.state.members import Member
from consensus.config import ConsensusConfig
from consensus.messages import Statement
from node.catch_up import CatchUp
from node.checkpoints import TICK_S as CHECKPOINT_TICK_S
from node.checkpoints import Checkpoints
from node.config import NodeConfig, split_address
from node.cosigner import Cosigner
from node.dealings import DealingCheck
from node.dissemination import Dissemination
from node.driver import ConsensusDriver
from node.engine import ContractEngine
from node.erasure import Eraser
from node.execution import Executions, ExecutionThread
from node.frames import FrameKind, News
from node.home import Home
from node.intake import Intake
from node.links import Hello, Links, Peer
from node.metrics import Metrics
from node.misbehaviour import MisbehaviourFolder
from node.pool import CommittedBlock, Pool
from node.priorities import lower_background_threads
from node.probation import MARGIN_BLOCKS, safe_height
from node.recollection import Recollection
from node.recovery import mark, open_votes
from node.shares import Shares

_READY_LAG_BLOCKS = 16
"""A node that is a moment behind takes transactions all the same: it spreads them at once, and others order them."""


class NodeService:
    """See the module. A validator begins to vote once it has heard the others.

    Attributes:
        fatal: the error for which the node must stop, once there is one.
        engine_problem: why this node cannot run the network's contracts, or None. It cannot tell right from wrong then:
            it serves what it holds, but neither votes nor follows nor takes transactions.
    """

    recollection: Recollection | None = None
    """Of a validator whose engine is the network's."""
    _is_on_probation = True
    """Whether it is known that votes may have been forgotten."""

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
        self.engine_problem = engine.problem if engine is not None else None
        self.software = software
        self.pool = Pool(ledger, lambda: time.time_ns() // 1_000_000, time.monotonic)
        self.metrics = Metrics()
        self.fatal: Exception | None = None
        self._on_stop = on_stop
        self._log = logging.getLogger("blockpool.node")
        self._handles: list[asyncio.TimerHandle] = []
        self._heights: dict[str, int] = {}
        self._probation_height: int | None = None
        self._cosigning_height: int | None = None
        self._engine_start: asyncio.Task[None] | None = None
        self.misbehaviour = MisbehaviourFolder(home.data / "misbehaviour", home.genesis, self.metrics)
        self.links = self._make_links()
        self.checkpoints = self._make_checkpoints()
        self.votes = open_votes(home)
        self._is_on_probation = home.probation_file.exists()
        if home.signer is not None and self.engine_problem is None:
            self.recollection = Recollection(
                home.member.name,
                home.signer.public_key,
                ledger,
                self.links,
                self.votes.read(),
                self._end_probation,
                self._on_forgotten,
            )
        self.execution = ExecutionThread(engine, self.metrics.execution.observe)
        self.executions = Executions(self.pool, self.execution, home.member.name)
        self.catch_up = CatchUp(self.pool, self.links, self.execution, self.fail)
        self.driver = ConsensusDriver(
            self.pool,
            self.links,
            self.executions,
            self.votes,
            home.signer or Ed25519Signer(new_seed()),  # a node that only follows signs nothing
            home.member.name,
            consensus_config(home.config),
            home.config.file.consensus.tick_ms / 1000,
            self.metrics,
            self.heard_of_height,
            self.fail,
            self.misbehaviour.on_votes,
            may_vote=False,
        )
        self.intake = Intake(self.pool, self.driver.work_changed, self.fail, self.engine_problem)
        self.dissemination = Dissemination(self.pool, self.links, self.intake)
        self.driver.use(self.intake, self.dissemination)
        # A node that does not follow does not learn of revoked grants, so it gives no shares.
        kem_key = home.kem_key if self.engine_problem is None else None
        self.shares = Shares(self.pool, self.links, home.member.name, kem_key, self.metrics)
        self.dealings = DealingCheck(home.member.name, kem_key, self.metrics) if kem_key is not None else None
        if self.dealings is not None:
            self.pool.add_listener(self.dealings.on_committed)
        self.eraser = Eraser(self.pool, self.votes, home.data, self.metrics, self.fail)
        self.pool.add_listener(self.eraser.on_committed)
        self.pool.add_listener(self._on_committed)
        self.metrics.observe(home.data, lambda: (len(self.pool.mempool), self.pool.mempool.size_bytes))
        self.metrics.height.set(self.pool.height)
        if self.recollection is not None:
            self.recollection.look_back()

    @property
    def ledger(self) -> Ledger:
        """The node's ledger."""
        return self.pool.ledger

    @property
    def is_validator(self) -> bool:
        """Whether this node votes on the next block."""
        return self.driver.may_vote and self.home.member.name in self.ledger.validators

    @property
    def unready_reason(self) -> str | None:
        """Why this node cannot get transactions ordered now, or None if it can."""
        if self.pool.is_closing:
            return "shutting down"
        if self.engine_problem is not None:
            return self.engine_problem
        if self.engine is not None and not self.engine.is_ready:
            return "the contract engine is being started"
        if self._lag_blocks > _READY_LAG_BLOCKS:
            return f"catching up from height {self.pool.height}"
        validators = self.ledger.validators
        reachable = sum(self.links.is_connected(name) for name in validators.names) + self.is_validator
        if reachable < validators.quorum:
            return f"{reachable} of {validators.quorum} validators needed for a quorum are connected"
        return None

    @property
    def is_syncing(self) -> bool:
        """Whether blocks are being fetched that an honest validator is known to have."""
        return self.catch_up.is_running and self._lag_blocks > 0

    @property
    def _lag_blocks(self) -> int:
        """How many blocks an honest validator is known to be ahead. The f highest claims may be lies, and lies must not
        take this node out of service.
        """
        validators = self.ledger.validators
        claims = sorted((self._heights.get(name, 0) for name in validators.names), reverse=True)
        return max(0, claims[validators.max_faulty] - self.pool.height)

    async def start(self) -> None:
        """Connect to the peers and start the clock; raises ``port_in_use``."""
        self.eraser.start()
        await self.links.start()
        self._every(1.0, self._look_around)
        self._every(CHECKPOINT_TICK_S, self._tick_checkpoints)
        if self.engine_problem is not None:
            self._log.error(
                "this node runs another contract engine than its network: it neither votes nor follows",
                extra={"reason": self.engine_problem},
            )
            return
        if self.engine is not None:
            self.engine.on_restart = self.metrics.engine_restarts.inc
            self._engine_start = asyncio.get_running_loop().create_task(self._start_engine())
        self._every(self.home.config.file.consensus.tick_ms / 1000, self.driver.tick)
        self._every(self.dissemination.repeat_s, self.dissemination.repeat)
        self._end_probation()
        if self._is_on_probation and not self.driver.may_vote and self.home.signer is not None:
            self._log.info("not voting before the other validators have been heard")

    async def stop(self) -> None:
        """Stop gracefully: answer those who wait, close links, then the databases."""
        self.pool.close()
        self.intake.close()
        for handle in self._handles:
            handle.cancel()
        await self.catch_up.close()
        if self.recollection is not None:
            await self.recollection.close()
        await self.driver.close()
        await self.links.close()
        await self.execution.close()
        if self._engine_start is not None:
            await asyncio.gather(self._engine_start, return_exceptions=True)
        if self.dealings is not None:
            await self.dealings.close()
        await self.pool.finish_reading()
        await self.eraser.close()
        await self.shares.close()
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

    def heard_of_height(self, peer: str, height: int) -> None:
        """A peer says where it stands."""
        self._heights[peer] = max(height, self._heights.get(peer, 0))
        if self.engine_problem is None:
            self.catch_up.hint(peer, height)

    def height_of(self, peer: str) -> int | None:
        """What a peer said last about its height."""
        return self._heights.get(peer)

    # Links

    def _make_links(self) -> Links:
        home = self.home
        peers = {
            member.name: _peer(member)
            for member in home.genesis.members
            if member.node is not None and member.name != home.member.name
        }
        return Links(
            me=home.identity,
            peers=peers,
            listen=split_address(home.config.file.peer.listen),
            chain_id=home.genesis.chain_id,
            height=lambda: self.pool.height,
            on_message=self._on_message,
            on_request=self._on_request,
            on_connect=self._on_connect,
            on_disconnect=lambda member: self._log.info("peer disconnected", extra={"peer": member}),
            software=self.software,
        )

    def _on_message(self, member: str, kind: int, body: bytes) -> None:
        if self.pool.is_closing:
            return
        if self.engine_problem is not None and kind != FrameKind.NEWS:
            return
        try:
            match kind:
                case FrameKind.CONSENSUS:
                    self.driver.receive(member, body)
                case FrameKind.TRANSACTIONS:
                    self.dissemination.receive(member, body)
                case FrameKind.COSIGNATURE:
                    self.checkpoints.receive(member, body)
                case FrameKind.NEWS:
                    self.heard_of_height(member, decode(News, body).height)
                case _:
                    raise PoolError(ErrorCode.MALFORMED, f"frames of kind {kind} are unknown")
        except PoolError as error:
            if error.code.is_storage:
                self.fail(error)
                return
            raise

    async def _on_request(self, member: str, kind: int, body: bytes) -> bytes:
        try:
            match kind:
                case FrameKind.FETCH_TRANSACTIONS:
                    return await self.dissemination.serve(body)
                case FrameKind.FETCH_BLOCKS:
                    return await self.catch_up.serve(body)
                case FrameKind.FETCH_SHARES:
                    return await self.shares.serve(body)
                case FrameKind.FETCH_VOTES:
                    return encode(self.driver.replica.statements_of(member))
                case _:
                    raise PoolError(ErrorCode.MALFORMED, f"requests of kind {kind} are unknown")
        except PoolError as error:
            if error.code.is_storage:
                self.fail(error)
            raise

    def _on_connect(self, member: str, hello: Hello) -> None:
        self._log.info("peer connected", extra={"peer": member, "height": hello.height})
        self.links.send(member, FrameKind.NEWS, encode(News(self.pool.height)))
        self.checkpoints.on_connect(member)
        self.heard_of_height(member, hello.height)
        self._judge_memory()
        self._recollect(member)
        self._end_probation()

    # Checkpoints

    def _make_checkpoints(self) -> Checkpoints:
        home, genesis = self.home, self.home.genesis
        keys = CheckpointKeys(genesis.chain_id, genesis.validators, genesis.members)
        signer, cosigner = home.checkpoint_signer, None
        if signer is not None:
            cosigner = Cosigner(home.data / "COSIGNED", signer, home.member.name, keys)
        return Checkpoints(
            self.pool,
            self.links,
            keys,
            cosigner,
            home.data / "checkpoint.note",
            self.metrics,
            self._may_cosign,
            self.misbehaviour.on_conflict,
            time.time,
            time.monotonic,
        )

    def _may_cosign(self) -> bool:
        """Whether this node knows enough of the network to say that its history is the newest, and the one it said
        before: a validator when it may vote, a node that has forgotten what it cosigned when all of that is decided.
        """
        if self.unready_reason is not None or (self.home.signer is not None and not self.driver.may_vote):
            return False
        self._judge_memory()
        return self._cosigning_height is not None and self.pool.height >= self._cosigning_height

    def _judge_memory(self) -> None:
        """Find out, as soon as a quorum has been heard, from which height on this node may cosign."""
        if self._cosigning_height is None and self.checkpoints.remembers:
            self._cosigning_height = 0
        elif self._cosigning_height is None:
            self._cosigning_height = safe_height(self.home.member.name, self.ledger.validators, self._heights)

    def _tick_checkpoints(self) -> None:
        try:
            self.checkpoints.tick()
        except PoolError as error:
            self.fail(error)

    # Clockwork

    async def _start_engine(self) -> None:
        try:
            await self.execution.start_engine()
        except Exception as error:
            if not self.pool.is_closing:
                self.fail(error)

    def _every(self, period_s: float, work: Callable[[], None]) -> None:
        """Call ``work`` every ``period_s``. A stalled loop loses calls rather than making them up in a burst."""
        loop = asyncio.get_running_loop()
        slot = len(self._handles)

        def run() -> None:
            work()
            if not self.pool.is_closing:
                self._handles[slot] = loop.call_later(period_s, run)

        self._handles.append(loop.call_later(period_s, run))

    def _look_around(self) -> None:
        self.metrics.peers.set(len(self.links.connected))
        self.metrics.view.set(self.driver.replica.view)
        self.pool.forget_expired()
        lower_background_threads()
        for member in self.links.connected:
            self._recollect(member)
        self._end_probation()

    def _recollect(self, member: str) -> None:
        """Ask a validator for votes of this one, as long as that matters."""
        if self.recollection is not None and not self.driver.may_vote and member in self.ledger.validators:
            self.recollection.ask(member)

    def _on_forgotten(self, statement: Statement) -> None:
        """There is a vote of this validator that its file of votes does not hold: the file is an old one."""
        seen = {"height": statement.height, "view": statement.view, "kind": type(statement).__name__}
        self._log.error("the file of votes is older than votes of this validator that others hold", extra=seen)
        if self.driver.may_vote:
            return
        self._is_on_probation, self._probation_height = True, None
        try:
            mark(self.home.probation_file)
        except PoolError as error:
            self.fail(error)

    def _end_probation(self) -> None:
        """Let this validator vote once that is safe: with its memory whole, when a quorum has been heard and it has
        caught up; else later (see ``node.probation``).
        """
        if self.driver.may_vote or self.home.signer is None or self.is_syncing or self.engine_problem is not None:
            return
        if self.pool.is_closing or not self._has_recollected:
            return
        if self._probation_height is None:
            self._probation_height = safe_height(
                self.home.member.name,
                self.ledger.validators,
                self._heights,
                margin_blocks=MARGIN_BLOCKS if self._is_on_probation else 0,
                is_new=self.recollection is None or self.recollection.forgotten is None,
            )
        if self._probation_height is not None and self.pool.height >= self._probation_height:
            self.home.probation_file.unlink(missing_ok=True)
            self._is_on_probation = False
            self._log.info("voting from now on", extra={"height": self.pool.height})
            self.driver.start_voting()

    @property
    def _has_recollected(self) -> bool:
        return self.recollection is None or self.recollection.is_complete(self.ledger.validators)

    def _on_committed(self, block: CommittedBlock) -> None:
        metrics, executed = self.metrics, block.executed
        if self.recollection is not None and not self.driver.may_vote:
            self.recollection.note_certificate(block.certificate)
            asyncio.get_running_loop().call_soon(self._end_probation)
        metrics.height.set(executed.header.height)
        for code, count in Counter(outcome.code for outcome in executed.outcomes).items():
            metrics.transactions.labels(code).inc(count)
        accepted = zip(executed.transactions, executed.outcomes, strict=True)
        self._count_contracts(block)
        metrics.records.inc(sum(checked.record_count for checked, outcome in accepted if outcome.is_ok))
        for waited_ms in block.waiting_ms.values():
            metrics.commit_latency.observe(waited_ms / 1000)
        news = encode(News(executed.header.height))
        validators = self.ledger.validators
        for member in self.links.connected:
            if member not in validators:
                self.links.send(member, FrameKind.NEWS, news)

    def _count_contracts(self, block: CommittedBlock) -> None:
        metrics = self.metrics
        for checked, outcome in zip(block.executed.transactions, block.executed.outcomes, strict=True):
            if checked.type.calls_contract:
                metrics.contract_calls.inc()
                metrics.contract_fuel.inc(outcome.fuel)
            if outcome.verdict is not None:
                metrics.verdicts.labels("failed" if outcome.verdict.failure else outcome.verdict.verdict).inc()


def consensus_config(config: NodeConfig) -> ConsensusConfig:
    """The core's timers, in ticks."""
    section = config.file.consensus
    return ConsensusConfig(view_timeout_ticks=max(2, section.view_timeout_ms // section.tick_ms))


def _peer(member: Member) -> Peer:
    if member.node is None:
        raise PoolError(ErrorCode.BAD_CONFIGURATION, f"{member.name} has no node")
    host, port = split_address(member.node.address)
    return Peer(host, port, member.node.tls_certificate)
