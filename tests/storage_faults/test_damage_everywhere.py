"""Bytes flipped, files cut, lost, appended to and exchanged, in every file of a data folder: after that it opens and
answers everything as before, or it refuses as damaged. Never a wrong answer, and never silence about lost blocks.

The normal run draws offsets from a seed; ``make storage-faults`` tries many more (``STORAGE_FAULTS_SAMPLES``).
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from chain.errors import ErrorCode
from chain.ledger import Ledger
from chain.recovery import RECHECKED_BLOCKS
from chain.storage import level, state
from tests.networks import TIME_MS, TestNetwork
from tests.refusals import refuses
from tests.storage_faults.damage import Damage, Tally, cut, damages, flip, kind_of, record_ends, try_damage, verdict
from tests.storage_faults.report import record
from tests.storage_faults.world import (
    SMALL_BUFFER_BYTES,
    SeasonedFolder,
    encoded_packages_of,
    make_seasoned,
    new_network,
    open_files,
    read_everything,
    take,
)

SAMPLES = int(os.environ.get("STORAGE_FAULTS_SAMPLES", "6"))
SEED = int(os.environ.get("STORAGE_FAULTS_SEED", "1"))
BLOCKS = 200
MIN_DAMAGES = 150

pytestmark = pytest.mark.timeout(60 + SAMPLES * 20)


@pytest.fixture(autouse=True, scope="module")
def _often_flushed() -> Iterator[None]:
    """So that the state database, too, has tables."""
    with mock.patch.object(state, "FLUSHED_BLOCKS", 1):
        yield


@pytest.fixture(scope="module")
def seasoned(tmp_path_factory: pytest.TempPathFactory) -> SeasonedFolder:
    """A chain of some hundred blocks in tables and a log."""
    return make_seasoned(tmp_path_factory.mktemp("seasoned") / "data", BLOCKS)


def test_the_chain_is_worth_spoiling(seasoned: SeasonedFolder) -> None:
    kinds = {kind_of(path.name) for path in seasoned.folder.rglob("*") if path.is_file()}
    assert kinds == {".ldb", ".log", "CURRENT", "HEAD", "LOCK", "LOG", "MANIFEST"}
    for name in ("blocks", "state"):
        assert list((seasoned.folder / name).glob("*.ldb"))  # how many, is for LevelDB, which merges them as it likes
        assert next((seasoned.folder / name).glob("*.log")).stat().st_size > 0
    contents = seasoned.contents
    assert len(contents.packages) == BLOCKS + 1
    assert min(map(len, contents.parcels)) >= BLOCKS // 6
    assert len(contents.reads[0]) >= BLOCKS // 3
    assert len(contents.transactions) == len(seasoned.ids)


def test_s40_no_damage_of_any_file_gives_a_wrong_answer(seasoned: SeasonedFolder, scratch: Path) -> None:
    tally = Tally()
    for damage in damages(seasoned.folder, SAMPLES, SEED):
        try_damage(seasoned, damage, scratch, tally)
    record("damage", str(tally))
    assert not tally.wrong, f"seed {SEED}: {tally.wrong}"
    assert tally.total >= MIN_DAMAGES
    outcomes = {outcome for _, _, outcome in tally.outcomes}
    assert outcomes == {"whole", "refused", "refused when read"}


def test_s40_a_manifest_that_lost_its_end_hides_no_blocks(scratch: Path) -> None:
    """LevelDB then forgets its newest table, opens without a word and throws the table away: a gap among old blocks,
    below those that are verified at a start.
    """
    network = new_network()
    folder = scratch / "data"
    ids = []
    with mock.patch.object(level, "WRITE_BUFFER_SIZE", 64 * SMALL_BUFFER_BYTES), open_files(network, folder) as ledger:
        network.commit(ledger, [network.dataset(name="open")])
        manifest = next((folder / "blocks").glob("MANIFEST-*"))
        beginning = len(record_ends(manifest.read_bytes()))
        while len(record_ends(manifest.read_bytes())) < beginning + 2:  # two tables, perhaps a third that is being made
            ids += commit_parcel(network, ledger, 200_000)
        # Beyond a power of two, verifying the newest blocks reads no node of the history tree that was lost.
        while ledger.tip.height <= 128 + RECHECKED_BLOCKS:
            ids += commit_parcel(network, ledger, 10)
        contents = read_everything(ledger, tuple(ids), ("a.open",))
    ends = record_ends(manifest.read_bytes())
    seasoned = SeasonedFolder(network, folder, tuple(ids), ("a.open",), contents)
    tally = Tally()
    for end in (*ends[1:], ends[-1] - 1):
        name = f"blocks/{manifest.name}"
        try_damage(seasoned, Damage(name, "lost end", end, lambda path, at=end: cut(path, at)), scratch, tally)
    assert not tally.wrong, tally.wrong
    assert {outcome for _, _, outcome in tally.outcomes} == {"whole", "refused"}


def commit_parcel(network: TestNetwork, ledger: Ledger, size_bytes: int) -> list[bytes]:
    """Id of an open parcel in a block of its own."""
    parcel = network.parcel([b'{"n":1,"text":"%s"}' % (b"x" * size_bytes)], dataset="a.open")
    network.commit(ledger, [parcel], TIME_MS + 1)
    return [network.id_of(parcel)]


def test_s40_both_slots_of_head_flipped_everywhere(seasoned: SeasonedFolder, scratch: Path) -> None:
    """One slot may be torn; with two that are not whole nobody knows what was acknowledged."""
    for offset in range(0, 56, max(1, 56 // SAMPLES)):
        folder = seasoned.copy_to(scratch / "copy")
        flip(folder / "HEAD", offset, 1)
        flip(folder / "HEAD", 512 + offset, 1)
        assert verdict(seasoned, folder) == "refused", offset
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def shorter(seasoned: SeasonedFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same chain, of which less has happened, as another node may hold it."""
    folder = tmp_path_factory.mktemp("shorter") / "data"
    copy_chain(seasoned, folder, BLOCKS - 5)
    return folder


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> SeasonedFolder:
    """Another chain."""
    network = TestNetwork(size=5, has_contracts=True, policy=new_network().policy)
    return make_seasoned(tmp_path_factory.mktemp("foreign") / "data", 20, network)


class TestExchangedFiles:
    """Files of another node, of another chain, or of another time."""

    def test_another_nodes_folder_of_the_same_chain_is_as_good(self, seasoned: SeasonedFolder, scratch: Path) -> None:
        copy_chain(seasoned, scratch / "copy", BLOCKS)
        for name in ("blocks", "state", "HEAD"):
            folder = seasoned.copy_to(scratch / name)
            replace(folder / name, scratch / "copy" / name)
            assert verdict(seasoned, folder) == "whole", name

    @pytest.mark.parametrize(("name", "expected"), [("blocks", "refused"), ("state", "whole"), ("HEAD", "whole")])
    def test_parts_of_an_older_copy(
        self, seasoned: SeasonedFolder, shorter: Path, scratch: Path, name: str, expected: str
    ) -> None:
        folder = seasoned.copy_to(scratch / "copy")
        replace(folder / name, shorter / name)
        assert verdict(seasoned, folder) == expected

    def test_single_files_of_another_node_or_an_older_copy(
        self, seasoned: SeasonedFolder, shorter: Path, scratch: Path
    ) -> None:
        """Table for table, log for log, however the numbers in their names fall."""
        tally = Tally()
        for database in ("blocks", "state"):
            others = [path for path in sorted((shorter / database).iterdir()) if kind_of(path.name) != "LOCK"]
            for mine in sorted((seasoned.folder / database).iterdir()):
                for other in [path for path in others if kind_of(path.name) == kind_of(mine.name)]:
                    name = f"{database}/{mine.name}"
                    damage = Damage(name, "exchange", 0, lambda path, by=other: replace(path, by))
                    try_damage(seasoned, damage, scratch, tally)
        record("exchanged files", str(tally))
        assert not tally.wrong, tally.wrong
        assert tally.total >= 12  # as many tables as LevelDB happens to have

    @pytest.mark.parametrize("name", ["blocks", "state", "HEAD"])
    def test_parts_of_another_chain(
        self, seasoned: SeasonedFolder, foreign: SeasonedFolder, scratch: Path, name: str
    ) -> None:
        folder = seasoned.copy_to(scratch / "copy")
        replace(folder / name, foreign.folder / name)
        if name == "blocks":
            with refuses(ErrorCode.WRONG_DATA_FOLDER), open_files(seasoned.network, folder):
                pass
        else:
            assert verdict(seasoned, folder) == ("whole" if name == "state" else "refused")


def copy_chain(seasoned: SeasonedFolder, folder: Path, height: int) -> None:
    """Another node's folder with the chain up to ``height``."""
    with (
        mock.patch.object(level, "WRITE_BUFFER_SIZE", SMALL_BUFFER_BYTES),
        open_files(seasoned.network, folder) as ledger,
    ):
        for number in range(1, height + 1):
            take(seasoned, ledger, number)
        assert encoded_packages_of(ledger) == list(seasoned.contents.packages[: height + 1])


def replace(target: Path, source: Path) -> None:
    """Put a copy of ``source`` where ``target`` is."""
    if target.is_dir():
        shutil.rmtree(target)
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)
