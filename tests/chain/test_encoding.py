"""Canonical encoding: one value has one encoding, everything else is refused (scenarios 46, 47)."""

import subprocess
import sys
from typing import Annotated

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Meta

from chain.blocks import BlockHeader, Certificate, Outcome
from chain.errors import ErrorCode
from chain.primitives.encoding import EncodingError, Wire, decode, encode
from chain.state.tree import StateProof
from chain.transactions.base import Transaction
from chain.transactions.dataset import DatasetHeader
from chain.transactions.parcel import ParcelHeader

hashes = st.binary(min_size=32, max_size=32)
key_ids = st.binary(min_size=16, max_size=16)
signatures = st.binary(min_size=64, max_size=64)
unsigned = st.integers(0, 2**63 - 1)
names = st.text("abcz09-", min_size=1, max_size=32)
texts = st.text(max_size=40)

parcels = st.builds(
    ParcelHeader,
    chain_id=hashes,
    member=names,
    key_id=key_ids,
    nonce=key_ids,
    expiry_ms=unsigned,
    dataset=texts,
    record_count=st.integers(1, 4096),
    records_root=hashes,
    envelope=st.binary(max_size=300),
    derived_from=st.lists(st.tuples(hashes, st.integers(0, 4095)), max_size=20).map(tuple),
)
datasets = st.builds(
    DatasetHeader,
    chain_id=hashes,
    member=names,
    key_id=key_ids,
    nonce=key_ids,
    expiry_ms=unsigned,
    dataset=texts,
    version=st.integers(1, 2**31),
    title_zh=texts,
    title_en=texts,
    schema=texts,
    sharing=st.sampled_from(["open", "conditional", "closed"]),
    legal_basis=texts,
    contract=texts,
)
versions = st.integers(1, 2**16 - 1)
headers = st.builds(
    BlockHeader,
    version=versions,
    height=unsigned,
    parent_hash=hashes,
    time_ms=unsigned,
    proposer=names | st.just(""),
    transaction_count=st.integers(0, 4096),
    tx_root=hashes,
    result_root=hashes,
    state_root=hashes,
    history_root=hashes,
    validators_hash=hashes,
    next_validators_hash=hashes,
    next_version=versions,
)
certificates = st.builds(
    Certificate, unsigned, unsigned, hashes, st.lists(st.tuples(names, signatures), max_size=20).map(tuple)
)
facts = st.builds(lambda text, found: ((5, found), (24, text)), texts, unsigned)
outcomes = st.builds(Outcome, hashes, st.text(min_size=1, max_size=64), facts, unsigned)
transactions = st.builds(Transaction, st.binary(max_size=70), signatures, st.binary(max_size=70_000))
values: st.SearchStrategy[Wire] = st.one_of(parcels, datasets, headers, certificates, outcomes, transactions)


class Pair(Wire):
    """The smallest type that has all the rules."""

    number: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    items: Annotated[tuple[bytes, ...], Meta(max_length=20)]


def plain(value: object) -> object:
    """A value as the nested lists that the independent MessagePack implementation gives."""
    if isinstance(value, Wire):
        tag = type(value).__struct_config__.tag
        fields = [plain(getattr(value, name)) for name in value.__struct_fields__]
        return fields if tag is None else [tag, *fields]
    return [plain(item) for item in value] if isinstance(value, tuple) else value


@given(values)
def test_decoding_reverses_encoding(value: Wire) -> None:
    assert decode(type(value), encode(value)) == value


@given(values)
def test_an_independent_implementation_agrees(value: Wire) -> None:
    data = encode(value)
    assert msgpack.unpackb(data) == plain(value)
    assert msgpack.packb(plain(value)) == data


@given(values, st.data())
def test_a_mutated_byte_is_refused_or_is_another_value(value: Wire, data: st.DataObject) -> None:
    encoded = encode(value)
    position = data.draw(st.integers(0, len(encoded) - 1))
    mutated = bytearray(encoded)
    mutated[position] ^= data.draw(st.integers(1, 255))
    try:
        other = decode(type(value), bytes(mutated))
    except EncodingError:
        return
    assert other != value
    assert encode(other) == mutated


@given(values, st.data())
def test_a_cut_or_lengthened_encoding_is_refused(value: Wire, data: st.DataObject) -> None:
    encoded = encode(value)
    cut = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
    for wrong in (cut, encoded + data.draw(st.binary(min_size=1, max_size=9))):
        with pytest.raises(EncodingError):
            decode(type(value), wrong)


@given(st.binary(max_size=200))
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\xdc\xff\xff" * 60)
@example(b"\x91" * 200)
def test_any_bytes_give_a_value_or_an_encoding_error(data: bytes) -> None:
    for type_ in (ParcelHeader, BlockHeader, Certificate, Outcome, Transaction, StateProof):
        try:
            value = decode(type_, data)  # type: ignore[arg-type]
        except EncodingError:
            continue
        assert encode(value) == data


@pytest.mark.parametrize(
    "data",
    [
        b"\x92\xcc\x01\x90",  # 1 as uint 8
        b"\x92\xcd\x00\x01\x90",
        b"\x92\xce\x00\x00\x00\x01\x90",
        b"\x92\xcf" + bytes(7) + b"\x01\x90",
        b"\x92\xd0\x01\x90",  # 1 as a signed integer
        b"\x92\xd3" + bytes(7) + b"\x01\x90",
        b"\x92\x01\xdc\x00\x00",  # an empty array with 16-bit length
        b"\x92\x01\xdd\x00\x00\x00\x00",
        b"\xdc\x00\x02\x01\x90",  # the outer array with 16-bit length
        b"\x92\x01\x91\xc5\x00\x01a",  # one byte with 16-bit length
        b"\x92\x01\x91\xc6\x00\x00\x00\x01a",
    ],
)
def test_long_forms_are_not_canonical(data: bytes) -> None:
    with pytest.raises(EncodingError) as caught:
        decode(Pair, data)
    assert caught.value.code is ErrorCode.NOT_CANONICAL


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x92\x01\x90\x00",  # a trailing byte
        b"\x91\x01",  # one element missing
        b"\x93\x01\x90\x01",  # one too many
        b"\x92\xff\x90",  # -1
        b"\x92\xcf\x80" + bytes(7) + b"\x90",  # 2**63
        b"\x92\xcb" + bytes(8) + b"\x90",  # a floating-point 0
        b"\x92\xc3\x90",  # true for 1
        b"\x92\xc0\x90",  # nil
        b"\x92\xa11\x90",  # the string "1"
        b"\x92\x01\x91\xa1a",  # a string for bytes
        b"\x92\x01\x80",  # a map for an array
        b"\x92\x01\xc7\x01\x05a",  # an extension
        b"\x92\x01\x91\xc1",  # the byte that MessagePack never uses
        b"\x92\x01\xdc\x00\x15" + b"\xc4\x00" * 21,  # more items than the bound
        b"\x92\x01\xdd\xff\xff\xff\xff",  # an array of four billion items that are not there
        b"\x91" * 100_000,  # deeper than any stack
    ],
)
def test_other_shapes_are_malformed(data: bytes) -> None:
    with pytest.raises(EncodingError) as caught:
        decode(Pair, data)
    assert caught.value.code is ErrorCode.MALFORMED


def test_invalid_utf8_is_malformed() -> None:
    good = encode(Outcome(bytes(32), "ok", ((24, "xy"),), 0))
    with pytest.raises(EncodingError) as caught:
        decode(Outcome, good.replace(b"xy", b"\xff\xfe"))
    assert caught.value.code is ErrorCode.MALFORMED


@pytest.mark.parametrize("name", ["", "A", "a.b", "a" * 33, "a\n", "ä", "a b"])
def test_names_outside_the_pattern_are_malformed(name: str) -> None:
    with pytest.raises(EncodingError) as caught:
        decode(Certificate, encode(Certificate(1, 0, bytes(32), ((name, bytes(64)),))))
    assert caught.value.code is ErrorCode.MALFORMED


def test_threads_that_decode_a_type_for_the_first_time_do_not_end_the_process() -> None:
    """Without one lock around the making of decoders this ends with a segmentation fault within a few rounds."""
    subprocess.run([sys.executable, "-c", FIRST_DECODES], check=True, timeout=120)


FIRST_DECODES = """
import sys, threading, msgspec
from chain.primitives.encoding import Wire, decode, encode
sys.setswitchinterval(1e-6)
value = encode([[[1, "a"], [2, "b"]], [[3, "c"]]])
for _ in range(60):
    inner = msgspec.defstruct("Inner", [("number", int), ("text", str)], bases=(Wire,), frozen=True)
    fields = [("first", tuple[inner, ...]), ("second", tuple[inner, ...])]
    outer = msgspec.defstruct("Outer", fields, bases=(Wire,), frozen=True)
    start = threading.Barrier(8)
    def work():
        start.wait()
        assert encode(decode(outer, value)) == value
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""
