"""``python -m tests.chaos.equivocating_node HOME``: a daemon whose validator equivocates, with its genuine key, once it
gets the signal ``BEGIN``.

As primary it proposes one block to some of the others and another block to the rest, and votes for both; else it votes
for what is proposed and, before those whom it misleads, for another block first. Whom it misleads changes every few
heights: each of the others, and each two of them, which with its own vote are a quorum of four.
"""

import signal
import sys
import threading
from pathlib import Path
from typing import Any

import node.service
from consensus import messages
from node.daemon import run
from node.driver import ConsensusDriver, ReplicaSettings
from node.frames import FrameKind
from node.links import Links
from node.pool import Pool
from tests.equivocation import VOTES, Equivocation

BEGIN = signal.SIGUSR1
_HEIGHTS_EACH = 16
_begun = threading.Event()


class EquivocatingLinks:
    """Links on which consensus messages are not the same to all."""

    def __init__(self, links: Links, settings: ReplicaSettings, pool: Pool) -> None:
        self._links = links
        self._me = settings.member
        self._pool = pool
        self._equivocation = Equivocation(pool.ledger.chain_id, settings.member, next(iter(settings.signers.values())))

    def send(self, member: str, kind: int, body: bytes, *, urgent: bool = False) -> bool:
        """As ``Links.send``, but for what is told to the misled."""
        told = [body]
        if _begun.is_set() and kind == FrameKind.CONSENSUS and member in self._misled():
            told = [messages.encode_message(each) for each in self._told(messages.decode_message(body))]
        for each in told:
            is_queued = self._links.send(member, kind, each, urgent=urgent)
        return is_queued

    def __getattr__(self, name: str) -> Any:
        return getattr(self._links, name)

    def _misled(self) -> set[str]:
        others = [name for name in self._pool.ledger.validators.names if name != self._me]
        choices = 2 ** len(others) - 2  # not nobody, nor everybody
        chosen = 1 + self._pool.height // _HEIGHTS_EACH % choices
        return {name for place, name in enumerate(others) if chosen >> place & 1}

    def _told(self, message: messages.Message) -> list[messages.Message]:
        instead = self._equivocation.instead_of(message, self._pool.ledger, self._pool.mempool)
        if instead is not None:
            return [instead]
        if isinstance(message, VOTES):
            return [self._equivocation.vote_for(message.block_hash[::-1], message), message]
        return [message]


class EquivocatingDriver(ConsensusDriver):
    """Carries out what the core says, on such links."""

    def __init__(self, settings: ReplicaSettings, pool: Pool, votes: Any, links: Links, *parts: Any) -> None:
        lying: Any = EquivocatingLinks(links, settings, pool)
        super().__init__(settings, pool, votes, lying, *parts)


if __name__ == "__main__":
    signal.signal(BEGIN, lambda number, frame: _begun.set())
    setattr(node.service, "ConsensusDriver", EquivocatingDriver)  # noqa: B010  (a type checker would object)
    sys.exit(run(Path(sys.argv[1])))
