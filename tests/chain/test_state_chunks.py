"""Chunks of the state: all of them together are the state, each is verified by itself, and none can be falsified."""

from collections.abc import Callable
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.errors import ErrorCode
from chain.primitives.encoding import decode, encode
from chain.state import chunks
from chain.state.chunks import FIRST_PLACE, LAST_PLACE, StateChunk, place_after, read_chunk, verify_chunk
from chain.state.tree import EMPTY, MemoryNodes, StateTree, hash_of
from tests.refusals import refuses

CHAIN = bytes(range(32))
places = st.binary(min_size=32, max_size=32) | st.sampled_from([FIRST_PLACE, LAST_PLACE])
contents = st.dictionaries(st.binary(max_size=2), st.binary(max_size=3), max_size=40)


def tree_of(content: dict[bytes, bytes]) -> tuple[MemoryNodes, bytes]:
    nodes = MemoryNodes()
    update = StateTree(CHAIN, nodes).update(EMPTY, dict(content))
    nodes.add(update)
    return nodes, update.root


def numbered(count: int) -> dict[bytes, bytes]:
    return {b"key/%d" % number: b"value %d" % number for number in range(count)}


@given(contents, places, places)
def test_s68_a_chunk_has_all_entries_between_its_ends(content: dict[bytes, bytes], one: bytes, other: bytes) -> None:
    first, until = sorted((one, other))
    nodes, root = tree_of(content)
    chunk = read_chunk(nodes, root, first, until)
    verify_chunk(CHAIN, hash_of(root), first, until, decode(StateChunk, encode(chunk)))
    path = StateTree(CHAIN, nodes).path
    assert dict(chunk.entries) == {key: value for key, value in content.items() if first <= path(key) <= until}
    assert chunk.until == until


@given(contents, st.integers(1, 5))
def test_s68_all_chunks_together_are_the_state(content: dict[bytes, bytes], entries: int) -> None:
    nodes, root = tree_of(content)
    found: dict[bytes, bytes] = {}
    first, count = FIRST_PLACE, 0
    with mock.patch.object(chunks, "CHUNK_ENTRIES", entries):
        while True:
            chunk = read_chunk(nodes, root, first, LAST_PLACE)
            verify_chunk(CHAIN, hash_of(root), first, LAST_PLACE, chunk)
            found, count = found | dict(chunk.entries), count + 1
            if chunk.until == LAST_PLACE:
                break
            first = place_after(chunk.until)
    assert found == content
    assert count >= len(content) // entries


def test_s68_a_chunk_is_bounded_in_bytes() -> None:
    nodes, root = tree_of({b"%d" % number: bytes(300_000) for number in range(9)})
    chunk = read_chunk(nodes, root, FIRST_PLACE, LAST_PLACE)
    assert len(chunk.entries) == 4
    assert chunk.is_full
    assert chunk.until < LAST_PLACE


def without_entry(chunk: StateChunk) -> StateChunk:
    return StateChunk(chunk.until, chunk.entries[:3] + chunk.entries[4:], chunk.proof)


def with_entry(chunk: StateChunk) -> StateChunk:
    path = StateTree(CHAIN, MemoryNodes()).path
    more = sorted([*chunk.entries, (b"more", b"")], key=lambda entry: path(entry[0]))
    return StateChunk(chunk.until, tuple(more), chunk.proof)


def from_outside(chunk: StateChunk) -> StateChunk:
    """One that is there, but not in this stretch; nothing that is made of the chunk depends on it."""
    path = StateTree(CHAIN, MemoryNodes()).path
    outside = min(numbered(60).items(), key=lambda entry: path(entry[0]))
    assert path(outside[0]) < MIDDLE
    return StateChunk(chunk.until, (outside, *chunk.entries), chunk.proof)


def with_value(chunk: StateChunk) -> StateChunk:
    (key, value), *others = chunk.entries
    return StateChunk(chunk.until, ((key, value + b"!"), *others), chunk.proof)


def in_other_order(chunk: StateChunk) -> StateChunk:
    one, two, *others = chunk.entries
    return StateChunk(chunk.until, (two, one, *others), chunk.proof)


def entry_twice(chunk: StateChunk) -> StateChunk:
    return StateChunk(chunk.until, (chunk.entries[0], *chunk.entries), chunk.proof)


def cut_off(chunk: StateChunk) -> StateChunk:
    """Ends before what was asked for, and is honest about it, but not full: a peer that drips."""
    nodes, root = tree_of(numbered(60))
    path = StateTree(CHAIN, nodes).path(chunk.entries[2][0])
    return read_chunk(nodes, root, MIDDLE, path)


def beyond(chunk: StateChunk) -> StateChunk:
    nodes, root = tree_of(numbered(60))
    return read_chunk(nodes, root, MIDDLE, LAST_PLACE)


def last_left_out(chunk: StateChunk) -> StateChunk:
    """The end says that nothing is there."""
    return StateChunk(chunk.until, chunk.entries[:-1], chunk.proof)


def longer_proof(chunk: StateChunk) -> StateChunk:
    return StateChunk(chunk.until, chunk.entries, (*chunk.proof, bytes(32)))


def shorter_proof(chunk: StateChunk) -> StateChunk:
    return StateChunk(chunk.until, chunk.entries, chunk.proof[:-1])


def another_form(chunk: StateChunk) -> StateChunk:
    return StateChunk(chunk.until, chunk.entries, (b"\x02", *chunk.proof[1:]))


MIDDLE, END = b"\x40" + bytes(31), b"\xbf" + bytes(31)


@pytest.mark.parametrize(
    "spoil",
    [
        without_entry,
        with_entry,
        from_outside,
        with_value,
        in_other_order,
        entry_twice,
        cut_off,
        beyond,
        last_left_out,
        longer_proof,
        shorter_proof,
        another_form,
    ],
)
def test_s68_a_spoilt_chunk_is_refused(spoil: Callable[[StateChunk], StateChunk]) -> None:
    nodes, root = tree_of(numbered(60))
    chunk = read_chunk(nodes, root, MIDDLE, END)
    verify_chunk(CHAIN, hash_of(root), MIDDLE, END, chunk)
    with refuses(ErrorCode.BAD_PROOF):
        verify_chunk(CHAIN, hash_of(root), MIDDLE, END, spoil(chunk))


def test_s68_every_item_of_the_proof_counts() -> None:
    nodes, root = tree_of(numbered(60))
    chunk = read_chunk(nodes, root, MIDDLE, END)
    for number, item in enumerate(chunk.proof):
        for other in {b"", b"\x01", bytes(32), bytes(64), item[:-1] + bytes([item[-1] ^ 1]) if item else b"\x00"} - {
            item
        }:
            proof = (*chunk.proof[:number], other, *chunk.proof[number + 1 :])
            with refuses(ErrorCode.BAD_PROOF):
                verify_chunk(CHAIN, hash_of(root), MIDDLE, END, StateChunk(chunk.until, chunk.entries, proof))


@given(contents, places, places, st.data())
def test_s68_another_content_has_no_proof(
    content: dict[bytes, bytes], one: bytes, other: bytes, data: st.DataObject
) -> None:
    """A chunk of another state, whose entries there differ, never leads to this root."""
    first, until = sorted((one, other))
    nodes, root = tree_of(content)
    honest = read_chunk(nodes, root, first, until)
    lie = content | data.draw(contents)
    for key in data.draw(st.lists(st.sampled_from(sorted(content)), max_size=3)) if content else []:
        lie.pop(key, None)
    other_nodes, other_root = tree_of(lie)
    chunk = read_chunk(other_nodes, other_root, first, until)
    if chunk.entries != honest.entries:
        for proof in (chunk.proof, honest.proof):
            with refuses(ErrorCode.BAD_PROOF):
                verify_chunk(CHAIN, hash_of(root), first, until, StateChunk(until, chunk.entries, proof))


def test_s68_a_leaf_over_the_end_may_lie_on_either_side() -> None:
    """A tree of one leaf: a chunk that ends before it proves that nothing is there, one that ends after it has it."""
    nodes, root = tree_of({b"only": b"1"})
    place = StateTree(CHAIN, nodes).path(b"only")
    before = (int.from_bytes(place, "big") - 1).to_bytes(32, "big")
    for first, until, count in ((FIRST_PLACE, before, 0), (FIRST_PLACE, place, 1), (place_after(place), LAST_PLACE, 0)):
        chunk = read_chunk(nodes, root, first, until)
        assert len(chunk.entries) == count
        verify_chunk(CHAIN, hash_of(root), first, until, chunk)
        with refuses(ErrorCode.BAD_PROOF):
            verify_chunk(
                CHAIN, hash_of(root), first, until, StateChunk(until, () if count else ((b"only", b"1"),), chunk.proof)
            )


def test_s68_a_hostile_proof_is_refused_in_bounded_time() -> None:
    _, root = tree_of(numbered(3))
    chunk = StateChunk(END, (), (b"\x01",) * 1024)
    with refuses(ErrorCode.BAD_PROOF):
        verify_chunk(CHAIN, hash_of(root), MIDDLE, END, chunk)
