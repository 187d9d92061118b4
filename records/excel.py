"""Workbooks of Excel (ECMA-376, ``.xlsx``) written row by row; ``records.workbook`` reads them."""

import re
from collections.abc import Iterable
from typing import BinaryIO

import openpyxl
from openpyxl.cell import WriteOnlyCell

from chain.messages.phrases import phrase
from records.workbook import ROWS_MAX

CELL_LENGTH_MAX = 32_767
"""Characters."""

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""What XML cannot hold."""
_CHANGED = re.compile("\r|_(?=x[0-9A-Fa-f]{4}_)")
"""What XML would make a line feed of, and what would be taken for the sign of such a character."""


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
            raise ValueError(phrase("a sheet has at most {rows_max:,} rows", rows_max=ROWS_MAX))
        row = []
        for value in cells:
            if isinstance(value, str) and (len(value) > CELL_LENGTH_MAX or _ILLEGAL.search(value)):
                raise ValueError(
                    phrase(
                        "a cell holds at most {cell_length_max:,} characters, none of them a control character",
                        cell_length_max=CELL_LENGTH_MAX,
                    )
                )
            if isinstance(value, str):
                value = _CHANGED.sub(lambda match: f"_x{ord(match[0]):04X}_", value)
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
