"""Dealing and combining: thresholds, pooled shares, wrong shares, and dealers that cheat."""

import itertools
from collections import Counter

import pytest
from Crypto.Protocol.SecretSharing import Shamir
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import sealing
from chain.errors import ErrorCode, PoolError, Refusal
from chain.limits import LIMITS
from chain.primitives.encoding import encode
from chain.primitives.quorum import max_faulty, quorum
from chain.transactions.sealed import (
    CommitmentKind,
    Envelope,
    SealedShare,
    decode_envelope,
    sealed_share_hash,
    verify_envelope_keys,
    verify_sealed_shares,
)
from sealing.dealing import share_hash, share_info
from tests.refusals import refuses
from tests.sealing import mini
from tests.sealing.world import (
    CHAIN_ID,
    FLIGHTS,
    OWNER,
    RECORDS,
    Sealed,
    flip,
    key_pair,
    public_keys,
    seal,
    sealed,
    validators,
)

SEED = bytes(range(16))


@pytest.mark.parametrize("suite", list(sealing.KemSuite))
@pytest.mark.parametrize("count", [1, 4, 7, 10])
def test_a_parcel_goes_all_the_way(count: int, suite: sealing.KemSuite) -> None:
    world = seal(count, suite=suite)
    assert len(world.envelope.shares) == count
    assert world.envelope.threshold == quorum(count)
    verify_envelope_keys(world.envelope, public_keys(count, suite))
    names = validators(count)
    for answering in (names[: quorum(count)], names[-quorum(count) :], names):
        shares = world.shares(answering)
        assert tuple(sealing.open_parcel(world.parcel.bodies, world.envelope, world.context, shares)) == RECORDS
        sealing.verify_dealing(world.envelope, world.context, shares)


@pytest.mark.parametrize("count", [4, 7, 10])
def test_s53_fewer_than_a_quorum_get_nothing(count: int) -> None:
    world = seal(count)
    assert max_faulty(count) < quorum(count)
    for pooled in (max_faulty(count), quorum(count) - 1):
        shares = world.shares(validators(count)[:pooled])
        with refuses(ErrorCode.NOT_ENOUGH_SHARES):
            sealing.combine(world.envelope, world.context, shares)
        points = dict(enumerate(shares.values()))
        assert sealing.shamir.value_at(0, points) != world.parcel.seed


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_s53_with_one_share_too_few_every_seed_is_still_possible(seed: bytes, other_seed: bytes) -> None:
    """For any other seed there is a polynomial of the right degree through the pooled shares: they tell nothing."""
    shares = dict(enumerate(sealing.shamir.split(seed, 3, 4)))
    pooled = {position: shares[position] for position in (0, 1)}
    missing = sealing.shamir.value_at(3, {**pooled, -1: other_seed})
    assert sealing.shamir.value_at(0, {**pooled, 2: missing}) == other_seed
    assert sealing.shamir.value_at(0, {**pooled, 2: shares[2]}) == seed


def test_a_share_is_evenly_distributed_whatever_the_seed() -> None:
    """Chi-square over the bytes of one share of an all-zero seed; the bound is missed by chance once in 10^12."""
    counts = Counter(itertools.chain.from_iterable(sealing.shamir.split(bytes(16), 3, 4)[0] for _ in range(3000)))
    expected = 3000 * 16 / 256
    assert sum((counts[value] - expected) ** 2 / expected for value in range(256)) < 255 + 9 * (2 * 255) ** 0.5


def test_the_field_is_that_of_an_independent_implementation() -> None:
    for count in (1, 4):
        shares = sealing.shamir.split(SEED, quorum(count), count)
        for chosen in itertools.combinations(range(count), quorum(count)):
            assert mini.recover({position + 1: shares[position] for position in chosen}) == SEED
            assert sealing.shamir.value_at(0, {position: shares[position] for position in chosen}) == SEED


@given(st.integers(0, 3), st.integers(0, 127))
def test_s53_a_flipped_bit_in_a_share_names_its_giver(giver: int, bit: int) -> None:
    world, names = sealed(), validators(4)
    shares = {name: world.own_share(name) for name in names}
    shares[names[giver]] = flip(shares[names[giver]], bit)
    with refuses(ErrorCode.BAD_SHARE, culprit=names[giver]):
        sealing.combine(world.envelope, world.context, shares)
    del shares[names[giver]]
    assert sealing.combine(world.envelope, world.context, shares) == world.parcel.seed


@pytest.mark.parametrize("wrong", [b"", bytes(15), bytes(16), bytes(17)])
def test_shares_of_any_other_size_name_their_giver(wrong: bytes) -> None:
    world = sealed()
    shares = {**{name: world.own_share(name) for name in validators(4)}, "v02": wrong}
    with refuses(ErrorCode.BAD_SHARE, culprit="v02"):
        sealing.combine(world.envelope, world.context, shares)


def test_shares_of_others_and_of_other_parcels_name_their_giver() -> None:
    world, other = sealed(), seal()
    good = {name: world.own_share(name) for name in validators(3)}
    for wrong in (world.own_share("v01"), other.own_share("v02"), world.parcel.seed):
        with refuses(ErrorCode.BAD_SHARE, culprit="v02"):
            sealing.combine(world.envelope, world.context, {**good, "v02": wrong})
    with refuses(ErrorCode.BAD_SHARE, culprit="stranger"):
        sealing.combine(world.envelope, world.context, {**good, "stranger": good["v00"]})


def recommitted(world: Sealed, shares: dict[str, bytes]) -> Sealed:
    """The dealing of one that commits to these shares, and seals them, under the seed commitment as it is."""
    entries, sealed_shares = [], []
    for position, entry in enumerate(world.envelope.shares):
        key, share = key_pair(entry.validator).public_key, shares[entry.validator]
        info = share_info(world.context, sealing.KemSuite.HYBRID, world.envelope.threshold, entry.validator, key.id)
        hashed = share_hash(world.context, world.envelope.salt, entry.validator, position, share)
        sealed_shares.append(key.seal(share, info))
        sealed_hash = sealed_share_hash(CHAIN_ID, sealed_shares[position])
        entries.append(SealedShare(entry.validator, key.id, hashed, sealed_hash))
    old = world.envelope
    envelope = Envelope(old.suite, old.commitments, old.threshold, old.salt, old.seed_commitment, tuple(entries))
    cheating = Sealed(world.parcel)
    cheating.envelope = decode_envelope(encode(envelope))
    cheating.sealed_shares = tuple(sealed_shares)
    verify_sealed_shares(CHAIN_ID, cheating.envelope, cheating.sealed_shares)
    return cheating


def test_s53_an_inconsistent_dealer_is_exposed_to_the_reader() -> None:
    world = sealed()
    names = validators(4)
    right = {name: world.own_share(name) for name in names}
    cheating = recommitted(world, {**right, "v01": bytes(16)})
    found = {name: cheating.own_share(name) for name in names}  # each is as committed, no validator can tell
    with refuses(ErrorCode.BAD_SEALING, culprit=OWNER):
        sealing.combine(cheating.envelope, cheating.context, found)
    untouched = {name: found[name] for name in ("v00", "v02", "v03")}
    assert sealing.combine(cheating.envelope, cheating.context, untouched) == world.parcel.seed
    with refuses(ErrorCode.BAD_SEALING, culprit=OWNER):
        sealing.verify_dealing(cheating.envelope, cheating.context, untouched)


def test_a_dealer_of_another_seed_is_exposed() -> None:
    world = sealed()
    cheating = recommitted(world, dict(zip(validators(4), sealing.shamir.split(SEED, 3, 4), strict=True)))
    with refuses(ErrorCode.BAD_SEALING, culprit=OWNER):
        sealing.combine(cheating.envelope, cheating.context, {name: cheating.own_share(name) for name in validators(4)})


def test_a_dealer_of_too_high_a_degree_is_exposed() -> None:
    """Four points on a cubic: every three of them lead to something else."""
    world = sealed()
    cheating = recommitted(world, dict(zip(validators(4), sealing.shamir.split(world.parcel.seed, 4, 4), strict=True)))
    shares = {name: cheating.own_share(name) for name in validators(4)}
    for chosen in itertools.combinations(shares, 3):
        with refuses(ErrorCode.BAD_SEALING, culprit=OWNER):
            sealing.combine(cheating.envelope, cheating.context, {name: shares[name] for name in chosen})


def changed_entry(world: Sealed, **changes: object) -> Envelope:
    entry, *others = world.envelope.shares
    return replace(world.envelope, shares=(replace(entry, **changes), *others))


def test_s53_a_validator_sees_on_arrival_that_its_share_is_wrong() -> None:
    world, key = sealed(), key_pair("v00")
    shares, anothers = world.sealed_shares, (world.sealed_shares[1], *world.sealed_shares[1:])
    signed_so = changed_entry(world, sealed_hash=world.envelope.shares[1].sealed_hash)
    for envelope, dealt in ((signed_so, anothers), (changed_entry(world, share_hash=bytes(32)), shares)):
        with refuses(ErrorCode.BAD_SEALING, culprit=OWNER):
            sealing.open_own_share(envelope, dealt, world.context, "v00", key)
    with refuses(ErrorCode.BAD_KEY):
        sealing.open_own_share(changed_entry(world, key_id=bytes(16)), shares, world.context, "v00", key)
    with refuses(ErrorCode.BAD_KEY):
        sealing.open_own_share(world.envelope, shares, world.context, "v00", sealing.KemPrivateKey.generate())
    with refuses(ErrorCode.NOT_FOUND):
        sealing.open_own_share(world.envelope, shares, world.context, "stranger", key)


def test_s53_the_dealer_is_not_blamed_for_a_sealed_share_that_it_did_not_sign() -> None:
    world, key = sealed(), key_pair("v00")
    shares = world.sealed_shares
    for given_shares in ((shares[1], *shares[1:]), (flip(shares[0], 99), *shares[1:]), ()):
        with refuses(ErrorCode.PAYLOAD_MISMATCH):
            sealing.open_own_share(world.envelope, given_shares, world.context, "v00", key)


@pytest.mark.parametrize(
    "context",
    [
        lambda c: sealing.ParcelContext(c.chain_id, "enterprise.bait", c.records_root),
        lambda c: sealing.ParcelContext(c.chain_id, "aviation.open-crews", c.records_root),
        lambda c: sealing.ParcelContext(c.chain_id, c.dataset, bytes(32)),
        lambda c: sealing.ParcelContext(b"\x01" * 32, c.dataset, c.records_root),
    ],
    ids=["owner", "dataset", "records", "chain"],
)
def test_an_envelope_copied_elsewhere_gives_no_share(context: object) -> None:
    """The attack: republish somebody's sealed parcel under one's own dataset, whose contract lets one read it."""
    world = sealed()
    moved = context(world.context)  # type: ignore[operator]
    hashes = [sealed_share_hash(moved.chain_id, sealed_share) for sealed_share in world.sealed_shares]
    entries = zip(world.envelope.shares, hashes, strict=True)
    envelope = replace(world.envelope, shares=tuple(replace(entry, sealed_hash=hash_) for entry, hash_ in entries))
    for name in validators(4):
        with refuses(ErrorCode.BAD_SEALING, culprit=moved.owner):
            sealing.open_own_share(envelope, world.sealed_shares, moved, name, key_pair(name))


def read_all(envelope: bytes) -> None:
    """Everything that anybody checks on the way to the plaintext, with every validator answering."""
    world = Sealed(sealed().parcel)
    world.envelope = decode_envelope(envelope)
    verify_envelope_keys(world.envelope, public_keys(4))
    verify_sealed_shares(CHAIN_ID, world.envelope, world.sealed_shares)
    shares = {name: world.own_share(name) for name in validators(4)}
    assert tuple(sealing.open_parcel(world.parcel.bodies, world.envelope, world.context, shares)) == RECORDS


@settings(max_examples=150)
@given(st.integers(min_value=0))
def test_a_flipped_bit_anywhere_in_an_envelope_is_noticed(bit: int) -> None:
    """As if the owner had signed it so: by the rules of execution, by a validator on arrival, or by the reader."""
    read_all(sealed().parcel.envelope)
    with pytest.raises(PoolError) as caught:
        read_all(flip(sealed().parcel.envelope, bit))
    public = {ErrorCode.MALFORMED, ErrorCode.NOT_CANONICAL, ErrorCode.PAYLOAD_MISMATCH}
    assert caught.value.code in public or isinstance(caught.value, Refusal) or caught.value.context["culprit"] == OWNER


@pytest.mark.parametrize("cut", range(0, 400, 37))
def test_a_truncated_envelope_is_refused(cut: int) -> None:
    with refuses(ErrorCode.MALFORMED):
        decode_envelope(sealed().parcel.envelope[:cut])


def test_envelopes_for_other_validators_or_thresholds_are_refused() -> None:
    envelope = sealed().envelope
    keys = public_keys(4)
    for others in (public_keys(3), public_keys(5)):
        with refuses(ErrorCode.ENVELOPE_VALIDATORS):
            verify_envelope_keys(envelope, others)
    with refuses(ErrorCode.ENVELOPE_KEY):
        verify_envelope_keys(envelope, {**keys, "v03": key_pair("else").public_key.encoded})

    def made(threshold: int, shares: tuple[SealedShare, ...]) -> bytes:
        values = (envelope.suite, envelope.commitments, threshold, envelope.salt, envelope.seed_commitment, shares)
        return encode(Envelope(*values))

    shares = envelope.shares
    twice = (shares[0], shares[0], *shares[2:])
    backwards = tuple(reversed(shares))
    for data in (made(2, shares), made(4, shares)):
        with refuses(ErrorCode.ENVELOPE_THRESHOLD):
            decode_envelope(data)
    for data in (made(3, twice), made(3, backwards)):
        with refuses(ErrorCode.ENVELOPE_ORDER):
            decode_envelope(data)
    with refuses(ErrorCode.MALFORMED):
        decode_envelope(made(1, ()))


def test_suites_are_not_mixed() -> None:
    mixed = {**public_keys(3), "v03": key_pair("v03", sealing.KemSuite.X25519).public_key.encoded}
    for suite, culprit in ((sealing.KemSuite.HYBRID, "v03"), (sealing.KemSuite.X25519, "v00")):
        with refuses(ErrorCode.BAD_KEY, culprit=culprit):
            sealing.seal_parcel(RECORDS, FLIGHTS, mixed, suite=suite)
    with refuses(ErrorCode.KEM_KEY_SIZE, culprit="v01"):
        sealing.seal_parcel(RECORDS, FLIGHTS, {**public_keys(4), "v01": b"\x02broken"})


def test_dealing_is_bounded() -> None:
    context = sealing.ParcelContext(CHAIN_ID, FLIGHTS.dataset, bytes(32))
    one = key_pair("v00", sealing.KemSuite.X25519).public_key.encoded
    for keys in ({}, {f"v{number}": one for number in range(101)}):
        with refuses(ErrorCode.BAD_ENVELOPE):
            sealing.deal(SEED, context, keys, CommitmentKind.WHOLE, sealing.KemSuite.X25519)
    with refuses(ErrorCode.BAD_SEALING):
        sealing.deal(bytes(15), context, {"v0": one}, CommitmentKind.WHOLE, sealing.KemSuite.X25519)


def test_the_largest_envelope_fits_its_header() -> None:
    """A hundred validators with the longest names; their sealed shares fit what is left of a transaction for them."""
    keys = {f"{number:03}".rjust(32, "n"): key_pair("v00").public_key.encoded for number in range(100)}
    parcel = sealing.seal_parcel([b"x"], FLIGHTS, keys)
    verify_sealed_shares(CHAIN_ID, decode_envelope(parcel.envelope), parcel.sealed_shares)
    assert len(parcel.envelope) == 12_161
    assert len(parcel.envelope) + len(encode(parcel.sealed_shares)) <= LIMITS.header_size_bytes - 2_000


def test_equal_records_are_sealed_anew_each_time() -> None:
    first, second = seal(), seal()
    assert first.parcel.seed != second.parcel.seed
    assert not set(first.parcel.bodies) & set(second.parcel.bodies)
    assert first.parcel.seed.hex() not in repr(first.parcel)
    assert repr(first.parcel.seed) not in repr(first.parcel)


def test_shares_are_numbered_from_one_as_the_document_says() -> None:
    assert [x for x, _ in Shamir.split(2, 4, SEED)] == [1, 2, 3, 4]
