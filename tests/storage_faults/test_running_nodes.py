"""A running validator whose disk fails: it stops at once and says why, the others go on, and when it starts again it
has everything and votes as it did.
"""

import errno
from pathlib import Path
from unittest import mock

import pytest

from chain.errors import PoolError
from chain.storage import state
from chain.storage.level import LevelDatabase
from node import home as home_module
from tests.node.cluster import Network, Node
from tests.node.link_cluster import until
from tests.storage_faults.faults import FaultPlan, FaultyDatabase, Way, faulty_slots


async def start(network: Network, nodes: dict[str, Node], name: str) -> Node:
    nodes[name] = Node(network, name)
    await nodes[name].start()
    return nodes[name]


async def start_faulty(network: Network, nodes: dict[str, Node], name: str, plan: FaultPlan) -> Node:
    """A node whose databases are written under a plan."""

    def opened(path: Path) -> FaultyDatabase:
        return FaultyDatabase(LevelDatabase(path), path.name, plan)

    with mock.patch.multiple(home_module, LevelDatabase=opened, open_emptied_if_damaged=opened):
        return await start(network, nodes, name)


@pytest.mark.parametrize("way", ["not persisted", "persisted"])
@pytest.mark.parametrize(
    "step", ["VOTES pwrite", "VOTES sync", "state unsynced batch", "blocks synced batch", "HEAD pwrite", "HEAD sync"]
)
async def test_s41_a_validator_stops_when_a_write_fails(
    tmp_path: Path, step: str, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "FLUSHED_BLOCKS", 1)
    network = Network.create(tmp_path, others=())
    plan = FaultPlan(way=way, error_number=errno.ENOSPC, within=network.home("d"))
    nodes: dict[str, Node] = {}
    with faulty_slots(plan):
        try:
            for name in "abc":
                await start(network, nodes, name)
            d = await start_faulty(network, nodes, "d", plan)
            await until(lambda: all(node.service.readiness.is_validator for node in nodes.values()))
            await nodes["a"].submit(network.dataset())
            await until(lambda: d.height == 1)
            plan.target = step
            await nodes["a"].submit(network.parcel())  # the others need nothing of d
            await until(lambda: d.is_stopped)
            assert isinstance(d.service.fatal, PoolError)
            assert d.service.fatal.code is plan.code
            await nodes["a"].submit(network.parcel())
            assert plan.later_steps == 0, plan.names[plan.step :]
            await nodes.pop("d").stop()
            d = await start(network, nodes, "d")
            await until(lambda: d.service.readiness.is_validator and d.height == 3)
            assert not d.home.probation_file.exists()
            await nodes.pop("c").stop()
            receipt = await nodes["a"].submit(network.parcel())  # needs d's vote
            assert receipt.certificate is not None
            assert "d" in {name for name, _ in receipt.certificate.votes}
        finally:
            for node in nodes.values():
                await node.stop()


async def test_s41_a_node_that_catches_up_stops_when_a_sync_fails(tmp_path: Path) -> None:
    network = Network.create(tmp_path, others=())
    plan = FaultPlan(within=network.home("d"))
    nodes: dict[str, Node] = {}
    try:
        for name in "abc":
            await start(network, nodes, name)
        await nodes["a"].submit(network.dataset())
        for _ in range(5):
            await nodes["a"].submit(network.parcel())
        plan.target = "blocks sync"
        d = await start_faulty(network, nodes, "d", plan)
        await until(lambda: d.is_stopped)
        assert isinstance(d.service.fatal, PoolError)
        assert d.service.fatal.code is plan.code
        assert plan.later_steps == 0, plan.names
        await nodes.pop("d").stop()
        d = await start(network, nodes, "d")
        await until(lambda: d.height == 6)
    finally:
        for node in nodes.values():
            await node.stop()
