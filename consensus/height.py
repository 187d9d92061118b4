"""Everything that a replica knows about the height in flight. A new state replaces it when the block is delivered."""

from collections.abc import Callable
from dataclasses import dataclass, field

from chain.blocks import Certificate, Proposal
from chain.primitives.crypto import Hash
from chain.proofs.validators import ValidatorSet
from consensus.config import ConsensusConfig
from consensus.memory import VoteRecord
from consensus.messages import Commit, NewView, Prepare, PrePrepare, Statement, ViewChange
from consensus.votes import VoteBook


@dataclass(slots=True)
class HeightState:
    """State of one height. ``view`` only grows; at most one block is accepted in a view."""

    height: int
    start_view: int
    """The view that needs no justification at this height: that of the parent's certificate, 0 in a new epoch."""
    view: int
    """The active view, or the one we want while ``is_changing``."""
    prepares: VoteBook[Prepare]
    commits: VoteBook[Commit]
    vote_record: VoteRecord
    """Our own statements, exactly as persisted."""
    is_changing: bool = False
    """We sent a view change for ``view`` and vote in nothing until it is justified."""
    justification: NewView | None = None
    """Why ``view`` is active; None in the start view, and after a restart."""
    bound: Hash | None = None
    """The only block that may be proposed in the active view, by its justification."""
    accepted: Hash | None = None
    """The block that the primary proposed in the active view, once found well formed."""
    is_building: bool = False
    """We asked our node for a proposal in the active view and have no answer yet."""
    certificate: Certificate | None = None
    """The commit votes of this height's block; once set, the height is decided."""
    is_delivered: bool = False
    """The block was handed to the node; it will call ``advance``."""
    proposals: dict[Hash, Proposal] = field(default_factory=dict)
    """Well-formed proposals by block hash, oldest first; bounded."""
    stored: list[Hash | None] = field(default_factory=lambda: [None, None])
    """Which block each of the two durable proposal places holds."""
    view_changes: dict[str, ViewChange] = field(default_factory=dict)
    """The checked view change of the highest view, by validator."""
    early: dict[str, PrePrepare] = field(default_factory=dict)
    """The newest pre-prepare of a view that is not active yet, by sender, unchecked."""
    exposed: set[tuple[str, type[Statement], int]] = field(default_factory=set)
    """(validator, kind, view) of the contradictions already reported."""

    @property
    def is_decided(self) -> bool:
        """Whether the block of this height is known to be final."""
        return self.certificate is not None

    @property
    def has_prepared(self) -> bool:
        """Whether we voted for a block in the active view."""
        return self.vote_record.prepare is not None and self.vote_record.prepare.view == self.view

    @property
    def has_committed(self) -> bool:
        """Whether we sent a commit in the active view."""
        return self.vote_record.commit is not None and self.vote_record.commit.view == self.view

    def leave_view(self, view: int, is_changing: bool) -> None:
        """Drop what belonged to the view before ``view``. The vote record stays."""
        self.view = view
        self.is_changing = is_changing
        self.justification = None
        self.bound = None
        self.accepted = None
        self.is_building = False

    def find_proposal(self, block_hash: Hash) -> Proposal | None:
        """The proposal of a block, from a pre-prepare or a view change."""
        proposal = self.proposals.get(block_hash)
        if proposal is not None:
            return proposal
        for change in self.view_changes.values():
            if change.vote.prepared_hash == block_hash:
                return change.proposal
        return None

    def keep_proposal(self, block_hash: Hash, proposal: Proposal, proposals_kept: int) -> None:
        """Keep a well-formed proposal; drops the oldest one that nothing binds us to if there are too many."""
        if block_hash in self.proposals:
            return
        free = [known for known in self.proposals if known != self.accepted and known not in self.stored]
        if len(free) >= proposals_kept:
            del self.proposals[free[0]]
        self.proposals[block_hash] = proposal


def new_height_state(
    height: int,
    start_view: int,
    validators: ValidatorSet,
    config: ConsensusConfig,
    is_signed: Callable[[Statement], bool],
    on_forged: Callable[[str], None],
) -> HeightState:
    """The state in which a height begins: no messages, no votes, the start view active."""
    return HeightState(
        height=height,
        start_view=start_view,
        view=start_view,
        prepares=VoteBook(validators, config.views_kept, is_signed, on_forged),
        commits=VoteBook(validators, config.views_kept, is_signed, on_forged),
        vote_record=VoteRecord(height, None, None, None, None),
    )
