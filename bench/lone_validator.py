"""A validator that is its own quorum: a node's ledger on disk, without consensus, network and API."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from bench.records import SHARED
from chain.access.policy import AccessPolicy
from chain.blocks import Certificate, commit_message
from chain.genesis import Genesis, MemberKeyObject, MemberObject, NodeRecordObject, encode_genesis, parse_genesis
from chain.ledger import ExecutedBlock, Ledger
from chain.primitives.crypto import Ed25519Signer, sha256
from chain.primitives.encoding import encode
from chain.storage.head import HeadFile
from chain.storage.level import LevelDatabase
from chain.transactions.base import CheckedTransaction, Sender, Transaction, verify_payload
from chain.transactions.contract import CONTRACT
from chain.transactions.dataset import DATASET
from chain.transactions.registry import decode_transaction
from chain.transactions.request import REQUEST
from contracts.engine import ENGINE_IDENTITY
from sealing import KemPrivateKey

OWNER = "owner"
"""The one validator; owns the datasets and contracts."""
TIME_MS = 1_772_366_400_000
_NODE = NodeRecordObject("127.0.0.1:9000", "", b"certificate")


class LoneValidator:
    """See the module. Open it, then close it.

    Args:
        readers: members without a node, which ask to read.
    """

    def __init__(self, readers: Sequence[str]) -> None:
        self._system = {name: Ed25519Signer(sha256(f"system {name}".encode())) for name in (OWNER, *readers)}
        self._consensus = Ed25519Signer(sha256(b"consensus"))
        self._kem_keys = {
            name: KemPrivateKey.from_seed(sha256(f"kem {name}".encode())).public_key.encoded for name in self._system
        }
        members = [self._member(name) for name in self._system]
        self.genesis: Genesis = parse_genesis(encode_genesis("Benchmark", TIME_MS, members, ENGINE_IDENTITY))
        self._nonces = itertools.count()
        self._ledger: Ledger | None = None

    def _member(self, name: str) -> MemberObject:
        votes = name == OWNER
        return MemberObject(
            name=name,
            kind="government",
            title_zh="",
            title_en=name,
            roles=(),
            keys=(MemberKeyObject(self._system[name].public_key),),
            consensus_key=self._consensus.public_key if votes else None,
            kem_key=self._kem_keys[name] if votes else None,
            node=_NODE if votes else None,
        )

    def open(self, folder: Path, policy: AccessPolicy) -> None:
        """Start from genesis in an empty folder, with contracts run by ``policy``."""
        engines = LevelDatabase(folder / "blocks"), LevelDatabase(folder / "state")
        self._ledger = Ledger(self.genesis, *engines, HeadFile(folder / "HEAD"), policy)
        self._ledger.open()

    def close(self) -> None:
        """Release the databases."""
        if self._ledger is not None:
            self._ledger.close()

    def contract(self, contract: str, source: str, parameters: str) -> CheckedTransaction:
        """Deploys a contract."""
        transaction = CONTRACT.sign(
            self._sender(OWNER),
            nonce=self._next_nonce(),
            contract=contract,
            version=1,
            source=source,
            parameters=parameters,
        )
        return self._checked(transaction)

    def dataset(self, dataset: str, contract: str) -> CheckedTransaction:
        """Registers a dataset under a contract."""
        transaction = DATASET.sign(
            self._sender(OWNER),
            nonce=self._next_nonce(),
            dataset=dataset,
            version=1,
            title_zh="",
            title_en="Benchmark",
            schema="",
            sharing="conditional",
            legal_basis="Civil Aviation Law",
            contract=contract,
            description=SHARED,
        )
        return self._checked(transaction)

    def request(self, reader: str, dataset: str, purpose: str) -> CheckedTransaction:
        """Asks to read a whole dataset."""
        transaction = REQUEST.sign(
            self._sender(reader),
            nonce=self._next_nonce(),
            dataset=dataset,
            parcels=(),
            from_height=0,
            until_height=0,
            until_ms=0,
            purpose=purpose,
            legal_basis="Meteorology Law",
            case_number="2026-0117",
            person="Li Wei",
            kem_key=self._kem_keys[reader],
        )
        return self._checked(transaction)

    def commit(self, transactions: Sequence[CheckedTransaction]) -> ExecutedBlock:
        """Execute and commit one block; it is on disk when this returns."""
        if self._ledger is None:
            raise RuntimeError("the validator is not open")
        executed = self._ledger.execute(transactions, TIME_MS, OWNER)
        height, hash_ = executed.header.height, executed.block_hash
        vote = self._consensus.sign(commit_message(self.genesis.chain_id, height, 0, hash_))
        self._ledger.commit(executed, Certificate(height, 0, hash_, ((OWNER, vote),)))
        return executed

    def _sender(self, member: str) -> Sender:
        return Sender(self.genesis.chain_id, member, self._system[member])

    def _next_nonce(self) -> bytes:
        return next(self._nonces).to_bytes(16, "big")

    def _checked(self, transaction: Transaction) -> CheckedTransaction:
        checked = decode_transaction(self.genesis.chain_id, encode(transaction))
        verify_payload(checked)
        return checked
