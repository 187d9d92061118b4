"""Makes the test vectors that docs/protocol.md refers to: ``python -m tests.vectors.make``.

Everything follows from fixed seeds: the seed of a key is SHA-256 of its name. Bytes are hexadecimal unless a name says
otherwise. tests/conformance checks that the files are what this module makes, and that an implementation that shares no
code with the project agrees with them.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from chain import history, merkle, state
from chain.blocks import Certificate, Proposal, commit_message
from chain.crypto import Ed25519Signer, key_id
from chain.encoding import Wire, encode
from chain.evidence import make_record_evidence
from chain.genesis import Genesis, MemberKeyObject, MemberObject, NodeRecordObject, encode_genesis, parse_genesis
from chain.keys import encode_private_key
from chain.ledger import ExecutedBlock, Ledger
from chain.packages import read_package
from chain.receipts import ReceiptMaker
from chain.state_tree import EMPTY, MemoryNodes, StateTree
from chain.storage.engine import MemoryEngine
from chain.storage.head import MemoryHead
from chain.transactions import (
    DatasetHeader,
    ParcelHeader,
    Transaction,
    check_stored,
    encode_records,
    record_proof,
    records_root,
    sign_transaction,
    signing_message,
    transaction_id,
)
from consensus.messages import (
    Commit,
    Committed,
    NewView,
    Prepare,
    PreparedCertificate,
    PrePrepare,
    Status,
    ViewChange,
    ViewChangeVote,
    encode_message,
    prepare_message,
    view_change_message,
)

FOLDER = Path(__file__).parent
TIME_MS = 1_700_000_000_000
VALIDATORS = ("airports", "aviation", "meteorology", "registry")
READER = "university"
SCHEMA = '{"type":"object","properties":{"flight":{"type":"integer","minimum":1}},"required":["flight"]}'
RECORDS = (b'{"flight":1545,"dest":"IAH"}', b'{"flight":1714,"dest":"IAH"}', '{"flight":1141,"dest":"迈阿密"}'.encode())


def seed(name: str) -> bytes:
    """The seed of a key: 32 bytes."""
    return hashlib.sha256(name.encode()).digest()


def system_signer(member: str) -> Ed25519Signer:
    """The key that signs a member's transactions."""
    return Ed25519Signer(seed(f"system {member}"))


def consensus_signer(member: str) -> Ed25519Signer:
    """The key that signs a validator's votes."""
    return Ed25519Signer(seed(f"consensus {member}"))


def make_genesis() -> Genesis:
    """Four validators and one member without a node. The TLS certificates are placeholders."""

    def member(name: str) -> MemberObject:
        votes = name in VALIDATORS
        address = f"{name}.example:7000"
        return MemberObject(
            name=name,
            kind="government" if votes else "public",
            title_zh="部门",
            title_en=name.title(),
            roles=(),
            keys=(MemberKeyObject(system_signer(name).public_key),),
            consensus_key=consensus_signer(name).public_key if votes else None,
            node=NodeRecordObject(address, f"https://{name}.example", b"certificate of " + name.encode())
            if votes
            else None,
        )

    return parse_genesis(encode_genesis("vectors", TIME_MS, [member(name) for name in (*VALIDATORS, READER)]))


def make_keys() -> list[dict[str, Any]]:
    """Seeds, public keys, key ids and PEM files."""
    found = []
    for name in (f"system {VALIDATORS[1]}", f"consensus {VALIDATORS[1]}", f"system {READER}"):
        signer = Ed25519Signer(seed(name))
        found.append(
            {
                "name": name,
                "seed": seed(name).hex(),
                "public_key": signer.public_key.hex(),
                "key_id": key_id(signer.public_key).hex(),
                "pkcs8_pem": encode_private_key(seed(name), None).decode(),
            }
        )
    return found


def make_encoding() -> list[dict[str, Any]]:
    """Single values and their only encoding."""
    integers = (0, 1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63 - 1)
    cases: list[dict[str, Any]] = [{"integer": str(value), "encoded": encode(value).hex()} for value in integers]
    for length in (0, 1, 255, 256, 65535, 65536):
        data = encode(bytes(length))
        cases.append({"zero_bytes": length, "encoded_start": data[: len(data) - length].hex()})
    for text in ("", "open", "航班", "x" * 31, "x" * 32, "x" * 255, "x" * 256):
        cases.append({"string": text, "encoded": encode(text).hex()})
    for length in (0, 15, 16, 65535, 65536):
        data = encode((0,) * length)
        cases.append({"array_of_zeros": length, "encoded_start": data[: len(data) - length].hex()})
    cases.append({"nil": None, "encoded": encode(None).hex()})
    return cases


def make_merkle() -> dict[str, Any]:
    """Trees of 0 to 9 leaves with all their proofs."""
    leaves = [bytes(range(size)) for size in range(9)]
    hashes = merkle.leaf_hashes(leaves)
    nodes: dict[tuple[int, int], bytes] = {}
    for size, leaf in enumerate(hashes):
        for level, index, value in history.nodes_completed_by(size, leaf, lambda *place: nodes[place]):
            nodes[level, index] = value

    def consistency(old: int, new: int) -> list[str]:
        return _hex(history.consistency_proof(old, new, lambda *place: nodes[place]))

    sizes = range(len(leaves) + 1)
    return {
        "leaves": _hex(leaves),
        "roots": [merkle.root(leaves[:size]).hex() for size in sizes],
        "inclusion": [
            {"size": size, "index": index, "proof": _hex(merkle.inclusion_proof(hashes[:size], index))}
            for size in sizes
            for index in range(size)
        ],
        "consistency": [
            {"from": old, "to": new, "proof": consistency(old, new)} for new in sizes for old in range(1, new + 1)
        ],
    }


def make_state_tree() -> dict[str, Any]:
    """A small state, its root, and proofs of presence and absence."""
    chain_id = make_genesis().chain_id
    content = {f"dataset/aviation.set-{number}": f"entry {number}".encode() for number in range(6)}
    nodes = MemoryNodes()
    tree = StateTree(chain_id, nodes)
    update = tree.update(EMPTY, {key.encode(): value for key, value in content.items()})
    nodes.add(update)
    asked = [*content, *(f"dataset/registry.absent-{number}" for number in range(4))]
    return {
        "chain_id": chain_id.hex(),
        "entries": {key: value.hex() for key, value in content.items()},
        "root": update.root.hex(),
        "proofs": [
            {
                "key": key,
                "path": tree.path(key.encode()).hex(),
                "value": content[key].hex() if key in content else None,
                "proof": encode(tree.prove(update.root, key.encode())).hex(),
            }
            for key in asked
        ],
    }


def dataset_transaction(genesis: Genesis) -> Transaction:
    """Aviation registers ``aviation.flights``."""
    signer = system_signer("aviation")
    header = DatasetHeader(
        chain_id=genesis.chain_id,
        member="aviation",
        key_id=key_id(signer.public_key),
        nonce=bytes(range(16)),
        expiry_ms=0,
        dataset="aviation.flights",
        version=1,
        title_zh="航班",
        title_en="Flights",
        schema=SCHEMA,
        sharing="open",
        legal_basis="",
        contract="",
    )
    return sign_transaction(header, signer)


def parcel_transaction(
    genesis: Genesis, records: tuple[bytes, ...], nonce: int, sources: tuple[tuple[bytes, int], ...] = ()
) -> Transaction:
    """Aviation shares ``records``."""
    signer = system_signer("aviation")
    header = ParcelHeader(
        chain_id=genesis.chain_id,
        member="aviation",
        key_id=key_id(signer.public_key),
        nonce=bytes([nonce]) * 16,
        expiry_ms=TIME_MS + 3_600_000,
        dataset="aviation.flights",
        record_count=len(records),
        records_root=records_root(genesis.chain_id, records),
        envelope=b"",
        derived_from=sources,
    )
    return sign_transaction(header, signer, encode_records(records))


def make_transactions() -> dict[str, Any]:
    """A dataset and a parcel, field by field and byte by byte."""
    genesis = make_genesis()
    chain_id = genesis.chain_id
    cases = []
    for name, transaction in (
        ("dataset", dataset_transaction(genesis)),
        ("parcel", parcel_transaction(genesis, RECORDS, 0x11, ((seed("source"), 7),))),
    ):
        header = check_stored(chain_id, transaction).header
        case = {
            "name": name,
            "tag": type(header).__struct_config__.tag,
            "fields": _fields(header),
            "header": transaction.header.hex(),
            "signing_message": signing_message(chain_id, transaction.header).hex(),
            "signature": transaction.signature.hex(),
            "transaction_id": transaction_id(chain_id, transaction.header).hex(),
            "payload": transaction.payload.hex(),
            "transaction": encode(transaction).hex(),
        }
        cases.append(case)
    cases[1]["records"] = _hex(RECORDS)
    cases[1]["record_proofs"] = [_hex(record_proof(chain_id, RECORDS, index)) for index in range(len(RECORDS))]
    seeds = {"signer": "system aviation", "seed": seed("system aviation").hex()}
    return {"chain_id": chain_id.hex(), **seeds, "cases": cases}


class _ChainMaker:
    """A chain whose blocks are certified by the first three validators."""

    def __init__(self) -> None:
        self.genesis = make_genesis()
        self.ledger = Ledger(self.genesis, MemoryEngine(), MemoryEngine(), MemoryHead())
        self.ledger.open()

    def commit(self, transactions: list[Transaction], view: int) -> ExecutedBlock:
        chain_id = self.genesis.chain_id
        checked = [check_stored(chain_id, transaction) for transaction in transactions]
        height = self.ledger.tip.height + 1
        executed = self.ledger.execute(checked, TIME_MS + height * 1000, self.genesis.validators.primary(view))
        message = commit_message(chain_id, height, view, executed.block_hash)
        votes = tuple((name, consensus_signer(name).sign(message)) for name in VALIDATORS[:3])
        self.ledger.commit(executed, Certificate(height, view, executed.block_hash, votes))
        return executed


def make_chain() -> dict[str, Any]:
    """Genesis and three blocks, with receipts, state proofs and an evidence file."""
    maker = _ChainMaker()
    genesis, ledger = maker.genesis, maker.ledger
    parcel = parcel_transaction(genesis, RECORDS, 0x22)
    rejected = parcel_transaction(genesis, (RECORDS[0], b'{"flight":0}'), 0x33)
    maker.commit([dataset_transaction(genesis)], view=0)
    maker.commit([parcel, rejected], view=0)
    maker.commit([parcel_transaction(genesis, (record,), 0x40 + n) for n, record in enumerate(RECORDS)], view=5)
    blocks = [_block(ledger, height) for height in range(4)]
    keys = [state.member_key("aviation"), state.dataset_key("aviation.flights"), state.usage_key("aviation.flights")]
    keys.append(state.dataset_key("aviation.unknown"))
    proofs = []
    for key in keys:
        value, proof = ledger.state_proof(key)
        shown = None if value is None else value.hex()
        proofs.append({"key": key.decode(), "value": shown, "proof": encode(proof).hex()})
    size = ledger.tip.height
    read = ledger.blocks.history_node
    return {
        "genesis_file": genesis.content.decode(),
        "chain_id": genesis.chain_id.hex(),
        "validators_hash": genesis.validators.hash(genesis.chain_id).hex(),
        "blocks": blocks,
        "state_proofs_at_tip": proofs,
        "history": {
            "size": size,
            "inclusion_of_block_1": _hex(history.inclusion_proof_at(1, size, read)),
            "consistency_from_2": _hex(history.consistency_proof(2, size, read)),
        },
        "evidence_file": make_record_evidence(ledger, check_stored(genesis.chain_id, parcel).id, 2).decode(),
    }


def _block(ledger: Ledger, height: int) -> dict[str, Any]:
    block, package = ledger.block_at(height), read_package(ledger.blocks, height)
    receipts = [] if block.certificate is None else [ReceiptMaker(block).receipt(n) for n in range(len(block.outcomes))]
    hash_ = ledger.genesis.block_hash if block.certificate is None else block.certificate.block_hash
    return {
        "height": height,
        "header": block.header.hex(),
        "fields": _fields(ledger.header_at(height)),
        "hash": hash_.hex(),
        "certificate": block.certificate and encode(block.certificate).hex(),
        "outcomes": [_fields(outcome) for outcome in block.outcomes],
        "receipts": [encode(receipt).hex() for receipt in receipts],
        "package": encode(package).hex(),
    }


def make_messages() -> dict[str, Any]:
    """One consensus message of every kind, and what its votes sign."""
    chain_id, hash_ = make_genesis().chain_id, seed("block")
    height, view = 7, 2
    message = prepare_message(chain_id, height, view, hash_)
    prepares = [Prepare(height, view, hash_, name, consensus_signer(name).sign(message)) for name in VALIDATORS[:3]]
    votes = tuple((prepare.validator, prepare.signature) for prepare in prepares)
    commit = commit_message(chain_id, height, view, hash_)
    certificate = Certificate(
        height, view, hash_, tuple((name, consensus_signer(name).sign(commit)) for name in VALIDATORS[:3])
    )
    prepared = PreparedCertificate(height, view, hash_, votes)
    claims = [_view_change_vote(chain_id, name, view if name == VALIDATORS[0] else None) for name in VALIDATORS[:3]]
    proposal = Proposal(b"header bytes", (seed("transaction"),))
    messages = {
        "pre_prepare": PrePrepare(prepares[2], proposal),
        "prepare": prepares[0],
        "commit": Commit(height, view, hash_, VALIDATORS[0], certificate.votes[0][1]),
        "view_change": ViewChange(claims[0], prepared, proposal),
        "view_change_without_claim": ViewChange(claims[1], None, None),
        "new_view": NewView(height, view + 1, tuple(claims), prepared),
        "committed": Committed(certificate),
        "status": Status(height, view),
    }
    return {
        "chain_id": chain_id.hex(),
        "height": height,
        "view": view,
        "block_hash": hash_.hex(),
        "prepare_message": message.hex(),
        "commit_message": commit.hex(),
        "view_change_message": view_change_message(chain_id, height, view + 1, view, hash_).hex(),
        "view_change_message_without_claim": view_change_message(chain_id, height, view + 1, None, None).hex(),
        "messages": {name: encode_message(message).hex() for name, message in messages.items()},  # type: ignore[arg-type]
    }


def _view_change_vote(chain_id: bytes, name: str, prepared_view: int | None) -> ViewChangeVote:
    height, view = 7, 3
    prepared_hash = None if prepared_view is None else seed("block")
    message = view_change_message(chain_id, height, view, prepared_view, prepared_hash)
    return ViewChangeVote(height, view, prepared_view, prepared_hash, name, consensus_signer(name).sign(message))


def _fields(value: Wire) -> dict[str, Any]:
    return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _hex(items: list[bytes] | tuple[bytes, ...]) -> list[str]:
    return [item.hex() for item in items]


MAKERS = {
    "keys": make_keys,
    "encoding": make_encoding,
    "transactions": make_transactions,
    "merkle": make_merkle,
    "state_tree": make_state_tree,
    "chain": make_chain,
    "messages": make_messages,
}


def content_of(name: str) -> str:
    """Text of one vector file."""
    return json.dumps(MAKERS[name](), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all vector files."""
    for name in MAKERS:
        (FOLDER / f"{name}.json").write_text(content_of(name), encoding="utf-8")


if __name__ == "__main__":
    main()
