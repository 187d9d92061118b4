"""Nodes at a height where the validators or the rules change."""

import asyncio
from pathlib import Path

import httpx
import pytest

from blockpool import AsyncClient
from chain import protocol
from chain.errors import ErrorCode
from tests.node.cluster import MSGPACK, Network, running, single
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
