"""Every route of the HTTP API over real HTTP: answers, parameters, content types, and problem documents."""

import asyncio
import base64
import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from chain.blocks import Outcome, decode_header
from chain.errors import ErrorCode
from chain.limits import LIMITS
from chain.packages import Packages
from chain.primitives.encoding import decode
from chain.proofs.merkle import verify_consistency
from chain.proofs.receipts import Receipt
from chain.state.tree import StateProof, verify_state_proof
from chain.transactions.base import Transaction
from evidence.kinds import verify_any_evidence
from tests.node.cluster import MSGPACK, Network, single
from tests.node.test_bad_input import submit, verify_problem

ROUTES = {
    "/v1/handovers",
    "/v1/transactions",
    "/v1/transactions/batch",
    "/v1/transactions/{transaction_id}",
    "/v1/transactions/{transaction_id}/receipt",
    "/v1/transactions/{transaction_id}/left",
    "/v1/transactions/{transaction_id}/raw",
    "/v1/records/{transaction_id}/{index}",
    "/v1/records/{transaction_id}/{index}/raw",
    "/v1/records/{transaction_id}/{index}/evidence",
    "/v1/blocks",
    "/v1/blocks/{height}",
    "/v1/chain",
    "/v1/datasets",
    "/v1/datasets/{dataset}",
    "/v1/datasets/{dataset}/parcels",
    "/v1/datasets/{dataset}/records",
    "/v1/datasets/{dataset}/reads",
    "/v1/parcels/{parcel}/derived",
    "/v1/parcels/{parcel}/reads",
    "/v1/contracts",
    "/v1/contracts/{contract}",
    "/v1/requests",
    "/v1/requests/{request_id}",
    "/v1/absence/grant",
    "/v1/absence/read",
    "/v1/requests/{request_id}/evidence",
    "/v1/checkpoint",
    "/v1/misbehaviour",
    "/v1/misbehaviour/{file}",
    "/v1/shares",
    "/v1/members",
    "/v1/members/{name}",
    "/v1/state/{key}",
    "/v1/history/consistency",
    "/v1/history/inclusion",
    "/v1/events",
    "/v1/status",
    "/v1/genesis",
    "/healthz",
    "/readyz",
    "/metrics",
}
RECORDS = [b'{"n":1}', b'{"n":2}', b'{"n":3}']


async def get(client: httpx.AsyncClient, path: str, **parameters: object) -> Any:
    response = await client.get(path, params=parameters)  # type: ignore[arg-type]
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


async def filled(network: Network, client: httpx.AsyncClient) -> bytes:
    """A dataset, a good parcel, a rejected one; returns the good parcel."""
    await submit(client, network.dataset())
    good = network.parcel(RECORDS)
    await submit(client, good)
    rejected = await client.post(
        "/v1/transactions", content=network.parcel([b"[]"]), params={"wait": "commit"}, headers=MSGPACK
    )
    assert rejected.status_code == 422
    return good


async def test_submitting_without_waiting_and_asking_later(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, _, client):
        data = network.dataset()
        response = await client.post("/v1/transactions", content=data, headers=MSGPACK)
        assert response.status_code == 202
        id_ = network.id_of(data).hex()
        assert response.json() == {"transaction_id": id_, "status": "pending"}
        while (await client.get(f"/v1/transactions/{id_}")).json()["status"] == "pending":
            await asyncio.sleep(0.01)
        found = await get(client, f"/v1/transactions/{id_}")
        assert (found["height"], found["index"], found["type"], found["member"]) == (1, 0, "dataset", "a")
        assert found["outcome"] == {"code": "ok", "facts": {}, "sentence": "", "fuel": 0, "verdict": None}
        assert found["fields"]["dataset"] == "a.flights"
        transaction = decode(Transaction, data)
        assert base64.b64decode(found["header"]) == transaction.header
        assert base64.b64decode(found["signature"]) == transaction.signature


async def test_json_and_messagepack_say_the_same(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, _, client):
        data = network.dataset()
        transaction = decode(Transaction, data)
        body = {
            name: base64.b64encode(value).decode()
            for name, value in (
                ("header", transaction.header),
                ("signature", transaction.signature),
                ("payload", transaction.payload),
            )
        }
        given = await client.post("/v1/transactions?wait=commit", json=body)
        assert (given.status_code, given.json()["status"]) == (200, "committed")
        assert given.json()["transaction_id"] == network.id_of(data).hex()
        binary = await submit(client, data)
        assert_same_receipt(given.json()["receipt"], binary)
        id_ = network.id_of(data).hex()
        assert_same_receipt(await get(client, f"/v1/transactions/{id_}/receipt"), binary)
        raw = await client.get(f"/v1/transactions/{id_}/receipt", headers={"Accept": "application/msgpack"})
        assert raw.headers["content-type"] == "application/msgpack"
        assert decode(Receipt, raw.content) == binary
        assert (await client.get(f"/v1/transactions/{id_}/raw")).content == data


async def test_records_with_their_evidence(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, _, client):
        id_ = network.id_of(await filled(network, client)).hex()
        found = await get(client, f"/v1/records/{id_}/1")
        assert (found["record"], found["dataset"], found["member"]) == (f"{id_}/1", "a.flights", "a")
        assert (found["height"], found["outcome"], found["value"]) == (2, "ok", {"n": 2})
        assert found["sealed"] is False
        assert base64.b64decode(found["body"]) == RECORDS[1]
        assert (await client.get(f"/v1/records/{id_}/2/raw")).content == RECORDS[2]
        evidence = await client.get(f"/v1/records/{id_}/1/evidence")
        assert len(list(verify_any_evidence(evidence.content, network.trust))) > 5
        for path in (f"{id_}/3", f"{id_}/3/raw", f"{id_}/3/evidence", f"{'0' * 64}/0", f"{'0' * 64}/0/evidence"):
            verify_problem(await client.get(f"/v1/records/{path}"), 404, ErrorCode.NOT_FOUND)


async def test_blocks_and_the_chain(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, node, client):
        await filled(network, client)
        listed = (await get(client, "/v1/blocks", order="newest"))["blocks"]
        assert [block["height"] for block in listed] == [3, 2, 1, 0]
        latest = await get(client, "/v1/blocks/latest")
        assert latest["hash"] == node.ledger.tip.block_hash.hex()
        assert latest["parent_hash"] == listed[1]["hash"]
        assert [t["code"] for t in latest["transactions"]] == ["schema_violation"]
        assert [vote["validator"] for vote in latest["certificate"]["votes"]] == ["a"]
        assert (await get(client, "/v1/blocks/0"))["certificate"] is None
        chain = await client.get("/v1/chain", params={"from": 0})
        assert len(decode(Packages, chain.content)) == 4
        assert len(decode(Packages, (await client.get("/v1/chain?from=1&limit=2")).content)) == 2
        assert decode(Packages, (await client.get("/v1/chain?from=100")).content) == ()


async def test_catalogue_and_members(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, _, client):
        await filled(network, client)
        (entry,) = (await get(client, "/v1/datasets"))["datasets"]
        assert entry == await get(client, "/v1/datasets/a.flights")
        assert (entry["title_zh"], entry["sharing"], entry["version"]) == ("航班", "open", 1)
        assert entry["totals"]["parcels"] == 1
        assert entry["totals"]["records"] == 3
        page = await get(client, "/v1/datasets/a.flights/parcels", limit=1)
        assert [(p["height"], p["code"], p["record_count"]) for p in page["parcels"]] == [(2, "ok", 3)]
        page = await get(client, "/v1/datasets/a.flights/parcels", limit=1, after=page["next"])
        assert [(p["height"], p["code"]) for p in page["parcels"]] == [(3, "schema_violation")]
        assert page["next"] is None
        rest = await get(client, "/v1/datasets/a.flights/parcels", after="3.0")
        assert rest == {"parcels": [], "next": None}
        members = (await get(client, "/v1/members"))["members"]
        assert [member["name"] for member in members] == ["a", "b"]
        member = await get(client, "/v1/members/a", height=0)
        header = decode_header(network.genesis.header)
        value, proof = base64.b64decode(member.pop("value")), base64.b64decode(member.pop("proof"))
        verify_state_proof(network.genesis.chain_id, header.state_root, b"member/a", value, decode(StateProof, proof))
        assert member == members[0] | {"height": 0}
        assert base64.b64decode(members[0]["keys"][0]["public_key"]) == network.signers["a"].public_key
        assert members[1]["consensus_key"] is None


async def test_state_and_history_proofs_verify(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, node, client):
        await filled(network, client)
        chain_id = network.genesis.chain_id
        for key, height, is_there in (("dataset/a.flights", 1, True), ("dataset/a.flights", 0, False)):
            found = await get(client, f"/v1/state/{key}", height=height)
            value = None if found["value"] is None else base64.b64decode(found["value"])
            assert (value is not None) == is_there
            root = bytes.fromhex(found["state_root"])
            assert root == node.ledger.header_at(height).state_root
            verify_state_proof(
                chain_id, root, key.encode(), value, decode(StateProof, base64.b64decode(found["proof"]))
            )
        found = await get(client, "/v1/history/consistency", **{"from": 1, "to": 3})
        roots = [node.ledger.header_at(height).history_root for height in (1, 3)]
        verify_consistency(1, 3, *roots, [bytes.fromhex(item) for item in found["proof"]])
        verify_problem(await client.get("/v1/history/consistency?from=3&to=1"), 400, ErrorCode.BAD_REQUEST)
        assert (await get(client, "/v1/history/inclusion", height=1, size=3))["proof"]
        verify_problem(await client.get("/v1/state/dataset/x?height=99"), 404, ErrorCode.NOT_FOUND)


async def test_status_genesis_health_and_metrics(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, node, client):
        await filled(network, client)
        status = await get(client, "/v1/status")
        assert (status["member"], status["role"], status["height"]) == ("a", "validator", 3)
        assert (status["is_ready"], status["syncing"], status["primary"]) == (True, False, "a")
        assert status["chain_id"] == network.genesis.chain_id.hex()
        assert status["mempool"] == {"transactions": 0, "size_bytes": 0}
        assert status["limits"]["record_size_bytes"] == 256 * 1024
        genesis = await client.get("/v1/genesis")
        assert hashlib.sha256(genesis.content).digest() == network.genesis.chain_id
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        metrics = (await client.get("/metrics")).text
        assert "blockpool_height 3.0" in metrics
        assert 'blockpool_transactions_total{code="ok"} 2.0' in metrics
        assert 'blockpool_transactions_total{code="schema_violation"} 1.0' in metrics
        assert "blockpool_records_total 3.0" in metrics
        assert "blockpool_commit_latency_seconds_count 3.0" in metrics
        free = next(line for line in metrics.splitlines() if line.startswith("blockpool_disk_free_bytes "))
        assert float(free.split()[1]) > 0
        del node


async def test_the_openapi_document_lists_every_route(tmp_path: Path) -> None:
    async with single(tmp_path) as (_, _, client):
        document = await get(client, "/openapi.json")
        assert set(document["paths"]) == ROUTES
        post = document["paths"]["/v1/transactions"]["post"]
        assert set(post["requestBody"]["content"]) == {"application/msgpack", "application/json"}
        for path, methods in document["paths"].items():
            for operation in methods.values():
                assert operation.get("summary"), path
        for page in ("/docs", "/redoc"):  # they would load scripts from elsewhere
            assert (await client.get(page)).status_code == 404


async def test_events_resume_by_height(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, node, client):
        await filled(network, client)
        assert await events(client, 3, {}, **{"from": 1}) == [1, 2, 3]
        assert await events(client, 2, {"Last-Event-ID": "1"}) == [2, 3]
        live = asyncio.create_task(events(client, 1, {}))
        await asyncio.sleep(0.2)
        await submit(client, network.parcel())
        assert await live == [node.height]
        response = await client.head("/v1/events", headers={"Last-Event-ID": ""})
        assert (response.status_code, response.content) == (200, b"")
        for bad in ("x", "-1", "²".encode("latin-1"), "9" * 30):
            response = await client.get("/v1/events", headers={"Last-Event-ID": bad})
            verify_problem(response, 400, ErrorCode.BAD_REQUEST)


async def events(client: httpx.AsyncClient, count: int, headers: dict[str, str], **parameters: int) -> list[int]:
    """Heights of the next `count` events; each event's id, type and data agree."""
    heights: list[int] = []
    async with client.stream("GET", "/v1/events", headers=headers, params=parameters, timeout=10) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.aiter_lines()
        while len(heights) < count:
            event = {}
            while line := await anext(lines):
                name, _, value = line.partition(": ")
                event[name] = value
            assert event["event"] == "block"
            assert json.loads(event["data"])["height"] == int(event["id"])
            heights.append(int(event["id"]))
    return heights


def assert_same_receipt(view: dict[str, Any], receipt: Receipt) -> None:
    assert base64.b64decode(view["header"]) == receipt.header
    assert base64.b64decode(view["outcome"]) == receipt.outcome
    assert view["index"] == receipt.index
    assert [bytes.fromhex(item) for item in view["proof"]] == list(receipt.proof)
    assert decode(Outcome, receipt.outcome).is_ok
    assert decode_header(receipt.header).height > 0


@pytest.mark.parametrize("schema", ["", "{}"], ids=["no schema", "any JSON"])
async def test_s94_the_deepest_record_that_is_taken_is_shown_everywhere(tmp_path: Path, schema: str) -> None:
    """Whatever consensus lets in, every view survives; one level more is refused, with a schema or without."""
    depth = LIMITS.json_depth
    body = b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"
    async with single(tmp_path) as (network, _, client):
        await submit(client, network.dataset(schema=schema))
        deep = network.parcel([body])
        await submit(client, deep)
        id_ = network.id_of(deep).hex()
        places = {"transaction_id": id_, "parcel": id_, "index": "0", "height": "2", "dataset": "a.flights"}
        for path in ROUTES - {"/v1/events"}:
            with contextlib.suppress(KeyError):
                response = await client.get(path.format_map(places))
                assert response.status_code < 500, (path, response.text)
        shown = (await client.get(f"/v1/records/{id_}/0")).json()
        assert shown["value"] == json.loads(body)
        assert (await client.get(f"/v1/records/{id_}/0/raw")).content == body
        for wrap in (b" [%b]\n", b'{"a":%b}'):
            deeper = network.parcel([b"1", wrap % body])
            refused = await client.post("/v1/transactions", content=deeper, params={"wait": "commit"}, headers=MSGPACK)
            assert refused.status_code == 422
            assert refused.json()["code"] == "schema_violation"
            assert "nesting" in refused.json()["detail"]
        await submit(client, network.parcel([b"\x89PNG" + b"[" * 99 if not schema else b"1"]))
