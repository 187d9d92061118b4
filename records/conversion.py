"""Text of a table's cell into the JSON text of a record's field, as the dataset's JSON Schema says.

The same text becomes the same bytes each time, digits are kept as they stand, and what would be lost is refused:

- an empty cell, or one of the texts that the caller names, is null where the schema allows null;
- ``integer`` and ``number`` take a number as JSON writes it (RFC 8259, section 6): no leading zeros, plus sign or
  separators, which JSON has no room for; at most as many digits as the protocol takes;
- ``boolean``: ``true`` or ``false``, also in capitals as spreadsheets write it;
- ``string``: the text as it is. With several types the first that fits in this order wins.

A column that the schema does not describe is text.
"""

import re
from collections.abc import Callable, Iterable
from json.encoder import encode_basestring as json_string
from typing import Any

import msgspec

from chain.limits import LIMITS
from chain.messages.phrases import phrase
from chain.primitives.json_reader import BadJson, read_json

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)\Z", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z", re.ASCII)
_EXPONENT = re.compile("[eE]")
_BOOLEANS = {"true": "true", "false": "false", "TRUE": "true", "FALSE": "false"}
_SHOWN_LENGTH = 40
_KNOWN_MAX = 4096
"""Texts of a column whose JSON is remembered: most columns repeat theirs."""
_KNOWN_LENGTH = 64
"""Characters of a text that is remembered, at most."""

_HINTS = (
    (re.compile(r"[+-]?0+[0-9]"), "its leading zeros would be lost"),
    (re.compile(r"\+"), "JSON writes no plus sign"),
    (re.compile(r"-?[0-9]{1,3}([, ][0-9]{3})+"), "write it without separators"),
    (re.compile(r"-?[0-9]+,[0-9]+\Z"), "write the decimal point as ."),
    (re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z", re.ASCII), "it is a number with a fraction or an exponent"),
    (re.compile(r"[^\x00-\x7f]*\d"), "write the digits as 0 to 9"),
)

Converter = Callable[[str], str]
"""Gives the JSON text of a cell; raises ``ValueError`` with the reason if there is none."""


def declared_properties(schema: str) -> dict[str, Any]:
    """What a dataset's JSON Schema says of each field, in its order; ``schema`` is its text, or empty."""
    found = msgspec.json.decode(schema).get("properties", {}) if schema else {}
    return found if isinstance(found, dict) else {}


def converter(schema: object, nulls: Iterable[str] = ()) -> Converter:
    """What turns a cell's text into JSON for a property with this schema.

    Args:
        schema: of the property; anything but an object describes nothing.
        nulls: texts besides the empty one that mean null, where null is allowed.
    """
    declared = schema.get("type", "string") if isinstance(schema, dict) else "string"
    types = frozenset([declared] if isinstance(declared, str) else declared)
    nothing = frozenset({"", *nulls}) if "null" in types else frozenset()
    is_number, is_text = "number" in types, "string" in types
    number = _NUMBER if is_number else _INTEGER if "integer" in types else None
    booleans = _BOOLEANS if "boolean" in types else {}

    def convert(text: str) -> str:
        found = known.get(text)
        if found is None:
            if len(text) > _KNOWN_LENGTH:
                return convert_new(text)
            if len(known) == _KNOWN_MAX:
                known.clear()
            found = known[text] = convert_new(text)
        return found

    def convert_new(text: str) -> str:
        if text in nothing:
            return "null"
        if number is not None and number.match(text) and _is_bounded(text):
            return text
        if text in booleans:
            return booleans[text]
        if is_text:
            return json_string(text)
        raise ValueError(_refusal(text, types))

    known: dict[str, str] = {}
    return convert


def _is_bounded(text: str) -> bool:
    if len(text) <= LIMITS.number_digits and not _EXPONENT.search(text):
        return True
    try:
        read_json(text.encode())
    except BadJson:
        return False
    return True


def _refusal(text: str, types: frozenset[str]) -> str:
    shown = text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "…"
    wanted = phrase(" or ").join(map(phrase, sorted(types - {"null"})))
    if types & {"integer", "number"}:
        allowed = _NUMBER if "number" in types else _INTEGER
        if allowed.match(text):
            return phrase(
                "{shown!r} is out of bounds: a number has at most {number_digits} digits",
                shown=shown,
                number_digits=LIMITS.number_digits,
            )
        for pattern, hint in _HINTS:
            if pattern.match(text):
                return phrase("{shown!r} is not {wanted}: {hint}", shown=shown, wanted=wanted, hint=phrase(hint))
    return phrase("{shown!r} is not {wanted}", shown=shown, wanted=wanted)
