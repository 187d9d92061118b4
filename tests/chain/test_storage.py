"""Stores: both engines behave alike; blocks, state and the HEAD anchor keep what they promise (scenarios 40, 44)."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.errors import ErrorCode, InvariantBroken
from chain.proofs.merkle import leaf_hash
from chain.state.tree import EMPTY, StateTree
from chain.storage.blocks import BlockStore, Location
from chain.storage.database import Database, MemoryDatabase
from chain.storage.head import Head, HeadFile, MemoryHead
from chain.storage.level import LevelDatabase
from chain.storage.state import StateHead, StateStore
from tests.networks import TestNetwork
from tests.refusals import refuses

HASH = bytes(range(32))
SLOT = 512
keys = st.binary(min_size=1, max_size=2)
batches = st.lists(st.lists(st.tuples(keys, st.none() | st.binary(max_size=3)), max_size=6), max_size=6)


def read_one_by_one(path: Path) -> None:
    engine = LevelDatabase(path)
    for number in range(1000):
        engine.get(number.to_bytes(4, "big"))


def read_by_scan(path: Path) -> None:
    for _ in LevelDatabase(path).scan(b"\x00", b"\xff"):
        pass


@pytest.fixture(params=["memory", "level"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    return MemoryDatabase() if request.param == "memory" else LevelDatabase(tmp_path / "db")


class TestEngines:
    def test_the_only_entry_of_a_range_is_found_backwards_too(self, engine: Database) -> None:
        engine.write([(b"b", b"1"), (b"d", b"2")], sync=False)
        for start, stop in ((b"b", b"c"), (b"a", b"c"), (b"b", b"d")):
            assert list(engine.scan(start, stop, reverse=True)) == [(b"b", b"1")]

    @given(batches=batches, bounds=st.tuples(keys, keys))
    def test_both_engines_behave_alike(
        self, tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[bytes, bytes | None]]],
        bounds: tuple[bytes, bytes],
    ) -> None:  # fmt: skip
        memory, level = MemoryDatabase(), LevelDatabase(tmp_path_factory.mktemp("engine"))
        for batch in batches:
            memory.write(batch, sync=False)
            level.write(batch, sync=False)
        for key in {key for batch in batches for key, _ in batch} | set(bounds):
            assert memory.get(key) == level.get(key)
        for reverse in (False, True):
            found = list(level.scan(*bounds, reverse=reverse))
            assert list(memory.scan(*bounds, reverse=reverse)) == found
            assert found == sorted(found, reverse=reverse)
            assert all(bounds[0] <= key < bounds[1] for key, _ in found)
        level.close()

    def test_a_batch_is_applied_in_order(self, engine: Database) -> None:
        engine.write([(b"a", b"1"), (b"a", None), (b"b", b"1"), (b"b", b"2")], sync=True)
        assert (engine.get(b"a"), engine.get(b"b")) == (None, b"2")
        engine.close()

    def test_a_reopened_level_database_has_what_was_written(self, tmp_path: Path) -> None:
        engine = LevelDatabase(tmp_path / "db")
        engine.write([(b"k", b"v")], sync=True)
        engine.close()
        engine = LevelDatabase(tmp_path / "db")
        assert engine.get(b"k") == b"v"
        engine.close()

    def test_s44_a_second_opener_is_refused(self, tmp_path: Path) -> None:
        engine = LevelDatabase(tmp_path / "db")
        with refuses(ErrorCode.DATA_FOLDER_LOCKED):
            LevelDatabase(tmp_path / "db")
        engine.close()

    @pytest.mark.parametrize(
        ("name", "content"), [("CURRENT", b"MANIFEST-999999\n"), ("CURRENT", b""), ("MANIFEST", b"garbage" * 100)]
    )
    def test_s40_a_damaged_database_says_so(self, tmp_path: Path, name: str, content: bytes) -> None:
        path = tmp_path / "db"
        engine = LevelDatabase(path)
        engine.write([(b"k", b"v")], sync=True)
        engine.close()
        next(file for file in path.iterdir() if file.name.startswith(name)).write_bytes(content)
        with refuses(ErrorCode.DATABASE_DAMAGED):
            LevelDatabase(path)

    @pytest.mark.parametrize("read", [read_one_by_one, read_by_scan])
    def test_s40_a_flipped_bit_in_a_table_is_not_served(self, tmp_path: Path, read: Callable[[Path], None]) -> None:
        path = tmp_path / "db"
        engine = LevelDatabase(path)
        engine.write([(number.to_bytes(4, "big"), os.urandom(100)) for number in range(1000)], sync=True)
        engine.close()
        LevelDatabase(path).close()  # recovery turns the log into a table
        table = next(path.glob("*.ldb"))
        content = bytearray(table.read_bytes())
        content[len(content) // 2] ^= 1
        table.write_bytes(content)
        with refuses(ErrorCode.DATABASE_DAMAGED):
            read(path)

    def test_a_folder_that_cannot_be_made_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with refuses(ErrorCode.STORAGE_FAILED):
            LevelDatabase(tmp_path / "file" / "db")


class TestBlockStore:
    def test_it_is_bound_to_one_chain_and_layout(self, engine: Database) -> None:
        store = BlockStore(engine)
        store.open(HASH)
        store.open(HASH)
        with refuses(ErrorCode.WRONG_DATA_FOLDER):
            store.open(bytes(32))
        engine.write([(b"mversion", b"0")], sync=True)
        with refuses(ErrorCode.DATABASE_VERSION):
            store.open(HASH)
        engine.close()

    def test_what_was_appended_is_found(self, network: TestNetwork, engine: Database) -> None:
        store, ledger = BlockStore(engine), network.ledger()
        transactions = [network.dataset(), network.parcel([b'{"n":1}']), network.parcel([b'{"n":2}'])]
        executed = network.commit(ledger, transactions)
        assert store.last_height() is None
        store.append(1, ledger.block_at(1), executed.transactions, [store.history_write(0, 1, HASH)])
        assert store.last_height() == 1
        assert store.block(1) == ledger.block_at(1)
        assert store.block(2) is None
        assert store.block_bytes(2) is None
        assert store.transactions(1) == transactions
        assert store.transactions(2) == []
        for index, checked in enumerate(executed.transactions):
            location = store.location(checked.id)
            assert location == Location(1, index)
            assert store.transaction(location) == transactions[index]
        assert store.location(bytes(32)) is None
        assert store.transaction(Location(1, 3)) is None
        assert store.history_node(0, 1) == HASH
        engine.close()

    def test_parcels_of_a_dataset_are_paged_in_chain_order(self, network: TestNetwork, engine: Database) -> None:
        store, ledger = BlockStore(engine), network.ledger()
        network.commit(ledger, [network.dataset(), network.dataset(name="flights-2")])
        places = []
        for height in (2, 3, 300):
            parcels = [network.parcel([b'{"n":%d}' % number]) for number in range(3)]
            foreign = network.parcel(dataset="a.flights-2")
            executed = network.commit(ledger, [foreign, *parcels])
            store.append(height, ledger.block_at(ledger.tip.height), executed.transactions, [])
            places += [Location(height, index) for index in (1, 2, 3)]
        assert store.parcels("a.flights", None, 100) == places
        assert store.parcels("a.flights", None, 2) == places[:2]
        assert store.parcels("a.flights", places[1], 100) == places[2:]
        assert store.parcels("a.flights", places[-1], 100) == []
        assert len(store.parcels("a.flights-2", None, 100)) == 3
        assert store.parcels("a.flight", None, 100) == []
        engine.close()

    def test_requests_approvals_and_reports_are_listed_by_the_dataset_that_they_name(self, engine: Database) -> None:
        network = TestNetwork(has_contracts=True)
        store, ledger = BlockStore(engine), network.ledger()
        request = network.request()
        id_ = network.id_of(request)
        others = [network.dataset(), network.request(dataset="a.flights-2"), network.parcel()]
        reads = [request, network.approval(id_), network.read_report(id_, [HASH])]
        executed = network.commit(ledger, [*others, *reads])  # all but the dataset are rejected, and listed anyway
        store.append(7, ledger.block_at(1), executed.transactions, [])
        places = [Location(7, index) for index in (3, 4, 5)]
        assert store.read_transactions("a.flights", None, 100) == places
        assert store.read_transactions("a.flights", places[0], 1) == places[1:2]
        assert store.read_transactions("a.flights", places[2], 100) == []
        assert store.read_transactions("a.flights-2", None, 100) == [Location(7, 1)]
        assert store.read_transactions("", None, 100) == [Location(7, 1), *places]
        assert store.parcels("a.flights", None, 100) == [Location(7, 2)]
        engine.close()

    def test_a_rejected_transaction_cannot_reach_into_the_list_of_another_dataset(self, engine: Database) -> None:
        network = TestNetwork(has_contracts=True)
        store, ledger = BlockStore(engine), network.ledger()
        intruders = ["a.flights\0", "a.flights\0" + 12 * "\0", "a.flights\0\x7f\0\0", "", "a"]
        transactions = [network.parcel(dataset=name) for name in intruders]
        transactions += [network.request(dataset=name) for name in intruders]
        executed = network.commit(ledger, transactions)
        store.append(7, ledger.block_at(1), executed.transactions, [])
        for dataset in ("a.flights", "a.flights\0", "a", ""):
            assert (store.parcels(dataset, None, 100), store.read_transactions(dataset, None, 100)) == ([], [])
        engine.close()

    def test_damage_is_reported_not_served(self, engine: Database) -> None:
        store = BlockStore(engine)
        engine.write([(b"b" + (1).to_bytes(8, "big"), b"garbage")], sync=True)
        with refuses(ErrorCode.DATABASE_DAMAGED):
            store.block(1)
        with pytest.raises(InvariantBroken):
            store.history_node(0, 5)
        engine.close()


class TestStateStore:
    def test_commits_nodes_values_and_the_head(self, engine: Database) -> None:
        store = StateStore(engine, HASH)
        assert store.head is None
        update = StateTree(HASH, store.view()).update(EMPTY, {b"a": b"1", b"b": b"2"}, 3)
        store.add(3, update)
        assert store.head == StateHead(3, update.root)
        assert StateStore(engine, HASH).head is None
        store.flush()
        assert StateStore(engine, HASH).head == StateHead(3, update.root)
        fresh = StateTree(HASH, StateStore(engine, HASH).view())
        assert (fresh.get(update.root, b"a"), fresh.get(update.root, b"c")) == (b"1", None)
        engine.close()

    def test_nodes_beyond_the_cache_are_read_from_the_engine(self, engine: Database) -> None:
        store = StateStore(engine, HASH)
        content = {number.to_bytes(2, "big"): b"v" for number in range(9000)}
        update = StateTree(HASH, store.view()).update(EMPTY, dict(content))
        store.add(1, update)
        store.flush()
        tree = StateTree(HASH, StateStore(engine, HASH).view())
        assert all(tree.get(update.root, key) == b"v" for key in list(content)[::500])
        engine.close()


class TestHead:
    def test_memory_and_file_remember_the_last_write(self, tmp_path: Path) -> None:
        for anchor in (MemoryHead(), HeadFile(tmp_path / "HEAD")):
            assert anchor.read() is None
            for height in (0, 1, 2, 3):
                anchor.write(Head(height, HASH))
                assert anchor.read() == Head(height, HASH)
            anchor.close()
        reopened = HeadFile(tmp_path / "HEAD")
        assert reopened.read() == Head(3, HASH)
        reopened.close()

    @pytest.mark.parametrize("damage", [lambda slot: bytes(SLOT), lambda slot: slot[:20] + bytes(SLOT - 20)])
    def test_s40_a_torn_write_leaves_the_one_before(self, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
        path = tmp_path / "HEAD"
        anchor = HeadFile(path)
        anchor.write(Head(6, HASH))
        anchor.write(Head(7, HASH))
        content = path.read_bytes()
        path.write_bytes(content[:SLOT] + damage(content[SLOT:]))
        assert anchor.read() == Head(6, HASH)
        anchor.close()

    @pytest.mark.parametrize("height", [1, 2, 256])
    def test_s40_a_torn_write_leaves_the_one_before_however_far_the_heights_are_apart(
        self, tmp_path: Path, height: int
    ) -> None:
        path = tmp_path / "HEAD"
        anchor = HeadFile(path)
        anchor.write(Head(0, HASH))
        before = path.read_bytes()
        anchor.close()
        anchor = HeadFile(path)
        anchor.write(Head(height, HASH))
        torn = bytes(old if old == new else 0xFF for old, new in zip(before, path.read_bytes(), strict=True))
        path.write_bytes(torn)
        assert anchor.read() == Head(0, HASH)
        anchor.close()

    def test_s40_every_flipped_bit_of_the_newer_slot_is_noticed(self, tmp_path: Path) -> None:
        path = tmp_path / "HEAD"
        anchor = HeadFile(path)
        anchor.write(Head(6, HASH))
        anchor.write(Head(7, HASH))
        content = path.read_bytes()
        for bit in range(8 * (8 + 8 + 32 + 4)):
            flipped = bytearray(content)
            flipped[SLOT + bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            assert anchor.read() == Head(6, HASH)
        anchor.close()

    @pytest.mark.parametrize("content", [b"x" * 2 * SLOT, b"x", b"BPHEAD\x00\x01" + bytes(600)])
    def test_s40_no_whole_slot_is_damage(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "HEAD"
        path.write_bytes(content)
        anchor = HeadFile(path)
        with refuses(ErrorCode.DATABASE_DAMAGED):
            anchor.read()
        anchor.close()

    def test_a_path_that_cannot_be_opened_is_reported(self, tmp_path: Path) -> None:
        with refuses(ErrorCode.STORAGE_FAILED):
            HeadFile(tmp_path / "missing" / "HEAD")

    @given(height=st.integers(0, 2**64 - 1), block_hash=st.binary(min_size=32, max_size=32))
    def test_any_head_survives(self, tmp_path_factory: pytest.TempPathFactory, height: int, block_hash: bytes) -> None:
        anchor = HeadFile(tmp_path_factory.mktemp("head") / "HEAD")
        anchor.write(Head(height, block_hash))
        assert anchor.read() == Head(height, block_hash)
        anchor.close()


def test_history_nodes_are_kept_by_level_and_index(engine: Database) -> None:
    store = BlockStore(engine)
    engine.write([store.history_write(level, level, leaf_hash(bytes([level]))) for level in range(5)], sync=True)
    assert [store.history_node(level, level) for level in range(5)] == [leaf_hash(bytes([level])) for level in range(5)]
    engine.close()
