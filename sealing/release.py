"""Giving a share to a reader: sealed to the reader's key, good for one request and one parcel.

Whether the reader may have it is not decided here: the node releases a share only for a committed, unexpired, unrevoked
grant. A release is not signed; it is proved right or wrong by the share's hash on chain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from chain.errors import ErrorCode, PoolError
from chain.granularity import ALL, Part
from chain.limits import LIMITS
from chain.primitives.crypto import Hash, domain
from chain.primitives.encoding import EncodingError, Wire, decode, encode
from chain.primitives.kem import KemSuite
from chain.primitives.types import Hash32, KeyId, Name
from chain.transactions.sealed import SHARE_SIZE, Envelope
from sealing.cells import ShareProof, ShareTree, cell_shares, pick
from sealing.context import ParcelContext
from sealing.dealing import is_share
from sealing.kem import KemPrivateKey, KemPublicKey


class ShareRelease(Wire, frozen=True, tag=1):
    """A share on its way from a validator to a reader."""

    validator: Name
    request_id: Hash32
    """Transaction id of the request that was granted."""
    parcel_id: Hash32
    """Transaction id of the parcel."""
    key_id: KeyId
    """The reader's KEM key that it is sealed to."""
    sealed: Annotated[bytes, Meta(max_length=SHARE_SIZE * LIMITS.share_cells + KemSuite.HYBRID.overhead_size)]
    """HPKE: encapsulated key, ciphertext, tag. Of the share of the parcel's seed, or of those of the part's cells, row
    by row.
    """
    proof: ShareProof = ()
    """What leads from the shares of a part to the commitment in the envelope; empty for the whole parcel."""


@dataclass(frozen=True, slots=True)
class Release:
    """What a release is for: both sides take it from the chain."""

    chain_id: bytes
    request_id: Hash
    parcel_id: Hash


def release_share(share: bytes, validator: str, release: Release, reader_key: KemPublicKey) -> ShareRelease:
    """Seal a validator's checked share (from ``open_own_share``) to the key in the reader's committed request."""
    sealed = reader_key.seal(share, _info(release, validator, reader_key))
    return ShareRelease(validator, release.request_id, release.parcel_id, reader_key.id, sealed)


def release_part(
    share: bytes,
    validator: str,
    release: Release,
    envelope: Envelope,
    context: ParcelContext,
    record_count: int,
    part: Part,
    reader_key: KemPublicKey,
) -> ShareRelease:
    """As ``release_share``, of a part of the parcel: the shares of its cells, and of no other."""
    if part.is_all:
        return release_share(share, validator, release, reader_key)
    rows, columns = envelope.granularity.height(record_count), envelope.granularity.width
    shares = cell_shares(context, share, rows, columns)
    tree = ShareTree(context, envelope.salt, validator, envelope.index_of(validator) or 0)
    sealed = reader_key.seal(pick(shares, columns, part), _info(release, validator, reader_key))
    proof = tree.proof(shares, rows, columns, part)
    return ShareRelease(validator, release.request_id, release.parcel_id, reader_key.id, sealed, proof)


def is_sized(release: ShareRelease, envelope: Envelope, part: Part) -> bool:
    """Whether a release looks like one of exactly this part: without the reader's key, a node that hands it on can tell
    one that holds more than was granted.
    """
    shares = 1 if part.is_all else part.size
    return (
        bool(release.proof) != part.is_all and len(release.sealed) == shares * SHARE_SIZE + envelope.suite.overhead_size
    )


def open_release(
    data: bytes,
    validator: str,
    release: Release,
    envelope: Envelope,
    context: ParcelContext,
    key: KemPrivateKey,
    record_count: int = 1,
    part: Part = ALL,
) -> bytes:
    """The share in what ``validator`` answered, or the shares of a part's cells, checked against the chain.

    Args:
        data: encoded ``ShareRelease`` as it came.
        validator: who was asked, and is to blame for whatever is wrong with the answer.
        release: the request and parcel that it was asked for.
        envelope: of the parcel.
        context: of the parcel.
        key: the reader's key pair.
        record_count: of the parcel.
        part: that was granted; by default all of the parcel.

    Raises:
        PoolError: code ``bad_share``, with ``culprit``.
    """
    try:
        answer = decode(ShareRelease, data)
    except EncodingError as error:
        raise _fault(validator, f"not a share: {error.detail}") from None
    if (answer.validator, answer.request_id, answer.parcel_id) != (validator, release.request_id, release.parcel_id):
        raise _fault(validator, "a share of another validator, request or parcel")
    if answer.key_id != key.public_key.id:
        raise _fault(validator, "a share for another reader's key")
    share = key.open(answer.sealed, _info(release, validator, key.public_key))
    if share is None:
        raise _fault(validator, "a share that does not open for this request")
    if not _is_committed(share, answer.proof, validator, envelope, context, record_count, part):
        raise _fault(validator, "a share that is not the one committed to, or shares of other cells than were granted")
    return share


def _is_committed(
    share: bytes,
    proof: Sequence[Hash],
    validator: str,
    envelope: Envelope,
    context: ParcelContext,
    record_count: int,
    part: Part,
) -> bool:
    if part.is_all:
        return not proof and is_share(envelope, context, validator, share)
    position = envelope.index_of(validator)
    if position is None or envelope.cells is None:
        return False
    rows, columns = envelope.granularity.height(record_count), envelope.granularity.width
    tree = ShareTree(context, envelope.salt, validator, position)
    return tree.is_committed(share, proof, rows, columns, part, envelope.cells.share_roots[position])


def _info(release: Release, validator: str, reader_key: KemPublicKey) -> bytes:
    bound = (int(reader_key.suite), release.request_id, release.parcel_id, validator, reader_key.id)
    return domain("share-release", release.chain_id) + encode(bound)


def _fault(validator: str, what: str) -> PoolError:
    return PoolError(ErrorCode.BAD_SHARE, f"{validator} gave {what}", culprit=validator)
