"""Records: round trips, commitments, and ciphertexts in the wrong place."""

import itertools

import orjson
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

import sealing
from chain.errors import ErrorCode
from chain.limits import LIMITS
from chain.primitives.encoding import encode
from chain.transactions.sealed import SEALED_OVERHEAD_SIZE, sealed_records_root
from sealing.commitments import whole_commitment
from sealing.context import additional_data, derive_record_keys
from tests.refusals import refuses
from tests.sealing.world import CHAIN_ID, FLIGHTS, OWNER, RECORDS, flip, seal, sealed

SEED = bytes(range(16))
KINDS = pytest.mark.parametrize("kind", list(sealing.CommitmentKind))
OTHERS = (
    sealing.SealingContext(CHAIN_ID, "aviation.crews"),
    sealing.SealingContext(CHAIN_ID, "police.flights"),
    sealing.SealingContext(b"\x01" * 32, "aviation.flights"),
)


def signed(bodies: list[bytes], context: sealing.SealingContext = FLIGHTS) -> sealing.ParcelContext:
    """The context as if the owner had signed these bodies."""
    root = sealed_records_root(context.chain_id, bodies)
    return sealing.ParcelContext(context.chain_id, context.dataset, root)


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=12))
def test_any_bytes_come_back(records: list[bytes]) -> None:
    bodies = sealing.seal_records(records, SEED, FLIGHTS, sealing.CommitmentKind.WHOLE)
    assert [len(body) for body in bodies] == [len(record) + SEALED_OVERHEAD_SIZE for record in records]
    assert list(sealing.open_records(bodies, SEED, signed(bodies), sealing.CommitmentKind.WHOLE)) == records


@given(st.lists(st.dictionaries(st.text(), st.none() | st.integers(-(2**53), 2**53) | st.text()), min_size=1))
def test_any_compact_object_comes_back(values: list[dict[str, object]]) -> None:
    records = [orjson.dumps(value) for value in values]
    bodies = sealing.seal_records(records, SEED, FLIGHTS, sealing.CommitmentKind.FIELDS)
    assert list(sealing.open_records(bodies, SEED, signed(bodies), sealing.CommitmentKind.FIELDS)) == records


@KINDS
def test_nothing_of_the_plaintext_is_in_the_bodies(kind: sealing.CommitmentKind) -> None:
    joined = b"".join(sealing.seal_records([b'{"secret":"aaaaaaaaaaaaaaaa"}'] * 50, SEED, FLIGHTS, kind))
    assert b"secret" not in joined
    assert b"aaaa" not in joined


@KINDS
def test_equal_records_look_different(kind: sealing.CommitmentKind) -> None:
    """Commitments too: else one could count who has the same value."""
    bodies = sealing.seal_records([b'{"sex":"f"}'] * 64, SEED, FLIGHTS, kind)
    assert len({body[:32] for body in bodies}) == 64
    assert len({body[32:] for body in bodies}) == 64


def test_every_nonce_and_salt_is_used_once() -> None:
    """Over the most records that one key may see."""
    cipher = sealing.RecordCipher(FLIGHTS, SEED, sealing.CommitmentKind.WHOLE)
    indices = range(LIMITS.transaction_records)
    assert len({cipher._nonce_and_data(index, b"")[0] for index in indices}) == len(indices)
    salts = [salt for index in indices for salt in cipher.salts(index, 4)]
    assert len(set(salts)) == len(salts)


@KINDS
@settings(max_examples=60)
@given(index=st.integers(0, len(RECORDS) - 1), bit=st.integers(min_value=0))
def test_a_flipped_bit_in_a_body_is_refused(kind: sealing.CommitmentKind, index: int, bit: int) -> None:
    world = sealed(kind)
    bodies = list(world.parcel.bodies)
    bodies[index] = flip(bodies[index], bit)
    with refuses(ErrorCode.PAYLOAD_MISMATCH):
        sealing.open_records(bodies, world.parcel.seed, world.context, kind)
    with refuses(ErrorCode.BAD_SEALING, culprit=OWNER):
        list(sealing.open_records(bodies, world.parcel.seed, signed(bodies), kind))


@KINDS
def test_a_truncated_body_or_a_missing_one_is_refused(kind: sealing.CommitmentKind) -> None:
    world = sealed(kind)
    for cut in range(len(world.parcel.bodies[0])):
        bodies = [world.parcel.bodies[0][:cut], *world.parcel.bodies[1:]]
        with refuses(ErrorCode.PAYLOAD_MISMATCH):
            sealing.open_records(bodies, world.parcel.seed, world.context, kind)
    for bodies in (list(world.parcel.bodies[1:]), [*world.parcel.bodies, world.parcel.bodies[0]], []):
        with refuses(ErrorCode.PAYLOAD_MISMATCH):
            sealing.open_records(bodies, world.parcel.seed, world.context, kind)


@KINDS
def test_records_swapped_within_a_parcel_are_refused_even_if_signed(kind: sealing.CommitmentKind) -> None:
    world = sealed(kind)
    for first, second in itertools.combinations(range(len(RECORDS)), 2):
        bodies = list(world.parcel.bodies)
        bodies[first], bodies[second] = bodies[second], bodies[first]
        with refuses(ErrorCode.PAYLOAD_MISMATCH):
            sealing.open_records(bodies, world.parcel.seed, world.context, kind)
        with refuses(ErrorCode.BAD_SEALING, culprit=OWNER):
            list(sealing.open_records(bodies, world.parcel.seed, signed(bodies), kind))


@KINDS
def test_records_of_another_parcel_are_refused(kind: sealing.CommitmentKind) -> None:
    world, other = sealed(kind), seal(kind=kind)
    mixed = [other.parcel.bodies[0], *world.parcel.bodies[1:]]
    with refuses(ErrorCode.PAYLOAD_MISMATCH):
        sealing.open_records(mixed, world.parcel.seed, world.context, kind)
    with refuses(ErrorCode.BAD_SEALING, culprit=OWNER):
        list(sealing.open_records(mixed, world.parcel.seed, signed(mixed), kind))


@KINDS
@pytest.mark.parametrize("context", OTHERS, ids=["dataset", "owner", "chain"])
def test_records_moved_elsewhere_do_not_open_even_with_the_seed(
    kind: sealing.CommitmentKind, context: sealing.SealingContext
) -> None:
    bodies = sealing.seal_records(RECORDS, SEED, FLIGHTS, kind)
    with refuses(ErrorCode.BAD_SEALING, culprit=context.owner):
        next(sealing.open_records(bodies, SEED, signed(bodies, context), kind))


def test_an_owner_that_commits_to_another_plaintext_is_exposed() -> None:
    """It encrypts one record and commits to another, to disclose the one that suits it."""
    keys = derive_record_keys(FLIGHTS, SEED)
    commitment = whole_commitment(CHAIN_ID, bytes(16), b"what it would rather have said")
    additional = additional_data(FLIGHTS) + bytes(8) + commitment
    body = commitment + AESGCM(keys.encryption).encrypt(keys.nonce_base, b"what it says to readers", additional)
    with refuses(ErrorCode.BAD_SEALING, culprit=OWNER):
        next(sealing.open_records([body], SEED, signed([body]), sealing.CommitmentKind.WHOLE))


def test_the_kinds_of_commitment_cannot_be_confused() -> None:
    for kind, other in itertools.permutations(sealing.CommitmentKind):
        bodies = sealing.seal_records([b'{"a":1}'], SEED, FLIGHTS, kind)
        with refuses(ErrorCode.BAD_SEALING, culprit=OWNER):
            next(sealing.open_records(bodies, SEED, signed(bodies), other))


def test_no_plaintext_leaves_before_the_bodies_are_checked() -> None:
    """The check comes with the call, not with the first record that is asked for."""
    world = sealed()
    with refuses(ErrorCode.PAYLOAD_MISMATCH):
        bodies = [*world.parcel.bodies[:-1], flip(world.parcel.bodies[-1], 0)]
        sealing.open_records(bodies, world.parcel.seed, world.context, sealing.CommitmentKind.FIELDS)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"1",
        b"[1]",
        b"null",
        b'{"a": 1}',
        b'{"a":1} ',
        b'{"a":1,}',
        b'{"a":1,"a":1}',
        b'{"\\u0061":1}',
        b'{"a":1}{"b":2}',
        b'{"a":NaN}',
        b'{"a":1e1000}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":"\\udead"}',
        b'{"a":' + b"9" * 65 + b"}",
        b'{"a":"\xff"}',
        b'{"\xff":1}',
        b'{"a":"\\ud800"}',
        b"\xef\xbb\xbf{}",
        b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
        encode({str(number): number for number in range(3)}),
        b"{" + b",".join(b'"%d":0' % number for number in range(LIMITS.record_fields + 1)) + b"}",
    ],
    ids=lambda record: repr(record[:16]),
)
def test_fields_are_committed_to_for_compact_objects_only(record: bytes) -> None:
    with refuses(ErrorCode.BAD_SEALING):
        sealing.seal_records([record], SEED, FLIGHTS, sealing.CommitmentKind.FIELDS)


def test_values_keep_their_exact_bytes() -> None:
    record = '{"big":123456789012345678901234567890,"float":1.50,"text":"\\u0041迈","inner":{"a": [ 1 ]}}'.encode()
    assert [(field.name, field.value.decode()) for field in sealing.split_fields(record)] == [
        ("big", "123456789012345678901234567890"),
        ("float", "1.50"),
        ("text", '"\\u0041迈"'),
        ("inner", '{"a": [ 1 ]}'),
    ]


def test_bounds() -> None:
    longest = b"x" * (LIMITS.record_size_bytes - SEALED_OVERHEAD_SIZE)
    (body,) = sealing.seal_records([longest], SEED, FLIGHTS, sealing.CommitmentKind.WHOLE)
    assert len(body) == LIMITS.record_size_bytes
    with refuses(ErrorCode.TOO_LARGE):
        sealing.seal_records([longest + b"x"], SEED, FLIGHTS, sealing.CommitmentKind.WHOLE)
    for records in ([], [b""] * (LIMITS.transaction_records + 1)):
        with refuses(ErrorCode.BAD_SEALING):
            sealing.seal_records(records, SEED, FLIGHTS, sealing.CommitmentKind.WHOLE)
    for size in (0, 15, 17, 32):
        with refuses(ErrorCode.BAD_SEALING):
            sealing.seal_records([b""], bytes(size), FLIGHTS, sealing.CommitmentKind.WHOLE)


def test_contexts_are_checked() -> None:
    with refuses(ErrorCode.WRONG_CHAIN):
        sealing.SealingContext(b"", "aviation.flights")
    with refuses(ErrorCode.BAD_NAME):
        sealing.SealingContext(CHAIN_ID, "flights")
