"""Records into files, written one at a time so that memory stays flat: NDJSON, CSV, Excel and Parquet.

NDJSON: each record as it was shared, byte for byte, one a line. Only JSON that spreads over several lines is joined.

CSV (RFC 4180, UTF-8) and Excel: the first line names the columns, which never change: the properties of the dataset's
schema in its order, then what else the first record has. Numbers keep their text, null and what is absent are empty,
nested values are JSON text. In CSV, a text that a spreadsheet would take for a formula gets an apostrophe before it
(CWE-1236); in Excel a cell says itself that it is text, and so are numbers with more digits than Excel keeps.

Parquet (``records.parquet``): the same columns, each with the type that the schema gives it.
"""

import csv
import os
import re
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Generic, Literal, Protocol, TypeVar, get_args

import msgspec
import orjson

from chain.errors import ErrorCode, PoolError
from chain.messages.phrases import phrase
from records.conversion import declared_properties
from records.excel import ExcelWriter
from records.parquet import ParquetRows

Format = Literal["ndjson", "csv", "xlsx", "parquet"]
OUT_FORMATS: tuple[Format, ...] = get_args(Format)

_SUFFIXES: dict[str, Format] = {f".{name}": name for name in OUT_FORMATS} | {".jsonl": "ndjson"}
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
"""Full-width signs begin formulas too, where the locale is East Asian."""
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_SHORT_NUMBER = re.compile(rb"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,14})?\Z")

Cell = TypeVar("Cell")
ExcelCell = str | int | float


class ReadRecord(Protocol):
    """What is written."""

    @property
    def id(self) -> object:
        """Names the record."""
        ...

    @property
    def body(self) -> bytes:
        """As it was shared."""
        ...


class RecordWriter(Protocol):
    """Writes records to a stream, in the order they are given."""

    def write(self, record: ReadRecord) -> None:
        """Write one record; raises ``malformed`` for one that the format cannot hold."""
        ...

    def close(self) -> None:
        """Write what belongs at the end; the stream stays open."""
        ...


class NdjsonWriter:
    """One JSON value a line."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, record: ReadRecord) -> None:
        """Write one record."""
        body = record.body
        try:
            orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise _unfit(
                record, phrase("it is not JSON ({error}); read it with the Python package instead", error=error)
            ) from None
        if b"\n" in body or b"\r" in body:
            body = msgspec.json.format(body, indent=-1)
        self._stream.write(body + b"\n")

    def close(self) -> None:
        """Nothing is missing."""


class TableWriter(Generic[Cell]):
    """One line a record, and one before them that names the columns.

    Args:
        write_row: takes the cells of a line.
        cell: makes a cell of a field's JSON.
        schema: the dataset's JSON Schema as text; empty for none.
        fields: the only fields that records have, where a grant is for some; None for all.
        close: what belongs at the end.
    """

    def __init__(
        self,
        write_row: Callable[[Iterable[Cell]], object],
        cell: Callable[[bytes], Cell],
        schema: str,
        fields: Sequence[str] | None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._write_row = write_row
        self._cell = cell
        self._nothing = cell(b"null")
        self._close = close
        self._declared = [name for name in declared_properties(schema) if fields is None or name in fields]
        self._columns: dict[str, None] = {}

    def write(self, record: ReadRecord) -> None:
        """Write one record; raises ``malformed`` also for one with a field that has no column."""
        try:
            cells = {name: self._cell(bytes(value)) for name, value in _OBJECT.decode(record.body).items()}
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _unfit(
                record, phrase("a table holds JSON objects only ({error}); use --format ndjson", error=error)
            ) from None
        if not self._columns:
            self._columns = dict.fromkeys([*self._declared, *cells])
            self._write(record, [self._cell(msgspec.json.encode(name)) for name in self._columns])
        if unknown := cells.keys() - self._columns:
            names = ", ".join(sorted(unknown))
            raise _unfit(
                record, phrase("the first line has no column for its field {names}; use --format ndjson", names=names)
            )
        self._write(record, [cells.get(column, self._nothing) for column in self._columns])

    def close(self) -> None:
        """Write what belongs at the end; a table without records has the columns that its schema names."""
        if not self._columns and self._declared:
            self._write_row([self._cell(msgspec.json.encode(name)) for name in self._declared])
        self._close()

    def _write(self, record: ReadRecord, cells: Iterable[Cell]) -> None:
        try:
            self._write_row(cells)
        except ValueError as error:
            raise _unfit(record, phrase("{error}; use --format ndjson", error=error)) from None


class _Utf8:
    """A binary stream that takes text."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(text.encode())


def format_of(path: Path | None) -> Format:
    """The format that a file's name ends in; NDJSON for standard output.

    Raises:
        PoolError: code ``bad_request`` for a name that says nothing, or something else.
    """
    if path is None or (path.exists() and not path.is_file()):
        return "ndjson"
    try:
        return _SUFFIXES[path.suffix.lower()]
    except KeyError:
        endings = ", ".join(_SUFFIXES)
        detail = phrase(
            "{path}: a file of records ends in {endings}. Name it so, or say --format", path=path, endings=endings
        )
        raise PoolError(ErrorCode.BAD_REQUEST, detail) from None


def open_writer(stream: BinaryIO, format_: Format, schema: str, fields: Sequence[str] | None = None) -> RecordWriter:
    """The writer for a format. ``schema`` (the dataset's) and ``fields`` name the columns of a table."""
    if format_ == "csv":
        return TableWriter(csv.writer(_Utf8(stream)).writerow, _csv_cell, schema, fields)
    if format_ == "xlsx":
        sheet = ExcelWriter(stream)
        return TableWriter(sheet.write, _excel_cell, schema, fields, sheet.close)
    if format_ == "parquet":
        rows = ParquetRows(stream, schema)
        return TableWriter(rows.write, bytes, schema, fields, rows.close)
    return NdjsonWriter(stream)


@contextmanager
def open_output(path: Path | None) -> Iterator[BinaryIO]:
    """Where a result goes: standard output for None, else a file that stands there whole or not at all.

    The file is made under another name beside the one that is meant, where links lead to, readable by its owner only,
    since it may hold what others must not read; it gets its name once it is on disk. A crash before that leaves
    ``.NAME.….part``, and what was there. Devices and pipes are written to as they are.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = path.resolve()
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        with path.open("wb") as file:
            yield file
        return
    descriptor, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def _text(value: bytes) -> str:
    """What a field's JSON becomes in a table."""
    if value.startswith(b'"'):
        return _TEXT.decode(value)
    return "" if value == b"null" else value.decode()


def _csv_cell(value: bytes) -> str:
    text = _text(value)
    return "'" + text if value.startswith(b'"') and text.startswith(FORMULA_STARTS) else text


def _excel_cell(value: bytes) -> ExcelCell:
    """Numbers as such where Excel keeps every digit and shows the same text."""
    if _SHORT_NUMBER.match(value) and len(value.replace(b".", b"").lstrip(b"-")) <= 15:
        number = float(value) if b"." in value else int(value)
        if str(number).encode() == value:
            return number
    return _text(value)


def _unfit(record: ReadRecord, reason: str) -> PoolError:
    return PoolError(
        ErrorCode.MALFORMED, phrase("record {id}: {reason}", id=record.id, reason=reason), record=str(record.id)
    )
