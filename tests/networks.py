"""Small made-up networks for tests: members with keys, genesis, signed transactions, certificates."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from chain.access.policy import AccessPolicy
from chain.blocks import Certificate, commit_message
from chain.genesis import Genesis, MemberKeyObject, MemberObject, NodeRecordObject, encode_genesis, parse_genesis
from chain.ledger import ExecutedBlock, Ledger
from chain.primitives.crypto import Ed25519Signer, key_id
from chain.primitives.encoding import decode, encode
from chain.primitives.types import Answer
from chain.proofs.trust import TrustHistory
from chain.storage.database import MemoryDatabase
from chain.storage.head import MemoryHead
from chain.transactions.approval import APPROVAL
from chain.transactions.base import (
    CheckedTransaction,
    Transaction,
    TransactionType,
    sign_transaction,
    transaction_id,
    verify_payload,
)
from chain.transactions.contract import CONTRACT
from chain.transactions.dataset import DATASET
from chain.transactions.erase import ERASE
from chain.transactions.parcel import PARCEL, encode_records, records_root
from chain.transactions.read_report import READ_REPORT
from chain.transactions.registry import decode_transaction
from chain.transactions.request import REQUEST
from chain.transactions.sealed import CommitmentKind
from contracts.engine import ENGINE_IDENTITY
from sealing import KemPrivateKey, SealedParcel, SealingContext, seal_parcel

TIME_MS = 1_700_000_000_000
SCHEMA = '{"type":"object","properties":{"n":{"type":"integer","maximum":1000000}},"required":["n"]}'


def seed(text: str) -> bytes:
    """A reproducible 32-byte seed."""
    return hashlib.sha256(text.encode()).digest()


@dataclass
class TestNetwork:
    """Members ``a``, ``b``, ... each a validator with one system key; ``outsider`` is a member without a vote.

    Attributes:
        size: how many validators.
        has_contracts: whether the genesis names this installation's engine and gives the validators KEM keys.
        policy: runs the contracts of ``ledger()``.
        witnesses: public keys of the members that cosign checkpoints as witnesses.
    """

    __test__ = False

    size: int = 4
    has_contracts: bool = False
    policy: AccessPolicy | None = None
    witnesses: Mapping[str, bytes] = field(default_factory=dict)
    nonce: int = 0
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = [chr(ord("a") + index) for index in range(self.size)]
        self.system = {name: Ed25519Signer(seed(f"system {name}")) for name in [*self.names, "outsider"]}
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
        votes = name in self.consensus
        return MemberObject(
            name=name,
            kind="government" if votes else "enterprise",
            title_zh=f"部门{name}",
            title_en=f"Department {name}",
            roles=(),
            keys=(MemberKeyObject(self.system[name].public_key),),
            consensus_key=self.consensus[name].public_key if votes else None,
            kem_key=self.kem[name].public_key.encoded if votes and self.has_contracts else None,
            node=NodeRecordObject(f"127.0.0.1:{9000 + ord(name[0])}", "", b"certificate") if votes else None,
            witness_key=self.witnesses.get(name),
        )

    def ledger(self) -> Ledger:
        """A fresh ledger in memory."""
        ledger = Ledger(self.genesis, MemoryDatabase(), MemoryDatabase(), MemoryHead(), self.policy)
        ledger.open()
        return ledger

    def next_nonce(self) -> bytes:
        """A nonce never used before in this network."""
        self.nonce += 1
        return self.nonce.to_bytes(16, "big")

    def sign(
        self, type_: TransactionType[Any], member: str, fields: Mapping[str, object], payload: bytes = b""
    ) -> Transaction:
        """A signed transaction of any type, whatever the type itself says of its fields."""
        key = self.system[member]
        common: dict[str, Any] = {
            "chain_id": self.chain_id,
            "member": member,
            "key_id": key_id(key.public_key),
            "nonce": self.next_nonce(),
            "expiry_ms": 0,
        }
        return sign_transaction(type_.header(**(common | dict(fields))), key, payload)

    def dataset(self, member: str = "a", name: str = "flights", **changes: object) -> Transaction:
        """A signed ``dataset`` transaction."""
        fields: dict[str, object] = {
            "dataset": f"{member}.{name}",
            "version": 1,
            "title_zh": "航班",
            "title_en": "Flights",
            "schema": SCHEMA,
            "sharing": "open",
            "legal_basis": "",
            "contract": "",
        }
        return self.sign(DATASET, member, fields | changes)

    def parcel(
        self,
        records: Sequence[bytes] = (b'{"n":1}',),
        member: str = "a",
        dataset: str = "a.flights",
        sealed_shares: Sequence[bytes] = (),
        **changes: object,
    ) -> Transaction:
        """A signed ``parcel`` transaction, open unless there is more."""
        fields: dict[str, object] = {
            "dataset": dataset,
            "record_count": len(records),
            "records_root": records_root(self.chain_id, records),
            "envelope": b"",
            "derived_from": (),
        }
        return self.sign(PARCEL, member, fields | changes, encode_records(records, sealed_shares))

    def erase(self, parcel_id: bytes, member: str = "a", dataset: str = "a.flights", **changes: object) -> Transaction:
        """A signed ``erase`` transaction."""
        fields: dict[str, object] = {
            "dataset": dataset,
            "parcel": parcel_id,
            "legal_basis": "PIPL 47",
            "reason": "",
        }
        return self.sign(ERASE, member, fields | changes)

    def sealed_parcel(
        self,
        records: Sequence[bytes] = (b'{"n":1}',),
        member: str = "a",
        dataset: str = "a.flights",
        commitments: CommitmentKind = CommitmentKind.WHOLE,
    ) -> Transaction:
        """A signed ``parcel`` transaction whose records are sealed for the validators."""
        parcel = seal_parcel(records, SealingContext(self.chain_id, dataset), self.kem_keys, commitments)
        return self.sealed(parcel, member, dataset)

    def sealed(self, parcel: SealedParcel, member: str = "a", dataset: str = "a.flights") -> Transaction:
        """A signed ``parcel`` transaction with these contents."""
        return self.parcel(
            parcel.bodies,
            member,
            dataset,
            parcel.sealed_shares,
            records_root=parcel.records_root,
            envelope=parcel.envelope,
        )

    def contract(self, source: str = "", member: str = "a", name: str = "rule", **changes: object) -> Transaction:
        """A signed ``contract`` transaction."""
        fields: dict[str, object] = {
            "contract": f"{member}.{name}",
            "version": 1,
            "source": source,
            "parameters": "{}",
        }
        return self.sign(CONTRACT, member, fields | changes)

    def request(self, member: str = "b", dataset: str = "a.flights", **changes: object) -> Transaction:
        """A signed ``request`` transaction for all of a dataset."""
        fields: dict[str, object] = {
            "dataset": dataset,
            "parcels": (),
            "from_height": 0,
            "until_height": 0,
            "until_ms": 0,
            "purpose": "flood warning",
            "legal_basis": "Flood Control Law",
            "case_number": "2023-17",
            "person": "Li Wei",
            "kem_key": self.readers[member].public_key.encoded,
        }
        return self.sign(REQUEST, member, fields | changes)

    def approval(
        self,
        request: bytes,
        answer: Answer = "approve",
        member: str = "a",
        dataset: str = "a.flights",
        reason: str = "",
    ) -> Transaction:
        """A signed ``approval`` transaction: an answer to the request with this transaction id."""
        fields = {
            "dataset": dataset,
            "request": request,
            "answer": answer,
            "reason": reason,
        }
        return self.sign(APPROVAL, member, fields)

    def read_report(
        self,
        request: bytes,
        parcels: Sequence[bytes],
        member: str = "b",
        dataset: str = "a.flights",
        record_count: int = 1,
        digest: bytes = bytes(32),
    ) -> Transaction:
        """A signed ``read_report`` transaction: what ``member`` says that it has read."""
        fields = {
            "dataset": dataset,
            "request": request,
            "parcels": tuple(parcels),
            "record_count": record_count,
            "digest": digest,
        }
        return self.sign(READ_REPORT, member, fields)

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
