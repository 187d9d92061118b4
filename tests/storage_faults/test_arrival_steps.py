"""Every write of a state that is taken from others fails once: the process stops, and the next one goes on."""

import errno
import shutil
from pathlib import Path

import pytest

from chain import arrival
from chain.arrival import Arrival
from chain.errors import PoolError
from chain.ledger import Ledger
from chain.packages import read_package
from chain.proofs.past import SPAN_BLOCKS, read_anchor, read_span, verify_anchor
from chain.proofs.trust import TrustHistory
from chain.state.chunks import read_chunk
from chain.storage.head import HeadFile
from chain.storage.level import LevelDatabase
from tests.chain.past_world import PastWorld, make_past_world
from tests.ledgers import take
from tests.storage_faults.faults import FaultPlan, FaultyDatabase, Way, faulty_slots
from tests.storage_faults.report import record

ANCHOR = SPAN_BLOCKS
LEFT = ANCHOR - 5
"""So many blocks of the past are left out: with more of them, nothing else would be written."""
WAYS: tuple[Way, ...] = ("not persisted", "torn", "persisted")


@pytest.fixture(scope="module")
def world() -> PastWorld:
    return make_past_world()


@pytest.fixture(autouse=True)
def _few_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "PARTS", 2)
    monkeypatch.setattr(arrival, "_PART_BITS", 255)


def live(world: PastWorld, folder: Path, plan: FaultPlan) -> int:
    """One life of a node that joins, and then makes a block of the past whole; how many pieces it still had to take."""
    engines = [LevelDatabase(folder / name) for name in ("blocks", "state")]
    pieces = 0
    head = None
    try:
        with faulty_slots(plan):
            head = HeadFile(folder / "HEAD")
            blocks, state = (
                FaultyDatabase(engine, name, plan) for engine, name in zip(engines, ("blocks", "state"), strict=True)
            )
            if head.read() is None:
                pieces = join(world, Arrival(world.network.genesis, blocks, state), head)
            ledger = Ledger(world.network.genesis, blocks, state, head, world.network.policy)
            ledger.open()
            while (height := ledger.blocks.past_height) > LEFT:
                for number in range(height - 1, height + 1):
                    ledger.fill(ledger.open_past(world.package(number), number))
                ledger.end_past(height - 2)
    finally:
        for engine in engines:
            engine.close()
        if head is not None:
            head.close()
    return pieces


def join(world: PastWorld, arriving: Arrival, head: HeadFile) -> int:
    source, pieces = world.ledger, 0
    arriving.open()
    if arriving.anchor is None:
        anchor, trust = read_anchor(source.blocks, source.trust, ANCHOR, 0), TrustHistory(source.genesis)
        assert anchor is not None
        verify_anchor(trust, anchor, ANCHOR)
        arriving.begin(anchor, trust)
    view = source.state_at(ANCHOR)
    while missing := arriving.missing_state():
        arriving.take_chunk(missing[0], read_chunk(view.nodes, view.root, missing[0].first, missing[0].until))
        pieces += 1
    while (piece := arriving.next_span()) is not None:
        span = read_span(source.blocks, ANCHOR, *piece)
        assert span is not None
        arriving.take_span(*piece, span)
        pieces += 1
    package = read_package(source.blocks, ANCHOR)
    assert package is not None
    arriving.finish(package, head)
    return pieces


def test_s39_s41_s68_every_write_of_a_state_that_is_taken_may_fail(world: PastWorld, scratch: Path) -> None:
    dry = FaultPlan()
    assert live(world, scratch / "dry", dry) == 3
    steps, tried, resumed = dry.names, 0, 0
    for step, name in enumerate(steps):
        for way in WAYS if "batch" not in name else WAYS[::2]:
            plan, folder = FaultPlan(step, way, (errno.EIO, errno.ENOSPC)[tried % 2]), scratch / "run"
            label = f"{name} ({step}) {way}"
            with pytest.raises(PoolError) as caught:
                live(world, folder, plan)
            assert caught.value.code is plan.code, label
            assert plan.later_steps == 0, f"{label}: went on with {plan.names[step:]}"
            resumed += live(world, folder, FaultPlan()) < 3
            check(world, folder, label)
            shutil.rmtree(folder)
            tried += 1
    assert resumed > tried // 2
    record("write steps", f"taking a state: {len(steps)} steps, {tried} faults, all recovered")


def check(world: PastWorld, folder: Path, label: str) -> None:
    """The chain goes on as it should, and its past is whole."""
    databases = LevelDatabase(folder / "blocks"), LevelDatabase(folder / "state")
    ledger = Ledger(world.network.genesis, *databases, HeadFile(folder / "HEAD"), world.network.policy)
    ledger.open()
    assert ledger.blocks.past_height == LEFT, label
    for height in range(LEFT + 1, ANCHOR + 1):
        assert read_package(ledger.blocks, height) == read_package(world.ledger.blocks, height), label
    take(ledger, world.package(ANCHOR + 1))
    assert ledger.tip.header == world.ledger.header_at(ANCHOR + 1), label
    ledger.close()
