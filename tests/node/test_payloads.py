"""Nodes that keep only some payloads: what they drop, what they answer, and how they get back what they want."""

from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from audit.chain import ChainAudit
from chain.errors import ErrorCode
from chain.primitives.encoding import decode, encode
from node import payloads
from node.frames import BlockRange, FrameKind
from node.payloads import PayloadPolicy
from tests.ledgers import audited, packages_of
from tests.node.cluster import Network, Node, ScriptedPeer, running, scripted
from tests.node.contract_cluster import sample
from tests.node.link_cluster import until
from tests.node.reading import commit, givers, share
from tests.node.test_bad_input import verify_problem
from tests.node.test_shares import answer

KEPT = b'{"n":1}'
LEFT = b'{"n":2}'


@pytest.fixture(autouse=True)
def nothing_is_recent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "RECENT_MS", 0)
    monkeypatch.setattr(payloads, "TICK_S", 0.02)
    monkeypatch.setattr("node.service.PAYLOADS_TICK_S", 0.02)
    monkeypatch.setattr(payloads, "_RETRIED_TICKS", 5)


def keeping(network: Network, setting: str, *names: str) -> Network:
    """Set which payloads these nodes keep."""
    for name in names:
        path = network.home(name) / "config.toml"
        text = path.read_text().partition("\n[storage]")[0]
        path.write_text(f"{text}\n[storage]\npayloads = {setting}\n")
    return network


async def shared(nodes: list[Node]) -> bytes:
    """Two parcels of `a`'s; returns the id of the second."""
    network = nodes[0].network
    await commit(nodes[0], network.dataset())
    await commit(nodes[0], network.parcel([KEPT]))
    id_ = await commit(nodes[0], network.parcel([LEFT]))
    await until(lambda: len({node.height for node in nodes}) == 1)
    return id_


def contents_of(node: Node) -> list[tuple[bytes, ...]]:
    """Every block's transactions. Certificates are each node's own: any quorum's votes make one."""
    return [package.transactions for package in packages_of(node.ledger)]


def dropped_by(node: Node) -> int:
    return len(list(node.ledger.blocks.dropped_payloads(0, node.height)))


async def test_s66_who_keeps_its_own_says_who_has_the_others(tmp_path: Path) -> None:
    network = keeping(Network.create(tmp_path), '"own"', "d")
    async with running(network, *"abcd", api=True) as nodes, httpx.AsyncClient(base_url=nodes[3].api_url) as client:
        parcel = await shared(nodes)
        await commit(nodes[3], network.dataset(dataset="d.flights", member="d"))
        own = await commit(nodes[3], network.parcel([KEPT], dataset="d.flights", member="d"))
        await until(lambda: dropped_by(nodes[3]) == 2)
        assert [dropped_by(node) for node in nodes[:3]] == [0, 0, 0]
        for path in (f"records/{parcel.hex()}/0", f"records/{parcel.hex()}/0/raw", f"transactions/{parcel.hex()}/raw"):
            response = await client.get(f"/v1/{path}")
            verify_problem(response, 421, ErrorCode.PAYLOAD_NOT_KEPT)
            assert response.json()["holders"].split() == ["a", "b", "c"], "its sender first"
        response = await client.get(f"/v1/records/{parcel.hex()}/0/evidence")
        verify_problem(response, 421, ErrorCode.PAYLOAD_NOT_KEPT)
        assert (await client.get(f"/v1/records/{own.hex()}/0/raw")).content == KEPT
        assert (await client.get(f"/v1/transactions/{parcel.hex()}/receipt")).status_code == 200
        status = (await client.get("/v1/status")).json()["payloads"]
        assert status == {"policy": "own", "keepers": ["a", "b", "c"], "warning": None}
        assert sample(nodes[3], "payloads_dropped_total") == 2
        report = audited(ChainAudit(network.genesis), packages_of(nodes[3].ledger)).report
        assert (report.records, report.records_not_kept, report.is_complete) == (3, 2, True)


async def test_s66_nothing_is_dropped_while_too_few_say_that_they_keep_all(tmp_path: Path) -> None:
    """One of four validators may lie, so one that says so is not enough."""
    network = keeping(Network.create(tmp_path), '"own"', *"bcd")
    async with running(network, *"abcd", api=True) as nodes:
        await shared(nodes)
        node = nodes[3].service.payloads
        assert node.keepers == ["a"]
        assert node.warning is not None
        for _ in range(5):
            await node._drop_old()
        assert dropped_by(nodes[3]) == 0
        async with running(network, "observer"):
            await until(lambda: dropped_by(nodes[3]) == 2)


async def test_s66_who_keeps_all_again_gets_back_what_is_missing(tmp_path: Path) -> None:
    network = keeping(Network.create(tmp_path), '"own"', "d")
    async with running(network, *"abcd") as nodes:
        await shared(nodes)
        await until(lambda: dropped_by(nodes[3]) == 2)
    keeping(network, '"all"', "d")
    async with running(network, "d") as (d,):
        await until(lambda: bool(d.service.payloads._lacking))
        assert dropped_by(d) == 2
    async with running(network, "d", "a") as (d, a):
        await until(lambda: dropped_by(d) == 0)
        assert contents_of(d) == contents_of(a)
        assert sample(d, "payloads_fetched_total") == 2


async def test_s66_catching_up_from_one_that_drops_does_not_stall(tmp_path: Path) -> None:
    network = keeping(Network.create(tmp_path), '"own"', "observer")
    async with running(network, *"abc", "observer") as nodes:
        await shared(nodes)
        await until(lambda: dropped_by(nodes[3]) == 2)
        height = nodes[0].height
    async with running(network, "observer", "d") as (_, d):
        await until(lambda: d.height == height)
        assert dropped_by(d) == 2, "those who have it are not there"
        assert not d.service.catch_up._failures, "and nobody is blamed"
        async with running(network, "b"):
            await until(lambda: dropped_by(d) == 0)


async def test_s66_a_liar_gives_nothing_that_was_not_signed(tmp_path: Path) -> None:
    network = keeping(Network.create(tmp_path), '"own"', "d")
    async with running(network, *"abcd") as nodes:
        await shared(nodes)
        await until(lambda: dropped_by(nodes[3]) == 2)
        packages, contents = packages_of(nodes[0].ledger), contents_of(nodes[0])
    keeping(network, '"all"', "d")

    async def lie(kind: int, body: bytes) -> bytes:
        if kind != FrameKind.FETCH_BLOCKS:
            return b"\x90"
        package = packages[decode(BlockRange, body).first]
        changed = tuple(data.replace(LEFT, b'{"n":9}').replace(KEPT, b'{"n":9}') for data in package.transactions)
        return encode((replace(package, transactions=changed),))

    liar = ScriptedPeer(network, "a", lie)
    async with scripted(liar), running(network, "d") as (d,):
        await until(lambda: len(liar.asked) > 2)
        assert dropped_by(d) == 2
        async with running(network, "b"):
            await until(lambda: dropped_by(d) == 0)
            assert contents_of(d) == contents


async def test_s66_a_validator_gives_its_share_of_what_it_has_dropped(tmp_path: Path) -> None:
    network = keeping(Network.create(tmp_path, contracts=True), '"own"', "b")
    async with running(network, *"abc", api=True) as nodes, httpx.AsyncClient(base_url=nodes[1].api_url) as client:
        (parcel,) = await share(nodes[0], network.sealed_parcel([LEFT]))
        request = await commit(nodes[2], network.request())
        await until(lambda: dropped_by(nodes[1]) == 1)
        assert givers((await answer(client, request, parcel, scope="own"))[0]) == ["b"]


@pytest.mark.parametrize(
    ("setting", "name", "kept"),
    [
        ("all", "all", [True] * 4),
        ("own", "own", [True, True, False, False]),
        (2.0, "2 days", [True, True, True, False]),
    ],
)
def test_which_payloads_a_policy_keeps(
    monkeypatch: pytest.MonkeyPatch, setting: str | float, name: str, kept: list[bool]
) -> None:
    monkeypatch.setattr(payloads, "RECENT_MS", 3_600_000)
    policy, day_ms = PayloadPolicy(setting, "a"), 86_400_000
    assert policy.name == name
    cases = [("a", 9 * day_ms), ("b", 3_599_999), ("b", day_ms), ("b", 2 * day_ms)]
    assert [policy.keeps(*case) for case in cases] == kept


async def test_s67_a_node_moves_old_blocks_into_frames_and_serves_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chain.storage.blocks.HOT_BLOCKS", 1)
    monkeypatch.setattr("node.service.COLD_TICK_S", 0.02)
    network = Network.create(tmp_path, validators="a", others=("observer",))
    async with running(network, "a", api=True) as (a,), httpx.AsyncClient(base_url=a.api_url) as client:
        parcel = await shared([a])
        await until(lambda: sample(a, "frozen_height") == a.height - 1)
        await commit(a, network.parcel([b'{"n":3}']))
        await until(lambda: sample(a, "frozen_height") == a.height - 1)
        assert a.ledger.blocks.location(parcel) is not None
        assert (await client.get(f"/v1/records/{parcel.hex()}/0/raw")).content == LEFT
        async with running(network, "observer") as (observer,):
            await until(lambda: observer.height == a.height)
            assert packages_of(observer.ledger) == packages_of(a.ledger)
        await commit(a, network.erase(parcel))
        await until(lambda: sample(a, "erasing") == 0 and sample(a, "frozen_height") == a.height - 1)
        assert (await client.get(f"/v1/records/{parcel.hex()}/0/raw")).status_code == 410
