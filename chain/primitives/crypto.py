"""Hashes, keys and signatures.

Every hash and signature is domain-separated: ``"blockpool/2" NUL kind NUL chain_id bytes``, so that nothing signed
for one purpose or one chain means anything for another. Signatures are Ed25519 (RFC 8032) by the rule of
docs/protocol.md, section 3: libraries differ on malformed ones, and replicas must not. ``self_test`` holds libsodium to
the rule.
"""

import hashlib
from functools import lru_cache
from typing import Protocol

import nacl.bindings
import nacl.exceptions

from chain.errors import ErrorCode, PoolError

Hash = bytes
"""A SHA-256 digest: 32 bytes."""

HASH_SIZE = 32
PUBLIC_KEY_SIZE = 32
SIGNATURE_SIZE = 64
SEED_SIZE = 32
KEY_ID_SIZE = 16
ZERO_HASH: Hash = bytes(HASH_SIZE)

_PROTOCOL = b"blockpool/2"


def sha256(data: bytes) -> Hash:
    """SHA-256 (FIPS 180-4) of ``data``: 32 bytes."""
    return hashlib.sha256(data).digest()


@lru_cache(maxsize=256)
def domain(kind: str, chain_id: bytes) -> bytes:
    """The prefix that separates hashes and signatures of one kind on one chain from all others."""
    return b"%b\x00%b\x00%b" % (_PROTOCOL, kind.encode("ascii"), chain_id)


def hash_tagged(kind: str, chain_id: bytes, data: bytes) -> Hash:
    """SHA-256 of ``data`` under the domain ``kind`` of this chain."""
    return hashlib.sha256(domain(kind, chain_id) + data).digest()


@lru_cache(maxsize=4096)
def key_id(public_key: bytes) -> bytes:
    """Short name of a public key: 16 bytes. It is independent of the chain, since keys are made before the genesis.
    Remembered, since every transaction's is asked for twice and the keys of a network are few.
    """
    return hash_tagged("key", b"", public_key)[:KEY_ID_SIZE]


class Signer(Protocol):
    """Whatever can sign for a member: a key in memory today, an HSM or a remote service tomorrow."""

    @property
    def public_key(self) -> bytes:
        """Ed25519 public key: 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature of ``message``: 64 bytes."""
        ...


class Ed25519Signer:
    """A ``Signer`` over a 32-byte Ed25519 seed in memory."""

    __slots__ = ("_secret", "public_key")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_SIZE:
            raise PoolError(ErrorCode.BAD_KEY, f"an Ed25519 seed has {SEED_SIZE} bytes, this one {len(seed)}")
        self.public_key, self._secret = nacl.bindings.crypto_sign_seed_keypair(seed)

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature of ``message``: 64 bytes."""
        return nacl.bindings.crypto_sign(message, self._secret)[:SIGNATURE_SIZE]

    def __repr__(self) -> str:
        return f"Ed25519Signer(key_id={key_id(self.public_key).hex()})"


def verify_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (64 bytes) over ``message`` is valid under ``public_key`` (32 bytes). Never raises."""
    if len(signature) != SIGNATURE_SIZE or not _is_key(public_key):
        return False
    try:
        nacl.bindings.crypto_sign_open(signature + message, public_key)
    except (nacl.exceptions.BadSignatureError, nacl.exceptions.ValueError):
        return False
    return True


def verify_public_key(public_key: bytes) -> None:
    """Enrolment check: a canonical, prime-order Ed25519 point.

    Raises:
        PoolError: code ``bad_key``.
    """
    if not _is_key(public_key):
        raise PoolError(ErrorCode.BAD_KEY, "not a canonical point of Ed25519's prime-order group")


@lru_cache(maxsize=4096)
def _is_key(public_key: bytes) -> bool:
    """Remembered, since it takes as long as a signature and the keys of a network are few."""
    return len(public_key) == PUBLIC_KEY_SIZE and nacl.bindings.crypto_core_ed25519_is_valid_point(public_key)
