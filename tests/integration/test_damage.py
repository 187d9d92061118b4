"""Daemons whose disks fail them: nothing wrong is ever served, and the peers have what was lost."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from chain.limits import KIB, MIB
from chain.storage.head import Head, HeadFile
from tests.integration.daemons import Daemons, daemons, until
from tests.processes import NO_TLS

pytestmark = pytest.mark.integration
PARCELS = 12


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    """Four running validators with a chain. Every test damages `d` and leaves it whole again."""
    with daemons(tmp_path_factory.mktemp("damage")) as running:
        running.start()
        running.submit(running.network.dataset(schema=""))
        yield running


def log_of(database: Path) -> Path:
    return max(database.glob("*.log"), key=lambda path: path.stat().st_size)


def cut_log(data: Path) -> None:
    path = log_of(data / "blocks")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def flip_table(data: Path) -> None:
    """A few bytes in the middle of the largest file that holds blocks."""
    files = [*(data / "blocks").glob("*.ldb"), log_of(data / "blocks")]
    path = max(files, key=lambda file: file.stat().st_size)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(byte ^ 0xA5 for byte in content[middle : middle + 64])
    path.write_bytes(content)


def lose_current(data: Path) -> None:
    (data / "blocks" / "CURRENT").write_bytes(b"MANIFEST-999999\n")


def head_ahead(data: Path) -> None:
    anchor = HeadFile(data / "HEAD")
    newest = anchor.read()
    assert newest is not None
    anchor.write(Head(newest.height + 3, bytes(32)))
    anchor.close()


@pytest.mark.parametrize("damage", [cut_log, flip_table, lose_current, head_ahead])
def test_s40_a_damaged_database_is_set_aside_and_fetched_again(pool: Daemons, damage: Callable[[Path], None]) -> None:
    """s40."""
    parcels = [pool.network.parcel([b"%d" % number * 200]) for number in range(PARCELS)]
    for data in parcels:
        pool.submit(data)
    until(lambda: pool.blocks_agree())
    node, folder = pool.nodes["d"], pool.network.home("d") / "data"
    node.kill()
    damage(folder)
    known = {path.name for path in folder.glob("damaged-*")}
    node.start()
    answers: list[bool] = []

    def is_complete() -> bool:
        answers.append(all_or_nothing(pool, parcels))
        return pool.blocks_agree()

    until(is_complete)
    assert all(answers)
    assert all(pool.holds("d", data) for data in parcels)
    assert {path.name for path in folder.glob("damaged-*")} - known
    assert "database is damaged" in node.log.read_text()
    end_probation(pool)


def test_resync_fetches_everything_again(pool: Daemons) -> None:
    node, folder = pool.nodes["d"], pool.network.home("d") / "data"
    known = {path.name for path in folder.glob("damaged-*")}
    node.stop()
    node.start("--resync")
    until(lambda: pool.blocks_agree())
    assert len({path.name for path in folder.glob("damaged-*")} - known) == 1
    assert pool.status("d")["role"] == "observer"  # it may have forgotten votes, and gives none for a while
    end_probation(pool)


def test_s40_damage_met_while_running_stops_the_node_and_the_next_start_repairs_it(tmp_path: Path) -> None:
    """An old block is not looked at when a node starts; whoever asks for it must not be given nonsense."""
    with daemons(tmp_path) as pool:  # of its own: LevelDB must have no reason to compact, and so to read everything
        pool.start()
        pool.submit(pool.network.dataset(schema=""))
        node, folder = pool.nodes["d"], pool.network.home("d") / "data"
        body = os.urandom(10_000)  # LevelDB compresses, and must find nothing to compress
        early = pool.network.parcel([body])
        pool.submit(
            pool.network.parcel([os.urandom(10_000)])
        )  # keeps what is read at a start out of early's table block
        pool.submit(early)
        for number in range(70):  # more than are verified at a start
            pool.submit(pool.network.parcel([b"%d" % number]))
        until(lambda: pool.blocks_agree())
        node.stop()
        node.start()  # moves what was in the log into tables
        node.wait_ready()
        node.stop()
        spoil(folder / "blocks", body[5000:5020])
        node.start()
        node.wait_ready()
        response = httpx.get(
            f"{pool.url('d')}/v1/transactions/{pool.network.id_of(early).hex()}/raw", trust_env=False, verify=NO_TLS
        )
        assert response.status_code == 500, f"served, {'as it was' if response.content == early else 'changed'}"
        assert response.json()["code"] == "database_damaged"
        assert node.wait() == 1
        assert "code: database_damaged" in node.log.read_text()
        node.start()
        until(lambda: pool.blocks_agree())
        assert pool.holds("d", early)
        end_probation(pool)


def spoil(database: Path, pattern: bytes) -> None:
    """Overwrite a pattern wherever it stands in the files of a database."""
    found = 0
    for path in database.iterdir():
        content = path.read_bytes()
        if pattern in content:
            path.write_bytes(content.replace(pattern, bytes(len(pattern))))
            found += 1
    assert found


def all_or_nothing(pool: Daemons, parcels: list[bytes]) -> bool:
    """Whether `d`, as far as it answers, answers with the very bytes that were committed."""
    for data in parcels:
        path = f"/v1/transactions/{pool.network.id_of(data).hex()}/raw"
        try:
            response = httpx.get(pool.url("d") + path, trust_env=False, verify=NO_TLS)
        except httpx.TransportError:
            continue
        if response.status_code == 200 and response.content != data:
            return False
    return True


def end_probation(pool: Daemons) -> None:
    """Let the others make the blocks after which `d` may vote again."""

    def votes() -> bool:
        pool.submit(pool.network.parcel([b"on"]))
        return pool.status("d")["role"] == "validator"

    until(votes)
    assert not (pool.network.home("d") / "data" / "PROBATION").exists()


def test_s41_a_full_disk_stops_the_node_which_goes_on_when_there_is_space(tmp_path: Path) -> None:
    """s41."""
    small = tmp_path / "small"
    small.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(small)], capture_output=True, text=True, check=False
    )
    if mounting.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounting.stderr.strip()}")
    try:
        with daemons(tmp_path / "pool") as pool:
            (pool.network.home("d") / "data").symlink_to(small)
            pool.start()
            pool.submit(pool.network.dataset(schema=""))
            ballast = small / "ballast"
            ballast.write_bytes(bytes(12 * MIB))
            parcels = []
            while pool.nodes["d"].pid is not None and len(parcels) < 60:
                parcels.append(pool.network.parcel([bytes([65 + len(parcels)]) * 200 * KIB] * 4))
                pool.submit(parcels[-1], "a", "b", "c")
            assert pool.nodes["d"].wait() == 1
            said = pool.nodes["d"].log.read_text()
            assert "code: disk_full" in said
            assert "what to do: Free space on the data folder's disk" in said
            pool.nodes["d"].start()
            assert pool.nodes["d"].wait() == 1  # still full: it says so again
            ballast.unlink()
            subprocess.run(["mount", "-o", "remount,size=512m", str(small)], check=True)
            pool.start("d")
            until(lambda: pool.blocks_agree())
            assert all(pool.holds("d", data) for data in parcels)
            assert not (small / "PROBATION").exists()
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
