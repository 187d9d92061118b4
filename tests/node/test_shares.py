"""Who is given key shares and who is not, between real nodes: what counts is the chain, whoever asks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from chain.errors import ErrorCode, PoolError
from chain.granularity import Granularity, part_of
from chain.limits import LIMITS
from chain.primitives.encoding import decode, encode
from chain.primitives.kem import KemSuite
from chain.state.entries import RequestEntry
from node.frames import FrameKind
from node.key_shares import KeyShares, WantedParcel
from sealing import ShareAnswer, ShareQuery, ShareRelease, load_kem_key
from tests.node.cluster import MSGPACK, Network, Node, ScriptedPeer, running, scripted
from tests.node.link_cluster import until
from tests.node.reading import CONTRACT, commit, givers, opened, share
from tests.node.test_api import get
from tests.node.test_bad_input import verify_problem
from tests.refusals import refuses

RECORDS = [b'{"n":1}', b'{"n":2}']
NOBODY = bytes(32)


@asynccontextmanager
async def sharing(folder: Path, *names: str) -> AsyncIterator[tuple[Network, list[Node], httpx.AsyncClient]]:
    """Four validators with contracts, of which `names` run; `client` speaks to the first."""
    network = Network.create(folder, contracts=True)
    async with running(network, *names, api=True) as nodes, httpx.AsyncClient(base_url=nodes[0].api_url) as client:
        yield network, nodes, client


async def ask(client: httpx.AsyncClient, request_id: bytes, *parcels: bytes, scope: str = "all") -> httpx.Response:
    body = encode(ShareQuery(request_id, parcels))
    return await client.post("/v1/shares", params={"scope": scope}, content=body, headers=MSGPACK, timeout=20)


async def answer(client: httpx.AsyncClient, request_id: bytes, *parcels: bytes, scope: str = "all") -> ShareAnswer:
    response = await ask(client, request_id, *parcels, scope=scope)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/msgpack"
    found: ShareAnswer = decode(ShareAnswer, response.content)
    return found


async def refused(client: httpx.AsyncClient, code: ErrorCode, request_id: bytes, *parcels: bytes) -> None:
    """No scope gets anything."""
    asked = (ask(client, request_id, *parcels, scope=scope) for scope in ("own", "all", "every"))
    for response in await asyncio.gather(*asked):
        verify_problem(response, code.info.http_status, code)


async def test_a_granted_reader_gets_enough_shares_of_every_parcel(tmp_path: Path) -> None:
    async with sharing(tmp_path, *"abcd") as (network, nodes, client):
        parcels = [network.sealed_parcel(RECORDS), network.sealed_parcel([b'{"n":3}'])]
        ids = await share(nodes[1], *parcels)
        request_id = await commit(nodes[2], network.request())
        for found, parcel, records in zip(
            await answer(client, request_id, *ids), parcels, (RECORDS, [b'{"n":3}']), strict=True
        ):
            assert len(found) >= 3
            assert opened(network, parcel, request_id, found, "b") == records
        everything = await answer(client, request_id, ids[0], scope="every")
        assert [givers(found) for found in everything] == [["a", "b", "c", "d"]]
        own = await answer(client, request_id, ids[1], scope="own")
        assert [givers(found) for found in own] == [["a"]]
        with pytest.raises(PoolError, match="another reader's key"):
            opened(network, parcels[1], request_id, own[0], "c")


async def test_s53_who_gets_nothing(tmp_path: Path) -> None:
    async with sharing(tmp_path, *"abcd") as (network, nodes, client):
        parcel, other = await share(nodes[0], network.sealed_parcel(), network.sealed_parcel())
        granted = await commit(nodes[0], network.request(parcels=(parcel,)))

        # No grant: denied by the contract, still waiting, refused, or no request at all
        denied = await commit(nodes[0], network.request(purpose="advertising"))
        await refused(client, ErrorCode.ACCESS_DENIED, denied, parcel)
        asked = await commit(nodes[0], network.request(purpose="research"))
        await refused(client, ErrorCode.APPROVAL_PENDING, asked, parcel)
        await refused(client, ErrorCode.UNKNOWN_REQUEST, NOBODY, parcel)
        await refused(client, ErrorCode.UNKNOWN_REQUEST, parcel, parcel)  # a transaction, but no request

        # A grant for something else: another parcel, other heights, another dataset's parcel
        await refused(client, ErrorCode.NOT_COVERED, granted, other)
        await refused(client, ErrorCode.NOT_COVERED, granted, parcel, other)  # nor for the one that it covers
        later = await commit(nodes[0], network.request(from_height=nodes[0].height))
        await refused(client, ErrorCode.NOT_COVERED, later, parcel)
        await commit(nodes[0], network.dataset(name="ships", sharing="closed"))
        ship = await commit(nodes[0], network.sealed_parcel(dataset="a.ships"))
        everything = await commit(nodes[0], network.request())
        await refused(client, ErrorCode.NOT_COVERED, everything, ship)

        # What is no sealed parcel that took effect: a rejected one, another transaction, an open one, none
        rejected = network.sealed_parcel(dataset="a.flights", member="b")
        await nodes[0].submit(rejected)
        await refused(client, ErrorCode.NOT_FOUND, everything, network.id_of(rejected))
        await refused(client, ErrorCode.NOT_FOUND, everything, granted)
        await refused(client, ErrorCode.NOT_FOUND, everything, NOBODY)
        assert len((await answer(client, everything, parcel))[0]) >= 3
        metrics = (await client.get("/metrics")).text
        assert 'blockpool_share_queries_total{code="ok"} 1.0' in metrics
        assert 'blockpool_share_queries_total{code="access_denied"} 3.0' in metrics


GRANULARITY = Granularity((("n",), ("name",)), by_record=True)
PEOPLE = [b'{"n":%d,"name":"x"}' % number for number in range(3)]


async def share_in_parts(network: Network, node: Node) -> bytes:
    """A parcel that is opened by columns and records; gives its id."""
    await commit(node, network.contract(CONTRACT))
    await commit(node, network.dataset(sharing="conditional", contract="a.rule", granularity=GRANULARITY))
    return await commit(node, network.sealed_parcel(PEOPLE, granularity=GRANULARITY))


async def test_s120_shares_of_what_was_granted_alone_are_given(tmp_path: Path) -> None:
    async with sharing(tmp_path, *"abcd") as (network, nodes, client):
        parcel = await share_in_parts(network, nodes[0])
        asked = await commit(nodes[0], network.request(parcels=(parcel,), records=((parcel, 1),), fields=("n",)))
        (found,) = await answer(client, asked, parcel)
        assert len(found) >= 3
        for data in found:
            release = decode(ShareRelease, data)
            assert len(release.sealed) == 16 + KemSuite.HYBRID.overhead_size  # one cell
            assert len(release.proof) == 2 + 1  # its path, and the other column's root
        nobodys = await commit(nodes[0], network.request(keys=(bytes(24),)))
        await refused(client, ErrorCode.NOT_COVERED, nobodys, parcel)
        beyond = await commit(nodes[0], network.request(parcels=(parcel,), records=((parcel, 7),)))
        await refused(client, ErrorCode.NOT_COVERED, beyond, parcel)


async def test_s122_what_is_longer_than_granted_is_not_handed_on(tmp_path: Path) -> None:
    """A validator that would give its share of all of the parcel: no reader gets it through an honest node."""
    async with sharing(tmp_path, *"abcd") as (network, nodes, client):
        parcel = await share_in_parts(network, nodes[0])
        asked = await commit(nodes[0], network.request(parcels=(parcel,), records=((parcel, 1),), fields=("n",)))
        shares = nodes[1].service.key_shares

        def give_all(entry: RequestEntry, id_: bytes) -> WantedParcel:
            part = part_of(GRANULARITY, len(PEOPLE), None, None)
            return KeyShares._parcel(shares, entry, id_)._replace(part=part)

        shares._parcel = give_all  # type: ignore[method-assign]
        (found,) = await answer(client, asked, parcel, scope="every")
        assert givers(found) == ["a", "c", "d"]


async def test_a_parcel_from_when_the_dataset_was_open_has_no_shares(tmp_path: Path) -> None:
    async with sharing(tmp_path, *"abc") as (network, nodes, client):
        await commit(nodes[0], network.dataset())
        parcel = await commit(nodes[0], network.parcel())
        await commit(nodes[0], network.dataset(version=2, sharing="closed"))
        request_id = await commit(nodes[0], network.request(member="a"))
        await refused(client, ErrorCode.ACCESS_NOT_NEEDED, request_id, parcel)


async def test_s53_a_grant_ends_when_it_expires_and_when_it_is_revoked(tmp_path: Path) -> None:
    async with sharing(tmp_path, *"abcd") as (network, nodes, client):
        (parcel,) = await share(nodes[0], network.sealed_parcel())
        pool = nodes[0].service.pool
        short = await commit(nodes[0], network.request(until_ms=pool.clock_ms() + 2_500))
        assert len((await answer(client, short, parcel))[0]) >= 3
        approved = await commit(nodes[0], network.request(purpose="research"))
        await commit(nodes[0], network.approval(approved))
        assert len((await answer(client, approved, parcel))[0]) >= 3
        await commit(nodes[0], network.approval(approved, "revoke"))
        await refused(client, ErrorCode.GRANT_REVOKED, approved, parcel)
        await until(lambda: pool.clock_ms() > pool.ledger.tip.header.time_ms + 2_600)
        await refused(client, ErrorCode.GRANT_EXPIRED, short, parcel)

        # A node whose clock stands still goes by the chain's.
        late = next(node for node in nodes if node.name != node.service.driver.replica.primary)
        late.service.pool.clock_ms = lambda: 0
        await commit(nodes[0], network.request())
        await until(lambda: late.height == nodes[0].height)
        async with httpx.AsyncClient(base_url=late.api_url) as client_of_late:
            await refused(client_of_late, ErrorCode.GRANT_EXPIRED, short, parcel)


async def test_f_validators_down_do_not_keep_a_reader_from_reading(tmp_path: Path) -> None:
    async with sharing(tmp_path, *"abcd") as (network, nodes, client):
        sealed = network.sealed_parcel(RECORDS)
        (parcel,) = await share(nodes[0], sealed)
        request_id = await commit(nodes[0], network.request())
        await nodes.pop().stop()
        (found,) = await answer(client, request_id, parcel)
        assert givers(found) == ["a", "b", "c"]
        assert opened(network, sealed, request_id, found, "b") == RECORDS
        await nodes.pop().stop()
        (found,) = await answer(client, request_id, parcel)
        assert givers(found) == ["a", "b"]
        with refuses(ErrorCode.NOT_ENOUGH_SHARES):
            opened(network, sealed, request_id, found, "b")


async def test_an_observer_has_no_share_and_hands_the_others_on(tmp_path: Path) -> None:
    async with sharing(tmp_path, "observer", *"abcd") as (network, nodes, client):
        sealed = network.sealed_parcel(RECORDS)
        (parcel,) = await share(nodes[0], sealed)
        request_id = await commit(nodes[0], network.request())
        assert await answer(client, request_id, parcel, scope="own") == ((),)
        (found,) = await answer(client, request_id, parcel)
        assert opened(network, sealed, request_id, found, "b") == RECORDS


async def test_a_validator_waits_for_a_request_that_is_on_its_way(tmp_path: Path) -> None:
    async with sharing(tmp_path, *"abc") as (network, nodes, client):
        (parcel,) = await share(nodes[0], network.sealed_parcel())
        request = network.request()
        asking = asyncio.create_task(ask(client, network.id_of(request), parcel, scope="own"))
        await asyncio.sleep(0.2)
        assert not asking.done()
        await nodes[0].submit(request)
        assert (await asking).status_code == 200

        # A peer that has seen the approval is not told that it is pending; the reader is, at once.
        asked = await commit(nodes[0], network.request(purpose="research"))
        query = encode(ShareQuery(asked, (parcel,)))
        await until(lambda: len({node.height for node in nodes}) == 1)
        from_peer = asyncio.create_task(nodes[1].service.links.request("a", FrameKind.FETCH_SHARES, query))
        await refused(client, ErrorCode.APPROVAL_PENDING, asked, parcel)
        assert not from_peer.done()
        await commit(nodes[1], network.approval(asked))
        ((release,),) = decode(ShareAnswer, await from_peer)
        assert givers([release]) == ["a"]


async def test_malformed_and_oversized_queries(tmp_path: Path) -> None:
    async with sharing(tmp_path, *"abc") as (network, nodes, client):
        (parcel,) = await share(nodes[0], network.sealed_parcel())
        request_id = await commit(nodes[0], network.request())
        many = [bytes([index]) * 32 for index in range(LIMITS.share_parcels + 1)]
        bad = [encode([request_id, many]), encode([request_id, []]), encode([request_id]), b"", b"\x93"]
        bad += [encode([request_id[:31], [parcel]]), encode([request_id, [parcel[:31]]])]
        for body in bad:
            response = await client.post("/v1/shares", content=body, headers=MSGPACK)
            verify_problem(response, 400, ErrorCode.MALFORMED)
        await refused(client, ErrorCode.BAD_REQUEST, request_id, parcel, parcel)
        response = await client.post("/v1/shares", content=bytes(100_000), headers=MSGPACK)
        verify_problem(response, 413, ErrorCode.TOO_LARGE)
        for json in ({"request": "xy", "parcels": [parcel.hex()]}, {"request": request_id.hex(), "parcels": ["0"]}):
            verify_problem(await client.post("/v1/shares", json=json), 400, ErrorCode.BAD_REQUEST)
        response = await client.post("/v1/shares", json={"request": request_id.hex(), "parcels": []})
        verify_problem(response, 400, ErrorCode.MALFORMED)
        text = {"Content-Type": "text/plain"}
        verify_problem(await client.post("/v1/shares", content=b"", headers=text), 400, ErrorCode.BAD_REQUEST)
        response = await client.post("/v1/shares?scope=mine", content=b"", headers=MSGPACK)
        verify_problem(response, 400, ErrorCode.BAD_REQUEST)
        with refuses(ErrorCode.UNREACHABLE):
            await nodes[1].service.links.request("a", FrameKind.FETCH_SHARES, bad[0])

        # JSON says the same as MessagePack.
        query = {"request": request_id.hex(), "parcels": [parcel.hex()]}
        response = await client.post("/v1/shares?scope=own", json=query)
        ((one,),) = [shares["releases"] for shares in response.json()["shares"]]
        assert response.json()["shares"][0]["parcel"] == parcel.hex()
        assert isinstance(one, str)


async def test_queries_for_what_never_comes_keep_nobody_from_being_served(tmp_path: Path) -> None:
    async with sharing(tmp_path, *"abc") as (network, nodes, client):
        (parcel,) = await share(nodes[0], network.sealed_parcel())
        request_id = await commit(nodes[0], network.request())
        shares = nodes[0].service.key_shares
        bogus = [asyncio.create_task(shares.own(ShareQuery(NOBODY, (parcel,)))) for _ in range(100)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sum(task.done() for task in bogus) == 84  # all but a few are told at once
        assert len((await answer(client, request_id, parcel))[0]) >= 3
        for result in await asyncio.gather(*bogus, return_exceptions=True):
            assert isinstance(result, PoolError)
            assert result.code is ErrorCode.UNKNOWN_REQUEST


async def test_queries_beyond_what_is_worked_on_at_once_are_refused(tmp_path: Path) -> None:
    async with sharing(tmp_path, *"abc") as (network, nodes, client):
        (parcel,) = await share(nodes[0], network.sealed_parcel())
        request_id = await commit(nodes[0], network.request())
        shares = nodes[0].service.key_shares
        asked = [shares.own(ShareQuery(request_id, (parcel,))) for _ in range(100)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        refusals = [result.code for result in results if isinstance(result, PoolError)]
        assert 1 <= len(refusals) <= 36
        assert set(refusals) == {ErrorCode.NOT_READY}
        assert {len(result) for result in results if isinstance(result, tuple)} == {1}
        assert len((await answer(client, request_id, parcel))[0]) >= 3


class Liar(ScriptedPeer):
    """A validator that answers share queries with `lie`, and does nothing else."""

    def __init__(self, network: Network, name: str) -> None:
        super().__init__(network, name, self._respond)
        self.lie = ""
        self.told: list[str] = []
        self._network = network
        self._key = load_kem_key(network.home(name) / "kem.pem").public_key

    async def _respond(self, kind: int, body: bytes) -> bytes:
        if kind != FrameKind.FETCH_SHARES:
            raise PoolError(ErrorCode.NOT_FOUND, "nothing")
        self.told.append(self.lie)
        query = decode(ShareQuery, body)
        reader = self._network.reader_key("b").public_key
        sealed = self._key.seal(bytes(16), b"nonsense")
        release = ShareRelease("d", query.request, query.parcels[0], reader.id, sealed)
        answers: dict[str, object] = {
            "a share that does not open": ((encode(release),),),
            "another validator's": ((encode(replace(release, validator="c")),),),
            "for another request": ((encode(replace(release, request_id=NOBODY)),),),
            "of another parcel": ((encode(replace(release, parcel_id=NOBODY)),),),
            "for another reader": ((encode(replace(release, key_id=bytes(16))),),),
            "two": ((encode(release), encode(release)),),
            "no release": ((b"\x00",),),
            "too many parcels": ((encode(release),), (encode(release),)),
        }
        if self.lie == "silence":
            await asyncio.sleep(60)
        return encode(answers[self.lie]) if self.lie in answers else b"\xff"


PLAIN_LIES = [
    "another validator's",
    "for another request",
    "of another parcel",
    "for another reader",
    "two",
    "no release",
    "too many parcels",
    "no answer at all",
]


@asynccontextmanager
async def with_liar(folder: Path) -> AsyncIterator[tuple[Node, Liar, httpx.AsyncClient]]:
    """The first of three honest validators, and `d`, which lies."""
    network = Network.create(folder, contracts=True)
    liar = Liar(network, "d")
    async with (
        scripted(liar),
        running(network, *"abc", api=True) as nodes,
        httpx.AsyncClient(base_url=nodes[0].api_url) as client,
    ):
        yield nodes[0], liar, client


async def lied_to(liar: Liar, node: Node, client: httpx.AsyncClient, request_id: bytes, parcel: bytes) -> list[bytes]:
    """All that can be had for a parcel, once the liar was asked too: its link may be down for a moment."""
    liar.told.clear()
    while not liar.told:
        await until(lambda: node.service.links.is_connected("d"))
        (found,) = await answer(client, request_id, parcel, scope="every")
    return list(found)


async def test_an_answer_that_is_plainly_wrong_is_not_handed_on(tmp_path: Path) -> None:
    async with with_liar(tmp_path) as (node, liar, client):
        sealed = node.network.sealed_parcel(RECORDS)
        (parcel,) = await share(node, sealed)
        request_id = await commit(node, node.network.request())
        for liar.lie in PLAIN_LIES:
            found = await lied_to(liar, node, client, request_id, parcel)
            assert (liar.lie, givers(found)) == (liar.lie, ["a", "b", "c"])
            (found_first,) = await answer(client, request_id, parcel)
            assert (liar.lie, givers(found_first)) == (liar.lie, ["a", "b", "c"])
        assert opened(node.network, sealed, request_id, found, "b") == RECORDS


async def test_s53_a_wrong_share_names_its_giver_and_the_others_are_enough(tmp_path: Path) -> None:
    async with with_liar(tmp_path) as (node, liar, client):
        sealed = node.network.sealed_parcel(RECORDS)
        (parcel,) = await share(node, sealed)
        request_id = await commit(node, node.network.request())
        liar.lie = "a share that does not open"
        found = await lied_to(liar, node, client, request_id, parcel)
        assert givers(found) == ["a", "b", "c", "d"]
        with refuses(ErrorCode.BAD_SHARE, culprit="d"):
            opened(node.network, sealed, request_id, found, "b")
        assert opened(node.network, sealed, request_id, found[:3], "b") == RECORDS


async def test_s53_a_validator_that_does_not_answer_holds_nobody_up(tmp_path: Path) -> None:
    async with with_liar(tmp_path) as (node, liar, client):
        (parcel,) = await share(node, node.network.sealed_parcel())
        request_id = await commit(node, node.network.request())
        liar.lie = "silence"
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        for _ in range(10):  # more than what a peer is asked at once
            (found,) = await answer(client, request_id, parcel)
            assert givers(found) == ["a", "b", "c"]
        assert loop.time() - begin_s < 3  # as long as one that waits for everybody
        assert givers(await lied_to(liar, node, client, request_id, parcel)) == ["a", "b", "c"]


async def test_status_says_what_runs_contracts(tmp_path: Path) -> None:
    async with sharing(tmp_path, *"abc") as (network, nodes, client):
        engine = network.genesis.protocol.engine
        assert engine is not None
        status = await get(client, "/v1/status")
        assert (status["engine"]["hash"], status["gateway"]) == (engine.hash.hex(), False)
        assert status["engine"]["wasmtime_version"] == engine.wasmtime_version
        del nodes
