"""A post to the gateway that is repeated is one parcel, and a key never stands for what failed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from chain.errors import ErrorCode
from chain.primitives.crypto import Hash
from chain.storage.blocks import Location
from node.gateway import open_gateway
from node.gateway.posts import Post, Posts
from tests.node.cluster import Network, Node, running
from tests.node.reading import commit
from tests.node.test_bad_input import verify_problem
from tests.node.test_gateway import PARCELS, configured, serving, token_of

ONE, OTHER = b'{"dataset":"a.flights","records":[{"n":1}]}', b'{"dataset":"a.flights","records":[{"n":2}]}'
KEYED = {"Idempotency-Key": "morning"}


async def post(client: httpx.AsyncClient, body: bytes, **headers: str) -> httpx.Response:
    return await client.post(PARCELS, content=body, headers={"Content-Type": "application/json"} | headers)


async def answer(client: httpx.AsyncClient, body: bytes, **headers: str) -> tuple[str, bool]:
    """Transaction id, and whether it is an earlier one."""
    response = await post(client, body, **headers)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found["transaction_id"], found["is_earlier"]


def parcels(node: Node) -> list[Location]:
    return node.ledger.blocks.parcels("a.flights", None, 100)


@asynccontextmanager
async def at(network: Network) -> AsyncIterator[tuple[Node, httpx.AsyncClient]]:
    """The node of a network that is there, with its gateway."""
    async with running(network, "a", api=True) as (node,):
        gateway, section = open_gateway(node.service), node.home.config.file.gateway
        assert gateway is not None
        assert section is not None
        await gateway.start()
        try:
            headers = {"Authorization": f"Bearer {token_of(network)}"}
            async with httpx.AsyncClient(base_url=f"http://{section.listen}", headers=headers) as client:
                yield node, client
        finally:
            await gateway.stop()


@pytest.mark.parametrize("sharing", ["open", "closed"])
async def test_s99_the_same_post_is_one_parcel_and_another_key_another(tmp_path: Path, sharing: str) -> None:
    async with serving(tmp_path) as (node, client):
        await commit(node, node.network.dataset(sharing=sharing))
        first = await answer(client, ONE)
        assert first[1] is False
        assert await answer(client, ONE) == (first[0], True)
        keyed = await answer(client, ONE, **KEYED)
        assert await answer(client, ONE, **KEYED) == (keyed[0], True)
        assert keyed[0] != first[0]
        at_once = await asyncio.gather(*(answer(client, OTHER) for _ in range(5)))
        assert len({id_ for id_, _ in at_once}) == 1
        assert len(parcels(node)) == 3
        assert not list((node.home.data / "gateway").glob("*.parcel")), "what is committed is kept as an id alone"


async def test_s99_after_a_restart_too(tmp_path: Path) -> None:
    network = configured(tmp_path)
    async with at(network) as (node, client):
        await commit(node, network.dataset(sharing="closed"))
        first = await answer(client, ONE)
    async with at(network) as (node, client):
        assert await answer(client, ONE) == (first[0], True)
        assert len(parcels(node)) == 1


async def test_s99_what_timed_out_is_waited_for_and_not_signed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.gateway.app._COMMIT_S", 0.0)
    async with serving(tmp_path) as (node, client):
        await commit(node, node.network.dataset(sharing="closed"))
        timed_out = await post(client, ONE)
        verify_problem(timed_out, 504, ErrorCode.TIMEOUT)
        monkeypatch.setattr("node.gateway.app._COMMIT_S", 10.0)
        assert (await answer(client, ONE))[0] == timed_out.json()["transaction_id"]
        assert len(parcels(node)) == 1


async def test_s99_what_never_left_is_sent_at_the_next_post(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node is gone after the transaction was noted, and before it was sent."""
    network = configured(tmp_path)
    noted: list[Hash] = []

    def note_and_die(self: Posts, key: Hash, post: Post, transaction: bytes) -> None:
        note(self, key, post, transaction)
        noted.append(post.transaction_id)
        raise OSError("gone")

    note = Posts.note
    async with at(network) as (node, client):
        await commit(node, network.dataset(sharing="closed"))
        monkeypatch.setattr(Posts, "note", note_and_die)
        assert (await post(client, ONE)).status_code == 500
        monkeypatch.setattr(Posts, "note", note)
    async with at(network) as (node, client):
        assert await answer(client, ONE) == (noted[0].hex(), False)


async def test_s99_a_key_names_one_post(tmp_path: Path) -> None:
    async with serving(tmp_path) as (node, client):
        await commit(node, node.network.dataset())
        await answer(client, ONE, **KEYED)
        verify_problem(await post(client, OTHER, **KEYED), 409, ErrorCode.IDEMPOTENCY_CONFLICT)
        for bad in ("", "x" * 256):
            verify_problem(await post(client, ONE, **{"Idempotency-Key": bad}), 400, ErrorCode.BAD_REQUEST)
        assert len(parcels(node)) == 1


SCHEMA = '{"type":"object","properties":{"id":{"type":"string"},"n":{"type":"integer"}},"required":["id"],"key":["id"]}'


def rows(**values: int) -> bytes:
    records = ",".join(f'{{"id":"{id_}","n":{n}}}' for id_, n in values.items())
    return f'{{"dataset":"a.flights","records":[{records}]}}'.encode()


async def changes(client: httpx.AsyncClient, body: bytes, **headers: str) -> tuple[list[str], list[str]]:
    """What each row was, and which record it is."""
    response = await post(client, body, **headers)
    assert response.status_code == 200, response.text
    return response.json()["changes"], response.json()["records"]


async def test_of_rows_with_keys_only_what_is_new_or_changed_is_shared(tmp_path: Path) -> None:
    async with serving(tmp_path) as (node, client):
        await commit(node, node.network.dataset(schema=SCHEMA))
        said, (a, b) = await changes(client, rows(A=1, B=1))
        assert (said, a[-2:], b[-2:]) == (["new", "new"], "/0", "/1")
        assert await changes(client, rows(A=1, B=1)) == (["unchanged", "unchanged"], [a, b])
        said, records = await changes(client, rows(C=1, A=1, B=2), **KEYED)
        parcel = records[0].partition("/")[0]
        assert (said, records) == (["new", "unchanged", "changed"], [f"{parcel}/0", a, f"{parcel}/1"])
        assert await changes(client, rows(C=1, A=1, B=2), **KEYED) == (said, records), "the same post, the same answer"
        back, _ = await changes(client, rows(A=1, B=1))
        assert back == ["unchanged", "changed"], "what was changed back is shared again"
        assert len(parcels(node)) == 3
        response = await post(client, rows(A=1, B=1))
        assert (response.json()["status"], response.json()["transaction_id"]) == ("unchanged", None)
        twice = b'{"dataset":"a.flights","records":[{"id":"A","n":1},{"id":"D","n":1},{"id":"D","n":2}]}'
        verify_problem(await post(client, twice), 422, ErrorCode.KEY_REPEATED)
        verify_problem(
            await post(client, b'{"dataset":"a.flights","records":[{"n":1}]}'), 422, ErrorCode.SCHEMA_VIOLATION
        )


async def test_a_row_that_was_erased_is_not_shared_again_by_a_post_that_has_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as (node, client):
        await commit(node, node.network.dataset(schema=SCHEMA))
        _, (a, b) = await changes(client, rows(A=1, B=1))
        await commit(node, node.network.erase(bytes.fromhex(a.partition("/")[0])))
        assert await changes(client, rows(A=1, B=1)) == (["unchanged", "unchanged"], [a, b])
        said, _ = await changes(client, rows(A=1, B=2))
        assert said == ["unchanged", "changed"]


async def test_keys_of_sealed_rows_are_made_where_the_secret_is(tmp_path: Path) -> None:
    async with serving(tmp_path) as (node, client):
        await commit(node, node.network.dataset(schema=SCHEMA, sharing="closed"))
        response = await post(client, rows(A=1))
        assert response.json()["code"] == "key_secret_needed"
        assert parcels(node) == []


async def test_s99_a_post_that_was_rejected_is_signed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path) as (node, client):
        network = node.network
        await commit(node, network.dataset())
        entry = node.ledger.dataset("a.flights")
        # The gateway checks by an entry that the chain has replaced by the time the parcel is ordered.
        await commit(node, network.dataset(version=2, schema='{"type":"string"}'))
        monkeypatch.setattr("node.gateway.app.Gateway._dataset", lambda self, dataset: entry)
        verify_problem(await post(client, ONE, **KEYED), 422, ErrorCode.SCHEMA_VIOLATION)
        verify_problem(await post(client, ONE, **KEYED), 422, ErrorCode.SCHEMA_VIOLATION)
        await commit(node, network.dataset(version=3))
        assert (await answer(client, ONE, **KEYED))[1] is False
        assert len(parcels(node)) == 3


async def test_s99_a_post_whose_parcel_was_erased_is_no_success(tmp_path: Path) -> None:
    async with serving(tmp_path) as (node, client):
        await commit(node, node.network.dataset())
        id_, _ = await answer(client, ONE)
        await commit(node, node.network.erase(bytes.fromhex(id_)))
        verify_problem(await post(client, ONE), 410, ErrorCode.PARCEL_ERASED)


def test_s99_torn_entries_and_parcels_that_were_never_noted_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    posts, post_ = Posts(tmp_path), Post(b"d" * 32, b"i" * 32)
    posts.note(b"k" * 32, post_, b"content")
    (tmp_path / "KEYS").open("ab").write(b"torn")
    (tmp_path / f"{(b'x' * 32).hex()}.parcel").write_bytes(b"never sent")
    again = Posts(tmp_path)
    assert (again.get(b"k" * 32), again.pending) == (post_, {post_.transaction_id})
    assert again.transaction(post_.transaction_id) == b"content"
    again.note(b"l" * 32, Post(b"e" * 32, b"j" * 32), b"other")
    monkeypatch.setattr("node.gateway.posts.POSTS_KEPT", 1)
    newest = Posts(tmp_path)
    assert (newest.get(b"k" * 32), newest.get(b"l" * 32)) == (None, Post(b"e" * 32, b"j" * 32))
    assert (newest.pending, (tmp_path / "KEYS").stat().st_size) == ({b"j" * 32}, 96)
