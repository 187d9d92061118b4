"""What must hold at every moment of every run of whole validators.

Checkers see what goes over links, what lies on disks and what clients are told; they share no state with the nodes.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NoReturn

from chain.blocks import block_hash, decode_header
from chain.errors import PoolError
from chain.ledger import Ledger
from chain.primitives.crypto import Hash, verify_signature
from chain.primitives.encoding import encode
from chain.proofs import history
from chain.proofs.merkle import leaf_hashes, root_of_leaves
from chain.proofs.receipts import Receipt
from chain.proofs.trust import TrustHistory
from chain.proofs.validators import ValidatorSet, validator_set, verify_certificate
from chain.storage.blocks import BlockStore
from chain.storage.state import StateStore
from consensus.buffer import WINDOW_HEIGHTS
from consensus.effects import Evidence
from consensus.evidence import is_contradiction, verify_evidence
from consensus.memory import load_proposals, load_vote_record
from consensus.messages import (
    Commit,
    Message,
    Prepare,
    PrePrepare,
    Statement,
    ViewChange,
    decode_message,
    signed_message,
)
from node.frames import FrameKind
from node.pool import CommittedBlock
from tests.networks import TestNetwork
from tests.sim.disk import Life
from tests.sim.network import Frame, Packet

if TYPE_CHECKING:
    from tests.sim.validator import Validator

MESSAGE_KINDS = 5
"""Kinds of consensus messages that are kept for a later height."""


class Violation(AssertionError):
    """A promise of the protocol is broken."""


class Checkers:
    """Agreement, certificates, states, acknowledgements, votes, evidence, buffers."""

    def __init__(self, members: TestNetwork, faulty: frozenset[str]) -> None:
        """``faulty``: Byzantine ones and those that may lose their disks, at most ``f`` together."""
        self.members = members
        self.validators = members.genesis.validators
        """The first ones."""
        self.sets: dict[int, ValidatorSet] = {1: self.validators}
        """Who votes at each height, up to the one after the newest block, by what blocks have changed."""
        self.faulty = faulty
        self.nodes: dict[str, Validator] = {}
        self.chain: dict[int, Hash] = {0: members.genesis.block_hash}
        self.committed: dict[Hash, int] = {}
        """Height of every transaction."""
        self.acknowledged: dict[Hash, int] = {}
        """Height of every transaction that a client was told of."""
        self.excused: set[str] = set()
        """Those that lost their disks before there was a block: to their peers they look as new as the network."""
        self.evidence: list[Evidence] = []
        self.counts: Counter[str] = Counter()
        self.failure: Violation | None = None
        self._statements: dict[tuple[str, int], list[Statement]] = {}
        self._decoded: dict[bytes, Message] = {}
        self._views: dict[int, int] = {}

    @property
    def height(self) -> int:
        """The highest block that any honest node has committed."""
        return len(self.chain) - 1

    def fail(self, what: str) -> NoReturn:
        """A promise is broken; the first one is reported."""
        self.failure = self.failure or Violation(what)
        raise self.failure

    # What nodes do

    def on_started(self, node: Validator) -> None:
        """A node has opened its disk: it must not have forgotten what it is bound to."""
        if node.is_byzantine or node.service is None:
            return
        tip = node.service.ledger.tip
        height = tip.height
        if height == self.height + 1:
            self.chain[height] = tip.block_hash  # on disk, and the process died before it could say so
            self.sets[height + 1] = node.service.ledger.validators
        if self.chain.get(height) != tip.block_hash:
            self.fail(f"{node.name} starts on another block {height} than was committed")

    def on_committed(self, node: Validator, block: CommittedBlock) -> None:
        """A node has a block for final."""
        if node.is_byzantine or node.service is None:
            return
        executed, certificate = block.executed, block.certificate
        header, height = executed.header, executed.header.height
        hash_ = block_hash(self.members.chain_id, executed.proposal.header)
        try:
            verify_certificate(self.members.chain_id, certificate, self.sets[height], height, hash_)
        except PoolError as error:
            self.fail(f"{node.name} committed block {height} with a bad certificate: {error}")
        if self.chain.setdefault(height, hash_) != hash_:
            self.fail(f"{node.name} committed another block {height} than an earlier node")
        next_set = validator_set(executed.next_validators)
        if self.sets.setdefault(height + 1, next_set) != next_set:
            self.fail(f"{node.name} has another set after block {height} than an earlier node")
        if header.parent_hash != self.chain.get(height - 1):
            self.fail(f"block {height} does not follow block {height - 1}")
        ids = executed.proposal.transaction_ids
        roots = {
            "tx_root": root_of_leaves(leaf_hashes(ids)),
            "result_root": root_of_leaves(leaf_hashes([encode(outcome) for outcome in executed.outcomes])),
            "history_root": history.root_at(height, node.service.ledger.blocks.history_node),
        }
        for name, root in roots.items():
            if getattr(header, name) != root:
                self.fail(f"{node.name} committed block {height}, whose {name} is another one")
        if self._views.setdefault(height, certificate.view) != certificate.view:
            self.counts["blocks certified in two views"] += 1
        for id_ in ids:
            if self.committed.setdefault(id_, height) != height:
                self.fail(f"a transaction is applied twice, at {self.committed[id_]} and {height}")
        self._check_disk(node, height, hash_)

    def on_acknowledged(self, node: Validator, receipt: Receipt, id_: Hash) -> None:
        """A client was told that its transaction is committed: now it must survive the loss of ``f`` disks."""
        if node.is_byzantine:
            return
        height = receipt.certificate.height
        if self.committed.get(id_) != height:
            self.fail(f"{node.name} acknowledged a transaction at {height} that is not committed there")
        self.acknowledged[id_] = height
        validators = self.sets[height]
        voters = [self.nodes[name] for name in validators.names]
        holders = [peer for peer in voters if not peer.is_byzantine and self._holds(peer, height)]
        needed = validators.quorum - sum(name in self.faulty for name in validators.names)
        if len(holders) < needed:
            self.fail(f"block {height} was acknowledged, but only {len(holders)} disks bind their nodes to it")

    def on_sent(self, node: Validator, packet: Packet) -> None:
        """A node sends a packet: no honest one contradicts what it ever sent, in this life or an earlier one."""
        if not isinstance(packet, Frame) or packet.kind != FrameKind.CONSENSUS:
            return
        message = self._decoded.get(packet.body)
        if message is not None:
            return
        if len(self._decoded) > 64:
            self._decoded.clear()
        message = self._decoded[packet.body] = decode_message(packet.body)
        statement = _statement(message)
        if statement is None:
            return
        if isinstance(message, PrePrepare) and decode_header(message.proposal.header).proposer != node.name:
            self.counts["blocks proposed again"] += 1
        if node.is_byzantine or node.name in self.excused:
            return
        known = self._statements.setdefault((node.name, statement.height), [])
        if statement in known:
            return
        for earlier in known:
            if is_contradiction(earlier, statement):
                self.fail(f"{node.name} contradicts itself: {earlier} and {statement}")
        known.append(statement)
        self._check_vote_is_its(node, statement)
        self._check_vote_durable(node, statement)

    def on_evidence(self, node: Validator, evidence: Evidence) -> None:
        """An honest node accuses a validator."""
        if node.is_byzantine:
            return
        validators = self.sets[evidence.first.height]
        try:
            accused = verify_evidence(self.members.chain_id, validators, evidence.first, evidence.second)
        except PoolError as error:
            self.fail(f"{node.name} gave evidence that does not hold: {error}")
        if not self.nodes[accused].is_byzantine and accused not in self.excused:
            self.fail(f"{node.name} has evidence against {accused}, which is honest")
        self.evidence.append(evidence)

    def on_fault(self, node: Validator, accused: str, error: PoolError) -> None:
        """A node takes the links from a peer: nothing that an honest one sends may lead to that, on any network."""
        peer = self.nodes.get(accused)  # None for an observer: those in here are not honest
        if not node.is_byzantine and peer is not None and not peer.is_byzantine:
            self.fail(f"{node.name} finds {accused} at fault, which is honest: {error}")

    def on_damage(self, node: Validator, error: Exception) -> None:
        """A database does not open: only a disk that lost what it had promised explains that."""
        if node.name not in self.faulty:
            self.fail(f"{node.name} finds its database damaged after a mere crash: {error}")

    def on_fatal(self, node: Validator, error: Exception) -> None:
        """A node stops itself."""
        if not node.is_byzantine:
            self.fail(f"{node.name} stops: {error!r}")

    def after_event(self, node: Validator) -> None:
        """Something has happened on a node: what it holds for later is bounded."""
        service = node.service
        if service is None or node.is_byzantine:
            return
        if service.pool.mempool.size_bytes > service.pool.mempool._limits.mempool_size_bytes:
            self.fail(f"{node.name} holds more waiting transactions than it may")
        kept = service.driver.replica._future._messages
        if len(kept) > WINDOW_HEIGHTS:
            self.fail(f"{node.name} keeps messages of {len(kept)} later heights")
        bound = MESSAGE_KINDS * len(self.nodes)
        if any(len(messages) > bound for messages in kept.values()):
            self.fail(f"{node.name} keeps more than {bound} messages of one later height")

    # At the end

    def check_end(self) -> None:
        """Everything acknowledged is on every honest node, once; all have the same state."""
        for node in self.nodes.values():
            if node.is_byzantine or node.service is None:
                continue
            ledger = node.service.ledger
            self._check_trust(node, ledger)
            for id_, height in self.acknowledged.items():
                location = ledger.blocks.location(id_)
                if location is None or location.height != height:
                    self.fail(f"{node.name} has lost a transaction that was acknowledged at {height}")
            found = ledger.states.head
            if found is None or found.root != ledger.tip.header.state_root:
                self.fail(f"{node.name} has another state than its newest block says")

    def _check_trust(self, node: Validator, ledger: Ledger) -> None:
        """Genesis and the hand-overs that a node holds prove every set, and every block of it."""
        trust = TrustHistory(self.members.genesis, ledger.trust.handovers_since(0))
        for height in range(1, ledger.tip.height + 1):
            if trust.validators_at(height) != self.sets[height]:
                self.fail(f"{node.name} proves another set for block {height}")
            block = ledger.block_at(height)
            try:
                trust.verify_header(block.header, block.certificate)
            except PoolError as error:
                self.fail(f"{node.name} cannot prove block {height}: {error}")

    def _check_vote_is_its(self, node: Validator, statement: Statement) -> None:
        """Nobody votes before or after the epochs that it has a vote in, nor with a key of another one."""
        key = self.sets[statement.height].key_of(node.name)
        message = signed_message(self.members.chain_id, statement)
        if key is None or not verify_signature(key, message, statement.signature):
            self.fail(f"{node.name} sent {statement}, which is no vote of the set of its height")

    # Disks

    def _check_disk(self, node: Validator, height: int, hash_: Hash) -> None:
        stored = BlockStore(node.disk.blocks.attach(Life())).block(height)
        if stored is None or block_hash(self.members.chain_id, stored.header) != hash_:
            self.fail(f"{node.name} announces block {height}, which is not on its disk")
        state = StateStore(node.disk.state.attach(Life()), self.members.chain_id).head
        root = decode_header(stored.header).state_root
        if state is None or (state.height == height and state.root != root):
            self.fail(f"{node.name} has another state after block {height} than the block's header says")
        head = node.disk.head.read()
        if head is None or head.sequence < height:
            self.fail(f"{node.name} announces block {height} before HEAD says so")

    def _holds(self, node: Validator, height: int) -> bool:
        """Whether a node's disk binds it to the block at ``height``: it has the block, or votes that say so."""
        head = node.disk.head.read()
        if head is not None and head.sequence >= height:
            return True
        votes = node.disk.durable_votes
        record = load_vote_record(votes)
        if record is None or record.height != height or record.prepared is None:
            return record is not None and record.height > height
        hashes = [block_hash(self.members.chain_id, kept.header) for kept in load_proposals(votes) if kept is not None]
        return record.prepared.block_hash == self.chain.get(height) and self.chain[height] in hashes

    def _check_vote_durable(self, node: Validator, statement: Statement) -> None:
        record = load_vote_record(node.disk.durable_votes)
        if record is None or record.height < statement.height:
            self.fail(f"{node.name} sent {statement} before it was on disk")


def _statement(message: Message) -> Statement | None:
    if isinstance(message, PrePrepare):
        return message.prepare
    if isinstance(message, ViewChange):
        return message.vote
    return message if isinstance(message, Prepare | Commit) else None
