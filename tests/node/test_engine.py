"""A lost contract engine is never a verdict; one that is not the network's decides nothing."""

import asyncio
import shutil
from pathlib import Path

import pytest

from chain.contract_engine import EngineIdentity
from chain.errors import ErrorCode, PoolError
from contracts.compiled import default_cache_folder
from node.config import load_config
from node.engine_process import ContractEngine
from node.frames import BlockRange
from node.home import open_home
from node.recovery import open_recovered
from tests.node import contract_cluster
from tests.node.cluster import Network, Node, running
from tests.refusals import refuses

OTHER_ENGINE = EngineIdentity(bytes(32), "0.0.1", "x86_64-unknown-linux-gnu")


def use_cache(network: Network, folder: Path) -> None:
    """Let `a` keep its compiled engine in `folder`."""
    with (network.home("a") / "config.toml").open("a") as config:
        config.write(f'[contracts]\ncache_folder = "{folder}"\n')


async def test_a_block_is_executed_again_when_the_engine_is_lost_meanwhile(tmp_path: Path) -> None:
    async with contract_cluster.contract_network(tmp_path, *"abcd") as (network, nodes):
        await contract_cluster.share(nodes[0], network, contract_cluster.LOOPS)
        primary = next(node for node in nodes if node.service.driver.replica.is_primary)
        answer = asyncio.create_task(contract_cluster.request(primary, network.request()))
        await contract_cluster.eventually(lambda: primary.service.executions.is_making)
        contract_cluster.kill_engine(primary)
        others = [node for node in nodes if node is not primary]
        await contract_cluster.eventually(lambda: any(contract_cluster.is_checking(node) for node in others))
        contract_cluster.kill_engine(next(node for node in others if contract_cluster.is_checking(node)))
        assert await answer == ("deny", ErrorCode.CONTRACT_OUT_OF_FUEL.value)
        assert await contract_cluster.request(primary, network.request()) == (
            "deny",
            ErrorCode.CONTRACT_OUT_OF_FUEL.value,
        )
        await contract_cluster.agree(nodes)
        assert sum(contract_cluster.sample(node, "engine_restarts_total") for node in nodes) == 2
        assert all(node.service.fatal is None for node in nodes)


async def test_an_engine_that_was_lost_while_idle_is_replaced(tmp_path: Path) -> None:
    async with contract_cluster.contract_network(tmp_path, "a", others=("b",)) as (network, [node]):
        await contract_cluster.share(node, network, contract_cluster.BY_PURPOSE)
        contract_cluster.kill_engine(node)
        assert await contract_cluster.request(node, network.request()) == ("allow", "")
        contract_cluster.kill_engine(node)
        assert (await contract_cluster.submit(node, network.contract(contract_cluster.BY_PURPOSE, version=2))).is_ok
        assert contract_cluster.sample(node, "engine_restarts_total") == 2


async def test_a_node_whose_engine_stays_lost_stops_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.engine_process._PAUSES_S", (0.01, 0.01))

    network = Network.create(tmp_path, validators="a", others=("b",), contracts=True)
    cache = tmp_path / "cache"
    shutil.copytree(default_cache_folder(), cache)
    use_cache(network, cache)
    async with running(network, "a") as (node,):
        await contract_cluster.share(node, network, contract_cluster.BY_PURPOSE)
        cache.chmod(0o777)
        contract_cluster.kill_engine(node)
        with pytest.raises(PoolError):
            await node.submit(network.request(), timeout_s=1)
        await contract_cluster.eventually(lambda: node.is_stopped)
        assert isinstance(node.service.fatal, PoolError)
        assert node.service.fatal.code == ErrorCode.ENGINE_DAMAGED
        assert "writable by nobody else" in node.service.fatal.detail


def voters(node: Node) -> set[str]:
    """Validators with a vote in any certificate."""
    certificates = [node.ledger.block_at(height).certificate for height in range(1, node.height + 1)]
    return {name for certificate in certificates if certificate for name, _ in certificate.votes}


async def test_a_node_with_another_engine_neither_votes_nor_follows_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network = Network.create(tmp_path, contracts=True)
    async with running(network, *"abc") as nodes:
        await contract_cluster.share(nodes[0], network, contract_cluster.BY_PURPOSE)
        odd = Node(network, "d", engine=ContractEngine(OTHER_ENGINE, network.genesis.chain_id, None))
        await odd.start()
        try:
            await contract_cluster.eventually(lambda: len(odd.service.links.connected) == 3)
            assert await contract_cluster.request(nodes[0], network.request()) == ("allow", "")
            odd.service.heights.hear("a", nodes[0].height)
            await contract_cluster.agree(nodes)
            assert (odd.height, odd.service.catch_up.is_running) == (0, False)
            assert odd.engine is not None
            assert odd.service.readiness.unready_reason == odd.engine.problem
            assert "wasmtime 0.0.1" in str(odd.engine.problem)
            assert not odd.service.readiness.is_validator
            with refuses(ErrorCode.NOT_READY, "wasmtime 0.0.1"):
                await odd.submit(network.dataset("b"))
            assert (await odd.service.catch_up.serve(BlockRange(0, 1)))[0]
            assert voters(nodes[0]) == set("abc")
        finally:
            await odd.stop()
    assert "neither votes nor follows" in caplog.text


async def test_an_engine_that_cannot_be_started_stops_the_node_with_the_reason(tmp_path: Path) -> None:
    network = Network.create(tmp_path, validators="a", others=(), contracts=True)
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    use_cache(network, cache)
    node = Node(network, "a")
    await node.start()
    try:
        assert node.service.readiness.unready_reason == "the contract engine is being started"
        await contract_cluster.eventually(lambda: node.is_stopped)
        assert isinstance(node.service.fatal, PoolError)
        assert node.service.fatal.code == ErrorCode.BAD_CONFIGURATION
        assert str(cache) in node.service.fatal.detail
    finally:
        await node.stop()


async def test_without_its_engine_a_node_that_has_lost_its_state_starts(tmp_path: Path) -> None:
    """The state is made from what the blocks keep of it: no contract is called again."""
    network = Network.create(tmp_path, validators="a", others=("b",), contracts=True)
    async with running(network, "a") as (node,):
        await contract_cluster.share(node, network, contract_cluster.BY_PURPOSE)
        assert (await contract_cluster.request(node, network.request()))[0] == "allow"
        height, root = node.height, node.ledger.tip.header.state_root
    shutil.rmtree(network.home("a") / "data" / "state")
    home = open_home(load_config(network.home("a"), {}))
    try:
        ledger = open_recovered(home, resync=False, engine=ContractEngine(OTHER_ENGINE, network.genesis.chain_id, None))
        head = ledger.states.head
        ledger.close()
    finally:
        home.lock.close()
    assert head is not None
    assert (head.height, head.root) == (height, root)
