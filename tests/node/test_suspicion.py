"""Primaries that order, but slowly or not for all, on real nodes: they are replaced, and good ones are not."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from chain.primitives.encoding import encode
from chain.transactions.base import CheckedTransaction
from node.driver import ConsensusDriver
from node.frames import FrameKind
from tests.node.cluster import Network, Node, ScriptedPeer, running, scripted
from tests.node.link_cluster import until
from tests.node.test_driver import primary_of, put_into

SOON_S = 60
"""Room for a busy machine; on an idle one a primary is replaced within ten seconds."""
BACKLOG = 1500


def reasons(nodes: Sequence[Node]) -> set[str]:
    """Why nodes have given primaries up."""
    metrics = [node.service.metrics.view_changes for node in nodes]
    return {sample.labels["reason"] for metric in metrics for family in metric.collect() for sample in family.samples}


def slow_down(driver: ConsensusDriver, delay_s: float) -> None:
    """Let a primary answer only so long after it was asked for a block."""
    build = driver._build

    def build_late(height: int, view: int) -> None:
        def answer() -> None:
            build(height, view)
            driver._schedule()

        asyncio.get_running_loop().call_later(delay_s, answer)

    driver._build = build_late  # type: ignore[method-assign]


def make_tiny_blocks(node: Node) -> None:
    """Let a primary order one transaction at a time."""
    mempool = node.service.pool.mempool
    select = mempool.select
    mempool.select = lambda *asked, **also: select(*asked, **also)[:1]  # type: ignore[method-assign]


def leave_out(node: Node, member: str) -> None:
    """Let a node order nothing of a member."""
    mempool = node.service.pool.mempool
    add = mempool.add

    def add_others(checked: CheckedTransaction) -> None:
        if checked.header.member != member:
            add(checked)

    mempool.add = add_others  # type: ignore[method-assign]


@asynccontextmanager
async def load(network: Network, nodes: Sequence[Node], members: str) -> AsyncIterator[None]:
    """Every member hands in one parcel after the other, as long as the context lasts."""

    is_over = asyncio.Event()

    async def work(node: Node) -> None:
        for number in itertools.count():
            if is_over.is_set():
                return
            await node.submit(network.parcel([b'{"n":%d}' % number], node.name), timeout_s=SOON_S)

    for node in nodes:
        await node.submit(network.dataset(node.name))
    async with asyncio.TaskGroup() as group:
        for node in nodes:
            if node.name in members:
                group.create_task(work(node))
        yield
        is_over.set()


async def test_s25_a_primary_that_crawls_is_replaced(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, *"abcd") as nodes, load(network, nodes, "abcd"):
        crawling = primary_of(nodes)
        slow_down(crawling.service.driver, 0.3)
        await until(lambda: all(node.service.driver.replica.view >= 1 for node in nodes), timeout_s=SOON_S)
        assert "crawl" in reasons(nodes)
        assert primary_of(nodes) is not crawling
        height = nodes[0].height
        await until(lambda: nodes[0].height >= height + 10)


async def test_s25_a_primary_that_orders_little_of_a_backlog_is_replaced(tmp_path: Path) -> None:
    """Prompt blocks of one transaction each while hundreds wait."""

    network = Network.create(tmp_path)
    async with running(network, *"abcd") as nodes:
        await nodes[0].submit(network.dataset("a"))
        primary = primary_of(nodes)
        make_tiny_blocks(primary)
        for number in range(BACKLOG):
            await nodes[0].service.dissemination.submit(network.parcel([b'{"n":%d}' % number]))
        await until(lambda: all(node.service.driver.replica.view >= 1 for node in nodes), timeout_s=SOON_S)
        assert reasons(nodes) <= {"neglect", "joined"}
        await until(lambda: not any(len(node.service.pool.mempool) for node in nodes), timeout_s=SOON_S)


async def test_s26_a_primary_that_leaves_one_member_out_is_replaced(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, *"abcd") as nodes, load(network, nodes, "ab"):
        primary = primary_of(nodes)
        victim = next(node for node in nodes[2:] if node is not primary)
        leave_out(primary, victim.name)
        await victim.submit(network.parcel(member=victim.name), timeout_s=SOON_S)
        assert primary_of(nodes) is not primary
        assert reasons(nodes) <= {"neglect", "censorship", "joined"}


async def test_s64_what_an_observer_keeps_from_the_primary_deposes_nobody(tmp_path: Path) -> None:
    network = Network.create(tmp_path)

    async def nothing(kind: int, body: bytes) -> bytes:
        return b""

    liar = ScriptedPeer(network, "observer", nothing)
    async with running(network, *"abcd") as nodes, scripted(liar):
        primary = primary_of(nodes)
        others = [node for node in nodes if node is not primary]
        await until(lambda: all(liar.links.is_connected(node.name) for node in others))
        for number in range(8):
            data = network.dataset("observer", f"set-{number}")
            for node in others:
                liar.links.send(node.name, FrameKind.TRANSACTIONS, encode((data,)))
            await others[0].service.pool.wait_for_receipt(network.id_of(data), SOON_S)
        assert primary_of(nodes) is primary
        assert reasons(nodes) == set()


async def test_s25_a_good_primary_is_kept_under_load_and_in_rest(tmp_path: Path) -> None:
    network = Network.create(tmp_path)
    async with running(network, *"abcd") as nodes:
        async with load(network, nodes, "abcd"):
            await asyncio.sleep(6)
        await asyncio.sleep(2)
        assert reasons(nodes) == set()


async def test_s25_what_expired_is_not_held_against_the_primary(tmp_path: Path) -> None:
    """No node waits for a primary to order what no primary may."""

    network = Network.create(tmp_path)
    async with running(network, *"abcd") as nodes:
        primary = primary_of(nodes)
        data = network.dataset(expiry_ms=time.time_ns() // 1_000_000 + 250)
        for node in nodes:
            if node is not primary:
                put_into(node, data)
        await asyncio.sleep(2)
        assert reasons(nodes) == set()
        assert {len(node.service.pool.mempool) for node in nodes} == {0}
