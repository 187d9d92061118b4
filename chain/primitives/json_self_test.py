"""A test of the libraries that read JSON, made before this process relies on them: they must read these texts as the
protocol says (docs/protocol.md, section 6), by both ways through ``chain.primitives.json_reader``."""

from decimal import Decimal

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.json_reader import Fault, JsonValue, read_records

_DIGITS = b"9" * LIMITS.number_digits
_TOO_DEEP = b"[" * (LIMITS.json_depth + 1) + b"]" * (LIMITS.json_depth + 1)


def _nested(levels: int, value: JsonValue) -> JsonValue:
    for _ in range(levels):
        value = [value]
    return value


GOOD: dict[bytes, JsonValue] = {
    b"null": None,
    b"[true,false]": [True, False],
    b"0": 0,
    b"-0": 0,
    b"9007199254740993": 9007199254740993,
    b"18446744073709551617": 18446744073709551617,
    b"-" + _DIGITS: -int(_DIGITS),
    b"0.10": Decimal("0.10"),
    b"1.0000000000000000000001": Decimal("1.0000000000000000000001"),
    b"1.5E+999": Decimal("1.5E+999"),
    b"-1e-999": Decimal("-1E-999"),
    b'{"b":1,"a":{"":[]}}': {"b": 1, "a": {"": []}},
    b' {\t"a" :\r\n[ 1 , 2.5 ] } ': {"a": [1, Decimal("2.5")]},
    b'"\\u0041\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"': 'A"\\/\b\f\n\r\t\u00e9',
    b'"\\uD83E\\uDEE8"': "\U0001fae8",
    '"\x7f\u2028\ufeff\U0001fae8"'.encode(): "\x7f\u2028\ufeff\U0001fae8",
    b'"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["': "[" * 36,
    _TOO_DEEP[1:-1]: _nested(LIMITS.json_depth - 1, []),
}
"""Texts and their values."""

BAD: dict[bytes, tuple[Fault, str]] = {
    **dict.fromkeys(
        (
            b"",
            b" ",
            b"{",
            b"]",
            b"[1,]",
            b'{"a":1,}',
            b"[,1]",
            b'{"a"}',
            b"{a:1}",
            b"{1:1}",
            b"{'a':1}",
            b"1 2",
            b"[1 2]",
            b"tru",
            b"True",
            b"nul",
            b"NaN",
            b"Infinity",
            b"-Infinity",
            b"[NaN]",
            b"01",
            b"-01",
            b"+1",
            b"-",
            b"1.",
            b".5",
            b"1.e5",
            b"1e",
            b"1e+",
            b"0x10",
            b"1_0",
            b"--1",
            "\uff11".encode(),
            "\u0661".encode(),
            b"/**/1",
            b"1//",
            b"\x0b1",
            b"\x0c1",
            b"\xa01",
            "\u00a01".encode(),
            b"\xef\xbb\xbf1",
            b'"',
            b'"a',
            b'"\n"',
            b'"\t"',
            b'"\x00"',
            b'"\x1f"',
            b'"\\x41"',
            b'"\\u12"',
            b'"\\u 123"',
            b'"\\u+123"',
            b'"\\U00000041"',
            b'"\\',
            b'"\\a"',
            b"'a'",
            b'"\xff"',
            b'"\xc0\x80"',
            b'"\xed\xa0\x80"',
            b'"\xf5\x80\x80\x80"',
            b'"a"\x00',
            b'{"a":1}{"a":1}',
            b'{"a":1},{"a":1}',
            b"[" * 32,
        ),
        (Fault.SYNTAX, ""),
    ),
    _TOO_DEEP: (Fault.DEPTH, ""),
    b"[" * 100_000: (Fault.DEPTH, ""),
    b"]" * 40 + b"[" * 100: (Fault.DEPTH, ""),
    b'["' + b"[" * 40 + b'", NaN]': (Fault.SYNTAX, ""),
    b'{"a":["b","\\ud83e"]}': (Fault.SURROGATE, "/a/1"),
    b'{"a":{"\\udee8\\ud83e":1}}': (Fault.SURROGATE, "/a"),
    b'{"a":1,"b":2,"a":3}': (Fault.DUPLICATE_KEY, "/a"),
    b'[{"a":1},{"a/~":{"b":1,"\\u0062":1}}]': (Fault.DUPLICATE_KEY, "/1/a~1~0/b"),
    b"[9" + _DIGITS + b"]": (Fault.NUMBER, "/0"),
    b"0.0" + _DIGITS[1:]: (Fault.NUMBER, ""),
    b'{"a":-1e-1000}': (Fault.NUMBER, "/a"),
    b"1E+1000": (Fault.NUMBER, ""),
    b"0E-1000": (Fault.NUMBER, ""),
    b"9" * 5000: (Fault.NUMBER, ""),
}
"""Texts, what is wrong with them, and where."""


def verify_json_reader() -> None:
    """Hold the libraries to these texts.

    Raises:
        PoolError: code ``library_differs``.
    """
    for text, value in GOOD.items():
        values, bad = read_records((text,))
        if bad is not None or _typed(values[0]) != _typed(value):
            raise _difference(text)
    for text, (fault, pointer) in BAD.items():
        _, bad = read_records((b"[]", text))
        if bad is None or (bad.fault, bad.pointer) != (fault, pointer):
            raise _difference(text)


def _typed(value: JsonValue) -> object:
    """A value that is equal only to one of the same types and the same order of members."""
    if isinstance(value, dict):
        return [(name, _typed(item)) for name, item in value.items()]
    if isinstance(value, list):
        return list(map(_typed, value)), list
    return str(value) if isinstance(value, Decimal) else value, type(value)


def _difference(text: bytes) -> PoolError:
    return PoolError(ErrorCode.LIBRARY_DIFFERS, f"JSON is read otherwise than the protocol says: {text[:40]!r}")
