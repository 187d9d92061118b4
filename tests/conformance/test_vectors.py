"""The test vectors: this code makes them, and an implementation that shares none of it agrees with them."""

import json
import runpy
from base64 import b64decode
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chain.primitives.crypto import verify_signature
from tests.conformance import mini
from tests.vectors import make, network

unhex = bytes.fromhex
EXAMPLE = Path(__file__).parents[2] / "examples" / "verify_evidence.py"


@cache
def vectors(name: str) -> Any:
    return json.loads((make.FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@cache
def genesis() -> mini.MiniGenesis:
    return mini.MiniGenesis(vectors("chain")["genesis_file"].encode())


@pytest.mark.parametrize("name", make.MAKERS)
def test_the_files_are_what_this_code_makes(name: str) -> None:
    """After a deliberate change of the protocol: ``python -m tests.vectors.make``."""
    assert (make.FOLDER / f"{name}.json").read_text(encoding="utf-8") == make.content_of(name)


def test_keys() -> None:
    for case in vectors("keys"):
        seed = unhex(case["seed"])
        assert seed == mini.sha256(case["name"].encode())
        if "suite" in case:
            assert mini.kem_key_id(unhex(case["public_key"])).hex() == case["key_id"]
            assert case["public_key"].startswith(f"0{case['suite']}")
            continue
        assert mini.public_key_of(seed).hex() == case["public_key"]
        assert mini.key_id(unhex(case["public_key"])).hex() == case["key_id"]
        key = load_pem_private_key(case["pkcs8_pem"].encode(), None)
        assert key.private_bytes_raw() == seed  # type: ignore[union-attr]


def test_records_under_schemas() -> None:
    """The example says only whether a record is good, by another reader and another walk."""
    example = runpy.run_path(str(EXAMPLE))
    under_schemas = [
        (case["schema"], case["record"].encode(), case["keyword"]) for case in vectors("schemas")["records"]
    ]
    texts = [("{}", unhex(case["text"]), case["keyword"]) for case in vectors("schemas")["texts"]]
    for schema, record, keyword in under_schemas + texts:
        try:
            example["verify_schema"](schema, record)
        except example["Refused"] as refused:
            assert refused.code == "schema_violation"  # noqa: PT017
            assert keyword is not None, (schema, record)
        else:
            assert keyword is None, (schema, record)


def test_signatures() -> None:
    """The example's check is for keys of a genesis file, which are of the prime-order group."""
    is_signed = runpy.run_path(str(EXAMPLE))["is_signed"]
    good_key = next(case["public_key"] for case in vectors("signatures") if case["valid"])
    for case in vectors("signatures"):
        key, message, signature = (unhex(case[name]) for name in ("public_key", "message", "signature"))
        assert verify_signature(key, message, signature) == case["valid"], case["name"]
        if case["public_key"] == good_key:
            assert is_signed(key, message, signature) == case["valid"], case["name"]


def test_encoding() -> None:
    for case in vectors("encoding"):
        if "encoded" in case:
            value = int(case["integer"]) if "integer" in case else case.get("string")
            assert mini.pack(value).hex() == case["encoded"]
        else:
            value = bytes(case["zero_bytes"]) if "zero_bytes" in case else [0] * case["array_of_zeros"]
            assert mini.pack(value)[: -len(value) or None].hex() == case["encoded_start"]


def test_transactions() -> None:
    content = vectors("transactions")
    chain_id = unhex(content["chain_id"])
    assert {case["type"]: case["tag"] for case in content["cases"]} == {
        "dataset": 1, "parcel": 2, "contract": 3, "request": 4, "approval": 5, "read_report": 6,
        "erase": 7,
    }  # fmt: skip
    for case in content["cases"]:
        seed = unhex(case["seed"])
        header = [case["tag"], *(value_of(name, value) for name, value in case["fields"].items())]
        records = [unhex(record) for record in case.get("records", ())]
        sealed_shares = [unhex(sealed) for sealed in case.get("sealed_shares", ())]
        payload = [sealed_shares, records] if sealed_shares else records
        assert mini.pack(header).hex() == case["header"]
        assert mini.sign_transaction(chain_id, seed, header, payload).hex() == case["transaction"]
        assert mini.tagged_hash("transaction", chain_id, unhex(case["header"])).hex() == case["transaction_id"]
        message = unhex(case["signing_message"])
        assert message == mini.domain("transaction-signature", chain_id) + unhex(case["header"])
        assert mini.is_signed(mini.public_key_of(seed), message, unhex(case["signature"]))
        if records:
            verify_record_proofs(chain_id, case, records)


def verify_record_proofs(chain_id: bytes, case: dict[str, Any], records: list[bytes]) -> None:
    data_of = mini.sealed_leaf_data if case["fields"]["envelope"] else mini.record_leaf_data
    leaves = [data_of(chain_id, record) for record in records]
    root = mini.merkle_root(leaves)
    assert root.hex() == case["fields"]["records_root"]
    for index, proof in enumerate(case["record_proofs"]):
        found = mini.root_of_inclusion(leaves[index], index, len(leaves), [unhex(item) for item in proof])
        assert found == root


BYTE_FIELDS = {"chain_id", "key_id", "nonce", "records_root", "envelope", "request", "kem_key", "digest", "parcel"}


def value_of(name: str, value: Any) -> object:
    """A header's field as it is encoded."""
    if name in ("description", "granularity"):
        return list(value.values())
    if name in ("parcels", "keys"):
        return [unhex(parcel) for parcel in value]
    if name in ("derived_from", "records"):
        return [[unhex(transaction_id), index] for transaction_id, index in value]
    return unhex(value) if name in BYTE_FIELDS else value


def test_the_envelope_of_a_sealed_parcel() -> None:
    case = next(case for case in vectors("transactions")["cases"] if case["name"] == "sealed parcel")
    tag, suite, commitments, threshold, salt, *rest = mini.unpack(unhex(case["fields"]["envelope"]))
    seed_commitment, shares, cells = rest
    assert cells is None
    assert (tag, suite, commitments, threshold) == (1, 1, 2, genesis().quorum)
    assert (len(salt), len(seed_commitment)) == (16, 32)
    keys = {name: b64decode(member["kem_key"]) for name, member in genesis().members.items() if member["kem_key"]}
    assert [(name, key_id) for name, key_id, _, _ in shares] == [
        (name, mini.kem_key_id(key)) for name, key in keys.items()
    ]
    sealed_shares = [unhex(sealed) for sealed in case["sealed_shares"]]
    assert {len(sealed) for sealed in sealed_shares} == {16 + 32 + 16}
    hashed = [mini.tagged_hash("sealed-share-hash", genesis().chain_id, sealed) for sealed in sealed_shares]
    assert [(len(share_hash), sealed_hash) for _, _, share_hash, sealed_hash in shares] == [(32, h) for h in hashed]


def test_merkle_trees() -> None:
    content = vectors("merkle")
    leaves, roots = [unhex(leaf) for leaf in content["leaves"]], [unhex(root) for root in content["roots"]]
    assert [mini.merkle_root(leaves[:size]) for size in range(len(leaves) + 1)] == roots
    for case in content["inclusion"]:
        proof = [unhex(item) for item in case["proof"]]
        assert mini.root_of_inclusion(leaves[case["index"]], case["index"], case["size"], proof) == roots[case["size"]]
    for case in content["consistency"]:
        old, new, proof = case["from"], case["to"], [unhex(item) for item in case["proof"]]
        if old == new:
            assert proof == []
        else:
            assert mini.roots_of_consistency(old, new, roots[old], proof) == (roots[old], roots[new])


def test_state_tree() -> None:
    content = vectors("state_tree")
    chain_id, root = unhex(content["chain_id"]), unhex(content["root"])
    entries = {key.encode(): unhex(value) for key, value in content["entries"].items()}
    assert mini.state_root(chain_id, entries) == root
    absent = 0
    for case in content["proofs"]:
        key, value = case["key"].encode(), None if case["value"] is None else unhex(case["value"])
        proof = unhex(case["proof"])
        assert mini.tagged_hash("state-key", chain_id, key).hex() == case["path"]
        assert mini.is_state_proved(chain_id, root, key, value, proof)
        assert not mini.is_state_proved(chain_id, root, key, b"another" if value is None else None, proof)
        absent += value is None
    assert absent


def test_genesis_and_block_0() -> None:
    content, first = vectors("chain"), vectors("chain")["blocks"][0]
    assert genesis().chain_id.hex() == content["chain_id"]
    assert genesis().validators_hash.hex() == content["validators_hash"]
    empty = mini.merkle_root([])
    root = mini.state_root(genesis().chain_id, genesis().state())
    set_hash = genesis().validators_hash
    header = [2, 0, bytes(32), network.TIME_MS, "", 0, empty, empty, root, empty, set_hash, set_hash, 2]
    assert mini.pack(header).hex() == first["header"]
    assert mini.tagged_hash("block", genesis().chain_id, mini.pack(header)).hex() == first["hash"]
    assert mini.pack([mini.pack([mini.pack(header), None, []]), [], [], None, []]).hex() == first["package"]


PARCEL_TAG = 2


def test_blocks_certificates_and_receipts() -> None:
    chain_id, blocks = genesis().chain_id, vectors("chain")["blocks"]
    hashes = [unhex(block["hash"]) for block in blocks]
    codes = []
    for height, block in enumerate(blocks[1:], start=1):
        fields = mini.unpack(unhex(block["header"]))
        assert fields == [unhex(v) if name in HASH_FIELDS else v for name, v in block["fields"].items()]
        assert (fields[1], fields[2]) == (height, hashes[height - 1])
        assert fields[9] == mini.merkle_root(hashes[:height])
        encoded_block, transactions, erased, erasures, dropped = mini.unpack(unhex(block["package"]))
        assert (erasures, dropped) == (None, [])
        header, certificate, outcomes = mini.unpack(encoded_block)
        headers = [mini.unpack(mini.unpack(data)[0]) for data in transactions]
        rejected = [n for n, outcome in enumerate(outcomes) if headers[n][0] == PARCEL_TAG and outcome[1] != "ok"]
        assert [place for place, _ in erased] == rejected  # of these the leaves alone are kept
        assert [len(kept[1]) for _, kept in erased] == [headers[n][7] for n in rejected]
        assert header == unhex(block["header"])
        assert mini.pack(certificate).hex() == block["certificate"]
        assert genesis().is_certified(header, certificate)
        ids = [mini.tagged_hash("transaction", chain_id, mini.unpack(data)[0]) for data in transactions]
        assert [outcome[0] for outcome in outcomes] == ids
        assert (fields[5], fields[6]) == (len(ids), mini.merkle_root(ids))
        assert fields[7] == mini.merkle_root([mini.pack(outcome) for outcome in outcomes])
        assert [genesis().receipt_outcome(unhex(receipt)) for receipt in block["receipts"]] == outcomes
        codes += [outcome[1] for outcome in outcomes]
    assert codes == ["ok", "ok", "schema_violation", "ok", "ok", "ok"]


HASH_FIELDS = {
    "parent_hash",
    "tx_root",
    "result_root",
    "state_root",
    "history_root",
    "validators_hash",
    "next_validators_hash",
}


def test_a_tampered_receipt_is_refused_by_the_second_implementation() -> None:
    receipt = unhex(vectors("chain")["blocks"][2]["receipts"][0])
    header, certificate, outcome, index, proof = mini.unpack(receipt)
    refused = [
        [header, certificate, mini.pack([bytes(32), "ok", "", 0, None]), index, proof],
        [header, certificate, outcome, 1 - index, proof],
        [header, certificate, outcome, index, [bytes(32)]],
        [header, [*certificate[:3], certificate[3][:2]], outcome, index, proof],
        [header, [*certificate[:3], [certificate[3][0]] * 3], outcome, index, proof],
        [header, [certificate[0], certificate[1] + 1, *certificate[2:]], outcome, index, proof],
        [mini.pack([*mini.unpack(header)[:3], 0, *mini.unpack(header)[4:]]), certificate, outcome, index, proof],
    ]
    for forged in refused:
        with pytest.raises(ValueError, match=r"not |proof"):
            genesis().receipt_outcome(mini.pack(forged))


def test_state_and_history_at_the_tip() -> None:
    content = vectors("chain")
    tip = mini.unpack(unhex(content["blocks"][-1]["header"]))
    for case in content["state_proofs_at_tip"]:
        value = None if case["value"] is None else unhex(case["value"])
        key, proof = case["key"].encode(), unhex(case["proof"])
        assert mini.is_state_proved(genesis().chain_id, tip[8], key, value, proof)
    totals = next(case for case in content["state_proofs_at_tip"] if case["key"] == "dataset-totals/aviation.flights")
    parcels, records, _, last_height, _ = mini.unpack(unhex(totals["value"]))
    assert (parcels, records, last_height) == (4, 6, 3)
    hashes = [unhex(block["hash"]) for block in content["blocks"]]
    size = content["history"]["size"]
    proof = [unhex(item) for item in content["history"]["inclusion_of_block_1"]]
    assert mini.root_of_inclusion(hashes[1], 1, size, proof) == tip[9] == mini.merkle_root(hashes[:size])
    older = mini.merkle_root(hashes[:2])
    proof = [unhex(item) for item in content["history"]["consistency_from_2"]]
    assert mini.roots_of_consistency(2, size, older, proof) == (older, tip[9])


def test_consensus_messages() -> None:
    content = vectors("messages")
    chain_id, hash_ = unhex(content["chain_id"]), unhex(content["block_hash"])
    height, view = content["height"], content["view"]
    for kind in ("prepare", "commit"):
        assert mini.domain(kind, chain_id) + mini.pack([height, view, hash_]) == unhex(content[f"{kind}_message"])
    claim = mini.domain("view-change", chain_id) + mini.pack([height, view + 1, view, hash_])
    assert claim == unhex(content["view_change_message"])
    nothing = mini.domain("view-change", chain_id) + mini.pack([height, view + 1, None, None])
    assert nothing == unhex(content["view_change_message_without_claim"])
    messages = {name: mini.unpack(unhex(data)) for name, data in content["messages"].items()}
    tags = {"pre_prepare": 4, "prepare": 1, "commit": 2, "view_change": 5, "view_change_without_claim": 5,
            "new_view": 6, "committed": 7, "status": 8}  # fmt: skip
    assert {name: message[0] for name, message in messages.items()} == tags
    prepare, commit, vote = messages["prepare"], messages["commit"], messages["view_change"][1]
    assert mini.is_signed(genesis().validators[prepare[4]], unhex(content["prepare_message"]), prepare[5])
    assert mini.is_signed(genesis().validators[commit[4]], unhex(content["commit_message"]), commit[5])
    assert vote[0] == 3
    assert mini.is_signed(genesis().validators[vote[5]], claim, vote[6])
    assert messages["status"] == [8, height, view]
