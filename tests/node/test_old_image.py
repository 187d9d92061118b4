"""A data folder set back to an older copy, while the others hold votes that were cast since (scenario 42)."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chain.storage.votes import VoteFile
from consensus.memory import VoteRecord, load_vote_record
from node.config import load_config
from node.home import open_home
from node.probation import MARGIN_BLOCKS
from node.recovery import open_votes
from tests.node.cluster import Network, Node
from tests.node.link_cluster import until


@asynccontextmanager
async def nodes_of(network: Network, names: str) -> AsyncIterator[dict[str, Node]]:
    """Running nodes, which tests may stop and start one by one."""
    nodes: dict[str, Node] = {}
    try:
        for name in names:
            await start(network, nodes, name)
        yield nodes
    finally:
        for node in nodes.values():
            await node.stop()


async def start(network: Network, nodes: dict[str, Node], name: str) -> Node:
    nodes[name] = Node(network, name)
    await nodes[name].start()
    return nodes[name]


async def stop(nodes: dict[str, Node], name: str) -> None:
    await nodes.pop(name).stop()


async def submit(network: Network, node: Node, count: int) -> None:
    for _ in range(count):
        await node.submit(network.parcel())


def save(network: Network, folder: Path) -> None:
    """Take a copy of d's data."""
    shutil.copytree(network.home("d") / "data", folder)


def restore(network: Network, folder: Path, *names: str) -> None:
    """Set d's data back to the copy; of all files, or of these."""
    data = network.home("d") / "data"
    for name in names or [path.name for path in folder.iterdir()]:
        target = data / name
        if target.is_dir():
            shutil.rmtree(target)
            shutil.copytree(folder / name, target)
        else:
            shutil.copyfile(folder / name, target)


def record_of_d(network: Network) -> VoteRecord:
    votes = VoteFile(network.home("d") / "data" / "VOTES")
    record = load_vote_record(votes.read())
    votes.close()
    assert record is not None
    return record


def is_on_probation(network: Network) -> bool:
    return (network.home("d") / "data" / "PROBATION").exists()


def signers_at(node: Node, height: int) -> set[str]:
    certificate = node.ledger.block_at(height).certificate
    assert certificate is not None
    return {name for name, _ in certificate.votes}


async def with_image(network: Network, folder: Path) -> None:
    """A chain of three blocks; d's data is copied, then three more blocks need d's vote."""
    async with nodes_of(network, "abcd") as nodes:
        await nodes["a"].submit(network.dataset())
        await submit(network, nodes["a"], 2)
        await until(lambda: min(node.height for node in nodes.values()) == 3)
    save(network, folder)
    async with nodes_of(network, "abd") as nodes:
        await submit(network, nodes["a"], 3)
        await until(lambda: nodes["d"].height == 6)
        assert "d" in signers_at(nodes["a"], 6)


async def test_s42_blocks_that_show_forgotten_votes_keep_a_restored_validator_from_voting(tmp_path: Path) -> None:
    network = Network.create(tmp_path / "network")
    await with_image(network, tmp_path / "image")
    restore(network, tmp_path / "image")
    assert not is_on_probation(network)
    async with nodes_of(network, "abcd") as nodes:
        a, d = nodes["a"], nodes["d"]
        await until(lambda: d.height == 6)
        await until(lambda: is_on_probation(network))
        assert not d.service.readiness.is_validator
        await submit(network, a, MARGIN_BLOCKS)
        await until(lambda: d.service.readiness.is_validator)
        assert not is_on_probation(network)
        assert all("d" not in signers_at(a, height) for height in range(7, 7 + MARGIN_BLOCKS))
        await stop(nodes, "c")
        await submit(network, a, 1)  # needs d's vote now
        assert "d" in signers_at(a, a.height)


async def test_s42_the_file_of_votes_alone_set_back_is_found_without_asking_anybody(tmp_path: Path) -> None:
    network = Network.create(tmp_path / "network")
    await with_image(network, tmp_path / "image")
    restore(network, tmp_path / "image", "VOTES")
    node = Node(network, "d")
    assert is_on_probation(network)
    await node.stop()


@pytest.mark.parametrize("is_restored", [True, False], ids=["restored", "intact"])
async def test_s42_votes_on_an_undecided_block_are_remembered_by_the_others(
    tmp_path: Path, *, is_restored: bool
) -> None:
    """d votes where two of four cannot decide, and comes back. An intact memory is believed: d is needed."""

    network = Network.create(tmp_path / "network")
    async with nodes_of(network, "abcd") as nodes:
        await nodes["a"].submit(network.dataset())
        await until(lambda: min(node.height for node in nodes.values()) == 1)
        await stop(nodes, "d")
        save(network, tmp_path / "image")
        await start(network, nodes, "d")
        await until(lambda: nodes["d"].service.readiness.is_validator)
        await stop(nodes, "b")
        await stop(nodes, "c")
        a = nodes["a"]
        await a.service.dissemination.submit(network.parcel())
        await until(lambda: a.service.driver.replica.statements_of("d"), timeout_s=20)
        await stop(nodes, "d")
        assert record_of_d(network).height == 2
        if is_restored:
            restore(network, tmp_path / "image")
            assert record_of_d(network).height == 1
        await start(network, nodes, "d")
        await start(network, nodes, "b")
        if is_restored:
            await until(lambda: is_on_probation(network))
            assert not nodes["d"].service.readiness.is_validator
            await start(network, nodes, "c")
            await until(lambda: a.height == 2, timeout_s=20)
            assert "d" not in signers_at(a, 2)
        else:
            await until(lambda: a.height == 2, timeout_s=20)
            assert "d" in signers_at(a, 2)
            assert not is_on_probation(network)


def foreign_votes(network: Network) -> None:
    shutil.copyfile(network.home("a") / "data" / "VOTES", network.home("d") / "data" / "VOTES")


def nonsense(network: Network) -> None:
    path = network.home("d") / "data" / "VOTES"
    path.unlink()
    votes = VoteFile(path)
    votes.write([(b"votes", b"nonsense")])
    votes.close()


@pytest.mark.parametrize("spoil", [foreign_votes, nonsense])
async def test_s40_a_file_of_votes_that_is_not_this_validators_is_not_used(
    tmp_path: Path, spoil: Callable[[Network], None]
) -> None:
    network = Network.create(tmp_path)
    async with nodes_of(network, "abcd") as nodes:
        await nodes["a"].submit(network.dataset())
        await until(lambda: min(node.height for node in nodes.values()) == 1)
    spoil(network)
    home = open_home(load_config(network.home("d"), {}))
    votes = open_votes(home)
    assert is_on_probation(network)
    assert not votes.read()
    assert (home.data / "VOTES.refused").exists()
    votes.close()
    home.lock.close()
