"""JSON Schemas of datasets, and checking records against them the same way on every validator.

Only keywords whose verdict cannot depend on the implementation are taken (draft 2020-12): no references or combinators;
patterns are of the protocol's own language (``chain.schema_patterns``), formats those that it defines
(``chain.schema_formats``), ``multipleOf`` takes powers of ten. Schemas and records are JSON texts as the protocol reads
them (``chain.primitives.json_reader``).
"""

from collections import OrderedDict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from decimal import Decimal
from threading import Lock
from typing import Any, NamedTuple

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
from chain.record_keys import KEY_FIELDS_MAX
from chain.schema_formats import FORMATS
from chain.schema_pattern_grammar import BadPattern
from chain.schema_patterns import Pattern, PatternBudget
from chain.schema_rules import ALL_TYPES, BREAKS, JSON_TYPES, NUMBERS, Choices, Limit, Rule, Test, is_multiple_of

_KEY = "key"
"""Keyword of ours, of the schema as a whole alone: names the fields that tell records apart."""
_KEY_TYPES = ("string", "integer")
DRAFT = "https://json-schema.org/draft/2020-12/schema"
_COUNT_MAX = 2**31
_LENGTHS, _SIZES, _COUNTS = ("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_TEXTS = frozenset({"title", "titleEn", "description", "$comment"})
_SCHEMAS = frozenset({"items", "additionalProperties"})
KEYWORDS = frozenset(
    {"$schema", "type", "properties", "required", "enum", "const", "multipleOf", "pattern", "format", "personal"}
    | {*_LENGTHS, *_SIZES, *_COUNTS, *_BOUNDS, *_TEXTS, *_SCHEMAS}
)
"""Keywords that a dataset's schema may use."""
_Place = tuple[str, ...]


@dataclass(slots=True)
class _Budget(PatternBudget):
    """What one schema may cost."""

    subschemas: int = LIMITS.schema_subschemas


class RecordSchema:
    """A compiled schema. Get it through ``compile_schema``.

    Attributes:
        hash: SHA-256 of the schema's text.
        rule: what it asks of one value.
        key_fields: fields whose values tell a dataset's records apart; none where records have no keys.
        has_personal: whether it marks anything as personal information.
        weight: what it takes of the room for compiled schemas, in characters of a text without patterns.
    """

    def __init__(self, text: str) -> None:
        self.hash: Hash = sha256(text.encode())
        budget = _Budget()
        value = _read(text)
        self.has_personal = _marks_personal(value)
        self.rule, self.key_fields = _compile(value, budget)
        self.weight = len(text) + _STEP_WEIGHT * budget.steps_spent + _PATTERN_WEIGHT * budget.patterns

    def check(self, records: Sequence[bytes]) -> Refusal | None:
        """The first violation among ``records``, or None: the first record that is not JSON as the protocol reads it,
        or breaks the schema."""
        return self.read(records)[1]

    def read(self, records: Sequence[bytes]) -> tuple[list[JsonValue], Refusal | None]:
        """The values of ``records`` and the first violation among them, or None: then each record has its value."""
        values, bad = read_records(records)
        if not self.rule.accepts(values):
            for index, value in enumerate(values):
                violation = self.rule.first_violation(value)
                if violation is not None:
                    keyword, place = violation
                    return values, _violation(index, pointer_of(place[::-1]), keyword)
        return values, None if bad is None else unreadable(len(values), bad)


class NoSchema:
    """What records have to satisfy where no schema is: they may be any bytes, but no JSON that readers choke on."""

    hash: Hash = sha256(b"")
    key_fields: tuple[str, ...] = ()

    def read(self, records: Sequence[bytes]) -> tuple[list[JsonValue], Refusal | None]:
        """No values, since records may be any bytes, and the first that is nested too deep, or None."""
        return [], self.check(records)

    def check(self, records: Sequence[bytes]) -> Refusal | None:
        """The first record that is nested too deep, or None."""
        for index, record in enumerate(records):
            if is_nested_too_deep(record):
                return unreadable(index, BadJson(Fault.DEPTH))
        return None


class _Facts(NamedTuple):
    """What execution asks of every schema. It takes little, and is kept of more schemas than are kept compiled."""

    hash: Hash
    key_fields: tuple[str, ...]


class KnownSchema:
    """A schema that was compiled before, and is compiled again once records have to be checked."""

    def __init__(self, text: str, facts: _Facts) -> None:
        self.hash, self.key_fields = facts
        self._text = text

    def check(self, records: Sequence[bytes]) -> Refusal | None:
        """As ``RecordSchema.check``."""
        return self.read(records)[1]

    def read(self, records: Sequence[bytes]) -> tuple[list[JsonValue], Refusal | None]:
        """As ``RecordSchema.read``."""
        return compile_schema(self._text).read(records)


RecordCheck = RecordSchema | KnownSchema | NoSchema
_NO_SCHEMA = NoSchema()
_KNOWN_SIZE = 2 * MIB
"""Characters of all texts that are kept compiled; a compiled schema takes up to 60 times its text in memory, and more
for its patterns: for each step up to 180 bytes, for each pattern what it remembers."""
_STEP_WEIGHT = 3
_PATTERN_WEIGHT = 1500
_known: OrderedDict[str, RecordSchema] = OrderedDict()
"""Compiled schemas by their texts, the one asked for last at the end."""
_FACTS_KEPT = 16_384
_NAMES_KEPT = 256
"""Characters of the names of a schema's key fields; what has longer ones is compiled each time."""
_facts: OrderedDict[Hash, _Facts] = OrderedDict()
"""By the hash of the schema's text, the one noted last at the end."""
_known_lock = Lock()
"""Blocks are executed in other threads too."""


def record_rules(text: str) -> RecordCheck:
    """What a dataset's records have to satisfy; ``text`` is that of its schema, empty for none. Raises as
    ``compile_schema``."""
    if not text:
        return _NO_SCHEMA
    if not is_compiled(text) and (facts := _facts.get(sha256(text.encode()))) is not None:
        return KnownSchema(text, facts)
    return compile_schema(text)


def is_compiled(text: str) -> bool:
    """Whether records can be checked by this schema at once."""
    return text in _known


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
        while sum(known.weight for known in _known.values()) > _KNOWN_SIZE:
            _known.popitem(last=False)
        if sum(map(len, schema.key_fields)) <= _NAMES_KEPT:
            _facts[schema.hash] = _Facts(schema.hash, schema.key_fields)
            if len(_facts) > _FACTS_KEPT:
                _facts.popitem(last=False)
    return schema


def _read(text: str) -> dict[str, JsonValue]:
    encoded = text.encode()
    if len(encoded) > LIMITS.schema_size_bytes:
        raise Refusal(ErrorCode.SCHEMA_TOO_LARGE, found=len(encoded), limit=LIMITS.schema_size_bytes)
    try:
        schema = read_json(encoded)
    except BadJson as error:
        raise Refusal(ErrorCode.SCHEMA_NOT_JSON, pointer=error.pointer, keyword=error.fault.value) from None
    if not isinstance(schema, dict):
        raise Refusal(ErrorCode.BAD_SCHEMA, pointer="")
    return schema


def _marks_personal(schema: JsonValue) -> bool:
    """Of a schema that has been taken."""
    if not isinstance(schema, dict):
        return False
    properties = schema.get("properties")
    below = [*(properties.values() if isinstance(properties, dict) else ()), *map(schema.get, sorted(_SCHEMAS))]
    return schema.get("personal") is True or any(map(_marks_personal, below))


def _compile(schema: dict[str, JsonValue], budget: _Budget) -> tuple[Rule, tuple[str, ...]]:
    """The rule of a schema, and its key fields, which are looked at last."""
    key_fields = schema.pop(_KEY, None)
    rule = _rule_of(schema, (), budget)
    return rule, () if key_fields is None else _key_fields(key_fields, schema)


def _key_fields(names: JsonValue, schema: dict[str, JsonValue]) -> tuple[str, ...]:
    """The key fields that a schema names. Each must be one that records have to have, a string or an integer: then it
    has one form."""
    if not isinstance(names, list) or not 1 <= len(names) <= KEY_FIELDS_MAX or not _are_names(names):
        raise Refusal(ErrorCode.SCHEMA_ARGUMENT, pointer=f"/{_KEY}")
    if schema.get("type") != "object":
        raise Refusal(ErrorCode.SCHEMA_ARGUMENT, pointer=f"/{_KEY}")
    properties, required = schema.get("properties", {}), schema.get("required", [])
    found = []
    for index, name in enumerate(names):
        declared = properties.get(name) if isinstance(properties, dict) and isinstance(name, str) else None
        is_scalar = isinstance(declared, dict) and declared.get("type") in _KEY_TYPES
        if not is_scalar or not isinstance(required, list) or name not in required:
            raise Refusal(ErrorCode.SCHEMA_ARGUMENT, pointer=f"/{_KEY}/{index}")
        found.append(str(name))
    return tuple(found)


def _subschema(keyword: str, schema: JsonValue, place: _Place, budget: _Budget) -> Rule | None:
    """The rule of a schema under ``keyword``; None if it allows everything."""
    budget.subschemas -= 1
    if budget.subschemas < 0:
        raise Refusal(ErrorCode.SCHEMA_ARGUMENT, pointer=pointer_of(place))
    if isinstance(schema, bool):
        return None if schema else Rule(frozenset(), keyword)
    if not isinstance(schema, dict):
        raise Refusal(ErrorCode.SCHEMA_ARGUMENT, pointer=pointer_of(place))
    return _rule_of(schema, place, budget) if schema else None


def _rule_of(schema: dict[str, JsonValue], place: _Place, budget: _Budget) -> Rule:
    """Checks the keywords in the order of the text, so that the first that is wrong is the one that is named."""
    properties: dict[str, Rule | None] = {}
    subschemas: dict[str, Rule | None] = {}
    pattern: Pattern | None = None
    for keyword, argument in schema.items():
        here = (*place, keyword)
        if keyword not in KEYWORDS:
            raise Refusal(ErrorCode.SCHEMA_KEYWORD, pointer=pointer_of(here))
        if keyword in _SCHEMAS:
            subschemas[keyword] = _subschema(keyword, argument, here, budget)
        elif keyword == "properties" and isinstance(argument, dict):
            properties = {name: _subschema(keyword, child, (*here, name), budget) for name, child in argument.items()}
        elif keyword == "pattern" and isinstance(argument, str):
            try:
                pattern = Pattern(argument, budget)
            except BadPattern:
                raise Refusal(ErrorCode.SCHEMA_ARGUMENT, pointer=pointer_of(here)) from None
        elif not _is_argument(keyword, argument):
            raise Refusal(ErrorCode.SCHEMA_ARGUMENT, pointer=pointer_of(here))
    return _assemble(schema, properties, subschemas, pattern)


def _assemble(
    schema: dict[str, Any],
    properties: dict[str, Rule | None],
    subschemas: dict[str, Rule | None],
    pattern: Pattern | None,
) -> Rule:
    """The rule of a schema whose keywords have been checked."""
    names = _listed(schema.get("type", []))
    choices = {"const": [schema["const"]] if "const" in schema else None, "enum": schema.get("enum")}
    return Rule(
        types=frozenset().union(*(JSON_TYPES[name] for name in names)) or ALL_TYPES,
        integers_only="integer" in names and "number" not in names,
        choices=tuple((keyword, Choices(values)) for keyword, values in choices.items() if values is not None),
        bounds=_limits(schema, _BOUNDS),
        number_tests=_number_tests(schema),
        lengths=_limits(schema, _LENGTHS),
        text_tests=_text_tests(schema, pattern),
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


def _number_tests(schema: dict[str, Any]) -> tuple[Test, ...]:
    if "multipleOf" not in schema:
        return ()
    exponent = _power_of_ten(schema["multipleOf"])
    return () if exponent is None else (("multipleOf", is_multiple_of(exponent)),)


def _text_tests(schema: dict[str, Any], pattern: Pattern | None) -> tuple[Test, ...]:
    tests: list[Test] = [] if pattern is None else [("pattern", pattern.matches)]
    if "format" in schema:
        tests.append(("format", FORMATS[schema["format"]]))
    return tuple(tests)


def _power_of_ten(value: JsonValue) -> int | None:
    """The exponent of a number that is a power of ten, of 64 digits at most; else None."""
    if type(value) not in NUMBERS:
        return None
    sign, digits, exponent = Decimal(value).as_tuple()  # type: ignore[arg-type]
    if sign or sum(digits) != 1:
        return None
    found = int(exponent) + len(digits) - 1 - digits.index(1)
    return found if abs(found) < LIMITS.number_digits else None


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
    if keyword == "multipleOf":
        return _power_of_ten(value) is not None
    if keyword == "format":
        return isinstance(value, str) and value in FORMATS
    if keyword == "personal":
        return isinstance(value, bool)
    return keyword not in ("properties", "pattern") and is_integer(value) and 0 <= value <= _COUNT_MAX  # type: ignore[operator]


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
