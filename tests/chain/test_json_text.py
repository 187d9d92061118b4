"""JSON from outside: members exactly as their type has them, UTF-8, and in files no key twice."""

import msgspec
import pytest

from chain.errors import ErrorCode
from chain.primitives.json_text import decode_json, decode_json_file
from tests.refusals import refuses


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: int = 0


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    inner: Inner = Inner()
    data: bytes = b""


@pytest.mark.parametrize("decode", [decode_json, decode_json_file])
@pytest.mark.parametrize(
    "text",
    [
        b'{"name":"\xff"}',
        b'{"na\x80me":"x"}',
        b'{"name":"\\ud800"}',
        b'{"name":"x","other":1}',
        b'{"name":"x","data":"=="}',
        b'{"name":"x","inner":{"number":NaN}}',
        b'{"name":"x"} {}',
        b"\xef\xbb\xbf" + b'{"name":"x"}',
        b"[" * 100_000,
        b"",
    ],
)
def test_s47_what_is_not_the_type_is_refused_with_the_given_code(decode, text: bytes) -> None:  # type: ignore[no-untyped-def]
    with refuses(ErrorCode.BAD_EVIDENCE, "a test:"):
        decode(Outer, text, ErrorCode.BAD_EVIDENCE, "a test")


@pytest.mark.parametrize("text", [b'{"name":"a","name":"b"}', b'{"name":"a","inner":{"number":1,"number":2}}'])
def test_s47_a_file_has_no_key_twice(text: bytes) -> None:
    with refuses(ErrorCode.BAD_GENESIS, "duplicate_key"):
        decode_json_file(Outer, text, ErrorCode.BAD_GENESIS)


def test_what_is_the_type_is_read() -> None:
    text = b'{"name": "x", "inner": {"number": 7}, "data": "AAE="}'
    expected = Outer("x", Inner(7), b"\x00\x01")
    assert decode_json(Outer, text, ErrorCode.MALFORMED) == expected
    assert decode_json_file(Outer, text, ErrorCode.MALFORMED) == expected
