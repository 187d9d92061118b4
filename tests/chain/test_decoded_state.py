"""Decoded entries: always those under the root that was asked for, whoever reads meanwhile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.crypto import sha256
from chain.primitives.encoding import encode
from chain.state import decoded as decoded_state
from chain.state.decoded import DecodedState
from chain.state.entries import ContractState
from chain.state.tree import EMPTY, MemoryNodes, StateTree

KEYS = [b"a", b"b", b"c", b"d"]


class Chain:
    """A state that moves on, and what every root of it holds."""

    def __init__(self) -> None:
        self.nodes = MemoryNodes()
        self.tree = StateTree(sha256(b"chain"), self.nodes)
        self.root = EMPTY
        self.decoded = DecodedState(lambda: self.tree, self.root)
        self.holds: dict[bytes, dict[bytes, bytes]] = {self.root: {}}

    def change(self, *, kept: bool = True, **changes: bytes) -> None:
        values = {key.encode(): value for key, value in changes.items()}
        entries = {key: ContractState(value) for key, value in values.items()}
        update = self.tree.update(self.root, {key: encode(entry) for key, entry in entries.items()})
        self.nodes.add(update)
        self.holds[update.root] = self.holds[self.root] | values
        self.decoded.move_on(self.root, update.root, update.changes, entries if kept else {})
        self.root = update.root

    def found(self, root: bytes) -> dict[bytes, bytes]:
        read = self.decoded.reader(root)
        entries = {key: read(key, ContractState) for key in KEYS}
        return {key: entry.state for key, entry in entries.items() if entry is not None}


READS = st.sampled_from(["newest", "old", "none"])


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.binary(max_size=2), READS, st.booleans())))
def test_every_root_has_its_own_entries(steps: list[tuple[str, bytes, str, bool]]) -> None:
    chain = Chain()
    first = chain.root
    for key, value, reads, kept in steps:
        if reads != "none":
            root = chain.root if reads == "newest" else first
            assert chain.found(root) == chain.holds[root]
        chain.change(kept=kept, **{key: value})
    assert all(chain.found(root) == entries for root, entries in chain.holds.items())


def test_an_execution_that_was_given_up_on_spoils_nothing() -> None:
    chain = Chain()
    chain.change(a=b"1")
    late = chain.decoded.reader(chain.root)
    chain.change(a=b"2", b=b"2")
    assert late(b"a", ContractState) == ContractState(b"1")
    assert late(b"b", ContractState) is None
    assert chain.found(chain.root) == {b"a": b"2", b"b": b"2"}


def test_an_entry_is_decoded_once_until_it_changes() -> None:
    chain = Chain()
    chain.change(a=b"1", b=b"1")
    read = chain.decoded.reader(chain.root)
    first = read(b"a", ContractState), read(b"b", ContractState)
    chain.change(b=b"2")
    read = chain.decoded.reader(chain.root)
    assert read(b"a", ContractState) is first[0]
    assert read(b"b", ContractState) == ContractState(b"2")


def test_the_state_can_start_anywhere() -> None:
    chain = Chain()
    chain.change(a=b"1")
    earlier = chain.root
    chain.change(a=b"2")
    chain.decoded.start_at(earlier)
    assert chain.found(earlier) == {b"a": b"1"}
    assert chain.found(chain.root) == {b"a": b"2"}


def test_what_is_kept_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded_state, "KEPT_ENTRIES", 2)
    chain = Chain()
    for value in (b"1", b"2", b"3"):
        chain.change(a=value, b=value, c=value)
        assert len(chain.decoded._kept.decoded) <= 2
        assert chain.found(chain.root) == {b"a": value, b"b": value, b"c": value}
        assert len(chain.decoded._kept.decoded) <= 2
