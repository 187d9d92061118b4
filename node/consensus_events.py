"""What consensus reports to the operator: view changes, refused messages, contradictions."""

import logging

from chain.errors import ErrorCode, PoolError
from chain.primitives.encoding import encode
from consensus.effects import Effect, Evidence, Reject, ViewChangeStarted, ViewEntered
from node.links import Links
from node.metrics import Metrics
from node.misbehaviour import MisbehaviourFolder


class ConsensusEvents:
    """Logs and counts them.

    Args:
        metrics: counts view changes and refused messages.
        misbehaviour: keeps evidence.
        links: to the peers, who answer for what they forge.
    """

    def __init__(self, metrics: Metrics, misbehaviour: MisbehaviourFolder, links: Links) -> None:
        self._links = links
        self._metrics = metrics
        self._misbehaviour = misbehaviour
        self._log = logging.getLogger("blockpool.consensus")

    def report(self, effect: Effect) -> None:
        """The core has emitted an effect that asks nothing of the node.

        Raises:
            PoolError: codes ``disk_full``, ``storage_failed``: the process must stop.
        """
        match effect:
            case ViewChangeStarted(height, view, reason):
                self._metrics.view_changes.labels(reason).inc()
                self._log.warning("view change", extra={"height": height, "view": view, "reason": reason})
            case ViewEntered(height, view, primary):
                self._log.info("view entered", extra={"height": height, "view": view, "primary": primary})
            case Reject(peer, reason, is_forged):
                if is_forged:
                    self._links.is_at_fault(peer, PoolError(ErrorCode.BAD_SIGNATURE, reason))
                self._metrics.rejected_messages.labels(reason).inc()
                self._log.debug("message refused", extra={"peer": peer, "reason": reason})
            case Evidence(accused, first, second):
                statements = {"first": encode(first).hex(), "second": encode(second).hex()}
                self._log.error("a validator contradicts itself", extra={"validator": accused} | statements)
                self._misbehaviour.on_votes(first, second)
            case _:
                pass
