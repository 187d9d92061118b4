"""Cutting records into parcels, and transactions that can be made again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockpool import (
    DatasetDefinition,
    ErrorCode,
    Identity,
    RecordId,
    SignedTransaction,
    sign_dataset,
    sign_parcel,
    sign_sealed_parcel,
)
from blockpool.signing import encode_record, group_records, repeatable_nonce
from chain.limits import LIMITS
from chain.transactions.base import verify_payload, verify_signed_by
from chain.transactions.parcel import ParcelHeader
from chain.transactions.registry import decode_transaction
from tests.networks import TestNetwork
from tests.refusals import refuses

NETWORK = TestNetwork()
IDENTITY = Identity("a", NETWORK.system["a"])


@given(st.lists(st.binary(max_size=40), max_size=60), st.integers(min_value=1, max_value=20))
def test_groups_hold_every_record_in_order_and_are_full(bodies: list[bytes], parcel_records: int) -> None:
    groups = list(group_records(iter(bodies), parcel_records))
    assert [body for group in groups for body in group] == bodies
    assert all(len(group) == parcel_records for group in groups[:-1])
    assert all(1 <= len(group) <= parcel_records for group in groups)


def test_groups_stay_under_the_size_of_a_transaction() -> None:
    body = bytes(LIMITS.record_size_bytes)
    groups = list(group_records([body] * 40, LIMITS.transaction_records))
    assert sum(map(len, groups)) == 40
    assert len(groups) > 1
    for group in groups:
        content = sign_parcel(NETWORK.genesis, IDENTITY, "a.x", group).content
        assert len(content) <= LIMITS.transaction_size_bytes


def test_groups_are_made_as_they_are_asked_for() -> None:
    taken = []

    def bodies() -> object:
        for number in range(10):
            taken.append(number)
            yield b"%d" % number

    groups = group_records(bodies(), 3)  # type: ignore[arg-type]
    next(groups)
    assert len(taken) == 4


def test_a_signed_parcel_passes_the_checks_of_a_node() -> None:
    parcel = sign_parcel(NETWORK.genesis, IDENTITY, "a.flights", [b"1", b"2"])
    checked = decode_transaction(NETWORK.chain_id, parcel.content)
    verify_signed_by(checked, IDENTITY.signer.public_key)
    verify_payload(checked)
    assert (checked.id, checked.records) == (parcel.transaction_id, (b"1", b"2"))


def test_the_same_submission_makes_the_same_transaction() -> None:
    def parcel(key: str, position: int, records: list[bytes]) -> bytes:
        nonce = repeatable_nonce(NETWORK.genesis, key, position, records)
        return sign_parcel(NETWORK.genesis, IDENTITY, "a.flights", records, nonce=nonce).content

    assert parcel("k", 0, [b"1"]) == parcel("k", 0, [b"1"])
    different = {parcel("k", 0, [b"1"]), parcel("k", 1, [b"1"]), parcel("l", 0, [b"1"]), parcel("k", 0, [b"2"])}
    assert len(different) == 4


def test_without_a_nonce_every_parcel_is_another_transaction() -> None:
    parcels = {sign_parcel(NETWORK.genesis, IDENTITY, "a.flights", [b"1"]).transaction_id for _ in range(5)}
    assert len(parcels) == 5


@pytest.mark.parametrize("count", [0, LIMITS.transaction_records + 1])
def test_a_parcel_has_a_bounded_number_of_records(count: int) -> None:
    with refuses(ErrorCode.TOO_MANY_RECORDS):
        sign_parcel(NETWORK.genesis, IDENTITY, "a.flights", [b"1"] * count)


@pytest.mark.parametrize(
    ("record", "body"), [(b"\x00", b"\x00"), ("é", b"\xc3\xa9"), ({"n": 1, "s": "é"}, b'{"n":1,"s":"\xc3\xa9"}')]
)
def test_record_bodies(record: object, body: bytes) -> None:
    assert encode_record(record) == body  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("record", "code"),
    [({"n": object()}, ErrorCode.MALFORMED), (bytes(LIMITS.record_size_bytes + 1), ErrorCode.TOO_LARGE)],
)
def test_records_that_cannot_be_shared(record: object, code: ErrorCode) -> None:
    with refuses(code):
        encode_record(record)  # type: ignore[arg-type]


def test_record_ids_are_read_as_they_are_written() -> None:
    record = RecordId(bytes(range(32)), 4095)
    assert RecordId.parse(str(record)) == record


@pytest.mark.parametrize(
    "text", ["", "/", "00/1", "00" * 32, "00" * 32 + "/", "00" * 32 + "/-1", "00" * 32 + "/1x", "zz" * 32 + "/1"]
)
def test_strange_record_ids_are_refused(text: str) -> None:
    with refuses(ErrorCode.BAD_REQUEST):
        RecordId.parse(text)


@pytest.mark.parametrize(
    ("definition", "code"),
    [
        (DatasetDefinition("flights", "", ""), ErrorCode.BAD_NAME),
        (DatasetDefinition("a.flights", "", "", '{"type":"object","not":{}}'), ErrorCode.SCHEMA_KEYWORD),
    ],
)
def test_a_definition_is_checked_before_it_is_signed(definition: DatasetDefinition, code: ErrorCode) -> None:
    with refuses(code):
        sign_dataset(NETWORK.genesis, IDENTITY, definition, 1)


@pytest.mark.parametrize("sealed", [False, True])
def test_sources_are_part_of_what_is_signed(sealed: bool) -> None:
    network = TestNetwork(has_contracts=True)
    sources = [RecordId(bytes(31) + b"\1", 4095), RecordId(bytes(31) + b"\2", 0)]

    def sign(derived_from: list[RecordId]) -> SignedTransaction:
        if sealed:
            keys = network.kem_keys
            return sign_sealed_parcel(network.genesis, IDENTITY, "a.flights", [b"1"], keys, derived_from=derived_from)
        return sign_parcel(network.genesis, IDENTITY, "a.flights", [b"1"], derived_from=derived_from)

    header = decode_transaction(network.chain_id, sign(sources).content).header
    assert isinstance(header, ParcelHeader)
    assert header.derived_from == tuple((source.transaction_id, source.index) for source in sources)
    for wrong, code in (
        (sources[:1] * (LIMITS.derived_from + 1), ErrorCode.TOO_LARGE),
        ([RecordId(bytes(32), LIMITS.transaction_records)], ErrorCode.BAD_REQUEST),
    ):
        with refuses(code):
            sign(wrong)
