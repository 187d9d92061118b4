"""What the chain sees of a sealed parcel: the envelope in its header, the sealed shares and bodies in its payload.

The header only has hashes of what is sealed, so erasing the payload erases the shares of its key with it. Nothing here
needs a secret. Validators check these rules when they execute a parcel, auditors years later; the
cryptography behind them is ``sealing``. Byte tables: docs/sealing.md.
"""

import hashlib
from collections.abc import Mapping, Sequence
from enum import IntEnum
from itertools import pairwise
from typing import Annotated

from msgspec import Meta

from chain.errors import ErrorCode, PoolError, Refusal
from chain.granularity import WHOLE, Granularity, verify_granularity
from chain.limits import LIMITS
from chain.primitives.crypto import HASH_SIZE, Hash, domain, hash_tagged
from chain.primitives.encoding import Wire, decode
from chain.primitives.kem import KemSuite, kem_key_id
from chain.primitives.quorum import quorum
from chain.primitives.types import Hash32, KeyId, Name
from chain.proofs.merkle import root_of_leaves

SHARE_SIZE = 16
"""Bytes of a seed, and of a share of it."""
TAG_SIZE = 16
"""Bytes of AES-GCM's tag."""
SEALED_OVERHEAD_SIZE = HASH_SIZE + TAG_SIZE
"""Bytes that sealing adds to a record: its commitment in front, the tag at the end."""

Salt = Annotated[bytes, Meta(min_length=16, max_length=16)]


class CommitmentKind(IntEnum):
    """How the records' plaintexts are committed to."""

    WHOLE = 1
    """One salted hash of the plaintext, which is any bytes: disclosed whole or not at all."""
    FIELDS = 2
    """A Merkle root over the salted fields of a JSON object: each field can be disclosed alone."""


class SealedShare(Wire, frozen=True):
    """What the header says of one validator's part of the parcel's key."""

    validator: Name
    key_id: KeyId
    """Which KEM key of the validator it is sealed to."""
    share_hash: Hash32
    """Salted hash of the share: a wrong one names its giver."""
    sealed_hash: Hash32
    """Hash of the share as it stands in the payload, sealed: ``sealed_share_hash``."""


class Cells(Wire, frozen=True):
    """How a parcel can be opened in parts, where it is not opened whole."""

    granularity: Granularity
    """That of the dataset as the parcel was sealed."""
    share_roots: Annotated[tuple[Hash32, ...], Meta(min_length=1, max_length=LIMITS.validators)]
    """One a validator, in the order of the envelope's shares: commitment to its shares of all cells."""
    points: Annotated[bytes, Meta(max_length=LIMITS.columns * LIMITS.validators * SHARE_SIZE)]
    """Public points of the columns' polynomials; empty by records, whose bodies hold them."""


class Envelope(Wire, frozen=True, tag=1):
    """How a parcel is sealed: ``ParcelHeader.envelope`` is its encoding. The tag is the version of the construction."""

    suite: KemSuite
    """HPKE suite of all shares."""
    commitments: CommitmentKind
    threshold: Annotated[int, Meta(ge=1, le=LIMITS.validators)]
    """How many shares open the parcel: a quorum of the validators."""
    salt: Salt
    """Public salt of ``seed_commitment`` and of the share hashes."""
    seed_commitment: Hash32
    """Salted hash of the seed: shares that are each right but do not lead to it expose the dealer."""
    shares: Annotated[tuple[SealedShare, ...], Meta(min_length=1, max_length=LIMITS.validators)]
    """One a validator, in strictly ascending order of names; share ``i`` is the polynomial's value at ``i + 1``."""
    cells: Cells | None = None
    """None for a parcel that is opened whole."""

    @property
    def granularity(self) -> Granularity:
        """What the parcel can be opened by."""
        return WHOLE if self.cells is None else self.cells.granularity

    @property
    def point_count(self) -> int:
        """Public points of each cell's polynomial: with a threshold of shares they are as many as determine it."""
        return len(self.shares) + 1 - self.threshold

    def index_of(self, validator: str) -> int | None:
        """Position of a validator's share, or None."""
        return next((index for index, share in enumerate(self.shares) if share.validator == validator), None)


def decode_envelope(data: bytes) -> Envelope:
    """Decode an envelope and check all of it that needs no state.

    Raises:
        PoolError: codes ``malformed``, ``not_canonical``, ``envelope_order``, ``envelope_threshold``,
            ``envelope_cells``, ``field_in_two_columns``.
    """
    envelope = decode(Envelope, data)
    count = len(envelope.shares)
    if any(earlier.validator >= later.validator for earlier, later in pairwise(envelope.shares)):
        raise Refusal(ErrorCode.ENVELOPE_ORDER)
    if envelope.threshold != quorum(count):
        raise Refusal(ErrorCode.ENVELOPE_THRESHOLD, expected=quorum(count), found=envelope.threshold)
    if (cells := envelope.cells) is not None:
        verify_granularity(cells.granularity)
        rows = 0 if cells.granularity.by_record else 1
        size = rows * cells.granularity.width * envelope.point_count * SHARE_SIZE
        is_by_fields = envelope.commitments is CommitmentKind.FIELDS or not cells.granularity.columns
        is_fitting = len(cells.share_roots) == count and len(cells.points) == size
        if cells.granularity.is_whole or not is_by_fields or not is_fitting:
            raise Refusal(ErrorCode.ENVELOPE_CELLS)
    return envelope


def sealed_share_hash(chain_id: bytes, sealed_share: bytes) -> Hash:
    """What an envelope names a sealed share by."""
    return hash_tagged("sealed-share-hash", chain_id, sealed_share)


def verify_sealed_shares(chain_id: bytes, envelope: Envelope, sealed_shares: Sequence[bytes]) -> None:
    """Check that these are the sealed shares that the envelope names, in its order.

    Args:
        chain_id: of the chain.
        envelope: from the signed header.
        sealed_shares: from the payload. HPKE: encapsulated key, ciphertext, tag.

    Raises:
        PoolError: codes ``payload_mismatch`` (whoever gave them gave others), ``bad_sealing`` (one of another size than
            the suite's, which the owner signed).
    """
    if len(sealed_shares) != len(envelope.shares):
        raise _mismatch(f"{len(sealed_shares)} sealed shares came, {len(envelope.shares)} were signed")
    size = SHARE_SIZE + envelope.suite.overhead_size
    for share, sealed in zip(envelope.shares, sealed_shares, strict=True):
        if sealed_share_hash(chain_id, sealed) != share.sealed_hash:
            raise _mismatch(f"the sealed share of {share.validator} is not the one that was signed")
        if len(sealed) != size:
            detail = f"the share of {share.validator} has {len(sealed)} bytes, {size} in this suite"
            raise PoolError(ErrorCode.BAD_SEALING, detail)


def verify_envelope_keys(envelope: Envelope, kem_keys: Mapping[str, bytes]) -> None:
    """Check that there is one share for each validator, and that it names the key that this validator has now.

    Args:
        envelope: as decoded.
        kem_keys: encoded KEM public key of each validator of the height.

    Raises:
        Refusal: codes ``envelope_validators``, ``envelope_key``.
    """
    names = [share.validator for share in envelope.shares]
    if names != sorted(kem_keys):
        raise Refusal(ErrorCode.ENVELOPE_VALIDATORS)
    for share in envelope.shares:
        if share.key_id != kem_key_id(kem_keys[share.validator]):
            raise Refusal(ErrorCode.ENVELOPE_KEY, member=share.validator)


def sealed_record_leaves(chain_id: bytes, bodies: Sequence[bytes]) -> list[Hash]:
    """RFC 6962 leaf hashes of a sealed parcel's bodies (commitment, then ciphertext).

    A leaf's data is the ciphertext's tagged hash and the commitment, so a field can be proved without the ciphertext,
    and the ciphertext erased without touching the proofs.

    Raises:
        PoolError: code ``bad_sealing`` for a body that is shorter than its commitment and tag.
    """
    prefix, sha = domain("sealed-record", chain_id), hashlib.sha256
    for index, body in enumerate(bodies):
        if len(body) < SEALED_OVERHEAD_SIZE:
            raise PoolError(ErrorCode.BAD_SEALING, f"record {index} is too short to be sealed", record_index=index)
    return [sha(b"\x00" + sha(prefix + body[HASH_SIZE:]).digest() + body[:HASH_SIZE]).digest() for body in bodies]


def sealed_leaf(body_hash: Hash, commitment: Hash) -> Hash:
    """RFC 6962 leaf hash of one sealed record, from what stays of it when its ciphertext is erased."""
    return hashlib.sha256(b"\x00" + body_hash + commitment).digest()


def sealed_records_root(chain_id: bytes, bodies: Sequence[bytes]) -> Hash:
    """Root over a sealed parcel's records; raises as ``sealed_record_leaves`` does."""
    return root_of_leaves(sealed_record_leaves(chain_id, bodies))


def _mismatch(detail: str) -> PoolError:
    return PoolError(ErrorCode.PAYLOAD_MISMATCH, detail)
