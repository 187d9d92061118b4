"""Releases: a share for one reader, one request and one parcel."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.errors import ErrorCode
from chain.primitives.encoding import encode
from sealing import KemSuite, Release, ShareRelease, open_release, release_share
from tests.refusals import refuses
from tests.sealing.world import CHAIN_ID, RELEASE, flip, key_pair, seal, sealed

READER = key_pair("reader")


def answer(name: str = "v01", release: Release = RELEASE) -> bytes:
    return encode(release_share(sealed().own_share(name), name, release, READER.public_key))


def open_answer(data: bytes, name: str = "v01", release: Release = RELEASE) -> bytes:
    return open_release(data, name, release, sealed().envelope, sealed().context, READER)


@pytest.mark.parametrize("suite", list(KemSuite))
def test_the_reader_gets_the_share_with_a_key_of_either_suite(suite: KemSuite) -> None:
    reader, share = key_pair("reader", suite), sealed().own_share("v01")
    data = encode(release_share(share, "v01", RELEASE, reader.public_key))
    assert share not in data
    assert open_release(data, "v01", RELEASE, sealed().envelope, sealed().context, reader) == share


@settings(max_examples=120)
@given(st.integers(min_value=0))
def test_a_flipped_bit_names_the_giver(bit: int) -> None:
    with refuses(ErrorCode.BAD_SHARE, culprit="v01"):
        open_answer(flip(answer(), bit))


@pytest.mark.parametrize("cut", [0, 1, 40, 120, 1200])
def test_a_truncated_answer_names_the_giver(cut: int) -> None:
    with refuses(ErrorCode.BAD_SHARE, culprit="v01"):
        open_answer(answer()[:cut])


@pytest.mark.parametrize(
    "release",
    [
        Release(CHAIN_ID, b"\x00" * 32, RELEASE.parcel_id),
        Release(CHAIN_ID, RELEASE.request_id, b"\x00" * 32),
        Release(b"\x01" * 32, RELEASE.request_id, RELEASE.parcel_id),
    ],
    ids=["request", "parcel", "chain"],
)
def test_an_answer_to_another_question_is_refused(release: Release) -> None:
    with refuses(ErrorCode.BAD_SHARE, culprit="v01"):
        open_answer(answer(release=release))


def test_a_relabelled_answer_to_another_request_does_not_open() -> None:
    """Somebody replays an old release and writes the new request's id on it."""
    old = release_share(
        sealed().own_share("v01"), "v01", Release(CHAIN_ID, b"\x00" * 32, RELEASE.parcel_id), READER.public_key
    )
    forged = ShareRelease("v01", RELEASE.request_id, RELEASE.parcel_id, READER.public_key.id, old.sealed)
    with refuses(ErrorCode.BAD_SHARE, culprit="v01"):
        open_answer(encode(forged))


def test_a_validator_cannot_pass_off_anothers_share_or_another_parcels() -> None:
    wrong_shares = (sealed().own_share("v02"), seal().own_share("v01"), bytes(16), b"", bytes(32))
    for share in wrong_shares:
        data = encode(release_share(share, "v01", RELEASE, READER.public_key))
        with refuses(ErrorCode.BAD_SHARE, culprit="v01"):
            open_answer(data)
    with refuses(ErrorCode.BAD_SHARE, culprit="v01"):
        open_answer(answer("v02"))


def test_s53_only_the_reader_opens_it() -> None:
    for other in (key_pair("other"), key_pair("reader", KemSuite.X25519), key_pair("v01")):
        with refuses(ErrorCode.BAD_SHARE, culprit="v01"):
            open_release(answer(), "v01", RELEASE, sealed().envelope, sealed().context, other)
    stolen = ShareRelease(
        "v01",
        RELEASE.request_id,
        RELEASE.parcel_id,
        key_pair("other").public_key.id,
        release_share(sealed().own_share("v01"), "v01", RELEASE, READER.public_key).sealed,
    )
    with refuses(ErrorCode.BAD_SHARE, culprit="v01"):
        open_release(encode(stolen), "v01", RELEASE, sealed().envelope, sealed().context, key_pair("other"))


def test_a_share_sealed_to_the_validator_is_no_release() -> None:
    """The two uses of HPKE have different domains: what is on chain cannot be passed on as it is."""
    on_chain, key_id = sealed().sealed_shares[1], key_pair("v01").public_key.id
    data = encode(ShareRelease("v01", RELEASE.request_id, RELEASE.parcel_id, key_id, on_chain))
    with refuses(ErrorCode.BAD_SHARE, culprit="v01"):
        open_release(data, "v01", RELEASE, sealed().envelope, sealed().context, key_pair("v01"))
