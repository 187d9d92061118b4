"""Sealing a whole parcel, and opening one: the two calls that most callers need."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from chain.granularity import WHOLE, Granularity, Part
from chain.primitives.crypto import Hash
from chain.primitives.encoding import encode
from chain.primitives.kem import KemSuite
from chain.primitives.quorum import quorum
from chain.transactions.parcel import ParcelContent, encode_records
from chain.transactions.sealed import CommitmentKind, Envelope, sealed_records_root
from sealing import shamir
from sealing.cell_cipher import CellCipher, unpack_body
from sealing.cells import CellLayout, all_cells, by_cell, cell_seeds, of_rows, pick_points, recover_seeds
from sealing.context import SEED_SIZE, ParcelContext, RandomBytes, SealingContext
from sealing.dealing import combine, deal, shares_by_position, verify_enough
from sealing.records import RecordCipher, seal_records, verify_bodies, verify_record_count

ParcelCipher = RecordCipher | CellCipher
"""Opens the records of a parcel, as far as it has their keys."""


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
    granularity: Granularity = WHOLE,
) -> SealedParcel:
    """Encrypt records under a fresh seed and split it among the validators.

    Args:
        records: 1 to 4,096 plaintexts; compact JSON objects if their fields are to be committed to.
        context: chain and dataset.
        kem_keys: encoded KEM public key of every present validator, by name.
        commitments: whole records, or field by field.
        suite: HPKE suite of the shares.
        random_bytes: where seed and salt come from.
        granularity: what the dataset's parcels can be opened by; with columns, ``commitments`` are by fields.

    Raises:
        PoolError: codes ``bad_sealing``, ``too_large``, ``bad_envelope``, ``bad_key``.
    """
    if granularity.columns:
        commitments = CommitmentKind.FIELDS
    seed = random_bytes(SEED_SIZE)
    verify_record_count(records)
    layout = None
    if granularity.is_whole:
        bodies = tuple(seal_records(records, seed, context, commitments))
    else:
        threshold = quorum(len(kem_keys))
        shares = shamir.split(seed, threshold, len(kem_keys))
        layout = CellLayout(context, granularity, len(records), seed, shares, threshold)
        cipher = CellCipher(context, granularity, len(kem_keys) + 1 - threshold, commitments, layout.seeds)
        points = layout.points_of_record
        bodies = tuple(cipher.seal(index, record, points(index)) for index, record in enumerate(records))
    root = sealed_records_root(context.chain_id, bodies)
    parcel = ParcelContext(context.chain_id, context.dataset, root)
    envelope, sealed_shares = deal(seed, parcel, kem_keys, commitments, suite, random_bytes, layout)
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
    verify_bodies(bodies, context)
    cipher = parcel_cipher(envelope, context, combine(envelope, context, shares), len(bodies))
    return (record for index, body in enumerate(bodies) if (record := cipher.open(index, body)) is not None)


def parcel_cipher(envelope: Envelope, context: ParcelContext, seed: bytes, record_count: int) -> ParcelCipher:
    """What opens all records of a parcel, from its seed."""
    if envelope.cells is None:
        return RecordCipher(context, seed, envelope.commitments)
    granularity = envelope.granularity
    rows, columns = granularity.height(record_count), granularity.width
    seeds = by_cell(cell_seeds(context, seed, rows, columns), all_cells(rows, columns))
    return CellCipher(context, granularity, envelope.point_count, envelope.commitments, seeds)


def part_cipher(
    envelope: Envelope,
    context: ParcelContext,
    shares: Mapping[str, bytes],
    bodies: Sequence[bytes | None],
    part: Part,
) -> ParcelCipher:
    """What opens a part of a parcel.

    Args:
        envelope: from the committed header.
        context: chain, dataset and records root, from the committed header.
        shares: opened and checked by ``open_release``, by validator: of the seed if the part is all of the parcel, else
            of the part's cells.
        bodies: sealed bodies, verified; None for records that were erased, which nothing opens.
        part: which part.

    Raises:
        PoolError: codes as in ``combine``; ``not_enough_shares``; ``bad_sealing``.
    """
    if part.is_all:
        return parcel_cipher(envelope, context, combine(envelope, context, shares), len(bodies))
    granularity, count = envelope.granularity, envelope.point_count
    verify_enough(envelope, shares)
    by_position = dict(list(shares_by_position(envelope, shares).items())[: envelope.threshold])
    points = [envelope.cells.points if envelope.cells else b""]
    if granularity.by_record:
        left = {row: body for row in part.rows if (body := bodies[row]) is not None}
        by_position = {position: of_rows(given, part, left) for position, given in by_position.items()}
        part = part._replace(rows=tuple(left))
        points = [unpack_body(context, granularity, count, row, body).points for row, body in left.items()]
    known = pick_points(points, granularity.width, part, count)
    seeds = by_cell(recover_seeds(by_position, known, len(envelope.shares)), part)
    return CellCipher(context, granularity, count, envelope.commitments, seeds)
