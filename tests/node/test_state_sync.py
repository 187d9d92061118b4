"""Joining by the state among peers of which some lie, stall or stop: the same chain afterwards, nothing wrong in it."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from chain.errors import ErrorCode, PoolError
from chain.packages import read_package
from chain.primitives.encoding import decode, encode
from chain.proofs.past import Anchor, Span
from chain.state.chunks import StateChunk
from node import back_fill, state_sync
from node.frames import AnchorQuery, BlockRange, ChunkQuery, FrameKind, SpanQuery
from node.recovery import take_over
from node.state_sync import FOLDER
from tests.node.cluster import Node, ScriptedPeer, running, scripted
from tests.node.link_cluster import until
from tests.node.long_network import ANCHOR, BLOCKS, LongNetwork, make_long_network

Answer = Callable[[int, bytes], Awaitable[bytes]]


@pytest.fixture(scope="module")
def seasoned(tmp_path_factory: pytest.TempPathFactory) -> LongNetwork:
    return make_long_network(tmp_path_factory.mktemp("long") / "network")


@pytest.fixture
def long(seasoned: LongNetwork, tmp_path: Path) -> LongNetwork:
    return seasoned.copy_to(tmp_path / "network")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are short here; the rules are the same."""
    monkeypatch.setattr(state_sync, "_REQUEST_TIMEOUT_S", 0.5)
    monkeypatch.setattr(state_sync, "_PAUSE_FIRST_S", 0.05)
    monkeypatch.setattr(state_sync, "_PAUSE_MAX_S", 0.5)
    monkeypatch.setattr(back_fill, "_IDLE_S", 0.01)
    monkeypatch.setattr(back_fill, "_PAUSE_FIRST_S", 0.02)


async def joined(long: LongNetwork, name: str) -> Node:
    """A node that has taken the state, and has started again with it."""
    first = Node(long.network, name)
    await first.start()
    try:
        await until(lambda: first.is_stopped, timeout_s=30)
        assert first.service.fatal is None
        assert first.service.must_restart
    finally:
        await first.stop()
    node = Node(long.network, name)
    assert node.height == ANCHOR
    await node.start()
    return node


async def test_s68_a_new_validator_joins_by_the_state_and_votes(long: LongNetwork) -> None:
    async with running(long.network, "a", "b", "c") as (a, b, c):
        d = await joined(long, "d")
        try:
            assert d.ledger.blocks.past_height == ANCHOR - 1
            await until(lambda: d.height == BLOCKS)
            assert d.ledger.tip.header.state_root == a.ledger.tip.header.state_root
            for number in range(4):  # it may have forgotten votes: it waits for a few blocks
                await a.submit(long.network.parcel([b'{"n":%d}' % (1000 + number)]))
            await until(lambda: d.service.driver.may_vote, timeout_s=20)
            await c.service.links.close()
            await a.submit(long.network.parcel([b'{"n":5000}']))  # without d there is no quorum
            await until(lambda: d.height == a.height == b.height)
            assert d.ledger.tip.block_hash == a.ledger.tip.block_hash
            await until(lambda: d.ledger.blocks.past_height == 0, timeout_s=30)
            for height in range(BLOCKS + 1):
                assert read_package(d.ledger.blocks, height) == read_package(a.ledger.blocks, height)
        finally:
            await d.stop()
        assert not (d.home.data / FOLDER).exists()
        assert not list(d.home.data.glob("replaced-*"))  # nothing was in it


async def test_s68_an_observer_follows_and_says_what_it_lacks(
    long: LongNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(back_fill.BackFill, "start", lambda self: None)
    async with running(long.network, "a", "b", "c") as (a, *_):
        first = await joined(long, "observer")
        await first.stop()
        node = Node(long.network, "observer", api=True)
        await node.start()
        try:
            await until(lambda: node.height == BLOCKS)
            async with httpx.AsyncClient(base_url=node.api_url) as client:
                status = (await client.get("/v1/status")).json()
                assert (status["past_blocks"], status["state_sync_percent"]) == (ANCHOR - 1, None)
                old, new = long.ids[5].hex(), long.ids[-1].hex()
                for path in (
                    f"/v1/transactions/{old}",
                    f"/v1/transactions/{old}/receipt",
                    f"/v1/transactions/{old}/raw",
                    f"/v1/records/{old}/0",
                    "/v1/blocks/7",
                    "/v1/state/protocol?height=7",
                    "/v1/members/a?height=7",
                    "/v1/datasets/a.flights/parcels",
                    f"/v1/records/{old}/0/evidence",
                ):
                    answer = await client.get(path)
                    if answer.status_code == 404 and "no resource" in answer.text:
                        pytest.fail(path)
                    assert (answer.status_code, answer.json()["code"]) == (421, "not_here_yet"), (path, answer.text)
                assert (await client.get(f"/v1/transactions/{new}/receipt")).status_code == 200
                listed = (await client.get("/v1/blocks?after=94&limit=5")).json()["blocks"]
                assert [block["height"] for block in listed] == [95, 96, 97, 98, 99]
                proof = await client.get("/v1/history/inclusion?height=3&size=300")
                expected = a.ledger.blocks
                assert proof.status_code == 200
                assert expected.history_node(0, 2).hex() in proof.json()["proof"]
        finally:
            await node.stop()


async def test_s68_a_short_gap_is_caught_up_with(long: LongNetwork) -> None:
    long.configure("d", "")
    path = long.network.home("d") / "config.toml"
    path.write_text(path.read_text().replace("state_from_blocks = 100", "state_from_blocks = 1000"))
    async with running(long.network, "a", "b", "c"):
        d = Node(long.network, "d")
        await d.start()
        try:
            await until(lambda: d.height == BLOCKS, timeout_s=30)
            assert d.ledger.blocks.anchor_height == 0
            assert not d.is_stopped
        finally:
            await d.stop()


async def honest(node: Node, kind: int, body: bytes) -> bytes:
    """What a node would answer."""
    serving = node.service.state_serving
    match kind:
        case FrameKind.FETCH_ANCHOR:
            return (await serving.anchor(decode(AnchorQuery, body)))[0]
        case FrameKind.FETCH_CHUNK:
            return (await serving.chunk(decode(ChunkQuery, body)))[0]
        case FrameKind.FETCH_SPAN:
            return (await serving.span(decode(SpanQuery, body)))[0]
        case FrameKind.FETCH_BLOCKS:
            return (await node.service.catch_up.serve(decode(BlockRange, body)))[0]
    raise PoolError(ErrorCode.UNREACHABLE, "not asked about here")


def wrong_chunk(kind: int, reply: bytes) -> bytes:
    if kind != FrameKind.FETCH_CHUNK:
        return reply
    chunk = decode(StateChunk, reply)
    return encode(replace(chunk, entries=((b"member/x", b"lie"), *chunk.entries)))


def cut_chunk(kind: int, reply: bytes) -> bytes:
    return reply[: len(reply) // 2] if kind == FrameKind.FETCH_CHUNK else reply


def wrong_span(kind: int, reply: bytes) -> bytes:
    if kind != FrameKind.FETCH_SPAN:
        return reply
    span = decode(Span, reply)
    contents = (span.contents[1], span.contents[0], *span.contents[2:])
    return encode(replace(span, contents=contents))


def wrong_anchor(kind: int, reply: bytes) -> bytes:
    if kind != FrameKind.FETCH_ANCHOR:
        return reply
    anchor = decode(Anchor, reply)
    return encode(replace(anchor, certificate=replace(anchor.certificate, votes=anchor.certificate.votes[:2])))


def wrong_block(kind: int, reply: bytes) -> bytes:
    return encode(()) if kind == FrameKind.FETCH_BLOCKS else reply


def garbage(kind: int, reply: bytes) -> bytes:
    return b"\xc1" * 99


LIES = [wrong_chunk, cut_chunk, wrong_span, wrong_anchor, wrong_block, garbage]


async def join_beside(long: LongNetwork, answers: dict[str, Callable[[Node], Answer]]) -> None:
    """Let d join with one honest node, the others answering as told; it must come to the honest chain."""
    a = Node(long.network, "a")
    peers = [ScriptedPeer(long.network, name, answer(a), height=BLOCKS) for name, answer in answers.items()]
    async with AsyncExitStack() as stack:
        await a.start()
        stack.push_async_callback(a.stop)
        await stack.enter_async_context(scripted(*peers))
        d = await joined(long, "d")
        stack.push_async_callback(d.stop)
        await until(lambda: d.height == BLOCKS, timeout_s=30)
        assert d.ledger.tip.block_hash == a.ledger.tip.block_hash
        await until(lambda: d.ledger.blocks.past_height == 0, timeout_s=30)
        assert read_package(d.ledger.blocks, 5) == read_package(a.ledger.blocks, 5)
    assert all(peer.asked for peer in peers)


@pytest.mark.parametrize("lie", LIES)
async def test_s68_two_liars_cannot_spoil_it(long: LongNetwork, lie: Callable[[int, bytes], bytes]) -> None:
    def lying(node: Node) -> Answer:
        async def answer(kind: int, body: bytes) -> bytes:
            return lie(kind, await honest(node, kind, body))

        return answer

    await join_beside(long, {"b": lying, "c": lying})


async def test_s68_peers_that_stall_cannot_hold_it_up(long: LongNetwork) -> None:
    def stalling(node: Node) -> Answer:
        async def answer(kind: int, body: bytes) -> bytes:
            await asyncio.sleep(3600)
            return b""

        return answer

    await join_beside(long, {"b": stalling, "c": stalling})


async def test_s68_peers_that_refuse_cannot_hold_it_up(long: LongNetwork) -> None:
    def refusing(node: Node) -> Answer:
        async def answer(kind: int, body: bytes) -> bytes:
            raise PoolError(ErrorCode.NOT_HERE_YET, "this node does not hold that")

        return answer

    await join_beside(long, {"b": refusing, "c": refusing})


async def test_s68_it_goes_on_after_a_stop(long: LongNetwork) -> None:
    """The one peer that answers stops after some pieces; so does the node. The next start goes on from there."""
    a = Node(long.network, "a")
    served: list[int] = []

    async def some(kind: int, body: bytes) -> bytes:
        if kind not in (FrameKind.FETCH_ANCHOR, FrameKind.FETCH_CHUNK) or len(served) >= 9:
            raise PoolError(ErrorCode.UNREACHABLE, "no more")
        served.append(kind)
        return await honest(a, kind, body)

    async def none(kind: int, body: bytes) -> bytes:
        raise PoolError(ErrorCode.UNREACHABLE, "nothing")

    b, c = (ScriptedPeer(long.network, name, answer, height=BLOCKS) for name, answer in (("b", some), ("c", none)))
    async with scripted(b, c):
        d = Node(long.network, "d")
        await d.start()
        await until(lambda: (d.service.state_sync.percent or 0) >= 20)
        reason = d.service.readiness.unready_reason
        assert reason is not None
        assert reason.startswith("syncing ")
        await d.stop()
    assert d.height == 0
    asked: list[bytes] = []

    async def rest(kind: int, body: bytes) -> bytes:
        if kind == FrameKind.FETCH_CHUNK:
            asked.append(decode(ChunkQuery, body).first)
        assert kind != FrameKind.FETCH_ANCHOR
        return await honest(a, kind, body)

    await a.start()
    b, c = (ScriptedPeer(long.network, name, rest, height=BLOCKS) for name in "bc")
    try:
        async with scripted(b, c):
            d = await joined(long, "d")
            await d.stop()
    finally:
        await a.stop()
    assert len(asked) < 16


async def test_s68_another_anchor_is_chosen_when_nobody_has_the_first(
    long: LongNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_sync, "_STUCK_S", 0.5)
    asked = 0

    def losing(node: Node) -> Answer:
        async def answer(kind: int, body: bytes) -> bytes:
            nonlocal asked
            if kind == FrameKind.FETCH_ANCHOR:
                asked += 1
            elif asked < 2:
                raise PoolError(ErrorCode.NOT_HERE_YET, "gone")
            return await honest(node, kind, body)

        return answer

    a = Node(long.network, "a")
    peers = [ScriptedPeer(long.network, name, losing(a), height=BLOCKS) for name in "bc"]
    try:
        async with scripted(*peers):
            d = await joined(long, "d")
            await d.stop()
    finally:
        await a.stop()
    assert asked >= 2


async def test_s68_a_node_far_behind_keeps_what_it_had(long: LongNetwork) -> None:
    """It has blocks of its own: the databases that are replaced are kept."""
    short = make_prefix(long, 20)
    async with running(long.network, "a", "b", "c"):
        d = await joined(long, "d")
        await d.stop()
    (kept,) = d.home.data.glob("replaced-*")
    assert sorted(path.name for path in kept.iterdir()) == ["HEAD", "blocks", "state"]
    assert short == 20


def make_prefix(long: LongNetwork, blocks: int) -> int:
    """Give d the first blocks of the chain."""
    from chain.ledger import Ledger
    from chain.storage.head import HeadFile
    from chain.storage.level import LevelDatabase
    from tests.ledgers import take

    def opened(name: str) -> Ledger:
        data = long.network.home(name) / "data"
        data.mkdir(exist_ok=True)
        databases = LevelDatabase(data / "blocks"), LevelDatabase(data / "state")
        ledger = Ledger(long.network.genesis, *databases, HeadFile(data / "HEAD"))
        ledger.open()
        return ledger

    source, target = opened("a"), opened("d")
    for height in range(1, blocks + 1):
        package = read_package(source.blocks, height)
        assert package is not None
        take(target, package)
    source.close()
    target.close()
    return blocks


class Stop(Exception):
    """A crash."""


def crashing_renames(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """The process ends before the rename or removal of this number."""
    left = iter(range(after, -1, -1))

    def counted(original: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            if next(left) == 0:
                raise Stop
            return original(*arguments, **options)

        return call

    for owner, name in ((Path, "rename"), (Path, "unlink"), (Path, "mkdir"), (shutil, "rmtree")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    for place, content in ((data, "old"), (data / FOLDER, "new")):
        for name in ("blocks", "state"):
            (place / name).mkdir(parents=True)
            (place / name / "CURRENT").write_text(content)
    make_head(data / "HEAD", 20)
    make_head(data / FOLDER / "HEAD", 256)
    (data / FOLDER / "COMPLETE").write_text("replaced-x")
    return data


def make_head(path: Path, height: int) -> None:
    from chain.storage.head import Head, HeadFile

    anchor = HeadFile(path)
    anchor.write(Head(height, bytes(32)))
    anchor.close()


def head_of(path: Path) -> int:
    from chain.storage.head import HeadFile

    anchor = HeadFile(path)
    head = anchor.read()
    anchor.close()
    assert head is not None
    return head.height


def test_s39_databases_are_replaced_step_by_step(complete: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash before every step: the next start goes on, and nothing is lost."""
    spare = complete.with_name("spare")
    shutil.copytree(complete, spare)
    for after in range(30):
        with monkeypatch.context() as patch:
            crashing_renames(patch, after)
            try:
                take_over(complete)
                is_done = True
            except Stop:
                is_done = False
        take_over(complete)
        assert [(complete / name / "CURRENT").read_text() for name in ("blocks", "state")] == ["new", "new"]
        assert head_of(complete / "HEAD") == 256
        kept = complete / "replaced-x"
        assert [(kept / name / "CURRENT").read_text() for name in ("blocks", "state")] == ["old", "old"]
        assert head_of(kept / "HEAD") == 20
        assert not (complete / FOLDER / "COMPLETE").exists()
        if is_done:
            break
        shutil.rmtree(complete)
        shutil.copytree(spare, complete)
    assert is_done
    assert after >= 8
