"""Adaptive batching: a lone transaction is proposed at once, a stream of them is gathered."""

import asyncio
from pathlib import Path

import pytest

from tests.node.cluster import Network, Node, running
from tests.node.link_cluster import until


async def submit_together(node: Node, count: int) -> None:
    """Hand in several transactions in one turn of the loop: verification lets the first ones in before the last."""
    data = [node.network.dataset(name=f"set-{node.height}-{number}", schema="") for number in range(count)]
    await asyncio.gather(*(node.service.dissemination.submit(item) for item in data))


def committed(node: Node) -> int:
    return sum(node.ledger.header_at(height).transaction_count for height in range(node.height + 1))


async def test_a_lone_transaction_is_not_held_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.driver._GATHER_S", 60.0)

    network = Network.create(tmp_path, validators="a", others=())
    async with running(network, "a") as (a,):
        for number in range(3):
            await a.submit(network.dataset(name=f"set-{number}"))
        assert a.height == 3


async def test_what_comes_meanwhile_is_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.driver._GATHER_S", 0.3)

    network = Network.create(tmp_path, validators="a", others=())
    async with running(network, "a") as (a,):
        await submit_together(a, 200)  # more than one slice of verification
        await until(lambda: a.height >= 1)
        first_s = asyncio.get_running_loop().time()
        assert committed(a) < 200
        await until(lambda: committed(a) == 200)
        assert asyncio.get_running_loop().time() - first_s > 0.2
        assert a.height == 2


async def test_enough_for_a_block_is_not_held_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.driver._GATHER_S", 60.0)
    monkeypatch.setattr("node.driver._GATHERED", 1)

    network = Network.create(tmp_path, validators="a", others=())
    async with running(network, "a") as (a,):
        await submit_together(a, 200)
        await until(lambda: committed(a) == 200)


async def test_a_node_that_is_behind_gathers_until_it_has_verified_what_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.driver._GATHER_S", 0.0)
    monkeypatch.setattr("node.driver._GATHERED", 10_000)
    monkeypatch.setattr("node.driver._GATHER_MAX_S", 60.0)

    network = Network.create(tmp_path, validators="a", others=())
    async with running(network, "a") as (a,):
        await submit_together(a, 400)
        await until(lambda: committed(a) == 400)
        assert a.height == 2, "one at once, and all that came meanwhile"
