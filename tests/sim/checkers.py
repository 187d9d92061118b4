"""What must hold at every moment of every run. Checkers see what nodes do, never what they think."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from chain.blocks import Certificate, Proposal, decode_header
from chain.errors import PoolError
from chain.proofs.validators import verify_certificate
from consensus.effects import Evidence
from consensus.evidence import is_contradiction, verify_evidence
from consensus.messages import Commit, Message, Prepare, PrePrepare, Statement, ViewChange
from tests.consensus.support import CHAIN_ID, GENESIS_HASH, fake_verifier, hash_of, validator_set


class Violation(AssertionError):
    """A promise of the protocol is broken."""


class Checkers:
    """Agreement, valid certificates, no honest node that contradicts itself, no evidence against one."""

    def __init__(self, size: int, byzantine: Collection[str]) -> None:
        self._validators = validator_set(size)
        self._byzantine = frozenset(byzantine)
        self._chain: dict[int, bytes] = {0: GENESIS_HASH}
        self._statements: dict[tuple[str, int], list[Statement]] = {}
        self.committed: dict[bytes, int] = {}
        """Height of every committed transaction."""
        self.evidence: list[Evidence] = []
        self.counts: Counter[str] = Counter()
        self._views: dict[int, int] = {}

    @property
    def height(self) -> int:
        """The highest block that any honest node stored."""
        return len(self._chain) - 1

    def on_stored(self, node: str, proposal: Proposal, certificate: Certificate) -> None:
        """An honest node stored a block."""
        height, hash_ = certificate.height, certificate.block_hash
        try:
            verify_certificate(CHAIN_ID, certificate, self._validators, height, hash_of(proposal), fake_verifier)
        except PoolError as error:
            raise Violation(f"{node} stored block {height} with a bad certificate: {error}") from error
        if self._chain.setdefault(height, hash_) != hash_:
            raise Violation(f"{node} stored another block {height} than an earlier node")
        if self._views.setdefault(height, certificate.view) != certificate.view:
            self.counts["blocks certified in two views"] += 1
        if decode_header(proposal.header).parent_hash != self._chain[height - 1]:
            raise Violation(f"block {height} does not follow block {height - 1}")
        for transaction in proposal.transaction_ids:
            if self.committed.setdefault(transaction, height) != height:
                raise Violation(f"a transaction is committed twice, at {self.committed[transaction]} and {height}")

    def on_sent(self, node: str, message: Message) -> None:
        """A node sent a message."""
        statement: Statement
        if isinstance(message, PrePrepare):
            statement = message.prepare
            if decode_header(message.proposal.header).proposer != node:
                self.counts["blocks proposed again"] += 1
        elif isinstance(message, ViewChange):
            statement = message.vote
        elif isinstance(message, Prepare | Commit):
            statement = message
        else:
            return
        if node in self._byzantine:
            return
        known = self._statements.setdefault((node, statement.height), [])
        if statement in known:
            return
        for earlier in known:
            if is_contradiction(earlier, statement):
                raise Violation(f"{node} contradicts itself: {earlier} and {statement}")
        known.append(statement)

    def on_evidence(self, node: str, evidence: Evidence) -> None:
        """An honest node accuses a validator."""
        try:
            accused = verify_evidence(CHAIN_ID, self._validators, evidence.first, evidence.second, fake_verifier)
        except PoolError as error:
            raise Violation(f"{node} gave evidence that does not hold: {error}") from error
        if accused not in self._byzantine:
            raise Violation(f"{node} has evidence against {accused}, which is honest")
        self.evidence.append(evidence)
