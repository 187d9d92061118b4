"""One replica of the consensus: its inputs and its effects.

The node calls the inputs (``step``, ``tick``, ``work_pending``, ``propose``, ``executed``, ``advance``), then takes the
effects and carries them out in order. The replica reads no clock, opens no socket and draws no random number: the same
inputs always give the same effects, in the daemon as in the simulator.

One height is in flight at a time. The protocol is PBFT (Castro and Liskov, OSDI 1999; TOCS 2002) with a stable primary
and the block as the unit of agreement; ``docs/consensus.md`` has the rules, the bounds and the safety argument.
"""

from collections.abc import Collection, Mapping

from chain.blocks import Proposal
from chain.errors import InvariantBroken
from chain.primitives.crypto import Hash, Signer, verify_signature
from chain.proofs.validators import ValidatorSet
from consensus import assistance, normal_case, view_change
from consensus.buffer import FutureBuffer
from consensus.config import ConsensusConfig
from consensus.core import Core, Tip
from consensus.effects import Effect
from consensus.evidence import Verifier
from consensus.justification import Refused
from consensus.messages import Commit, Committed, Message, NewView, Prepare, PrePrepare, Statement, Status, ViewChange

__all__ = ["Replica", "Tip"]


class Replica:
    """The consensus of one validator, or of a member that only follows.

    Args:
        chain_id: of the network; part of everything that is signed.
        me: this member's name. If it is no validator after ``tip``, the replica follows silently until it becomes one.
        signers: of this member's votes, by public key: at each height the one signs that the set of validators names.
            It may grow while the replica runs.
        tip: the last block that the node has stored durably.
        config: timers and bounds.
        memory: the newest value of every key that was ever persisted.
        verifier: decides which signatures are valid.

    Raises:
        InvariantBroken: the memory is damaged.
    """

    def __init__(
        self,
        chain_id: bytes,
        me: str,
        signers: Mapping[bytes, Signer],
        tip: Tip,
        config: ConsensusConfig | None = None,
        memory: Mapping[bytes, bytes] | None = None,
        verifier: Verifier = verify_signature,
    ) -> None:
        self._core = Core(chain_id, me, signers, tip, config or ConsensusConfig(), memory or {}, verifier)
        self._future = FutureBuffer()
        self._status_ticks = 0

    @property
    def tip(self) -> Tip:
        """The last block that the node has stored durably."""
        return self._core.tip

    @property
    def height(self) -> int:
        """The height in flight."""
        return self._core.current.height

    @property
    def view(self) -> int:
        """The view that is active, or wanted during a view change."""
        return self._core.current.view

    @property
    def validators(self) -> ValidatorSet:
        """Who votes at this height."""
        return self._core.validators

    @property
    def primary(self) -> str:
        """Who proposes in this view."""
        return self._core.primary

    @property
    def is_primary(self) -> bool:
        """Whether this replica proposes in this view."""
        return self._core.primary == self._core.me

    @property
    def overdue_ticks(self) -> int:
        """How long before a height began a transaction must have been pending to count as overdue."""
        return self._core.watch.overdue_ticks

    @property
    def has_vote(self) -> bool:
        """Whether this replica is a validator at this height, with a key that it holds."""
        return self._core.signer is not None

    @property
    def is_changing_view(self) -> bool:
        """Whether the view is wanted but not active yet."""
        return self._core.current.is_changing

    def statements_of(self, validator: str) -> tuple[Statement, ...]:
        """The newest statement of each kind by ``validator`` at the height in flight, unverified. A validator that may
        have lost votes asks the others for these.
        """
        current = self._core.current
        if validator not in self.validators:
            return ()
        prepare = max(current.prepares.of(validator), key=lambda vote: vote.view, default=None)
        commit = max(current.commits.of(validator), key=lambda vote: vote.view, default=None)
        change = current.view_changes.get(validator)
        found = (prepare, commit, None if change is None else change.vote)
        return tuple(statement for statement in found if statement is not None)

    def take_effects(self) -> list[Effect]:
        """What is to be done, in order; each effect is handed out once."""
        effects = self._core.effects
        self._core.effects = []
        return effects

    def step(self, sender: str, message: Message) -> None:
        """A message from the member ``sender``, authenticated by its link. A peer's fault never raises."""
        try:
            self._dispatch(sender, message)
        except Refused as refused:
            self._core.reject(sender, refused)
        self._settle()

    def tick(self) -> None:
        """A tick has passed."""
        core = self._core
        core.rate_limit.note_tick()
        core.watch.note_tick()
        if core.can_vote and not core.current.is_decided:
            self._tick_view_timer()
        if self._is_stalled() and core.view_timer.is_repetition_due():
            assistance.repeat_own_votes(core)
        self._status_ticks += 1
        if self._status_ticks >= core.config.status_ticks:
            self._status_ticks = 0
            assistance.broadcast_status(core)
        self._settle()

    def work_pending(self, oldest: Hash | None, is_owed: bool = True) -> None:
        """The id of the oldest pending transaction, None if none is pending. Call before ``advance``, and on change.

        Args:
            oldest: the transaction.
            is_owed: whether the primary of this view has been told of it. Only then is it to blame for not ordering it.
        """
        self._core.watch.note_oldest(oldest, is_owed)
        normal_case.ask_for_proposal(self._core)
        self._settle()

    def propose(self, height: int, view: int, proposal: Proposal | None) -> None:
        """The answer to ``Build``: a block already executed here, or None if there is nothing to propose after all."""
        normal_case.propose(self._core, height, view, proposal)
        self._settle()

    def executed(self, block_hash: Hash, refusal: str | None, execution_ticks: int = 0) -> None:
        """The answer to ``Execute``: None if the block is valid, else why not; and how long our machine took for it, in
        ticks that it did not report.
        """
        normal_case.executed(self._core, block_hash, refusal, execution_ticks)
        self._settle()

    def advance(self, tip: Tip, neglected: Collection[str] = ()) -> None:
        """The node has stored a block, and all before it, durably: delivered by us or verified in catch-up.

        Args:
            tip: the block.
            neglected: members whose overdue transactions the block skipped, more of them than it ordered, though it had
                room. Overdue: pending here for ``overdue_ticks`` when the height began.

        Raises:
            InvariantBroken: the block has no certificate, or differs from the one finalised here.
        """
        core = self._core
        if tip.height <= core.tip.height:
            return
        decided = core.current.certificate
        if tip.certificate is None:
            raise InvariantBroken(f"block {tip.height} has no certificate")
        if decided is not None and decided.height == tip.height and decided.block_hash != tip.block_hash:
            raise InvariantBroken(f"two blocks are certified at height {tip.height}")
        is_next = tip.height == core.current.height
        if is_next:
            changes = max(0, tip.certificate.view - core.current.start_view)
            needed = min(core.doublings_carried + changes, core.config.timeout_doublings_max)
            core.doublings_carried = max(0, needed - 1)
        core.previous_validators = core.validators if is_next else None
        is_at_head = core.current.is_delivered
        core.watch.note_block(neglected if core.current.has_prepared else None)  # else we came late or did not vote
        core.enter_height(tip)
        if is_at_head and core.watch.oldest is not None:  # not during catch-up, where all heights are old
            self._complain()
        self._settle()
        normal_case.ask_for_proposal(core)
        normal_case.check_prepared(core)
        for sender, message in self._future.take(core.current.height):
            self.step(sender, message)
        self._settle()

    def _dispatch(self, sender: str, message: Message) -> None:
        core = self._core
        if sender == core.me:
            raise Refused("message under our own name")
        if isinstance(message, Status):
            assistance.on_status(core, sender, message)
            return
        if isinstance(message, Committed):
            assistance.on_committed(core, sender, message)
            return
        if sender not in core.validators:
            raise Refused("not a validator")
        height = _height_of(message)
        if height == core.current.height:
            self._handle(sender, message)
        elif height > core.current.height:
            self._future.keep(core.current.height, height, sender, message)
            if height > core.current.height + 1:
                assistance.suggest_catch_up(core, sender, height - 1)
        elif isinstance(message, ViewChange):
            assistance.assist(core, sender, height - 1, message.vote.view - 1)

    def _handle(self, sender: str, message: PrePrepare | Prepare | Commit | ViewChange | NewView) -> None:
        """A message of the height in flight."""
        core = self._core
        if core.current.is_delivered:
            return
        if isinstance(message, Prepare):
            normal_case.on_prepare(core, sender, message)
        elif isinstance(message, Commit):
            normal_case.on_commit(core, sender, message)
        elif isinstance(message, PrePrepare):
            normal_case.on_pre_prepare(core, sender, message)
        elif isinstance(message, NewView):
            view_change.on_new_view(core, sender, message)
        else:
            assistance.assist(core, sender, core.tip.height, message.vote.view - 1)
            view_change.on_view_change(core, sender, message)

    def _tick_view_timer(self) -> None:
        """Start a view change when the primary is silent for too long, leaves transactions out, or is too slow."""
        core, current = self._core, self._core.current
        if current.is_changing:
            is_waiting = view_change.has_support(core)
        else:
            is_waiting = core.watch.is_owed or current.accepted is not None or current.bound is not None
        if not is_waiting:
            core.view_timer.waited_ticks = 0
        elif core.view_timer.has_expired(core.doublings):
            view_change.start(core, current.view + 1, "timeout")
        elif core.is_active:
            self._complain()

    def _complain(self) -> None:
        """Suspect the primary for what it did at this height or before."""
        if not self.is_primary:
            self._core.suspicion = self._core.watch.complaint

    def _is_stalled(self) -> bool:
        """Whether something is under way that peers may be waiting for."""
        core, current = self._core, self._core.current
        if current.is_delivered:
            return False
        return (
            current.is_changing
            or current.is_decided
            or current.has_prepared
            or current.accepted is not None
            or core.watch.oldest is not None
        )

    def _settle(self) -> None:
        """Act on what an input has found.

        A suspicion takes effect at once only in the first view of a height. In later views the doubling timer decides.
        Otherwise replicas that disagree about validity would change views at the speed of the network.
        """
        core, current = self._core, self._core.current
        suspicion, core.suspicion = core.suspicion, None
        if suspicion is not None and core.is_active and current.view == current.start_view:
            view_change.start(core, current.view + 1, suspicion)
        certificate = current.certificate
        if certificate is not None and not current.is_delivered and current.find_proposal(certificate.block_hash):
            normal_case.finalise(core, certificate, core.me)


def _height_of(message: PrePrepare | Prepare | Commit | ViewChange | NewView) -> int:
    if isinstance(message, PrePrepare):
        return message.prepare.height
    if isinstance(message, ViewChange):
        return message.vote.height
    return message.height
