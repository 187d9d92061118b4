"""Validator sets and certificates (scenarios 11, 12)."""

import hashlib
from collections.abc import Sequence

import pytest

from chain.blocks import Certificate, commit_message
from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Ed25519Signer
from chain.primitives.encoding import encode
from chain.primitives.quorum import honest_support, max_faulty, quorum
from chain.proofs.validators import Validator, ValidatorSet, verify_certificate
from tests.refusals import refuses

CHAIN = hashlib.sha256(b"chain").digest()
HASH = hashlib.sha256(b"block").digest()
HEIGHT, VIEW = 7, 2
NAMES = [chr(ord("a") + index) for index in range(10)]
SIGNERS = {name: Ed25519Signer(hashlib.sha256(name.encode()).digest()) for name in [*NAMES, "stranger"]}


def validators_of(count: int) -> ValidatorSet:
    return ValidatorSet(Validator(name, SIGNERS[name].public_key) for name in reversed(NAMES[:count]))


def vote(
    name: str, height: int = HEIGHT, view: int = VIEW, hash_: bytes = HASH, chain: bytes = CHAIN
) -> tuple[str, bytes]:
    return name, SIGNERS[name].sign(commit_message(chain, height, view, hash_))


def certificate(votes: Sequence[tuple[str, bytes]]) -> Certificate:
    return Certificate(HEIGHT, VIEW, HASH, tuple(votes))


def assert_refused(given: Certificate, validators: ValidatorSet, height: int = HEIGHT, hash_: bytes = HASH) -> None:
    with refuses(ErrorCode.BAD_CERTIFICATE):
        verify_certificate(CHAIN, given, validators, height, hash_)


@pytest.mark.parametrize(
    ("n", "f", "needed"),
    [(1, 0, 1), (2, 0, 2), (3, 0, 2), (4, 1, 3), (5, 1, 4), (6, 1, 4), (7, 2, 5), (8, 2, 6), (9, 2, 6), (10, 3, 7)],
)
def test_s12_quorum_for_every_size(n: int, f: int, needed: int) -> None:
    validators = validators_of(n)
    assert (validators.max_faulty, validators.quorum) == (max_faulty(n), quorum(n)) == (f, needed)
    votes = [vote(name) for name in NAMES[:n]]
    for count in range(n + 1):
        if count >= needed:
            verify_certificate(CHAIN, certificate(votes[:count]), validators, HEIGHT, HASH)
        else:
            assert_refused(certificate(votes[:count]), validators)


@pytest.mark.parametrize("n", range(1, 101))
def test_quorum_arithmetic(n: int) -> None:
    f = max_faulty(n)
    assert n >= 3 * f + 1
    assert 2 * quorum(n) - n >= f + 1, "two quorums share an honest validator"
    assert quorum(n) <= n - f, "the honest ones are a quorum"
    assert honest_support(n) == f + 1


def test_s11_a_signer_counts_once() -> None:
    validators = validators_of(4)
    assert_refused(certificate([vote("a"), vote("a"), vote("a")]), validators)
    assert_refused(certificate([vote("a"), vote("b"), vote("b")]), validators)
    assert_refused(certificate([vote("a"), vote("b"), vote("b"), vote("c")]), validators)
    assert_refused(certificate([vote("a"), vote("b"), vote("a"), vote("c")]), validators)


def test_s11_votes_stand_in_one_order() -> None:
    assert_refused(certificate([vote("b"), vote("a"), vote("c")]), validators_of(4))


def test_s12_a_stranger_does_not_vote_even_beside_a_quorum() -> None:
    validators = validators_of(4)
    assert_refused(certificate([vote("a"), vote("b"), vote("stranger")]), validators)
    assert_refused(certificate([vote("a"), vote("b"), vote("c"), vote("stranger")]), validators)


@pytest.mark.parametrize(
    "foreign",
    [
        vote("c", height=HEIGHT + 1),
        vote("c", view=VIEW + 1),
        vote("c", hash_=bytes(32)),
        vote("c", chain=bytes(32)),
        ("c", vote("d")[1]),
        ("c", bytes(64)),
    ],
    ids=["height", "view", "hash", "chain", "signer", "zeros"],
)
def test_s12_votes_for_anything_else_condemn_the_certificate(foreign: tuple[str, bytes]) -> None:
    validators = validators_of(4)
    assert_refused(certificate([vote("a"), vote("b"), foreign]), validators)
    assert_refused(certificate([vote("a"), vote("b"), foreign, vote("d")]), validators)


def test_s09_the_certificate_is_for_the_block_that_is_asked_about() -> None:
    validators = validators_of(4)
    good = certificate([vote("a"), vote("b"), vote("c")])
    verify_certificate(CHAIN, good, validators, HEIGHT, HASH)
    assert_refused(good, validators, height=HEIGHT + 1)
    assert_refused(good, validators, hash_=bytes(32))


def test_s12_another_validator_set_means_nothing() -> None:
    """A quorum of a smaller network is none of a larger one, and keys are those of this set."""
    votes = [vote(name) for name in NAMES[:3]]
    verify_certificate(CHAIN, certificate(votes), validators_of(4), HEIGHT, HASH)
    assert_refused(certificate(votes), validators_of(7))
    rekeyed = ValidatorSet(Validator(name, SIGNERS[name].public_key) for name in "abc")
    others = ValidatorSet([*rekeyed.validators[:2], Validator("c", SIGNERS["d"].public_key)])
    assert_refused(certificate(votes), others)


def test_the_port_for_verification_is_asked_about_every_vote() -> None:
    asked: list[bytes] = []

    def verifier(public_key: bytes, message: bytes, signature: bytes) -> bool:
        asked.append(public_key)
        return True

    votes = [(name, bytes(64)) for name in "abc"]
    verify_certificate(CHAIN, certificate(votes), validators_of(4), HEIGHT, HASH, verifier)
    assert asked == [SIGNERS[name].public_key for name in "abc"]


def test_order_names_primaries_and_keys() -> None:
    validators = validators_of(4)
    assert validators.names == ("a", "b", "c", "d")
    assert [validators.primary(view) for view in (0, 1, 3, 4, 2**62 + 1)] == ["a", "b", "d", "a", "b"]
    assert validators.key_of("b") == SIGNERS["b"].public_key
    assert validators.key_of("stranger") is None
    assert "a" in validators
    assert "stranger" not in validators
    assert len(validators) == 4


def test_equal_sets_hash_alike_whatever_the_order() -> None:
    same = ValidatorSet(validators_of(4).validators[::-1])
    assert same == validators_of(4)
    assert hash(same) == hash(validators_of(4))
    assert same.hash(CHAIN) == validators_of(4).hash(CHAIN)
    assert same != validators_of(3)
    assert same.hash(CHAIN) != validators_of(3).hash(CHAIN)
    assert same.hash(CHAIN) != same.hash(bytes(32))


def test_the_hash_is_that_of_the_encoded_list() -> None:
    validators = validators_of(2)
    plain = encode([[[name, SIGNERS[name].public_key] for name in "ab"], []])
    assert validators.hash(CHAIN) == hashlib.sha256(b"blockpool/2\x00validators\x00" + CHAIN + plain).digest()


@pytest.mark.parametrize("members", [[], ["a", "a"], ["a", "b", "a"]])
def test_a_set_has_each_member_once_and_at_least_one(members: list[str]) -> None:
    with refuses(ErrorCode.BAD_GENESIS):
        ValidatorSet(Validator(name, SIGNERS[name].public_key) for name in members)


def test_two_validators_do_not_share_a_key() -> None:
    with pytest.raises(PoolError, match="share"):
        ValidatorSet([Validator("a", bytes(32)), Validator("b", bytes(32))])
