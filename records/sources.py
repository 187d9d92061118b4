"""Records in files, read one at a time so that memory stays flat: CSV, Excel, Parquet, NDJSON, and arrays of JSON.

Tables (CSV, Excel) name their columns in their first line, and their cells become what the dataset's JSON Schema says
(``records.conversion``). JSON is taken verbatim: only the white space around a record goes.

A source is iterated as often as its user needs, and gives the same bytes each time. What is wrong with one record is
given in its place, so that all of a file's problems can be named; what makes the rest unreadable is raised.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from json.encoder import encode_basestring as json_string
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import msgspec

from chain.errors import ErrorCode, PoolError
from chain.messages.phrases import phrase
from records.conversion import Converter, converter, declared_properties
from records.text import malformed, recognise_encoding
from records.workbook import Sheet, Unreadable

FORMATS = ("csv", "tsv", "xlsx", "parquet", "ndjson", "jsonl", "json")
"""Of files of records, as their names end."""
_FIELD_SIZE_MAX = 256 * 1024
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
_CHUNK_SIZE_BYTES = 256 * 1024
_ELEMENT_SIZE_MAX_BYTES = 8 * 1024 * 1024
"""Of an array's element: far over what a record may have."""
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|(\\?\Z))|[\[\]{},]', re.DOTALL)
"""A string, whose group says that it is not at its end yet, or what structures an array."""
_SPACE = b" \t\r\n"


class SourceRecord(NamedTuple):
    """A record, and the line where it begins in its file (from 1)."""

    line: int
    body: bytes


class Problem(NamedTuple):
    """Why a line of a file is no record."""

    line: int
    column: str
    """Name of the table's column; empty for the whole line."""
    code: ErrorCode
    reason: str

    def error(self) -> PoolError:
        """As an error."""
        error = malformed(self.line, self.reason, self.column)
        return PoolError(self.code, error.detail, **error.context)


class RecordSource(Protocol):
    """A file of records; each iteration reads it anew."""

    @property
    def description(self) -> str:
        """What the file was recognised as, for people."""
        ...

    def __iter__(self) -> Iterator[SourceRecord | Problem]:
        """Records in order, and what is none. Raises ``malformed`` where the rest cannot be read."""
        ...


def record_bodies(source: RecordSource) -> Iterator[bytes]:
    """The bodies of a source's records; raises the first problem."""
    for item in source:
        if isinstance(item, Problem):
            raise item.error()
        yield item.body


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What the user says of a file; None and empty for what is to be recognised."""

    encoding: str | None = None
    delimiter: str | None = None
    """Of CSV: one character."""
    sheet: str | None = None
    """Of a workbook."""
    format: str | None = None
    """One of ``FORMATS``; where the file's name does not end in it."""
    nulls: tuple[str, ...] = ()
    """Texts besides the empty one that mean null."""


def column_names(columns: Sequence[str]) -> None:
    """Check the names of a table's columns.

    Raises:
        PoolError: code ``malformed`` for columns without a name or with the same one.
    """
    if not columns or "" in columns:
        raise malformed(1, phrase("the first line must name every column"))
    if len(set(columns)) == len(columns):
        return
    for index, column in enumerate(columns):
        if column in columns[:index]:
            raise malformed(1, phrase("each column needs a name of its own"), column)


class Table:
    """How the rows of a table become records.

    Args:
        columns: their names.
        schema: the dataset's JSON Schema as text; empty for none.
        nulls: texts besides the empty one that mean null.

    Raises:
        PoolError: code ``malformed`` for columns without a name or with the same one.
    """

    def __init__(self, columns: Sequence[str], schema: str, nulls: Sequence[str]) -> None:
        column_names(columns)
        properties = declared_properties(schema)
        self._columns = columns
        self._fields: list[tuple[str, Converter]] = [
            (json_string(column) + ":", converter(properties.get(column), nulls)) for column in columns
        ]

    def record(self, cells: Sequence[str], line: int) -> SourceRecord | Problem:
        """The record of one row."""
        if len(cells) != len(self._fields):
            reason = phrase(
                "{cells} cells, but the first line names {columns} columns", cells=len(cells), columns=len(self._fields)
            )
            return Problem(line, "", ErrorCode.MALFORMED, reason)
        try:
            fields = [name + convert(text) for (name, convert), text in zip(self._fields, cells, strict=True)]
        except ValueError:
            return self._first_problem(cells, line)
        return SourceRecord(line, ("{" + ",".join(fields) + "}").encode())

    def _first_problem(self, cells: Sequence[str], line: int) -> Problem:
        for column, (_, convert), text in zip(self._columns, self._fields, cells, strict=True):
            try:
                convert(text)
            except ValueError as error:
                return Problem(line, column, ErrorCode.MALFORMED, str(error))
        raise AssertionError("no cell is refused")  # pragma: no cover  (conversion has no memory)


class CsvSource:
    """A table in text (RFC 4180, also with semicolons or tabs), in the encoding that it is recognised to have."""

    def __init__(self, path: Path, schema: str, options: SourceOptions) -> None:
        self._path = path
        self._schema = schema
        self._nulls = options.nulls
        self._encoding = recognise_encoding(path, options.encoding)
        self._delimiter = options.delimiter or self._recognise_delimiter()

    @property
    def description(self) -> str:
        """Encoding and delimiter."""
        encoding = self._encoding.removesuffix("-sig").upper()
        delimiter = phrase(_DELIMITERS[self._delimiter]) if self._delimiter in _DELIMITERS else repr(self._delimiter)
        return phrase("CSV, {encoding}, {delimiter}", encoding=encoding, delimiter=delimiter)

    def __iter__(self) -> Iterator[SourceRecord | Problem]:
        """Blank lines are passed over, but in a table of one column, where they are rows with an empty cell."""
        with self._path.open(encoding=self._encoding, newline="") as file:
            csv.field_size_limit(_FIELD_SIZE_MAX)
            rows = csv.reader(file, delimiter=self._delimiter, strict=True)
            try:
                columns = next(rows, [])
                table = Table(columns, self._schema, self._nulls)
                blank = [""] if len(columns) == 1 else []
                line = rows.line_num + 1
                for row in rows:
                    if cells := row or blank:
                        yield table.record(cells, line)
                    line = rows.line_num + 1
            except csv.Error as error:
                raise malformed(rows.line_num, str(error)) from None

    def _recognise_delimiter(self) -> str:
        """The one that finds the most columns in the first line; a comma if none finds more than one."""
        with self._path.open(encoding=self._encoding, newline="") as file:
            head = file.readline(_FIELD_SIZE_MAX)
        counts = {delimiter: len(next(csv.reader([head], delimiter=delimiter), [])) for delimiter in _DELIMITERS}
        return max(counts, key=counts.__getitem__)


class ExcelSource:
    """A table in a sheet of a workbook."""

    def __init__(self, path: Path, schema: str, options: SourceOptions) -> None:
        self._sheet = Sheet(path, options.sheet)
        self._schema = schema
        self._nulls = options.nulls

    @property
    def description(self) -> str:
        """Name of the sheet."""
        return phrase("Excel, sheet {name}", name=self._sheet.name)

    def __iter__(self) -> Iterator[SourceRecord | Problem]:
        """Empty rows are passed over."""
        rows = iter(self._sheet)
        line, head = next(rows, (1, []))
        table = Table([str(cell) for cell in head] if line == 1 else [], self._schema, self._nulls)
        for line, row in rows:
            unreadable = next((index for index, cell in enumerate(row) if isinstance(cell, Unreadable)), None)
            if unreadable is not None:
                column = str(head[unreadable]) if unreadable < len(head) else ""
                yield Problem(line, column, ErrorCode.MALFORMED, str(row[unreadable]))
            else:
                yield table.record([*map(str, row), *[""] * (len(head) - len(row))], line)


class NdjsonSource:
    """A file with one JSON value a line; blank lines are passed over."""

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path
        self._encoding = recognise_encoding(path, options.encoding)

    @property
    def description(self) -> str:
        """Encoding."""
        return f"NDJSON, {self._encoding.removesuffix('-sig').upper()}"

    def __iter__(self) -> Iterator[SourceRecord]:
        with self._path.open(encoding=self._encoding, newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if body := line.strip(" \t\r\n"):
                    yield SourceRecord(number, body.encode())


class JsonArraySource:
    """A file that is one JSON array (UTF-8); its elements are the records."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def description(self) -> str:
        """Always the same."""
        return phrase("JSON array, UTF-8")

    def __iter__(self) -> Iterator[SourceRecord]:
        with self._path.open("rb") as file:
            yield from _elements(file)


def _elements(file: BinaryIO) -> Iterator[SourceRecord]:
    """The elements of an array, cut apart by brackets and commas; whether each is JSON is for who checks records."""
    buffer, position, start, line, depth = b"", 0, 0, 1, 0
    sign = b""
    while chunk := file.read(_CHUNK_SIZE_BYTES):
        buffer, position, start = buffer[start:] + chunk, position - start, 0
        if len(buffer) > _ELEMENT_SIZE_MAX_BYTES:
            raise malformed(line, phrase("an element is too large for a record"))
        while token := _TOKEN.search(buffer, position):
            if token[1] is not None:  # the string's end comes with the next chunk
                position = token.start()
                break
            position = token.end()
            if depth == 0:
                if sign or token[0] != b"[" or buffer[: token.start()].strip(_SPACE):
                    raise malformed(line, phrase("the file must be one JSON array"))
            elif token[0] in (b",", b"]") and depth == 1:
                text = buffer[start : token.start()]
                body = text.strip(_SPACE)
                line += text[: len(text) - len(text.lstrip(_SPACE))].count(b"\n")
                if body:
                    yield SourceRecord(line, body)
                elif token[0] == b"," or sign == b",":
                    raise malformed(line, phrase("nothing stands between two commas"))
                line += text.lstrip(_SPACE).count(b"\n")
            elif token[0] not in (b"[", b"{", b"]", b"}"):
                continue
            if depth == 0 or (depth == 1 and token[0] in (b",", b"]")):
                start, sign = token.end(), token[0]
            depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token[0], 0)
        else:
            position = len(buffer)
    if depth or sign != b"]" or buffer[start:].strip(_SPACE):
        raise malformed(line, phrase("the file must be one JSON array"))


class CompactSource:
    """The records of another source without the white space between their JSON tokens, whose text stays as it is.

    Fields can be committed to one by one only in compact JSON.
    """

    def __init__(self, source: RecordSource) -> None:
        self._source = source
        self.description = source.description

    def __iter__(self) -> Iterator[SourceRecord | Problem]:
        for item in self._source:
            yield (
                item
                if isinstance(item, Problem)
                else SourceRecord(item.line, msgspec.json.format(item.body, indent=-1))
            )


def open_source(path: Path, schema: str, options: SourceOptions = SourceOptions()) -> RecordSource:
    """The source for a file, by its name's end or by ``options.format``.

    Raises:
        PoolError: code ``bad_request`` for another kind of file; as the sources.
    """
    format_ = options.format or path.suffix.lower().removeprefix(".")
    if format_ == "csv":
        return CsvSource(path, schema, options)
    if format_ == "tsv":
        return CsvSource(path, schema, replace(options, delimiter=options.delimiter or "\t"))
    if format_ == "xlsx":
        return ExcelSource(path, schema, options)
    if format_ in ("ndjson", "jsonl"):
        return NdjsonSource(path, options)
    if format_ == "json":
        return JsonArraySource(path)
    if format_ == "parquet":
        from records.parquet import ParquetSource  # which is made of what is here

        return ParquetSource(path)
    endings = ", ".join(f".{known}" for known in FORMATS)
    detail = phrase(
        "{name}: a file of records ends in one of {endings}; if it does not, say --format",
        name=path.name,
        endings=endings,
    )
    raise PoolError(ErrorCode.BAD_REQUEST, detail)
