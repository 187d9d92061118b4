"""From when on a node may cosign checkpoints: when it knows enough to say that its history is the newest."""

from node.cosigner import Cosigner
from node.driver import ConsensusDriver
from node.peer_heights import PeerHeights
from node.pool import Pool
from node.probation import safe_height
from node.readiness import Readiness


class CosigningRight:
    """A validator cosigns when it may vote. A node that does not remember what it cosigned last waits until all of that
    is decided.

    Args:
        member: this member's name.
        cosigner: remembers what was cosigned last.
        pool: this node's chain.
        heights: of the other nodes.
        readiness: of this node.
        driver: knows whether this node votes; None for a witness, which never does.
    """

    def __init__(
        self,
        member: str,
        cosigner: Cosigner,
        pool: Pool,
        heights: PeerHeights,
        readiness: Readiness,
        driver: ConsensusDriver | None,
    ) -> None:
        self._member = member
        self._cosigner = cosigner
        self._pool = pool
        self._heights = heights
        self._readiness = readiness
        self._driver = driver
        self._safe_height: int | None = None

    def may_cosign(self) -> bool:
        """Whether this node may cosign its history now."""
        if self._readiness.unready_reason is not None or (self._driver is not None and not self._driver.may_vote):
            return False
        self._review()
        return self._safe_height is not None and self._pool.height >= self._safe_height

    def on_connect(self, member: str, height: int) -> None:
        """A link to a peer is up."""
        self._review()

    def _review(self) -> None:
        """Find out, as soon as a quorum has been heard, from which height on this node may cosign."""
        if self._safe_height is None and self._cosigner.last is not None:
            self._safe_height = 0
        elif self._safe_height is None:
            self._safe_height = safe_height(self._member, self._pool.ledger.validators, self._heights.claims)
