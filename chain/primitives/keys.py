"""Private keys on disk: PKCS#8 PEM (RFC 5958, RFC 7468), optionally encrypted, never readable by others.

An Ed25519 key of a member signs transactions, a validator's node key signs votes; both have this form. A file may hold
several keys that belong together, one PEM block each, such as the two parts of a hybrid KEM key.
"""

import os
import re
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

from Crypto.IO import PEM, PKCS8
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import SEED_SIZE, Ed25519Signer

KDF_ROUNDS = 600_000
"""Of PBKDF2 with HMAC-SHA-256, for each key that is encrypted: about a fifth of a second."""
_SALT_SIZE = 16
_PROTECTION = "PBKDF2WithHMAC-SHA256AndAES256-CBC"
_PEM_BLOCK = re.compile(rb"-----BEGIN [A-Z ]+-----\r?\n.*?-----END [A-Z ]+-----(?:\r?\n)?", re.DOTALL)
PASSPHRASE_SIZE_MAX = 1023
"""Bytes of a passphrase: OpenSSL takes no more."""


def new_seed() -> bytes:
    """A fresh Ed25519 seed from the operating system's random source: 32 bytes."""
    return secrets.token_bytes(SEED_SIZE)


def encode_private_key(seed: bytes, passphrase: str | None) -> bytes:
    """PKCS#8 PEM of an Ed25519 seed, encrypted if a passphrase is given."""
    return encode_private_keys([Ed25519PrivateKey.from_private_bytes(seed)], passphrase)


def encode_private_keys(keys: Sequence[PrivateKeyTypes], passphrase: str | None) -> bytes:
    """PKCS#8 PEM blocks of keys that belong together, each encrypted if a passphrase is given."""
    if passphrase:
        _verify_passphrase(passphrase)
    else:
        return b"".join(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in keys)
    return b"".join(_encrypted(key, passphrase) for key in keys)


def _encrypted(key: PrivateKeyTypes, passphrase: str) -> bytes:
    """PBES2 (RFC 8018) with a slow key derivation: OpenSSL's own, with 2,048 rounds, allows 4,000 guesses a second."""
    oid, content, _ = PKCS8.unwrap(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    wrapped = PKCS8.wrap(
        content,
        oid,
        passphrase.encode(),
        _PROTECTION,
        {"iteration_count": KDF_ROUNDS, "salt_size": _SALT_SIZE},
        key_params=None,
    )
    return PEM.encode(wrapped, "ENCRYPTED PRIVATE KEY").encode() + b"\n"


def write_secret_file(path: Path, content: bytes) -> None:
    """Create ``path`` with mode 0600 and ``content`` on disk for good; an existing file is never overwritten.

    Raises:
        PoolError: code ``bad_key`` if the file exists already.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise PoolError(ErrorCode.BAD_KEY, f"{path} exists already and is not overwritten") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_secret_file(path: Path) -> bytes:
    """Content of a file that only its owner may read.

    Raises:
        PoolError: code ``bad_key`` if it cannot be read, ``key_permissions`` if group or others have any access.
    """
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except OSError as error:
        raise PoolError(ErrorCode.BAD_KEY, f"cannot read {path}: {error.strerror}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise PoolError(ErrorCode.KEY_PERMISSIONS, f"{path} has mode {stat.S_IMODE(mode):04o}, it must be 0600")
    return content


def load_signer(path: Path, passphrase: str | None = None) -> Ed25519Signer:
    """The signer whose private key is in ``path``; raises as ``load_seed`` does."""
    return Ed25519Signer(load_seed(path, passphrase))


def load_seed(path: Path, passphrase: str | None = None) -> bytes:
    """The 32-byte seed of the Ed25519 key in ``path``.

    Raises:
        PoolError: codes ``bad_key``, ``key_permissions``, ``wrong_passphrase``.
    """
    key = _load_pem(path, read_secret_file(path), passphrase)
    if not isinstance(key, Ed25519PrivateKey):
        raise PoolError(ErrorCode.BAD_KEY, f"{path} holds another kind of key, not Ed25519")
    return key.private_bytes_raw()


def load_private_keys(path: Path, passphrase: str | None = None) -> list[PrivateKeyTypes]:
    """The keys in ``path``, in the order of their PEM blocks; raises as ``load_seed`` does."""
    return [_load_pem(path, block, passphrase) for block in _PEM_BLOCK.findall(read_secret_file(path))]


def _verify_passphrase(passphrase: str) -> None:
    if len(passphrase.encode()) > PASSPHRASE_SIZE_MAX:
        raise PoolError(
            ErrorCode.WRONG_PASSPHRASE, f"a passphrase has at most {PASSPHRASE_SIZE_MAX} bytes: this one is longer"
        )


def _load_pem(path: Path, content: bytes, passphrase: str | None) -> PrivateKeyTypes:
    if passphrase is not None:
        _verify_passphrase(passphrase)
    try:
        return load_pem_private_key(content, passphrase.encode() if passphrase else None)
    except TypeError:
        wanted = "needs a passphrase" if passphrase is None else "has no passphrase, but one was given"
        raise PoolError(ErrorCode.WRONG_PASSPHRASE, f"{path} {wanted}") from None
    except ValueError as error:
        if passphrase is not None and b"ENCRYPTED" in content:
            raise PoolError(ErrorCode.WRONG_PASSPHRASE, f"{path} does not open with this passphrase") from None
        raise PoolError(ErrorCode.BAD_KEY, f"{path} is not a PKCS#8 PEM private key: {error}") from None
