"""Every step in which old blocks move into frames, and payloads go and come back, broken in every way."""

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from unittest import mock

import pytest

from chain.erasure import payload_dropped
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.storage import blocks as block_store
from chain.storage import frames
from chain.storage.blocks import Location
from chain.storage.head import HeadFile
from chain.storage.level import LevelDatabase
from chain.transactions.registry import check_stored
from tests.refusals import refuses
from tests.sim.disk import Life, SimEngine
from tests.storage_faults.faults import FaultPlan, FaultyDatabase
from tests.storage_faults.world import SeasonedFolder, make_seasoned, open_files

BLOCKS = 30
LEFT = Location(3, 0)


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    with (
        mock.patch.object(frames, "FRAME_BYTES", 1500),
        mock.patch.object(frames, "_SLICE_BLOCKS", 5),
        mock.patch.object(block_store, "HOT_BLOCKS", 4),
    ):
        yield


@pytest.fixture(scope="module")
def seasoned(tmp_path_factory: pytest.TempPathFactory) -> SeasonedFolder:
    return make_seasoned(tmp_path_factory.mktemp("cold") / "data", BLOCKS)


def opened(seasoned: SeasonedFolder, folder: Path, plan: FaultPlan) -> Ledger:
    blocks, states = (FaultyDatabase(LevelDatabase(folder / name), name, plan) for name in ("blocks", "state"))
    ledger = Ledger(seasoned.network.genesis, blocks, states, HeadFile(folder / "HEAD"), seasoned.network.policy)
    ledger.open()
    return ledger


def look_after(ledger: Ledger) -> None:
    """What a node does with old blocks, and with a payload that it leaves to others and then keeps again."""
    blocks = ledger.blocks
    for _ in range(2):
        blocks.freeze()
    stored = blocks.transaction(LEFT)
    assert stored is not None
    blocks.drop([(LEFT, payload_dropped(check_stored(ledger.chain_id, stored)))])
    while blocks.freeze():
        pass
    blocks.compact(1, blocks.frozen_height)
    blocks.restore([(LEFT, stored.payload)])


def put_back(ledger: Ledger, payload: bytes) -> None:
    ledger.blocks.restore([(LEFT, payload)])


@pytest.mark.parametrize("way", ["not persisted", "persisted"])
def test_s67_every_step_may_fail_and_nothing_is_lost(seasoned: SeasonedFolder, scratch: Path, way: str) -> None:
    dry = FaultPlan()
    ledger = opened(seasoned, seasoned.copy_to(scratch / "dry"), dry)
    opening = len(dry.names)
    stored = ledger.blocks.transaction(LEFT)
    assert stored is not None
    look_after(ledger)
    assert seasoned.read(ledger) == seasoned.contents
    ledger.close()
    assert len(dry.names) - opening >= 7
    for step in range(opening, len(dry.names)):
        folder = seasoned.copy_to(scratch / "run")
        ledger = opened(seasoned, folder, FaultPlan(step, way, errno.EIO))  # type: ignore[arg-type]
        with refuses(ErrorCode.STORAGE_FAILED):
            look_after(ledger)
        ledger.close()
        with open_files(seasoned.network, folder) as again:
            put_back(again, stored.payload)
            assert seasoned.read(again) == seasoned.contents, f"step {step} {way}"
            look_after(again)
            assert seasoned.read(again) == seasoned.contents
        shutil.rmtree(folder)


@pytest.mark.parametrize("seed", range(8))
def test_s67_power_cuts_lose_nothing(seasoned: SeasonedFolder, scratch: Path, seed: int) -> None:
    """Each loses any part of what was written since the last sync."""
    random, engines = Random(seed), (SimEngine(), SimEngine())
    for engine, name in zip(engines, ("blocks", "state"), strict=True):
        database = LevelDatabase(seasoned.folder / name)
        engine.write(list(database.scan(b"", b"\xff" * 40)), sync=True)
        database.close()
    shutil.copyfile(seasoned.folder / "HEAD", scratch / "HEAD")
    for _ in range(4):
        attached = [engine.attach(Life()) for engine in engines]
        ledger = Ledger(seasoned.network.genesis, *attached, HeadFile(scratch / "HEAD"), seasoned.network.policy)
        ledger.open()
        for _ in range(random.randrange(4)):
            ledger.blocks.freeze()
        assert seasoned.read(ledger) == seasoned.contents
        for engine in engines:
            engine.crash(random)


def test_s67_a_move_that_failed_stops_the_process(seasoned: SeasonedFolder, scratch: Path) -> None:
    plan = FaultPlan(error_number=errno.ENOSPC)
    ledger = opened(seasoned, seasoned.copy_to(scratch / "copy"), plan)
    plan.target = "blocks unsynced batch"
    with pytest.raises(PoolError) as caught:
        ledger.blocks.freeze()
    assert caught.value.code.is_storage
    ledger.close()
