"""What the parts of a replica share: its identity, the last block, the height in flight, and the one way out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from chain.blocks import Certificate, Proposal, block_hash
from chain.errors import InvariantBroken
from chain.primitives.crypto import Hash, Signer
from chain.primitives.encoding import encode
from chain.proofs.validators import ValidatorSet
from consensus.config import ConsensusConfig
from consensus.effects import Broadcast, Effect, Evidence, Persist, Reject, Send
from consensus.evidence import Verifier, is_contradiction
from consensus.height import new_height_state
from consensus.memory import PROPOSAL_KEYS, VOTES_KEY, Sworn, load_proposals, load_sworn
from consensus.messages import Message, Statement, ViewChange, signed_message
from consensus.timers import Patience, RateLimit
from consensus.votes import V, VoteBook
from consensus.watch import PrimaryWatch


@dataclass(frozen=True, slots=True)
class Tip:
    """The last block that the node has stored durably."""

    height: int
    """0 for genesis."""
    block_hash: Hash
    certificate: Certificate | None
    """None for genesis only; its view is where the next height starts."""
    validators: ValidatorSet
    """Who votes at ``height + 1``, by the state after this block."""


class Core:
    """State and tools that the normal case, view changes and assistance work with. It decides nothing itself."""

    def __init__(
        self,
        chain_id: bytes,
        me: str,
        signer: Signer,
        tip: Tip,
        config: ConsensusConfig,
        memory: Mapping[bytes, bytes],
        verifier: Verifier,
    ) -> None:
        self.chain_id = chain_id
        self.me = me
        self.signer = signer
        self.config = config
        self.verifier = verifier
        self.effects: list[Effect] = []
        self.suspicion: str | None = None
        """Why the primary should be replaced; acted upon at the end of the input that found out."""
        self.doublings_carried = 0
        """Doublings of the timeout that earlier heights have shown to be needed; one fewer with every block."""
        self.patience = Patience(config)
        self.watch = PrimaryWatch(config)
        self.rate_limit = RateLimit(config.assist_ticks)
        self._remembered = load_sworn(memory)
        self._remembered_proposals = load_proposals(memory)
        self.previous_validators: ValidatorSet | None = None
        """Who voted at the tip's height, if known: they certify it."""
        self.enter_height(tip)

    def enter_height(self, tip: Tip) -> None:
        """Begin the height after ``tip``, with what we may have sworn there before a restart."""
        self.tip = tip
        self.validators = tip.validators
        start_view = tip.certificate.view if tip.certificate is not None else 0
        self.current = new_height_state(
            tip.height + 1, start_view, tip.validators, self.config, self.is_signed, self._on_forged
        )
        self.patience.restart()
        self.suspicion = None
        remembered = self._remembered
        if remembered is not None and remembered.height == self.current.height:
            self._restore(remembered)
        if remembered is not None and remembered.height <= self.current.height:
            self._remembered, self._remembered_proposals = None, (None, None)
        self.watch.follow(self.current.start_view)

    @property
    def can_vote(self) -> bool:
        """Whether we are a validator here, and swore nothing at this height that we do not know any more.

        A node whose blocks were lost while its votes survived passes heights again in which it has voted. The memory
        holds the latest of them only, so it stays silent until it is back there.
        """
        return self._remembered is None and self.me in self.validators

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
        """How often the timeout is doubled now: alike at all replicas in one view of one height."""
        changes = max(0, self.current.view - self.current.start_view)
        return min(self.doublings_carried + changes, self.config.timeout_doublings_max)

    def emit(self, effect: Effect) -> None:
        """Append to the effects of this batch."""
        self.effects.append(effect)

    def send(self, to: str, message: Message) -> None:
        """Send to one peer."""
        self.effects.append(Send(to, message))

    def broadcast(self, message: Message) -> None:
        """Send to all other validators, if there are any."""
        if len(self.validators) > 1:
            self.effects.append(Broadcast(message))

    def reject(self, peer: str, reason: str) -> None:
        """Count a refused message."""
        self.effects.append(Reject(peer, reason))

    def sign(self, message: bytes) -> bytes:
        """Our signature."""
        return self.signer.sign(message)

    def is_signed(self, statement: Statement) -> bool:
        """Whether a validator's statement at the height in flight carries its signature."""
        key = self.validators.key_of(statement.validator)
        return key is not None and self.verifier(key, signed_message(self.chain_id, statement), statement.signature)

    def swear(self, **changes: Statement | msgspec.Struct) -> None:
        """Record own statements and persist them. Every caller sends them afterwards, never before."""
        self.current.sworn = msgspec.structs.replace(self.current.sworn, **changes)
        self.emit(Persist(VOTES_KEY, encode(self.current.sworn)))

    def store_proposal(self, hash_: Hash, proposal: Proposal) -> None:
        """Persist a proposal that we are about to vote for, without touching the one we have seen prepared."""
        current = self.current
        if hash_ in current.stored:
            return
        prepared = current.sworn.prepared
        place = 1 if prepared is not None and current.stored[0] == prepared.block_hash else 0
        current.stored[place] = hash_
        self.emit(Persist(PROPOSAL_KEYS[place], encode(proposal)))

    def record(self, book: VoteBook[V], vote: V, is_verified: bool = False) -> bool:
        """Keep a vote unless its validator already has one in that view; two different ones are evidence."""
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
        """Report a contradiction once. True if ``first`` was forged and ``second`` is genuine and should replace it."""
        key = (second.validator, type(second), second.view)
        if key in self.current.exposed or not is_contradiction(first, second):
            return False
        if not self.is_signed(second):
            self.reject(second.validator, "vote does not verify")
            return False
        if not self.is_signed(first):
            self.reject(first.validator, "vote does not verify")
            return True
        self.current.exposed.add(key)
        self.emit(Evidence(second.validator, first, second))
        return False

    def view_change_message(self) -> ViewChange:
        """Our latest view change with the proof of its claim.

        Raises:
            InvariantBroken: we claim a prepared block whose proposal we do not hold.
        """
        sworn = self.current.sworn
        if sworn.view_change is None:
            raise InvariantBroken("no view change was sworn")
        if sworn.prepared is None:
            return ViewChange(sworn.view_change, None, None)
        proposal = self.current.find_proposal(sworn.prepared.block_hash)
        if proposal is None:
            raise InvariantBroken("the proposal of our prepared certificate is lost")
        return ViewChange(sworn.view_change, sworn.prepared, proposal)

    def _on_forged(self, validator: str) -> None:
        self.reject(validator, "vote does not verify")

    def _restore(self, sworn: Sworn) -> None:
        """Take up what we swore at this height before a restart.

        We were allowed into every view that we voted in, and may not enter another one of them without justification,
        whatever start view the stored certificate suggests now.
        """
        current = self.current
        current.sworn = sworn
        for place, proposal in enumerate(self._remembered_proposals):
            if proposal is not None:
                hash_ = block_hash(self.chain_id, proposal.header)
                current.stored[place] = hash_
                current.proposals[hash_] = proposal
        if sworn.prepare is not None:
            current.start_view = min(current.start_view, sworn.prepare.view)
            current.leave_view(sworn.prepare.view, is_changing=False)
            current.prepares.add(sworn.prepare, is_verified=True)
            if sworn.prepare.block_hash in current.proposals:
                current.accepted = sworn.prepare.block_hash
        if sworn.commit is not None:
            current.commits.add(sworn.commit, is_verified=True)
        wanted = sworn.view_change
        if wanted is not None and wanted.view > (current.start_view if sworn.prepare is None else current.view):
            current.leave_view(wanted.view, is_changing=True)
            current.view_changes[self.me] = self.view_change_message()
