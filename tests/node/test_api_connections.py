"""HTTP connections that are slow, endless, too many or no HTTP: they end with an answer, and others are served."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from chain.errors import ErrorCode, PoolError
from node.api import bodies, protocol
from tests.node.cluster import Network, Node, running, single
from tests.node.link_cluster import until
from tests.node.test_bad_input import submit

HEAD = b"POST /v1/transactions HTTP/1.1\r\nHost: n\r\nContent-Type: application/msgpack\r\n"


@asynccontextmanager
async def connection(client: httpx.AsyncClient) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def last_words(reader: asyncio.StreamReader) -> tuple[int, dict[str, object]]:
    """Status and problem of an answer after which the connection is closed."""
    async with asyncio.timeout(10):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return int(head.split()[1]), json.loads(body)


async def test_s48_a_head_that_does_not_end_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """s48: slow-loris, before the first byte, within the first head, and within a later one."""
    monkeypatch.setattr(protocol, "_HEAD_S", 0.3)

    async with single(tmp_path) as (network, _, client):
        for sent in (b"", b"GET /healthz HT", HEAD, b"GET /healthz HTTP/1.1\r\nHost: n\r\n\r\nGET /v1"):
            async with connection(client) as (reader, writer):
                writer.write(sent)
                if b"\r\n\r\n" in sent:
                    assert (await reader.readuntil(b'{"status":"ok"}')).startswith(b"HTTP/1.1 200")
                status, problem = await last_words(reader)
                assert (status, problem["code"]) == (400, ErrorCode.BAD_REQUEST)
                assert "in time" in str(problem["detail"])
        await submit(client, network.dataset())


async def test_a_head_that_is_complete_in_time_is_not_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_HEAD_S", 0.3)

    async with single(tmp_path) as (_, _, client), connection(client) as (reader, writer):
        for _ in range(3):
            writer.write(b"GET /healthz HTTP/1.1\r\nHos")
            await asyncio.sleep(0.15)
            writer.write(b"t: n\r\n\r\n")
            assert (await reader.readuntil(b'{"status":"ok"}')).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.5)  # idle between requests is another bound, and a longer one
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: n\r\n\r\n")
        assert (await reader.readuntil(b'{"status":"ok"}')).startswith(b"HTTP/1.1 200")


async def test_s48_a_head_without_end_is_not_kept(tmp_path: Path) -> None:
    async with single(tmp_path) as (_, _, client), connection(client) as (reader, writer):
        writer.write(HEAD)
        sent_bytes = 0
        while not reader.at_eof() and sent_bytes < 2**24:
            writer.write(b"X-More: " + b"m" * 16_000 + b"\r\n")
            sent_bytes += 16_010
            try:
                async with asyncio.timeout(5):
                    await writer.drain()
            except ConnectionError:
                break
            await asyncio.sleep(0)
        assert sent_bytes < 2**22


async def test_s48_a_head_that_comes_at_once_is_bounded_too(tmp_path: Path) -> None:
    async with single(tmp_path) as (_, _, client), connection(client) as (reader, writer):
        for size, status in ((60_000, b"200"), (70_000, b"400")):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: n\r\nX-More: " + b"m" * size + b"\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 " + status)
            await reader.readuntil(b"}")


async def test_s48_who_takes_no_answer_loses_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_UNTAKEN_S", 0.2)
    monkeypatch.setattr(protocol, "_PIPELINED", 200)
    async with single(tmp_path) as (_, node, client), connection(client) as (reader, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: n\r\n\r\n" * 199)
        server = node._server
        assert server is not None
        await until(lambda: len(server._server.server_state.connections) == 1)
        await until(lambda: len(server._server.server_state.connections) == 0)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert (await reader.read()).count(b"HTTP/1.1 200") < 199


async def test_s48_a_body_that_does_not_come_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_BODY_S", 0.3)

    async with single(tmp_path) as (_, node, client):
        for sent in (b"", b"\x93\xc4"):
            async with connection(client) as (reader, writer):
                writer.write(HEAD + b"Content-Length: 1000\r\n\r\n" + sent)
                status, problem = await last_words(reader)
                assert (status, problem["code"]) == (400, ErrorCode.BAD_REQUEST)
                assert "the body did not come" in str(problem["detail"])
        assert len(node.service.pool.mempool) == 0


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9.9\r\n\r\n"])
async def test_s46_what_is_no_http(tmp_path: Path, sent: bytes) -> None:
    async with single(tmp_path) as (_, _, client), connection(client) as (reader, writer):
        writer.write(sent)
        status, problem = await last_words(reader)
        assert (status, problem["code"]) == (400, ErrorCode.BAD_REQUEST)


@pytest.mark.parametrize("setting", ["connections", "connections_per_address"])
async def test_s48_more_connections_than_are_served_get_503(tmp_path: Path, setting: str) -> None:
    async with bounded(tmp_path, f"{setting} = 3") as node:
        await crowd(node)


@asynccontextmanager
async def bounded(folder: Path, *settings: str) -> AsyncIterator[Node]:
    """A network of one node with these settings of its API."""
    network = Network.create(folder, validators="a", others=())
    config = network.home("a") / "config.toml"
    config.write_text(config.read_text().replace("[api]", "\n".join(["[api]", *settings])))
    async with running(network, "a", api=True) as (node,):
        yield node


async def crowd(node: Node) -> None:
    """Three connections stay open, a fourth is told so, and there is room again when one has gone."""
    health = b"GET /healthz HTTP/1.1\r\nHost: n\r\n\r\n"
    async with httpx.AsyncClient(base_url=node.api_url) as client:
        async with connection(client) as (reader, writer):
            async with connection(client) as first, connection(client) as second:
                for idle_reader, idle_writer in (first, second, (reader, writer)):
                    idle_writer.write(health)
                    assert (await idle_reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
                response = await client.get("/healthz")
                assert (response.status_code, response.json()["code"]) == (503, ErrorCode.NOT_READY)
                assert response.headers["retry-after"] == "1"
            writer.write(health)
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
        async with asyncio.timeout(5):
            while (await client.get("/healthz")).status_code != 200:
                await asyncio.sleep(0.01)


async def test_s48_an_address_that_has_its_share_does_not_keep_others_out(tmp_path: Path) -> None:
    """The loopback interface has more addresses than one; each is a client of its own."""

    async with bounded(tmp_path, "connections_per_address = 2") as node, AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=node.api_url))
        crowd = [await stack.enter_async_context(connection(client)) for _ in range(5)]
        transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        neighbour = await stack.enter_async_context(
            httpx.AsyncClient(base_url=node.api_url, transport=transport, trust_env=False)
        )
        assert (await neighbour.get("/healthz")).status_code == 200
        for number, (reader, writer) in enumerate(crowd):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: n\r\n\r\n")
            if number < 2:  # those who came first are served on, however many came later
                assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
            else:
                status, problem = await last_words(reader)
                assert (status, problem["code"]) == (503, ErrorCode.NOT_READY)


async def test_s48_of_a_flood_all_but_a_few_are_dropped_at_once(tmp_path: Path) -> None:
    async with bounded(tmp_path, "connections_per_address = 2") as node, AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=node.api_url))
        flood = [await stack.enter_async_context(connection(client)) for _ in range(2 + protocol._REFUSED + 40)]
        async with asyncio.timeout(5):  # not the ten seconds that a head has
            while sum(reader.at_eof() or reader.exception() is not None for reader, _ in flood) < 40:
                await asyncio.sleep(0.01)
        held, dropped = flood[: 2 + protocol._REFUSED], flood[2 + protocol._REFUSED :]
        assert not any(reader.at_eof() or reader.exception() for reader, _ in held)
        assert all(reader.at_eof() or reader.exception() for reader, _ in dropped)


@pytest.mark.parametrize(
    ("target", "content_type", "status"),
    [
        (b"/v1/transactions?wait=never", b"application/msgpack", 400),
        (b"/v1/transactions", b"text/plain", 400),
        (b"/v1/transactions", b"application/msgpack", 413),
        (b"/v1/shares?scope=none", b"application/msgpack", 400),
        (b"/v1/shares", b"text/plain", 400),
        (b"/v1/nothing", b"application/msgpack", 404),
        (b"/v1/status", b"application/msgpack", 405),
    ],
)
async def test_a_refusal_reaches_a_client_that_closes_after_it(
    tmp_path: Path, target: bytes, content_type: bytes, status: int
) -> None:
    """As reverse proxies do: a connection that is closed with bytes unread is reset, and the answer is lost with it."""

    async with single(tmp_path) as (_, _, client):
        for size_bytes in (4_200_000, 9_000_000):
            async with connection(client) as (reader, writer):
                head = b"POST %b HTTP/1.1\r\nHost: n\r\nConnection: close\r\nContent-Type: %b\r\n"
                writer.write(head % (target, content_type) + b"Content-Length: %d\r\n\r\n" % size_bytes)
                writer.write(bytes(size_bytes))
                await writer.drain()
                found, problem = await last_words(reader)
                assert (found, problem["status"]) == (status, status)


async def test_s48_the_rest_of_a_refused_request_has_an_end_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks without end, each thrown away, on a connection that was to stay open."""
    monkeypatch.setattr(protocol, "_UNREAD_S", 0.3)

    async with single(tmp_path) as (_, _, client), connection(client) as (reader, writer):
        writer.write(b"POST /v1/nothing HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 404")
        async with asyncio.timeout(5):
            while not reader.at_eof() and reader.exception() is None:
                writer.write(b"5\r\nchunk\r\n")
                await asyncio.sleep(0.01)


async def test_s48_bodies_on_their_way_have_bounded_room(tmp_path: Path) -> None:
    """Seventeen bodies of almost 4 MiB that do not end: 64 MiB is what one address may have here."""

    async with single(tmp_path) as (network, _, client), AsyncExitStack() as stack:
        await submit(client, network.dataset())
        crowd = [await stack.enter_async_context(connection(client)) for _ in range(17)]
        for _, writer in crowd:
            writer.write(HEAD + b"Content-Length: 4194304\r\n\r\n" + bytes(4_194_303))
            await writer.drain()
        waiting = [asyncio.ensure_future(reader.readuntil(b"}")) for reader, _ in crowd]
        done, pending = await asyncio.wait(waiting, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        assert len(pending) >= 15
        for answered in done:
            assert (await answered).startswith(b"HTTP/1.1 503")
        transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        async with httpx.AsyncClient(base_url=client.base_url, transport=transport, trust_env=False) as neighbour:
            await submit(neighbour, network.parcel([b'{"n":%d}' % n for n in range(4000)]))
        for task in pending:
            task.cancel()


def test_s48_room_is_given_back() -> None:
    room = bodies.BodyRoom(100, 2)
    room.take("x", 50)
    for source, size_bytes in (("x", 1), ("y", 51)):
        with pytest.raises(PoolError):
            room.take(source, size_bytes)
    room.take("y", 50)
    with pytest.raises(PoolError):
        room.take("z", 1)
    room.give_back("x", 50)
    room.take("z", 50)


async def test_s48_requests_sent_ahead_without_end_close_the_connection(tmp_path: Path) -> None:
    """A few are answered in their order; hundreds would each wait in memory for the answers before them."""
    asked = b"GET /healthz HTTP/1.1\r\nHost: n\r\n\r\n"

    async with single(tmp_path) as (_, _, client):
        async with connection(client) as (reader, writer):
            writer.write(asked * 10)
            for _ in range(10):
                assert (await reader.readuntil(b'{"status":"ok"}')).startswith(b"HTTP/1.1 200")
        async with connection(client) as (reader, writer):
            writer.write(asked * 1000)
            async with asyncio.timeout(10):
                answers = await reader.read()
            assert answers.count(b"HTTP/1.1 200") < 100
