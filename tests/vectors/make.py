"""Makes the test vectors that docs/protocol.md refers to: ``python -m tests.vectors.make``.

Bytes are hexadecimal unless a name says otherwise. tests/conformance checks that the files are what this module makes,
and that an implementation that shares no code with the project agrees with them.
"""

import json
from pathlib import Path
from typing import Any

from chain.blocks import Certificate, Proposal, commit_message
from chain.primitives.crypto import Ed25519Signer, key_id
from chain.primitives.encoding import encode
from chain.primitives.kem import KemSuite, kem_key_id
from chain.primitives.keys import encode_private_key
from chain.proofs import history, merkle
from chain.state.entries import dataset_key, dataset_totals_key, member_key
from chain.state.tree import EMPTY, MemoryNodes, StateTree, hash_of
from chain.transactions.base import signing_message, transaction_id
from chain.transactions.parcel import ParcelHeader, record_proof
from chain.transactions.registry import check_stored, type_of
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
from tests import ed25519
from tests.vectors.access import make_access
from tests.vectors.erasure import make_erasure
from tests.vectors.evidence_files import write_evidence
from tests.vectors.network import (
    READER,
    RECORDS,
    VALIDATORS,
    ChainMaker,
    approval_transaction,
    consensus_signer,
    contract_transaction,
    dataset_transaction,
    erase_transaction,
    kem_key,
    make_genesis,
    parcel_transaction,
    read_report_transaction,
    request_transaction,
    sealed_parcel_transaction,
    seed,
)
from tests.vectors.rendering import block_of, fields_of, hexadecimal, state_proofs_of
from tests.vectors.schemas import make_schemas

FOLDER = Path(__file__).parent


def make_keys() -> list[dict[str, Any]]:
    """Seeds, public keys, key ids and PEM files."""
    found: list[dict[str, Any]] = []
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
    for name, suite in (("kem aviation", KemSuite.X25519), ("kem airports", KemSuite.HYBRID)):
        public_key = kem_key(name.removeprefix("kem "), suite)
        found.append(
            {
                "name": name,
                "seed": seed(name).hex(),
                "suite": int(suite),
                "public_key": public_key.hex(),
                "key_id": kem_key_id(public_key).hex(),
            }
        )
    return found


def make_signatures() -> list[dict[str, Any]]:
    """Signatures of one message, by good and bad keys: what is valid and what is not."""
    good = ed25519.key_of(ed25519.SECRET)
    cases = [(name, good, signature) for name, signature in ed25519.signature_cases()]
    cases += [(f"key: {name}", key, signature) for name, key, signature in ed25519.key_cases()[1:]]
    return [
        {
            "name": name,
            "public_key": key.hex(),
            "message": ed25519.MESSAGE.hex(),
            "signature": signature.hex(),
            "valid": ed25519.is_valid(key, ed25519.MESSAGE, signature),
        }
        for name, key, signature in cases
    ]


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
        return hexadecimal(history.consistency_proof(old, new, lambda *place: nodes[place]))

    sizes = range(len(leaves) + 1)
    return {
        "leaves": hexadecimal(leaves),
        "roots": [merkle.root(leaves[:size]).hex() for size in sizes],
        "inclusion": [
            {"size": size, "index": index, "proof": hexadecimal(merkle.inclusion_proof(hashes[:size], index))}
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
        "root": hash_of(update.root).hex(),
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


def make_transactions() -> dict[str, Any]:
    """One transaction of each type, field by field and byte by byte; a parcel both open and sealed."""
    chain_id = make_genesis().chain_id
    parcel = parcel_transaction(RECORDS, 0x11, ((seed("source"), 7),))
    request = request_transaction(0x52, parcels=(seed("parcel"), seed("another parcel")), from_height=1)
    request_id = transaction_id(chain_id, request.header)
    transactions = {
        "dataset": dataset_transaction(),
        "parcel": parcel,
        "sealed parcel": sealed_parcel_transaction(0x51),
        "contract": contract_transaction(0x50),
        "request": request,
        "approval": approval_transaction(0x55, "registry", request_id, "approve", "伦理委员会同意"),
        "read_report": read_report_transaction(0x56, request_id, (seed("parcel"),), seed("digest")),
        "erase": erase_transaction(0x57, seed("parcel")),
    }
    cases = []
    for name, transaction in transactions.items():
        checked = check_stored(chain_id, transaction)
        header = checked.header
        case: dict[str, Any] = {
            "name": name,
            "type": type_of(header).name,
            "tag": type(header).__struct_config__.tag,
            "fields": fields_of(header),
            "seed": seed(f"system {header.member}").hex(),
            "header": transaction.header.hex(),
            "signing_message": signing_message(chain_id, transaction.header).hex(),
            "signature": transaction.signature.hex(),
            "transaction_id": checked.id.hex(),
            "payload": transaction.payload.hex(),
            "transaction": encode(transaction).hex(),
        }
        if isinstance(header, ParcelHeader):
            records = checked.records
            case["records"] = hexadecimal(records)
            case["sealed_shares"] = hexadecimal(checked.sealed_shares)
            case["record_proofs"] = [hexadecimal(record_proof(header, records, index)) for index in range(len(records))]
        cases.append(case)
    return {"chain_id": chain_id.hex(), "cases": cases}


def make_chain() -> dict[str, Any]:
    """Genesis and three blocks, with receipts and state proofs."""
    maker = ChainMaker()
    genesis, ledger = maker.genesis, maker.ledger
    parcel = parcel_transaction(RECORDS, 0x22)
    rejected = parcel_transaction((RECORDS[0], b'{"flight":0}'), 0x33)
    maker.commit([dataset_transaction()])
    maker.commit([parcel, rejected])
    maker.commit([parcel_transaction((record,), 0x40 + n) for n, record in enumerate(RECORDS)], view=5)
    keys = [member_key("aviation"), dataset_key("aviation.flights"), dataset_totals_key("aviation.flights")]
    keys.append(dataset_key("aviation.unknown"))
    size = ledger.tip.height
    read = ledger.blocks.history_node
    return {
        "genesis_file": genesis.content.decode(),
        "chain_id": genesis.chain_id.hex(),
        "validators_hash": genesis.validators.hash(genesis.chain_id).hex(),
        "blocks": [block_of(ledger, height) for height in range(size + 1)],
        "state_proofs_at_tip": state_proofs_of(ledger, keys),
        "history": {
            "size": size,
            "inclusion_of_block_1": hexadecimal(history.inclusion_proof_at(1, size, read)),
            "consistency_from_2": hexadecimal(history.consistency_proof(2, size, read)),
        },
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


MAKERS = {
    "keys": make_keys,
    "signatures": make_signatures,
    "encoding": make_encoding,
    "transactions": make_transactions,
    "merkle": make_merkle,
    "state_tree": make_state_tree,
    "chain": make_chain,
    "access": make_access,
    "erasure": make_erasure,
    "messages": make_messages,
    "schemas": make_schemas,
}


def content_of(name: str) -> str:
    """Text of one vector file."""
    return json.dumps(MAKERS[name](), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all vector files."""
    for name in MAKERS:
        (FOLDER / f"{name}.json").write_text(content_of(name), encoding="utf-8")
    write_evidence()


if __name__ == "__main__":
    main()
