"""Catching up among peers of which some lie, stall or talk nonsense: the next one is asked, nothing wrong is taken."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from chain.blocks import Block
from chain.errors import ErrorCode
from chain.packages import BlockPackage, Packages
from chain.primitives.encoding import decode, encode
from node import catch_up
from node.frames import BlockRange, FrameKind, News
from tests.node.cluster import Network, Node, ScriptedPeer, running, scripted
from tests.node.link_cluster import limits, until
from tests.refusals import refuses

Answer = Callable[[int, bytes], Awaitable[bytes]]
BLOCKS = 6


async def build_chain(network: Network) -> list[BlockPackage]:
    """Let a, b and c make a chain while d is away; returns its packages from height 1 on."""
    async with running(network, "a", "b", "c") as (a, b, c):
        await a.submit(network.dataset())
        while a.height < BLOCKS:
            await a.submit(network.parcel([b'{"n":%d}' % a.height]))
        await until(lambda: min(b.height, c.height) >= BLOCKS)
        reply, _ = await a.service.catch_up.serve(BlockRange(1, 256))
        return list(decode(Packages, reply))


def answering(packages: Callable[[int], list[BlockPackage]]) -> Answer:
    """Answers a request for blocks with what `packages` gives for the first height asked."""

    async def answer(kind: int, body: bytes) -> bytes:
        assert kind == FrameKind.FETCH_BLOCKS
        return encode(tuple(packages(decode(BlockRange, body).first)))

    return answer


async def no_answer(kind: int, body: bytes) -> bytes:
    await asyncio.sleep(3600)
    return b""


async def garbage(kind: int, body: bytes) -> bytes:
    return b"\xc1" * 100


def altered(package: BlockPackage, **changes: object) -> BlockPackage:
    """The package with fields of its block changed."""
    return BlockPackage(encode(replace(decode(Block, package.block), **changes)), package.transactions)


def without_vote(package: BlockPackage) -> BlockPackage:
    certificate = decode(Block, package.block).certificate
    assert certificate is not None
    return altered(package, certificate=replace(certificate, votes=certificate.votes[:2]))


def with_wrong_vote(package: BlockPackage) -> BlockPackage:
    certificate = decode(Block, package.block).certificate
    assert certificate is not None
    (name, _), *others = certificate.votes
    return altered(package, certificate=replace(certificate, votes=((name, bytes(64)), *others)))


def with_another_transaction(package: BlockPackage, network: Network) -> BlockPackage:
    return BlockPackage(package.block, (network.parcel(), *package.transactions[1:]))


LIES: dict[str, Callable[[Network, list[BlockPackage]], Answer]] = {
    "nothing to show": lambda network, chain: answering(lambda first: []),
    "garbage": lambda network, chain: garbage,
    "certificate below quorum": lambda network, chain: answering(
        lambda first: [without_vote(package) for package in chain[first - 1 :]]
    ),
    "vote that does not verify": lambda network, chain: answering(
        lambda first: [with_wrong_vote(package) for package in chain[first - 1 :]]
    ),
    "no certificate": lambda network, chain: answering(
        lambda first: [altered(package, certificate=None) for package in chain[first - 1 :]]
    ),
    "another transaction": lambda network, chain: answering(
        lambda first: [with_another_transaction(package, network) for package in chain[first - 1 :]]
    ),
    "blocks that do not follow": lambda network, chain: answering(lambda first: chain[first : first + 2]),
    "outcomes exchanged": lambda network, chain: answering(
        lambda first: [altered(chain[first - 1], outcomes=decode(Block, chain[first % len(chain)].block).outcomes)]
    ),
}


@pytest.mark.parametrize("lie", LIES)
async def test_s10_s18_s35_a_lying_peer_is_left_for_the_next_one(tmp_path: Path, lie: str) -> None:
    """s35, s10: the liar claims more than anybody, so it is asked first."""

    network = Network.create(tmp_path)
    chain = await build_chain(network)
    liar = ScriptedPeer(network, "c", LIES[lie](network, chain), height=10**6)
    async with scripted(liar):
        d = Node(network, "d")
        await d.start()
        try:
            await until(lambda: liar.asked)
            assert d.height == 0
            async with running(network, "a", "b"):
                await until(lambda: d.height == len(chain))
            assert encode(d.ledger.block_at(3)) == chain[2].block
            assert d.service.fatal is None
        finally:
            await d.stop()


async def test_s13_s18_blocks_of_another_chain_are_refused(tmp_path: Path) -> None:
    other = await build_chain(Network.create(tmp_path / "other"))
    network = Network.create(tmp_path / "this")
    liar = ScriptedPeer(network, "c", answering(lambda first: other[first - 1 :]), height=len(other))
    async with scripted(liar), running(network, "a") as (a,):
        await until(lambda: liar.asked and not a.service.catch_up.is_running)
        assert a.height == 0
        assert a.service.fatal is None


async def test_s35_old_blocks_sent_again_do_not_hold_catching_up(tmp_path: Path) -> None:
    """s35: a peer that answers every request with blocks that we hold already makes no progress possible."""

    network = Network.create(tmp_path)
    chain = await build_chain(network)
    liar = ScriptedPeer(network, "d", answering(lambda first: chain[:1]), height=10**6)
    async with running(network, "a") as (a,), scripted(liar):
        await until(lambda: liar.asked)
        await until(lambda: not a.service.catch_up.is_running)
        assert len(liar.asked) <= 2
        assert a.height == len(chain)


async def test_s35_a_peer_that_stalls_costs_one_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catch_up, "_REQUEST_TIMEOUT_S", 0.5)

    network = Network.create(tmp_path)
    chain = await build_chain(network)
    staller = ScriptedPeer(network, "c", no_answer, height=10**6)
    async with scripted(staller):
        d = Node(network, "d")
        await d.start()
        try:
            await until(lambda: staller.asked)
            async with running(network, "a", "b"):
                await until(lambda: d.height == len(chain), timeout_s=5)
        finally:
            await d.stop()


async def test_s35_s43_a_peer_that_is_frozen_is_not_waited_for_while_another_has_the_blocks(tmp_path: Path) -> None:
    """Its link is up and its claim the highest; all the time that a request may take would be a pause of the pool, if
    the node that waits is needed for the quorum.
    """
    network = Network.create(tmp_path)
    chain = await build_chain(network)
    patient = limits(ping_interval_s=60.0)  # its link stays up, however long nothing comes
    staller = ScriptedPeer(network, "c", no_answer, 10**6, patient)
    async with scripted(staller):
        d = Node(network, "d")
        await d.start()
        try:
            await until(lambda: staller.asked)
            async with running(network, "a", "b"):
                await until(lambda: d.height == len(chain), timeout_s=0.6 * catch_up._REQUEST_TIMEOUT_S)
        finally:
            await d.stop()


async def test_s35_when_all_are_slow_the_last_one_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "_LONG_S", 0.05)
    network = Network.create(tmp_path)
    chain = await build_chain(network)

    give = answering(lambda first: chain[first - 1 :])

    async def slow(kind: int, body: bytes) -> bytes:
        await asyncio.sleep(0.25)  # less than the silence that ends a scripted peer's links
        return await give(kind, body)

    peers = [ScriptedPeer(network, name, slow, height=len(chain)) for name in ("a", "c")]
    async with scripted(*peers):
        d = Node(network, "d")
        await d.start()
        try:
            await until(lambda: d.height == len(chain))
        finally:
            await d.stop()


async def test_s35_a_peer_that_drips_blocks_is_left_for_one_that_gives_what_it_has(tmp_path: Path) -> None:
    """Each of its replies is some progress and comes in time, but the chain grows faster than that."""

    network = Network.create(tmp_path)
    chain = await build_chain(network)

    async def drip(kind: int, body: bytes) -> bytes:
        await asyncio.sleep(0.2)
        first = decode(BlockRange, body).first
        return encode(tuple(chain[first - 1 : first]))

    dripper = ScriptedPeer(network, "c", drip, height=10**6)
    async with scripted(dripper), running(network, "a", "b"):
        d = Node(network, "d")
        await d.start()
        try:
            await until(lambda: d.height == len(chain))
            assert (
                len([kind for member, kind, _ in dripper.asked if (member, kind) == ("d", FrameKind.FETCH_BLOCKS)]) <= 2
            )
        finally:
            await d.stop()


async def test_s33_when_every_peer_is_faulty_a_node_waits_and_recovers(tmp_path: Path) -> None:
    """Three liars are all that a node knows: each is asked once for each claim, and no storm follows. The first honest
    one that comes is believed, because what it sends verifies.
    """

    network = Network.create(tmp_path)
    chain = await build_chain(network)
    liars = [ScriptedPeer(network, name, garbage, height=10**6) for name in "abc"]
    d = Node(network, "d")
    async with scripted(*liars):
        await d.start()
        await until(lambda: all(liar.asked for liar in liars))
        await asyncio.sleep(1)
        assert max(len(liar.asked) for liar in liars) < 10, "more than a few claims cannot have been made"
        assert (d.height, d.service.fatal) == (0, None)
    try:
        async with running(network, "a"):
            await until(lambda: d.height == len(chain))
    finally:
        await d.stop()


async def test_s28_s36_a_node_far_behind_is_needed_for_the_view_change_under_load(tmp_path: Path) -> None:
    """Of four, one has been away and now the primary goes: there is no quorum without the one that is behind."""

    network = Network.create(tmp_path)
    async with running(network, *"abcd") as nodes:
        await nodes[0].submit(network.dataset(name="before"))
        await until(lambda: {node.height for node in nodes} == {1})
    chain = await build_chain(network)
    async with running(network, *"bcd") as nodes:
        b, c, d = nodes
        assert b.service.driver.replica.primary == "a"
        load = [b.submit(network.dataset("b"))]
        load += [c.submit(network.parcel([b'{"n":%d}' % number], "b")) for number in range(40)]
        await asyncio.gather(*load)
        await until(lambda: len({node.height for node in nodes}) == 1)
        assert d.service.catch_up.blocks >= len(chain) - 1
        assert all(node.service.driver.replica.primary != "a" for node in nodes)
        assert len({node.ledger.tip.block_hash for node in nodes}) == 1


async def test_s35_a_peer_that_keeps_lying_about_its_height_does_not_make_a_node_unready(tmp_path: Path) -> None:
    """s35: one liar cannot take a node out of service; its claims count only if an honest node supports them."""

    network = Network.create(tmp_path)
    liar = ScriptedPeer(network, "d", no_answer, height=10**6)
    async with running(network, "a", "b", "c") as (a, b, c), scripted(liar):
        for _ in range(3):
            for member in "abc":
                await until(lambda member=member: liar.links.is_connected(member))
                liar.links.send(member, FrameKind.NEWS, encode(News(10**6)))
            await a.submit(network.dataset(name=f"set-{a.height}"))
        await until(lambda: any(node.service.catch_up.is_running for node in (a, b, c)))
        assert [node.service.readiness.unready_reason for node in (a, b, c)] == [None, None, None]


async def test_an_observer_that_is_behind_asks_whoever_has_more(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, "a", "b", "c", "d") as nodes:
        await nodes[0].submit(network.dataset())
        for index in range(5):
            await nodes[index % 4].submit(network.parcel([b'{"n":%d}' % index]))
        observer = Node(network, "observer")
        await observer.start()
        try:
            await until(lambda: observer.height == max(node.height for node in nodes))
            assert observer.service.catch_up.blocks == observer.height
            await nodes[0].submit(network.parcel())
            await until(lambda: observer.height == max(node.height for node in nodes))
        finally:
            await observer.stop()


async def test_reading_for_others_is_over_before_the_databases_close(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    await build_chain(network)
    node = Node(network, "a")
    await node.start()
    reading = [asyncio.create_task(node.service.pool.read_packages(1, 256, 2**30)) for _ in range(50)]
    await asyncio.sleep(0)
    await node.stop()
    assert {len(packages) for packages in await asyncio.gather(*reading)} == {node.height}
    with refuses(ErrorCode.NOT_READY):
        await node.service.pool.read_packages(1, 256, 2**30)


async def test_s40_damage_met_while_serving_a_peer_stops_the_node(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    await build_chain(network)
    node = Node(network, "a")
    await node.start()
    try:
        spoil(network.home("a") / "data" / "blocks")
        with refuses(ErrorCode.DATABASE_DAMAGED) as caught:
            await node.service.dispatcher.on_request("b", FrameKind.FETCH_BLOCKS, encode(BlockRange(1, 256)))
        assert node.service.fatal is caught.value
        assert node.is_stopped
    finally:
        await node.stop()


def spoil(database: Path) -> None:
    """Change the middle of every table."""
    tables = list(database.glob("*.ldb"))
    assert tables
    for path in tables:
        content = bytearray(path.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 32] = bytes(byte ^ 0xA5 for byte in content[middle : middle + 32])
        path.write_bytes(content)
