"""How JSON texts are read: one verdict and one value by every way through the reader (scenario 47)."""

import decimal
import json
import sys
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.errors import ErrorCode
from chain.limits import LIMITS
from chain.primitives import json_reader
from chain.primitives.json_reader import BadJson, is_integer, pointer_of, read_json, read_records
from chain.primitives.json_self_test import BAD, GOOD, verify_json_reader
from tests.refusals import refuses


def outcome(text: bytes) -> object:
    try:
        return read_json(text)
    except BadJson as bad:
        return bad.fault, bad.pointer


def verdict(text: bytes) -> str:
    """What reading a text says, with the types and the order that ``==`` overlooks."""
    return repr(outcome(text))


@pytest.fixture
def no_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_reader, "_read_canonical", lambda texts: None)


def test_s47_the_installed_libraries_read_the_vectors() -> None:
    verify_json_reader()


def test_s47_the_vectors_are_read_alike_without_the_quick_way(no_quick_way: None) -> None:
    verify_json_reader()


@pytest.mark.parametrize("text", [next(iter(BAD)), *GOOD])
def test_s47_a_library_that_reads_otherwise_is_refused(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_reader, "_read_canonical", lambda texts: [1.5] * len(texts) if text in texts else None)
    with refuses(ErrorCode.LIBRARY_DIFFERS, "otherwise"):
        verify_json_reader()


numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,70})(\.[0-9]{1,70})?([eE][+-]?[0-9]{1,5})?", fullmatch=True)
strings = st.text(max_size=6).map(lambda text: json.dumps(text, ensure_ascii=False)) | st.text(max_size=3).map(
    json.dumps
)
odd_strings = st.text('aé\U0001fae8"\\\n\x00\x1f\x7fu', max_size=4).map(lambda text: f'"{text}"') | st.sampled_from(
    ['"\\ud83e"', '"\\uDEE8\\uD83E"', '"\\ud83e\\udee8"', '"\\\\ud83e"', '"\\u00zz"']
)
spaces = st.sampled_from(["", "", "", " ", "\n", "\t", "\r", "\x0b", "\u00a0"])
scalars = (
    numbers
    | strings
    | odd_strings
    | st.sampled_from(["true", "false", "null", "NaN", "-Infinity", "nul", "", "01", "1."])
)
keys = strings | odd_strings | st.sampled_from(['"a"', '"b"', "a", "1"])


def arrays(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda items, space: f"[{space}{(',' + space).join(items)}]", st.lists(inner, max_size=4), spaces)


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    member = st.builds(lambda key, value, space: f"{key}{space}:{value}", keys, inner, spaces)
    return st.builds(lambda members: "{" + ",".join(members) + "}", st.lists(member, max_size=4))


texts = st.recursive(scalars, lambda inner: arrays(inner) | objects(inner), max_leaves=8).map(str.encode)
deep = st.integers(28, 36).map(lambda depth: b"[" * depth + b"]" * depth)
broken = st.builds(
    lambda text, at, byte: text[:at] + bytes([byte]) + text[at:], texts, st.integers(0, 30), st.integers(0, 255)
)


@given(st.lists(texts | deep | broken, min_size=1, max_size=5))
def test_s47_every_way_reads_alike(given_texts: list[bytes]) -> None:
    singly = [verdict(text) for text in given_texts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_reader, "_read_canonical", lambda texts: None)
        assert [verdict(text) for text in given_texts] == singly
        patch.setattr(json_reader, "_read_any", json_reader._read_with_care)
        if all(json_reader._is_shallow(text) for text in given_texts):
            assert [verdict(text) for text in given_texts] == singly
    values, bad = read_records(given_texts)
    assert [repr(value) for value in values] == singly[: len(values)]
    assert ([] if bad is None else [repr((bad.fault, bad.pointer))]) == singly[len(values) :][:1]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(values)
def test_what_is_written_is_read(value: object) -> None:
    """Against another writer: the standard library's, with numbers as their exact text."""

    def written(item: object) -> str:
        if isinstance(item, dict):
            return "{" + ",".join(f"{json.dumps(name)}: {written(member)}" for name, member in item.items()) + "}"
        if isinstance(item, list):
            return "[" + ", ".join(map(written, item)) + "]"
        return str(item) if isinstance(item, Decimal) else json.dumps(item)

    try:
        found = read_json(written(value).encode())
    except BadJson as bad:
        assert bad.fault is json_reader.Fault.NUMBER  # noqa: PT017  (some are out of bounds)
    else:
        assert found == value


@given(texts)
def test_s47_no_setting_of_the_process_plays_a_part(text: bytes) -> None:
    before = verdict(text)
    limit = sys.get_int_max_str_digits()
    try:
        sys.set_int_max_str_digits(640)
        with decimal.localcontext(decimal.Context(prec=1, Emax=1, Emin=-1, capitals=0, traps=[])):
            found = outcome(text)
    finally:
        sys.set_int_max_str_digits(limit)
    assert repr(found) == before


def test_s47_the_verdict_does_not_depend_on_the_callers_stack() -> None:
    text = b"[ " * LIMITS.json_depth + b"]" * LIMITS.json_depth

    def from_depth(frames: int) -> object:
        return from_depth(frames - 1) if frames else verdict(text)

    assert from_depth(0) == from_depth(500)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.0", True), ("1.50", False), ("-0.00", True), ("0.001", False), ("120e-1", True), ("125e-1", False),
     ("5e-999", False), ("0e-999", True), ("7e999", True), ("1.0000000000000000000001", False)],
)  # fmt: skip
def test_integers_are_numbers_without_fraction(text: str, expected: bool) -> None:
    assert is_integer(read_json(text.encode())) is expected


def test_a_pointer_is_cut_to_its_bound() -> None:
    assert pointer_of(["a/b", 3, "~", ""]) == "/a~1b/3/~0/"
    assert pointer_of(["n" * 300, "x"]) == "/" + "n" * (LIMITS.pointer_length - 1)


def hostile() -> Iterator[bytes]:
    size = LIMITS.record_size_bytes
    yield b"[" * size
    yield b"]" * size
    yield b"9" * size
    yield b'"' + b"[\\" * (size // 2 - 1)
    yield b"[" + b"[]," * (size // 3 - 2) + b"[]]"
    yield b'{"%b":{%b}}' % (b"k" * 100_000, b",".join(b'"%d":0' % number for number in range(16_000)))
    yield b'{"%b":{%b,"0":1}}' % (b"k" * 100_000, b",".join(b'"%d":0' % number for number in range(16_000)))
    yield b"[" + b",".join(b'"\\ud800"' for _ in range(size // 11)) + b"]"
    yield b"[" + b",".join([b"1e999"] * (size // 6)) + b"]"


@pytest.mark.parametrize("text", tuple(hostile()), ids=lambda text: repr(text[:8]))
def test_s47_the_largest_record_is_judged_in_a_moment(text: bytes) -> None:
    started_s = time.process_time()
    verdict(text)
    assert time.process_time() - started_s < 1.0
