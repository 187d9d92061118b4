"""Workbooks of Excel (ECMA-376, ``.xlsx``) read in one pass, row by row, in flat memory.

A sheet is parsed as it is unpacked, and each cell is read with all that says what it means: its type, its style,
whether a formula stands in it. Texts that cells share lie on disk meanwhile.

Excel keeps numbers as binary64 and shows 15 digits of them. A longer number in a cell has lost its other digits before
anything reads it, an identity number with 18 digits for one: it is refused, and told to be entered as text.
"""

import datetime
import os
import posixpath
import re
import tempfile
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO
from xml.parsers import expat

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_datetime, is_timedelta_format
from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel

from chain.errors import ErrorCode, PoolError
from chain.messages.phrases import phrase
from records.text import malformed

ROWS_MAX = 1_048_576
"""Of a sheet, its first line included."""
COLUMNS_MAX = 16_384
_DIGITS = 15
_TEXT_LENGTH_MAX = 256 * 1024
"""Of a cell, in characters: Excel's own bound is an eighth of it."""
_STRINGS_MAX = 16 * ROWS_MAX
_CHUNK_SIZE_BYTES = 64 * 1024
_TOKEN_SIZE_MAX_BYTES = 4 * 1024 * 1024
"""Of one tag or run of text, which the parser holds whole."""
_REMEMBERED = 32 * 1024

_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    expat.ExpatError,
    KeyError,
    IndexError,
    ValueError,
    OSError,
    EOFError,
    RuntimeError,  # an encrypted part; a method of compression that is not known
)
"""What the readers below this raise for files that are no workbooks."""
_NUMBER = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z", re.ASCII)
_PADDED = re.compile(r"0{2,}\Z")
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
"""What XML cannot hold, or would change (ECMA-376 part 1, 22.9.2.19)."""
_CHINESE_DATES = {
    **dict.fromkeys((27, 36, 50, 52, 57), 'yyyy"年"m"月"'),
    **dict.fromkeys((28, 29, 51, 53, 54, 58), 'm"月"d"日"'),
    30: "m-d-yy",
    31: 'yyyy"年"m"月"d"日"',
    **dict.fromkeys((32, 34, 55), 'h"时"mm"分"'),
    **dict.fromkeys((33, 35, 56), 'h"时"mm"分"ss"秒"'),
}
"""Formats that Excel has built in where the locale is Chinese, and files name by number alone (18.8.30)."""
_MAIN = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main ",
    "http://purl.oclc.org/ooxml/spreadsheetml/main ",
)
"""Names of elements begin with one of these: of the transitional and of the strict form."""
_TAGS = {
    space + tag: tag
    for space in _MAIN
    for tag in ("c", "f", "numFmt", "rPh", "row", "sheet", "si", "t", "v", "workbookPr", "xf", "cellXfs")
}


class Unreadable(ValueError):
    """A cell's value is not known exactly; says why."""


Cell = str | Unreadable
Attributes = dict[str, str]


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
        try:
            with zipfile.ZipFile(path) as archive:
                book = _Workbook(archive)
                filled = [title for title, part in book.sheets.items() if _is_filled(archive, part)]
        except _UNREADABLE as error:
            raise malformed(1, phrase("not a readable workbook ({error})", error=error)) from None
        if name is None and len(filled) == 1:
            name = filled[0]
        if name is None or name not in filled:
            names = ", ".join(filled) or phrase("none")
            raise PoolError(
                ErrorCode.BAD_REQUEST, phrase("name the sheet with --sheet; those that hold rows: {names}", names=names)
            )
        self.name: str = name

    def __iter__(self) -> Iterator[tuple[int, list[Cell]]]:
        """The number of each row that holds anything, from 1, and its cells without the empty ones at their end.

        Raises:
            PoolError: code ``malformed`` with the line from which on the sheet is damaged.
        """
        line = 0
        try:
            with zipfile.ZipFile(self._path) as archive:
                book = _Workbook(archive)
                with _SharedStrings(archive, book.strings) as strings:
                    for line, cells in _rows(archive, book.sheets[self.name], book.reader(strings)):
                        yield line, cells
        except _UNREADABLE as error:
            raise malformed(line + 1, phrase("the workbook is damaged from here on ({error})", error=error)) from None


class _Workbook:
    """What a workbook says of its sheets and styles."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        part = next(iter(_related(archive, "", "/officeDocument").values()))
        worksheets = _related(archive, part, "/worksheet")
        self.sheets: dict[str, str] = {}
        """Part of each sheet by its title."""
        self._epoch = WINDOWS_EPOCH

        def on_start(tag: str, attributes: Attributes) -> None:
            if tag == "sheet":
                key = next(value for name, value in attributes.items() if name.endswith(" id"))
                if key in worksheets:  # others hold a chart
                    self.sheets[attributes["name"]] = worksheets[key]
            elif tag == "workbookPr" and attributes.get("date1904") in ("1", "true"):
                self._epoch = MAC_EPOCH

        _read_all(archive, part, on_start)
        self.strings = next(iter(_related(archive, part, "/sharedStrings").values()), None)
        styles = next(iter(_related(archive, part, "/styles").values()), None)
        self._formats = _number_formats(archive, styles) if styles else ["General"]

    def reader(self, strings: "_SharedStrings") -> "_CellReader":
        """Reads the cells of its sheets."""
        return _CellReader(self._formats, self._epoch, strings)


class _CellReader:
    """What a cell shows, where that is all that it holds."""

    def __init__(self, formats: list[str], epoch: datetime.datetime, strings: "_SharedStrings") -> None:
        self._formats = formats
        self._epoch = epoch
        self._strings = strings
        self.number = lru_cache(_REMEMBERED)(self._number)

    def read(self, kind: str, style: str, text: str | None, is_formula: bool) -> Cell:
        """The cell with this type and style, whose value has this text, if it has one."""
        if is_formula and (text is None or (not text and kind != "str")):
            return Unreadable(phrase("the formula has no result: open the file in Excel and save it"))
        if text is None:
            return ""
        if kind == "n":
            return self.number(text, style) if text else ""
        if kind == "s":
            return self._strings[int(text)]
        if kind in ("str", "inlineStr"):
            return _unescaped(text)
        if kind == "b":
            return "true" if text in ("1", "true") else "false"
        if kind == "e":
            return Unreadable(phrase("the cell holds the error {text}", text=text))
        return text  # a date, as ISO 8601 writes it

    def _number(self, text: str, style: str) -> Cell:
        number_format = self._formats[int(style)]
        if not _NUMBER.match(text):
            return Unreadable(phrase("{text!r} is no number", text=text[:40]))
        value = float(text)
        if is_date_format(number_format):
            return _moment(value, number_format, self._epoch)
        if value.is_integer() or abs(value) >= 10**_DIGITS:
            if abs(value) >= 10**_DIGITS:
                return Unreadable(
                    phrase(
                        "Excel keeps {digits} digits of a number, this one has more: enter it as text", digits=_DIGITS
                    )
                )
            return str(int(value)).zfill(len(number_format) if _PADDED.match(number_format) else 0)
        return repr(value)


def _moment(value: float, number_format: str, epoch: datetime.datetime) -> Cell:
    if is_timedelta_format(number_format):
        return Unreadable(phrase("a duration: enter it as text"))
    try:
        moment = from_excel(value, epoch)
    except (OverflowError, ValueError):
        return Unreadable(phrase("{value!r} is shown as a date, and is none", value=value))
    is_midnight = isinstance(moment, datetime.datetime) and moment.time() == datetime.time()
    return str((moment.date() if is_midnight and is_datetime(number_format) == "date" else moment).isoformat())


class _SharedStrings:
    """The texts that the cells of a workbook share: on disk, since they may be most of the file."""

    def __init__(self, archive: zipfile.ZipFile, part: str | None) -> None:
        self._archive = archive
        self._part = part
        self._ends = array("Q", [0])
        self._remembered = lru_cache(_REMEMBERED)(self._read)

    def __enter__(self) -> "_SharedStrings":
        self._file = tempfile.TemporaryFile(prefix="blockpool-")
        if self._part is None:
            return self
        texts: list[str] = []
        parser = _Parser(lambda tag, attributes: None, lambda tag, text: texts.append(text or ""), "si")
        for _ in parser.parse(self._archive, self._part):
            for text in texts:
                self._ends.append(self._ends[-1] + self._file.write(_unescaped(text).encode()))
            texts.clear()
            if len(self._ends) > _STRINGS_MAX:
                raise ValueError(phrase("too many shared texts"))
        self._file.flush()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < len(self._ends) - 1:
            raise ValueError(phrase("there is no shared text {index}", index=index))
        return self._remembered(index)

    def _read(self, index: int) -> str:
        start, end = self._ends[index], self._ends[index + 1]
        return os.pread(self._file.fileno(), end - start, start).decode()


class _Parser:
    """Goes through a part of a workbook.

    Args:
        on_start: is told the name and attributes of each element that is known.
        on_end: is told the name of each element whose text is wanted, and the text, None if it holds no value.
        whole: the element whose texts (``v`` and ``t``, without how they are pronounced) are gathered.
    """

    def __init__(
        self,
        on_start: Callable[[str, Attributes], None],
        on_end: Callable[[str, str | None], None] = lambda tag, text: None,
        whole: str = "",
    ) -> None:
        self._on_start = on_start
        self._on_end = on_end
        self._whole = whole
        self._texts: list[str] | None = None
        self._length = 0
        self._is_text = False
        self._pronounced = 0

    def parse(self, archive: zipfile.ZipFile, part: str) -> Iterator[None]:
        """Gives way after every piece."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _refuse_doctype
        fed = 0
        with archive.open(part) as file:
            while chunk := file.read(_CHUNK_SIZE_BYTES):
                parser.Parse(chunk, False)
                fed += len(chunk)
                if fed - parser.CurrentByteIndex > _TOKEN_SIZE_MAX_BYTES:
                    raise ValueError(phrase("one of its elements is too large"))
                yield
            parser.Parse(b"", True)
        yield

    def _start(self, name: str, attributes: Attributes) -> None:
        tag = _TAGS.get(name)
        if tag is None:
            return
        if tag in ("v", "t"):
            if self._texts is None:
                self._texts = []
                self._length = 0
            self._is_text = not self._pronounced
            return
        if tag == "rPh":
            self._pronounced += 1
        self._on_start(tag, attributes)

    def _text(self, text: str) -> None:
        if self._is_text and self._texts is not None:
            self._texts.append(text)
            self._length += len(text)
            if self._length > _TEXT_LENGTH_MAX:
                raise ValueError(phrase("a text is too long"))

    def _end(self, name: str) -> None:
        tag = _TAGS.get(name)
        if tag in ("v", "t"):
            self._is_text = False
        elif tag == self._whole:
            self._on_end(tag, None if self._texts is None else "".join(self._texts))
            self._texts = None
        elif tag == "row":
            self._on_end(tag, None)
        elif tag == "rPh":
            self._pronounced -= 1


class _RowGatherer:
    """Rows of a sheet out of its elements."""

    def __init__(self, reader: _CellReader) -> None:
        self._reader = reader
        self.rows: list[tuple[int, list[Cell]]] = []
        """Complete, and not taken yet."""
        self._line = 0
        self._cells: list[Cell] = []
        self._kind = self._style = ""
        self._column = 0
        self._is_formula = False

    def on_start(self, tag: str, attributes: Attributes) -> None:
        """The beginning of an element."""
        if tag == "c":
            place = attributes.get("r")
            self._column = len(self._cells) if place is None else _column(place.rstrip("0123456789"))
            self._kind = attributes.get("t", "n")
            self._style = attributes.get("s", "0")
            self._is_formula = False
        elif tag == "f":
            self._is_formula = True
        elif tag == "row":
            line = int(attributes.get("r", self._line + 1))
            if not self._line < line <= ROWS_MAX:
                raise ValueError(phrase("row {line} after row {before}", line=line, before=self._line))
            self._line = line
            self._cells = []

    def on_end(self, tag: str, text: str | None) -> None:
        """The end of a cell or a row."""
        cells = self._cells
        if tag == "c":
            missing = self._column - len(cells)
            if missing:
                if missing < 0:
                    raise ValueError(phrase("its cells are out of order"))
                cells.extend([""] * missing)
            cells.append(self._reader.read(self._kind, self._style, text, self._is_formula))
            return
        while cells and cells[-1] == "":
            cells.pop()
        if cells:
            self.rows.append((self._line, cells))


def _rows(archive: zipfile.ZipFile, part: str, reader: _CellReader) -> Iterator[tuple[int, list[Cell]]]:
    gatherer = _RowGatherer(reader)
    for _ in _Parser(gatherer.on_start, gatherer.on_end, "c").parse(archive, part):
        yield from gatherer.rows
        gatherer.rows = []


def _is_filled(archive: zipfile.ZipFile, part: str) -> bool:
    found: list[bool] = []

    def on_end(tag: str, text: str | None) -> None:
        if text:
            found.append(True)

    return any(found for _ in _Parser(lambda tag, attributes: None, on_end, "c").parse(archive, part))


def _read_all(archive: zipfile.ZipFile, part: str, on_start: Callable[[str, Attributes], None]) -> None:
    for _ in _Parser(on_start).parse(archive, part):
        pass


def _number_formats(archive: zipfile.ZipFile, part: str) -> list[str]:
    """The number format of each style that a cell may have."""
    named: dict[int, str] = dict(BUILTIN_FORMATS) | _CHINESE_DATES
    formats: list[str] = []
    is_of_cells = False

    def on_start(tag: str, attributes: Attributes) -> None:
        nonlocal is_of_cells
        if tag == "numFmt":
            named[int(attributes["numFmtId"])] = attributes["formatCode"]
        elif tag == "cellXfs":
            is_of_cells = True
        elif tag == "xf" and is_of_cells:
            formats.append(named.get(int(attributes.get("numFmtId", 0)), "General"))

    def on_end(tag: str, text: str | None) -> None:
        nonlocal is_of_cells
        is_of_cells = False

    for _ in _Parser(on_start, on_end, "cellXfs").parse(archive, part):
        pass
    return formats or ["General"]


def _related(archive: zipfile.ZipFile, part: str, kind: str) -> dict[str, str]:
    """Parts that another part (empty for the whole package) names as of a kind, by the keys that it gives them."""
    folder, name = posixpath.split(part)
    found: dict[str, str] = {}

    def on_start(name: str, attributes: Attributes) -> None:
        if attributes.get("Type", "").endswith(kind) and attributes.get("TargetMode") != "External":
            found[attributes["Id"]] = posixpath.normpath(posixpath.join("/" + folder, attributes["Target"])).lstrip("/")

    parser = expat.ParserCreate()
    parser.StartElementHandler = on_start
    parser.StartDoctypeDeclHandler = _refuse_doctype
    with archive.open(posixpath.join(folder, "_rels", name + ".rels")) as file:
        parser.Parse(_bounded(file), True)
    return found


def _bounded(file: IO[bytes]) -> bytes:
    content = file.read(_TOKEN_SIZE_MAX_BYTES + 1)
    if len(content) > _TOKEN_SIZE_MAX_BYTES:
        raise ValueError(phrase("it names too many parts"))
    return content


def _refuse_doctype(*_: object) -> None:
    raise ValueError(phrase("a document type, which no workbook has"))


@lru_cache(maxsize=COLUMNS_MAX)
def _column(letters: str) -> int:
    """A column's number, from 0."""
    number = 0
    for letter in letters:
        if not "A" <= letter <= "Z":
            raise ValueError(phrase("there is no column {letters!r}", letters=letters[:20]))
        number = number * 26 + ord(letter) - ord("A") + 1
        if number > COLUMNS_MAX:
            break
    if not 0 < number <= COLUMNS_MAX:
        raise ValueError(phrase("there is no column {letters!r}", letters=letters[:20]))
    return number - 1


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text
