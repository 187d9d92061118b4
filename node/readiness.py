"""Whether this node can get transactions ordered now."""

from chain.limits import LIMITS
from node.driver import ConsensusDriver
from node.engine_process import ContractEngine
from node.links import Links
from node.peer_heights import PeerHeights
from node.pool import Pool
from node.state_sync import StateSync

_READY_LAG_BLOCKS = 16
"""A node that is a moment behind takes transactions all the same: it spreads them at once, and others order them."""


class Readiness:
    """Looks at the parts of a node.

    Args:
        member: this member's name.
        pool: its chain.
        links: to the other nodes.
        heights: of the other nodes.
        driver: knows whether this node votes.
        engine: runs contracts; None where the network has none.
        state_sync: takes the state from peers.
    """

    def __init__(
        self,
        member: str,
        pool: Pool,
        links: Links,
        heights: PeerHeights,
        driver: ConsensusDriver,
        engine: ContractEngine | None,
        state_sync: StateSync,
    ) -> None:
        self._member = member
        self._pool = pool
        self._links = links
        self._heights = heights
        self._driver = driver
        self._engine = engine
        self._state_sync = state_sync

    @property
    def is_validator(self) -> bool:
        """Whether this node votes on the next block."""
        return self._driver.may_vote and self._driver.replica.has_vote

    @property
    def chain_ahead_ms(self) -> int:
        """How far the newest block's time is ahead of this node's clock; 0 or less if it is not."""
        return self._pool.ledger.tip.header.time_ms - self._pool.clock_ms()

    @property
    def waits_for(self) -> str:
        """Whom a transaction that is not committed waits for, as far as this node can tell."""
        if (reason := self.unready_reason) is not None:
            return reason
        primary, validators = self._driver.replica.primary, self._pool.ledger.validators
        others = [name for name in validators.names if name != self._member]
        away = [name for name in others if not self._links.is_connected(name)]
        said = f"it is the turn of {primary} to propose it, and {validators.quorum} validators must vote"
        return f"{said}; not connected: {', '.join(away)}" if away else said

    @property
    def unready_reason(self) -> str | None:
        """Why this node cannot get transactions ordered now, or None if it can."""
        if self._pool.is_closing:
            return "shutting down"
        if (unknown := self._pool.ledger.unknown_rules) is not None:
            return unknown
        if self._engine is not None and self._engine.problem is not None:
            return self._engine.problem
        if self._engine is not None and not self._engine.is_ready:
            return "the contract engine is being started"
        if self._state_sync.percent is not None:
            return f"syncing {self._state_sync.percent} %: the state is being taken from the other nodes"
        if self._heights.lag_blocks > _READY_LAG_BLOCKS:
            return f"catching up from height {self._pool.height}"
        if self._driver.lacks_key:
            return (
                f"{self._member} is to vote on block {self._pool.height + 1} with a consensus key that is not here: "
                "put it where node.consensus_key says, and start again"
            )
        if (ahead_ms := self.chain_ahead_ms) > LIMITS.clock_drift_ms:
            return (
                f"the chain is {ahead_ms / 1000:,.0f} s ahead of this node's clock, and no block can be agreed on "
                "before that time: docs/operations.md, section 12"
            )
        validators = self._pool.ledger.validators
        reachable = sum(self._links.is_connected(name) for name in validators.names) + self.is_validator
        if reachable < validators.quorum:
            return f"{reachable} of {validators.quorum} validators needed for a quorum are connected"
        return None
