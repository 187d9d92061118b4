"""Bytes that are no contract, request, answer, read report or share query (scenarios 46, 47 and 49): whatever comes in
is a value that encodes to the very same bytes, or a ``PoolError``; nothing else ever comes out of a decoder.
"""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.blocks import Outcome, Verdict
from chain.errors import PoolError
from chain.limits import LIMITS
from chain.primitives.encoding import EncodingError, decode, encode
from chain.primitives.kem import verify_kem_key
from chain.state.entries import RequestAnswer, RequestEntry
from chain.transactions.base import verify_payload
from chain.transactions.registry import decode_transaction, decode_transaction_header
from chain.transactions.sealed import decode_envelope
from sealing import ShareAnswer, ShareQuery, ShareRelease
from tests.networks import TestNetwork

NETWORK = TestNetwork(has_contracts=True)
PARCEL = NETWORK.sealed_parcel()
TRANSACTIONS = {
    "contract": NETWORK.contract("x = 1", parameters='{"a":"b"}'),
    "request": NETWORK.request(parcels=(b"\x01" * 32, b"\x02" * 32), until_ms=2**62),
    "approval": NETWORK.approval(b"\x03" * 32, "revoke", reason="错了"),
    "read_report": NETWORK.read_report(b"\x04" * 32, [b"\x05" * 32], record_count=7),
    "sealed parcel": PARCEL,
}
VERDICT = Verdict("allow", "", 5, "a.rule", 1, b"\x01" * 32, b"\x02" * 32)
BODIES: dict[str, tuple[type, object]] = {
    "query": (ShareQuery, ShareQuery(b"\x01" * 32, (b"\x02" * 32, b"\x03" * 32))),
    "answer": (ShareAnswer, ((b"first", b"second"), (), (b"third",))),
    "release": (ShareRelease, ShareRelease("a", b"\x01" * 32, b"\x02" * 32, b"\x03" * 16, b"\x04" * 1136)),
    "outcome": (Outcome, Outcome(b"\x01" * 32, "ok", ((24, "no"),), 3, VERDICT)),
    "answer to a request": (RequestAnswer, RequestAnswer("a", "approve", "yes", 1, 2)),
}  # type: ignore[dict-item]

changes = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "double", "append"]), st.integers(0, 10**6), st.binary(max_size=9)
    ),
    min_size=1,
    max_size=4,
)


def changed(data: bytes, steps: list[tuple[str, int, bytes]]) -> bytes:
    """``data`` after some accidents."""
    for kind, number, extra in steps:
        place = number % (len(data) + 1)
        if kind == "flip" and data:
            place %= len(data)
            data = data[:place] + bytes([data[place] ^ 1 << number % 8]) + data[place + 1 :]
        elif kind == "cut":
            data = data[:place] + data[place + len(extra) + 1 :]
        elif kind == "insert":
            data = data[:place] + extra + data[place:]
        elif kind == "double":
            data = data[:place] + data[max(0, place - 5) :]
        elif kind == "append":
            data += extra
    return data


@pytest.mark.parametrize("name", TRANSACTIONS)
@given(steps=changes)
@settings(max_examples=120)
def test_s46_a_damaged_transaction_is_exact_or_refused(name: str, steps: list[tuple[str, int, bytes]]) -> None:
    data = changed(encode(TRANSACTIONS[name]), steps)
    try:
        checked = decode_transaction(NETWORK.chain_id, data)
        verify_payload(checked)
    except PoolError:
        return
    assert encode(checked.transaction) == data
    assert encode(checked.header) == checked.transaction.header


@pytest.mark.parametrize("name", TRANSACTIONS)
@given(steps=changes)
@settings(max_examples=120)
def test_s46_a_damaged_header_is_exact_or_refused(name: str, steps: list[tuple[str, int, bytes]]) -> None:
    data = changed(TRANSACTIONS[name].header, steps)
    try:
        header = decode_transaction_header(NETWORK.chain_id, data)
    except PoolError:
        return
    assert encode(header) == data


@pytest.mark.parametrize("name", BODIES)
@given(steps=changes)
@settings(max_examples=120)
def test_s46_a_damaged_body_is_exact_or_refused(name: str, steps: list[tuple[str, int, bytes]]) -> None:
    type_, value = BODIES[name]
    data = changed(encode(value), steps)
    try:
        found = decode(type_, data)
    except EncodingError:
        return
    assert encode(found) == data


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_s46_any_bytes_at_all(data: bytes) -> None:
    for type_ in (ShareQuery, ShareAnswer, ShareRelease, Outcome, RequestEntry):
        try:
            assert encode(decode(type_, data)) == data
        except EncodingError:
            continue
    for refuse in (decode_envelope, verify_kem_key, lambda data: decode_transaction(NETWORK.chain_id, data)):
        with pytest.raises(PoolError):
            refuse(data)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=9) | st.binary(),
    lambda inner: st.lists(inner, max_size=16) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(values, max_size=17))
@settings(max_examples=100)
def test_s46_any_shape_in_another_encoders_bytes(fields: list[object]) -> None:
    for tag in range(9):
        data = msgpack.packb([tag, NETWORK.chain_id, "a", bytes(16), bytes(16), 0, *fields])
        try:
            header = decode_transaction_header(NETWORK.chain_id, data)
        except PoolError:
            continue
        assert encode(header) == data


@pytest.mark.parametrize(
    "data",
    [
        encode([b"\x01" * 32, []]),
        encode([b"\x01" * 32, [b"\x02" * 32] * (LIMITS.share_parcels + 1)]),
        encode([b"\x01" * 31, [b"\x02" * 32]]),
        encode([b"\x01" * 32, [b"\x02" * 33]]),
        encode([b"\x01" * 32, [b"\x02" * 32], 0]),
        encode(["1" * 32, [b"\x02" * 32]]),
        encode([b"\x01" * 32, {"a": 1}]),
        b"\x92\xc4\x20" + b"\x01" * 32 + b"\xdc\x00\x01\xc4\x20" + b"\x02" * 32,
        b"\xdc\x00\x02\xc4\x20" + b"\x01" * 32 + b"\x91\xc4\x20" + b"\x02" * 32,
        b"\xdd\xff\xff\xff\xff",
        b"\x92\xc6\xff\xff\xff\xff",
    ],
)
def test_s47_share_queries_have_one_form_and_bounds(data: bytes) -> None:
    """Too many, too few, of other sizes and types, in longer encodings, with lengths that nobody could hold."""
    with pytest.raises(EncodingError):
        decode(ShareQuery, data)


@pytest.mark.parametrize(
    "change",
    [
        {"purpose": ""},
        {"purpose": "x" * (LIMITS.title_length + 1)},
        {"legal_basis": "x" * (LIMITS.text_length + 1)},
        {"person": "x" * (LIMITS.title_length + 1)},
        {"parcels": (b"\x01" * 32,) * (LIMITS.request_parcels + 1)},
        {"parcels": (b"\x01" * 31,)},
        {"kem_key": b""},
        {"kem_key": bytes(2000)},
        {"until_ms": -1},
        {"until_ms": 2**63},
        {"from_height": -1},
    ],
)
def test_s47_requests_have_bounds(change: dict[str, object]) -> None:
    with pytest.raises(EncodingError):
        NETWORK.checked(NETWORK.request(**change))  # type: ignore[arg-type]


def test_s47_read_reports_and_answers_have_bounds() -> None:
    parcels = [b"\x01" * 32] * (LIMITS.report_parcels + 1)
    for transaction in (
        NETWORK.read_report(bytes(32), parcels),
        NETWORK.read_report(bytes(32), []),
        NETWORK.read_report(bytes(32), parcels[:1], record_count=0),
        NETWORK.read_report(bytes(32), parcels[:1], digest=bytes(31)),
        NETWORK.approval(bytes(32), "grant"),  # type: ignore[arg-type]
        NETWORK.approval(bytes(32), reason="x" * (LIMITS.reason_length + 1)),
        NETWORK.approval(bytes(31)),
    ):
        with pytest.raises(EncodingError):
            NETWORK.checked(transaction)
