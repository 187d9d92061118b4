"""Disclosures: single fields and whole records, shown to somebody who holds the parcel's header only."""

import hashlib
import itertools

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sealing
from chain.errors import ErrorCode, PoolError
from chain.primitives.encoding import encode
from sealing.disclosure import DisclosedField
from tests.refusals import refuses
from tests.sealing.world import RECORDS, RELEASE, Sealed, flip, seal, sealed

PARCEL = RELEASE.parcel_id


def disclosed(world: Sealed, index: int, *names: str) -> sealing.Disclosure:
    kind = world.envelope.commitments
    return sealing.disclose(world.parcel.bodies, world.parcel.seed, world.context, kind, PARCEL, index, names)


def checked(disclosure: sealing.Disclosure, world: Sealed | None = None) -> list[sealing.Field] | bytes:
    world = world or sealed()
    return sealing.verify_disclosure(disclosure, world.context, PARCEL, len(RECORDS))


def fields_of(disclosure: sealing.Disclosure) -> sealing.FieldDisclosure:
    assert isinstance(disclosure, sealing.FieldDisclosure)
    return disclosure


@pytest.mark.parametrize("index", [0, 1, 2, 4])
def test_every_choice_of_fields_is_proved(index: int) -> None:
    values = {
        name: bytes(raw) for name, raw in msgspec.json.decode(RECORDS[index], type=dict[str, msgspec.Raw]).items()
    }
    for count in range(1, len(values) + 1):
        for names in itertools.combinations(values, count):
            disclosure = disclosed(sealed(), index, *names)
            assert checked(disclosure) == [sealing.Field(name, values[name]) for name in names]
            assert fields_of(disclosure).field_count == len(values)
            hidden = set(values) - set(names)
            assert not any(name.encode() in encode(disclosure) for name in hidden)


def test_a_whole_record_is_proved() -> None:
    world = sealed(sealing.CommitmentKind.WHOLE)
    for index, record in enumerate(RECORDS):
        assert checked(disclosed(world, index), world) == record


@pytest.mark.parametrize("kind", list(sealing.CommitmentKind))
def test_both_forms_keep_everything(kind: sealing.CommitmentKind) -> None:
    names = ("dest", "flight") if kind is sealing.CommitmentKind.FIELDS else ()
    disclosure = disclosed(sealed(kind), 1, *names)
    assert sealing.decode_disclosure(encode(disclosure)) == disclosure
    assert sealing.disclosure_from_json(sealing.disclosure_to_json(disclosure)) == disclosure
    assert orjson.loads(sealing.disclosure_to_json(disclosure))["place"]["index"] == 1


@pytest.mark.parametrize("kind", list(sealing.CommitmentKind))
@settings(max_examples=150)
@given(st.integers(min_value=0))
def test_a_flipped_bit_is_refused(kind: sealing.CommitmentKind, bit: int) -> None:
    names = ("dest", "crew") if kind is sealing.CommitmentKind.FIELDS else ()
    data = flip(encode(disclosed(sealed(kind), 1, *names)), bit)
    with pytest.raises(PoolError) as caught:
        checked(sealing.decode_disclosure(data), sealed(kind))
    assert caught.value.code in {ErrorCode.MALFORMED, ErrorCode.NOT_CANONICAL, ErrorCode.BAD_DISCLOSURE}


@settings(max_examples=150)
@given(st.integers(min_value=0), st.integers(min_value=0))
def test_a_changed_file_is_refused_or_says_the_same(bit: int, cut: int) -> None:
    """A bit of JSON may be flipped without a change of meaning: white space, unused bits of base64."""
    disclosure = disclosed(sealed(), 1, "dest", "crew")
    text = sealing.disclosure_to_json(disclosure)
    try:
        found = sealing.disclosure_from_json(flip(text, bit))
        assert checked(found) == checked(disclosure)
    except PoolError as error:
        code = error.code
        assert code is ErrorCode.BAD_DISCLOSURE
    with refuses(ErrorCode.BAD_DISCLOSURE):
        sealing.disclosure_from_json(text[: cut % (len(text) - 2)])


def replaced(disclosure: sealing.FieldDisclosure, **changes: object) -> sealing.FieldDisclosure:
    shown = msgspec.structs.replace(disclosure.fields[0], **changes)
    return msgspec.structs.replace(disclosure, fields=(shown, *disclosure.fields[1:]))


def test_lies_about_a_field_are_refused() -> None:
    disclosure = fields_of(disclosed(sealed(), 2, "delay"))
    lies: tuple[dict[str, object], ...] = (
        {"value": "0"},
        {"value": "-4.5"},
        {"name": "flight"},
        {"name": "dela", "value": "y-4.50"},
        {"name": "delay-", "value": "4.50"},
        {"salt": bytes(16)},
        {"position": 0},
        {"value": "nothing"},
    )
    for lie in lies:
        with refuses(ErrorCode.BAD_DISCLOSURE):
            checked(replaced(disclosure, **lie))
    for count in (1, 2, 4, 1000):
        with refuses(ErrorCode.BAD_DISCLOSURE):
            checked(msgspec.structs.replace(disclosure, field_count=count))


def test_fields_of_different_records_do_not_go_together() -> None:
    first = fields_of(disclosed(sealed(), 0, "flight"))
    second = fields_of(disclosed(sealed(), 2, "delay"))
    both = msgspec.structs.replace(first, fields=(*first.fields, *second.fields))
    with refuses(ErrorCode.BAD_DISCLOSURE):
        checked(both)
    for fields in (first.fields * 2, tuple(reversed(fields_of(disclosed(sealed(), 0, "flight", "dest")).fields))):
        with refuses(ErrorCode.BAD_DISCLOSURE):
            checked(msgspec.structs.replace(first, fields=fields))


def test_a_disclosure_holds_for_its_own_parcel_and_place_only() -> None:
    world, other = sealed(), seal()
    disclosure = disclosed(world, 0, "dest")
    context = world.context
    elsewhere = (
        (other.context, PARCEL, len(RECORDS)),
        (context, bytes(32), len(RECORDS)),
        (context, PARCEL, len(RECORDS) + 4),
        (sealing.ParcelContext(b"\x01" * 32, context.dataset, context.records_root), PARCEL, len(RECORDS)),
    )
    for where in elsewhere:
        with refuses(ErrorCode.BAD_DISCLOSURE):
            sealing.verify_disclosure(disclosure, *where)
    for index in (1, 2, 4, 4095):
        place = msgspec.structs.replace(disclosure.place, index=index)
        with refuses(ErrorCode.BAD_DISCLOSURE):
            checked(msgspec.structs.replace(disclosure, place=place))


def test_the_kinds_of_disclosure_cannot_be_confused() -> None:
    """Neither a record of fields shown as one of bytes, nor the other way round, with any bytes that fit."""
    fields = fields_of(disclosed(sealed(), 0, "dest"))
    with refuses(ErrorCode.BAD_DISCLOSURE):
        checked(sealing.RecordDisclosure(fields.place, RECORDS[0], fields.fields[0].salt))
    whole = disclosed(sealed(sealing.CommitmentKind.WHOLE), 0)
    assert isinstance(whole, sealing.RecordDisclosure)
    with refuses(ErrorCode.BAD_DISCLOSURE):
        checked(
            sealing.FieldDisclosure(whole.place, 1, (DisclosedField(0, "dest", '"IAH"', whole.salt, ()),)),
            sealed(sealing.CommitmentKind.WHOLE),
        )


def test_what_cannot_be_disclosed_is_said() -> None:
    for index, names, code in (
        (0, ("weather",), ErrorCode.NOT_FOUND),
        (9, ("dest",), ErrorCode.NOT_FOUND),
        (-1, ("dest",), ErrorCode.NOT_FOUND),
        (0, (), ErrorCode.BAD_REQUEST),
    ):
        with refuses(code):
            disclosed(sealed(), index, *names)
    with refuses(ErrorCode.BAD_REQUEST):
        disclosed(sealed(sealing.CommitmentKind.WHOLE), 0, "dest")


def test_a_low_entropy_value_cannot_be_guessed() -> None:
    """All that is public is the sibling hash in another field's proof. The guesser knows name and both possible values,
    and the salts of the field that was shown; without the hidden field's own salt no guess can be told from the other.
    """
    world = seal(records=[b'{"name":"Li","positive":true}'])
    shown = fields_of(disclosed(world, 0, "name")).fields[0]
    truth = fields_of(disclosed(world, 0, "positive")).fields[0]
    (sibling,) = shown.proof
    known_salts = (bytes(16), shown.salt, world.envelope.salt, hashlib.sha256(shown.salt).digest()[:16])
    prefix = b"\x00blockpool/2\x00sealed-field\x00" + world.context.chain_id

    def hashed(salt: bytes, value: bytes) -> bytes:
        return hashlib.sha256(prefix + salt + b"\x00\x00\x00\x08positive" + value).digest()

    assert not {hashed(salt, value) for salt in known_salts for value in (b"true", b"false")} & {sibling}
    assert hashed(truth.salt, b"true") == sibling
    assert truth.salt not in encode(disclosed(world, 0, "name"))


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"[]", b"null", b'{"format":"blockpool-field-disclosure/2"}', b"\xff", b"[" * 100_000],
    ids=lambda text: repr(text[:12]),
)
def test_other_files_are_refused(text: bytes) -> None:
    with refuses(ErrorCode.BAD_DISCLOSURE):
        sealing.disclosure_from_json(text)


def test_a_file_with_extra_members_is_refused() -> None:
    content = orjson.loads(sealing.disclosure_to_json(disclosed(sealed(), 0, "dest")))
    content["fields"][0]["note"] = "x"
    with refuses(ErrorCode.BAD_DISCLOSURE):
        sealing.disclosure_from_json(orjson.dumps(content))
