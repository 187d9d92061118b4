"""Drives the consensus core: feeds it messages, ticks and work, and carries out its effects in order.

The core decides, this module acts. Inputs are gathered while the event loop turns; then one pass takes all effects,
writes everything that must be durable in one synced batch, and only then sends.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from chain.blocks import Certificate, Proposal, decode_header
from chain.errors import InvariantBroken, PoolError
from chain.execution import SchemaBudget
from chain.ledger import ExecutedBlock, verify_clock
from chain.limits import LIMITS, MIB
from chain.primitives.crypto import Hash, Signer
from chain.storage.votes import VoteStore
from chain.transactions.base import CheckedTransaction
from consensus.config import ConsensusConfig
from consensus.effects import Broadcast, Build, Deliver, Effect, Execute, Persist, SendMessage, SuggestCatchUp
from consensus.memory import PROPOSAL_KEYS
from consensus.messages import decode_message, encode_message
from consensus.replica import Replica, Tip
from node.call_turns import CallTurns
from node.execution import Executions, is_local_fault
from node.frames import FrameKind
from node.links import Links
from node.neglect import neglected_members
from node.overdue import Overdue
from node.pool import CommittedBlock, Pool
from node.proposal_bodies import ProposalBodies

_FETCH_PAUSE_S = 0.5
"""Before bodies of a certified block that nobody gave are asked for again."""
_GATHER_S = 0.015
_GATHER_MAX_S = 0.05
_LOOK_S = 0.005
_GATHERED = 256
_GATHERED_BYTES = 4 * MIB
"""Adaptive batching. A block costs every node the same votes, checks and disk syncs, however little is in it. When
nothing waits as a block is committed, the next transaction is proposed at once. When more came meanwhile, there is
load: the primary then gathers for a moment, or until there is this much, so that the cost is shared. If even then some
have not been verified yet, the node is behind, and blocks that hold little would keep it there: it looks now and then
whether they have been, but not for longer than the second limit."""


@dataclass(frozen=True)
class ReplicaSettings:
    """How this node takes part in consensus."""

    member: str
    """This node's member."""
    signers: Mapping[bytes, Signer]
    """What signs its votes, by public key; empty for a node that never votes."""
    timers: ConsensusConfig
    """Timers and bounds of the core."""
    tick_s: float
    """Length of a tick, seconds."""


@dataclass(frozen=True)
class DriverEvents:
    """Whom the driver tells what."""

    report: Callable[[Effect], None]
    """Effects that ask nothing of the node."""
    on_peer_ahead: Callable[[str, int], None]
    """``(peer, height)``: a peer claims to be ahead."""
    on_fatal: Callable[[Exception], None]
    """An error after which this node must stop."""


class ConsensusDriver:
    """One replica on its node. It follows silently until ``start_voting``.

    Args:
        settings: of the replica.
        pool: the node's ledger and mempool.
        votes: keeps this node's own votes durably.
        links: to the other nodes.
        executions: executes blocks.
        bodies: finds the transactions of proposals.
        overdue: tells the primary what it may have missed.
        events: whom to tell.

    Attributes:
        may_vote: whether this node takes part.
        replica: the core, made anew when the node begins to take part.
    """

    def __init__(
        self,
        settings: ReplicaSettings,
        pool: Pool,
        votes: VoteStore,
        links: Links,
        executions: Executions,
        bodies: ProposalBodies,
        overdue: Overdue,
        events: DriverEvents,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._votes = votes
        self._links = links
        self._executions = executions
        self._bodies = bodies
        self._overdue = overdue
        self._events = events
        self._log = logging.getLogger("blockpool.consensus")
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_pump_due = False
        self._gather_since_s: float | None = None
        """When the last block was committed while more waited; None if nothing did."""
        self._ticks = 0
        self._told_work: tuple[Hash | None, bool] = (None, False)
        self._height_began_s = 0.0
        self._call_turns = CallTurns(pool.mempool, pool.monotonic_s)
        self.may_vote = False
        self.replica = self._make_replica()
        pool.add_listener(self._on_committed)

    # Inputs

    def receive(self, member: str, body: bytes) -> None:
        """A consensus message came; raises ``PoolError`` if it does not decode."""
        if not self._is_stopped:
            self.replica.step(member, decode_message(body))
            self._schedule()

    def tick(self) -> None:
        """One tick has passed. The core gets no ticks while contracts are executed: the primary is not at fault then,
        and the block limits bound the time. Otherwise each height full of costly calls would begin with a view change,
        and the work would be done twice.
        """
        self._ticks += 1
        self._pool.forget_expired()
        if not self.replica.is_primary:
            self._overdue.tell(self.replica.primary)
        if self._work() != self._told_work:
            self.work_changed()
        if self._executions.is_holding_up or self._is_stopped:
            return
        self.replica.tick()
        self._schedule()

    def work_changed(self) -> None:
        """The mempool may have got its first transaction, or lost its oldest, or the primary been told of it."""
        self._tell_work()
        self._schedule()

    def start_voting(self) -> None:
        """End the node's probation: from now on it takes part."""
        self.may_vote = True
        self.replica = self._make_replica()
        self.work_changed()

    async def close(self) -> None:
        """Drop what is under way."""
        self._executions.forget()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def lacks_key(self) -> bool:
        """Whether the next block's set names this member with a consensus key that is not here."""
        key = self._pool.ledger.validators.key_of(self._settings.member)
        return key is not None and key not in self._settings.signers

    @property
    def _is_stopped(self) -> bool:
        """Whether the next block follows rules that this program does not know: it cannot tell right from wrong."""
        return self._pool.ledger.unknown_rules is not None

    # Effects

    def _schedule(self) -> None:
        if not self._is_pump_due:
            self._is_pump_due = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._is_pump_due = False
        if self._pool.is_closing or self._is_stopped:
            return
        try:
            while effects := self.replica.take_effects():
                self._carry_out(effects)
        except (PoolError, InvariantBroken) as error:
            self._events.on_fatal(error)

    def _carry_out(self, effects: list[Effect]) -> None:
        persists = {effect.key: effect.value for effect in effects if isinstance(effect, Persist)}
        if persists:
            # Durable before anything of this batch leaves: a restarted replica never contradicts what it has sent.
            if not persists.keys().isdisjoint(PROPOSAL_KEYS):
                self._bodies.keep(persists)
            self._votes.write(persists.items())
        for effect in effects:
            match effect:
                case Broadcast(message):
                    self._broadcast(encode_message(message))
                case SendMessage(to, message):
                    self._links.send(to, FrameKind.CONSENSUS, encode_message(message), urgent=True)
                case Build(height, view):
                    self._build(height, view)
                case Execute(hash_, proposal):
                    self._judge(hash_, proposal)
                case Deliver(proposal, certificate):
                    self._deliver(proposal, certificate)
                case SuggestCatchUp(height, peer):
                    self._events.on_peer_ahead(peer, height)
                case _:
                    self._events.report(effect)

    def _broadcast(self, body: bytes) -> None:
        for member in self.replica.validators.names:
            if member != self._settings.member:
                self._links.send(member, FrameKind.CONSENSUS, body, urgent=True)

    def _build(self, height: int, view: int) -> None:
        if (self.replica.height, self.replica.view) != (height, view) or height != self._pool.height + 1:
            return
        if self._executions.is_making:
            return  # the block under way answers this request too
        if pause_s := self._gather_s():
            asyncio.get_running_loop().call_later(pause_s, self._build_later, height, view)
            return
        self._pool.forget_expired()
        now_ms = self._pool.clock_ms()
        transactions = self._pool.mempool.select(now_ms, with_calls=self._call_turns.has_come)
        if not transactions:
            self.replica.propose(height, view, None)
            self._tell_work()
            return
        if self._executions.is_for_thread(transactions):
            self._call_turns.began()
            self._spawn(self._propose_made(height, self._executions.make_beside(transactions, now_ms)))
        else:
            self.replica.propose(height, view, self._executions.make(transactions, now_ms).proposal)

    def _gather_s(self) -> float:
        """How long to gather transactions before looking again, seconds; 0 if the block is to be made now."""
        mempool, since_s = self._pool.mempool, self._gather_since_s
        if since_s is None or len(mempool) >= _GATHERED or mempool.size_bytes >= _GATHERED_BYTES:
            return 0.0
        rest_s = since_s + _GATHER_S - asyncio.get_running_loop().time()
        if rest_s > 0:
            return rest_s
        return _LOOK_S if self._bodies.are_coming and rest_s > _GATHER_S - _GATHER_MAX_S else 0.0

    async def _propose_made(self, height: int, making: asyncio.Future[ExecutedBlock]) -> None:
        """Propose the block that is made beside the loop, in whatever view there is then."""
        executed = await making
        if height == self._pool.height + 1:
            self.replica.propose(height, self.replica.view, executed.proposal)
        self._schedule()

    def _build_later(self, height: int, view: int) -> None:
        if self._pool.is_closing:
            return
        try:
            self._build(height, view)
        except (PoolError, InvariantBroken) as error:
            self._events.on_fatal(error)
        self._schedule()

    def _judge(self, hash_: Hash, proposal: Proposal) -> None:
        if self.replica.height != self._pool.height + 1:
            return  # catch-up has stored this height already and is about to say so
        if self._executions.find(hash_) is not None:
            self.replica.executed(hash_, None)
            return
        transactions = self._bodies.find(proposal)
        if transactions is None:
            self._spawn(self._judge_after_fetch(hash_, proposal))
            return
        if self._executions.is_for_thread(transactions):
            self._call_turns.began()
            self._spawn(self._judge_beside(hash_, proposal, transactions))
            return
        try:
            self._executions.check(hash_, proposal, transactions, self._pool.clock_ms())
        except PoolError as error:
            self._refuse(hash_, error)
        else:
            self.replica.executed(hash_, None)

    async def _judge_beside(self, hash_: Hash, proposal: Proposal, transactions: list[CheckedTransaction]) -> None:
        refusal: PoolError | None = None
        header = decode_header(proposal.header)
        began = self._ticks
        try:
            verify_clock(header, self._pool.clock_ms())
            await self._executions.check_beside(hash_, proposal, transactions)
        except PoolError as error:
            if is_local_fault(error):
                raise
            refusal = error
        if header.height != self._pool.height + 1:
            return  # on the tip that is there now, the verdict means nothing
        if refusal is not None:
            self._refuse(hash_, refusal)
        else:
            self.replica.executed(hash_, None, self._ticks - began)
        self._schedule()

    def _refuse(self, hash_: Hash, error: PoolError) -> None:
        """Tell the core why a proposal is refused; what fails because of this machine is raised again."""
        if is_local_fault(error):
            raise error
        self._log.warning("proposal refused", extra={"height": self.replica.height, "reason": error.detail})
        self.replica.executed(hash_, error.detail)

    async def _judge_after_fetch(self, hash_: Hash, proposal: Proposal) -> None:
        height = self.replica.height
        await self._bodies.fetch(proposal)
        if self.replica.height == height and self._bodies.find(proposal) is not None:
            self._judge(hash_, proposal)
            self._schedule()

    def _deliver(self, proposal: Proposal, certificate: Certificate) -> None:
        if certificate.height != self._pool.height + 1:
            return  # catch-up was faster
        hash_ = certificate.block_hash
        executed = self._executions.find(hash_)
        if executed is None:
            transactions = self._bodies.find(proposal)
            if transactions is None:
                self._spawn(self._deliver_after_fetch(proposal, certificate))
                return
            if self._executions.is_for_thread(transactions):
                self._spawn(self._deliver_beside(proposal, certificate, transactions))
                return
            try:
                executed = self._executions.check(hash_, proposal, transactions, None)
            except PoolError as error:
                raise _undeliverable(error) from error
        self._pool.commit(executed, certificate)

    async def _deliver_beside(
        self, proposal: Proposal, certificate: Certificate, transactions: list[CheckedTransaction]
    ) -> None:
        try:
            executed = await self._executions.check_beside(certificate.block_hash, proposal, transactions)
        except PoolError as error:
            if certificate.height != self._pool.height + 1 and not is_local_fault(error):
                return  # catch-up was faster, and the block has not been executed on its parent
            raise _undeliverable(error) from error
        if certificate.height == self._pool.height + 1:
            self._pool.commit(executed, certificate)
        self._schedule()

    async def _deliver_after_fetch(self, proposal: Proposal, certificate: Certificate) -> None:
        """The core delivers a block once, so this goes on until it is there, by whatever way: its bodies, or all of it
        from those who have certified it.
        """
        await self._bodies.fetch(proposal)
        while certificate.height == self._pool.height + 1 and self._bodies.find(proposal) is None:
            for member, _ in certificate.votes:
                self._events.on_peer_ahead(member, certificate.height)
            await asyncio.sleep(_FETCH_PAUSE_S)
            await self._bodies.fetch(proposal)
        if certificate.height == self._pool.height + 1:
            self._deliver(proposal, certificate)
            self._schedule()

    def _on_committed(self, block: CommittedBlock) -> None:
        self._executions.forget()
        self._bodies.clear()
        neglected = self._neglected(block)
        # What may not be proposed yet is no load: others need not gather on its account.
        is_busy = self._bodies.are_waiting if self._call_turns.has_come else self._pool.mempool.oldest_other is not None
        self._gather_since_s = asyncio.get_running_loop().time() if is_busy else None
        self._height_began_s = asyncio.get_running_loop().time()
        self._tell_work()
        self.replica.advance(self._tip(), neglected)
        self._schedule()

    def _neglected(self, block: CommittedBlock) -> Collection[str]:
        """Members whose transactions the block skipped, though its primary must have had them when the height began."""
        height_s = asyncio.get_running_loop().time() - self._height_began_s
        overdue_s = height_s + self.replica.overdue_ticks * self._settings.tick_s
        ordered, mempool, turns = block.executed.transactions, self._pool.mempool, self._call_turns

        def is_overdue(id_: Hash) -> bool:
            return (self._overdue.known_s(id_) or 0.0) >= overdue_s

        turns.committed(ordered, is_overdue)
        if self.replica.is_primary:
            return ()
        entry = self._pool.ledger.entry

        def has_schema_room(checked: CheckedTransaction) -> bool:  # asked of what is overdue, so of hardly any block
            schemas = SchemaBudget(LIMITS)
            for other in ordered:
                schemas.note(other.type.checked_by(other.header, entry))
            return schemas.has_room(checked.type.checked_by(checked.header, entry))

        return neglected_members(ordered, mempool, is_overdue, turns.may_wait, has_schema_room=has_schema_room)

    def _work(self) -> tuple[Hash | None, bool]:
        """The oldest waiting transaction whose turn it may be, and whether the primary has been told of it."""
        mempool, turns = self._pool.mempool, self._call_turns
        oldest = mempool.oldest
        if (
            oldest is not None
            and oldest.type.calls_contract
            and (self.replica.is_primary or turns.may_wait(oldest.header.member))
        ):
            oldest = mempool.oldest_other or (oldest if turns.has_come else None)
        if oldest is None:
            return None, False
        return oldest.id, self.replica.is_primary or self._overdue.known_s(oldest.id) is not None

    def _tell_work(self) -> None:
        self._told_work = self._work()
        self.replica.work_pending(*self._told_work)

    # Parts

    def _make_replica(self) -> Replica:
        ledger = self._pool.ledger
        return Replica(
            ledger.chain_id,
            self._settings.member if self.may_vote else "",
            self._settings.signers,
            self._tip(),
            config=self._settings.timers,
            memory=self._votes.read() if self.may_vote else {},
        )

    def _tip(self) -> Tip:
        ledger = self._pool.ledger
        tip = ledger.tip
        return Tip(tip.height, tip.block_hash, tip.certificate, ledger.validators, tip.header.hands_over)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._events.on_fatal(error if isinstance(error, Exception) else RuntimeError(str(error)))


def _undeliverable(error: PoolError) -> Exception:
    """Why the node must stop if a certified block cannot be executed here."""
    if is_local_fault(error):
        return error
    return InvariantBroken(f"a certified block does not execute here: {error.detail}")
