"""The rule of signatures, and the start-up test that holds the installed libraries to it (scenario 51)."""

import time
from base64 import b64encode
from collections.abc import Callable, Iterator

import nacl.bindings
import nacl.exceptions
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.errors import ErrorCode, PoolError
from chain.primitives import crypto
from chain.primitives.crypto import Ed25519Signer, verify_signature
from chain.primitives.self_test import KEYS, SIGNATURES, self_test
from tests import ed25519
from tests.networks import TestNetwork
from tests.refusals import refuses

Decide = Callable[[bytes, bytes, bytes], bool]


@pytest.fixture(autouse=True)
def _not_tested_yet() -> Iterator[None]:
    self_test.cache_clear()
    crypto._is_key.cache_clear()
    yield
    self_test.cache_clear()
    crypto._is_key.cache_clear()


def replace_library(monkeypatch: pytest.MonkeyPatch, decide: Decide) -> None:
    """Let a library that decides by ``decide`` stand in libsodium's place."""

    def crypto_sign_open(signed: bytes, public_key: bytes) -> bytes:
        if not decide(public_key, signed[64:], signed[:64]):
            raise nacl.exceptions.BadSignatureError("forged")
        return signed[64:]

    monkeypatch.setattr(nacl.bindings, "crypto_sign_open", crypto_sign_open)


def test_s51_the_vectors_are_what_plain_arithmetic_makes() -> None:
    plain = SIGNATURES["good"][:40]
    assert {name: b64encode(signature).decode() for name, signature in ed25519.signature_cases()} == SIGNATURES
    assert [(name, key) for name, (key, _) in KEYS.items()] == [
        (name, b64encode(key).decode()) for name, key, _ in ed25519.key_cases()
    ]
    for name, key, signature in ed25519.key_cases():
        assert KEYS[name][1] == b64encode(signature[32:]).decode()
        assert b64encode(signature).decode().startswith(plain)
        assert ed25519.is_valid(key, ed25519.MESSAGE, signature) == ed25519.is_key(key) == (name == "good")
    key = ed25519.key_of(ed25519.SECRET)
    for name, signature in ed25519.signature_cases():
        assert ed25519.is_valid(key, ed25519.MESSAGE, signature) == (name == "good")


def test_s51_the_installed_library_passes_quickly() -> None:
    started = time.perf_counter()
    self_test()
    assert time.perf_counter() - started < 0.1


def test_s51_a_cofactored_library_is_refused_before_a_genesis_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_library(monkeypatch, ed25519.is_valid_cofactored)
    with refuses(ErrorCode.LIBRARY_DIFFERS):
        TestNetwork()


@pytest.mark.parametrize("name", [name for name in SIGNATURES if name != "good"])
def test_s51_a_library_that_takes_one_signature_more_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    extra = dict(ed25519.signature_cases())[name]
    real = verify_signature
    monkeypatch.setattr(
        "chain.primitives.self_test.verify_signature",
        lambda key, message, signature: signature == extra or real(key, message, signature),
    )
    with pytest.raises(PoolError, match=f"signature {name}".replace("+", r"\+")):
        self_test()


@pytest.mark.parametrize("name", [name for name in KEYS if name != "good"])
def test_s51_a_library_that_takes_one_key_more_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    extra = {name: key for name, key, _ in ed25519.key_cases()}[name]
    real = nacl.bindings.crypto_core_ed25519_is_valid_point
    monkeypatch.setattr(nacl.bindings, "crypto_core_ed25519_is_valid_point", lambda key: key == extra or real(key))
    with pytest.raises(PoolError, match=f"key {name}".replace("+", r"\+")):
        self_test()


def test_s51_a_library_that_takes_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_library(monkeypatch, lambda key, message, signature: False)
    with refuses(ErrorCode.LIBRARY_DIFFERS):
        self_test()


@settings(max_examples=25)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80), st.integers(0, 511), st.booleans())
def test_s51_the_library_decides_as_plain_arithmetic_does(seed: bytes, message: bytes, bit: int, flip: bool) -> None:
    signer = Ed25519Signer(seed)
    changed = bytearray(signer.sign(message))
    changed[bit // 8] ^= flip << bit % 8
    assert ed25519.is_valid(signer.public_key, message, bytes(changed)) is not flip
    assert verify_signature(signer.public_key, message, bytes(changed)) is not flip
