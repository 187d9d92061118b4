"""Four whole nodes in one event loop: they order, agree, survive a lost primary, and an observer follows."""

from pathlib import Path

from chain.blocks import Outcome
from chain.primitives.encoding import decode
from tests.node.cluster import MSGPACK, Network, Node, running, single
from tests.node.link_cluster import until


async def test_four_nodes_commit_the_same_blocks_whoever_receives(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, *"abcd") as nodes:
        assert decode(Outcome, (await nodes[0].submit(network.dataset())).outcome).is_ok
        for node in nodes:
            receipt = await node.submit(network.parcel([b'{"n":%d}' % node.ledger.tip.height]))
            assert decode(Outcome, receipt.outcome).is_ok
        await until(lambda: len({node.ledger.tip.block_hash for node in nodes}) == 1)
        assert nodes[0].ledger.dataset_totals("a.flights") == nodes[3].ledger.dataset_totals("a.flights")
        totals = nodes[0].ledger.dataset_totals("a.flights")
        assert totals is not None
        assert (totals.parcels, totals.records) == (4, 4)


async def test_the_network_goes_on_without_its_primary_which_catches_up_when_it_returns(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, *"abcd") as nodes:
        await nodes[1].submit(network.dataset())
        primary = next(node for node in nodes if node.name == nodes[0].service.driver.replica.primary)
        nodes.remove(primary)
        await primary.stop()
        for index in range(5):
            await nodes[index % 3].submit(network.parcel([b'{"n":%d}' % index]))
        assert nodes[0].service.driver.replica.primary != primary.name
        returned = Node(network, primary.name)
        nodes.append(returned)
        await returned.start()
        await until(lambda: returned.height == max(node.height for node in nodes))
        receipt = await returned.submit(network.parcel([b'{"n":99}']))
        assert decode(Outcome, receipt.outcome).is_ok


async def test_an_observer_follows_and_passes_on_what_it_is_given(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, *"abcd", "observer") as nodes:
        observer = nodes[4]
        assert not observer.service.readiness.is_validator
        receipt = await observer.submit(network.dataset("observer"))
        assert decode(Outcome, receipt.outcome).is_ok
        await until(lambda: len({node.ledger.tip.block_hash for node in nodes}) == 1)
        voters = {name for name, _ in observer.ledger.block_at(1).certificate.votes}  # type: ignore[union-attr]
        assert voters <= set("abcd")


async def test_without_a_quorum_a_node_is_not_ready_and_commits_nothing(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, "a", "b") as (a, b):
        assert a.service.readiness.unready_reason == "1 of 3 validators needed for a quorum are connected"
        await a.service.dissemination.submit(network.dataset())
        await until(lambda: len(b.service.pool.mempool) == 1)
        c = Node(network, "c")
        await c.start()
        try:
            assert (a.height, b.height) == (0, 0)
            await until(lambda: min(a.height, b.height, c.height) == 1)
            assert a.service.readiness.unready_reason is None
        finally:
            await c.stop()


async def test_s95_a_node_whose_chain_is_ahead_of_its_clock_is_not_ready_and_says_by_how_much(tmp_path: Path) -> None:
    """And goes on by itself once the clock has caught up."""
    async with single(tmp_path) as (network, node, client):
        pool = node.service.pool
        await node.submit(network.dataset())
        right = pool.clock_ms
        pool.clock_ms = lambda: right() - 3_600_000
        status = (await client.get("/v1/status")).json()
        assert not status["is_ready"]
        assert "3,600 s ahead" in status["unready_reason"] or "3,599 s ahead" in status["unready_reason"]
        assert status["time_ms"] - status["clock_ms"] > 3_590_000
        assert "chain_ahead_seconds 3" in (await client.get("/metrics")).text
        refused = await client.post("/v1/transactions", content=network.parcel(), headers=MSGPACK)
        assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
        pool.clock_ms = right
        assert (await client.get("/v1/status")).json()["is_ready"]
        await node.submit(network.parcel())
