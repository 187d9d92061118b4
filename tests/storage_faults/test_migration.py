"""The layout before is opened: blocks get the new layout in place, from wherever an earlier start was interrupted."""

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from unittest import mock

import pytest

from chain.blocks import Block
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.primitives.encoding import encode
from chain.storage import state
from chain.storage.blocks import LAYOUT_VERSION, BlockStore
from chain.storage.database import Database
from chain.storage.head import HeadFile
from chain.storage.level import LevelDatabase
from tests.networks import TIME_MS
from tests.refusals import refuses
from tests.sim.disk import Life, SimEngine
from tests.storage_faults.faults import FaultPlan, FaultyDatabase
from tests.storage_faults.world import SeasonedFolder, make_seasoned, open_files

BLOCKS = 14


@pytest.fixture(autouse=True, scope="module")
def _often_flushed() -> Iterator[None]:
    with mock.patch.object(state, "FLUSHED_BLOCKS", 3):
        yield


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> SeasonedFolder:
    """A chain as layout 5 keeps it."""
    seasoned = make_seasoned(tmp_path_factory.mktemp("old") / "data", BLOCKS)
    database = LevelDatabase(seasoned.folder / "blocks")
    write_layout_5(database)
    database.close()
    shutil.rmtree(seasoned.folder / "state")
    states = LevelDatabase(seasoned.folder / "state")
    write_old_state(states)
    states.close()
    return seasoned


def write_layout_5(database: Database) -> None:
    """What layout 5 had instead: the block with its outcomes in one value, and no changes."""
    store = BlockStore(database)
    for height in range(BLOCKS + 1):
        block, key = store.block(height), height.to_bytes(8, "big")
        assert isinstance(block, Block)
        database.write([(b"b" + key, encode(block)), (b"s" + key, None), (b"x" + key, None)], sync=True)
    database.write([(b"mversion", b"5")], sync=True)


def write_old_state(database: Database) -> None:
    """Nodes and values by their hash, as far as anybody looks at them: not at all."""
    nodes = [(kind + bytes([number]) * 32, b"\x01" + bytes(64)) for kind in (b"n", b"v") for number in range(50)]
    database.write([(b"mhead", BLOCKS.to_bytes(8, "big") + bytes(32)), (b"kmember/a", b""), *nodes], sync=True)


def test_a_store_of_the_layout_before_is_opened(old: SeasonedFolder, scratch: Path) -> None:
    folder = old.copy_to(scratch / "copy")
    for _ in range(2):
        with open_files(old.network, folder) as ledger:
            assert old.read(ledger) == old.contents
    database = LevelDatabase(folder / "blocks")
    assert (database.get(b"mversion"), database.get(b"mmigrated")) == (LAYOUT_VERSION, None)
    database.close()


def test_it_goes_on_as_any_other(old: SeasonedFolder, scratch: Path) -> None:
    folder = old.copy_to(scratch / "copy")
    network = old.network
    with open_files(network, folder) as ledger:
        for number in range(6):
            network.commit(ledger, [network.parcel([b'{"n":%d}' % number], dataset="a.open")], TIME_MS + 100)
        contents = old.read(ledger)
    with open_files(network, folder) as ledger:
        assert ledger.tip.height == BLOCKS + 6
        assert old.read(ledger) == contents


def test_progress_is_told(old: SeasonedFolder, scratch: Path) -> None:
    folder = old.copy_to(scratch / "copy")
    told: list[tuple[int, int]] = []
    ledger = files(old, folder, FaultPlan())
    ledger.open(lambda done, total: told.append((done, total)))
    ledger.close()
    assert told[:BLOCKS] == [(done, BLOCKS) for done in range(1, BLOCKS + 1)]


def test_what_only_reads_refuses_it(old: SeasonedFolder, scratch: Path) -> None:
    database = LevelDatabase(old.copy_to(scratch / "copy") / "blocks")
    with refuses(ErrorCode.DATABASE_VERSION):
        BlockStore(database).open(old.network.chain_id)
    database.close()


def files(old: SeasonedFolder, folder: Path, plan: FaultPlan) -> Ledger:
    blocks, states = (FaultyDatabase(LevelDatabase(folder / name), name, plan) for name in ("blocks", "state"))
    return Ledger(old.network.genesis, blocks, states, HeadFile(folder / "HEAD"), old.network.policy)


@pytest.mark.parametrize("way", ["not persisted", "persisted"])
def test_it_goes_on_after_every_step_at_which_it_may_be_interrupted(
    old: SeasonedFolder, scratch: Path, way: str
) -> None:
    dry = FaultPlan()
    ledger = files(old, old.copy_to(scratch / "dry"), dry)
    ledger.open()
    ledger.close()
    assert {"blocks unsynced batch", "blocks synced batch", "blocks sync", "state unsynced batch"} <= set(dry.names)
    for step, name in enumerate(dry.names):
        folder = old.copy_to(scratch / "run")
        ledger = files(old, folder, FaultPlan(step, way, errno.EIO))  # type: ignore[arg-type]
        with refuses(ErrorCode.STORAGE_FAILED):
            ledger.open()
        ledger.close()
        with open_files(old.network, folder) as again:
            assert old.read(again) == old.contents, f"{name} ({step}) {way}"
        shutil.rmtree(folder)


@pytest.mark.parametrize("seed", range(12))
def test_it_goes_on_after_power_cuts(old: SeasonedFolder, scratch: Path, seed: int) -> None:
    """Each loses what was not synced of either database, apart."""
    random, engines = Random(seed), (SimEngine(), SimEngine())
    for engine, name in zip(engines, ("blocks", "state"), strict=True):
        database = LevelDatabase(old.folder / name)
        engine.write(list(database.scan(b"", b"\xff" * 40)), sync=True)
        database.close()
    shutil.copyfile(old.folder / "HEAD", scratch / "HEAD")
    for steps in (*(random.randrange(1, 25) for _ in range(4)), None):
        plan = FaultPlan(steps)
        attached = (FaultyDatabase(engine.attach(Life()), "engine", plan) for engine in engines)
        ledger = Ledger(old.network.genesis, *attached, HeadFile(scratch / "HEAD"), old.network.policy)
        try:
            ledger.open()
        except PoolError as error:
            assert error.code is plan.code, error  # noqa: PT017
        else:
            assert old.read(ledger) == old.contents
        for engine in engines:
            engine.crash(random)


def test_a_block_that_is_damaged_or_missing_is_found(old: SeasonedFolder, scratch: Path) -> None:
    for value in (None, b"\x93"):
        folder = old.copy_to(scratch / "copy")
        database = LevelDatabase(folder / "blocks")
        database.write([(b"b" + (5).to_bytes(8, "big"), value)], sync=True)
        database.close()
        with refuses(ErrorCode.DATABASE_DAMAGED), open_files(old.network, folder):
            pass
        shutil.rmtree(folder)
