"""How finely a dataset's parcels can be opened: whole, by columns, by records, or by both.

A parcel's *cells* are what its rows and columns make: a row is a record where the dataset opens by records, else there
is one row, all records; a column is a group of fields, and without groups there is one column, all fields. Each cell
has a key of its own, so what a grant opens are the cells that it covers from one edge to the other, and no part of one.
"""

from collections.abc import Collection
from itertools import product
from typing import Annotated, NamedTuple

from msgspec import Meta

from chain.errors import ErrorCode, PoolError, Refusal
from chain.limits import LIMITS
from chain.primitives.encoding import Wire

FieldName = Annotated[str, Meta(min_length=1, max_length=LIMITS.title_length)]
Columns = Annotated[
    tuple[Annotated[tuple[FieldName, ...], Meta(min_length=1, max_length=LIMITS.record_fields)], ...],
    Meta(max_length=LIMITS.columns),
]


class Granularity(Wire, frozen=True):
    """What a dataset's parcels can be opened by."""

    columns: Columns = ()
    """Groups of fields, each of which can be opened alone. Every field of a record is in one; empty: all fields are
    opened together.
    """
    by_record: bool = False
    """Whether each record can be opened alone."""

    @property
    def is_whole(self) -> bool:
        """Whether parcels are opened whole or not at all."""
        return not self.columns and not self.by_record

    @property
    def width(self) -> int:
        """Columns of a parcel."""
        return len(self.columns) or 1

    def height(self, record_count: int) -> int:
        """Rows of a parcel."""
        return record_count if self.by_record else 1

    def column_of(self) -> dict[str, int]:
        """The column of each field."""
        return {name: number for number, names in enumerate(self.columns) for name in names}

    def columns_within(self, fields: Collection[str] | None) -> tuple[int, ...]:
        """Columns that hold no other fields than these; None for any field."""
        if fields is None:
            return tuple(range(self.width))
        allowed = frozenset(fields)
        return tuple(number for number, names in enumerate(self.columns) if allowed.issuperset(names))


WHOLE = Granularity()


class Part(NamedTuple):
    """Cells of a parcel: those of these rows and these columns."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    is_all: bool
    """Whether these are all cells of the parcel."""

    @property
    def cells(self) -> list[tuple[int, int]]:
        """(row, column) of each, in ascending order."""
        return list(product(self.rows, self.columns))

    @property
    def size(self) -> int:
        """How many cells."""
        return len(self.rows) * len(self.columns)


ALL = Part((0,), (0,), True)
"""All of a parcel that is opened whole."""


def verify_granularity(granularity: Granularity) -> None:
    """Check that no field is in two columns.

    Raises:
        Refusal: code ``field_in_two_columns``.
    """
    seen = set()
    for names in granularity.columns:
        for name in names:
            if name in seen:
                raise Refusal(ErrorCode.FIELD_IN_TWO_COLUMNS, text=name)
            seen.add(name)


def part_of(
    granularity: Granularity, record_count: int, records: Collection[int] | None, fields: Collection[str] | None
) -> Part:
    """The cells of a parcel that hold nothing else than these records and these fields.

    Args:
        granularity: that the parcel was sealed with.
        record_count: of the parcel.
        records: indexes of the records; None for all.
        fields: names of the fields; None for all.

    Raises:
        PoolError: code ``not_covered`` if there is no such cell.
    """
    height = granularity.height(record_count)
    if records is None or len(set(records)) == record_count:
        rows = tuple(range(height))
    else:
        rows = tuple(sorted(set(records))) if granularity.by_record else ()
    columns = granularity.columns_within(fields)
    if not rows:
        detail = "no record of the parcel is covered" if not records else "the parcel is not sealed by records"
        raise PoolError(ErrorCode.NOT_COVERED, detail)
    if not columns:
        raise PoolError(ErrorCode.NOT_COVERED, "the fields that are covered make up no column of the parcel")
    return Part(rows, columns, len(rows) == height and len(columns) == granularity.width)
