"""Receipts: proof that a transaction was ordered, where, and with which outcome."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from chain.blocks import BlockHeader, Certificate, Outcome
from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Hash
from chain.primitives.encoding import Wire, decode
from chain.primitives.types import Hash32, Unsigned
from chain.proofs.merkle import MAX_PROOF_LENGTH, MerkleTree, leaf_hash, leaf_hashes, verify_inclusion
from chain.proofs.trust import TrustHistory


class Receipt(Wire, frozen=True):
    """What a node answers once a transaction is final. The outcome names the transaction, so its proof is the
    transaction's.
    """

    header: Annotated[bytes, Meta(max_length=1024)]
    """Bytes of the block's header."""
    certificate: Certificate
    outcome: Annotated[bytes, Meta(max_length=4096)]
    """Encoded ``Outcome``: leaf ``index`` under the header's ``result_root``."""
    index: Unsigned
    """Place of the transaction in its block."""
    proof: Annotated[tuple[Hash32, ...], Meta(max_length=MAX_PROOF_LENGTH)]
    """Sibling hashes from that leaf to ``result_root``."""


class ReceiptMaker:
    """Makes the receipts of one block; the outcome tree is built once for all of them.

    Args:
        header: bytes of the block's header.
        certificate: of the block; that of genesis is None, and it has no receipts (``not_found``).
        outcomes: encoded, of all its transactions.
    """

    def __init__(self, header: bytes, certificate: Certificate | None, outcomes: Sequence[bytes]) -> None:
        if certificate is None:
            raise PoolError(ErrorCode.NOT_FOUND, "the genesis block has no receipts")
        self._header = header
        self._certificate = certificate
        self._outcomes = outcomes
        self._tree = MerkleTree(leaf_hashes(self._outcomes))

    def receipt(self, index: int) -> Receipt:
        """The receipt of transaction ``index`` of the block."""
        proof = tuple(self._tree.inclusion_proof(index))
        return Receipt(self._header, self._certificate, self._outcomes[index], index, proof)


def verify_receipt(trust: TrustHistory, transaction_id: Hash, receipt: Receipt) -> tuple[BlockHeader, Outcome]:
    """Check a receipt against the validators of its height, trusting nobody.

    Returns:
        The block's header and the transaction's outcome.

    Raises:
        PoolError: code ``bad_receipt``; codes of ``TrustHistory.verify_header``; ``bad_proof``, ``malformed``.
    """
    header = trust.verify_header(receipt.header, receipt.certificate)
    return header, verify_outcome(header, transaction_id, receipt)


def verify_outcome(header: BlockHeader, transaction_id: Hash, receipt: Receipt) -> Outcome:
    """Check the part of a receipt below its header, which is verified.

    Raises:
        PoolError: codes ``bad_receipt``, ``bad_proof``, ``malformed``.
    """
    leaf = leaf_hash(receipt.outcome)
    verify_inclusion(leaf, receipt.index, header.transaction_count, receipt.proof, header.result_root)
    outcome = decode(Outcome, receipt.outcome)
    if outcome.transaction_id != transaction_id:
        raise PoolError(ErrorCode.BAD_RECEIPT, "the receipt is for another transaction")
    return outcome
