"""Nodes at a height where the validators or the rules change."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from blockpool import AsyncClient
from chain import protocol
from chain.errors import ErrorCode
from chain.primitives.keys import encode_private_key
from chain.proofs.receipts import Receipt
from chain.proofs.trust import TrustHistory
from tests.networks import seed
from tests.node.cluster import MSGPACK, Network, Node, running, single
from tests.node.link_cluster import until
from tests.rules import NEXT, use_changing_rules


@pytest.fixture(autouse=True)
def rules(monkeypatch: pytest.MonkeyPatch) -> None:
    use_changing_rules(monkeypatch)


async def test_a_node_stops_before_rules_that_it_does_not_know_and_serves_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(protocol.RULES, NEXT)

    async with single(tmp_path) as (network, node, client):
        await node.submit(network.dataset(legal_basis=f"version {NEXT}"))
        why = f"block 2 follows protocol version {NEXT}; this program knows 2"
        assert (await client.get("/v1/status")).json()["unready_reason"] == why
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, ErrorCode.NOT_READY)
        late = network.dataset(name="late")
        refused = await client.post("/v1/transactions", content=late, headers=MSGPACK)
        assert (refused.status_code, refused.json()["detail"]) == (503, why)
        await asyncio.sleep(0.3)
        block = (await client.get("/v1/blocks/latest")).json()
        assert (block["height"], block["next_version"]) == (1, NEXT)
        assert node.service.fatal is None


async def test_a_network_goes_on_with_another_set_under_other_rules_and_clients_follow(tmp_path: Path) -> None:
    network = Network.create(tmp_path, others=())
    async with running(network, *"abcd", api=True) as nodes:
        first = nodes[0]
        await first.submit(network.dataset())
        await first.submit(network.dataset(name="exit", legal_basis="without d"))
        pool = first.service.pool
        for data in (network.dataset(name="next", legal_basis=f"version {NEXT}"), network.parcel()):
            id_, _ = await first.service.dissemination.submit(data)
            await pool.wait_for_receipt(id_, 20)
        assert first.service.ledger.validators.names == ("a", "b", "c")
        assert first.service.ledger.tip.header.version == NEXT
        await until(lambda: all(node.service.pool.height == pool.height for node in nodes))
        async with AsyncClient([nodes[3].api_url], network.genesis) as client:
            receipt = await client.receipt(id_)
            assert receipt.header.version == NEXT
        async with httpx.AsyncClient(base_url=nodes[1].api_url) as http:
            answer = (await http.get("/v1/handovers", params={"since": 0})).json()
            assert len(answer["handovers"]) == 2
            assert (await http.get("/v1/handovers", params={"since": 99})).json() == {"handovers": []}


async def post(nodes: Sequence[Node], data: bytes) -> Receipt:
    """Hand in at the first node, wait until all have the block."""
    id_, _ = await nodes[0].service.dissemination.submit(data)
    receipt = await nodes[0].service.pool.wait_for_receipt(id_, 20)
    await until(lambda: all(node.height >= nodes[0].height for node in nodes))
    return receipt


async def test_s159_validators_become_observers_an_observer_votes_and_a_key_is_exchanged_without_a_restart(
    tmp_path: Path,
) -> None:
    network = Network.create(tmp_path)
    write_key(network.home("observer") / "consensus.pem", "observer", 0)
    config = network.home("observer") / "config.toml"
    config.write_text(config.read_text().replace("[node]", '[node]\nconsensus_key = "consensus.pem"'))
    async with running(network, "a", "b", "c", "d", "observer") as nodes:
        await nodes[0].submit(network.dataset())
        write_key(network.home("b") / "consensus.next.pem", "b", 1)  # while it runs
        await post(nodes, network.dataset(name="change", legal_basis="set b.1 observer"))
        for _ in range(3):
            receipt = await post(nodes, network.parcel())
            assert [name for name, _ in receipt.certificate.votes] == ["b", "observer"]
        trust = TrustHistory(network.genesis, nodes[0].ledger.trust.handovers_since(0))
        trust.verify_header(receipt.header, receipt.certificate)
        voting = {node.name for node in nodes if node.service.readiness.is_validator}
        assert voting == {"b", "observer"}
        assert all(node.service.readiness.unready_reason is None for node in nodes)
        assert all(node.service.fatal is None for node in nodes)


async def test_s152_a_validator_whose_key_is_not_here_says_so_and_follows(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, "a", "b", "c", "d") as nodes:
        await nodes[0].submit(network.dataset())
        write_key(network.home("a") / "consensus.next.pem", "a", 1)
        write_key(network.home("c") / "consensus.next.pem", "c", 1)
        write_key(network.home("d") / "consensus.next.pem", "d", 1)
        await post(nodes, network.dataset(name="change", legal_basis="set a.1 b.1 c.1 d.1"))
        receipt = await post(nodes, network.parcel())
        assert [name for name, _ in receipt.certificate.votes] == ["a", "c", "d"]
        reason = nodes[1].service.readiness.unready_reason
        assert reason is not None
        assert "b is to vote on block 4 with a consensus key that is not here" in reason


def write_key(path: Path, name: str, generation: int) -> None:
    """The key that ``tests.rules.Changing`` names."""
    key = f"consensus {name} {generation}" if generation else f"consensus {name}"
    path.write_bytes(encode_private_key(seed(key), None))
    path.chmod(0o600)
