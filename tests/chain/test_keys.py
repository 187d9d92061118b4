"""Private keys on disk: permissions, passphrases, kinds."""

import stat
from pathlib import Path

import pytest
from Crypto.IO import PEM
from Crypto.Util.asn1 import DerInteger
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Ed25519Signer
from chain.primitives.keys import (
    encode_private_key,
    load_seed,
    load_signer,
    new_seed,
    read_secret_file,
    write_secret_file,
)
from tests.refusals import refuses

SEED = bytes(range(32))


def code_of_loading(path: Path, passphrase: str | None = None) -> ErrorCode:
    with pytest.raises(PoolError) as caught:
        load_seed(path, passphrase)
    assert str(path) in caught.value.detail
    return caught.value.code


@pytest.mark.parametrize("passphrase", [None, "correct horse 密码"])
def test_a_key_survives_on_disk(tmp_path: Path, passphrase: str | None) -> None:
    path = tmp_path / "key.pem"
    write_secret_file(path, encode_private_key(SEED, passphrase))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_seed(path, passphrase) == SEED
    assert load_signer(path, passphrase).public_key == Ed25519Signer(SEED).public_key
    assert (b"ENCRYPTED" in path.read_bytes()) == (passphrase is not None)


def test_a_passphrase_is_slow_to_guess() -> None:
    """The rounds stand in the file as a DER integer; OpenSSL's default of 2,048 would be 0.25 ms a guess."""
    content = PEM.decode(encode_private_key(SEED, "right").decode())[0]
    assert DerInteger(600_000).encode() in content


def test_an_encrypted_key_needs_its_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_secret_file(path, encode_private_key(SEED, "right"))
    assert code_of_loading(path, "wrong") is ErrorCode.WRONG_PASSPHRASE
    assert code_of_loading(path, None) is ErrorCode.WRONG_PASSPHRASE


def test_a_plain_key_takes_no_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_secret_file(path, encode_private_key(SEED, None))
    assert code_of_loading(path, "some") is ErrorCode.WRONG_PASSPHRASE


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610, 0o601, 0o666, 0o777])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    write_secret_file(path, encode_private_key(SEED, None))
    path.chmod(mode)
    assert code_of_loading(path) is ErrorCode.KEY_PERMISSIONS
    path.chmod(0o400)
    assert load_seed(path) == SEED


@pytest.mark.parametrize(
    "key", [X25519PrivateKey.generate(), generate_private_key(SECP256R1())], ids=["x25519", "p256"]
)  # fmt: skip
def test_another_kind_of_key_is_refused(tmp_path: Path, key: X25519PrivateKey) -> None:
    path = tmp_path / "key.pem"
    write_secret_file(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert code_of_loading(path) is ErrorCode.BAD_KEY


@pytest.mark.parametrize(
    "content", [b"", b"not a key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    write_secret_file(path, content)
    assert code_of_loading(path) is ErrorCode.BAD_KEY
    assert code_of_loading(path, "passphrase") is ErrorCode.BAD_KEY


def test_a_public_key_file_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import PublicFormat

    public = Ed25519PrivateKey.from_private_bytes(SEED).public_key()
    path = tmp_path / "key.pem"
    write_secret_file(path, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert code_of_loading(path) is ErrorCode.BAD_KEY


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert code_of_loading(tmp_path / "none.pem") is ErrorCode.BAD_KEY
    with pytest.raises(PoolError):
        read_secret_file(tmp_path)


def test_an_existing_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_secret_file(path, b"first")
    with refuses(ErrorCode.BAD_KEY):
        write_secret_file(path, b"second")
    assert path.read_bytes() == b"first"


def test_seeds_are_fresh() -> None:
    seeds = {new_seed() for _ in range(20)}
    assert len(seeds) == 20
    assert all(len(seed) == 32 for seed in seeds)
