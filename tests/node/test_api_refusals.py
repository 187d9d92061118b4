"""Requests that a node refuses over HTTP: bad parameters, what is not there, and a node that cannot take more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from chain.errors import ErrorCode
from chain.limits import LIMITS
from chain.primitives.encoding import encode
from tests.node.cluster import MSGPACK, Network, Node, ScriptedPeer, running, scripted, single
from tests.node.link_cluster import until
from tests.node.test_api import filled, get
from tests.node.test_bad_input import submit, verify_problem

BAD_PARAMETERS = [
    "/v1/transactions/xyz",
    "/v1/transactions/" + "0" * 63,
    "/v1/transactions/" + "0" * 66,
    "/v1/transactions/%C2%B2/receipt",
    "/v1/blocks/-1",
    "/v1/blocks/%C2%B2",
    "/v1/blocks/" + "9" * 5000,
    "/v1/blocks/first",
    "/v1/blocks?limit=0",
    "/v1/blocks?limit=1001",
    "/v1/blocks?after=x",
    "/v1/blocks?order=best",
    "/v1/datasets?after=x",
    "/v1/chain?from=-1",
    "/v1/records/" + "0" * 64 + "/x",
    "/v1/records/" + "0" * 64 + "/-1/evidence",
    "/v1/datasets/a.flights/parcels?after=1",
    "/v1/datasets/a.flights/parcels?after=%C2%B2.1",
    "/v1/datasets/a.flights/parcels?after=1." + "9" * 30,
    "/v1/datasets/a.flights/parcels?after=" + "9" * 18 + "." + "9" * 9 + "9",
    "/v1/requests?status=open",
    "/v1/requests?dataset=a",
    "/v1/requests?dataset=%00",
    "/v1/requests?dataset=%00%00%00%00%00%00%00%00%00%00%00%00",
    "/v1/requests?after=1",
    "/v1/requests?limit=0",
    "/v1/requests/xyz",
    "/v1/requests/" + "0" * 64 + "?wait_ms=60001",
    "/v1/requests/" + "0" * 64 + "?wait_ms=-1",
    "/v1/datasets/a.flights/reads?after=1",
    "/v1/state/x?height=-1",
    "/v1/history/consistency?from=1",
    "/v1/events?from=-1",
    "/v1/events?from=x",
]


async def test_bad_parameters(tmp_path: Path) -> None:
    async with single(tmp_path) as (_, _, client):
        for path in BAD_PARAMETERS:
            verify_problem(await client.get(path), 400, ErrorCode.BAD_REQUEST)


NOT_THERE = [
    "/",
    "/v2/status",
    "/v1/transactions/" + "0" * 64,
    "/v1/transactions/" + "0" * 64 + "/receipt",
    "/v1/transactions/" + "0" * 64 + "/raw",
    "/v1/blocks/1",
    "/v1/blocks/" + "9" * 18,
    "/v1/datasets/a.nothing",
    "/v1/datasets/%00",
    "/v1/datasets/a.nothing/reads",
    "/v1/datasets/%00/reads",
    "/v1/contracts/a.nothing",
    "/v1/requests/" + "0" * 64,
    "/v1/members/nobody",
    "/v1/members/%FF",
    "/v1/state/x?height=" + "9" * 30,
]


async def test_what_is_not_there(tmp_path: Path) -> None:
    async with single(tmp_path) as (_, _, client):
        for path in NOT_THERE:
            verify_problem(await client.get(path), 404, ErrorCode.NOT_FOUND)


async def test_parcels_of_no_dataset(tmp_path: Path) -> None:
    """An id with a zero byte in it must not reach into the index of another dataset."""

    async with single(tmp_path) as (network, _, client):
        await filled(network, client)
        for dataset in ("a.nothing", "a.flights%00%00", "a.flights%00%00%00%00%00%00%00%00", "a", "%FF"):
            response = await client.get(f"/v1/datasets/{dataset}/parcels")
            verify_problem(response, 404, ErrorCode.NOT_FOUND)


BAD_SUBMISSIONS: list[tuple[str, dict[str, str]]] = [
    ("?wait=now", MSGPACK),
    ("?wait=commit&timeout_ms=0", MSGPACK),
    ("?wait=commit&timeout_ms=%C2%B2", MSGPACK),
    ("?wait=commit&timeout_ms=" + "9" * 5000, MSGPACK),
    ("?wait=commit&timeout_ms=120001", MSGPACK),
    ("?sync=1", MSGPACK),
    ("", {}),
    ("", {"Content-Type": "text/plain"}),
    ("", {"Content-Type": "application/x-www-form-urlencoded"}),
]


async def test_bad_submission_parameters(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, node, client):
        for query, headers in BAD_SUBMISSIONS:
            response = await client.post("/v1/transactions" + query, content=network.dataset(), headers=headers)
            verify_problem(response, 400, ErrorCode.BAD_REQUEST)
        assert (node.height, len(node.service.pool.mempool)) == (0, 0)


async def test_a_method_that_a_path_does_not_have(tmp_path: Path) -> None:
    async with single(tmp_path) as (_, _, client):
        for method, path, allowed in (
            ("POST", "/v1/status", "GET"),
            ("PUT", "/v1/blocks/0", "GET"),
            ("DELETE", "/v1/members/a", "GET"),
            ("GET", "/v1/transactions", "POST"),
            ("GET", "/v1/shares", "POST"),
        ):
            response = await client.request(method, path)
            verify_problem(response, 405, ErrorCode.METHOD_NOT_ALLOWED)
            assert response.headers["allow"] == allowed


async def test_a_node_that_cannot_get_anything_ordered_says_503(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, "a", "b", api=True) as (a, _), httpx.AsyncClient(base_url=a.api_url) as client:
        for response in (
            await client.get("/readyz"),
            await client.post("/v1/transactions", content=network.dataset(), headers=MSGPACK),
        ):
            verify_problem(response, 503, ErrorCode.NOT_READY)
            assert response.headers["retry-after"] == "1"
            assert "1 of 3 validators" in response.json()["detail"]
        assert len(a.service.pool.mempool) == 0
        assert (await client.get("/healthz")).status_code == 200
        assert (await get(client, "/v1/status"))["is_ready"] is False


@asynccontextmanager
async def stalled(
    folder: Path, network: Network | None = None
) -> AsyncIterator[tuple[Network, Node, httpx.AsyncClient]]:
    """A node that is ready, since three of four validators are linked, of which two hold nothing and never vote."""
    network = network or Network.create(folder, others=())

    async def nothing(kind: int, body: bytes) -> bytes:
        return encode(())

    async with (
        scripted(*(ScriptedPeer(network, name, nothing) for name in "bc")),
        running(network, "a", api=True) as (node,),
        httpx.AsyncClient(base_url=node.api_url) as client,
    ):
        await until(lambda: node.service.readiness.unready_reason is None)
        yield network, node, client


async def test_not_committed_in_time_is_504_and_may_still_commit(tmp_path: Path) -> None:
    async with stalled(tmp_path) as (network, node, client):
        data = network.dataset()
        response = await client.post("/v1/transactions?wait=commit&timeout_ms=200", content=data, headers=MSGPACK)
        verify_problem(response, 504, ErrorCode.TIMEOUT)
        again = await client.post("/v1/transactions", content=data, headers=MSGPACK)
        assert again.json() == {"transaction_id": network.id_of(data).hex(), "status": "pending"}
        assert (node.height, len(node.service.pool.mempool)) == (0, 1)
    async with running(network, *"abc", api=True) as (node, *_), httpx.AsyncClient(base_url=node.api_url) as client:
        assert (await submit(client, data)).index == 0


async def test_a_spent_quota_is_429_with_retry_after_and_leaves_room_for_others(tmp_path: Path) -> None:
    """s54."""

    async with stalled(tmp_path) as (network, node, client):
        quota = LIMITS.mempool_size_bytes // LIMITS.mempool_member_share
        records = [bytes(LIMITS.record_size_bytes)] * 15
        response = None
        while node.service.pool.mempool.size_bytes < quota:
            data = network.parcel(records)
            response = await client.post("/v1/transactions", content=data, headers=MSGPACK)
            if response.status_code != 202:
                break
        assert response is not None
        verify_problem(response, 429, ErrorCode.QUOTA_EXCEEDED)
        assert response.headers["retry-after"] == "1"
        assert network.id_of(data) not in node.service.pool.mempool
        others = await client.post("/v1/transactions", content=network.parcel(member="b"), headers=MSGPACK)
        assert others.status_code == 202
