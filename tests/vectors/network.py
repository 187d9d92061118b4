"""The network of the test vectors: members, genesis, and one transaction of every type.

Everything follows from fixed seeds: the seed of a key is SHA-256 of its name.
"""

from __future__ import annotations

import hashlib
from typing import Any

from chain.access.policy import AccessPolicy
from chain.blocks import Certificate, commit_message
from chain.contract_engine import EngineIdentity
from chain.genesis import Genesis, MemberKeyObject, MemberObject, NodeRecordObject, encode_genesis, parse_genesis
from chain.ledger import ExecutedBlock, Ledger
from chain.primitives.crypto import Ed25519Signer, key_id
from chain.primitives.encoding import encode
from chain.primitives.kem import KemSuite, kem_key_id
from chain.primitives.quorum import quorum
from chain.primitives.types import Answer
from chain.storage.database import MemoryDatabase
from chain.storage.head import MemoryHead
from chain.transactions.approval import ApprovalHeader
from chain.transactions.base import Header, Transaction, sign_transaction
from chain.transactions.contract import ContractHeader
from chain.transactions.dataset import DatasetHeader
from chain.transactions.erase import EraseHeader
from chain.transactions.parcel import ParcelHeader, encode_records, records_root
from chain.transactions.read_report import ReadReportHeader
from chain.transactions.registry import check_stored
from chain.transactions.request import RequestHeader
from chain.transactions.sealed import CommitmentKind, Envelope, SealedShare, sealed_records_root, sealed_share_hash
from sealing import KemPrivateKey

TIME_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
VALIDATORS = ("airports", "aviation", "meteorology", "registry")
READER = "university"
WITNESS = "audit-office"
SCHEMA = '{"type":"object","properties":{"flight":{"type":"integer","minimum":1}},"required":["flight"]}'
RECORDS = (b'{"flight":1545,"dest":"IAH"}', b'{"flight":1714,"dest":"IAH"}', '{"flight":1141,"dest":"迈阿密"}'.encode())
ENGINE = EngineIdentity(hashlib.sha256(b"guest component").digest(), "46.0.1", "x86_64-unknown-linux-gnu")
SOURCE = """\
from blockpool.contract import allow, ask, deny


def can_read(request, dataset, ctx):
    ctx.state["calls"] = ctx.state.get("calls", 0) + 1
    if request.purpose in ctx.parameters["refused"]:
        return deny(f"not for {request.purpose}")
    if ctx.reader.kind == "government" or ctx.approvals:
        return allow(until=ctx.time_ms + 86_400_000, fields=["flight"], note=request.purpose)
    return ask(["registry"])
"""
PARAMETERS = '{"refused":["marketing"]}'


def seed(name: str) -> bytes:
    """The seed of a key: 32 bytes."""
    return hashlib.sha256(name.encode()).digest()


def system_signer(member: str) -> Ed25519Signer:
    """The key that signs a member's transactions."""
    return Ed25519Signer(seed(f"system {member}"))


def consensus_signer(member: str) -> Ed25519Signer:
    """The key that signs a validator's votes."""
    return Ed25519Signer(seed(f"consensus {member}"))


def witness_signer(member: str) -> Ed25519Signer:
    """The key that cosigns checkpoints for a member without a vote."""
    return Ed25519Signer(seed(f"witness {member}"))


def kem_key(name: str, suite: KemSuite = KemSuite.X25519) -> bytes:
    """An encoded KEM public key. Those of the network are of the X25519 suite, to keep the files small."""
    return KemPrivateKey.from_seed(seed(f"kem {name}"), suite).public_key.encoded


def make_genesis() -> Genesis:
    """Four validators, a witness, and a reader without a node. TLS certificates and engine hash are placeholders."""

    def member(name: str) -> MemberObject:
        votes = name in VALIDATORS
        address = f"{name}.example:7000"
        return MemberObject(
            name=name,
            kind="public" if name == READER else "government",
            title_zh="部门",
            title_en=name.title(),
            roles=("forecast",) if name == "meteorology" else (),
            keys=(MemberKeyObject(system_signer(name).public_key),),
            consensus_key=consensus_signer(name).public_key if votes else None,
            kem_key=kem_key(name) if votes else None,
            node=NodeRecordObject(address, f"https://{name}.example", b"certificate of " + name.encode())
            if name != READER
            else None,
            witness_key=witness_signer(name).public_key if name == WITNESS else None,
        )

    names = (*VALIDATORS, WITNESS, READER)
    return parse_genesis(encode_genesis("vectors", TIME_MS, [member(name) for name in names], ENGINE))


def _sign(header_type: type[Header], member: str, nonce: bytes, payload: bytes = b"", **fields: Any) -> Transaction:
    signer = system_signer(member)
    common: dict[str, Any] = {
        "chain_id": make_genesis().chain_id,
        "member": member,
        "key_id": key_id(signer.public_key),
        "nonce": nonce,
        "expiry_ms": 0,
    }
    return sign_transaction(header_type(**(common | fields)), signer, payload)


def dataset_transaction(nonce: bytes = bytes(range(16)), **changes: Any) -> Transaction:
    """Aviation registers ``aviation.flights``."""
    fields: dict[str, Any] = {
        "dataset": "aviation.flights",
        "version": 1,
        "title_zh": "航班",
        "title_en": "Flights",
        "schema": SCHEMA,
        "sharing": "open",
        "legal_basis": "",
        "contract": "",
    }
    return _sign(DatasetHeader, "aviation", nonce, **(fields | changes))


def parcel_transaction(
    records: tuple[bytes, ...],
    nonce: int,
    sources: tuple[tuple[bytes, int], ...] = (),
    dataset: str = "aviation.flights",
    chain_id: bytes | None = None,
) -> Transaction:
    """Aviation shares ``records`` openly; on this chain unless another is named."""
    return _sign(
        ParcelHeader,
        "aviation",
        bytes([nonce]) * 16,
        encode_records(records),
        chain_id=chain_id or make_genesis().chain_id,
        expiry_ms=TIME_MS + HOUR_MS,
        dataset=dataset,
        record_count=len(records),
        records_root=records_root(make_genesis().chain_id, records),
        envelope=b"",
        derived_from=sources,
    )


PLACEHOLDER_BODIES = tuple(seed(f"commitment {number}") + bytes([number]) * 32 for number in range(2))


def sealed_parcel_transaction(
    nonce: int, bodies: tuple[bytes, ...] = PLACEHOLDER_BODIES, commitments: CommitmentKind = CommitmentKind.FIELDS
) -> Transaction:
    """A sealed parcel as the chain sees it: bodies and shares are placeholders of the right sizes and keys, since real
    ones are random. Real ones are in ``sealing.json``.
    """
    chain_id, shares, sealed_shares = make_genesis().chain_id, [], []
    for name, key in sorted((member.name, member.kem_key) for member in make_genesis().founders if member.kem_key):
        sealed = (seed(f"sealed share of {name}") * 36)[: 16 + KemSuite.X25519.overhead_size]
        sealed_hash = sealed_share_hash(chain_id, sealed)
        shares.append(SealedShare(name, kem_key_id(key), seed(f"share of {name}"), sealed_hash))
        sealed_shares.append(sealed)
    envelope = Envelope(
        KemSuite.X25519, commitments, quorum(len(shares)), bytes(16), seed("seed commitment"), tuple(shares)
    )
    return _sign(
        ParcelHeader,
        "aviation",
        bytes([nonce]) * 16,
        encode_records(bodies, sealed_shares),
        dataset="aviation.flights",
        record_count=len(bodies),
        records_root=sealed_records_root(chain_id, bodies),
        envelope=encode(envelope),
        derived_from=(),
    )


def contract_transaction(nonce: int) -> Transaction:
    """Aviation deploys ``aviation.rule``."""
    return _sign(
        ContractHeader,
        "aviation",
        bytes([nonce]) * 16,
        contract="aviation.rule",
        version=1,
        source=SOURCE,
        parameters=PARAMETERS,
    )


def request_transaction(nonce: int, member: str = READER, **changes: Any) -> Transaction:
    """The university asks to read ``aviation.flights``."""
    fields: dict[str, Any] = {
        "dataset": "aviation.flights",
        "parcels": (),
        "from_height": 0,
        "until_height": 0,
        "until_ms": TIME_MS + 12 * HOUR_MS,
        "purpose": "research",
        "legal_basis": "统计法",
        "case_number": "2023-117",
        "person": "Li Wei",
        "kem_key": kem_key(f"reader {member}"),
    }
    return _sign(RequestHeader, member, bytes([nonce]) * 16, **(fields | changes))


def approval_transaction(nonce: int, member: str, request: bytes, answer: Answer, reason: str = "") -> Transaction:
    """``member`` answers a request."""
    return _sign(
        ApprovalHeader,
        member,
        bytes([nonce]) * 16,
        dataset="aviation.flights",
        request=request,
        answer=answer,
        reason=reason,
    )


def read_report_transaction(nonce: int, request: bytes, parcels: tuple[bytes, ...], digest: bytes) -> Transaction:
    """The university says what it has read."""
    return _sign(
        ReadReportHeader,
        READER,
        bytes([nonce]) * 16,
        dataset="aviation.flights",
        request=request,
        parcels=parcels,
        record_count=2,
        digest=digest,
    )


def erase_transaction(nonce: int, parcel: bytes, dataset: str = "aviation.flights") -> Transaction:
    """Aviation has a parcel erased."""
    return _sign(
        EraseHeader,
        "aviation",
        bytes([nonce]) * 16,
        dataset=dataset,
        parcel=parcel,
        legal_basis="个人信息保护法第四十七条",
        reason="the purpose is achieved",
    )


class ChainMaker:
    """A chain whose blocks are certified by the first three validators."""

    def __init__(self, policy: AccessPolicy | None = None) -> None:
        self.genesis = make_genesis()
        self.ledger = Ledger(self.genesis, MemoryDatabase(), MemoryDatabase(), MemoryHead(), policy)
        self.ledger.open()

    def commit(self, transactions: list[Transaction], view: int = 0) -> ExecutedBlock:
        """One more block; its time is a second after the one before."""
        chain_id = self.genesis.chain_id
        checked = [check_stored(chain_id, transaction) for transaction in transactions]
        height = self.ledger.tip.height + 1
        executed = self.ledger.execute(checked, TIME_MS + height * 1000, self.genesis.validators.primary(view))
        message = commit_message(chain_id, height, view, executed.block_hash)
        votes = tuple((name, consensus_signer(name).sign(message)) for name in VALIDATORS[:3])
        self.ledger.commit(executed, Certificate(height, view, executed.block_hash, votes))
        return executed
