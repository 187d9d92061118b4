"""The network of the test vectors: members, genesis, and one transaction of every type.

Everything follows from fixed seeds: the seed of a key is SHA-256 of its name.
"""

import hashlib
from typing import Any

from chain.access.policy import AccessPolicy
from chain.blocks import Certificate, commit_message
from chain.contract_engine import EngineIdentity
from chain.genesis import Genesis, MemberKeyObject, MemberObject, NodeRecordObject, encode_genesis, parse_genesis
from chain.ledger import ExecutedBlock
from chain.primitives.crypto import Ed25519Signer
from chain.primitives.encoding import encode
from chain.primitives.kem import KemSuite, kem_key_id
from chain.primitives.quorum import quorum
from chain.primitives.types import Answer
from chain.record_keys import open_keys
from chain.schema import compile_schema
from chain.transactions.base import Transaction
from chain.transactions.registry import check_stored
from chain.transactions.sealed import CommitmentKind, Envelope, SealedShare, sealed_records_root, sealed_share_hash
from sealing import KemPrivateKey
from tests.ledgers import memory_ledger
from tests.networks import TIME_MS, seed
from tests.signing import TransactionMaker

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


class _Maker(TransactionMaker[Transaction]):
    """Signs for the members of this network."""

    def __init__(self) -> None:
        self.chain_id = make_genesis().chain_id

    def signer_of(self, member: str) -> Ed25519Signer:
        return system_signer(member)

    def reader_of(self, member: str) -> bytes:
        return kem_key(f"reader {member}")

    @property
    def kem_keys(self) -> dict[str, bytes]:
        return {member.name: member.kem_key for member in make_genesis().founders if member.kem_key}

    def next_nonce(self) -> bytes:
        return bytes(range(16))

    def finish(self, transaction: Transaction) -> Transaction:
        return transaction


_MAKER = _Maker()


def dataset_transaction(nonce: bytes = bytes(range(16)), **changes: Any) -> Transaction:
    """Aviation registers ``aviation.flights``."""
    return _MAKER.dataset("aviation", nonce=nonce, **({"schema": SCHEMA} | changes))


def parcel_transaction(
    records: tuple[bytes, ...],
    nonce: int,
    sources: tuple[tuple[bytes, int], ...] = (),
    dataset: str = "aviation.flights",
    **changes: Any,
) -> Transaction:
    """Aviation shares ``records`` openly."""
    fields = {"nonce": bytes([nonce]) * 16, "expiry_ms": TIME_MS + HOUR_MS, "derived_from": sources}
    return _MAKER.parcel(records, "aviation", dataset, **(fields | changes))


PLACEHOLDER_BODIES = tuple(seed(f"commitment {number}") + bytes([number]) * 32 for number in range(2))


def sealed_parcel_transaction(
    nonce: int, bodies: tuple[bytes, ...] = PLACEHOLDER_BODIES, commitments: CommitmentKind = CommitmentKind.FIELDS
) -> Transaction:
    """A sealed parcel as the chain sees it: bodies and shares are placeholders of the right sizes and keys, since real
    ones are random. Real ones are in ``sealing.json``.
    """
    chain_id, shares, sealed_shares = _MAKER.chain_id, [], []
    for name, key in sorted(_MAKER.kem_keys.items()):
        sealed = (seed(f"sealed share of {name}") * 36)[: 16 + KemSuite.X25519.overhead_size]
        sealed_hash = sealed_share_hash(chain_id, sealed)
        shares.append(SealedShare(name, kem_key_id(key), seed(f"share of {name}"), sealed_hash))
        sealed_shares.append(sealed)
    envelope = Envelope(
        KemSuite.X25519, commitments, quorum(len(shares)), bytes(16), seed("seed commitment"), tuple(shares)
    )
    fields = {"records_root": sealed_records_root(chain_id, bodies), "envelope": encode(envelope)}
    return _MAKER.parcel(bodies, "aviation", sealed_shares=sealed_shares, nonce=bytes([nonce]) * 16, **fields)


def contract_transaction(nonce: int) -> Transaction:
    """Aviation deploys ``aviation.rule``."""
    return _MAKER.contract(SOURCE, "aviation", nonce=bytes([nonce]) * 16, parameters=PARAMETERS)


def request_transaction(nonce: int, member: str = READER, **changes: Any) -> Transaction:
    """The university asks to read ``aviation.flights``."""
    fields = {
        "until_ms": TIME_MS + 12 * HOUR_MS,
        "purpose": "research",
        "legal_basis": "统计法",
        "case_number": "2023-117",
    }
    return _MAKER.request(member, "aviation.flights", nonce=bytes([nonce]) * 16, **(fields | changes))


def approval_transaction(nonce: int, member: str, request: bytes, answer: Answer, reason: str = "") -> Transaction:
    """``member`` answers a request."""
    return _MAKER.approval(request, answer, member, "aviation.flights", reason, nonce=bytes([nonce]) * 16)


def read_report_transaction(
    nonce: int, request: bytes, parcels: tuple[bytes, ...], digest: bytes, record_count: int = 2
) -> Transaction:
    """The university says what it has read."""
    fields = {"nonce": bytes([nonce]) * 16, "record_count": record_count, "digest": digest, "fields": ("flight",)}
    return _MAKER.read_report(request, parcels, READER, "aviation.flights", **fields)


KEYED_SCHEMA = (
    '{"type":"object","properties":{"flight":{"type":"integer"},"dest":{"type":"string"}},'
    '"required":["flight","dest"],"key":["dest","flight"]}'
)


def keyed_transaction(nonce: int, records: tuple[bytes, ...], dataset: str) -> Transaction:
    """Aviation shares records with keys."""
    chain_id = make_genesis().chain_id
    values: Any = compile_schema(KEYED_SCHEMA).read(records)[0]
    keys = list(open_keys(chain_id, dataset, ("dest", "flight"), values))
    return _MAKER.keyed_parcel(records, keys, "aviation", dataset=dataset, nonce=bytes([nonce]) * 16)


def correction_transaction(nonce: int, parcel: bytes, index: int, record: bytes, dataset: str) -> Transaction:
    """Aviation corrects a record."""
    fields = {"legal_basis": "统计法第二十五条", "reason": "the hours were local time"}
    return _MAKER.correction(parcel, index, record, "aviation", dataset=dataset, nonce=bytes([nonce]) * 16, **fields)


def erase_transaction(
    nonce: int, parcel: bytes, dataset: str = "aviation.flights", records: tuple[int, ...] = ()
) -> Transaction:
    """Aviation has a parcel erased, or records of it."""
    fields: dict[str, Any] = {
        "records": records,
        "legal_basis": "个人信息保护法第四十七条",
        "reason": "the purpose is achieved",
    }
    return _MAKER.erase(parcel, "aviation", dataset, nonce=bytes([nonce]) * 16, **fields)


class ChainMaker:
    """A chain whose blocks are certified by the first three validators."""

    def __init__(self, policy: AccessPolicy | None = None) -> None:
        self.genesis = make_genesis()
        self.ledger = memory_ledger(self.genesis, policy)

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
