"""How the parts of an evidence file are verified: from the genesis file alone, or faster with a checkpoint that the
auditor holds. Nothing in a file is believed; what does not hold raises ``PoolError`` with its code.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chain.blocks import BlockHeader, Outcome, block_hash, decode_header
from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Hash, verify_signature
from chain.primitives.encoding import Value, decode
from chain.proofs.history import TreeHead
from chain.proofs.merkle import leaf_hash, verify_inclusion
from chain.proofs.trust import TrustHistory
from chain.protocol import rules_of
from chain.state.entries import member_key
from chain.state.members import Member, signing_key
from chain.state.tree import StateProof, verify_state_proof
from chain.transactions.base import Header, signing_message, transaction_id
from chain.transactions.registry import decode_transaction_header
from evidence.parts import BlockPart, CommittedPart, EntryPart, EvidenceFile, TransactionPart, plain_proof


class Step(NamedTuple):
    """One step of a verification that has passed."""

    number: int
    title: str
    detail: str


class CommittedTransaction(NamedTuple):
    """A transaction that a block holds with the outcome that it took effect."""

    id: Hash
    header: Header
    outcome: Outcome
    block: BlockHeader
    position: int
    """Place in its block."""

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands in the chain: (height, position)."""
        return self.block.height, self.position


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies parts of files."""

    trust: TrustHistory
    """What is known of the chain's validators; the hand-overs of a file are added to it."""
    tree: TreeHead | None = None
    """A checkpoint that the auditor holds: blocks with their place in it need no signatures."""

    @property
    def chain_id(self) -> bytes:
        """Of the chain that the files have to be of."""
        return self.trust.chain_id

    def verify_chain(self, file: EvidenceFile) -> str:
        """Check that a file speaks of this chain, and that its hand-overs are proven; says which chain that is.

        Raises:
            PoolError: code ``wrong_chain``; codes of ``TrustHistory.extend``.
        """
        own = self.chain_id.hex()
        if file.chain_id != own:
            raise PoolError(ErrorCode.WRONG_CHAIN, f"evidence of chain {file.chain_id[:16]}, the genesis is {own[:16]}")
        for part in file.handovers:
            self.trust.extend(part.handover(self.chain_id))
        handovers = f", {len(file.handovers)} hand-overs" if file.handovers else ""
        return f"{own[:16]}, network {self.trust.genesis.file.network}{handovers}"

    def block_header(self, part: BlockPart) -> BlockHeader:
        """A block's header, which names the validators of its height unless it is in the checkpoint's history. Whether
        it is final is not known yet.

        Raises:
            PoolError: codes ``malformed``, ``not_canonical``, ``unknown_validators``, ``unknown_protocol``.
        """
        header = decode_header(part.header)
        if self._place_in_tree(part) is None:
            self.trust.verify_named(header)
        rules_of(header.version, header.height)
        return header

    def verify_final(self, part: BlockPart, header: BlockHeader) -> str:
        """Check that a block is final: it is in the history of the checkpoint, or a quorum of the validators committed
        it; says which.

        Raises:
            PoolError: codes ``bad_proof``, ``bad_certificate``.
        """
        hash_, place = block_hash(self.chain_id, part.header), self._place_in_tree(part)
        if place is not None:
            tree, proof = place
            verify_inclusion(leaf_hash(hash_), header.height, tree.size, proof, tree.root)
            return f"in the history of {tree.size} blocks that the checkpoint names"
        self.trust.verify_header(part.header, part.certificate.certificate(header.height, hash_))
        names = [vote.validator for vote in part.certificate.votes]
        return f"{len(names)} of {len(self.trust.validators_at(header.height))} validators: {', '.join(names)}"

    def _place_in_tree(self, part: BlockPart) -> tuple[TreeHead, list[Hash]] | None:
        """The checkpoint, and the proof that the block is in its history; None if the part has none for this one."""
        tree, inclusion = self.tree, part.inclusion
        if tree is None or inclusion is None or inclusion.tree_size != tree.size:
            return None
        return tree, plain_proof(inclusion.proof)

    def block(self, part: BlockPart) -> BlockHeader:
        """The header of a final block; raises as ``block_header`` and ``verify_final``."""
        header = self.block_header(part)
        self.verify_final(part, header)
        return header

    def transaction(self, block: BlockHeader, part: TransactionPart) -> CommittedTransaction:
        """A transaction that a final block holds, and that took effect. Who signed it is not known yet.

        Raises:
            PoolError: codes ``bad_proof``, ``bad_evidence``, ``wrong_chain``, ``malformed``, ``not_canonical``.
        """
        proof = plain_proof(part.proof)
        verify_inclusion(leaf_hash(part.outcome), part.index, block.transaction_count, proof, block.result_root)
        outcome, id_ = decode(Outcome, part.outcome), transaction_id(self.chain_id, part.header)
        if outcome.transaction_id != id_ or not outcome.is_ok:
            raise bad_evidence("the outcome is another transaction's, or a rejection")
        return CommittedTransaction(
            id_, decode_transaction_header(self.chain_id, part.header), outcome, block, part.index
        )

    def committed(self, part: CommittedPart) -> CommittedTransaction:
        """The same for a transaction with its block; raises as ``block`` and ``transaction``."""
        return self.transaction(self.block(part.block), part.transaction)

    def public_key(self, committed: CommittedTransaction, member: Member) -> bytes:
        """The key of ``member`` that a transaction names, if it was valid at the transaction's height.

        Raises:
            PoolError: codes ``unknown_member`` (the transaction is another member's), ``unknown_key``, ``revoked_key``.
        """
        header = committed.header
        if member.name != header.member:
            raise PoolError(ErrorCode.UNKNOWN_MEMBER, f"the transaction is of {header.member}, not of {member.name}")
        return signing_key(member, member.name, header.key_id, committed.block.height)

    def verify_signature(self, part: TransactionPart, name: str, public_key: bytes) -> None:
        """Check the signature of ``name`` over a transaction.

        Raises:
            PoolError: code ``bad_signature``.
        """
        if not verify_signature(public_key, signing_message(self.chain_id, part.header), part.signature):
            raise PoolError(ErrorCode.BAD_SIGNATURE, f"the signature of {name} does not verify")

    def entry(self, state_root: Hash, key: bytes, part: EntryPart, type_: type[Value]) -> Value | None:
        """A state entry, or None for one that is not there.

        Raises:
            PoolError: codes ``bad_proof``, ``malformed``, ``not_canonical``.
        """
        verify_state_proof(self.chain_id, state_root, key, part.value, decode(StateProof, part.proof))
        return None if part.value is None else decode(type_, part.value)

    def present_entry(self, state_root: Hash, key: bytes, part: EntryPart, type_: type[Value]) -> Value:
        """A state entry that has to be there.

        Raises:
            PoolError: codes as in ``entry``; ``bad_evidence`` if it is not there.
        """
        entry = self.entry(state_root, key, part, type_)
        if entry is None:
            raise bad_evidence(f"there is no {key.decode()} in the state")
        return entry

    def member(self, state_root: Hash, name: str, part: EntryPart) -> Member:
        """A member's entry; raises as ``present_entry``."""
        return self.present_entry(state_root, member_key(name), part, Member)


def numbered(titles: Sequence[str], verify: Callable[[], Iterator[str]]) -> Iterator[Step]:
    """The steps of a verification: what each has found, with its number and title.

    Args:
        titles: of the steps in their order.
        verify: starts it; what it raises before its first step belongs to that step.

    Raises:
        PoolError: as ``verify`` does, with ``step`` and ``step_title`` in its context.
    """
    number = 0
    try:
        for number, detail in enumerate(verify(), start=1):
            yield Step(number, titles[number - 1], detail)
    except PoolError as error:
        context = error.context | {"step": number + 1, "step_title": titles[number]}
        raise PoolError(error.code, error.detail, **context) from None


def verify_range(from_height: int, until_height: int) -> None:
    """Check that there are blocks from one height to another; raises ``bad_evidence``."""
    if from_height > until_height:
        raise bad_evidence(f"the heights {from_height} to {until_height} are none")


def not_absent(detail: str) -> PoolError:
    """What is said to be absent is there, or may be."""
    return PoolError(ErrorCode.NOT_ABSENT, detail)


def bad_evidence(detail: str) -> PoolError:
    """What a file says does not fit together."""
    return PoolError(ErrorCode.BAD_EVIDENCE, detail)
