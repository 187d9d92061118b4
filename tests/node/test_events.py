"""Followers of the chain cost what one costs, but for the delivery, and are bounded (scenario 82)."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from node.api import events
from tests.node.cluster import single
from tests.node.link_cluster import until
from tests.node.test_api import events as follow

BLOCKS = 40


async def test_s82_an_event_is_made_once_however_many_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    make = events.event

    def counted(height: int, chain_id: bytes, header: bytes, changes: Mapping[bytes, bytes] | None) -> bytes:
        made.append(height)
        return make(height, chain_id, header, changes)

    monkeypatch.setattr(events, "event", counted)
    monkeypatch.setattr(events, "CHUNK", 8)
    monkeypatch.setattr(events, "RECENT", 8)
    async with single(tmp_path) as (network, node, client):
        await node.submit(network.dataset())
        for _ in range(BLOCKS - 1):
            await node.submit(network.parcel())
        assert sorted(made) == list(range(1, BLOCKS + 1)), "each as its block is committed"
        made.clear()
        found = await asyncio.gather(*(follow(client, BLOCKS + 1, {}, **{"from": 0}) for _ in range(20)))
        assert found == [list(range(BLOCKS + 1))] * 20
        assert len(made) == len(set(made)) <= BLOCKS


async def test_an_event_names_the_datasets_and_what_they_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same whether it is made as the block is committed, or of what is stored."""
    monkeypatch.setattr(events, "RECENT", 1)
    async with single(tmp_path) as (network, node, client):
        await node.submit(network.dataset())
        await node.submit(network.parcel([b'{"n":1}', b'{"n":2}']))
        await node.submit(network.parcel([b'{"n":"no integer"}']))
        await node.submit(network.parcel([b'{"n":3}']))
        found = [event["datasets"] for event in await event_data(client, 5)]
        counts = [[(item["dataset"], item["parcels"], item["records"]) for item in block or ()] for block in found]
        assert counts[2:] == [[("a.flights", 1, 2)], [], [("a.flights", 2, 3)]]
        monkeypatch.setattr(node.service.ledger.blocks, "changes", lambda first, last: iter(()))
        kept = [event["datasets"] for event in await event_data(client, 5)]
        assert kept == found, "events of old blocks are made once"


async def event_data(client: httpx.AsyncClient, count: int) -> list[dict[str, Any]]:
    """Data of the first events."""
    found: list[dict[str, Any]] = []
    async with client.stream("GET", "/v1/events", params={"from": 0}, timeout=10) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line.removeprefix("data: ")))
                if len(found) == count:
                    return found
    return found


async def test_s82_who_follows_longest_makes_room_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "FOLLOWERS_PER_ADDRESS", 2)
    async with single(tmp_path) as (network, node, client):
        ended: list[int] = []

        async def stay(number: int) -> None:
            async with client.stream("GET", "/v1/events", timeout=60) as response:
                assert response.status_code == 200
                is_open.set()
                async for _ in response.aiter_raw():
                    pass
            ended.append(number)

        followers = []
        for number in range(4):
            is_open = asyncio.Event()
            followers.append(asyncio.create_task(stay(number)))
            await is_open.wait()
        await until(lambda: ended == [0, 1])
        await node.submit(network.dataset())
        assert not any(task.done() for task in followers[2:]), "the newest two follow on"
        for task in followers:
            task.cancel()
        await asyncio.gather(*followers, return_exceptions=True)


async def test_s82_head_of_an_endless_answer_ends(tmp_path: Path) -> None:
    async with single(tmp_path) as (_, node, client):
        assert (await client.head("/v1/events")).status_code == 200
        answer = await client.head("/v1/status")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"] == "application/json"
        async with httpx.AsyncClient(base_url=node.api_url, follow_redirects=False) as plain:
            assert (await plain.get("/v1/status/", headers={"Host": "evil.example"})).status_code == 404
