"""Giving a share to a reader: sealed to the reader's key, good for one request and one parcel.

Whether the reader may have it is not decided here: the node releases a share only for a committed, unexpired, unrevoked
grant. A release is not signed; it is proved right or wrong by the share's hash on chain.
"""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Hash, domain
from chain.primitives.encoding import EncodingError, Wire, decode, encode
from chain.primitives.kem import KemSuite
from chain.primitives.types import Hash32, KeyId, Name
from chain.transactions.sealed import SHARE_SIZE, Envelope
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
    sealed: Annotated[bytes, Meta(max_length=SHARE_SIZE + KemSuite.HYBRID.overhead_size)]
    """HPKE: encapsulated key, ciphertext, tag."""


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


def open_release(
    data: bytes, validator: str, release: Release, envelope: Envelope, context: ParcelContext, key: KemPrivateKey
) -> bytes:
    """The share in what ``validator`` answered, checked against the chain.

    Args:
        data: encoded ``ShareRelease`` as it came.
        validator: who was asked, and is to blame for whatever is wrong with the answer.
        release: the request and parcel that it was asked for.
        envelope: of the parcel.
        context: of the parcel.
        key: the reader's key pair.

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
    if not is_share(envelope, context, validator, share):
        raise _fault(validator, "a share that is not the one committed to")
    return share


def _info(release: Release, validator: str, reader_key: KemPublicKey) -> bytes:
    bound = (int(reader_key.suite), release.request_id, release.parcel_id, validator, reader_key.id)
    return domain("share-release", release.chain_id) + encode(bound)


def _fault(validator: str, what: str) -> PoolError:
    return PoolError(ErrorCode.BAD_SHARE, f"{validator} gave {what}", culprit=validator)
