"""Keys that key shares are sealed to: their suites, encodings and ids.

A KEM key belongs to one HPKE suite (RFC 9180) for good; the suite is the first byte of its encoding. Whether a key is
valid is decided here with integers alone, so that every replica says the same whatever its crypto library: a key that
passes can always be sealed to, and no member can stop an owner's sealing by enrolling a broken one.
"""

from enum import IntEnum
from functools import lru_cache
from typing import Annotated

from msgspec import Meta

from chain.errors import ErrorCode, Refusal
from chain.primitives.crypto import KEY_ID_SIZE, hash_tagged

ML_KEM_PUBLIC_KEY_SIZE = 1184
X25519_KEY_SIZE = 32
_ML_KEM_PRIME = 3329
_ML_KEM_VECTOR_SIZE = ML_KEM_PUBLIC_KEY_SIZE - 32
_PAIRS = sum(1 << bit for bit in range(0, 8 * _ML_KEM_VECTOR_SIZE, 24))
"""A one for each pair of ML-KEM's coefficients, which are packed into 24 bits."""
_FIELD_PRIME = 2**255 - 19
_SMALL_ORDER = frozenset(
    {
        0,
        1,
        _FIELD_PRIME - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)
"""u-coordinates of Curve25519's and its twist's points of order 1, 2, 4 and 8 (RFC 7748, section 6.1 and the "Twist"
part of its security considerations): with these every shared secret is zero."""


class KemSuite(IntEnum):
    """HPKE suites. All use HKDF-SHA-256 and AES-256-GCM; they differ in the KEM."""

    X25519 = 1
    """DHKEM(X25519, HKDF-SHA-256) of RFC 9180, for members whose rules do not take post-quantum algorithms yet."""
    HYBRID = 2
    """ML-KEM-768 with X25519 (FIPS 203, draft-ietf-hpke-pq, the X-Wing combiner): secret while either one holds."""

    @property
    def public_key_size(self) -> int:
        """Bytes of a public key after its suite byte."""
        return X25519_KEY_SIZE + (ML_KEM_PUBLIC_KEY_SIZE if self is KemSuite.HYBRID else 0)

    @property
    def overhead_size(self) -> int:
        """Bytes that sealing adds: the encapsulated key and AES-GCM's tag."""
        return 32 + 16 + (1088 if self is KemSuite.HYBRID else 0)


KEM_KEY_SIZE_MAX = 1 + KemSuite.HYBRID.public_key_size
KemKey = Annotated[bytes, Meta(min_length=1, max_length=KEM_KEY_SIZE_MAX)]
"""An encoded public key: suite byte, then for ``HYBRID`` the ML-KEM-768 key (1,184 bytes), then the X25519 key (32)."""


def kem_key_id(public_key: bytes) -> bytes:
    """Short name of an encoded KEM public key: 16 bytes, independent of the chain."""
    return hash_tagged("kem-key", b"", public_key)[:KEY_ID_SIZE]


@lru_cache(maxsize=1024)
def verify_kem_key(public_key: bytes) -> KemSuite:
    """Enrolment check of an encoded KEM public key; returns its suite. Keys that passed are remembered: a reader names
    the same one in all its requests.

    Size; ML-KEM's modulus check (FIPS 203, section 7.2); for X25519 a canonical coordinate of no small order.

    Raises:
        Refusal: codes ``kem_suite``, ``kem_key_size``, ``kem_key_range``, ``kem_key_weak``.
    """
    try:
        suite = KemSuite(public_key[0])
    except (IndexError, ValueError):
        raise Refusal(ErrorCode.KEM_SUITE) from None
    if len(public_key) != 1 + suite.public_key_size:
        raise Refusal(ErrorCode.KEM_KEY_SIZE, expected=1 + suite.public_key_size, found=len(public_key))
    if suite is KemSuite.HYBRID and not _is_reduced(public_key[1 : 1 + _ML_KEM_VECTOR_SIZE]):
        raise Refusal(ErrorCode.KEM_KEY_RANGE)
    coordinate = int.from_bytes(public_key[-X25519_KEY_SIZE:], "little")
    if coordinate >= _FIELD_PRIME or coordinate in _SMALL_ORDER:
        raise Refusal(ErrorCode.KEM_KEY_WEAK)
    return suite


def verify_suite(suite: KemSuite, required: KemSuite | None) -> None:
    """Check that keys or shares are of the network's one suite.

    Args:
        suite: of the keys or shares.
        required: the network's; None where nothing can be sealed.

    Raises:
        Refusal: code ``wrong_kem_suite``.
    """
    if suite is not required:
        raise Refusal(ErrorCode.WRONG_KEM_SUITE, expected=int(required or 0), found=int(suite))


def _is_reduced(vector: bytes) -> bool:
    """Whether all 12-bit coefficients (three bytes hold two, little endian) are below ML-KEM's prime.

    All at once, since every request to read brings a key: the vector is one number, and each coefficient that is too
    large carries into the room above it when 4096 - 3329 is added.
    """
    number = int.from_bytes(vector, "little")
    even, odd = number & 0xFFF * _PAIRS, number >> 12 & 0xFFF * _PAIRS
    to_carry = (0x1000 - _ML_KEM_PRIME) * _PAIRS
    return not ((even + to_carry) | (odd + to_carry)) & 0x1000 * _PAIRS
