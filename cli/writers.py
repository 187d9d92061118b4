"""Records into files: newline-delimited JSON and CSV, written one at a time so that memory stays flat.

NDJSON: each record as it was shared, byte for byte, one a line. Only JSON that spreads over several lines is joined.

CSV (RFC 4180, UTF-8): the first line names the columns, which never change: the properties of the dataset's schema in
its order, then what else the first record has. Numbers keep their text, null and what is absent are empty, nested
values are JSON text. A text that a spreadsheet would take for a formula gets an apostrophe before it (CWE-1236).
"""

import csv
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import msgspec
import orjson

from blockpool import ErrorCode, PoolError, Record

Format = Literal["ndjson", "csv"]

_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
"""Full-width signs begin formulas too, where the locale is East Asian."""
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)


class RecordWriter(Protocol):
    """Writes records to a stream, in the order they are given."""

    def write(self, record: Record) -> None:
        """Write one record; raises ``malformed`` for one that the format cannot hold."""
        ...


class NdjsonWriter:
    """One JSON value a line."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, record: Record) -> None:
        """Write one record."""
        body = record.body
        try:
            orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise _unfit(record, f"it is not JSON ({error}); read it with the Python package instead") from None
        if b"\n" in body or b"\r" in body:
            body = msgspec.json.format(body, indent=-1)
        self._stream.write(body + b"\n")


class CsvWriter:
    """One line a record, and one before them that names the columns.

    Args:
        stream: where to write.
        schema: the dataset's JSON Schema as text; empty for none.
        fields: the only fields that records have, where a grant is for some; None for all.
    """

    def __init__(self, stream: BinaryIO, schema: str, fields: Sequence[str] | None = None) -> None:
        self._rows = csv.writer(_Utf8(stream))
        self._declared = [name for name in _properties(schema) if fields is None or name in fields]
        self._columns: dict[str, None] = {}

    def write(self, record: Record) -> None:
        """Write one record; raises ``malformed`` also for one with a field that has no column."""
        try:
            values = _OBJECT.decode(record.body)
            cells = {name: _cell(bytes(value)) for name, value in values.items()}
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _unfit(record, f"CSV holds JSON objects only ({error}); use --format ndjson") from None
        if not self._columns:
            self._columns = dict.fromkeys([*self._declared, *cells])
            self._rows.writerow(map(_guarded, self._columns))
        if unknown := cells.keys() - self._columns:
            names = ", ".join(sorted(unknown))
            raise _unfit(record, f"the first line has no column for its field {names}; use --format ndjson")
        self._rows.writerow([cells.get(column, "") for column in self._columns])


class _Utf8:
    """A binary stream that takes text."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(text.encode())


def open_writer(stream: BinaryIO, format_: Format, schema: str, fields: Sequence[str] | None = None) -> RecordWriter:
    """The writer for a format. ``schema`` (the dataset's) and ``fields`` name the columns of CSV."""
    return CsvWriter(stream, schema, fields) if format_ == "csv" else NdjsonWriter(stream)


@contextmanager
def open_output(path: Path | None) -> Iterator[BinaryIO]:
    """Where a result goes: standard output for None, else a file that stands there whole or not at all.

    The file is made under another name beside ``path``, readable by its owner only, since it may hold what others must
    not read; it gets its name once it is on disk. A crash before that leaves ``.NAME.….part``, and what was there.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
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


def _cell(value: bytes) -> str:
    """What a field's JSON becomes in CSV."""
    if value.startswith(b'"'):
        return _guarded(_TEXT.decode(value))
    return "" if value == b"null" else value.decode()


def _guarded(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def _properties(schema: str) -> Sequence[str]:
    return list(orjson.loads(schema).get("properties", {})) if schema else []


def _unfit(record: Record, reason: str) -> PoolError:
    return PoolError(ErrorCode.MALFORMED, f"record {record.id}: {reason}", record=str(record.id))
