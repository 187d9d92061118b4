"""Python values as JSON: exact, or refused."""

import math
from decimal import Decimal
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.errors import ErrorCode
from chain.limits import LIMITS
from chain.primitives.json_reader import read_json
from records.json_values import json_text
from tests.refusals import refuses


class Kind(StrEnum):
    A = "a"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(10**63), 10**63) | st.decimals(places=5, allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda children: st.lists(children) | st.dictionaries(TEXTS, children),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_written_is_read_back_exactly(value: object) -> None:
    assert read_json(json_text(value).encode()) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_the_shortest_text_that_gives_them_back(value: float) -> None:
    assert float(json_text(value)) == value
    assert json_text(value) == repr(value)


def test_texts_never_change() -> None:
    """These are hashed: another text would be another record, or a resubmission that is not recognised."""
    value = {"a": [1e16, 1e-7, 0.1, -0.0, 2**64], "b": (Decimal("0.10"), Kind.A, True, None), "航": '\u2028\x7f"'}
    expected = '{"a":[1e+16,1e-07,0.1,-0.0,18446744073709551616],"b":[0.10,"a",true,null],"航":"\u2028\x7f\\""}'
    assert json_text(value) == expected


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, Decimal("NaN"), Decimal("-Infinity"), {1: "a"}, {None: 1}, b"x", object(), {"a": {1}}]
)
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with refuses(ErrorCode.MALFORMED, "not JSON"):
        json_text(value)


def test_nesting_is_bounded() -> None:
    value: object = 1
    for _ in range(LIMITS.json_depth):
        value = [value]
    assert read_json(json_text(value).encode()) == value
    with refuses(ErrorCode.MALFORMED, "deep"):
        json_text([value])
