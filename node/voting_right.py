"""From when on a validator votes: never before it is certain that no vote of it can contradict an earlier one.

After every start it asks the other validators for its own votes (``node.rollback``) and catches up. If votes may be
lost, it is also on probation: it waits until every height that they can belong to is decided (``node.probation``).
"""

import asyncio
import logging
from typing import Protocol

from chain.proofs.validators import ValidatorSet
from chain.storage.votes import VoteStore
from consensus.messages import Statement
from node.driver import ConsensusDriver, ReplicaSettings
from node.links import Links
from node.peer_heights import PeerHeights
from node.pool import CommittedBlock, Pool
from node.probation import MARGIN_BLOCKS, safe_height
from node.rollback import RollbackCheck

_LOOKING_S = 5
"""How long a sole validator that may have lost its chain looks for others that hold one."""


class ProbationMark(Protocol):
    """Says durably that votes may be lost."""

    @property
    def is_set(self) -> bool:
        """Whether it says so."""
        ...

    def set(self) -> None:
        """Say so; a failing disk stops the node."""
        ...

    def clear(self) -> None:
        """Votes can be lost no more."""
        ...


class VotingRight:
    """Lets a validator vote once that is safe. A node that must not vote at all has none.

    Args:
        settings: of the replica.
        pool: this node's chain.
        links: to the other nodes.
        heights: of the other nodes.
        votes: what this validator remembers of its votes.
        driver: votes once it is told to.
        probation: the mark.

    Attributes:
        rollback: compares with what others hold of this validator's votes.
    """

    def __init__(
        self,
        settings: ReplicaSettings,
        pool: Pool,
        links: Links,
        heights: PeerHeights,
        votes: VoteStore,
        driver: ConsensusDriver,
        probation: ProbationMark,
    ) -> None:
        self._member = settings.member
        self._pool = pool
        self._links = links
        self._heights = heights
        self._driver = driver
        self._probation = probation
        self._is_on_probation = probation.is_set
        self._safe_height: int | None = None
        self._seconds = 0
        self._log = logging.getLogger("blockpool.node")
        self.rollback = RollbackCheck(
            settings.member,
            settings.signers,
            pool.ledger,
            links,
            votes.read(),
            self.review,
            self._on_forgotten,
        )
        pool.add_listener(self._on_committed)
        self.rollback.look_back()

    def start(self) -> None:
        """Vote at once where nothing has to be waited for."""
        self.review()
        if self._is_on_probation and not self._driver.may_vote:
            self._log.info("not voting before the other validators have been heard")

    def on_connect(self, member: str, height: int) -> None:
        """A link to a peer is up."""
        self._ask(member)
        self.review()

    def ask_all(self) -> None:
        """Ask those that have not answered; called every second."""
        self._seconds += 1
        for member in self._links.connected:
            self._ask(member)
        self.review()

    def review(self) -> None:
        """Begin to vote if that is safe now."""
        if self._driver.may_vote or self._pool.is_closing or self._heights.is_syncing:
            return
        validators = self._pool.ledger.validators
        if not self.rollback.is_complete(validators) or self._may_be_behind_others(validators):
            return
        if self._safe_height is None:
            self._safe_height = safe_height(
                self._member,
                validators,
                self._heights.claims,
                margin_blocks=MARGIN_BLOCKS if self._is_on_probation else 0,
                is_new=self.rollback.forgotten is None,
            )
        if self._safe_height is not None and self._pool.height >= self._safe_height:
            self._probation.clear()
            self._is_on_probation = False
            self._log.info("voting from now on", extra={"height": self._pool.height})
            self._driver.start_voting()

    @property
    def _has_peers(self) -> bool:
        return any(member.node is not None and member.name != self._member for member in self._pool.ledger.members())

    def _may_be_behind_others(self, validators: ValidatorSet) -> bool:
        """Whether this node, which has nobody to ask in the set that it knows, may have lost a chain that has grown
        beyond that set. So it looks first whether anybody else has blocks; who only says so is found out by asking.
        """
        if not self._is_on_probation or validators.names != (self._member,):
            return False
        return self._heights.is_pulling or (self._seconds < _LOOKING_S and self._has_peers)

    async def close(self) -> None:
        """Ask no more."""
        await self.rollback.close()

    def _ask(self, member: str) -> None:
        if not self._driver.may_vote and member in self._pool.ledger.validators:
            self.rollback.ask(member)

    def _on_committed(self, block: CommittedBlock) -> None:
        if not self._driver.may_vote:
            if block.executed.header.hands_over:  # what the others of an older set have said is worth less and less
                self._safe_height = None
            self.rollback.note_certificate(block.certificate)
            asyncio.get_running_loop().call_soon(self.review)

    def _on_forgotten(self, statement: Statement) -> None:
        """The vote file does not hold this vote of ours: it is an old one."""
        seen = {"height": statement.height, "view": statement.view, "kind": type(statement).__name__}
        self._log.error("the file of votes is older than votes of this validator that others hold", extra=seen)
        if not self._driver.may_vote:
            self._is_on_probation, self._safe_height = True, None
            self._probation.set()
