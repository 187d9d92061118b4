"""What a sealed parcel is bound to, and the keys that follow from its seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import HASH_SIZE, Hash, domain, hash_tagged
from chain.primitives.encoding import encode
from chain.primitives.types import verify_dataset_id
from chain.transactions.sealed import SHARE_SIZE

SEED_SIZE = SHARE_SIZE
"""Bytes of a parcel's seed: what Shamir's scheme over GF(2^128) can split."""
NONCE_SIZE = 12

RandomBytes = Callable[[int], bytes]
"""Source of randomness: that many unpredictable bytes. Fixed only by test vectors."""


@dataclass(frozen=True, slots=True)
class SealingContext:
    """The chain and the dataset that records are sealed for. A ciphertext moved elsewhere does not open."""

    chain_id: bytes
    dataset: str
    """``owner.name``: the owner, who is the dealer of the shares, is part of it."""

    def __post_init__(self) -> None:
        if len(self.chain_id) != HASH_SIZE:
            raise PoolError(ErrorCode.WRONG_CHAIN, f"a chain id has {HASH_SIZE} bytes, not {len(self.chain_id)}")
        verify_dataset_id(self.dataset)

    @property
    def owner(self) -> str:
        """Member that owns the dataset, and is to blame for a parcel that is sealed wrongly."""
        return self.dataset.partition(".")[0]


@dataclass(frozen=True, slots=True)
class ParcelContext(SealingContext):
    """What key shares are bound to: besides chain and dataset, the sealed records themselves."""

    records_root: Hash
    """As in the parcel's header, over the sealed leaves."""


class RecordKeys(NamedTuple):
    """Keys of one parcel's records. Secret."""

    encryption: bytes
    """AES-256-GCM key: 32 bytes."""
    nonce_base: bytes
    """12 bytes; a record's nonce is this XOR its index, big endian (as in RFC 9180, section 5.2)."""
    salts: bytes
    """Key of the commitments' salts: 32 bytes."""


def derive_record_keys(context: SealingContext, seed: bytes) -> RecordKeys:
    """HKDF-SHA-256 (RFC 5869) of the seed: salted by the chain, one output for each purpose in this dataset.

    Raises:
        PoolError: code ``bad_sealing`` if the seed does not have 16 bytes.
    """
    if len(seed) != SEED_SIZE:
        raise PoolError(ErrorCode.BAD_SEALING, f"a seed has {SEED_SIZE} bytes, not {len(seed)}")
    salt = hash_tagged("sealing-keys", context.chain_id, b"")

    def derive(purpose: str, size: int) -> bytes:
        return HKDF(SHA256(), size, salt, encode((1, context.dataset, purpose))).derive(seed)

    return RecordKeys(derive("encryption", 32), derive("nonce", NONCE_SIZE), derive("salts", 32))


def additional_data(context: SealingContext) -> bytes:
    """What AES-GCM authenticates with each record, before its index and commitment."""
    return domain("sealed-additional", context.chain_id) + encode(context.dataset)
