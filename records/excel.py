"""Excel workbooks (ECMA-376, ``.xlsx``), read and written row by row.

Excel keeps numbers as binary64 and shows 15 digits of them. A longer number in a cell has lost its other digits before
anything reads it, an identity number with 18 digits for one: it is refused, and told to be entered as text.
"""

import datetime
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles.numbers import is_datetime
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.workbook import Workbook

from chain.errors import ErrorCode, PoolError
from records.text import malformed

ROWS_MAX = 1_048_576
"""Of a sheet, its first line included."""
CELL_LENGTH_MAX = 32_767
"""Characters."""

_DIGITS = 15
_UNREADABLE = (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError, SyntaxError)
"""What openpyxl and the XML reader below it raise for files that are no workbooks."""
_PADDED = re.compile(r"0{2,}\Z")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""What XML cannot hold."""


class Unreadable(ValueError):
    """A cell's value is not known exactly; says why."""


class Sheet:
    """One sheet of a workbook, as rows of text.

    Args:
        path: the workbook.
        name: of the sheet; None for the only one that holds anything.

    Raises:
        PoolError: codes ``malformed`` for a file that is no workbook, ``bad_request`` where the sheet is not clear.
    """

    def __init__(self, path: Path, name: str | None) -> None:
        self._path = path
        book = self._open(values=False)
        try:
            filled = [sheet.title for sheet in book.worksheets if _is_filled(book, sheet.title)]
            if name is None and len(filled) == 1:
                name = filled[0]
            if name is None or name not in filled:
                names = ", ".join(filled) or "none"
                raise PoolError(ErrorCode.BAD_REQUEST, f"name the sheet with --sheet; those that hold rows: {names}")
            self.name: str = name
            self._has_formulas = any(cell.data_type == "f" for row in _rows(book, name) for cell in row)
        except _UNREADABLE as error:
            raise malformed(1, f"not a readable workbook ({error})") from None
        finally:
            book.close()

    def __iter__(self) -> Iterator[list[str | Unreadable]]:
        """Rows from the first, without the empty cells at their end; an empty row is an empty list."""
        book = self._open(values=True)
        formulas = self._open(values=False) if self._has_formulas else None
        try:
            rows: Iterable[Sequence[Any]] = _rows(book, self.name)
            if formulas is None:
                for row in rows:
                    yield _trimmed([_read(cell) for cell in row])
                return
            for row, written in zip(rows, _rows(formulas, self.name), strict=True):
                yield _trimmed([_read(cell, cells) for cell, cells in zip(row, written, strict=True)])
        finally:
            book.close()
            if formulas is not None:
                formulas.close()

    def _open(self, *, values: bool) -> Workbook:
        try:
            return openpyxl.load_workbook(self._path, read_only=True, data_only=values)
        except _UNREADABLE as error:
            raise malformed(1, f"not a readable workbook ({error})") from None


def _rows(book: Workbook, name: str) -> Iterator[Sequence[Any]]:
    """Cells of each row, as the library reads them without holding the sheet; its types are of another reader."""
    sheet: Any = book[name]
    sheet.reset_dimensions()  # what a file says of its own size may be wrong
    return iter(sheet.iter_rows())


def _is_filled(book: Workbook, name: str) -> bool:
    return any(cell.value is not None for row in _rows(book, name) for cell in row)


def _trimmed(cells: list[str | Unreadable]) -> list[str | Unreadable]:
    while cells and cells[-1] == "":
        cells.pop()
    return cells


def _read(cell: Any, written: Any = None) -> str | Unreadable:
    """A cell's text: what Excel shows of it, where that is all that it holds."""
    value = cell.value
    if value is None:
        if written is not None and written.data_type == "f":
            return Unreadable("the formula has no result: open the file in Excel and save it")
        return ""
    if cell.data_type == "e":
        return Unreadable(f"the cell holds the error {value}")
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value, cell.number_format)
    if isinstance(value, datetime.datetime):
        is_date = is_datetime(cell.number_format) == "date" and value.time() == datetime.time()
        return value.date().isoformat() if is_date else value.isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return Unreadable("a duration: enter it as text")


def _number(value: float, number_format: str) -> str | Unreadable:
    if value == int(value):
        if abs(value) >= 10**_DIGITS:
            return Unreadable(f"Excel keeps {_DIGITS} digits of a number, this one has more: enter it as text")
        padded = _PADDED.match(number_format)
        return str(int(value)).zfill(len(number_format) if padded else 0)
    return repr(value)


class ExcelWriter:
    """Rows of text into the one sheet of a new workbook. Every cell is text or a number; none is a formula.

    Args:
        stream: where the workbook goes when it is closed.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._book = openpyxl.Workbook(write_only=True)
        self._sheet = self._book.create_sheet("records")
        self._count = 0

    def write(self, cells: Iterable[str | int | float]) -> None:
        """Write one row.

        Raises:
            ValueError: a cell or the sheet would be too long, or XML cannot hold a character.
        """
        if self._count == ROWS_MAX:
            raise ValueError(f"a sheet has at most {ROWS_MAX:,} rows")
        row = []
        for value in cells:
            if isinstance(value, str) and (len(value) > CELL_LENGTH_MAX or _ILLEGAL.search(value)):
                raise ValueError(
                    f"a cell holds at most {CELL_LENGTH_MAX:,} characters, none of them a control character"
                )
            cell = WriteOnlyCell(self._sheet, value)
            if isinstance(value, str):
                cell.data_type = "s"  # the library takes a text that begins with = for a formula
                cell.number_format = "@"
            row.append(cell)
        self._sheet.append(row)
        self._count += 1

    def close(self) -> None:
        """Finish the workbook."""
        self._book.save(self._stream)
