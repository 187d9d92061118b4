"""JSON Schemas of datasets, and checking records against them the same way on every validator.

Only keywords whose verdict cannot depend on the implementation are taken (draft 2020-12): no patterns (regular
expressions differ), formats, references, ``multipleOf`` or combinators. Schemas and records are JSON texts as the
protocol reads them (``chain.primitives.json_reader``).
"""

from collections import OrderedDict
from collections.abc import Container, Sequence
from threading import Lock
from typing import Any

from chain.errors import ErrorCode, Refusal
from chain.limits import LIMITS, MIB
from chain.primitives.crypto import Hash, sha256
from chain.primitives.json_reader import (
    BadJson,
    Fault,
    JsonValue,
    is_integer,
    is_nested_too_deep,
    pointer_of,
    read_json,
    read_records,
)
from chain.schema_rules import ALL_TYPES, BREAKS, JSON_TYPES, NUMBERS, Choices, Limit, Rule

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_COUNT_MAX = 2**31
_LENGTHS, _SIZES, _COUNTS = ("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_TEXTS = frozenset({"title", "description", "$comment"})
_SCHEMAS = frozenset({"items", "additionalProperties"})
KEYWORDS = frozenset(
    {"$schema", "type", "properties", "required", "enum", "const", *_LENGTHS, *_SIZES, *_COUNTS}
    | {*_BOUNDS, *_TEXTS, *_SCHEMAS}
)
"""Keywords that a dataset's schema may use."""
_Place = tuple[str, ...]


class RecordSchema:
    """A compiled schema. Get it through ``compile_schema``.

    Attributes:
        hash: SHA-256 of the schema's text.
        rule: what it asks of one value.
    """

    def __init__(self, text: str) -> None:
        self.hash: Hash = sha256(text.encode())
        self.rule = _compile(text)

    def check(self, records: Sequence[bytes]) -> Refusal | None:
        """The first violation among ``records``, or None: the first record that is not JSON as the protocol reads it,
        or breaks the schema."""
        values, bad = read_records(records)
        if not self.rule.accepts(values):
            for index, value in enumerate(values):
                violation = self.rule.first_violation(value)
                if violation is not None:
                    keyword, place = violation
                    return _violation(index, pointer_of(place[::-1]), keyword)
        return None if bad is None else unreadable(len(values), bad)


class NoSchema:
    """What records have to satisfy where no schema is: they may be any bytes, but no JSON that readers choke on."""

    hash: Hash = sha256(b"")

    def check(self, records: Sequence[bytes]) -> Refusal | None:
        """The first record that is nested too deep, or None."""
        for index, record in enumerate(records):
            if is_nested_too_deep(record):
                return unreadable(index, BadJson(Fault.DEPTH))
        return None


RecordCheck = RecordSchema | NoSchema
_NO_SCHEMA = NoSchema()
_KNOWN_SIZE = 2 * MIB
"""Characters of all texts that are kept compiled; a compiled schema takes up to 60 times its text in memory."""
_known: OrderedDict[str, RecordSchema] = OrderedDict()
"""Compiled schemas by their texts, the one asked for last at the end."""
_known_lock = Lock()
"""Blocks are executed in other threads too."""


def record_rules(text: str) -> RecordCheck:
    """What a dataset's records have to satisfy; ``text`` is that of its schema, empty for none. Raises as
    ``compile_schema``."""
    return compile_schema(text) if text else _NO_SCHEMA


def compile_schema(text: str) -> RecordSchema:
    """The checker for a schema given as JSON text. Those asked for last are kept.

    Raises:
        Refusal: codes ``bad_schema``, ``schema_too_large``, ``schema_not_json``, ``schema_keyword``,
            ``schema_argument``.
    """
    with _known_lock:
        if text in _known:
            _known.move_to_end(text)
            return _known[text]
    schema = RecordSchema(text)
    with _known_lock:
        _known[text] = schema
        while sum(map(len, _known)) > _KNOWN_SIZE:
            _known.popitem(last=False)
    return schema


def _compile(text: str) -> Rule:
    encoded = text.encode()
    if len(encoded) > LIMITS.schema_size_bytes:
        raise Refusal(ErrorCode.SCHEMA_TOO_LARGE, found=len(encoded), limit=LIMITS.schema_size_bytes)
    try:
        schema = read_json(encoded)
    except BadJson as error:
        raise Refusal(ErrorCode.SCHEMA_NOT_JSON, pointer=error.pointer, keyword=error.fault.value) from None
    if not isinstance(schema, dict):
        raise Refusal(ErrorCode.BAD_SCHEMA, pointer="")
    return _rule_of(schema, ())


def _subschema(keyword: str, schema: JsonValue, place: _Place) -> Rule | None:
    """The rule of a schema under ``keyword``; None if it allows everything."""
    if isinstance(schema, bool):
        return None if schema else Rule(frozenset(), keyword)
    if not isinstance(schema, dict):
        raise Refusal(ErrorCode.SCHEMA_ARGUMENT, pointer=pointer_of(place))
    return _rule_of(schema, place) if schema else None


def _rule_of(schema: dict[str, JsonValue], place: _Place) -> Rule:
    """Checks the keywords in the order of the text, so that the first that is wrong is the one that is named."""
    properties: dict[str, Rule | None] = {}
    subschemas: dict[str, Rule | None] = {}
    for keyword, argument in schema.items():
        here = (*place, keyword)
        if keyword not in KEYWORDS:
            raise Refusal(ErrorCode.SCHEMA_KEYWORD, pointer=pointer_of(here))
        if keyword in _SCHEMAS:
            subschemas[keyword] = _subschema(keyword, argument, here)
        elif keyword == "properties" and isinstance(argument, dict):
            properties = {name: _subschema(keyword, child, (*here, name)) for name, child in argument.items()}
        elif not _is_argument(keyword, argument):
            raise Refusal(ErrorCode.SCHEMA_ARGUMENT, pointer=pointer_of(here))
    return _assemble(schema, properties, subschemas)


def _assemble(schema: dict[str, Any], properties: dict[str, Rule | None], subschemas: dict[str, Rule | None]) -> Rule:
    """The rule of a schema whose keywords have been checked."""
    names = _listed(schema.get("type", []))
    choices = {"const": [schema["const"]] if "const" in schema else None, "enum": schema.get("enum")}
    return Rule(
        types=frozenset().union(*(JSON_TYPES[name] for name in names)) or ALL_TYPES,
        integers_only="integer" in names and "number" not in names,
        choices=tuple((keyword, Choices(values)) for keyword, values in choices.items() if values is not None),
        bounds=_limits(schema, _BOUNDS),
        lengths=_limits(schema, _LENGTHS),
        sizes=_limits(schema, _SIZES),
        items=subschemas.get("items"),
        counts=_limits(schema, _COUNTS),
        required=tuple(schema.get("required", ())),
        properties=properties,
        additional=subschemas.get("additionalProperties"),
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _limits(schema: dict[str, Any], keywords: Sequence[str]) -> tuple[Limit, ...]:
    return tuple((keyword, BREAKS[keyword], schema[keyword]) for keyword in keywords if keyword in schema)


def _is_argument(keyword: str, value: JsonValue) -> bool:
    """Whether a keyword that takes no schema takes this value."""
    if keyword == "$schema":
        return value == DRAFT
    if keyword in _TEXTS:
        return isinstance(value, str)
    if keyword == "type":
        return _are_names(_listed(value), JSON_TYPES) and value != []
    if keyword == "required":
        return isinstance(value, list) and _are_names(value)
    if keyword == "enum":
        return isinstance(value, list) and bool(value) and not any(isinstance(item, list | dict) for item in value)
    if keyword == "const":
        return not isinstance(value, list | dict)
    if keyword in _BOUNDS:
        return type(value) in NUMBERS
    return keyword != "properties" and is_integer(value) and 0 <= value <= _COUNT_MAX  # type: ignore[operator]


def _are_names(values: list[JsonValue], known: Container[str] | None = None) -> bool:
    """Whether these are strings, each once, and known where it is said which are."""
    names = [value for value in values if isinstance(value, str) and (known is None or value in known)]
    return len(set(names)) == len(values)


def unreadable(record_index: int, bad: BadJson) -> Refusal:
    """The refusal of a record that is not JSON as the protocol reads it."""
    return _violation(record_index, bad.pointer, bad.fault)


def _violation(record_index: int, pointer: str, keyword: str) -> Refusal:
    """Says which record is wrong, where, and which keyword or rule of JSON texts it breaks."""
    return Refusal(ErrorCode.SCHEMA_VIOLATION, record_index=record_index, pointer=pointer, keyword=keyword)
