"""Detects at a start that the vote file was rolled back: it looks complete, but newer votes of this validator exist.

A data folder may have been restored from a copy, or a virtual machine set back. Other nodes hold the votes cast since.
This validator has signed them, so no peer has to be trusted. A vote is looked for

- among those that other validators hold for the heights that they are deciding: they are asked before this one votes,
  and a quorum together with this one must have answered (nothing can be decided with fewer anyway);
- in the certificates of the last blocks that are here, and of those fetched until this node has caught up.

Every vote is durable before it is sent, so an intact file is never behind what others show. What is not found: votes
for a height that is still undecided of which nobody who answers has heard, and votes for decided heights that are in no
certificate; the latter cannot matter any more.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Annotated

from msgspec import Meta

from chain.blocks import Certificate
from chain.errors import PoolError
from chain.ledger import Ledger
from chain.primitives.crypto import Signer
from chain.primitives.encoding import decode
from chain.proofs.validators import ValidatorSet
from chain.recovery import RECHECKED_BLOCKS
from consensus.memory import is_forgotten, is_signed_by, load_vote_record
from consensus.messages import Commit, Statement
from node.frames import FrameKind
from node.links import Links

_TIMEOUT_S = 2.0

Statements = Annotated[tuple[Statement, ...], Meta(max_length=8)]
"""Answer to ``FETCH_VOTES``: what the peer holds of the asking validator's statements at its height."""

_log = logging.getLogger("blockpool.rollback")


class RollbackCheck:
    """Asks and compares, from the start until this validator votes.

    Args:
        me: this member's name.
        signers: its consensus keys, by public key; may grow.
        ledger: of the node.
        links: to the other nodes.
        memory: what the file of votes holds.
        on_answer: called when a peer has answered.
        on_forgotten: called once, with the first vote that is not remembered.

    Attributes:
        forgotten: that vote, or None.
    """

    def __init__(
        self,
        me: str,
        signers: Mapping[bytes, Signer],
        ledger: Ledger,
        links: Links,
        memory: Mapping[bytes, bytes],
        on_answer: Callable[[], None],
        on_forgotten: Callable[[Statement], None],
    ) -> None:
        self._me = me
        self._signers = signers
        self._ledger = ledger
        self._links = links
        self._record = load_vote_record(memory)
        self._on_answer = on_answer
        self._on_forgotten = on_forgotten
        self._heard: set[str] = set()
        self._asking: dict[str, asyncio.Task[None]] = {}
        self.forgotten: Statement | None = None

    def is_complete(self, validators: ValidatorSet) -> bool:
        """Whether those that have answered are a quorum together with this validator."""
        return sum(name in self._heard for name in validators.names if name != self._me) >= validators.quorum - 1

    def look_back(self) -> None:
        """Compare with the newest blocks that are here: they may be newer than the file of votes."""
        if self._record is None:
            return
        tip, past = self._ledger.tip.height, self._ledger.blocks.past_height
        for height in range(max(past + 1, self._record.height, tip - RECHECKED_BLOCKS + 1), tip + 1):
            certificate = self._ledger.final_header_at(height).certificate
            if certificate is not None:
                self.note_certificate(certificate)

    def note_certificate(self, certificate: Certificate) -> None:
        """Compare with a certificate that was verified."""
        signature = dict(certificate.votes).get(self._me)
        if signature is not None:
            self._note(Commit(certificate.height, certificate.view, certificate.block_hash, self._me, signature))

    def ask(self, peer: str) -> None:
        """Ask a validator for what it holds of this one's votes, unless it has answered or is being asked."""
        if peer not in self._heard and peer not in self._asking:
            self._asking[peer] = asyncio.get_running_loop().create_task(self._ask(peer))

    async def close(self) -> None:
        """Ask no more."""
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def _ask(self, peer: str) -> None:
        try:
            reply = await self._links.request(peer, FrameKind.FETCH_VOTES, b"", timeout_s=_TIMEOUT_S)
            statements = decode(Statements, reply)
        except PoolError as error:
            _log.info("a validator did not say what it holds of ours", extra={"peer": peer, "reason": error.detail})
            return
        finally:
            del self._asking[peer]
        for statement in statements:
            if is_signed_by(statement, self._ledger.chain_id, self._me, self._signers):
                self._note(statement)
        self._heard.add(peer)
        self._on_answer()

    def _note(self, statement: Statement) -> None:
        if self.forgotten is None and is_forgotten(self._record, statement):
            self.forgotten = statement
            self._on_forgotten(statement)
