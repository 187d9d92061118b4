"""Every step that an erasure writes, broken in every way: the next start finds what is left to do, and does it."""

import errno
import shutil
from pathlib import Path

import pytest

from chain.errors import PoolError
from chain.ledger import Ledger
from chain.storage.head import HeadFile
from chain.storage.level import LevelDatabase
from chain.storage.votes import VoteFile
from tests.networks import TestNetwork
from tests.storage_faults.faults import FaultPlan, FaultyDatabase, Way, faulty_slots

SECRET = b'{"n":314159,"who":"Zhang San"}'
WAYS: tuple[Way, ...] = ("not persisted", "torn", "persisted")


class ErasingNode:
    """The storage of a node that shares a secret and later erases it."""

    def __init__(self, folder: Path) -> None:
        self.network = TestNetwork()
        self.folder = folder
        self.parcel = self.network.parcel([SECRET])
        self.erasure = self.network.erase(self.network.id_of(self.parcel))
        dataset = self.network.dataset()
        engines, ledger, votes = self.open(FaultPlan())
        self.network.commit(ledger, [dataset])
        for _ in range(2):
            votes.keep_bodies([SECRET])
        self.network.commit(ledger, [self.parcel])
        self.close(engines, votes)

    def open(self, plan: FaultPlan) -> tuple[list[LevelDatabase], Ledger, VoteFile]:
        engines = [LevelDatabase(self.folder / name) for name in ("blocks", "state")]
        blocks, state = (FaultyDatabase(engine, f"engine {number}", plan) for number, engine in enumerate(engines))
        ledger = Ledger(self.network.genesis, blocks, state, HeadFile(self.folder / "HEAD"))
        ledger.open()
        return engines, ledger, VoteFile(self.folder / "VOTES")

    def close(self, engines: list[LevelDatabase], votes: VoteFile) -> None:
        """As when the process ends."""
        votes.close()
        for engine in engines:
            engine.close()

    def live(self, plan: FaultPlan) -> PoolError | None:
        """One life that erases, or goes on with it, in the order of ``node.erasure``; the error that ended it."""
        engines, ledger, votes = self.open(plan)
        try:
            with faulty_slots(plan):
                if ledger.tip.height < 3:
                    self.network.commit(ledger, [self.erasure])
                if places := ledger.blocks.unpurged(10):
                    votes.replace_bodies([])
                    assert ledger.blocks.purge(places)
        except PoolError as error:
            return error
        finally:
            self.close(engines, votes)
        return None

    @property
    def files_with_it(self) -> list[str]:
        return [path.name for path in self.folder.rglob("*") if path.is_file() and SECRET in path.read_bytes()]


@pytest.fixture
def node(tmp_path: Path) -> ErasingNode:
    return ErasingNode(tmp_path / "begun")


def test_s57_every_write_step_of_an_erasure_may_fail(node: ErasingNode, tmp_path: Path) -> None:
    begun, node.folder = node.folder, tmp_path / "run"
    shutil.copytree(begun, node.folder)
    assert {"VOTES-BODIES"} < set(node.files_with_it)
    dry = FaultPlan()
    assert node.live(dry) is None
    assert node.files_with_it == []
    assert {"VOTES-BODIES.new pwrite", "VOTES-BODIES.new sync", "folder sync", "HEAD sync"} <= set(dry.names)
    assert dry.names.count("engine 0 synced batch") == 2, "the erasure, and the end of its mark"
    for step, name in enumerate(dry.names):
        for way in WAYS if "batch" not in name else WAYS[::2]:
            shutil.rmtree(node.folder)
            shutil.copytree(begun, node.folder)
            plan = FaultPlan(step, way, errno.EIO)
            error = node.live(plan)
            assert error is not None, f"{name} {way}"
            assert (error.code, plan.later_steps) == (plan.code, 0), f"{name} {way}"
            assert node.live(FaultPlan()) is None, f"{name} {way}: the next start fails"
            assert node.files_with_it == [], f"{name} {way}"


def test_s57_a_new_file_that_a_crash_has_left_goes(node: ErasingNode) -> None:
    (node.folder / "VOTES-BODIES.new").write_bytes(SECRET)
    engines, _, votes = node.open(FaultPlan())
    node.close(engines, votes)
    assert not (node.folder / "VOTES-BODIES.new").exists()
