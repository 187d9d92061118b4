"""Interpolation of shares, against another implementation of the field and by its own definition."""

import secrets
from random import Random

import pytest

from chain.errors import ErrorCode
from sealing import shamir
from tests.refusals import refuses
from tests.sealing import mini


@pytest.mark.parametrize(("threshold", "count"), [(1, 1), (2, 3), (3, 4), (5, 7), (34, 50), (67, 100)])
def test_any_threshold_of_shares_gives_the_secret_and_every_other_share(threshold: int, count: int) -> None:
    random = Random(count)
    for _ in range(3):
        secret = secrets.token_bytes(16)
        shares = shamir.split(secret, threshold, count)
        known = {position: shares[position] for position in random.sample(range(count), threshold)}
        assert shamir.value_at(0, known) == secret
        assert mini.recover({position + 1: share for position, share in known.items()}) == secret
        wanted = random.randrange(count)
        assert shamir.value_at(wanted + 1, known) == shares[wanted]


def test_one_share_too_few_gives_something_else() -> None:
    secret = secrets.token_bytes(16)
    shares = shamir.split(secret, 3, 4)
    assert shamir.value_at(0, {0: shares[0], 2: shares[2]}) != secret


def test_a_changed_bit_of_a_share_changes_the_secret() -> None:
    secret = secrets.token_bytes(16)
    known = dict(enumerate(shamir.split(secret, 3, 4)[:3]))
    for bit in range(128):
        share = (int.from_bytes(known[1], "big") ^ 1 << bit).to_bytes(16, "big")
        assert shamir.value_at(0, known | {1: share}) != secret


def test_without_shares_there_is_no_value() -> None:
    with refuses(ErrorCode.NOT_ENOUGH_SHARES):
        shamir.value_at(0, {})
