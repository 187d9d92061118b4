"""Transactions: ids, signatures, payloads, and every way in which the bytes alone can be wrong."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.crypto import Ed25519Signer, key_id
from chain.primitives.encoding import EncodingError, encode
from chain.proofs.merkle import verify_inclusion
from chain.transactions.base import (
    CheckedTransaction,
    Transaction,
    sign_transaction,
    transaction_id,
    verify_payload,
    verify_signed_by,
)
from chain.transactions.parcel import (
    ParcelHeader,
    decode_content,
    encode_records,
    record_leaf,
    record_leaves,
    record_proof,
    records_root,
)
from chain.transactions.registry import check_stored, decode_transaction, decode_transaction_header
from tests.networks import TestNetwork

NETWORK = TestNetwork()
CHAIN = NETWORK.chain_id
OPEN = NETWORK.checked(NETWORK.parcel()).header
records_lists = st.lists(st.binary(max_size=20), min_size=1, max_size=12)


def decoded(transaction: Transaction) -> CheckedTransaction:
    return decode_transaction(CHAIN, encode(transaction))


def code_of(call: object, *arguments: object) -> ErrorCode:
    with pytest.raises(PoolError) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value.code


def test_id_and_signature_cover_the_headers_exact_bytes() -> None:
    transaction = NETWORK.parcel()
    prefix = b"blockpool/2\x00transaction\x00" + CHAIN
    assert decoded(transaction).id == hashlib.sha256(prefix + transaction.header).digest()
    verify_signed_by(decoded(transaction), NETWORK.system["a"].public_key)


def test_a_changed_header_byte_never_verifies() -> None:
    transaction, key = NETWORK.parcel(), NETWORK.system["a"].public_key
    for position in range(len(transaction.header)):
        header = bytearray(transaction.header)
        header[position] ^= 1
        try:
            checked = decoded(Transaction(bytes(header), transaction.signature, transaction.payload))
        except PoolError:
            continue
        assert checked.id != decoded(transaction).id
        assert code_of(verify_signed_by, checked, key) is ErrorCode.BAD_SIGNATURE


def test_the_id_does_not_depend_on_signature_and_payload() -> None:
    transaction = NETWORK.parcel()
    assert decoded(Transaction(transaction.header, bytes(64), b"")).id == decoded(transaction).id


def test_s34_what_is_known_of_one_key_says_nothing_of_another() -> None:
    checked = decoded(NETWORK.parcel())
    checked.signed_by = NETWORK.system["b"].public_key
    verify_signed_by(checked, NETWORK.system["a"].public_key)
    assert checked.signed_by == NETWORK.system["a"].public_key
    assert code_of(verify_signed_by, checked, NETWORK.system["b"].public_key) is ErrorCode.BAD_SIGNATURE


def test_another_members_key_does_not_verify() -> None:
    assert (
        code_of(verify_signed_by, decoded(NETWORK.parcel()), NETWORK.system["b"].public_key) is ErrorCode.BAD_SIGNATURE
    )


def test_signing_with_a_key_that_the_header_does_not_name_is_refused() -> None:
    header = decoded(NETWORK.parcel()).header
    assert code_of(sign_transaction, header, NETWORK.system["b"]) is ErrorCode.UNKNOWN_KEY


def test_s13_a_transaction_of_another_chain_is_refused() -> None:
    transaction = NETWORK.parcel()
    assert code_of(decode_transaction, bytes(32), encode(transaction)) is ErrorCode.WRONG_CHAIN
    assert code_of(decode_transaction_header, bytes(32), transaction.header) is ErrorCode.WRONG_CHAIN


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data + b"\x00", ErrorCode.MALFORMED),
        (lambda data: data[:-1], ErrorCode.MALFORMED),
        (lambda data: b"", ErrorCode.MALFORMED),
        (lambda data: b"\xdc\x00\x03" + data[1:], ErrorCode.NOT_CANONICAL),
        (lambda data: b"\x92" + data[1:], ErrorCode.MALFORMED),
        (lambda data: bytes(LIMITS.transaction_size_bytes + 1), ErrorCode.TOO_LARGE),
    ],
)
def test_s46_malformed_transactions(change: object, code: ErrorCode) -> None:
    data = change(encode(NETWORK.parcel()))  # type: ignore[operator]
    assert code_of(decode_transaction, CHAIN, data) is code


def test_s49_a_header_encoded_otherwise_is_refused() -> None:
    """A longer encoding of the same header would have another id: the same record twice."""
    transaction = NETWORK.parcel()
    longer = b"\xdc\x00" + bytes([transaction.header[0] & 0x0F]) + transaction.header[1:]
    assert code_of(decoded, Transaction(longer, transaction.signature, b"")) is ErrorCode.NOT_CANONICAL


@pytest.mark.parametrize("size", [63, 65, 0])
def test_a_signature_has_64_bytes(size: int) -> None:
    transaction = NETWORK.parcel()
    data = encode(Transaction(transaction.header, bytes(size), transaction.payload))
    assert code_of(decode_transaction, CHAIN, data) is ErrorCode.MALFORMED


def test_a_parcels_payload_becomes_its_records() -> None:
    records = (b'{"n":1}', b"", b'{"n":2}')
    checked = decoded(NETWORK.parcel(records))
    verify_payload(checked)
    assert tuple(checked.records) == records
    assert checked.size_bytes == len(encode(checked.transaction))


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (encode_records([b'{"n":2}']), ErrorCode.PAYLOAD_MISMATCH),
        (encode_records([b'{"n":1}', b'{"n":1}']), ErrorCode.PAYLOAD_MISMATCH),
        (b"", ErrorCode.MALFORMED),
        (b"\x90", ErrorCode.MALFORMED),
        (b"\xdc\x00\x01" + encode_records([b'{"n":1}'])[1:], ErrorCode.NOT_CANONICAL),
        (encode_records([b'{"n":1}']) + b"\x00", ErrorCode.MALFORMED),
        (encode([1]), ErrorCode.MALFORMED),
        (encode_records([bytes(LIMITS.record_size_bytes + 1)]), ErrorCode.TOO_LARGE),
        (encode_records([b""] * (LIMITS.transaction_records + 1)), ErrorCode.TOO_MANY_RECORDS),
    ],
)
def test_a_payload_that_is_not_what_was_signed(payload: bytes, code: ErrorCode) -> None:
    signed = NETWORK.parcel([b'{"n":1}'])
    transaction = Transaction(signed.header, signed.signature, payload)
    assert code_of(verify_payload, decoded(transaction)) is code
    assert code_of(check_stored, CHAIN, transaction) is code


def test_a_dataset_has_no_payload() -> None:
    signed = NETWORK.dataset()
    verify_payload(decoded(signed))
    with_payload = Transaction(signed.header, signed.signature, encode_records([b"x"]))
    assert code_of(verify_payload, decoded(with_payload)) is ErrorCode.PAYLOAD_MISMATCH


def test_the_largest_records_and_parcels_are_taken() -> None:
    for records in ([bytes(LIMITS.record_size_bytes)], [b""] * LIMITS.transaction_records):
        assert decode_content(OPEN, encode_records(records)).records == tuple(records)


@pytest.mark.parametrize(
    "changes",
    [
        {"member": "A"},
        {"member": ""},
        {"key_id": bytes(15)},
        {"nonce": bytes(17)},
        {"expiry_ms": -1},
        {"expiry_ms": 2**63},
        {"dataset": "x" * 81},
        {"record_count": 0},
        {"record_count": LIMITS.transaction_records + 1},
        {"records_root": bytes(31)},
        {"derived_from": ((bytes(32), LIMITS.transaction_records),)},
        {"derived_from": ((bytes(31), 0),)},
        {"derived_from": ((bytes(32), 0),) * (LIMITS.derived_from + 1)},
    ],
)
def test_fields_outside_their_bounds_are_malformed(changes: dict[str, object]) -> None:
    good = decoded(NETWORK.parcel()).header
    fields = {name: getattr(good, name) for name in good.__struct_fields__} | changes
    data = encode(ParcelHeader(**fields))  # type: ignore[arg-type]
    assert code_of(decode_transaction_header, CHAIN, data) is ErrorCode.MALFORMED


def test_a_malformed_header_is_told_by_its_own_type_and_the_cause() -> None:
    with pytest.raises(PoolError) as caught:
        decode_transaction_header(CHAIN, NETWORK.dataset().header.replace(b"\xa4open", b"\xa4oben"))
    assert caught.value.detail.startswith("DatasetHeader: Invalid enum value 'oben'")


@pytest.mark.parametrize("data", [b"", b"\x90", b"\x91\x09", b"\x91\xff", b"\xdc\x00\x10", b"\x81\x01"])
def test_a_header_of_no_known_type_is_malformed(data: bytes) -> None:
    assert code_of(decode_transaction_header, CHAIN, data) is ErrorCode.MALFORMED


def test_a_header_over_its_bound_is_too_large() -> None:
    header = NETWORK.parcel().header + bytes(LIMITS.header_size_bytes)
    assert code_of(decode_transaction_header, CHAIN, header) is ErrorCode.TOO_LARGE


def test_a_header_names_nothing_twice_and_no_heights_that_are_none() -> None:
    twice = [
        NETWORK.parcel(derived_from=((bytes(32), 0),) * 2),
        NETWORK.request(parcels=(bytes(32), bytes(32))),
        NETWORK.request(from_height=5, until_height=4),
        NETWORK.read_report(bytes(32), [bytes(32), bytes(32)]),
    ]
    refused = (ErrorCode.PARCEL_REPEATED, ErrorCode.SOURCE_REPEATED, ErrorCode.EMPTY_RANGE)
    for transaction in twice:
        assert code_of(decode_transaction_header, CHAIN, transaction.header) in refused


def test_sharing_is_one_of_three_classes() -> None:
    header = NETWORK.dataset().header
    assert code_of(decode_transaction_header, CHAIN, header.replace(b"\xa4open", b"\xa4oben")) is ErrorCode.MALFORMED


@given(records_lists, st.data())
def test_every_record_is_provable_under_the_signed_root(records: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(records) - 1))
    root = records_root(CHAIN, records)
    leaf = record_leaf(CHAIN, records[index])
    assert record_leaves(CHAIN, records)[index] == leaf
    prefix = b"blockpool/2\x00record\x00" + CHAIN
    assert leaf == hashlib.sha256(b"\x00" + hashlib.sha256(prefix + records[index]).digest()).digest()
    header = decoded(NETWORK.parcel(records)).header
    assert isinstance(header, ParcelHeader)
    verify_inclusion(leaf, index, len(records), record_proof(header, records, index), root)


@given(records_lists)
def test_payloads_survive(records: list[bytes]) -> None:
    assert decode_content(OPEN, encode_records(records)).records == tuple(records)


@given(st.binary(max_size=200))
def test_s46_any_bytes_are_refused_with_a_code(data: bytes) -> None:
    assert code_of(decode_transaction, CHAIN, data) in (ErrorCode.MALFORMED, ErrorCode.NOT_CANONICAL)


def test_ids_of_one_header_differ_between_chains() -> None:
    assert transaction_id(CHAIN, b"header") != transaction_id(bytes(32), b"header")


def test_nothing_signed_as_a_transaction_is_a_vote() -> None:
    """Domains keep the purposes of one key apart, whatever bytes are signed."""
    signer = Ed25519Signer(bytes(32))
    transaction = NETWORK.parcel()
    bare = Transaction(transaction.header, signer.sign(transaction.header), transaction.payload)
    assert code_of(verify_signed_by, decoded(bare), signer.public_key) is ErrorCode.BAD_SIGNATURE
    assert key_id(signer.public_key) != key_id(NETWORK.system["a"].public_key)


def test_errors_of_encoding_are_pool_errors() -> None:
    assert issubclass(EncodingError, PoolError)
