"""Parquet files, read and written in pieces so that memory stays flat. The library comes with the extra ``parquet``.

A column's type says what its values are, so none is converted: whole numbers and decimals are JSON numbers with every
digit they have, texts are texts. Dates and times are texts as ISO 8601 writes them, of those with a time zone in UTC
(``Z``), with as many decimals as they need. Lists and structs are arrays and objects; a column of JSON is the JSON
itself. Bytes, durations, maps and numbers that are none have no JSON: they are refused with row and column.
"""

import datetime
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring as json_string
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from chain.errors import ErrorCode
from chain.extras import extra
from chain.limits import LIMITS
from chain.messages.phrases import phrase
from chain.primitives.json_reader import BadJson, read_json
from records.conversion import declared_properties
from records.sources import Problem, SourceRecord, column_names
from records.text import malformed

if TYPE_CHECKING:
    import pyarrow

_ROWS_AT_ONCE = 4096
_BUFFER_SIZE_BYTES = 1024 * 1024
_GROUP_ROWS = 64 * 1024
_GROUP_SIZE_BYTES = 32 * 1024 * 1024
"""Of values that wait to be written."""
_DECIMAL_DIGITS = 38
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY_MS = 86_400_000
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001  (of no zone: what is added to it has its own)
_TEXT = msgspec.json.Decoder(str)


class _Refused(str):
    """Why a value has no JSON text: stands in its place."""

    __slots__ = ()


class ParquetSource:
    """The rows of a Parquet file, as records with a field for each column. Rows are counted as lines, from 1.

    Raises:
        PoolError: codes ``malformed`` for a file that is none, ``extra_missing``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as file:
            self._rows = file.metadata.num_rows
            column_names(file.schema_arrow.names)

    @property
    def description(self) -> str:
        """How many rows."""
        return phrase("Parquet, {rows:,} rows", rows=self._rows)

    def __iter__(self) -> Iterator[SourceRecord | Problem]:
        """Raises ``malformed`` with the row from which on the file is damaged."""
        import pyarrow

        line = 1
        with self._open() as file:
            names = [json_string(name) + ":" for name in file.schema_arrow.names]
            batches = file.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False)
            while True:
                try:
                    batch = next(batches, None)
                    columns = [] if batch is None else [_texts(column) for column in batch.columns]
                except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
                    raise malformed(line, phrase("the file is damaged from here on ({error})", error=error)) from None
                if batch is None:
                    return
                for cells in zip(*columns, strict=True):
                    yield _record(line, names, cells)
                    line += 1

    def _open(self) -> "pyarrow.parquet.ParquetFile":
        with extra("parquet"):
            import pyarrow.parquet
        try:
            return pyarrow.parquet.ParquetFile(
                self._path, buffer_size=_BUFFER_SIZE_BYTES, pre_buffer=False, page_checksum_verification=True
            )
        except (pyarrow.ArrowException, OSError) as error:
            raise malformed(1, phrase("not a readable Parquet file ({error})", error=error)) from None


def _record(line: int, names: Sequence[str], cells: Sequence[str]) -> SourceRecord | Problem:
    for name, text in zip(names, cells, strict=True):
        if type(text) is _Refused:
            return Problem(line, _TEXT.decode(name[:-1]), ErrorCode.MALFORMED, str(text))
    fields = [name + text for name, text in zip(names, cells, strict=True)]
    return SourceRecord(line, ("{" + ",".join(fields) + "}").encode())


def _texts(array: Any, depth: int = LIMITS.json_depth) -> list[str]:
    """The JSON text of each value of a column."""
    import pyarrow

    types, kind = pyarrow.types, array.type
    if depth == 0:
        return [_Refused(phrase("it is nested too deep"))] * len(array)
    if types.is_dictionary(kind):
        return _texts(array.dictionary_decode(), depth)
    if isinstance(kind, pyarrow.BaseExtensionType):
        if kind.extension_name == "arrow.json":
            return _converted(array.storage, _checked_json)
        return _texts(array.storage, depth)
    if types.is_struct(kind):
        return _structs(array, depth)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _lists(array, depth)
    if types.is_timestamp(kind):
        per_second, ending = _UNITS[kind.unit], "Z" if kind.tz else ""
        return _converted(array.cast(pyarrow.int64()), lambda value: _moment(value, per_second, ending))
    if types.is_time(kind):
        per_second = _UNITS[kind.unit]
        whole = pyarrow.int32() if types.is_time32(kind) else pyarrow.int64()
        return _converted(array.cast(whole), lambda value: '"' + _moment(value, per_second, "")[len('"1970-01-01T') :])
    if types.is_date64(kind):
        return _converted(array.cast(pyarrow.int64()), _day_of)
    if types.is_date32(kind):
        return _converted(array.cast(pyarrow.int32()), lambda value: _day_of(value * _DAY_MS))
    if types.is_decimal(kind):
        return _converted(array, lambda value: format(value, "f"))
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return _converted(array, json_string)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return _converted(array, _number_or_boolean)
    return [
        "null" if is_null else _Refused(phrase("{kind} has no JSON", kind=kind))
        for is_null in array.is_null().to_pylist()
    ]


def _converted(array: Any, text_of: Callable[[Any], str]) -> list[str]:
    """Values as Python has them, each by itself where one of them cannot be had."""
    try:
        return ["null" if value is None else text_of(value) for value in array.to_pylist()]
    except (ValueError, OverflowError):
        return [_one(value, text_of) for value in array]


def _one(scalar: Any, text_of: Callable[[Any], str]) -> str:
    try:
        value = scalar.as_py()
        return "null" if value is None else text_of(value)
    except OverflowError:
        return _Refused(phrase("a time that is out of range"))
    except ValueError as error:
        return _Refused(error)


def _structs(array: Any, depth: int) -> list[str]:
    names = [json_string(array.type.field(index).name) + ":" for index in range(array.type.num_fields)]
    rows = zip(*[_texts(column, depth - 1) for column in array.flatten()], strict=True) if names else [()] * len(array)
    return [
        _joined("{", names, cells, "}") if is_valid else "null"
        for is_valid, cells in zip(array.is_valid().to_pylist(), rows, strict=True)
    ]


def _lists(array: Any, depth: int) -> list[str]:
    items = _texts(array.flatten(), depth - 1)
    result, start = [], 0
    lengths = array.value_lengths().to_pylist()
    for length in lengths:
        if length is None:
            result.append("null")
        else:
            result.append(_joined("[", [""] * length, items[start : start + length], "]"))
            start += length
    return result


def _joined(before: str, names: Sequence[str], cells: Sequence[str], after: str) -> str:
    refused = next((cell for cell in cells if type(cell) is _Refused), None)
    if refused is not None:
        return refused
    return before + ",".join([name + cell for name, cell in zip(names, cells, strict=True)]) + after


def _number_or_boolean(value: float | int | bool) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(phrase("{value} is no number of JSON", value=value))
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _checked_json(text: str) -> str:
    try:
        read_json(text.encode())
    except BadJson as error:
        raise ValueError(
            phrase(
                "not JSON ({name} at {pointer})",
                name=error.fault.name,
                pointer=error.pointer or phrase("the top level"),
            )
        ) from None
    return text


def _moment(value: int, per_second: int, ending: str) -> str:
    seconds, rest = divmod(value, per_second)
    moment = _EPOCH + datetime.timedelta(seconds=seconds)
    decimals = f".{rest:0{len(str(per_second)) - 1}}".rstrip("0") if rest else ""
    return f'"{moment.isoformat()}{decimals}{ending}"'


def _day_of(value_ms: int) -> str:
    days, rest = divmod(value_ms, _DAY_MS)
    if rest:
        raise ValueError(phrase("a date that is not at the beginning of its day"))
    return f'"{(_EPOCH + datetime.timedelta(days=days)).date().isoformat()}"'


class ParquetRows:
    """Rows of JSON texts into a Parquet file; the first names the columns.

    A column has the type that the dataset's schema gives it: texts, dates, whole numbers (64 bits), decimals of the
    scale that ``multipleOf`` says, other numbers as binary64 where that gives the same number back. Whatever has
    several types, or is not described, is a column of JSON.

    Args:
        stream: where the file goes.
        schema: the dataset's JSON Schema as text; empty for none.

    Raises:
        PoolError: code ``extra_missing``.
    """

    def __init__(self, stream: BinaryIO, schema: str) -> None:
        with extra("parquet"):
            import pyarrow.parquet
        self._stream = stream
        self._properties = declared_properties(schema)
        self._names: list[str] = []
        self._types: list[pyarrow.DataType] = []
        self._readers: list[Callable[[bytes], Any]] = []
        self._columns: list[list[Any]] = []
        self._size_bytes = 0
        self._writer: pyarrow.parquet.ParquetWriter | None = None

    def write(self, cells: Iterable[bytes]) -> None:
        """Write one row of JSON texts.

        Raises:
            ValueError: for a value that its column's type does not hold exactly.
        """
        if self._writer is None:
            self._begin([_TEXT.decode(name) for name in cells])
            return
        row = []
        for name, read, text in zip(self._names, self._readers, cells, strict=True):
            try:
                row.append(None if text == b"null" else read(text))
            except (ValueError, ArithmeticError, msgspec.MsgspecError) as error:
                raise ValueError(
                    phrase("its field {name} does not fit the column's type ({error})", name=name, error=error)
                ) from None
            self._size_bytes += len(text)
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)
        if len(self._columns[0]) == _GROUP_ROWS or self._size_bytes > _GROUP_SIZE_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what belongs at the end."""
        if self._writer is None:
            self._begin([])
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _begin(self, names: list[str]) -> None:
        import pyarrow.parquet

        self._names = names
        for name in names:
            type_, reader = _column(self._properties.get(name))
            self._types.append(type_)
            self._readers.append(reader)
        self._columns = [[] for _ in names]
        fields = [pyarrow.field(name, type_) for name, type_ in zip(names, self._types, strict=True)]
        self._writer = pyarrow.parquet.ParquetWriter(
            self._stream, pyarrow.schema(fields), compression="zstd", write_page_checksum=True
        )

    def _flush(self) -> None:
        import pyarrow

        if self._writer is None or not self._columns or not self._columns[0]:
            return
        arrays = []
        for type_, values in zip(self._types, self._columns, strict=True):
            if isinstance(type_, pyarrow.BaseExtensionType):
                arrays.append(pyarrow.ExtensionArray.from_storage(type_, pyarrow.array(values, type_.storage_type)))
            else:
                arrays.append(pyarrow.array(values, type_))
            values.clear()
        self._writer.write_batch(pyarrow.record_batch(arrays, schema=self._writer.schema))
        self._size_bytes = 0


def _column(declared: object) -> "tuple[pyarrow.DataType, Callable[[bytes], Any]]":
    """The type of a property's column, and what reads a JSON text for it."""
    import pyarrow

    if isinstance(declared, dict) and "type" in declared:
        types = declared["type"]
        kinds = frozenset([types] if isinstance(types, str) else types) - {"null"}
        if kinds == {"string"}:
            return (pyarrow.date32(), _date) if declared.get("format") == "date" else (pyarrow.string(), _TEXT.decode)
        if kinds == {"boolean"}:
            return pyarrow.bool_(), msgspec.json.Decoder(bool).decode
        if kinds == {"integer"}:
            return pyarrow.int64(), _integer
        if "number" in kinds and kinds <= {"integer", "number"}:
            scale = _scale(declared.get("multipleOf"))
            if scale is None:
                return pyarrow.float64(), _binary64
            return pyarrow.decimal128(_DECIMAL_DIGITS, scale), lambda text: _decimal(text, scale)
    return pyarrow.json_(), lambda text: text.decode()


def _scale(multiple: object) -> int | None:
    """Decimals of a number that is a multiple of one tenth, one hundredth and so on; None for any other."""
    found = re.fullmatch(r"1|0\.(0*1)|1[eE]-0*([0-9]{1,2})", str(multiple))
    if found is None:
        return None
    scale = int(found[2]) if found[2] else len(found[1] or "")
    return scale if scale <= _DECIMAL_DIGITS else None


def _number(text: bytes) -> Decimal:
    try:
        return Decimal(text.decode())
    except InvalidOperation:
        raise ValueError(phrase("no number")) from None


def _integer(text: bytes) -> int:
    number = _number(text)
    whole = int(number) if number.adjusted() < 20 else 1 << 63
    if whole != number or not -(1 << 63) <= whole < 1 << 63:
        raise ValueError(phrase("no whole number of 64 bits"))
    return whole


def _decimal(text: bytes, scale: int) -> Decimal:
    number = _number(text)
    if number.adjusted() >= _DECIMAL_DIGITS - scale or int(number.as_tuple().exponent) < -_DECIMAL_DIGITS:
        raise ValueError(phrase("more than {decimal_digits} digits", decimal_digits=_DECIMAL_DIGITS))
    shifted = number.scaleb(scale)
    if shifted != int(shifted):
        raise ValueError(phrase("more than {scale} decimals", scale=scale))
    return number


def _binary64(text: bytes) -> float:
    number = _number(text)
    value = float(number)
    if Decimal(repr(value)) != number:
        raise ValueError(phrase("binary64 would change it; say multipleOf in the schema"))
    return value


def _date(text: bytes) -> datetime.date:
    value = _TEXT.decode(text)
    day = datetime.date.fromisoformat(value)
    if day.isoformat() != value:
        raise ValueError(phrase("no date"))
    return day
