"""The keys of a parcel's cells: how they follow from its seed, how validators' shares of them follow from a share of
the seed, and what everyone can check about these.

Each cell has a seed, made from the parcel's; each validator has a share of it, made from its share of the parcel's
seed. All of these look random and know nothing of one another, so the owner publishes, for each cell, as many further
points of the polynomial through them as make a threshold of shares enough. A validator keeps one share a parcel,
however many cells there are; shares of some cells tell nothing of the others'.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated

from msgspec import Meta

from chain.errors import PoolError
from chain.granularity import Granularity, Part
from chain.limits import LIMITS
from chain.primitives.crypto import Hash, domain, hash_tagged
from chain.primitives.encoding import encode
from chain.primitives.types import Hash32
from chain.proofs.merkle import MerkleTree, root_from_inclusion_proof, root_of_leaves
from chain.transactions.sealed import SHARE_SIZE, Cells
from sealing import shamir
from sealing.context import ParcelContext, SealingContext

PROOF_HASHES_MAX = LIMITS.columns * (1 + 2 * LIMITS.request_records * (LIMITS.transaction_records - 1).bit_length())
ShareProof = Annotated[tuple[Hash32, ...], Meta(max_length=PROOF_HASHES_MAX)]
"""For each column in turn: nothing if all its rows are given; its root if none is; else the inclusion proofs of those
that are, one after the other."""


def cell_seeds(context: SealingContext, seed: bytes, rows: int, columns: int) -> bytes:
    """Seeds of all cells, 16 bytes each, row by row."""
    return _expanded(domain("cell-seeds", context.chain_id), context, seed, rows, columns)


def cell_shares(context: SealingContext, share: bytes, rows: int, columns: int) -> bytes:
    """A validator's shares of them, from its share of the parcel's seed."""
    return _expanded(domain("cell-shares", context.chain_id), context, share, rows, columns)


def _expanded(separation: bytes, context: SealingContext, secret: bytes, rows: int, columns: int) -> bytes:
    """SHAKE-256 (FIPS 202) of the domain, dataset, secret and row (8 bytes, big endian): as long as the row."""
    prefix, size = separation + encode(context.dataset) + secret, columns * SHARE_SIZE
    return b"".join(hashlib.shake_256(prefix + row.to_bytes(8, "big")).digest(size) for row in range(rows))


def public_points(seeds: bytes, shares: Sequence[bytes], threshold: int) -> list[bytes]:
    """What is published of the polynomials through seeds (at 0) and shares (at 1 to their number): their values at the
    places that follow, each for all cells.
    """
    known = {-1: seeds, **dict(enumerate(shares))}
    count = len(shares)
    return [shamir.value_at(place + 1, known) for place in range(count, 2 * count + 1 - threshold)]


def recover_seeds(shares: Mapping[int, bytes], points: Sequence[bytes], count: int) -> bytes:
    """Seeds of cells from a threshold of shares by position, and the points, of ``count`` validators."""
    known = {**shares, **{count + place: point for place, point in enumerate(points)}}
    return shamir.value_at(0, known)


class ShareTree:
    """The commitment to one validator's shares of all cells: a tree for each column, over its rows.

    Args:
        context: of the parcel.
        salt: of the envelope.
        validator: whose shares they are.
        position: of the validator among the envelope's shares.
    """

    def __init__(self, context: ParcelContext, salt: bytes, validator: str, position: int) -> None:
        bound = (context.dataset, context.records_root, salt, validator, position)
        self._chain_id = context.chain_id
        self._prefix = b"\x00" + domain("cell-share", context.chain_id) + encode(bound)

    def root(self, shares: bytes, columns: int) -> Hash:
        """The commitment to shares of all cells, row by row."""
        matrix = _rows(shares, columns)
        return self._root(
            [root_of_leaves(self._leaves(column, enumerate(matrix[column]))) for column in range(columns)]
        )

    def proof(self, shares: bytes, rows: int, columns: int, part: Part) -> tuple[Hash, ...]:
        """What leads from the shares of a part to the commitment (``ShareProof``), of the ``shares`` of all cells."""
        hashes: list[Hash] = []
        matrix = _rows(shares, columns)
        for column in range(columns):
            tree = MerkleTree(self._leaves(column, enumerate(matrix[column])))
            if column not in part.columns:
                hashes.append(tree.root)
            elif len(part.rows) < rows:
                hashes.extend(step for row in part.rows for step in tree.inclusion_proof(row))
        return tuple(hashes)

    def is_committed(
        self, shares: bytes, proof: Sequence[Hash], rows: int, columns: int, part: Part, root: Hash
    ) -> bool:
        """Whether these are the shares of exactly the cells of a part, and what leads from them to the commitment."""
        if len(shares) != part.size * SHARE_SIZE:
            return False
        given = dict(zip(part.columns, _rows(shares, len(part.columns)), strict=True))
        left, roots = iter(proof), []
        for column in range(columns):
            if column not in given:
                roots.append(next(left, b""))
                continue
            leaves = self._leaves(column, zip(part.rows, given[column], strict=True))
            if len(part.rows) == rows:
                roots.append(root_of_leaves(leaves))
                continue
            try:
                found = {_implied_root(leaf, row, rows, left) for leaf, row in zip(leaves, part.rows, strict=True)}
            except PoolError:
                return False
            roots.extend(found)  # more than one leads nowhere
        return next(left, None) is None and self._root(roots) == root

    def _leaves(self, column: int, shares: Iterable[tuple[int, bytes]]) -> list[Hash]:
        sha, prefix = hashlib.sha256, self._prefix + column.to_bytes(4, "big")
        return [sha(b"%b%b%b" % (prefix, row.to_bytes(4, "big"), share)).digest() for row, share in shares]

    def _root(self, roots: Sequence[Hash]) -> Hash:
        return hash_tagged("cell-shares-root", self._chain_id, b"".join(roots))


def _rows(values: bytes, columns: int) -> list[list[bytes]]:
    """Values row by row, as lists column by column."""
    cut = [values[start : start + SHARE_SIZE] for start in range(0, len(values), SHARE_SIZE)]
    return [cut[column::columns] for column in range(columns)]


def _implied_root(leaf: Hash, row: int, rows: int, left: Iterator[Hash]) -> Hash:
    return root_from_inclusion_proof(leaf, row, rows, list(islice(left, inclusion_length(row, rows))))


def inclusion_length(index: int, size: int) -> int:
    """Hashes of the inclusion proof of leaf ``index`` of ``size`` (RFC 6962, section 2.1.1)."""
    length, last = 0, size - 1
    while last:
        length += bool(index & 1) or index < last
        index, last = index >> 1, last >> 1
    return length


def pick(values: bytes, columns: int, part: Part) -> bytes:
    """Of values of all cells, 16 bytes each and row by row, those of a part."""
    starts = ((row * columns + column) * SHARE_SIZE for row, column in part.cells)
    return b"".join(values[start : start + SHARE_SIZE] for start in starts)


def of_rows(values: bytes, part: Part, rows: Collection[int]) -> bytes:
    """Of values of a part's cells, those of some of its rows."""
    size = len(part.columns) * SHARE_SIZE
    return b"".join(values[place * size : (place + 1) * size] for place, row in enumerate(part.rows) if row in rows)


def pick_points(points: Sequence[bytes], columns: int, part: Part, count: int) -> list[bytes]:
    """Of public points, given for each of a part's rows as they are published, those of its cells: each point for all.

    Args:
        points: of each row, ``count`` times one for each column.
    """
    size = columns * SHARE_SIZE
    found = []
    for point in range(count):
        rows = (row[point * size : (point + 1) * size] for row in points)
        found.append(b"".join(row[c * SHARE_SIZE : (c + 1) * SHARE_SIZE] for row in rows for c in part.columns))
    return found


def points_of_rows(points: Sequence[bytes], rows: int, columns: int) -> list[bytes]:
    """Public points as they are published: for each row, one after the other, each for all its columns."""
    size = columns * SHARE_SIZE
    return [b"".join(point[row * size : (row + 1) * size] for point in points) for row in range(rows)]


class CellLayout:
    """The dealer's side: seeds, shares and points of all cells of a parcel that is about to be sealed.

    Args:
        context: chain and dataset.
        granularity: of the dataset.
        record_count: of the parcel.
        seed: of the parcel.
        shares: of the parcel's seed, one a validator, in the order of their names.
        threshold: how many of them open it.
    """

    def __init__(
        self,
        context: SealingContext,
        granularity: Granularity,
        record_count: int,
        seed: bytes,
        shares: Sequence[bytes],
        threshold: int,
    ) -> None:
        self.granularity = granularity
        self.shares = shares
        self._rows, self._columns = granularity.height(record_count), granularity.width
        self._seeds = cell_seeds(context, seed, self._rows, self._columns)
        self._cell_shares = [cell_shares(context, share, self._rows, self._columns) for share in shares]
        points = public_points(self._seeds, self._cell_shares, threshold)
        self._points = points_of_rows(points, self._rows, self._columns)

    @property
    def seeds(self) -> dict[tuple[int, int], bytes]:
        """Of all cells."""
        return by_cell(self._seeds, all_cells(self._rows, self._columns))

    def points_of_record(self, index: int) -> bytes:
        """What the body of a record holds of them: nothing, if the parcel is not by records."""
        return self._points[index] if self.granularity.by_record else b""

    def commit(self, context: ParcelContext, salt: bytes, validators: Sequence[str]) -> Cells:
        """What the envelope says of the cells."""
        roots = (
            ShareTree(context, salt, name, position).root(shares, self._columns)
            for position, (name, shares) in enumerate(zip(validators, self._cell_shares, strict=True))
        )
        return Cells(self.granularity, tuple(roots), b"" if self.granularity.by_record else self._points[0])


def all_cells(rows: int, columns: int) -> Part:
    """All cells of a parcel."""
    return Part(tuple(range(rows)), tuple(range(columns)), True)


def by_cell(values: bytes, part: Part) -> dict[tuple[int, int], bytes]:
    """Values of a part's cells, 16 bytes each, by (row, column)."""
    starts = range(0, len(values), SHARE_SIZE)
    return {cell: values[start : start + SHARE_SIZE] for cell, start in zip(part.cells, starts, strict=True)}
