"""Records of a dataset over HTTP, for programs that take what is new."""

import base64
from pathlib import Path
from typing import Any

import pytest

from chain.errors import ErrorCode
from tests.node.cluster import Node, single
from tests.node.reading import commit
from tests.node.test_api import get
from tests.node.test_api_parcels import paged
from tests.node.test_bad_input import verify_problem

PATH = "/v1/datasets/a.flights/records"


async def filled(node: Node) -> list[bytes]:
    """Parcels of 2, 1 and 3 records, the second rejected, the third beside one of another dataset; ids of all."""
    network = node.network
    await commit(node, network.dataset())
    await commit(node, network.dataset("a", "others", schema=""))
    first = await commit(node, network.parcel([b'{"n":1}', b'{"n":2}']))
    await commit(node, network.parcel([b'{"n":9}'], "a", "a.others"))
    last = await commit(node, network.parcel([b'{"n":%d}' % number for number in (3, 4, 5)]))
    return [first, last]


def values(records: list[dict[str, Any]]) -> list[int]:
    return [record["value"]["n"] for record in records]


async def test_records_come_in_both_orders_and_go_on_anywhere(tmp_path: Path) -> None:
    async with single(tmp_path) as (_, node, client):
        first, last = await filled(node)
        records = (await get(client, PATH))["records"]
        assert values(records) == [1, 2, 3, 4, 5]
        assert [record["record"] for record in records] == [
            *(f"{first.hex()}/{index}" for index in range(2)),
            *(f"{last.hex()}/{index}" for index in range(3)),
        ]
        assert await paged(client, PATH, "records") == records
        newest = (await get(client, PATH, order="newest"))["records"]
        assert values(newest) == [5, 4, 3, 2, 1]
        for records_ in (records, newest):
            order = "oldest" if records_ is records else "newest"
            for count, record in enumerate(records_, 1):
                page = await get(client, PATH, after=record["cursor"], order=order)
                assert page == {"records": records_[count:], "next": None}


async def test_a_cursor_brings_what_came_since(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, node, client):
        await filled(node)
        cursor = (await get(client, PATH))["records"][-1]["cursor"]
        assert (await get(client, PATH, after=cursor))["records"] == []
        await commit(node, network.parcel([b'{"n":6}']))
        assert values((await get(client, PATH, after=cursor))["records"]) == [6]


async def test_digits_bytes_and_erased_records(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, node, client):
        await commit(node, network.dataset(schema=""))
        await commit(node, network.parcel([b'{"n":0.10,"m":12345678901234567890.5}', b"\xff no JSON"]))
        gone = await commit(node, network.parcel([b'{"n":7}']))
        await commit(node, network.erase(gone))
        text = (await client.get(PATH)).text
        assert '"value":{"n":0.10,"m":12345678901234567890.5}' in text
        _, odd, erased = (await get(client, PATH))["records"]
        assert (base64.b64decode(odd["body"]), "value" in odd, odd["erased"]) == (b"\xff no JSON", False, False)
        assert (erased["erased"], "value" in erased, "body" in erased) == (True, False, False)


@pytest.mark.parametrize("after", ["1", "1.2", "x", "1.2.x", "1.99999.0", "..", "1.0.0.0"])
async def test_a_cursor_that_is_none_is_refused(tmp_path: Path, after: str) -> None:
    async with single(tmp_path) as (_, node, client):
        await filled(node)
        verify_problem(await client.get(PATH, params={"after": after}), 400, ErrorCode.BAD_REQUEST)


async def test_a_cursor_of_nowhere_goes_on_after_it(tmp_path: Path) -> None:
    async with single(tmp_path) as (_, node, client):
        await filled(node)
        assert values((await get(client, PATH, after="0.0.0"))["records"]) == [1, 2, 3, 4, 5]
        assert (await get(client, PATH, after="999999.4095.0"))["records"] == []
        verify_problem(await client.get("/v1/datasets/a.none/records"), 404, ErrorCode.NOT_FOUND)
