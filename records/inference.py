"""A proposal for the fields of a dataset, from a file of its records: exact, and on the safe side.

Whatever is proposed takes every record of the file as it stands. Text is proposed where a number might lose something:
leading zeros, codes of one length, more digits than a spreadsheet keeps. Values are never listed as the only ones that
are allowed, since tomorrow's file may have others: few different ones are named in the notes. What looks like personal
information is marked; a person decides.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.messages.phrases import phrase
from chain.primitives.json_reader import BadJson, JsonValue, is_integer, read_json
from chain.schema_formats import FORMATS
from records.field_table import FORMAT_NAMES, TYPES, FieldRow
from records.sources import CsvSource, ExcelSource, Problem, SourceOptions, SourceRecord, open_source
from records.text import malformed

FIELDS_MAX = 1024
_DIGITS_MAX = 15
"""Of a number that a spreadsheet keeps exactly."""
_CODE_LENGTH = 6
"""Whole numbers that all have one length of so many digits or more are codes."""
_VALUES_MAX = 12
_VALUE_LENGTH_MAX = 20
_REPEATED = 10
"""Values are few if each stands so often in the file, on average."""
_LIKELY = 0.9
"""Where so many values have a format, the field is meant to have it."""
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)\Z", re.ASCII)
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.([0-9]+)\Z", re.ASCII)
_BOOLEANS = frozenset({"true", "false", "TRUE", "FALSE"})
_BY_RARITY = ("cn-identity-number", "cn-credit-code", "date", "date-time", "phone")
_AS_RECOGNISED = SourceOptions()
_PERSONAL_FORMATS = frozenset({"cn-identity-number", "phone"})
_PERSONAL_NAMES = re.compile(
    "姓名|身份证|手机|电话|住址|地址|出生|邮箱|银行卡|护照|病历|person|birth|phone|mobile|e-?mail|address|passport",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Column:
    """What is known of one field so far."""

    filled: int = 0
    """Records that have a value there."""
    kinds: set[str] = field(default_factory=set)
    """Types of the values; ``cell`` in a table, whose cells have none."""
    integers: int = 0
    decimals: int = 0
    booleans: int = 0
    places: int = 0
    """Most decimals of a number."""
    is_long: bool = False
    """Whether a number has more digits than a spreadsheet keeps."""
    lengths: set[int] = field(default_factory=set)
    """Of whole numbers, in digits; up to two."""
    without_format: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By format: how many values do not have it, and the first line with one."""
    values: set[str] = field(default_factory=set)
    """Different values, up to one more than are named."""

    def add_text(self, text: str, line: int) -> None:
        """Note a cell, or a string of JSON."""
        self.filled += 1
        if _INTEGER.match(text):
            self.integers += 1
            digits = len(text.lstrip("-"))
            if len(self.lengths) < 2:
                self.lengths.add(digits)
            self.is_long |= digits > _DIGITS_MAX
        elif decimal := _DECIMAL.match(text):
            self.decimals += 1
            self.places = max(self.places, len(decimal[2]))
            self.is_long |= len(decimal[1]) + len(decimal[2]) > _DIGITS_MAX
        elif text in _BOOLEANS:
            self.booleans += 1
        for name, has_format in FORMATS.items():
            if not has_format(text):
                count, first = self.without_format.get(name, (0, line))
                self.without_format[name] = (count + 1, first)
        if len(self.values) <= _VALUES_MAX:
            self.values.add(text[: _VALUE_LENGTH_MAX + 1])

    def add_json(self, value: JsonValue, line: int) -> None:
        """Note a value of JSON that is not null."""
        if isinstance(value, str):
            self.kinds.add("string")
            self.add_text(value, line)
            return
        self.filled += 1
        if isinstance(value, bool):
            self.kinds.add("boolean")
        elif isinstance(value, int | Decimal):
            self.kinds.add("integer" if is_integer(value) else "number")
            self.places = max(self.places, -int(Decimal(value).as_tuple().exponent))
        else:
            self.kinds.add("object" if isinstance(value, dict) else "array")

    @property
    def type(self) -> str:
        """The type that takes all values."""
        if self.kinds - {"cell"}:
            if self.kinds == {"integer", "number"}:
                return "number"
            return next(iter(self.kinds)) if len(self.kinds) == 1 else "any"
        if not self.filled or self.format:
            return "string"
        if self.booleans == self.filled:
            return "boolean"
        if self.is_long or self.integers + self.decimals < self.filled:
            return "string"
        if self.decimals:
            return "number"
        is_code = len(self.lengths) == 1 and max(self.lengths) >= _CODE_LENGTH
        return "string" if is_code else "integer"

    @property
    def format(self) -> str:
        """The format that all values have; empty for none."""
        if not self.filled or self.kinds - {"cell", "string"}:
            return ""
        return next((name for name in _BY_RARITY if name not in self.without_format), "")

    @property
    def likely_format(self) -> str:
        """The format that most values have, but not all; empty for none."""
        for name in _BY_RARITY:
            count = self.without_format.get(name, (0, 0))[0]
            if 0 < count < self.filled * (1 - _LIKELY):
                return name
        return ""


@dataclass(frozen=True, slots=True)
class SchemaProposal:
    """What a file's records look like.

    Attributes:
        fields: one for each field, in the order of their first record.
        records: how many were read.
        description: what the file was recognised as.
    """

    fields: list[FieldRow]
    records: int
    description: str


def infer(
    path: Path, options: SourceOptions = _AS_RECOGNISED, on_progress: Callable[[int], None] | None = None
) -> SchemaProposal:
    """Read a file of records and propose fields for its dataset.

    Args:
        path: the file.
        options: what is known of it.
        on_progress: is told now and then how many records have been read.

    Raises:
        PoolError: code ``malformed`` for a file that holds no records, or records that are no JSON objects.
    """
    source = open_source(path, "", options)
    is_table = isinstance(source, CsvSource | ExcelSource)
    columns: dict[str, _Column] = {}
    records = 0
    for item in source:
        if isinstance(item, Problem):
            raise item.error()
        records += 1
        for name, value in _members(item).items():
            column = columns.setdefault(name, _Column())
            if is_table and isinstance(value, str) and value:
                column.add_text(value, item.line)
            elif value is not None and value != "":
                column.add_json(value, item.line)
        if len(columns) > FIELDS_MAX:
            raise malformed(
                item.line,
                phrase("a dataset of more than {fields_max:,} fields cannot be proposed", fields_max=FIELDS_MAX),
            )
        if on_progress is not None and records % 1000 == 0:
            on_progress(records)
    if not records:
        raise PoolError(
            ErrorCode.MALFORMED, phrase("the file ({description}) holds no records", description=source.description)
        )
    fields = [_proposed(name, column, records) for name, column in columns.items()]
    return SchemaProposal(fields, records, source.description)


def _members(record: SourceRecord) -> dict[str, JsonValue]:
    try:
        value = read_json(record.body)
    except BadJson as error:
        raise malformed(
            record.line,
            phrase(
                "not JSON ({name} at {pointer})",
                name=error.fault.name,
                pointer=error.pointer or phrase("the top level"),
            ),
        ) from None
    if not isinstance(value, dict):
        raise malformed(record.line, phrase("a record is no JSON object: its fields cannot be proposed"))
    return value


def _proposed(name: str, column: _Column, records: int) -> FieldRow:
    type_, format_ = column.type, column.format
    likely = "" if format_ else column.likely_format
    is_chinese = not name.isascii()
    parts = []
    if type_ == "number" and column.places <= LIMITS.number_digits - 1:
        parts.append(f"{column.places}位小数" if is_chinese else f"{column.places} decimals")
    elif format_ and type_ == "string":
        parts.append(FORMAT_NAMES[format_] if is_chinese else format_)
    is_personal = {format_, likely} & _PERSONAL_FORMATS or _PERSONAL_NAMES.search(name)
    return FieldRow(
        name,
        title_zh=name if is_chinese else "",
        title_en="" if is_chinese else name,
        type=TYPES[type_] if is_chinese else type_,
        format=";".join(parts),
        required=_word(column.filled == records, is_chinese),
        personal=_word(bool(is_personal), is_chinese),
        notes=_notes(column, type_, likely, is_chinese),
    )


def _word(is_so: bool, is_chinese: bool) -> str:
    return ("是" if is_chinese else "yes") if is_so else ""


def _notes(column: _Column, type_: str, likely: str, is_chinese: bool) -> str:
    """What a person should know before deciding."""
    if likely:
        count, line = column.without_format[likely]
        if is_chinese:
            return f"有 {count} 个值不是{FORMAT_NAMES[likely]}，首见于第 {line} 行"
        return f"{count} values are no {likely}, the first in line {line}"
    are_few = 0 < len(column.values) <= _VALUES_MAX and len(column.values) * _REPEATED <= column.filled
    if type_ != "string" or not are_few or max(map(len, column.values), default=0) > _VALUE_LENGTH_MAX:
        return ""
    return ("文件中的取值：" if is_chinese else "values in the file: ") + "; ".join(sorted(column.values))
