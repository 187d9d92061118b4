"""Many transactions in one request: each is answered by itself, as it would be alone, as soon as it can be."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx

from chain.errors import ErrorCode
from chain.limits import LIMITS
from chain.primitives.encoding import decode, encode
from chain.proofs.receipts import Receipt, verify_receipt
from chain.transactions.base import Transaction
from node.api.batch import SIZE_BYTES_MAX, TRANSACTIONS_MAX
from tests.node.cluster import MSGPACK, Network, forged, running, single
from tests.node.link_cluster import until
from tests.node.test_api_refusals import stalled
from tests.node.test_bad_input import submit, verify_problem

BATCH = "/v1/transactions/batch"
Item = tuple[int, int, bytes]


async def items_of(response: httpx.Response) -> AsyncIterator[Item]:
    """Items as they come, each with its length before it."""
    assert (response.status_code, response.headers["content-type"]) == (200, "application/msgpack")
    received = b""
    async for piece in response.aiter_bytes():
        received += piece
        while len(received) >= 4 and len(received) >= (end := 4 + int.from_bytes(received[:4], "big")):
            yield decode(Item, received[4:end])
            received = received[end:]
    assert not received


async def post_batch(client: httpx.AsyncClient, transactions: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """(status, body) of each transaction, in the batch's order."""
    async with client.stream("POST", BATCH, content=encode(tuple(transactions)), headers=MSGPACK) as response:
        items = [item async for item in items_of(response)]
    assert sorted(index for index, _, _ in items) == list(range(len(transactions))), "one answer for each place"
    return [(status, body) for _, status, body in sorted(items)]


def place_of(network: Network, transaction: bytes, body: bytes) -> tuple[bytes, int]:
    """The block and the place in it that a verified receipt is about."""
    receipt = decode(Receipt, body)
    verify_receipt(network.trust, network.id_of(transaction), receipt)
    return receipt.header, receipt.index


async def test_each_is_answered_as_it_would_be_alone_and_again(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, node, client):
        await submit(client, network.dataset())
        good, twice = network.parcel(), network.parcel()
        bad = [network.parcel([b"[]"]), forged(network.parcel()), b"\x93", network.parcel()[:-1]]
        batch = [good, *bad, twice, network.parcel(member="b"), twice]
        first = await post_batch(client, batch)
        height = node.height
        assert [status for status, _ in first] == [200, 422, 401, 400, 400, 200, 422, 200]
        places = [place_of(network, batch[index], first[index][1]) for index in (0, 5, 7)]
        assert places[1] == places[2] != places[0]
        again = await post_batch(client, batch[::-1])
        assert again == first[::-1]
        assert node.height == height, "nothing was committed twice"
        for data, answer in zip(batch, first, strict=True):
            alone = await client.post("/v1/transactions?wait=commit", content=data, headers=MSGPACK)
            assert (alone.status_code, alone.content) == answer


async def test_json_says_the_same_line_by_line(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, _, client):
        batch = [network.dataset(), forged(network.parcel())]
        fields = ("header", "signature", "payload")
        body = [
            {name: base64.b64encode(getattr(decode(Transaction, data), name)).decode() for name in fields}
            for data in batch
        ]
        response = await client.post(BATCH, json={"transactions": body})
        assert response.headers["content-type"] == "application/x-ndjson"
        items = sorted(map(json.loads, response.text.splitlines()), key=lambda item: item["index"])
        for data, item, transaction in zip(batch, items, body, strict=True):
            alone = await client.post("/v1/transactions?wait=commit", json=transaction)
            assert item == {"index": batch.index(data), "status": alone.status_code, "answer": alone.json()}


async def test_a_batch_is_bounded_and_well_formed_or_refused_as_a_whole(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, node, client):
        largest = network.parcel([bytes(LIMITS.record_size_bytes - 64)] * 15)
        for body, status, code in (
            (encode(()), 400, ErrorCode.BAD_REQUEST),
            (encode((network.dataset(),) * (TRANSACTIONS_MAX + 1)), 400, ErrorCode.BAD_REQUEST),
            (encode(network.dataset()), 400, ErrorCode.MALFORMED),
            (b"\xdc\x00\x01" + encode(network.dataset()), 400, ErrorCode.NOT_CANONICAL),
            (encode((largest, bytes(SIZE_BYTES_MAX - len(largest)))), 413, ErrorCode.TOO_LARGE),
        ):
            verify_problem(await client.post(BATCH, content=body, headers=MSGPACK), status, code)
        verify_problem(
            await client.post(BATCH + "?wait=never", content=body, headers=MSGPACK), 400, ErrorCode.BAD_REQUEST
        )
        verify_problem(await client.get(BATCH), 405, ErrorCode.METHOD_NOT_ALLOWED)
        assert len(node.service.pool.mempool) == node.height == 0
        await submit(client, network.dataset(schema=""))
        batch = [largest, *[network.parcel() for _ in range(TRANSACTIONS_MAX - 1)]]
        while len(encode(tuple(batch))) > SIZE_BYTES_MAX:
            batch.pop()
        assert {status for status, _ in await post_batch(client, batch)} == {200}


async def test_receipts_are_streamed_before_the_last_is_committed(tmp_path: Path) -> None:
    network = Network.create(tmp_path, others=())
    async with running(network, *"abc", api=True) as (node, *_), httpx.AsyncClient(base_url=node.api_url) as client:
        committed = network.dataset()
        await submit(client, committed)
    async with stalled(tmp_path, network) as (_, node, client):
        batch = [network.parcel(), forged(network.parcel()), committed, network.parcel()]
        async with client.stream(
            "POST", BATCH, content=encode(tuple(batch)), params={"timeout_ms": 1000}, headers=MSGPACK
        ) as response:
            items = items_of(response)
            early = sorted([await anext(items), await anext(items)])
            assert [(index, status) for index, status, _ in early] == [(1, 401), (2, 200)]
            place_of(network, committed, early[1][2])
            assert len(node.service.pool.mempool) == 2, "the others wait for their commit"
            late = sorted([item async for item in items])
            assert [(index, status) for index, status, _ in late] == [(0, 504), (3, 504)]
            assert all(b"connected" in body for _, _, body in late), "for whom they wait"


async def test_s54_a_batch_does_not_hold_up_another_members_transaction(tmp_path: Path) -> None:
    async with single(tmp_path) as (network, node, client):
        await submit(client, network.dataset(schema=""))
        await submit(client, network.dataset(schema="", member="b"))
        batch = [network.parcel([b"%d" % number for number in range(300)]) for _ in range(TRANSACTIONS_MAX)]
        waiting = node.service.intake._arrivals
        posting = asyncio.ensure_future(post_batch(client, batch))
        await until(lambda: len(waiting) > TRANSACTIONS_MAX // 2)
        alone = await client.post("/v1/transactions", content=network.parcel(member="b"), headers=MSGPACK)
        assert alone.status_code == 202
        assert len(waiting) > TRANSACTIONS_MAX // 4, "it did not wait for the whole batch"
        assert {status for status, _ in await posting} == {200}


async def test_a_client_that_goes_away_is_not_waited_for_and_loses_nothing(tmp_path: Path) -> None:
    network = Network.create(tmp_path, others=())
    async with running(network, *"abc", api=True) as (node, *_), httpx.AsyncClient(base_url=node.api_url) as client:
        await submit(client, network.dataset())
    async with stalled(tmp_path, network) as (_, node, client):
        pool, batch = node.service.pool, [network.parcel() for _ in range(40)]
        async with client.stream("POST", BATCH, content=encode(tuple(batch)), headers=MSGPACK):
            await until(lambda: len(pool._waiters) == len(batch))
        await until(lambda: not pool._waiters)
        assert all(network.id_of(data) in pool.mempool for data in batch)
    async with running(network, *"abc", api=True) as (node, *_), httpx.AsyncClient(base_url=node.api_url) as client:
        assert [status for status, _ in await post_batch(client, batch)] == [200] * len(batch)


async def test_a_node_that_stops_in_the_middle_says_so_of_each_that_waits(tmp_path: Path) -> None:
    async with stalled(tmp_path) as (network, node, client):
        batch = [forged(network.parcel()), *(network.parcel() for _ in range(3))]
        posting = asyncio.ensure_future(post_batch(client, batch))
        await until(lambda: len(node.service.pool._waiters) == 3)
        node.service.pool.close()
        answers = await posting
        assert [status for status, _ in answers] == [401, 503, 503, 503]
        assert json.loads(answers[1][1])["code"] == ErrorCode.NOT_READY
