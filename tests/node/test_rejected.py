"""What a node was sent and the validators have rejected is in no file of any node, and its API says why."""

from pathlib import Path

import httpx
import pytest

from chain.errors import ErrorCode
from chain.primitives.encoding import decode
from chain.transactions.base import Transaction
from node.frames import BlockRange
from node.recovery import open_recovered
from tests.ledgers import take
from tests.node.cluster import Network, Node, running
from tests.node.link_cluster import until
from tests.node.reading import commit
from tests.node.test_bad_input import verify_problem
from tests.node.test_erasure import files_with, packages_of

SECRET = b'{"n":"Zhang San"}'
"""Against the schema, which wants a number."""


async def rejected(node: Node, parcel: bytes) -> bytes:
    """Have the validators reject a parcel; returns its id."""
    id_ = (await node.service.dissemination.submit(parcel))[0]
    await node.service.pool.wait_for_receipt(id_, 10)
    location = node.ledger.blocks.location(id_)
    assert location is not None
    assert node.ledger.blocks.outcome(location).code == "schema_violation"
    return id_


async def test_s98_no_file_of_any_node_holds_what_was_rejected(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, *"abc", "observer") as nodes:
        await commit(nodes[0], network.dataset())
        await rejected(nodes[0], network.parcel([SECRET]))
        await until(lambda: len({node.height for node in nodes}) == 1)
        assert files_with(tmp_path, SECRET), "what was voted for, or it proves nothing below"
        await until(lambda: not files_with(tmp_path, SECRET))
        async with running(network, "d") as (late,):
            await until(lambda: late.height == nodes[0].height)
            assert await packages_of(late) == await packages_of(nodes[0])
            await commit(late, network.parcel([b'{"n":1}']))
    assert files_with(tmp_path, SECRET) == []


async def test_s98_what_was_voted_for_is_gone_after_a_crash_too(tmp_path: Path) -> None:
    """Node d has voted for the block, and is gone before it has committed it."""
    network = Network.create(tmp_path)
    async with running(network, *"abcd") as nodes:
        await commit(nodes[0], network.dataset())
        await until(lambda: len({node.height for node in nodes}) == 1)
    async with running(network, *"abd") as (*others, d):  # three of four: d must vote
        await rejected(others[0], network.parcel([SECRET]))
        height = others[0].height
        await until(lambda: d.height == height)
        held = {path: path.read_bytes() for path in d.home.data.glob("VOTES-BODIES")}
        assert any(SECRET in content for content in held.values())
        chain = await packages_of(others[0], height)
    for path, content in held.items():
        path.write_bytes(content)  # as a crash leaves it
    ledger = open_recovered(d.home, resync=False)
    if ledger.tip.height < height:
        take(ledger, chain[0])
    ledger.close()
    async with running(network, "d") as (d,):
        assert files_with(d.home.data, SECRET) == []


@pytest.mark.parametrize("path", ["records/{}/0", "records/{}/0/raw", "transactions/{}/raw"])
async def test_s98_the_api_says_that_it_was_rejected(tmp_path: Path, path: str) -> None:
    network = Network.create(tmp_path, validators="a", others=())
    async with running(network, "a", api=True) as (a,), httpx.AsyncClient(base_url=a.api_url) as client:
        await commit(a, network.dataset())
        id_ = (await rejected(a, network.parcel([SECRET]))).hex()
        response = await client.get(f"/v1/{path.format(id_)}")
        verify_problem(response, 410, ErrorCode.PARCEL_REJECTED)
        assert (response.json()["parcel"], response.json()["height"]) == (id_, 2)
        assert "schema_violation" in response.json()["detail"]
        assert (await client.get(f"/v1/transactions/{id_}/receipt")).status_code == 200
        assert SECRET not in (await a.service.catch_up.serve(BlockRange(1, 256)))[0]
        assert decode(Transaction, (await packages_of(a))[1].transactions[0]).payload == b""
