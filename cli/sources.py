"""Records in files: CSV and newline-delimited JSON, read one at a time so that memory stays flat.

CSV fields are text; what they become is decided by the dataset's JSON Schema, the same way every time, so that a file
submitted twice gives the same bytes:

- an empty field or ``NA`` is null where the schema allows null;
- ``integer``: decimal digits with an optional sign; ``number``: also decimals and exponents;
- ``boolean``: ``true`` or ``false``;
- ``string``: the text as it is. With several types the first that fits in this order wins.

A column that the schema does not describe is text. Lines of NDJSON are taken verbatim.
"""

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import orjson

from chain.errors import ErrorCode, PoolError

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}\Z", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\Z", re.ASCII)
_NULLS = frozenset({"", "NA"})
_BOOLEANS = {"true": True, "false": False}
_FIELD_SIZE_MAX = 256 * 1024

Value = str | int | float | bool | None


class SourceRecord(NamedTuple):
    """A record, and the line where it begins in its file (from 1)."""

    line: int
    body: bytes


class RecordSource(Protocol):
    """A file of records; each iteration reads it anew."""

    def __iter__(self) -> Iterator[SourceRecord]:
        """Records in order; raises ``malformed`` with ``line`` in its context."""
        ...


class CsvSource:
    """A CSV file (RFC 4180, UTF-8) whose first line names the columns."""

    def __init__(self, path: Path, schema: str) -> None:
        self._path = path
        self._properties: dict[str, Any] = orjson.loads(schema).get("properties", {}) if schema else {}

    def __iter__(self) -> Iterator[SourceRecord]:
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            csv.field_size_limit(_FIELD_SIZE_MAX)
            rows = csv.reader(file, strict=True)
            try:
                columns = next(rows, [])
                self._verify_columns(columns)
                converters = [(column, converter(self._properties.get(column))) for column in columns]
                line = rows.line_num + 1
                for row in rows:
                    if row:
                        yield SourceRecord(line, _convert_row(converters, row, line))
                    line = rows.line_num + 1
            except (csv.Error, UnicodeDecodeError) as error:
                raise _malformed(rows.line_num, str(error)) from None

    def _verify_columns(self, columns: list[str]) -> None:
        if not columns or "" in columns or len(set(columns)) != len(columns):
            raise _malformed(1, "the first line must name every column, each once")


class NdjsonSource:
    """A file with one JSON value a line; blank lines are passed over."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[SourceRecord]:
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                body = line.strip()
                if not body:
                    continue
                try:
                    orjson.loads(body)
                except orjson.JSONDecodeError as error:
                    raise _malformed(number, f"not JSON: {error}") from None
                yield SourceRecord(number, body)


class CompactSource:
    """The records of another source without the white space between their JSON tokens, whose text stays as it is.

    Fields can be committed to one by one only in compact JSON.
    """

    def __init__(self, source: RecordSource) -> None:
        self._source = source

    def __iter__(self) -> Iterator[SourceRecord]:
        for line, body in self._source:
            yield SourceRecord(line, msgspec.json.format(body, indent=-1))


def open_source(path: Path, schema: str) -> RecordSource:
    """The source for a file, by its name's end.

    Raises:
        PoolError: code ``bad_request`` for another kind of file.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return CsvSource(path, schema)
    if suffix in (".ndjson", ".jsonl"):
        return NdjsonSource(path)
    raise PoolError(ErrorCode.BAD_REQUEST, f"{path}: a file of records ends in .csv, .ndjson or .jsonl")


def converter(schema: object) -> Callable[[str], Value]:
    """What turns a CSV field into a JSON value for a property with this schema; raises ``ValueError`` if it cannot."""
    declared = schema.get("type", "string") if isinstance(schema, dict) else "string"
    types = frozenset([declared] if isinstance(declared, str) else declared)

    def convert(text: str) -> Value:
        if text in _NULLS and "null" in types:
            return None
        if ("integer" in types or "number" in types) and _INTEGER.match(text):
            return int(text)
        if "number" in types and _NUMBER.match(text):
            return float(text)
        if "boolean" in types and text in _BOOLEANS:
            return _BOOLEANS[text]
        if "string" in types:
            return text
        raise ValueError(f"{text!r} is not {' or '.join(sorted(types))}")

    return convert


def _convert_row(converters: list[tuple[str, Callable[[str], Value]]], row: list[str], line: int) -> bytes:
    if len(row) != len(converters):
        raise _malformed(line, f"{len(row)} fields, but the first line names {len(converters)} columns")
    record: dict[str, Value] = {}
    for (column, convert), text in zip(converters, row, strict=True):
        try:
            record[column] = convert(text)
        except ValueError as error:
            raise _malformed(line, f"column {column}: {error}") from None
    return orjson.dumps(record)


def _malformed(line: int, detail: str) -> PoolError:
    return PoolError(ErrorCode.MALFORMED, f"line {line}: {detail}", line=line)
