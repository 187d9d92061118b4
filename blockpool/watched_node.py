"""One node as a watcher sees it: what it says of the history, each answer verified as far as it can be alone."""

import time

from blockpool.exchange import NodePool, RetryPolicy
from blockpool.operations import checkpoints, queries
from blockpool.operations.checkpoints import MisbehaviourEntry
from blockpool.operations.session import Session
from blockpool.runner import Runner
from chain.errors import PoolError
from chain.proofs.checkpoints import Checkpoint
from chain.proofs.history import TreeHead
from chain.proofs.trust import TrustHistory

_ONCE = RetryPolicy(attempts_max=1, total_max_s=10)
"""What does not answer now is asked again at the next look."""


class WatchedNode:
    """A connection to one node. Close it.

    Args:
        url: of its API.
        trust: of the chain, from a genesis file of someone you trust; it learns of hand-overs.

    Every method raises ``PoolError``: the node's refusal, ``unreachable``, or what did not verify.
    """

    def __init__(self, url: str, trust: TrustHistory) -> None:
        self.url = url
        self._session = Session(NodePool([url], time.monotonic), _ONCE, trust)
        self._runner = Runner()

    def close(self) -> None:
        """Close the connection."""
        self._runner.close()

    def learn_handovers(self) -> bool:
        """Have it prove who validates now; says whether that was unknown. One that does not answer tells nothing."""
        try:
            return self._runner.run(self._session.learn_handovers(self.url))
        except PoolError:
            return False

    def member(self) -> str:
        """Whose node it is, as it says."""
        return self._runner.run(queries.status(self._session)).member

    def checkpoint(self, witnesses: int = 0) -> Checkpoint:
        """Its newest checkpoint that a quorum of validators, and as many witnesses, have cosigned."""
        return self._runner.run(checkpoints.checkpoint(self._session, witnesses))

    def own_checkpoint(self, size: int) -> Checkpoint:
        """What its history was at ``size``, under its member's signature."""
        return self._runner.run(checkpoints.own_checkpoint(self._session, size))

    def verify_continues(self, old: TreeHead, new: TreeHead) -> None:
        """Have it prove that the history of ``new`` begins with that of ``old``."""
        self._runner.run(checkpoints.verify_continues(self._session, old, new))

    def misbehaviour(self) -> tuple[MisbehaviourEntry, ...]:
        """Which evidence of misbehaviour it holds, as it says."""
        return self._runner.run(checkpoints.misbehaviour(self._session))

    def misbehaviour_file(self, entry: MisbehaviourEntry) -> bytes:
        """One of these files, verified."""
        return self._runner.run(checkpoints.misbehaviour_file(self._session, entry))
