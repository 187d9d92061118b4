"""Blocks as a quorum of validators in collusion could make them: certified, and false. With them, evidence files can be
wrong in what no honest chain would ever hold.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from chain.blocks import OK, BlockHeader, Outcome, block_hash, commit_message
from chain.primitives.crypto import Ed25519Signer, Hash
from chain.primitives.encoding import encode
from chain.proofs.merkle import inclusion_proof, leaf_hashes, root
from chain.state.tree import EMPTY, MemoryNodes, StateTree, hash_of
from chain.transactions.base import Transaction, transaction_id
from evidence.parts import BlockPart, CertificatePart, EntryPart, TransactionPart, VotePart, hex_proof
from tests.vectors.network import TIME_MS, VALIDATORS, consensus_signer, make_genesis

HEIGHT = 11

Json = dict[str, Any]


def as_json(part: msgspec.Struct) -> Json:
    """A part as it stands in a file."""
    found: Json = json.loads(msgspec.json.encode(part))
    return found


class ForgedBlock:
    """A block with this state and these transactions, whatever they are.

    Args:
        entries: the state after it.
        transactions: in it, each with its outcome.
        height: of the block.
        signers: who certify it, by name.
        validators_hash: which validators it names.
    """

    def __init__(
        self,
        entries: Mapping[bytes, bytes],
        transactions: Sequence[tuple[Transaction, Outcome]] = (),
        *,
        height: int = HEIGHT,
        time_ms: int = TIME_MS + HEIGHT * 1000,
        signers: Mapping[str, Ed25519Signer] | None = None,
        validators_hash: Hash | None = None,
    ) -> None:
        genesis = make_genesis()
        self._chain_id = genesis.chain_id
        self._entries, self._transactions = entries, transactions
        nodes = MemoryNodes()
        self._tree = StateTree(self._chain_id, nodes)
        update = self._tree.update(EMPTY, entries)
        nodes.add(update)
        self._outcomes = [encode(outcome) for _, outcome in transactions]
        header = BlockHeader(
            version=2,
            height=height,
            parent_hash=bytes(32),
            time_ms=time_ms,
            proposer=VALIDATORS[0],
            transaction_count=len(transactions),
            tx_root=root([outcome.transaction_id for _, outcome in transactions]),
            result_root=root(self._outcomes),
            state_root=hash_of(update.root),
            history_root=bytes(32),
            validators_hash=validators_hash or genesis.validators.hash(self._chain_id),
            next_validators_hash=genesis.validators.hash(self._chain_id),
            next_version=2,
        )
        self.header = encode(header)
        self._state_root, self._height = update.root, height
        self._signers = signers or {name: consensus_signer(name) for name in VALIDATORS[:3]}

    @property
    def hash(self) -> Hash:
        """The block's hash."""
        return block_hash(self._chain_id, self.header)

    def block(self) -> Json:
        """The block with its certificate."""
        message = commit_message(self._chain_id, self._height, 0, self.hash)
        votes = tuple(VotePart(name, signer.sign(message)) for name, signer in self._signers.items())
        return as_json(BlockPart(self.header, CertificatePart(0, votes), None))

    def transaction(self, index: int = 0) -> Json:
        """A transaction with its outcome."""
        transaction, _ = self._transactions[index]
        proof = inclusion_proof(leaf_hashes(self._outcomes), index)
        outcome = self._outcomes[index]
        return as_json(TransactionPart(transaction.header, transaction.signature, outcome, index, hex_proof(proof)))

    def entry(self, key: bytes) -> Json:
        """A state entry, or its absence."""
        proof = encode(self._tree.prove(self._state_root, key))
        return as_json(EntryPart(self._entries.get(key), proof))


def accepted(transaction: Transaction) -> tuple[Transaction, Outcome]:
    """A transaction with the outcome that it took effect."""
    return transaction, Outcome(transaction_id(make_genesis().chain_id, transaction.header), OK, (), 0)
