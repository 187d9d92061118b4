"""What the parts of a replica share: its identity, the last block, the height in flight, and the list of effects."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from chain.blocks import Certificate, Proposal, block_hash
from chain.errors import InvariantBroken
from chain.primitives.crypto import Hash, Signer
from chain.primitives.encoding import encode
from chain.primitives.quorum import max_faulty
from chain.proofs.validators import ValidatorSet
from consensus.config import ConsensusConfig
from consensus.effects import Broadcast, Effect, Evidence, Persist, Reject, SendMessage
from consensus.evidence import Verifier, is_contradiction
from consensus.height import new_height_state
from consensus.justification import Forged, Refused
from consensus.memory import PROPOSAL_KEYS, VOTES_KEY, VoteRecord, load_proposals, load_vote_record
from consensus.messages import Message, Statement, ViewChange, signed_message
from consensus.timers import RateLimit, ViewTimer
from consensus.votes import V, VoteBook
from consensus.watch import PrimaryWatch


@dataclass(frozen=True, slots=True)
class Tip:
    """The last block that the node has stored durably."""

    height: int
    """0 for genesis."""
    block_hash: Hash
    certificate: Certificate | None
    """None for genesis only."""
    validators: ValidatorSet
    """Who votes at ``height + 1``, by the state after this block."""
    ends_epoch: bool = False
    """Whether another set, or other rules, begin at ``height + 1``."""

    @property
    def next_start_view(self) -> int:
        """The view that needs no justification at ``height + 1``. An epoch begins in view 0: views number the
        validators of one set, and those who join have seen none of them.
        """
        return 0 if self.ends_epoch or self.certificate is None else self.certificate.view


class Core:
    """State and helpers for the normal case, view changes and assistance. It makes no decisions."""

    def __init__(
        self,
        chain_id: bytes,
        me: str,
        signers: Mapping[bytes, Signer],
        tip: Tip,
        config: ConsensusConfig,
        memory: Mapping[bytes, bytes],
        verifier: Verifier,
    ) -> None:
        self.chain_id = chain_id
        self.me = me
        self.signers = signers
        self.signer: Signer | None = None
        """Signs our votes at the height in flight; None if we have none there, or lack the key of it."""
        self.config = config
        self.verifier = verifier
        self.effects: list[Effect] = []
        self.suspicion: str | None = None
        """Why the primary should be replaced; handled at the end of the input that set it."""
        self.doublings_carried = 0
        """Doublings of the timeout that earlier heights needed; one fewer with every block."""
        self.view_timer = ViewTimer(config)
        self.watch = PrimaryWatch(config)
        self.rate_limit = RateLimit(config.assist_ticks)
        self._remembered = load_vote_record(memory)
        self._remembered_proposals = load_proposals(memory)
        self.previous_validators: ValidatorSet | None = None
        """Who voted at the tip's height, if known: they certify it."""
        self.enter_height(tip)

    def enter_height(self, tip: Tip) -> None:
        """Begin the height after ``tip``, with the votes that we cast there before a restart, if any. What was learnt
        of the primaries of an epoch ends with it.
        """
        self.tip = tip
        self.validators = tip.validators
        key = tip.validators.key_of(self.me)
        self.signer = None if key is None else self.signers.get(key)
        if tip.ends_epoch:
            self.doublings_carried = 0
            self.watch.begin_epoch()
        self.current = new_height_state(
            tip.height + 1, tip.next_start_view, tip.validators, self.config, self.is_signed, self._on_forged
        )
        self.view_timer.restart()
        self.suspicion = None
        remembered = self._remembered
        if remembered is not None and remembered.height == self.current.height:
            self._restore(remembered)
        if remembered is not None and remembered.height <= self.current.height:
            self._remembered, self._remembered_proposals = None, (None, None)
        self.watch.follow(self.current.start_view, max_faulty(len(tip.validators)))

    @property
    def can_vote(self) -> bool:
        """Whether we are a validator here, with a key that we hold, and remember all our votes at this height.

        A node whose blocks were lost, but not its votes, passes again through heights in which it has voted. The vote
        record holds the latest height only, so the node does not vote until it reaches that height.
        """
        return self._remembered is None and self.signer is not None

    @property
    def primary(self) -> str:
        """The primary of the current view."""
        return self.validators.primary(self.current.view)

    @property
    def is_active(self) -> bool:
        """Whether votes are cast in the current view."""
        return not self.current.is_changing and not self.current.is_decided

    @property
    def doublings(self) -> int:
        """How often the timeout is doubled now: the same at all replicas in one view of one height."""
        changes = max(0, self.current.view - self.current.start_view)
        return min(self.doublings_carried + changes, self.config.timeout_doublings_max)

    def emit(self, effect: Effect) -> None:
        """Append to the effects of this batch."""
        self.effects.append(effect)

    def send(self, to: str, message: Message) -> None:
        """Send to one peer."""
        self.effects.append(SendMessage(to, message))

    def broadcast(self, message: Message) -> None:
        """Send to all other validators, if there are any."""
        if len(self.validators) > 1:
            self.effects.append(Broadcast(message))

    def reject(self, peer: str, refused: Refused) -> None:
        """Count a refused message."""
        self.effects.append(Reject(peer, refused.reason, isinstance(refused, Forged)))

    def sign(self, message: bytes) -> bytes:
        """Our signature.

        Raises:
            InvariantBroken: we have no vote at this height.
        """
        if self.signer is None:
            raise InvariantBroken(f"{self.me} signs at height {self.current.height}, where it has no vote")
        return self.signer.sign(message)

    def is_signed(self, statement: Statement) -> bool:
        """Whether a validator's statement at the height in flight carries its signature."""
        key = self.validators.key_of(statement.validator)
        return key is not None and self.verifier(key, signed_message(self.chain_id, statement), statement.signature)

    def record_votes(self, **changes: Statement | msgspec.Struct) -> None:
        """Put statements of ours into the vote record and persist it. Callers send them afterwards, never before."""
        self.current.vote_record = msgspec.structs.replace(self.current.vote_record, **changes)
        self.emit(Persist(VOTES_KEY, encode(self.current.vote_record)))

    def store_proposal(self, hash_: Hash, proposal: Proposal) -> None:
        """Persist a proposal that we are about to vote for, without overwriting the one we saw prepared."""
        current = self.current
        if hash_ in current.stored:
            return
        prepared = current.vote_record.prepared
        place = 1 if prepared is not None and current.stored[0] == prepared.block_hash else 0
        current.stored[place] = hash_
        self.emit(Persist(PROPOSAL_KEYS[place], encode(proposal)))

    def add_vote(self, book: VoteBook[V], vote: V, is_verified: bool = False) -> bool:
        """Keep a vote unless its validator has one in that view already. Two different ones are evidence."""
        first = book.find(vote.view, vote.validator)
        if first is None:
            book.add(vote, is_verified)
            return True
        if first.block_hash != vote.block_hash and self.expose(first, vote):
            book.remove(first)
            book.add(vote, is_verified=True)
            return True
        return False

    def expose(self, first: Statement, second: Statement) -> bool:
        """Report a contradiction once. True if ``first`` was forged and ``second`` is valid and should replace it."""
        key = (second.validator, type(second), second.view)
        if key in self.current.exposed or not is_contradiction(first, second):
            return False
        if not self.is_signed(second):
            self._on_forged(second.validator)
            return False
        if not self.is_signed(first):
            self._on_forged(first.validator)
            return True
        self.current.exposed.add(key)
        self.emit(Evidence(second.validator, first, second))
        return False

    def view_change_message(self) -> ViewChange:
        """Our latest view change with the proof of its claim.

        Raises:
            InvariantBroken: we claim a prepared block whose proposal we do not hold.
        """
        record = self.current.vote_record
        if record.view_change is None:
            raise InvariantBroken("the vote record holds no view change")
        if record.prepared is None:
            return ViewChange(record.view_change, None, None)
        proposal = self.current.find_proposal(record.prepared.block_hash)
        if proposal is None:
            raise InvariantBroken("the proposal of our prepared certificate is lost")
        return ViewChange(record.view_change, record.prepared, proposal)

    def _on_forged(self, validator: str) -> None:
        self.reject(validator, Forged("vote does not verify"))

    def _restore(self, record: VoteRecord) -> None:
        """Continue from our votes at this height before a restart.

        We entered every view that we voted in rightfully. We may enter no other one without justification, whatever
        start view the stored certificate suggests now.
        """
        current = self.current
        current.vote_record = record
        for place, proposal in enumerate(self._remembered_proposals):
            if proposal is not None:
                hash_ = block_hash(self.chain_id, proposal.header)
                current.stored[place] = hash_
                current.proposals[hash_] = proposal
        if record.prepare is not None:
            current.start_view = min(current.start_view, record.prepare.view)
            current.leave_view(record.prepare.view, is_changing=False)
            current.prepares.add(record.prepare, is_verified=True)
            if record.prepare.block_hash in current.proposals:
                current.accepted = record.prepare.block_hash
        if record.commit is not None:
            current.commits.add(record.commit, is_verified=True)
        wanted = record.view_change
        if wanted is not None and wanted.view > (current.start_view if record.prepare is None else current.view):
            current.leave_view(wanted.view, is_changing=True)
            current.view_changes[self.me] = self.view_change_message()
