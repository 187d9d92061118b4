"""Sealing a whole parcel, and opening one: the two calls that most callers need."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from chain.primitives.crypto import Hash
from chain.primitives.encoding import encode
from chain.primitives.kem import KemSuite
from chain.transactions.parcel import ParcelContent, encode_records
from chain.transactions.sealed import CommitmentKind, Envelope, sealed_records_root
from sealing.context import SEED_SIZE, ParcelContext, RandomBytes, SealingContext
from sealing.dealing import combine, deal
from sealing.records import open_records, seal_records


@dataclass(frozen=True, slots=True)
class SealedParcel:
    """What goes into the parcel's transaction, and the seed, which goes nowhere."""

    bodies: tuple[bytes, ...]
    """Sealed bodies, for the payload."""
    records_root: Hash
    """Root over the sealed leaves, for the header."""
    envelope: bytes
    """Encoded envelope, for the header."""
    sealed_shares: tuple[bytes, ...]
    """The validators' shares of the seed, in the envelope's order, for the payload."""
    seed: bytes = field(repr=False)
    """Secret. With it the owner can make disclosures without asking the validators; it may be forgotten."""

    @property
    def content(self) -> ParcelContent:
        """What goes into the transaction."""
        payload = encode_records(self.bodies, self.sealed_shares)
        return ParcelContent(len(self.bodies), self.records_root, payload, self.envelope)


def seal_parcel(
    records: Sequence[bytes],
    context: SealingContext,
    kem_keys: Mapping[str, bytes],
    commitments: CommitmentKind = CommitmentKind.WHOLE,
    suite: KemSuite = KemSuite.HYBRID,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> SealedParcel:
    """Encrypt records under a fresh seed and split it among the validators.

    Args:
        records: 1 to 4,096 plaintexts; compact JSON objects if their fields are to be committed to.
        context: chain and dataset.
        kem_keys: encoded KEM public key of every present validator, by name.
        commitments: whole records, or field by field.
        suite: HPKE suite of the shares.
        random_bytes: where seed and salt come from.

    Raises:
        PoolError: codes ``bad_sealing``, ``too_large``, ``bad_envelope``, ``bad_key``.
    """
    seed = random_bytes(SEED_SIZE)
    bodies = tuple(seal_records(records, seed, context, commitments))
    root = sealed_records_root(context.chain_id, bodies)
    parcel = ParcelContext(context.chain_id, context.dataset, root)
    envelope, sealed_shares = deal(seed, parcel, kem_keys, commitments, suite, random_bytes)
    return SealedParcel(bodies, root, encode(envelope), sealed_shares, seed)


def open_parcel(
    bodies: Sequence[bytes], envelope: Envelope, context: ParcelContext, shares: Mapping[str, bytes]
) -> Iterator[bytes]:
    """Plaintexts of a parcel's records, one by one in order.

    Args:
        bodies: sealed bodies, from any node.
        envelope: from the committed header.
        context: chain, dataset and records root, from the committed header.
        shares: opened shares by validator.

    Raises:
        PoolError: codes as in ``combine`` and ``open_records``.
    """
    return open_records(bodies, combine(envelope, context, shares), context, envelope.commitments)
