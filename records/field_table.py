"""The table form of a schema, as officials write it in Excel or CSV: one line a field, into a JSON Schema and back.

Its first line names the columns, in English or in Chinese; ``name`` and ``type`` are needed, further columns are passed
over. A field that is not required may be empty, which is null in a record; a required text has a character at least.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from chain.errors import ErrorCode, PoolError, Refusal
from chain.facts import unpack
from chain.messages import sentence
from chain.messages.languages import LANGUAGE
from chain.messages.phrases import phrase
from chain.primitives.json_reader import BadJson, JsonValue, read_json
from chain.schema import DRAFT, compile_schema
from chain.schema_formats import FORMATS
from records.checking import Check
from records.excel import ExcelWriter
from records.json_values import json_text
from records.sources import Problem, SourceOptions, open_source
from records.text import malformed
from records.writers import FORMULA_STARTS

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".xlsx"})
COLUMNS = {
    "name": "字段名",
    "title_zh": "中文名称",
    "title_en": "英文名称",
    "type": "类型",
    "format": "格式",
    "required": "必填",
    "key": "主键",
    "personal": "个人信息",
    "enum": "取值",
    "notes": "说明",
}
"""Names of the columns, in English and in Chinese, in the order in which they are written."""
TYPES = {
    "string": "文本",
    "integer": "整数",
    "number": "数值",
    "boolean": "是否",
    "object": "对象",
    "array": "数组",
    "any": "任意",
}
"""Of JSON, in English and in Chinese; ``any`` says nothing."""
FORMAT_NAMES = {
    "date": "日期",
    "date-time": "日期时间",
    "cn-identity-number": "身份证号",
    "cn-credit-code": "统一社会信用代码",
    "phone": "电话",
}
"""Of the protocol's formats, in Chinese."""
_TYPE_WORDS = (
    {word: word for word in TYPES}
    | {chinese: word for word, chinese in TYPES.items()}
    | dict.fromkeys(("text", "字符", "字符型", "字符串"), "string")
    | dict.fromkeys(("整型", "int"), "integer")
    | dict.fromkeys(("小数", "数字", "数值型", "decimal"), "number")
    | dict.fromkeys(("布尔", "bool"), "boolean")
)
_FORMAT_WORDS = {word: word for word in FORMATS} | {chinese: word for word, chinese in FORMAT_NAMES.items()}
_YES = frozenset({"是", "yes", "y", "true", "1", "√", "✓"})
_NO = frozenset({"", "否", "no", "n", "false", "0", "×"})
_DECIMALS = re.compile(r"([0-9]{1,2}) *(?:decimals|位小数)\Z")
_LENGTH = re.compile(r"(?:length|长度) *([0-9]{1,6})(?: *- *([0-9]{1,6}))?\Z")
_RANGE = re.compile(r"(?:range|范围) *(-?[0-9.]+)? *\.\. *(-?[0-9.]+)?\Z")
_PATTERN = re.compile(r"(?:pattern|正则) *(.+)\Z", re.DOTALL)
_BREAKS = re.compile(r"[;；\n]")


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One line of the table, as it is written."""

    name: str
    title_zh: str = ""
    title_en: str = ""
    type: str = "string"
    format: str = ""
    """Parts between ``;``: a format of the protocol; for numbers ``2 decimals`` and ``range 0..100``; for texts
    ``length 1-20`` and, last, ``pattern ^...$``."""
    required: str = ""
    key: str = ""
    personal: str = ""
    enum: str = ""
    """The values that are allowed, between ``;``; what follows ``=`` in one says what it means."""
    notes: str = ""

    @property
    def cells(self) -> list[str]:
        """In the order of ``COLUMNS``."""
        return [getattr(self, column) for column in COLUMNS]


class _BadCell(ValueError):
    """A cell cannot be understood.

    Attributes:
        column: its column's name.
    """

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


def read_fields(path: Path) -> tuple[list[FieldRow], Check]:
    """The fields that a table describes, and what of it cannot be understood.

    Raises:
        PoolError: code ``malformed`` for a file that is no table, or lacks a column.
    """
    check, found = Check(), []
    names: set[str] = set()
    for item in open_source(path, "", SourceOptions()):
        if isinstance(item, Problem):
            check.add(item)
            continue
        cells = msgspec.json.decode(item.body, type=dict[str, str])
        headings = {column: _heading(cells, column) for column in COLUMNS}
        for column in ("name", "type"):
            if headings[column] is None:
                raise malformed(
                    1,
                    phrase(
                        "the first line names no column {column} ({chinese})", column=column, chinese=COLUMNS[column]
                    ),
                )
        given = {column: cells.get(heading or "", "") for column, heading in headings.items()}
        given = {column: text if column == "name" else text.strip() for column, text in given.items()}
        if not any(given.values()):
            continue
        field = FieldRow(**given)
        try:
            _verify(field, names)
            found.append(field)
            check.records += 1
        except _BadCell as error:
            check.add(Problem(item.line, headings[error.column] or error.column, ErrorCode.MALFORMED, str(error)))
    return found, check


def schema_of(described: Iterable[FieldRow]) -> str:
    """The JSON Schema of fields."""
    properties, required, key = {}, [], []
    for field in described:
        properties[field.name] = _property(field)
        if _is_yes("key", field.key):
            key.append(field.name)
        if _is_yes("required", field.required):
            required.append(field.name)
    return json_text(
        {
            "$schema": DRAFT,
            "type": "object",
            "properties": properties,
            **({"required": required} if required else {}),
            **({"key": key} if key else {}),
            "additionalProperties": False,
        }
    )


def _heading(cells: dict[str, str], column: str) -> str | None:
    """What the table calls one of the columns; None if it has none such."""
    return next((name for name in cells if name.strip().lower() in (column, COLUMNS[column])), None)


def _verify(field: FieldRow, names: set[str]) -> None:
    if not field.name:
        raise _BadCell("name", phrase("a field needs a name"))
    if field.name != field.name.strip():
        raise _BadCell("name", phrase("{name!r} begins or ends with white space", name=field.name))
    if field.name in names:
        raise _BadCell("name", phrase("{name!r} is described twice", name=field.name))
    names.add(field.name)
    is_scalar = _property(field).get("type") in ("string", "integer")  # in one form, and never null
    if _is_yes("key", field.key) and not is_scalar:
        raise _BadCell("key", phrase("a key field is a required text or integer"))
    text = json_text({"properties": {field.name: _property(field)}})
    try:
        compile_schema(text)
    except Refusal as refusal:
        column = "enum" if str(refusal.context.get("pointer", "")).endswith("/enum") else "format"
        raise _BadCell(column, sentence(refusal.code, unpack(refusal.facts), LANGUAGE.get())) from None


def _property(field: FieldRow) -> dict[str, Any]:
    """What the JSON Schema says of a field."""
    type_, format_ = field.type.lower(), field.format
    if type_ in _FORMAT_WORDS:
        type_, format_ = "string", f"{type_};{format_}"
    if type_ not in _TYPE_WORDS:
        raise _BadCell(
            "type",
            phrase(
                "{type!r} is none of: {words}",
                type=field.type,
                words=", ".join([*TYPES, *TYPES.values(), *_FORMAT_WORDS]),
            ),
        )
    type_ = _TYPE_WORDS[type_]
    is_required = _is_yes("required", field.required)
    described: dict[str, Any] = {} if type_ == "any" else {"type": type_ if is_required else [type_, "null"]}
    for column, keyword in (("title_zh", "title"), ("title_en", "titleEn"), ("notes", "description")):
        if text := getattr(field, column):
            described[keyword] = text
    if _is_yes("personal", field.personal):
        described["personal"] = True
    if field.enum:
        described["enum"] = [*_values(field.enum, type_), *([] if is_required else [None])]
    elif type_ == "string" and is_required:
        described["minLength"] = 1
    return described | _format(format_, type_)


def _format(text: str, type_: str) -> dict[str, Any]:
    """The keywords that a cell of the column ``format`` stands for."""
    found: dict[str, Any] = {}
    while text:
        if type_ == "string" and (pattern := _PATTERN.match(text)):
            return found | {"pattern": pattern[1].strip()}
        part, _, text = _BREAKS.sub("\n", text, count=1).partition("\n")
        part, text = part.strip(), text.strip()
        if part:
            found |= _format_part(part, type_)
    return found


def _format_part(part: str, type_: str) -> dict[str, Any]:
    is_text, is_number = type_ == "string", type_ in ("integer", "number")
    if is_text and part in _FORMAT_WORDS:
        return {"format": _FORMAT_WORDS[part]}
    if is_text and (length := _LENGTH.match(part)) and int(length[1]) <= int(length[2] or length[1]):
        return {"minLength": int(length[1]), "maxLength": int(length[2] or length[1])}
    if type_ == "number" and (decimals := _DECIMALS.match(part)):
        return {"multipleOf": _number(f"1e-{decimals[1]}")}
    if is_number and (limits := _RANGE.match(part)) and any(limits.groups()):
        ends = {"minimum": limits[1], "maximum": limits[2]}
        return {keyword: _number(end) for keyword, end in ends.items() if end}
    raise _BadCell("format", phrase("{part!r} is no format for the type {type_}", part=part, type_=type_))


def _values(text: str, type_: str) -> list[Any]:
    values = [part.partition("=")[0].strip() for part in _BREAKS.split(text)]
    if type_ == "string":
        return [value for value in values if value]
    if type_ not in ("integer", "number"):
        raise _BadCell("enum", phrase("values cannot be listed for the type {type_}", type_=type_))
    try:
        return [_number(value) for value in values if value]
    except _BadCell as error:
        raise _BadCell("enum", str(error)) from None


def _number(text: str) -> JsonValue:
    try:
        return read_json(text.encode())
    except BadJson:
        raise _BadCell("format", phrase("{text!r} is no number as JSON writes it", text=text)) from None


def _is_yes(column: str, text: str) -> bool:
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise _BadCell(column, phrase("{text!r} is neither 是 (yes) nor 否 (no)", text=text))


def write_fields(stream: BinaryIO, described: Sequence[FieldRow], suffix: str) -> None:
    """Write fields as a table that ``read_fields`` reads, or as the JSON Schema of them.

    Args:
        stream: where it goes.
        described: the fields.
        suffix: ``.xlsx``, ``.csv`` (with the mark that has Excel read UTF-8) or ``.json``.

    Raises:
        PoolError: code ``bad_request`` for another suffix, ``malformed`` for a text that a spreadsheet would take for
            a formula.
    """
    headings = list(COLUMNS.values() if any(not field.name.isascii() for field in described) else COLUMNS)
    rows = [headings, *(field.cells for field in described)]
    if suffix == ".json":
        stream.write(msgspec.json.format(schema_of(described).encode()) + b"\n")
    elif suffix == ".csv":
        for row in rows:
            if formula := next((cell for cell in row if cell.startswith(FORMULA_STARTS)), None):
                raise PoolError(
                    ErrorCode.MALFORMED,
                    phrase("{formula!r} would be a formula in CSV: write .xlsx or .json", formula=formula),
                )
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        stream.write(text.getvalue().encode("utf-8-sig"))
    elif suffix == ".xlsx":
        book = ExcelWriter(stream)
        for row in rows:
            book.write(row)
        book.close()
    else:
        raise PoolError(ErrorCode.BAD_REQUEST, phrase("a file of fields ends in .xlsx, .csv or .json"))
