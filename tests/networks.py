"""Small made-up networks for tests: members with keys, genesis, signed transactions, certificates."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from msgspec import UNSET

from chain.access.policy import AccessPolicy
from chain.blocks import Certificate, commit_message
from chain.genesis import (
    Genesis,
    GovernanceObject,
    MemberKeyObject,
    MemberObject,
    NodeRecordObject,
    encode_genesis,
    parse_genesis,
)
from chain.ledger import ExecutedBlock, Ledger
from chain.primitives.crypto import Ed25519Signer, key_id
from chain.primitives.encoding import decode, encode
from chain.proofs.trust import TrustHistory
from chain.transactions.base import CheckedTransaction, Sender, Transaction, transaction_id, verify_payload
from chain.transactions.member import MEMBER, prove_key
from chain.transactions.registry import decode_transaction
from contracts.engine import ENGINE_IDENTITY
from sealing import KemPrivateKey
from tests.ledgers import memory_ledger
from tests.signing import SCHEMA, TransactionMaker

__all__ = ["SCHEMA", "TIME_MS", "TestNetwork", "seed"]

TIME_MS = 1_700_000_000_000


def seed(text: str) -> bytes:
    """A reproducible 32-byte seed."""
    return hashlib.sha256(text.encode()).digest()


@dataclass
class TestNetwork(TransactionMaker[Transaction]):
    """Members ``a``, ``b``, ... each a validator with one system key; ``outsider`` is a member without a vote.

    Attributes:
        size: how many validators.
        has_contracts: whether the genesis names this installation's engine and gives the validators KEM keys.
        has_governance: whether each member has a governance key and its successor.
        policy: runs the contracts of ``ledger()``.
        witnesses: public keys of the members that cosign checkpoints as witnesses.
        voters: how many of them vote from the beginning; all by default. The others have nodes.
    """

    __test__ = False

    size: int = 4
    has_contracts: bool = False
    has_governance: bool = False
    policy: AccessPolicy | None = None
    witnesses: Mapping[str, bytes] = field(default_factory=dict)
    voters: int | None = None
    nonce: int = 0
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = [chr(ord("a") + index) for index in range(self.size)]
        self.system = {name: Ed25519Signer(seed(f"system {name}")) for name in [*self.names, "outsider"]}
        self.governance = {name: Ed25519Signer(seed(f"governance {name}")) for name in self.system}
        self.successors = {name: Ed25519Signer(seed(f"successor {name}")) for name in self.system}
        self.consensus = {name: Ed25519Signer(seed(f"consensus {name}")) for name in self.names}
        engine = ENGINE_IDENTITY if self.has_contracts else None
        self.genesis: Genesis = parse_genesis(
            encode_genesis("test", TIME_MS, [self._member(name) for name in self.system], engine)
        )
        self.chain_id = self.genesis.chain_id
        self.trust = TrustHistory(self.genesis)

    @cached_property
    def kem(self) -> dict[str, KemPrivateKey]:
        """The validators' KEM key pairs."""
        return {name: KemPrivateKey.from_seed(seed(f"kem {name}")) for name in self.names}

    @property
    def kem_keys(self) -> dict[str, bytes]:
        """Their encoded public keys."""
        return {name: key.public_key.encoded for name, key in self.kem.items()}

    @cached_property
    def readers(self) -> dict[str, KemPrivateKey]:
        """The KEM key pair that each member reads with."""
        return {name: KemPrivateKey.from_seed(seed(f"reader {name}")) for name in self.system}

    def _member(self, name: str) -> MemberObject:
        has_node = name in self.consensus
        votes = name in self.names[: self.voters]
        system, governance = self.system[name].public_key, self.governance[name].public_key
        successor = self.successors[name].public_key
        return MemberObject(
            name=name,
            kind="government" if votes else "enterprise",
            title_zh=f"部门{name}",
            title_en=f"Department {name}",
            roles=(),
            keys=tuple(
                MemberKeyObject(key) for key in ((system, governance, successor) if self.has_governance else (system,))
            ),
            consensus_key=self.consensus[name].public_key if votes else None,
            kem_key=self.kem[name].public_key.encoded if votes and self.has_contracts else None,
            node=NodeRecordObject(f"127.0.0.1:{9000 + ord(name[0])}", "", b"certificate") if has_node else None,
            witness_key=self.witnesses.get(name),
            governance=GovernanceObject(key_id(governance), key_id(successor)) if self.has_governance else UNSET,
        )

    def change_keys(
        self,
        member: str = "a",
        new: Sequence[Ed25519Signer] = (),
        retired: Sequence[bytes] = (),
        by: Ed25519Signer | None = None,
        successor: Ed25519Signer | None = None,
    ) -> Transaction:
        """A ``member`` transaction, signed by the governance key unless another is given."""
        return MEMBER.sign(
            Sender(self.chain_id, member, by or self.governance[member]),
            nonce=self.next_nonce(),
            new_keys=tuple(prove_key(self.chain_id, member, signer) for signer in new),
            retired_keys=tuple(retired),
            successor=prove_key(self.chain_id, member, successor) if successor else None,
            person="张三",
            reason="the key was lost",
        )

    @staticmethod
    def consensus_key(name: str, generation: int) -> Ed25519Signer:
        """The key that a validator votes with after so many rotations."""
        return Ed25519Signer(seed(f"consensus {name} {generation}" if generation else f"consensus {name}"))

    def signer_of(self, member: str) -> Ed25519Signer:
        return self.system[member]

    def reader_of(self, member: str) -> bytes:
        return self.readers[member].public_key.encoded

    def next_nonce(self) -> bytes:
        self.nonce += 1
        return self.nonce.to_bytes(16, "big")

    def finish(self, transaction: Transaction) -> Transaction:
        return transaction

    def ledger(self) -> Ledger:
        """A fresh ledger in memory."""
        return memory_ledger(self.genesis, self.policy)

    def id_of(self, transaction: Transaction) -> bytes:
        """A transaction's id: what requests, answers and read reports name it by."""
        return transaction_id(self.chain_id, transaction.header)

    def checked(self, transaction: Transaction) -> CheckedTransaction:
        """The transaction after its stateless checks."""
        checked = decode_transaction(self.chain_id, encode(transaction))
        verify_payload(checked)
        return checked

    def certify(self, executed: ExecutedBlock, view: int = 0, signers: Sequence[str] | None = None) -> Certificate:
        """A certificate by ``signers`` (a quorum by default)."""
        height = executed.header.height
        names = self.names[: self.genesis.validators.quorum] if signers is None else signers
        message = commit_message(self.chain_id, height, view, executed.block_hash)
        votes = tuple((name, self.consensus[name].sign(message)) for name in names)
        return Certificate(height, view, executed.block_hash, votes)

    def commit(self, ledger: Ledger, transactions: Sequence[Transaction], time_ms: int = TIME_MS + 1) -> ExecutedBlock:
        """Execute, certify and commit one block."""
        checked = [self.checked(transaction) for transaction in transactions]
        executed = ledger.execute(checked, time_ms, self.names[0])
        for entry in executed.entries.values():
            assert decode(type(entry), encode(entry)) == entry, "kept as it was written, it is what others read"
        ledger.commit(executed, self.certify(executed))
        return executed
