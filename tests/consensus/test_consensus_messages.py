"""The wire: every message survives encoding, and nothing else gets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.blocks import Certificate, commit_message
from chain.primitives.encoding import EncodingError, encode
from consensus import messages
from tests.consensus.support import CHAIN_ID, commit, hash_of, make_proposal, prepare, transaction_id, view_change_vote

BLOCK = make_proposal(1, transaction_id("parent"), "a", (transaction_id("t"),))
HASH = hash_of(BLOCK)
VOTES = (("a", bytes(64)), ("b", bytes(64)))
MESSAGES: list[messages.Message] = [
    messages.PrePrepare(prepare("a", 1, 0, HASH), BLOCK),
    prepare("b", 1, 0, HASH),
    commit("b", 1, 0, HASH),
    messages.ViewChange(view_change_vote("c", 1, 1), None, None),
    messages.ViewChange(view_change_vote("c", 1, 1, 0, HASH), messages.PreparedCertificate(1, 0, HASH, VOTES), BLOCK),
    messages.NewView(1, 1, (view_change_vote("c", 1, 1),), None),
    messages.Committed(Certificate(1, 0, HASH, VOTES)),
    messages.Status(5, 2),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_messages_survive_the_wire(message: messages.Message) -> None:
    assert messages.decode_message(messages.encode_message(message)) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_s46_truncated_and_extended_messages_are_refused(message: messages.Message) -> None:
    data = messages.encode_message(message)
    for bad in (data + b"\x00", *(data[:size] for size in range(len(data)))):
        with pytest.raises(EncodingError):
            messages.decode_message(bad)


@given(st.binary(max_size=200))
def test_s46_arbitrary_bytes_never_do_more_than_be_refused(data: bytes) -> None:
    try:
        message = messages.decode_message(data)
    except EncodingError:
        return
    assert messages.encode_message(message) == data


@pytest.mark.parametrize(
    "fields",
    [
        (1, 1, 0, HASH, "a", bytes(63)),
        (1, 1, 0, HASH[:31], "a", bytes(64)),
        (1, -1, 0, HASH, "a", bytes(64)),
        (1, 2**63, 0, HASH, "a", bytes(64)),
        (1, 1, 0, HASH, "A", bytes(64)),
        (1, 1, 0, HASH, "a" * 33, bytes(64)),
        (1, 1.0, 0, HASH, "a", bytes(64)),
        (99, 1, 0, HASH, "a", bytes(64)),
        (8, 1),
    ],
)
def test_s47_fields_out_of_their_bounds_are_refused(fields: tuple[object, ...]) -> None:
    with pytest.raises(EncodingError):
        messages.decode_message(encode(fields))


def test_s13_statements_of_different_kinds_and_chains_sign_different_bytes() -> None:
    other_chain = bytes(32)
    signed = {
        messages.prepare_message(CHAIN_ID, 1, 2, HASH),
        commit_message(CHAIN_ID, 1, 2, HASH),
        messages.view_change_message(CHAIN_ID, 1, 2, None, None),
        messages.view_change_message(CHAIN_ID, 1, 2, 1, HASH),
        messages.prepare_message(other_chain, 1, 2, HASH),
        commit_message(other_chain, 1, 2, HASH),
    }
    assert len(signed) == 6


def test_s19_a_commit_signs_what_a_certificate_is_checked_against() -> None:
    vote = commit("b", 3, 2, HASH)
    assert messages.signed_message(CHAIN_ID, vote) == commit_message(CHAIN_ID, 3, 2, HASH)
