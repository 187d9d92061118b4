"""The vectors: this code agrees with them, and so does an implementation that shares none of it."""

import json
from functools import cache
from typing import Any

import pytest

import sealing
from chain.primitives.encoding import decode
from chain.transactions.parcel import SealedPayload
from chain.transactions.sealed import CommitmentKind, decode_envelope, verify_sealed_shares
from sealing.dealing import seed_commitment, share_hash
from tests.sealing.make_vectors import PATH, fixed_random_bytes
from tests.sealing.mini import Hpke, Reader

unhex = bytes.fromhex


@cache
def content() -> Any:
    return json.loads(PATH.read_text(encoding="utf-8"))


CASES = pytest.mark.parametrize("case", content()["cases"], ids=lambda case: f"{case['suite']}-{case['commitments']}")


def test_the_file_covers_every_suite_and_kind() -> None:
    found = [(case["suite"], case["commitments"]) for case in content()["cases"]]
    assert found == [(suite, kind) for suite in sealing.KemSuite for kind in CommitmentKind]


@CASES
def test_an_independent_reader_opens_them(case: dict[str, Any]) -> None:
    common = content()
    root, envelope = unhex(case["records_root"]), unhex(case["envelope"])
    payload = unhex(case["payload"])
    reader = Reader(unhex(common["chain_id"]), common["dataset"], root, envelope, payload)
    keys = {name: Hpke(case["suite"], unhex(seed)) for name, seed in common["key_seeds"].items()}
    shares = {}
    for position, name in enumerate(sorted(case["shares"])):
        shares[position] = reader.open_share(position, keys[name])
        assert shares[position].hex() == case["shares"][name]
        assert reader.open_release(unhex(case["releases"][name]), keys["reader"]) == shares[position]
    for missing in range(4):
        seed = reader.recover_seed({position: share for position, share in shares.items() if position != missing})
        assert seed.hex() == case["seed"]
    records = reader.open_records(seed)
    assert [record.decode() for record in records] == common["records"]


@CASES
def test_this_code_seals_the_same_bytes(case: dict[str, Any]) -> None:
    """All that follows from the injected random bytes: seed, salt, bodies, root."""
    common = content()
    suite = sealing.KemSuite(case["suite"])
    keys = {
        name: sealing.KemPrivateKey.from_seed(unhex(common["key_seeds"][name]), suite).public_key.encoded
        for name in case["shares"]
    }
    records = [record.encode() for record in common["records"]]
    context = sealing.SealingContext(unhex(common["chain_id"]), common["dataset"])
    parcel = sealing.seal_parcel(
        records, context, keys, CommitmentKind(case["commitments"]), suite, fixed_random_bytes()
    )
    made, expected = decode_envelope(parcel.envelope), decode_envelope(unhex(case["envelope"]))
    assert parcel.seed.hex() == case["seed"]
    assert parcel.bodies == decode(SealedPayload, unhex(case["payload"])).bodies
    assert parcel.records_root.hex() == case["records_root"]
    assert (made.suite, made.commitments, made.threshold) == (expected.suite, expected.commitments, expected.threshold)
    assert (made.salt, made.seed_commitment) == (expected.salt, expected.seed_commitment)
    assert [share.key_id for share in made.shares] == [share.key_id for share in expected.shares]


@CASES
def test_this_code_opens_them(case: dict[str, Any]) -> None:
    common = content()
    suite = sealing.KemSuite(case["suite"])
    keys = {name: sealing.KemPrivateKey.from_seed(unhex(seed), suite) for name, seed in common["key_seeds"].items()}
    context = sealing.ParcelContext(unhex(common["chain_id"]), common["dataset"], unhex(case["records_root"]))
    release = sealing.Release(context.chain_id, unhex(common["request_id"]), unhex(common["parcel_id"]))
    envelope, payload = decode_envelope(unhex(case["envelope"])), decode(SealedPayload, unhex(case["payload"]))
    verify_sealed_shares(context.chain_id, envelope, payload.sealed_shares)
    shares = {}
    for position, (name, share) in enumerate(sorted(case["shares"].items())):
        shares[name] = unhex(share)
        assert sealing.open_own_share(envelope, payload.sealed_shares, context, name, keys[name]) == shares[name]
        answer = unhex(case["releases"][name])
        assert sealing.open_release(answer, name, release, envelope, context, keys["reader"]) == shares[name]
        expected = envelope.shares[position].share_hash
        assert share_hash(context, envelope.salt, name, position, shares[name]) == expected
    seed = sealing.combine(envelope, context, shares)
    sealing.verify_dealing(envelope, context, shares)
    assert seed.hex() == case["seed"]
    assert seed_commitment(context, envelope.salt, seed) == envelope.seed_commitment
    records = [record.decode() for record in sealing.open_records(payload.bodies, seed, context, envelope.commitments)]
    assert records == common["records"]


@CASES
def test_the_disclosures_hold(case: dict[str, Any]) -> None:
    common = content()
    context = sealing.ParcelContext(unhex(common["chain_id"]), common["dataset"], unhex(case["records_root"]))
    disclosure = sealing.decode_disclosure(unhex(case["disclosure"]))
    assert sealing.disclosure_from_json(case["disclosure_file"].encode()) == disclosure
    shown = sealing.verify_disclosure(disclosure, context, unhex(common["parcel_id"]), len(common["records"]))
    if case["commitments"] == CommitmentKind.FIELDS:
        assert shown == [sealing.Field("dest", b'"MIA"'), sealing.Field("delay", b"-4.50")]
    else:
        assert shown == common["records"][2].encode()
