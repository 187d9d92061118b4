"""The dealer's side of the key: splitting a seed among the validators; and what everyone can check about it.

The owner of the dataset is the dealer. It commits on chain to the seed and to every share, so whoever meets a wrong
share knows whose fault it is: one that differs from its hash is the giver's, shares that are as committed but do not
lead to the seed are the dealer's (after Feldman's idea, with hashes instead of discrete logarithms: a validator checks
its own share at once, the dealing as a whole is checked by whoever may know the seed).
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.crypto import Hash, domain
from chain.primitives.encoding import encode
from chain.primitives.kem import KemSuite
from chain.primitives.quorum import quorum
from chain.transactions.sealed import SHARE_SIZE, CommitmentKind, Envelope, SealedShare, sealed_share_hash
from sealing import shamir
from sealing.cells import CellLayout
from sealing.context import SEED_SIZE, ParcelContext, RandomBytes
from sealing.kem import KemPrivateKey, KemPublicKey

SALT_SIZE = 16


class Dealing(NamedTuple):
    """A seed, dealt."""

    envelope: Envelope
    """For the header."""
    sealed_shares: tuple[bytes, ...]
    """For the payload, in the order of the envelope's shares."""


def deal(
    seed: bytes,
    context: ParcelContext,
    kem_keys: Mapping[str, bytes],
    commitments: CommitmentKind,
    suite: KemSuite = KemSuite.HYBRID,
    random_bytes: RandomBytes = secrets.token_bytes,
    layout: CellLayout | None = None,
) -> Dealing:
    """Split ``seed`` among validators and seal each its share.

    Args:
        seed: 16 fresh random bytes.
        context: chain, dataset and records.
        kem_keys: encoded KEM public key of every validator, by name; all of them of ``suite``.
        commitments: what the records' commitments are, for the envelope.
        suite: HPKE suite of the shares.
        random_bytes: where the envelope's salt comes from.
        layout: of a parcel that can be opened in parts, made with the same shares.

    Raises:
        PoolError: codes ``bad_envelope`` (number of validators), ``bad_key`` (a key that is broken or of another
        suite, with ``culprit``), ``bad_sealing`` (a seed of the wrong size).
    """
    if not 1 <= len(kem_keys) <= LIMITS.validators:
        raise PoolError(ErrorCode.BAD_ENVELOPE, f"a key is split among 1 to {LIMITS.validators} validators")
    if len(seed) != SEED_SIZE:
        raise PoolError(ErrorCode.BAD_SEALING, f"a seed has {SEED_SIZE} bytes, not {len(seed)}")
    names = sorted(kem_keys)
    keys = [_load_key(name, kem_keys[name], suite) for name in names]
    threshold = quorum(len(names))
    salt = random_bytes(SALT_SIZE)
    shares = layout.shares if layout else shamir.split(seed, threshold, len(names))
    entries, sealed_shares = [], []
    for position, (name, key, share) in enumerate(zip(names, keys, shares, strict=True)):
        sealed = key.seal(share, share_info(context, suite, threshold, name, key.id))
        share_commitment = share_hash(context, salt, name, position, share)
        entries.append(SealedShare(name, key.id, share_commitment, sealed_share_hash(context.chain_id, sealed)))
        sealed_shares.append(sealed)
    commitment = seed_commitment(context, salt, seed)
    cells = layout.commit(context, salt, names) if layout else None
    envelope = Envelope(suite, commitments, threshold, salt, commitment, tuple(entries), cells)
    return Dealing(envelope, tuple(sealed_shares))


def open_own_share(
    envelope: Envelope, sealed_shares: Sequence[bytes], context: ParcelContext, validator: str, key: KemPrivateKey
) -> bytes:
    """A validator's own share, checked against the chain: on the parcel's arrival, and before each release.

    The context comes from the parcel's committed header, never from a reader: an envelope copied under another
    dataset (whose contract says yes to everything) does not open.

    Args:
        envelope: from the committed header.
        sealed_shares: from the payload, all of them.
        context: chain, dataset and records root, from the committed header.
        validator: whose share it is.
        key: the validator's key pair.

    Raises:
        PoolError: codes ``not_found`` (no share for this validator), ``bad_key`` (sealed to another key than this),
        ``payload_mismatch`` (the sealed share is not the one that the dealer signed, who is not to blame for it),
        ``bad_sealing`` with the dealer as ``culprit``.
    """
    position = envelope.index_of(validator)
    if position is None:
        raise PoolError(ErrorCode.NOT_FOUND, f"the parcel has no share for {validator}")
    entry = envelope.shares[position]
    if entry.key_id != key.public_key.id or envelope.suite is not key.public_key.suite:
        raise PoolError(ErrorCode.BAD_KEY, f"the share of {validator} is sealed to another key ({entry.key_id.hex()})")
    sealed = sealed_shares[position] if position < len(sealed_shares) else b""
    if sealed_share_hash(context.chain_id, sealed) != entry.sealed_hash:
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, f"the sealed share of {validator} is not the one that was signed")
    share = key.open(sealed, share_info(context, envelope.suite, envelope.threshold, validator, entry.key_id))
    if share is None:
        raise dealer_fault(context, f"the share of {validator} does not open")
    if not is_share(envelope, context, validator, share):
        raise dealer_fault(context, f"the share of {validator} is not the one committed to")
    return share


def is_share(envelope: Envelope, context: ParcelContext, validator: str, share: bytes) -> bool:
    """Whether ``share`` is the one that the dealer committed to for ``validator``."""
    position = envelope.index_of(validator)
    if position is None or len(share) != SHARE_SIZE:
        return False
    expected = envelope.shares[position].share_hash
    return hmac.compare_digest(share_hash(context, envelope.salt, validator, position, share), expected)


def combine(envelope: Envelope, context: ParcelContext, shares: Mapping[str, bytes]) -> bytes:
    """The seed from a threshold of shares, by validator's name; of more, the first in order of names are taken.

    Raises:
        PoolError: codes ``bad_share`` with the validator as ``culprit`` (give the others again without it),
        ``not_enough_shares``, ``bad_sealing`` with the dealer as ``culprit`` if shares that are each as committed do
        not lead to the seed.
    """
    for validator, share in sorted(shares.items()):
        if not is_share(envelope, context, validator, share):
            raise PoolError(
                ErrorCode.BAD_SHARE, f"{validator} gave a share that is not the one committed to", culprit=validator
            )
    verify_enough(envelope, shares)
    seed = shamir.value_at(0, dict(list(shares_by_position(envelope, shares).items())[: envelope.threshold]))
    if not hmac.compare_digest(seed_commitment(context, envelope.salt, seed), envelope.seed_commitment):
        raise dealer_fault(context, "its shares are each as committed, but do not lead to the committed seed")
    return seed


def verify_enough(envelope: Envelope, shares: Mapping[str, bytes]) -> None:
    """Check that there is a threshold of shares; raises ``not_enough_shares``."""
    if len(shares) < envelope.threshold:
        raise PoolError(
            ErrorCode.NOT_ENOUGH_SHARES,
            f"{len(shares)} shares came, {envelope.threshold} are needed",
            shares=len(shares),
            threshold=envelope.threshold,
        )


def verify_dealing(envelope: Envelope, context: ParcelContext, shares: Mapping[str, bytes]) -> None:
    """Check the shares of the validators that gave none: a threshold of shares says what all others must be.

    A dealer that gave some validators wrong shares is so exposed even if enough others answered. It takes time that
    grows with the cube of the number of validators, so it is for disputes and audits, not for every read.

    Raises:
        PoolError: codes as in ``combine``; ``bad_sealing`` names the first validator that was cheated in ``validator``.
    """
    combine(envelope, context, shares)
    known = dict(list(shares_by_position(envelope, shares).items())[: envelope.threshold])
    for position, entry in enumerate(envelope.shares):
        share = shamir.value_at(position + 1, known)
        if not is_share(envelope, context, entry.validator, share):
            raise dealer_fault(context, f"{entry.validator} got a share off the polynomial", validator=entry.validator)


def share_hash(context: ParcelContext, salt: bytes, validator: str, position: int, share: bytes) -> Hash:
    """Salted commitment to one share."""
    prefix = domain("share-hash", context.chain_id) + encode(
        (context.dataset, context.records_root, salt, validator, position)
    )
    return hashlib.sha256(prefix + share).digest()


def seed_commitment(context: ParcelContext, salt: bytes, seed: bytes) -> Hash:
    """Salted commitment to the seed."""
    prefix = domain("seed-commitment", context.chain_id) + encode((context.dataset, context.records_root, salt))
    return hashlib.sha256(prefix + seed).digest()


def share_info(context: ParcelContext, suite: KemSuite, threshold: int, validator: str, key_id: bytes) -> bytes:
    """HPKE ``info`` of a sealed share: everything that it must not be taken out of."""
    bound = (int(suite), context.dataset, context.records_root, threshold, validator, key_id)
    return domain("sealed-share", context.chain_id) + encode(bound)


def dealer_fault(context: ParcelContext, reason: str, **facts: str) -> PoolError:
    """The error that blames the dataset's owner for a parcel that is sealed wrongly."""
    return PoolError(
        ErrorCode.BAD_SEALING, f"{context.owner} sealed this parcel wrongly: {reason}", culprit=context.owner, **facts
    )


def shares_by_position(envelope: Envelope, shares: Mapping[str, bytes]) -> dict[int, bytes]:
    """Shares by their validators' positions, in ascending order."""
    return {
        position: shares[entry.validator] for position, entry in enumerate(envelope.shares) if entry.validator in shares
    }


def _load_key(validator: str, encoded: bytes, suite: KemSuite) -> KemPublicKey:
    try:
        key = KemPublicKey(encoded)
    except PoolError as error:
        raise PoolError(error.code, f"the KEM key of {validator}: {error.detail}", culprit=validator) from None
    if key.suite is not suite:
        raise PoolError(
            ErrorCode.BAD_KEY,
            f"the KEM key of {validator} is of suite {key.suite.name}, not {suite.name}",
            culprit=validator,
        )
    return key
