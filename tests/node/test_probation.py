"""When a validator that may have forgotten votes can vote again."""

import pytest

from node.probation import MARGIN_BLOCKS, safe_height
from tests.networks import TestNetwork


@pytest.mark.parametrize(
    ("size", "claims", "expected"),
    [
        (1, {}, 0),
        (2, {}, None),
        (2, {"b": 9}, 9),
        (3, {"b": 9}, 9),
        (3, {"b": 9, "c": 8}, 9),
        (4, {}, None),
        (4, {"b": 0}, None),
        (4, {"b": 0, "c": 0}, 0),
        (4, {"b": 0, "c": 0, "d": 10**9}, 0),
        (4, {"b": 50, "c": 49}, 49 + MARGIN_BLOCKS),
        (4, {"b": 50, "c": 49, "d": 10**9}, 50 + MARGIN_BLOCKS),
        (4, {"a": 70, "b": 50}, None),
        (4, {"outsider": 50, "b": 50}, None),
        (7, {"b": 5, "c": 5, "d": 5}, None),
        (7, {"b": 10**9, "c": 10**9, "d": 5, "e": 5}, 5 + MARGIN_BLOCKS),
    ],
)
def test_s03_safe_height(size: int, claims: dict[str, int], expected: int | None) -> None:
    assert safe_height("a", TestNetwork(size=size).genesis.validators, claims) == expected
