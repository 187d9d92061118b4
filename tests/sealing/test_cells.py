"""Parcels that are opened in parts: what a grant opens, what it does not, and who is to blame."""

import itertools
from functools import cache

import pytest
from msgspec.structs import replace

import sealing
from chain.errors import ErrorCode, PoolError
from chain.granularity import Granularity, Part, part_of
from chain.primitives.encoding import decode, encode
from chain.primitives.quorum import quorum
from chain.proofs.merkle import MerkleTree, leaf_hashes
from sealing.cells import inclusion_length
from tests.refusals import refuses
from tests.sealing.world import FLIGHTS, RELEASE, Sealed, flip, key_pair, public_keys, validators

RECORDS = tuple(f'{{"name":"n{n}","id":{n},"phone":"{n}00"}}'.encode() for n in range(6))
JOINED = tuple(f'{{"id":{n},"name":"n{n}","phone":"{n}00"}}'.encode() for n in range(6))
"""As they are read when all columns are opened: in the order of the columns."""
COLUMNS = (("id",), ("phone", "name"))
BY_COLUMN, BY_RECORD, BY_BOTH = Granularity(COLUMNS), Granularity((), True), Granularity(COLUMNS, True)
READER = key_pair("reader")


@cache
def parcel(granularity: Granularity, count: int = 4) -> Sealed:
    made = sealing.seal_parcel(RECORDS, FLIGHTS, public_keys(count), granularity=granularity)
    return Sealed(made)


def wanted(granularity: Granularity, records: set[int] | None, fields: set[str] | None) -> Part:
    return part_of(granularity, len(RECORDS), records, fields)


def release(world: Sealed, name: str, part: Part) -> bytes:
    share = world.own_share(name)
    given = (share, name, RELEASE, world.envelope, world.context, len(RECORDS), part, READER.public_key)
    return encode(sealing.release_part(*given))


def open_one(world: Sealed, name: str, data: bytes, part: Part) -> bytes:
    return sealing.open_release(data, name, RELEASE, world.envelope, world.context, READER, len(RECORDS), part)


def read(world: Sealed, names: list[str], part: Part) -> list[bytes | None]:
    shares = {name: open_one(world, name, release(world, name, part), part) for name in names}
    cipher = sealing.part_cipher(world.envelope, world.context, shares, world.parcel.bodies, part)
    return [cipher.open(index, body) for index, body in enumerate(world.parcel.bodies)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
@pytest.mark.parametrize(
    ("granularity", "records", "fields", "expected"),
    [
        (BY_COLUMN, None, {"id"}, [f'{{"id":{n}}}'.encode() for n in range(6)]),
        (BY_COLUMN, None, {"name", "phone"}, [f'{{"name":"n{n}","phone":"{n}00"}}'.encode() for n in range(6)]),
        (BY_COLUMN, set(range(6)), None, list(JOINED)),
        (BY_RECORD, {2}, None, [RECORDS[2] if n == 2 else None for n in range(6)]),
        (BY_RECORD, {0, 5}, None, [RECORDS[n] if n in (0, 5) else None for n in range(6)]),
        (BY_BOTH, {3}, {"id", "name"}, [b'{"id":3}' if n == 3 else None for n in range(6)]),
        (BY_BOTH, None, {"id"}, [f'{{"id":{n}}}'.encode() for n in range(6)]),
        (BY_BOTH, {1, 4}, None, [JOINED[n] if n in (1, 4) else None for n in range(6)]),
        (BY_BOTH, None, None, list(JOINED)),
    ],
)
def test_s120_a_part_opens_its_cells_and_no_other(
    granularity: Granularity,
    records: set[int] | None,
    fields: set[str] | None,
    expected: list[bytes | None],
    count: int,
) -> None:
    world = parcel(granularity, count)
    part = wanted(granularity, records, fields)
    for names in itertools.islice(itertools.combinations(validators(count), quorum(count)), 3):
        assert read(world, list(names), part) == expected


@pytest.mark.parametrize(
    ("granularity", "records", "fields"),
    [
        (BY_COLUMN, {1}, None),
        (BY_COLUMN, None, {"name"}),
        (BY_RECORD, None, {"id", "name", "phone"}),
        (BY_RECORD, {1}, {"id"}),
        (BY_BOTH, {1}, {"name"}),
        (BY_BOTH, set(), None),
        (Granularity(), {1}, None),
        (Granularity(), None, {"id"}),
    ],
)
def test_s120_what_fills_no_cell_opens_nothing(
    granularity: Granularity, records: set[int] | None, fields: set[str] | None
) -> None:
    with refuses(ErrorCode.NOT_COVERED):
        wanted(granularity, records, fields)


def test_s121_two_grants_open_what_each_opens_and_nothing_more() -> None:
    """Columns of one, records of the other: the seeds of all cells but theirs are as far away as before."""
    world = parcel(BY_BOTH)
    names = validators(4)[:3]
    column, row = wanted(BY_BOTH, None, {"id"}), wanted(BY_BOTH, {2}, None)
    seeds: dict[tuple[int, int], bytes] = {}
    for part in (column, row):
        shares = {name: open_one(world, name, release(world, name, part), part) for name in names}
        cipher = sealing.part_cipher(world.envelope, world.context, shares, world.parcel.bodies, part)
        seeds |= dict(cipher._seeds)  # type: ignore[union-attr]
    assert set(seeds) == {(n, 0) for n in range(6)} | {(2, 1)}
    assert len(set(seeds.values())) == len(seeds)
    both = sealing.CellCipher(world.context, BY_BOTH, world.envelope.point_count, world.envelope.commitments, seeds)
    opened = [both.open(index, body) for index, body in enumerate(world.parcel.bodies)]
    assert opened == [JOINED[2] if n == 2 else f'{{"id":{n}}}'.encode() for n in range(6)]
    for cell in set(itertools.product(range(6), range(2))) - set(seeds):
        with refuses(ErrorCode.NOT_COVERED):
            both.cell(*cell)


def test_s120_a_threshold_less_one_and_all_points_tell_nothing() -> None:
    """With a share short, each value of the missing one leads to another seed: all are equally likely."""
    world = parcel(BY_RECORD)
    part = wanted(BY_RECORD, {1}, None)
    shares = {name: open_one(world, name, release(world, name, part), part) for name in validators(4)[:2]}
    with refuses(ErrorCode.NOT_ENOUGH_SHARES):
        sealing.part_cipher(world.envelope, world.context, shares, world.parcel.bodies, part)
    for guess in range(3):
        guessed = shares | {"v02": bytes([guess]) * 16}
        cipher = sealing.part_cipher(world.envelope, world.context, guessed, world.parcel.bodies, part)
        with refuses(ErrorCode.BAD_SEALING, culprit="aviation"):
            cipher.open(1, world.parcel.bodies[1])


def test_a_record_that_was_erased_leaves_the_others_open() -> None:
    world = parcel(BY_BOTH)
    part = wanted(BY_BOTH, {1, 3, 4}, {"id"})
    shares = {name: open_one(world, name, release(world, name, part), part) for name in validators(3)}
    left = [None if index == 3 else body for index, body in enumerate(world.parcel.bodies)]
    cipher = sealing.part_cipher(world.envelope, world.context, shares, left, part)
    opened = {index: cipher.open(index, body) for index, body in enumerate(left) if body is not None}
    assert opened == {0: None, 1: b'{"id":1}', 2: None, 4: b'{"id":4}', 5: None}


@pytest.mark.parametrize("granularity", [BY_COLUMN, BY_RECORD, BY_BOTH])
def test_s122_a_validator_that_gives_more_less_or_other_than_granted_is_named(granularity: Granularity) -> None:
    world = parcel(granularity)
    every = part_of(granularity, len(RECORDS), None, None)
    parts = [every]
    if granularity.by_record:
        parts += [wanted(granularity, {1}, None), wanted(granularity, {1, 2}, None), wanted(granularity, {2}, None)]
    if granularity.columns:
        parts += [wanted(granularity, None, {"id"}), wanted(granularity, None, {"name", "phone"})]
    for granted, given in itertools.permutations(parts, 2):
        data = release(world, "v01", given)
        with pytest.raises(PoolError) as caught:
            open_one(world, "v01", data, granted)
        assert (caught.value.code, caught.value.context["culprit"]) == (ErrorCode.BAD_SHARE, "v01")
        if given.size != granted.size or given.is_all:
            assert not sealing.is_sized(decode(sealing.ShareRelease, data), world.envelope, granted)
        assert sealing.is_sized(decode(sealing.ShareRelease, data), world.envelope, given)


def test_a_changed_share_or_proof_names_the_validator() -> None:
    world = parcel(BY_BOTH)
    part = wanted(BY_BOTH, {1, 4}, {"id"})
    good = decode(sealing.ShareRelease, release(world, "v01", part))
    assert len(good.proof) == inclusion_length(1, 6) + inclusion_length(4, 6) + 1
    wrong = [good.proof[:-1], (*good.proof, bytes(32)), (flip(good.proof[0], 3), *good.proof[1:]), ()]
    for proof in wrong:
        with refuses(ErrorCode.BAD_SHARE, culprit="v01"):
            open_one(world, "v01", encode(replace(good, proof=proof)), part)
    roots = world.envelope.cells
    assert roots is not None
    assert len(set(roots.share_roots)) == 4


def test_the_whole_parcel_costs_one_share() -> None:
    world = parcel(BY_BOTH)
    every = part_of(BY_BOTH, len(RECORDS), None, None)
    found = decode(sealing.ShareRelease, release(world, "v00", every))
    assert (found.proof, len(found.sealed)) == ((), 16 + world.envelope.suite.overhead_size)
    assert list(
        sealing.open_parcel(world.parcel.bodies, world.envelope, world.context, world.shares(validators(3)))
    ) == list(JOINED)


def test_a_field_in_no_column_is_not_sealed() -> None:
    with refuses(ErrorCode.FIELD_IN_NO_COLUMN, record_index=0, text="age"):
        sealing.seal_parcel([b'{"id":1,"age":2}'], FLIGHTS, public_keys(4), granularity=BY_COLUMN)


def test_an_owner_that_puts_a_field_into_anothers_column_is_to_blame() -> None:
    made = sealing.seal_parcel(
        [b'{"id":1,"name":"x"}'], FLIGHTS, public_keys(1), granularity=Granularity((("id", "name"),))
    )
    world = Sealed(made)
    cells = world.envelope.cells
    assert cells is not None
    cipher = sealing.parcel_cipher(
        replace(world.envelope, cells=replace(cells, granularity=Granularity((("id",),)))), world.context, made.seed, 1
    )
    with refuses(ErrorCode.BAD_SEALING, culprit="aviation"):
        cipher.open(0, made.bodies[0])


@pytest.mark.parametrize("granularity", [BY_RECORD, BY_BOTH, BY_COLUMN])
def test_a_body_that_is_cut_is_the_owners_fault(granularity: Granularity) -> None:
    world = parcel(granularity)
    cipher = sealing.parcel_cipher(world.envelope, world.context, world.parcel.seed, len(RECORDS))
    for size in (32, 47, 90, len(world.parcel.bodies[1]) - 1):
        with refuses(ErrorCode.BAD_SEALING, culprit="aviation"):
            cipher.open(1, world.parcel.bodies[1][:size])


def test_envelopes_whose_cells_do_not_fit_are_refused() -> None:
    envelope = parcel(BY_COLUMN).envelope
    cells = envelope.cells
    assert cells is not None
    for wrong in (
        replace(cells, granularity=Granularity()),
        replace(cells, granularity=BY_BOTH),
        replace(cells, granularity=Granularity((("id",),))),
        replace(cells, share_roots=cells.share_roots[:3]),
        replace(cells, points=cells.points[:-1]),
    ):
        with refuses(ErrorCode.ENVELOPE_CELLS):
            sealing.decode_envelope(encode(replace(envelope, cells=wrong)))
    with refuses(ErrorCode.FIELD_IN_TWO_COLUMNS):
        twice = replace(cells, granularity=Granularity((("id",), ("id",))))
        sealing.decode_envelope(encode(replace(envelope, cells=twice)))
    with refuses(ErrorCode.ENVELOPE_CELLS):
        sealing.decode_envelope(encode(replace(envelope, commitments=sealing.CommitmentKind.WHOLE)))


def test_lengths_of_proofs() -> None:
    for size in range(1, 40):
        tree = MerkleTree(leaf_hashes([bytes([n]) for n in range(size)]))
        assert [inclusion_length(n, size) for n in range(size)] == [len(tree.inclusion_proof(n)) for n in range(size)]
