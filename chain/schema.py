"""JSON Schemas of datasets, and checking records against them the same way on every validator.

Only keywords whose verdict cannot depend on the implementation are taken: no patterns (regular expressions differ),
formats, references, ``multipleOf`` (floating point) or combinators. jsonschema-rs applies them (draft 2020-12).
Records are strict JSON: UTF-8, no duplicate keys, no NaN, bounded depth; orjson reads them.

The reason given for a bad record becomes part of the chain, so it is made here from path and keyword, never taken
from a library's message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NoReturn

import jsonschema_rs
import orjson

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.crypto import Hash, sha256

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = frozenset({"null", "boolean", "object", "array", "number", "integer", "string"})
_COUNTS = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})
_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_TEXTS = frozenset({"title", "description", "$comment"})
SAFE_INTEGER = 2**53 - 1
_NAMED_RECORD = re.compile(r"record (\d+): ")
"""How every reason of this module that is about one record begins."""
KEYWORDS = frozenset(
    {"$schema", "type", "properties", "required", "additionalProperties", "items", "enum", "const"}
    | _COUNTS
    | _BOUNDS
    | _TEXTS
)
"""Keywords that a dataset's schema may use."""


class RecordSchema:
    """A compiled schema. Get it through ``compile_schema``.

    Attributes:
        hash: SHA-256 of the schema's text.
    """

    def __init__(self, text: str) -> None:
        schema = _parse_schema(text)
        self.hash: Hash = sha256(text.encode())
        self._one = jsonschema_rs.Draft202012Validator(schema)
        self._many = jsonschema_rs.Draft202012Validator({"type": "array", "items": schema})

    def check(self, records: Sequence[bytes]) -> PoolError | None:
        """The first offence among ``records`` (JSON texts), or None.

        One call of the validator covers all records; only a parcel that fails is gone through one by one.
        """
        if not _is_shallow(records):
            return self._first_offence(records)
        try:
            values = [orjson.loads(body) for body in records]
        except orjson.JSONDecodeError:
            return self._first_offence(records)
        # Writing the values back gives the same bytes exactly if every record is compact JSON without duplicate keys or
        # other oddities (JSON objects delimit themselves, so records cannot make up for one another).
        if orjson.dumps(values) == b"[%b]" % b",".join(records) and self._many.is_valid(values):
            return None
        return self._first_offence(records)

    def _first_offence(self, records: Sequence[bytes]) -> PoolError | None:
        for index, body in enumerate(records):
            reason = self._offence(body)
            if reason is not None:
                return PoolError(ErrorCode.SCHEMA_VIOLATION, f"record {index}: {reason}", record_index=index)
        return None

    def _offence(self, body: bytes) -> str | None:
        try:
            value = strict_json(body)
        except PoolError as error:
            return error.detail
        errors = [_describe(error) for error in self._one.iter_errors(value)]
        return min(errors) if errors else None


@lru_cache(maxsize=512)
def compile_schema(text: str) -> RecordSchema:
    """The checker for a schema given as JSON text.

    Raises:
        PoolError: code ``bad_schema``.
    """
    return RecordSchema(text)


def record_index_of(reason: str) -> int | None:
    """Which record of its parcel a committed reason names; None if it names none."""
    found = _NAMED_RECORD.match(reason)
    return int(found.group(1)) if found else None


def depth_of(value: object) -> int:
    """Nesting of objects and arrays: 0 for a plain value."""
    deepest, pending = 0, [(value, 0)]
    while pending:
        item, depth = pending.pop()
        children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else None
        if children is not None:
            deepest = max(deepest, depth + 1)
            pending += [(child, depth + 1) for child in children]
    return deepest


def _is_shallow(records: Sequence[bytes]) -> bool:
    """Whether no record can be too deep: a record nests at most as deep as it has opening brackets."""
    return all(body.count(b"{") + body.count(b"[") <= LIMITS.json_depth for body in records)


def _describe(error: Any) -> str:
    path = "/".join(str(step) for step in error.instance_path)
    keyword = next((str(step) for step in reversed(list(error.schema_path)) if step in KEYWORDS), "schema")
    return f"/{path} breaks {keyword!r}"[: LIMITS.reason_length // 2]


def strict_json(text: bytes | str) -> object:
    """The value of a JSON text without duplicate keys and of bounded depth.

    orjson decides what is JSON: its bounds are fixed. The standard library, whose bounds depend on the stack and the
    environment, then sees only shallow texts and converts no numbers; it is there to find duplicate keys.
    """
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise PoolError(ErrorCode.SCHEMA_VIOLATION, "not strict JSON") from None
    if depth_of(value) > LIMITS.json_depth:
        raise PoolError(ErrorCode.SCHEMA_VIOLATION, f"nested deeper than {LIMITS.json_depth}")
    json.loads(text, object_pairs_hook=_refuse_duplicates, parse_int=str, parse_float=str)
    return value


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise PoolError(ErrorCode.SCHEMA_VIOLATION, "a key appears twice in one object")
    return result


def _parse_schema(text: str) -> dict[str, Any]:
    if len(text.encode()) > LIMITS.schema_size_bytes:
        _refuse(f"larger than {LIMITS.schema_size_bytes} bytes")
    try:
        schema = strict_json(text)
    except PoolError as error:
        _refuse(error.detail)
    if not isinstance(schema, dict):
        _refuse("not a JSON object")
    _verify_schema(schema, "")
    return schema


def _verify_schema(schema: object, where: str) -> None:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        _refuse(f"{where or '/'} is no schema")
    for keyword, value in schema.items():
        here = f"{where}/{keyword}"
        if keyword not in KEYWORDS:
            _refuse(f"keyword {keyword!r} at {where or '/'} is not among those whose verdict cannot differ")
        elif keyword == "properties":
            if not isinstance(value, dict):
                _refuse(f"{here} is no object")
            for name, child in value.items():
                _verify_schema(child, f"{here}/{name}")
        elif keyword in ("additionalProperties", "items"):
            _verify_schema(value, here)
        elif not _is_valid_argument(keyword, value):
            _refuse(f"{here} has a value that this keyword does not take")


def _is_valid_argument(keyword: str, value: object) -> bool:
    if keyword == "$schema":
        return value == DRAFT
    if keyword in _TEXTS:
        return isinstance(value, str)
    if keyword == "type":
        names = value if isinstance(value, list) else [value]
        return (
            bool(names)
            and all(isinstance(name, str) and name in _TYPES for name in names)
            and len(set(names)) == len(names)
        )
    if keyword == "required":
        return (
            isinstance(value, list) and all(isinstance(name, str) for name in value) and len(set(value)) == len(value)
        )
    if keyword == "enum":
        return isinstance(value, list) and bool(value) and all(_is_plain(item) for item in value)
    if keyword == "const":
        return _is_plain(value)
    if keyword in _COUNTS:
        return type(value) is int and 0 <= value <= 2**31
    if type(value) is float:
        return abs(value) <= SAFE_INTEGER
    return type(value) is int and abs(value) <= SAFE_INTEGER


def _is_plain(value: object) -> bool:
    """Values that compare the same everywhere: no floating point, no containers, no integers beyond 2**53."""
    return value is None or isinstance(value, str | bool) or (type(value) is int and abs(value) <= SAFE_INTEGER)


def _refuse(detail: str) -> NoReturn:
    raise PoolError(ErrorCode.BAD_SCHEMA, f"schema: {detail}")
