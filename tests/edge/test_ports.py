"""A real daemon's real ports under attack (scenario 48): connections that never end, bodies without end, floods, TLS
that is none. Meanwhile its department's own transactions commit in time; memory and descriptors stay within bounds; and
afterwards everything is as before, at once.
"""

import asyncio
import resource
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from chain.limits import MIB
from tests.edge.http import exchange, request
from tests.integration.daemons import Daemons, daemons, until

ATTACKED = "a"
ATTACKER = "127.0.0.2"
"""The loopback interface has more addresses than one: clients and the attacker do not share theirs."""
HOST = "127.0.0.1"
CONNECTIONS = 3000
SHARE = 64
"""Of HTTP connections for each address, in this network."""
COMMIT_S_MAX = 5.0
"""While an attack runs and the machine is busy; usually it takes a tenth of a second."""
MEMORY_GROWTH_BYTES_MAX = 96 * MIB
DESCRIPTOR_GROWTH_MAX = SHARE + 64 + 64 + 32
"""Connections served, being refused, at the port for nodes, and some files."""
ATTACK_S = 1.5
Attack = Callable[["Target"], Awaitable[None]]


class Target:
    """The daemon under attack, seen from outside."""

    def __init__(self, network: Daemons) -> None:
        self.network = network
        self.pid = network.nodes[ATTACKED].pid
        self.api_port = int(network.url(ATTACKED).rpartition(":")[2])
        member = network.network.genesis.founder(ATTACKED)
        assert member is not None
        assert member.node is not None
        self.peer_port = int(member.node.address.rpartition(":")[2])
        self.opened = 0

    @asynccontextmanager
    async def connection(self, port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(HOST, port, local_addr=(ATTACKER, 0))
        self.opened += 1
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    @property
    def memory_bytes(self) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


async def each(count: int, attack: Callable[[int], Awaitable[None]]) -> None:
    """So many attackers at once; being shut out is what they must expect."""

    async def one(number: int) -> None:
        try:
            async with asyncio.timeout(ATTACK_S):
                await attack(number)
        except (OSError, TimeoutError, ssl.SSLError, asyncio.IncompleteReadError):
            pass

    await asyncio.gather(*(one(number) for number in range(count)))


async def hold(target: Target, port: int, sent: bytes, trickle: bytes = b"", pause_s: float = 0.05) -> None:
    """Connect, send, and go on for ever, as slowly as ``pause_s`` says."""
    async with target.connection(port) as (_, writer):
        writer.write(sent)
        while not writer.is_closing():
            writer.write(trickle)
            await writer.drain()
            await asyncio.sleep(pause_s)


POST = b"POST /v1/transactions HTTP/1.1\r\nHost: n\r\nContent-Type: application/msgpack\r\n"


async def slow_loris(target: Target) -> None:
    await each(200, lambda number: hold(target, target.api_port, POST[: 5 + number % 60], b"x"))


async def trickling_bodies(target: Target) -> None:
    await each(200, lambda _: hold(target, target.api_port, POST + b"Content-Length: 4000000\r\n\r\n", b"\x93"))


async def giant_bodies(target: Target) -> None:
    head = POST + b"Content-Length: 4194304\r\n\r\n"
    await each(40, lambda _: hold(target, target.api_port, head, bytes(MIB), 0))


async def bodies_declared_giant(target: Target) -> None:
    head = POST + b"Content-Length: 99999999999999\r\n\r\n"
    await each(100, lambda _: hold(target, target.api_port, head, bytes(65_536), 0))


async def endless_chunks(target: Target) -> None:
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    await each(40, lambda _: hold(target, target.api_port, head, b"10000\r\n" + bytes(65_536) + b"\r\n", 0))


async def endless_heads(target: Target) -> None:
    await each(100, lambda _: hold(target, target.api_port, POST, b"X-More: " + b"m" * 8000 + b"\r\n", 0))


async def half_open(target: Target) -> None:
    async def one(number: int) -> None:
        port = target.peer_port if number % 2 else target.api_port
        async with target.connection(port) as (reader, writer):
            writer.write(POST[: number % len(POST)])
            writer.write_eof()
            await reader.read()
            await asyncio.sleep(ATTACK_S)

    await each(400, one)


async def flood_of_connections(target: Target) -> None:
    async def one(number: int) -> None:
        await asyncio.sleep(ATTACK_S / 3 * number / CONNECTIONS)
        await hold(target, target.peer_port if number % 2 else target.api_port, b"")

    await each(CONNECTIONS, one)


async def unread_answers(target: Target) -> None:
    """Asks for large answers on one connection after the other, and reads none of them."""
    many = request(b"GET", b"/openapi.json").replace(b"Connection: close", b"X-No: 1") * 500
    await each(100, lambda _: hold(target, target.api_port, many, many, 0.01))


async def garbage(target: Target) -> None:
    async def one(number: int) -> None:
        random = Random(number)
        starts = (
            b"",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"\x16\x03\x03\xff\xff",
            b"\x15\x03\x03\x00\x02\x02\x28",
        )
        async with target.connection((target.peer_port, target.api_port)[number % 2]) as (reader, writer):
            writer.write(random.choice(starts) + random.randbytes(random.randrange(20_000)))
            await reader.read()

    await each(400, one)


async def broken_handshakes(target: Target) -> None:
    """TLS that begins well: a stranger's, an old version's, and one that stops in the middle."""

    async def one(number: int) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if number % 3 == 1:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if number % 3 == 2:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            with pytest.raises(ssl.SSLWantReadError):
                context.wrap_bio(incoming, outgoing).do_handshake()
            hello = outgoing.read()
            await hold(target, target.peer_port, hello[: Random(number).randrange(len(hello))])
        reader, writer = await asyncio.open_connection(
            HOST, target.peer_port, local_addr=(ATTACKER, 0), ssl=context, server_hostname="n"
        )
        target.opened += 1
        writer.write(bytes(1000))
        await reader.read()
        writer.close()

    await each(120, one)


ATTACKS: tuple[Attack, ...] = (
    slow_loris,
    trickling_bodies,
    giant_bodies,
    bodies_declared_giant,
    endless_chunks,
    endless_heads,
    half_open,
    flood_of_connections,
    unread_answers,
    garbage,
    broken_handshakes,
)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    """Four daemons; the one that is attacked gives each address a small share."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CONNECTIONS + 500:
        pytest.skip(f"the attack needs {CONNECTIONS + 500} open files, the limit is {hard}")
    with daemons(tmp_path_factory.mktemp("ports")) as network:
        config = network.network.home(ATTACKED) / "config.toml"
        config.write_text(config.read_text().replace("[api]", f"[api]\nconnections_per_address = {SHARE}"))
        network.start()
        network.submit(network.network.dataset(), ATTACKED)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CONNECTIONS + 500), hard))
        yield network
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.integration
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_s48_a_node_under_attack_goes_on(network: Daemons, attack: Attack) -> None:
    target = Target(network)
    memory_bytes, descriptors = target.memory_bytes, target.descriptors
    peaks = [0, 0]
    slowest_s = 0.0

    async def watch() -> None:
        while True:
            peaks[0] = max(peaks[0], target.memory_bytes - memory_bytes)
            peaks[1] = max(peaks[1], target.descriptors - descriptors)
            await asyncio.sleep(0.05)

    async def commit() -> float:
        """Seconds until a transaction of an honest client is committed through the node under attack."""
        started_s = time.monotonic()
        body = network.network.parcel()
        sent = request(b"POST", b"/v1/transactions?wait=commit", {b"Content-Type": b"application/msgpack"}, body)
        answer = await exchange(HOST, target.api_port, sent)
        assert answer.status == 200, answer
        return time.monotonic() - started_s

    watching, attacking = asyncio.ensure_future(watch()), asyncio.ensure_future(attack(target))
    while not attacking.done():
        slowest_s = max(slowest_s, await commit())
        await asyncio.sleep(0.1)
    await attacking
    watching.cancel()
    assert await commit() < COMMIT_S_MAX, "afterwards, at once"
    figures = f"{target.opened} opened, {slowest_s:.2f} s, +{peaks[0] / MIB:.0f} MiB, +{peaks[1]} descriptors"
    print(f"{attack.__name__}: {figures}")
    assert target.opened or peaks[1] > 0, "the attack has not reached the node"  # on a busy machine it may end early
    assert slowest_s < COMMIT_S_MAX, figures
    assert peaks[0] < MEMORY_GROWTH_BYTES_MAX, figures
    assert peaks[1] <= DESCRIPTOR_GROWTH_MAX, figures
    until(lambda: target.descriptors <= descriptors + 8)
    status = network.status(ATTACKED)
    assert status["is_ready"]
    assert all(peer["connected"] for peer in status["peers"])  # type: ignore[attr-defined]
