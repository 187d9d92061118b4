"""Every step that writes, broken in every way: the node would stop at once, and its folder opens again with all that
was acknowledged.

A step is broken so that nothing of it reaches the disk, half of it, or all of it although it is reported as failed (as
in Sunlight's table of broken appends); with an input/output error, and with a full disk. Steps and ways are found by a
dry run, so that a new step is broken without being listed here.
"""

import errno
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest

from chain.errors import PoolError
from chain.ledger import Ledger
from chain.storage import state
from chain.storage.head import Head, HeadFile
from chain.storage.level import LevelDatabase
from chain.storage.votes import VoteFile
from tests.storage_faults.faults import FaultPlan, FaultyDatabase, Way, faulty_slots
from tests.storage_faults.report import record
from tests.storage_faults.world import SeasonedFolder, make_seasoned, open_files, take

BLOCKS = 9
FLUSHED_BLOCKS = 2
START = 4
"""Blocks that the folder of a run that goes on holds already."""
WAYS: tuple[Way, ...] = ("not persisted", "torn", "persisted")


@dataclass
class Run:
    """One life of a node's storage under a plan."""

    seasoned: SeasonedFolder
    folder: Path
    plan: FaultPlan
    acknowledged: int = 0
    """Height of the last block that was said to be durable."""
    written_votes: list[bytes] = field(default_factory=list)
    """What was handed over to be kept, the last of which may have failed."""
    engines: dict[str, LevelDatabase] = field(default_factory=dict)

    def ledger(self) -> Ledger:
        """A ledger that is not opened yet."""
        for name in ("blocks", "state"):
            self.engines[name] = LevelDatabase(self.folder / name)
        blocks, state = (FaultyDatabase(engine, name, self.plan) for name, engine in self.engines.items())
        network = self.seasoned.network
        return Ledger(network.genesis, blocks, state, HeadFile(self.folder / "HEAD"), network.policy)

    def open(self) -> Ledger:
        """An opened ledger; what it holds is acknowledged."""
        ledger = self.ledger()
        ledger.open()
        self.acknowledged = ledger.tip.height
        return ledger

    def close(self) -> None:
        """As when the process ends."""
        for engine in self.engines.values():
            engine.close()


def emptied(run: Run) -> None:
    shutil.rmtree(run.folder)
    run.folder.mkdir()


def first_start(run: Run) -> None:
    run.open()


def decided_blocks(run: Run) -> None:
    ledger = run.open()
    for height in range(START + 1, START + 4):
        take(run.seasoned, ledger, height)
        run.acknowledged = height


def catching_up(run: Run) -> None:
    ledger = run.open()
    for first in (START + 1, START + 3):
        for height in (first, first + 1):
            take(run.seasoned, ledger, height, durable=False)
        ledger.make_durable()
        run.acknowledged = first + 1


def behind(run: Run) -> None:
    """HEAD is one block behind, and the state is gone."""
    with open_files(run.seasoned.network, run.folder) as ledger:
        parent = Head(START - 1, ledger.header_at(START).parent_hash)
    (run.folder / "HEAD").unlink()
    anchor = HeadFile(run.folder / "HEAD")
    anchor.write(parent)
    anchor.close()
    shutil.rmtree(run.folder / "state")


def recovery(run: Run) -> None:
    run.acknowledged = START
    run.open()


def voting(run: Run) -> None:
    run.acknowledged = START
    votes = VoteFile(run.folder / "VOTES")
    for number in range(4):
        votes.keep_bodies([b"body %d" % number])
        vote = b"vote %d" % number * 50
        run.written_votes.append(vote)
        votes.write([(b"votes", vote)])


LIVES: dict[str, Callable[[Run], None]] = {
    "first start": first_start,
    "decided blocks": decided_blocks,
    "catching up": catching_up,
    "recovery": recovery,
    "voting": voting,
}
PREPARATIONS: dict[str, Callable[[Run], None]] = {"first start": emptied, "recovery": behind}
"""What is done to the folder before the plan begins."""


@pytest.fixture(autouse=True, scope="module")
def _often_flushed() -> Iterator[None]:
    with mock.patch.object(state, "FLUSHED_BLOCKS", FLUSHED_BLOCKS):
        yield


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> SeasonedFolder:
    """The chain as it is when nothing fails."""
    return make_seasoned(tmp_path_factory.mktemp("reference") / "data", BLOCKS)


@pytest.fixture(scope="module")
def begun(reference: SeasonedFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the first blocks of that chain."""
    folder = tmp_path_factory.mktemp("begun") / "data"
    with open_files(reference.network, folder) as ledger:
        for height in range(1, START + 1):
            take(reference, ledger, height)
    return folder


def live(
    reference: SeasonedFolder, begun: Path, folder: Path, name: str, plan: FaultPlan
) -> tuple[Run, PoolError | None]:
    """One life, and the error that ended it early."""
    shutil.copytree(begun, folder)
    run = Run(reference, folder, plan)
    if name in PREPARATIONS:
        PREPARATIONS[name](run)
    try:
        with faulty_slots(plan):
            LIVES[name](run)
    except PoolError as error:
        return run, error
    finally:
        run.close()
    return run, None


@pytest.mark.parametrize("name", LIVES)
def test_s39_s41_every_write_step_may_fail(reference: SeasonedFolder, begun: Path, scratch: Path, name: str) -> None:
    dry, error = live(reference, begun, scratch / "dry", name, FaultPlan())
    assert error is None
    steps = dry.plan.names
    assert steps
    tried = 0
    for step, step_name in enumerate(steps):
        for way in WAYS if "batch" not in step_name else WAYS[::2]:
            number = (errno.EIO, errno.ENOSPC)[tried % 2]
            plan = FaultPlan(step, way, number)
            folder = scratch / "run"
            run, error = live(reference, begun, folder, name, plan)
            label = f"{name}: {step_name} ({step}) {way}"
            assert error is not None, label
            assert error.code is plan.code, label
            assert plan.later_steps == 0, f"{label}: went on with {plan.names[step:]}"
            check_what_is_left(run, label)
            shutil.rmtree(folder)
            tried += 1
    record("write steps", f"{name}: {len(steps)} steps, {tried} faults, all recovered")


def check_what_is_left(run: Run, label: str) -> None:
    """The folder opens with what was acknowledged, and goes on to the end of the chain as if nothing had been."""
    seasoned = run.seasoned
    with open_files(seasoned.network, run.folder) as ledger:
        assert ledger.tip.height >= run.acknowledged, f"{label}: acknowledged blocks are missing"
        for height in range(ledger.tip.height + 1, BLOCKS + 1):
            take(seasoned, ledger, height)
        assert seasoned.read(ledger) == seasoned.contents, label
    votes = VoteFile(run.folder / "VOTES")
    kept = votes.read().get(b"votes")
    votes.close()
    if run.written_votes and not votes.is_doubtful:
        assert kept in [None, *run.written_votes][-2:], f"{label}: votes are lost and nobody knows"


def test_the_table_covers_every_kind_of_step(reference: SeasonedFolder, begun: Path, scratch: Path) -> None:
    found = set()
    for number, name in enumerate(LIVES):
        run, _ = live(reference, begun, scratch / str(number), name, FaultPlan())
        found |= {f"{name}: {step}" for step in run.plan.names}
    assert {
        "first start: folder sync",
        "first start: HEAD.new pwrite",
        "first start: HEAD.new sync",
        "first start: HEAD pwrite",
        "first start: blocks synced batch",
        "first start: state unsynced batch",
        "decided blocks: blocks synced batch",
        "decided blocks: state unsynced batch",
        "decided blocks: HEAD pwrite",
        "decided blocks: HEAD sync",
        "catching up: blocks unsynced batch",
        "catching up: blocks sync",
        "catching up: HEAD sync",
        "catching up: state unsynced batch",
        "recovery: state clear",
        "recovery: state unsynced batch",
        "recovery: HEAD pwrite",
        "voting: VOTES.new pwrite",
        "voting: VOTES pwrite",
        "voting: VOTES sync",
        "voting: VOTES-BODIES pwrite",
        "voting: VOTES-BODIES sync",
    } <= found
