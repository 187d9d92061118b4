"""Records of a parcel whose cells have keys of their own.

The body of such a record is, where there is one column, ``commitment | points | ciphertext | tag``; of several,
``commitment | points | lengths | sealed columns``: each of these is sealed as a record is (``sealing.records``), under
its cell's seed; the lengths of all but the last have 4 bytes, big endian. The commitment is then the tagged hash of the
columns' commitments. ``points`` are there by records only: they go with the record when it is erased.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import orjson

from chain.errors import ErrorCode, PoolError, Refusal
from chain.granularity import Granularity
from chain.limits import LIMITS
from chain.primitives.crypto import HASH_SIZE, Hash, hash_tagged
from chain.primitives.quorum import quorum
from chain.transactions.sealed import SEALED_OVERHEAD_SIZE, SHARE_SIZE, CommitmentKind
from sealing.commitments import Field, split_fields
from sealing.context import SealingContext
from sealing.records import RecordCipher

_LENGTH_SIZE = 4


class CellBody(NamedTuple):
    """The body of a record, taken apart."""

    points: bytes
    """Public points of its cells; empty if the parcel is not by records."""
    columns: tuple[bytes, ...]
    """Sealed columns: commitment, ciphertext, tag."""


class CellCipher:
    """Seals records by their cells, and opens those cells whose seeds it has.

    Args:
        context: chain and dataset.
        granularity: of the parcel.
        point_count: public points of each cell.
        commitments: of the parcel.
        seeds: by (row, column).
    """

    def __init__(
        self,
        context: SealingContext,
        granularity: Granularity,
        point_count: int,
        commitments: CommitmentKind,
        seeds: Mapping[tuple[int, int], bytes],
    ) -> None:
        self._context = context
        self._granularity = granularity
        self._point_count = point_count
        self._column_of = granularity.column_of()
        self._seeds = seeds
        self._cipher = lru_cache(maxsize=2 * LIMITS.columns)(lambda seed: RecordCipher(context, seed, commitments))

    def seal(self, index: int, record: bytes, points: bytes) -> bytes:
        """The sealed body of record ``index``.

        Raises:
            PoolError: codes ``bad_sealing`` (no compact JSON object), ``field_in_no_column``, ``too_large``.
        """
        texts = self._cut(index, record) if self._granularity.columns else [record]
        columns = [self._cell(index, column).seal(index, text) for column, text in enumerate(texts)]
        if len(columns) == 1:
            body = columns[0][:HASH_SIZE] + points + columns[0][HASH_SIZE:]
        else:
            lengths = b"".join(len(column).to_bytes(_LENGTH_SIZE, "big") for column in columns[:-1])
            body = columns_commitment(self._context, columns) + points + lengths + b"".join(columns)
        if len(body) > LIMITS.record_size_bytes:
            raise Refusal(ErrorCode.TOO_LARGE, record_index=index, found=len(body), limit=LIMITS.record_size_bytes)
        return body

    def open(self, index: int, body: bytes) -> bytes | None:
        """What the opened cells of record ``index`` say, its fields in the order of the columns; None if no cell of it
        is open.

        Raises:
            PoolError: code ``bad_sealing``, with ``record_index`` and ``culprit``.
        """
        width, row = self._granularity.width, index if self._granularity.by_record else 0
        opened = [column for column in range(width) if (row, column) in self._seeds]
        if not opened:
            return None
        columns = unpack_body(self._context, self._granularity, self._point_count, index, body).columns
        texts = [self._cell(index, column).open(index, columns[column]) for column in opened]
        if not self._granularity.columns:
            return texts[0]
        for column, text in zip(opened, texts, strict=True):
            if any(self._column_of.get(field.name) != column for field in split_fields(text, index)):
                raise _wrong(self._context, index, "has a field in a column that is not its own")
        return b"{%b}" % b",".join(text[1:-1] for text in texts if len(text) > len("{}"))

    def column_with(
        self, index: int, body: bytes, names: Sequence[str]
    ) -> tuple[RecordCipher, bytes, tuple[Hash, ...]]:
        """What opens the column of record ``index`` with these fields, its sealed body, and the commitments of all
        columns if there are several.

        Raises:
            PoolError: codes ``bad_request`` (fields of several columns), ``not_found`` (of none), ``not_covered``,
                ``bad_sealing``.
        """
        found = {self._column_of.get(name, -1) for name in names} if self._granularity.columns else {0}
        if len(found) > 1:
            raise PoolError(ErrorCode.BAD_REQUEST, f"{', '.join(names)} are not of one column: show one at a time")
        (column,) = found
        if column < 0:
            raise PoolError(ErrorCode.NOT_FOUND, f"record {index} has no field {min(names)!r}")
        columns = unpack_body(self._context, self._granularity, self._point_count, index, body).columns
        commitments = tuple(sealed[:HASH_SIZE] for sealed in columns) if len(columns) > 1 else ()
        return self.cell(index, column), columns[column], commitments

    def cell(self, index: int, column: int) -> RecordCipher:
        """What opens one column of a record; raises ``not_covered`` where its seed is not there."""
        if (index if self._granularity.by_record else 0, column) not in self._seeds:
            raise PoolError(ErrorCode.NOT_COVERED, f"column {column} of record {index} is not opened")
        return self._cell(index, column)

    def _cell(self, index: int, column: int) -> RecordCipher:
        cipher: RecordCipher = self._cipher(self._seeds[index if self._granularity.by_record else 0, column])
        return cipher

    def _cut(self, index: int, record: bytes) -> list[bytes]:
        members: list[list[bytes]] = [[] for _ in self._granularity.columns]
        for field in split_fields(record, index):
            column = self._column_of.get(field.name)
            if column is None:
                raise Refusal(ErrorCode.FIELD_IN_NO_COLUMN, record_index=index, text=field.name)
            members[column].append(_member(field))
        return [b"{%b}" % b",".join(of_column) for of_column in members]


def sealed_overhead_size(granularity: Granularity, validators: int) -> int:
    """Bytes that sealing adds to a record, at most."""
    width = granularity.width
    points = (validators + 1 - quorum(validators)) * width * SHARE_SIZE if granularity.by_record else 0
    if width == 1:
        return points + SEALED_OVERHEAD_SIZE
    return HASH_SIZE + points + (width - 1) * _LENGTH_SIZE + width * (SEALED_OVERHEAD_SIZE + len("{}"))


def columns_commitment(context: SealingContext, columns: Sequence[bytes]) -> Hash:
    """The commitment to a record of several columns, from their sealed bodies or their commitments."""
    return hash_tagged("sealed-columns", context.chain_id, b"".join(column[:HASH_SIZE] for column in columns))


def unpack_body(
    context: SealingContext, granularity: Granularity, point_count: int, index: int, body: bytes
) -> CellBody:
    """Take a body apart that is known to be record ``index`` of the parcel.

    Raises:
        PoolError: code ``bad_sealing``, with ``record_index`` and ``culprit``.
    """
    width = granularity.width
    start = HASH_SIZE + (point_count * width * SHARE_SIZE if granularity.by_record else 0)
    points, rest = body[HASH_SIZE:start], body[start:]
    if width == 1:
        columns = [body[:HASH_SIZE] + rest]
    else:
        place, columns = (width - 1) * _LENGTH_SIZE, []
        for number in range(width - 1):
            length = int.from_bytes(rest[number * _LENGTH_SIZE : (number + 1) * _LENGTH_SIZE], "big")
            columns.append(rest[place : place + length])
            place += length
        columns.append(rest[place:])
    if len(body) < start or any(len(column) < SEALED_OVERHEAD_SIZE for column in columns):
        raise _wrong(context, index, "is too short for its columns")
    if width > 1 and columns_commitment(context, columns) != body[:HASH_SIZE]:
        raise _wrong(context, index, "does not have the columns that its commitment says")
    return CellBody(points, tuple(columns))


def _member(field: Field) -> bytes:
    return orjson.dumps(field.name) + b":" + field.value


def _wrong(context: SealingContext, index: int, reason: str) -> PoolError:
    return PoolError(
        ErrorCode.BAD_SEALING,
        f"record {index} {reason}: {context.owner} sealed it wrongly",
        record_index=index,
        culprit=context.owner,
    )
