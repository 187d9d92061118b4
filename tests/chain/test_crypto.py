"""Hashes, keys and signatures (scenario 51)."""

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from chain.errors import ErrorCode
from chain.primitives.crypto import (
    Ed25519Signer,
    domain,
    hash_tagged,
    key_id,
    sha256,
    verify_public_key,
    verify_signature,
)
from tests.refusals import refuses

WYCHEPROOF = Path(__file__).parents[2].parent / "shared" / "vectors" / "wycheproof_ed25519.json"
PRIME = 2**255 - 19
IDENTITY = (1).to_bytes(32, "little")
SMALL_ORDER_POINTS = {
    "order 1": "0100000000000000000000000000000000000000000000000000000000000000",
    "order 2": "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "order 4, y = 0": "0000000000000000000000000000000000000000000000000000000000000000",
    "order 4, other sign": "0000000000000000000000000000000000000000000000000000000000000080",
    "order 8 (a)": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "order 8 (b)": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "order 8 (c)": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "order 8 (d)": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "identity, not canonical": "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "identity with a sign": "0100000000000000000000000000000000000000000000000000000000000080",
}
"""The encodings of points whose order divides the cofactor, and two that are not canonical."""


@pytest.mark.skipif(not WYCHEPROOF.is_file(), reason=f"Wycheproof's Ed25519 vectors are not at {WYCHEPROOF}")
def test_s51_wycheproof_vectors() -> None:
    content = json.loads(WYCHEPROOF.read_text())
    checked = 0
    for group in content["testGroups"]:
        public_key = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            valid = verify_signature(public_key, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
            assert valid == (case["result"] == "valid"), f"tcId {case['tcId']}: {case['comment']}"
            checked += 1
    assert checked == content["numberOfTests"]


@pytest.mark.parametrize("point", SMALL_ORDER_POINTS.values(), ids=SMALL_ORDER_POINTS.keys())
def test_s51_small_order_keys_are_refused(point: str) -> None:
    key = bytes.fromhex(point)
    with refuses(ErrorCode.BAD_KEY):
        verify_public_key(key)
    # Signature R = identity, S = 0: valid for every message if a library takes such keys.
    assert not verify_signature(key, b"any message", IDENTITY + bytes(32))


def test_s51_keys_off_the_curve_and_not_canonical_are_refused() -> None:
    wrong = [(PRIME + 3).to_bytes(32, "little"), (2).to_bytes(32, "little"), b"\xff" * 32, b"", bytes(31), bytes(33)]
    for key in wrong:
        with refuses(ErrorCode.BAD_KEY):
            verify_public_key(key)


def test_s51_a_signature_has_one_form() -> None:
    signer = Ed25519Signer(bytes(32))
    signature = signer.sign(b"message")
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(signature[32:], "little")
    assert verify_signature(signer.public_key, b"message", signature)
    assert not verify_signature(signer.public_key, b"message", signature[:32] + (scalar + order).to_bytes(32, "little"))


def test_rfc8032_vector_1() -> None:
    signer = Ed25519Signer(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert signer.public_key.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert signer.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=500))
def test_signing_agrees_with_an_independent_library(seed: bytes, message: bytes) -> None:
    ours, theirs = Ed25519Signer(seed), Ed25519PrivateKey.from_private_bytes(seed)
    signature = ours.sign(message)
    assert ours.public_key == theirs.public_key().public_bytes_raw()
    assert signature == theirs.sign(message)
    assert verify_signature(ours.public_key, message, signature)
    verify_public_key(ours.public_key)


@given(st.binary(max_size=60), st.integers(0, 63), st.integers(1, 255))
def test_a_changed_signature_or_message_does_not_verify(message: bytes, position: int, change: int) -> None:
    signer = Ed25519Signer(sha256(b"seed"))
    signature = bytearray(signer.sign(message))
    assert not verify_signature(signer.public_key, message + b"x", bytes(signature))
    signature[position] ^= change
    assert not verify_signature(signer.public_key, message, bytes(signature))


@pytest.mark.parametrize(("key_size", "signature_size"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)])
def test_wrong_sizes_do_not_verify_and_do_not_raise(key_size: int, signature_size: int) -> None:
    assert not verify_signature(bytes(key_size), b"", bytes(signature_size))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_seed_has_32_bytes(size: int) -> None:
    with refuses(ErrorCode.BAD_KEY):
        Ed25519Signer(bytes(size))


def test_a_signer_does_not_show_its_secret() -> None:
    seed = sha256(b"secret")
    assert seed.hex() not in repr(Ed25519Signer(seed))
    assert repr(seed) not in repr(Ed25519Signer(seed))


def test_domains_are_separate() -> None:
    chain = bytes(range(32))
    assert domain("block", chain) == b"blockpool/2\x00block\x00" + chain
    assert hash_tagged("block", chain, b"x") == hashlib.sha256(b"blockpool/2\x00block\x00" + chain + b"x").digest()
    assert len({hash_tagged(kind, id_, b"x") for kind in ("a", "b") for id_ in (chain, bytes(32))}) == 4


def test_key_id_does_not_depend_on_the_chain() -> None:
    key = Ed25519Signer(bytes(32)).public_key
    assert key_id(key) == hashlib.sha256(b"blockpool/2\x00key\x00" + key).digest()[:16]
