"""Lists in pages: every list, in both orders, gives everything once, however small its pages are and whatever comes
meanwhile (scenario 80)."""

import itertools
from pathlib import Path
from typing import Any

import httpx
import pytest

from node.api import pages
from node.api.pages import Line, make_page
from tests.node.cluster import Network, single
from tests.node.test_api import get

LISTS = {
    "/v1/blocks": ("blocks", "height"),
    "/v1/datasets": ("datasets", "dataset"),
    "/v1/members": ("members", "name"),
    "/v1/datasets/a.d0/parcels": ("parcels", "transaction_id"),
}


async def whole(client: httpx.AsyncClient, path: str, limit: int, order: str) -> list[Any]:
    name, field = LISTS[path]
    found, after = list[Any](), ""
    for _ in range(1000):
        page = await get(client, path, limit=limit, order=order, after=after)
        assert len(page[name]) <= limit
        found += [line[field] for line in page[name]]
        if page["next"] is None:
            return found
        assert page[name], "a list without a filter has no empty pages"
        after = page["next"]
    raise AssertionError("the list has no end")


async def filled(network: Network, client: httpx.AsyncClient) -> None:
    for number in (2, 0, 1):
        await post(client, network.dataset(dataset=f"a.d{number}"))
    for number in range(5):
        await post(client, network.parcel([b"%d" % number], dataset="a.d0"))


async def post(client: httpx.AsyncClient, data: bytes) -> None:
    headers = {"Content-Type": "application/msgpack"}
    answer = await client.post("/v1/transactions?wait=commit", content=data, headers=headers)
    assert answer.status_code in (200, 422), answer.text


async def test_s80_every_list_gives_everything_once_in_either_order(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, _, client):
        await filled(network, client)
        for path in LISTS:
            expected = await whole(client, path, 1000, "oldest")
            assert len(expected) == len(set(expected)) > 1
            for limit in (1, 2, 3):
                assert await whole(client, path, limit, "oldest") == expected
                assert await whole(client, path, limit, "newest") == expected[::-1]
        assert await whole(client, "/v1/datasets", 2, "oldest") == ["a.d2", "a.d0", "a.d1"], "by age, not by name"


async def test_s80_a_page_goes_on_where_it_ended_whatever_came_meanwhile(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, _, client):
        await filled(network, client)
        oldest = await get(client, "/v1/datasets", limit=2)
        newest = await get(client, "/v1/datasets", limit=2, order="newest")
        await post(client, network.dataset(dataset="a.aa"))
        after = (await get(client, "/v1/datasets", limit=2, after=oldest["next"]))["datasets"]
        before = (await get(client, "/v1/datasets", limit=2, after=newest["next"], order="newest"))["datasets"]
        assert [entry["dataset"] for entry in after] == ["a.d1", "a.aa"]
        assert [entry["dataset"] for entry in before] == ["a.d2"]


def test_s80_a_page_is_bounded_in_bytes_and_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    body = "x" * (pages.PAGE_BYTES // 4)
    seen = 0

    def lines() -> Any:
        nonlocal seen
        for seen in itertools.count(1):
            yield Line(str(seen), {"body": body})

    page = make_page("lines", lines(), 1000)
    assert len(page) < 2 * pages.PAGE_BYTES
    assert page.endswith(b'"next":"4"}')
    monkeypatch.setattr(pages, "PAGE_S", 0.01)
    nothing = make_page("lines", (Line(str(number), None) for number in itertools.count()), 1000)
    assert nothing.startswith(b'{"lines":[],"next":"'), "a filter that matches nothing ends all the same"
