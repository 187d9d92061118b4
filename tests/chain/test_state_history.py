"""The state store, and what is made again of it: the state after every block, whatever is written, deleted or lost."""

from collections.abc import Iterator
from random import Random
from unittest import mock

import pytest

from chain.errors import ErrorCode
from chain.primitives.crypto import sha256
from chain.primitives.encoding import encode
from chain.state.difference import damage
from chain.state.entries import PROTOCOL_KEY
from chain.state.tree import (
    EMPTY,
    REFERENCE_SIZE,
    MemoryNodes,
    StateTree,
    children_of,
    hash_of,
    is_leaf,
    place_of,
    verify_state_proof,
)
from chain.state_history import StateHistory
from chain.storage import state
from chain.storage.blocks import BlockStore
from chain.storage.database import MemoryDatabase
from chain.storage.state import StateStore
from tests.refusals import refuses

CHAIN = sha256(b"chain")
GENESIS = {PROTOCOL_KEY: b"protocol", b"first": b"1"}
SMALL = {"FLUSHED_BLOCKS": 3, "KEPT_BLOCKS": 8, "PERMANENT_BLOCKS": 7}


class Chain:
    """What blocks have changed, and the states that this must lead to."""

    def __init__(self, seed: int = 1) -> None:
        self._random = Random(seed)
        self.block_database, self.state_database = MemoryDatabase(), MemoryDatabase()
        self.blocks = BlockStore(self.block_database)
        self.contents: list[dict[bytes, bytes]] = [GENESIS]
        self.roots = [hash_of(StateTree(CHAIN, MemoryNodes()).update(EMPTY, GENESIS).root)]
        self.start()

    def start(self) -> None:
        """As a new process finds it."""
        self.states = StateStore(self.state_database, CHAIN)
        self.history = StateHistory(CHAIN, self.blocks, self.states)
        self.history.recover(GENESIS, self.height, self.roots.__getitem__, None)

    @property
    def height(self) -> int:
        return len(self.contents) - 1

    def grow(self, count: int) -> None:
        for _ in range(count):
            changed = {b"entry/%d" % self._random.randrange(20): self._random.randbytes(2) for _ in range(3)}
            height, head = self.height + 1, self.states.head
            assert head is not None
            self.block_database.write([(b"s" + height.to_bytes(8, "big"), encode(tuple(changed.items())))], sync=True)
            update = StateTree(CHAIN, self.states.view()).update(head.reference, changed, height)
            self.contents.append(self.contents[-1] | changed)
            self.roots.append(hash_of(update.root))
            self.states.add(height, update)
            if self.states.is_due:
                self.states.flush()

    def verify(self, heights: Iterator[int] | range) -> None:
        """Every key of these states is proven, those that are not there too."""
        for height in heights:
            view = self.history.at(height, self.roots[height])
            for key in (*self.contents[-1], b"never"):
                value = self.contents[height].get(key)
                assert view.get(key) == value, (height, key)
                verify_state_proof(CHAIN, self.roots[height], key, value, view.prove(key))


@pytest.fixture(autouse=True)
def _small() -> Iterator[None]:
    with mock.patch.multiple(state, **SMALL), mock.patch("chain.state_history.KEPT_BLOCKS", SMALL["KEPT_BLOCKS"]):
        yield


def test_every_state_of_every_block_can_be_proven() -> None:
    chain = Chain()
    for _ in range(20):
        chain.grow(4)
        chain.verify(range(max(0, chain.height - 12), chain.height + 1))
    chain.verify(range(chain.height + 1))
    chain.verify(iter([5, 60, 5, 5, 61]))


def test_a_view_stays_as_it_is_while_the_chain_grows() -> None:
    chain = Chain()
    chain.grow(20)
    for height in (3, 14, 18, 19, 20):
        view = chain.history.at(height, chain.roots[height])
        chain.grow(3)
        assert all(view.get(key) == chain.contents[height].get(key) for key in chain.contents[-1]), height


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_kept_but_what_trees_have_that_are_written(seed: int) -> None:
    chain = Chain(seed)
    chain.grow(100)
    written = {key: value[:REFERENCE_SIZE] for key, value in chain.state_database.scan(b"r", b"s")}
    reached: set[bytes] = set()
    for root in written.values():
        assert not list(damage(CHAIN, chain.states.view(), root))
        pending = [root]
        while pending:
            reference = pending.pop()
            if reference != EMPTY and place_of(reference) not in reached:
                reached.add(place_of(reference))
                node = chain.states.view().node(reference)
                pending += [] if is_leaf(node) else children_of(node)
    superseded = {
        value[start : start + 12]
        for _, value in chain.state_database.scan(b"s", b"t")
        for start in range(16, len(value), 12)
    }
    kept = {key[1:] for key, _ in chain.state_database.scan(b"n", b"o")}
    assert reached <= kept
    assert kept <= reached | superseded, "what no tree has will never go"
    heights = [int.from_bytes(key[1:], "big") for key in written]
    recent = [height for height in heights if height > chain.height - 2 * SMALL["KEPT_BLOCKS"]]
    assert len(heights) - len(recent) <= chain.height // SMALL["PERMANENT_BLOCKS"] + 1


def test_what_is_permanent_stays_when_a_later_process_deletes() -> None:
    chain = Chain()
    for _ in range(6):
        chain.grow(17)
        chain.start()
        for _, value in chain.state_database.scan(b"r", b"s"):
            assert not list(damage(CHAIN, chain.states.view(), value[:REFERENCE_SIZE]))
    chain.verify(range(chain.height + 1))


@pytest.mark.parametrize("lost", [1, 2, 3, 4, 5, 9, 20])
def test_a_state_that_lost_its_newest_batches_is_brought_up(lost: int) -> None:
    chain, undo = Chain(), []
    write = chain.state_database.write

    def remember(batch: list[tuple[bytes, bytes | None]], *, sync: bool) -> None:
        undo.append([(key, chain.state_database.get(key)) for key, _ in reversed(batch)])
        write(batch, sync=sync)

    with mock.patch.object(chain.state_database, "write", remember):
        chain.grow(70)
    for _ in range(lost):
        write(undo.pop(), sync=False)
    chain.start()
    chain.verify(range(chain.height + 1))
    chain.grow(30)
    chain.verify(range(chain.height + 1))


@pytest.mark.parametrize("left", [69, 66, 60, 40, 7, 0])
def test_a_chain_that_is_shorter_than_its_state_goes_on_from_where_it_is(left: int) -> None:
    """Blocks set back to an old copy, or lost in a power cut during catch-up."""
    chain = Chain()
    chain.grow(70)
    del chain.contents[left + 1 :], chain.roots[left + 1 :]
    later = chain.block_database.scan(b"s" + (left + 1).to_bytes(8, "big"), b"t")
    chain.block_database.write([(key, None) for key, _ in list(later)], sync=True)
    chain.start()
    assert chain.states.head is not None
    assert chain.states.head.height == left
    chain.verify(range(left + 1))
    chain.grow(40)
    chain.verify(range(chain.height + 1))
    assert not list(damage(CHAIN, chain.states.view(), chain.states.head.reference))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda database: database.clear(),
        lambda database: database.write([(key, None) for key, _ in database.scan(b"n", b"o")], sync=True),
        lambda database: database.write(
            [(key, value[:-1] + b"?") for key, value in database.scan(b"n", b"o")], sync=True
        ),
        lambda database: database.write([(key, bytes(44)) for key, _ in database.scan(b"r", b"s")], sync=True),
        lambda database: database.write([(b"mversion", b"0")], sync=True),
        lambda database: database.write([(b"mversion", None), (b"mhead", bytes(40))], sync=True),
    ],
    ids=["emptied", "nodes lost", "nodes changed", "roots changed", "another layout", "the layout before"],
)
def test_a_state_of_no_use_is_made_again(spoil: object) -> None:
    chain = Chain()
    chain.grow(30)
    spoil(chain.state_database)  # type: ignore[operator]
    chain.start()
    chain.verify(range(chain.height + 1))


def test_changes_that_are_missing_or_wrong_are_damage() -> None:
    for value in (None, encode(((b"first", b"?"),))):
        chain = Chain()
        chain.grow(30)
        chain.block_database.write([(b"s" + (12).to_bytes(8, "big"), value)], sync=True)
        with refuses(ErrorCode.DATABASE_DAMAGED):
            chain.history.at(13, chain.roots[13])
        chain.state_database.clear()
        with refuses(ErrorCode.DATABASE_DAMAGED):
            chain.start()


def test_keys_are_found_whether_written_or_not() -> None:
    chain = Chain()
    for _ in range(7):
        chain.grow(1)
        expected = sorted(key for key in chain.contents[-1] if key.startswith(b"entry/"))
        assert chain.states.keys(b"entry/") == expected
