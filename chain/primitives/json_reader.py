"""JSON texts as the protocol reads them: one verdict and one value on every machine (docs/protocol.md, section 6).

A text is UTF-8, its grammar that of RFC 8259; no key appears twice in an object, no string has half a surrogate pair,
nesting and the digits of numbers are bounded. A number is its exact decimal value, an ``int`` or a ``Decimal``, never
binary floating point: both are read and compared exactly, without regard to any context or setting of the process.

Most texts are written as this project's encoder would write them. They are decoded by msgspec and encoded again: if
that gives the same bytes, the encoder itself says that they are JSON for this value, whatever the decoder did. All
others are read by the scanner of the standard library, whose verdict is used only for what its grammar decides.
"""

import decimal
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from itertools import accumulate
from typing import Any, NoReturn

import msgspec

from chain.limits import LIMITS

JsonValue = None | bool | int | Decimal | str | list["JsonValue"] | dict[str, "JsonValue"]

_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHAPES = bytes.maketrans(b"123456789.{", b"0000000000[")
_TOO_MANY_DIGITS = b"0" * (LIMITS.number_digits + 1)
_CONTAINERS = frozenset({dict, list})


class Fault(StrEnum):
    """What can be wrong with a JSON text. The first two are looked for first, in this order, in the whole text."""

    DEPTH = "depth"
    """Objects and arrays are nested too deep."""
    SYNTAX = "syntax"
    """Not UTF-8, or not JSON (RFC 8259)."""
    SURROGATE = "surrogate"
    """A string has half a surrogate pair, which no UTF-8 can write."""
    DUPLICATE_KEY = "duplicate_key"
    """A key appears twice in one object."""
    NUMBER = "number"
    """A number has too many digits."""


class BadJson(Exception):
    """A text is refused.

    Attributes:
        fault: what is wrong.
        pointer: JSON Pointer of the first place where a string, a key or a number is wrong; empty for the whole text.
    """

    def __init__(self, fault: Fault, pointer: str = "") -> None:
        super().__init__(fault.name, pointer)
        self.fault = fault
        self.pointer = pointer


def read_json(text: bytes) -> JsonValue:
    """The value of a JSON text.

    Raises:
        BadJson: it is none, or is out of bounds.
    """
    values = _read_canonical((text,))
    return values[0] if values is not None else _read_any(text)


def read_records(texts: Sequence[bytes]) -> tuple[list[JsonValue], BadJson | None]:
    """The values of the texts before the first one that ``read_json`` refuses, and that refusal."""
    values = _read_canonical(texts)
    if values is not None:
        return values, None
    values = []
    for text in texts:
        try:
            values.append(_read_any(text))
        except BadJson as refusal:
            return values, refusal
    return values, None


def is_integer(value: JsonValue) -> bool:
    """Whether a value is a number without a fraction, however it is written."""
    if type(value) is Decimal:
        _, digits, exponent = value.as_tuple()
        places = -int(exponent)
        return places <= 0 or not any(digits[-places:])
    return type(value) is int


def pointer_of(tokens: Sequence[str | int]) -> str:
    """The JSON Pointer (RFC 6901) of these names and places, cut to its first ``pointer_length`` characters."""
    parts = ("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)
    return "".join(parts)[: LIMITS.pointer_length]


def _read_canonical(texts: Sequence[bytes]) -> list[JsonValue] | None:
    """The values of texts that are all written as the encoder writes them; None if any is not, or is out of bounds."""
    lines = b"%b\n" % b"\n".join(texts)
    try:
        values: list[JsonValue] = list(map(_decode, texts))
        # The encoder writes no line break inside a value: if all is the same, each text is.
        if _encode_lines(values) != lines:
            return None
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
        return None
    shapes = lines.translate(_SHAPES)
    if _TOO_MANY_DIGITS in shapes:
        return None
    # If each text opens something, one that nests too deep opens that much more.
    is_shallow = shapes.count(b"[") - len(texts) < LIMITS.json_depth and _CONTAINERS.issuperset(map(type, values))
    return values if is_shallow or all(map(_is_shallow, texts)) else None


def _without_innermost(brackets: bytes, rounds: int) -> bytes:
    """What is left after removing the innermost pairs so many times: quick, and nothing if all is in order."""
    for _ in range(rounds):
        rest = brackets.replace(b"[]", b"")
        if len(rest) == len(brackets):
            break
        brackets = rest
    return brackets


def _read_any(text: bytes) -> JsonValue:
    if not _is_shallow(text):
        raise BadJson(Fault.DEPTH)
    if _TOO_MANY_DIGITS not in text.translate(_SHAPES) and not _SURROGATE_ESCAPE.search(text):
        try:
            value: JsonValue = _strict.decode(str(text, "utf-8"))
        except ValueError:
            pass
        else:
            return value
    return _read_with_care(text)


def is_nested_too_deep(text: bytes) -> bool:
    """Whether bytes that may be anything begin and end as a JSON text with members does, and nest beyond the bound."""
    ends = text.strip(b" \t\n\r")
    return ends[:1] in (b"{", b"[") and ends[-1:] in (b"}", b"]") and not _is_shallow(text)


def _is_shallow(text: bytes) -> bool:
    """Depth is counted in the bytes, before anything else is looked at: no parser then sees a deep text."""
    if text.count(b"{") + text.count(b"[") <= LIMITS.json_depth:
        return True
    brackets = _STRINGS.sub(b"", text).translate(_BRACKETS, _NO_BRACKETS)
    if not _without_innermost(brackets, LIMITS.json_depth):
        return True
    levels = accumulate(1 if bracket == ord("[") else -1 for bracket in brackets)
    return all(level <= LIMITS.json_depth for level in levels)


def _integer(text: str) -> int:
    """The exact value of a number without point and exponent. The bound comes first: what is converted is short."""
    if len(text) > LIMITS.number_digits and len(text.lstrip("-")) > LIMITS.number_digits:
        raise ValueError("too many digits")
    return int(text)


def _decimal(text: str) -> Decimal:
    """The exact value of any other number."""
    mantissa, _, exponent = text.lower().partition("e")
    digits = len(mantissa) - mantissa.count("-") - mantissa.count(".")
    if digits > LIMITS.number_digits or len(exponent.lstrip("+-")) > LIMITS.exponent_digits:
        raise ValueError("too many digits")
    return Decimal(text)


def _members(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key twice")
    return members


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("NaN or infinity")


class _IntegerText(str):
    __slots__ = ()


class _DecimalText(str):
    __slots__ = ()


_EXPONENT_MAX = 10**LIMITS.exponent_digits - 1
_canonical_numbers = decimal.Context(
    prec=LIMITS.number_digits,
    Emin=LIMITS.number_digits - 1 - _EXPONENT_MAX,
    Emax=_EXPONENT_MAX,
    traps=[decimal.Clamped, decimal.InvalidOperation, decimal.Overflow, decimal.Rounded, decimal.Subnormal],
)
"""Refuses whatever it cannot take as it stands. That bounds the exponents that the encoder writes."""
_decode = msgspec.json.Decoder(float_hook=_canonical_numbers.create_decimal).decode
_encode_lines = msgspec.json.Encoder(decimal_format="number").encode_lines
_strict = json.JSONDecoder(object_pairs_hook=_members, parse_float=_decimal, parse_constant=_refuse_constant)
"""For texts that have few digits: integers are converted by ``int``."""
_raw = json.JSONDecoder(
    object_pairs_hook=tuple, parse_int=_IntegerText, parse_float=_DecimalText, parse_constant=_refuse_constant
)
"""Only takes a text apart: objects are tuples of their members."""


def _read_with_care(text: bytes) -> JsonValue:
    try:
        raw = _raw.decode(str(text, "utf-8"))
    except ValueError:
        raise BadJson(Fault.SYNTAX) from None
    return _value(raw, ())


def _value(raw: Any, place: tuple[str | int, ...]) -> JsonValue:
    if isinstance(raw, _IntegerText | _DecimalText):
        try:
            return _integer(raw) if isinstance(raw, _IntegerText) else _decimal(raw)
        except ValueError:
            raise BadJson(Fault.NUMBER, pointer_of(place)) from None
    if isinstance(raw, str):
        if _SURROGATE.search(raw):
            raise BadJson(Fault.SURROGATE, pointer_of(place))
        return raw
    if isinstance(raw, list):
        return [_value(item, (*place, index)) for index, item in enumerate(raw)]
    if not isinstance(raw, tuple):
        constant: bool | None = raw
        return constant
    members: dict[str, JsonValue] = {}
    for name, item in raw:
        if _SURROGATE.search(name):
            raise BadJson(Fault.SURROGATE, pointer_of(place))
        if name in members:
            raise BadJson(Fault.DUPLICATE_KEY, pointer_of((*place, name)))
        members[name] = _value(item, (*place, name))
    return members
