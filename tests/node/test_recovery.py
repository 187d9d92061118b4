"""Damaged data folders: found, set aside, fetched again from the peers, and no vote until that is safe."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from chain.errors import ErrorCode
from chain.limits import MIB
from chain.storage.head import Head, HeadFile
from chain.storage.level import plyvel
from node.config import load_config
from node.home import Home, open_home
from node.recovery import note_damage, open_recovered, open_votes
from tests.node.cluster import Network, Node, running
from tests.node.link_cluster import until
from tests.refusals import refuses

BLOCKS = 8
Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def seasoned(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """A network whose nodes hold a chain and are stopped. Tests work on copies of d's data."""
    network = Network.create(tmp_path_factory.mktemp("seasoned"))

    async def main() -> None:
        async with running(network, *"abcd") as nodes:
            await nodes[0].submit(network.dataset())
            while nodes[0].height < BLOCKS:
                await nodes[nodes[0].height % 4].submit(network.parcel([b'{"n":%d}' % nodes[0].height]))
            await until(lambda: min(node.height for node in nodes) >= BLOCKS)

    uvloop.run(main())
    return network


@pytest.fixture
def home(seasoned: Network, tmp_path: Path) -> Home:
    """d's home, with a data folder of the test's own."""
    shutil.copytree(seasoned.home("d"), tmp_path / "node")
    opened = open_home(load_config(tmp_path / "node", {}))
    yield opened
    opened.lock.close()


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)


def log_of(database: Path) -> Path:
    return max(database.glob("*.log"), key=lambda path: path.stat().st_size)


def cut(path: Path, left: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * left)])


def lose_current(database: Path) -> None:
    """LevelDB then begins anew and keeps at most what its log holds; here everything is in tables, as in time it is."""
    db = plyvel.DB(str(database))
    db.compact_range()
    db.close()
    (database / "CURRENT").unlink()


def lose_the_beginning(database: Path) -> None:
    """What is left if LevelDB has forgotten its tables and replays its log: the newest blocks alone."""
    db = plyvel.DB(str(database))
    newest = [(key, value) for key, value in db.iterator() if key[:1] in b"bpstx" and key[8] > 4]
    newest += [(key, value) for key, value in db.iterator() if key[:1] in b"hi"]
    assert newest
    db.close()
    plyvel.destroy_db(str(database))
    db = plyvel.DB(str(database), create_if_missing=True)
    for key, value in newest:
        db.put(key, value)
    db.close()


def head_ahead(data: Path) -> None:
    """HEAD as it would be had two more blocks been acknowledged."""
    anchor = HeadFile(data / "HEAD")
    newest = anchor.read()
    assert newest is not None
    anchor.write(Head(newest.height + 2, bytes(32)))
    anchor.close()


def head_of_another_block(data: Path) -> None:
    anchor = HeadFile(data / "HEAD")
    newest = anchor.read()
    assert newest is not None
    anchor.close()
    (data / "HEAD").unlink()
    anchor = HeadFile(data / "HEAD")
    anchor.write(Head(newest.height, bytes(32)))
    anchor.close()


DAMAGES: dict[str, Damage] = {
    "log of blocks cut": lambda data: cut(log_of(data / "blocks"), 0.7),
    "log of blocks cut in its last block": lambda data: cut(log_of(data / "blocks"), 0.99),
    "log of blocks flipped": lambda data: flip(log_of(data / "blocks"), log_of(data / "blocks").stat().st_size // 2),
    "log of blocks gone": lambda data: log_of(data / "blocks").unlink(),
    "CURRENT of blocks gone": lambda data: lose_current(data / "blocks"),
    "oldest blocks gone": lambda data: lose_the_beginning(data / "blocks"),
    "CURRENT of blocks is nonsense": lambda data: (data / "blocks" / "CURRENT").write_bytes(b"nonsense\n") and None,
    "MANIFEST of blocks gone": lambda data: next((data / "blocks").glob("MANIFEST-*")).unlink(),
    "MANIFEST of blocks flipped": lambda data: flip(next((data / "blocks").glob("MANIFEST-*")), 20),
    "blocks gone": lambda data: shutil.rmtree(data / "blocks"),
    "HEAD gone": lambda data: (data / "HEAD").unlink(),
    "HEAD torn": lambda data: (data / "HEAD").write_bytes(b"BPHEAD" + bytes(1018)) and None,
    "HEAD ahead": head_ahead,
    "HEAD of another block": head_of_another_block,
}


@pytest.mark.parametrize("case", DAMAGES)
def test_s40_damage_is_found_and_set_aside(home: Home, case: str) -> None:
    """s40."""
    DAMAGES[case](home.data)
    ledger = open_recovered(home, resync=False)
    assert ledger.tip.height == 0
    assert home.probation_file.exists()
    assert [path for path in home.data.iterdir() if path.name.startswith("damaged-")]
    ledger.close()
    again = open_recovered(home, resync=False)
    assert home.probation_file.exists()
    again.close()


STATE_LOSSES: dict[str, Damage] = {
    "state gone": lambda data: shutil.rmtree(data / "state"),
    "CURRENT of state gone": lambda data: lose_current(data / "state"),
    "state log flipped": lambda data: flip(log_of(data / "state"), log_of(data / "state").stat().st_size // 2),
    "MANIFEST of state gone": lambda data: next((data / "state").glob("MANIFEST-*")).unlink(),
    "MANIFEST of state flipped": lambda data: flip(next((data / "state").glob("MANIFEST-*")), 20),
    "state log gone": lambda data: log_of(data / "state").unlink(),
    "state log cut": lambda data: cut(log_of(data / "state"), 0.4),
}


@pytest.mark.parametrize("case", STATE_LOSSES)
def test_s40_lost_state_is_built_again(home: Home, case: str) -> None:
    STATE_LOSSES[case](home.data)
    ledger = open_recovered(home, resync=False)
    assert ledger.tip.height >= BLOCKS
    assert ledger.dataset_totals("a.flights") is not None
    assert not home.probation_file.exists()
    ledger.close()


VOTE_LOSSES: dict[str, Damage] = {
    "gone": lambda data: (data / "VOTES").unlink(),
    "cut": lambda data: cut(data / "VOTES", 0.6),
    "flipped": lambda data: [flip(data / "VOTES", copy * MIB + 30) for copy in range(4)].clear(),
    "emptied": lambda data: (data / "VOTES").write_bytes(b"") and None,
}


@pytest.mark.parametrize("case", VOTE_LOSSES)
def test_s03_a_validator_that_may_have_lost_votes_does_not_vote(home: Home, case: str) -> None:
    """Although its chain is whole."""
    VOTE_LOSSES[case](home.data)
    votes = open_votes(home)
    assert home.probation_file.exists()
    votes.close()


def test_whole_data_opens_without_a_mark(home: Home) -> None:
    ledger = open_recovered(home, resync=False)
    votes = open_votes(home)
    assert ledger.tip.height >= BLOCKS
    assert votes.read()
    assert not home.probation_file.exists()
    votes.close()
    ledger.close()


def test_resync_sets_good_data_aside(home: Home) -> None:
    ledger = open_recovered(home, resync=True)
    assert ledger.tip.height == 0
    assert home.probation_file.exists()
    (aside,) = (path for path in home.data.iterdir() if path.name.startswith("damaged-"))
    assert sorted(path.name for path in aside.iterdir()) == ["HEAD", "blocks", "state"]
    ledger.close()


def test_damage_found_while_running_is_acted_on_at_the_next_start(home: Home) -> None:
    note_damage(home)
    ledger = open_recovered(home, resync=False)
    assert ledger.tip.height == 0
    assert home.probation_file.exists()
    assert not home.damage_file.exists()
    ledger.close()


def test_the_only_validator_keeps_its_damaged_data(tmp_path: Path) -> None:
    """Nobody else has the chain: starting empty would begin another one."""
    network = Network.create(tmp_path, validators="a", others=())
    home = open_home(load_config(network.home("a"), {}))
    ledger = open_recovered(home, resync=False)
    ledger.close()
    head_ahead(home.data)
    with refuses(ErrorCode.DATABASE_DAMAGED):
        open_recovered(home, resync=False)
    with refuses(ErrorCode.BAD_CONFIGURATION):
        open_recovered(home, resync=True)
    assert (home.data / "blocks").exists()
    home.lock.close()


async def test_s03_a_validator_on_probation_fetches_the_chain_and_votes_again_later(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, *"abcd") as nodes:
        await nodes[0].submit(network.dataset())
        await until(lambda: min(node.height for node in nodes) == 1)
    home = open_home(load_config(network.home("d"), {}))
    open_recovered(home, resync=True).close()
    home.lock.close()
    async with running(network, *"abcd") as nodes:
        a, d = nodes[0], nodes[3]
        assert not d.service.readiness.is_validator
        await until(lambda: d.height == 1)
        await a.submit(network.parcel())
        await until(lambda: d.height == 2)
        certificate = d.ledger.block_at(2).certificate
        assert certificate is not None
        assert "d" not in {name for name, _ in certificate.votes}
        async with asyncio.timeout(20):
            while home.probation_file.exists():
                await a.submit(network.parcel())
                await asyncio.sleep(0.1)
        assert d.service.readiness.is_validator
        await stop_one(nodes, "c")
        receipt = await a.submit(network.parcel())  # needs d's vote now
        assert receipt.certificate is not None
        assert "d" in {name for name, _ in receipt.certificate.votes}


async def stop_one(nodes: list[Node], name: str) -> None:
    node = next(node for node in nodes if node.name == name)
    nodes.remove(node)
    await node.stop()
