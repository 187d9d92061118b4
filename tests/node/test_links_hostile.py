"""Links against strangers, impostors and peers that break the rules: each is shut out, and the node goes on."""

import asyncio
import contextlib
import gc
import logging
import random
import socket
import ssl
import struct
import time
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chain.limits import KIB, MIB
from node.links import Peer
from node.tls import LinkIdentity, client_context, server_context
from tests.node.link_cluster import (
    CHAIN_ID,
    DEAR,
    GREAT,
    HOST,
    MALFORMED,
    SLOW,
    LinkNode,
    RawPeer,
    cluster,
    hello_of,
    identity,
    limits,
    single,
    until,
)

HELLO, REFUSE, PING, PONG, REQUEST, RESPONSE = 1, 2, 3, 4, 5, 6
MESSAGE = 20
MORE = 0x80
METEOROLOGY = identity("meteorology")


async def is_still_served(node: LinkNode) -> bool:
    """Whether the known peer gets a link and its message through, once its penalty is over."""
    await until(lambda: not node.links._states["meteorology"].barred_s)
    peer = await RawPeer.established(METEOROLOGY, node)
    before = len(node.messages)
    peer.write_frame(MESSAGE, b"still there")
    await until(lambda: len(node.messages) > before)
    peer.writer.close()
    return node.messages[-1] == ("meteorology", MESSAGE, b"still there")


async def test_unknown_certificate_is_refused_in_the_handshake() -> None:
    async with single(METEOROLOGY) as node:
        stranger = await RawPeer.dial(identity("meteorology", salt="another key"), node)
        stranger.write_frame(HELLO, hello_of(METEOROLOGY))
        assert await stranger.read_to_end() == b""
        assert not node.links.status()["meteorology"].connected_in
        assert await is_still_served(node)


async def test_client_without_certificate_is_refused() -> None:
    async with single(METEOROLOGY) as node:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        anonymous = await RawPeer.dial(METEOROLOGY, node, context)
        anonymous.write_frame(HELLO, hello_of(METEOROLOGY))
        assert await anonymous.read_to_end() == b""
        assert not node.links.status()["meteorology"].connected_in


async def test_old_tls_is_refused_even_with_the_right_certificate() -> None:
    async with single(METEOROLOGY) as node:
        context = client_context(METEOROLOGY, [node.me.certificate])
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await RawPeer.dial(METEOROLOGY, node, context)
        assert await is_still_served(node)


async def test_dialled_node_with_another_certificate_is_not_spoken_to() -> None:
    async with cluster("registry") as (impostor,):
        impostor.links.update_peers({"aviation": Peer(HOST, 1, identity("aviation").certificate)})
        node = LinkNode(identity("aviation"))
        await node.start()
        # The impostor sits at meteorology's address with registry's certificate, which is a member's too.
        peers = {
            "meteorology": Peer(HOST, impostor.port, METEOROLOGY.certificate),
            "registry": Peer(HOST, 1, impostor.me.certificate),
        }
        node.links.update_peers(peers)
        await until(lambda: node.links.status()["meteorology"].last_error)
        assert "CERTIFICATE_VERIFY_FAILED" in (node.links.status()["meteorology"].last_error or "")
        assert not node.links.send("meteorology", MESSAGE, b"secret")
        await node.links.close()


def issued_by(authority: LinkIdentity, member: str) -> LinkIdentity:
    """A certificate in `member`'s name that is signed with another member's key."""
    leaf = identity(member, salt="issued")
    issuer = x509.load_der_x509_certificate(authority.certificate)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, member)]))
        .issuer_name(issuer.subject)
        .public_key(leaf.private_key.public_key())
        .serial_number(1)
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_after_utc)
        .sign(authority.private_key, None)
    )
    return LinkIdentity(member, certificate.public_bytes(Encoding.DER), leaf.private_key)


def authority_identity(member: str) -> LinkIdentity:
    """A member that enrolled a certificate which claims to be an authority."""
    key = identity(member).private_key
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, member)])
    plain = x509.load_der_x509_certificate(identity(member).certificate)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(plain.not_valid_before_utc)
        .not_valid_after(plain.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None)
    )
    return LinkIdentity(member, certificate.public_bytes(Encoding.DER), key)


async def test_certificate_issued_by_a_member_is_nobodys() -> None:
    """OpenSSL lets it through, since the member's certificate says it is an authority: the pin must not."""

    authority = authority_identity("meteorology")
    async with single(authority) as node:
        peer = await RawPeer.dial(issued_by(authority, "branch"), node)
        peer.write_frame(HELLO, hello_of(authority))
        kind, text = await peer.read_frame()
        assert kind == REFUSE
        assert b"not in any member's record" in text


async def test_dialled_node_with_an_issued_certificate_is_not_spoken_to() -> None:
    authority = authority_identity("meteorology")
    node = LinkNode(identity("aviation"))
    tls = server_context(issued_by(authority, "branch"), [node.me.certificate])
    server = await asyncio.start_server(lambda reader, writer: None, HOST, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    await node.start()
    node.links.update_peers({"meteorology": Peer(HOST, port, authority.certificate)})
    await until(lambda: node.links.status()["meteorology"].last_error)
    assert "another certificate" in (node.links.status()["meteorology"].last_error or "")
    await node.links.close()
    server.close()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (hello_of(METEOROLOGY, chain_id=b"\x08" * 32), b"chain 0808"),
        (hello_of(METEOROLOGY, member="registry"), b"certificate of 'meteorology'"),
        (b"\x00\x03" + hello_of(METEOROLOGY)[2:], b"version 3 meets version 2"),
        (hello_of(METEOROLOGY)[:-1], b"truncated"),
        (hello_of(METEOROLOGY) + b"\x00", b"trailing"),
        (b"\x00", b"without a version"),
    ],
    ids=["other chain", "other member", "other version", "cut short", "trailing byte", "one byte"],
)
async def test_wrong_hello_is_refused_with_the_reason(body: bytes, reason: bytes) -> None:
    async with single(METEOROLOGY) as node:
        peer = await RawPeer.dial(METEOROLOGY, node)
        peer.write_frame(HELLO, body)
        kind, text = await peer.read_frame()
        assert kind == REFUSE
        assert reason in text
        assert await peer.read_to_end() == b""
        assert not node.links.status()["meteorology"].connected_in
        assert await is_still_served(node)


async def test_s13_node_of_another_chain_learns_why_it_gets_no_link() -> None:
    async with cluster("aviation") as (node,):
        other = LinkNode(METEOROLOGY, chain_id=b"\x09" * 32)
        await other.start()
        other.links.update_peers({"aviation": node.as_peer()})
        node.links.update_peers({"meteorology": other.as_peer()})
        wanted = f"refused by the peer: chain {'09' * 32} meets chain {CHAIN_ID.hex()}"
        await until(lambda: other.links.status()["aviation"].last_error == wanted)
        assert other.links.connected == []
        await other.links.close()


@pytest.mark.parametrize("kind", [MESSAGE, PING, REQUEST, RESPONSE, 0])
async def test_nothing_but_a_hello_is_taken_first(kind: int) -> None:
    async with single(METEOROLOGY) as node:
        peer = await RawPeer.dial(METEOROLOGY, node)
        peer.write_frame(kind, bytes(9))
        assert (await peer.read_frame())[0] == REFUSE
        assert await peer.read_to_end() == b""
        assert node.messages == []


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">IB", 0xFFFFFFFF, MESSAGE),
        struct.pack(">IB", 64 * 1024 + 2, MESSAGE),
        struct.pack(">IB", 0, MESSAGE),
        struct.pack(">IB", 2, MORE | MESSAGE) + b"x" + struct.pack(">IB", 2, MESSAGE + 1) + b"x",
        struct.pack(">IB", 1, MORE | MESSAGE),
        struct.pack(">IB", 1, HELLO),
        struct.pack(">IB", 1, RESPONSE),
        struct.pack(">IB", 3, REQUEST) + b"ab",
        struct.pack(">IB", 1, 9),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=[
        "giant length",
        "length one over",
        "length zero",
        "mixed kinds in one frame",
        "empty segment",
        "second hello",
        "answer on the wrong side",
        "request without id",
        "reserved kind",
        "http",
    ],
)
async def test_s46_s47_broken_frames_end_the_link(data: bytes) -> None:
    async with single(METEOROLOGY) as node:
        peer = await RawPeer.established(METEOROLOGY, node)
        peer.writer.write(data)
        assert await peer.read_to_end() == b""
        await until(lambda: not node.links.status()["meteorology"].connected_in)
        assert node.messages == []
        assert await is_still_served(node)


async def test_s47_giant_length_is_refused_before_anything_is_allocated_for_it() -> None:
    async with single(METEOROLOGY) as node:
        peer = await RawPeer.established(METEOROLOGY, node)
        tracemalloc.start()
        peer.writer.write(struct.pack(">IB", 0x7FFFFFFF, MESSAGE) + bytes(4096))
        assert await peer.read_to_end() == b""
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak_bytes < MIB


async def test_s47_frame_that_grows_beyond_the_limit_is_refused() -> None:
    async with single(METEOROLOGY, limits(frame_size_bytes=MIB)) as node:
        peer = await RawPeer.established(METEOROLOGY, node)
        for _ in range(17):  # 17 x 64 KiB, and always one more to come
            peer.write_frame(MORE | MESSAGE, bytes(64 * 1024))
        assert await peer.read_to_end() == b""
        await until(lambda: not node.links.status()["meteorology"].connected_in)


@pytest.mark.parametrize("seed", range(20))
async def test_s46_random_bytes_end_the_link_and_nothing_else(seed: int) -> None:
    noise = random.Random(seed)
    async with single(METEOROLOGY) as node:
        plain_reader, plain_writer = await asyncio.open_connection(HOST, node.port)
        plain_writer.write(noise.randbytes(4096))
        peer = await RawPeer.established(METEOROLOGY, node)
        peer.writer.write(b"\xff" + noise.randbytes(100 + 1000 * seed))  # the first length is out of bounds
        assert await peer.read_to_end() == b""
        with contextlib.suppress(ConnectionError):
            await plain_reader.read()
        plain_writer.close()
        assert await is_still_served(node)


async def silent_from(
    node: LinkNode, address: str, count: int
) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connections that say nothing."""
    return [await asyncio.open_connection(HOST, node.port, local_addr=(address, 0)) for _ in range(count)]


def refusals(node: LinkNode) -> Counter[str]:
    return Counter(reason for event, reason in node.events if event == "refused")


@pytest.mark.parametrize("stranger", ["127.0.0.2", HOST], ids=["elsewhere", "at a member's address"])
async def test_s59_the_oldest_silent_connection_makes_room(stranger: str) -> None:
    bounds = limits(first_byte_timeout_s=30.0, unauthenticated_per_address=4)
    async with single(METEOROLOGY, bounds) as node:
        silent = await silent_from(node, stranger, 20)
        async with asyncio.timeout(10):
            assert [await reader.read() for reader, _ in silent[:16]] == [b""] * 16
        assert not any(reader.at_eof() for reader, _ in silent[16:])
        assert await is_still_served(node)
        assert refusals(node)["crowded"] in (16, 17)
        for _, writer in silent:
            writer.close()


async def test_s59_strangers_at_many_addresses_take_no_place_of_a_members_address() -> None:
    async with single(METEOROLOGY, limits(first_byte_timeout_s=30.0, strangers=8)) as node:
        peer = await RawPeer.dial(METEOROLOGY, node)  # and takes its time over its hello
        silent = [one for host in range(2, 42) for one in await silent_from(node, f"127.0.0.{host}", 2)]
        async with asyncio.timeout(10):
            while sum(reader.at_eof() for reader, _ in silent) < 72:
                await asyncio.sleep(0.01)
        peer.write_frame(HELLO, hello_of(METEOROLOGY))
        assert (await peer.read_frame())[0] == HELLO
        for _, writer in silent:
            writer.close()


async def test_s59_a_connection_that_says_nothing_is_gone_after_a_moment() -> None:
    async with single(METEOROLOGY, limits(first_byte_timeout_s=0.2, handshake_timeout_s=30.0)) as node:
        ((reader, writer),) = await silent_from(node, "127.0.0.2", 1)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        await until(lambda: refusals(node) == {"silent": 1})
        writer.close()


async def test_s59_members_do_not_wait_for_the_handshakes_of_strangers() -> None:
    bounds = limits(strangers_handshakes_per_s=0.1, handshakes_at_once=1)
    async with single(METEOROLOGY, bounds) as node:
        context = client_context(METEOROLOGY, [node.me.certificate])

        async def shake_hands() -> None:
            stranger = ("127.0.0.2", 0)
            _, writer = await asyncio.open_connection(
                HOST, node.port, ssl=context, server_hostname="", local_addr=stranger
            )
            writer.close()

        await shake_hands()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await shake_hands()
        assert await is_still_served(node)


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"GET / HTTP/1.1\r\nHost: node\r\n\r\n", "not_tls"), (b"\x16\x03\x01\x00\x10" + bytes(16), "tls")],
)
async def test_s60_handshakes_that_fail_leave_nothing_and_are_counted(
    data: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with single(METEOROLOGY, limits(strangers_handshakes_per_s=10_000.0)) as node:

        async def fail(count: int) -> None:
            loop = asyncio.get_running_loop()
            for _ in range(count):
                with socket.socket() as sock:  # less of our own to collect than streams have
                    sock.setblocking(False)
                    sock.bind(("127.0.0.2", 0))
                    await loop.sock_connect(sock, (HOST, node.port))
                    await loop.sock_sendall(sock, data)
                    with contextlib.suppress(ConnectionError):
                        while await loop.sock_recv(sock, KIB):
                            pass

        await fail(20)
        gc.collect()
        gc.disable()  # what only the collector would free, it frees late: a node's threshold is high
        tracemalloc.start()
        try:
            await fail(100)
            grown_bytes, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            gc.enable()
        assert grown_bytes < 100 * KIB
        assert refusals(node) == {reason: 120}
    assert [record.getMessage() for record in caplog.records if "no link to" not in record.getMessage()] == []


async def test_s48_peer_that_never_says_hello_is_closed() -> None:
    async with single(METEOROLOGY, limits(handshake_timeout_s=0.5, ping_interval_s=60.0)) as node:
        peer = await RawPeer.dial(METEOROLOGY, node)
        assert await peer.read_to_end() == b""
        assert await is_still_served(node)


async def test_s43_frozen_peer_that_dialled_us_is_noticed() -> None:
    async with single(METEOROLOGY, limits(ping_interval_s=0.05)) as node:
        peer = await RawPeer.established(METEOROLOGY, node)  # and from now on says nothing
        assert node.links.status()["meteorology"].connected_in
        await peer.read_to_end()
        await until(lambda: not node.links.status()["meteorology"].connected_in)


async def test_s43_frozen_peer_that_we_dialled_is_noticed_and_dialled_again() -> None:
    writers = []

    async def hello_and_nothing_more(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = hello_of(METEOROLOGY)
        writer.write(struct.pack(">IB", 1 + len(hello), HELLO) + hello)
        writers.append(writer)

    node = LinkNode(identity("aviation"), limits=limits(ping_interval_s=0.05))
    tls = server_context(METEOROLOGY, [node.me.certificate])
    server = await asyncio.start_server(hello_and_nothing_more, HOST, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    await node.start()
    node.links.update_peers({"meteorology": Peer(HOST, port, METEOROLOGY.certificate)})
    await until(lambda: len(node.events) >= 3)
    assert node.events[:3] == [("up", "meteorology"), ("down", "meteorology"), ("up", "meteorology")]
    await node.links.close()
    for writer in writers:
        writer.close()
    server.close()


@asynccontextmanager
async def answering(*answers: Callable[[bytes], bytes]) -> AsyncIterator[LinkNode]:
    """A node that has dialled a peer, which answers its pings so, one after the other, the last one again and again."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = hello_of(METEOROLOGY)
        writer.write(struct.pack(">IB", 1 + len(hello), HELLO) + hello)
        pings = 0
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                length, kind = struct.unpack(">IB", await reader.readexactly(5))
                body = await reader.readexactly(length - 1)
                if kind == PING:
                    said = answers[min(pings, len(answers) - 1)](body)
                    writer.write(struct.pack(">IB", 1 + len(said), PONG) + said)
                    pings += 1
        writer.close()

    node = LinkNode(identity("aviation"), limits=limits(ping_interval_s=0.05))
    tls = server_context(METEOROLOGY, [node.me.certificate])
    server = await asyncio.start_server(answer, HOST, 0, ssl=tls)
    await node.start()
    try:
        port = server.sockets[0].getsockname()[1]
        node.links.update_peers({"meteorology": Peer(HOST, port, METEOROLOGY.certificate)})
        yield node
    finally:
        await node.links.close()
        server.close()


def _time(clock_ms: int) -> bytes:
    return struct.pack(">Q", clock_ms)


async def test_s102_a_peers_clock_is_compared_with_ours() -> None:
    async with answering(lambda ping: ping + _time(time.time_ns() // 1_000_000 + 3_600_000)) as node:
        await until(lambda: node.links.status()["meteorology"].clock_offset_ms is not None)
        status = node.links.status()["meteorology"]
        assert status.rtt_ms is not None
        assert status.clock_offset_ms is not None
        assert abs(status.clock_offset_ms - 3_600_000) < 5_000


async def test_s102_a_pong_to_no_ping_says_nothing() -> None:
    """Neither a number that was never sent, nor what any number of bits would be as a float, nor one twice."""
    odd = (b"\x7f\xf0" + bytes(6), b"\x7f\xf8" + bytes(6), b"\xff" * 8, bytes(8))
    answers = [lambda ping, number=number: number + _time(7) for number in odd]
    right = lambda ping: ping + _time(time.time_ns() // 1_000_000)  # noqa: E731
    async with answering(*answers, right, lambda ping: bytes(7) + b"\x05" + _time(9)) as node:
        await until(lambda: node.links.status()["meteorology"].received_frames > len(odd) + 4)
        status = node.links.status()["meteorology"]
        assert status.clock_offset_ms is not None
        assert abs(status.clock_offset_ms) < 5_000  # of the one that answered its ping; the others' clocks show 1970
        assert status.rtt_ms is not None
        assert 0 <= status.rtt_ms < 5_000


@pytest.mark.parametrize("body", [b"", bytes(15), bytes(17), bytes(8) + b"\x00\x20" + bytes(6)])
async def test_s102_a_pong_that_is_none_ends_the_link(body: bytes) -> None:
    async with answering(lambda ping: body) as node:
        await until(lambda: ("down", "meteorology") in node.events)
        assert node.links.status()["meteorology"].rtt_ms is None


async def test_newer_connection_of_a_member_replaces_the_older() -> None:
    async with single(METEOROLOGY, limits(ping_interval_s=60.0)) as node:
        older = await RawPeer.established(METEOROLOGY, node)
        newer = await RawPeer.established(METEOROLOGY, node)
        assert await older.read_to_end() == b""
        newer.write_frame(PING, b"12345678")
        kind, body = await newer.read_frame()
        assert (kind, body[:8]) == (PONG, b"12345678")
        assert node.links.status()["meteorology"].connected_in


async def test_requests_served_at_once_are_bounded_and_all_are_answered() -> None:
    async with single(METEOROLOGY, limits(requests_served=4)) as node:
        peer = await RawPeer.established(METEOROLOGY, node)
        for number in range(40):
            peer.write_frame(REQUEST, struct.pack(">IB", number, SLOW) + b"ab")
        await until(lambda: node.serving == 4)
        node.release.set()
        answers = [await peer.read_frame() for _ in range(40)]
        assert {struct.unpack(">I", body[:4])[0] for _, body in answers} == set(range(40))
        assert {(kind, body[4:]) for kind, body in answers} == {(RESPONSE, b"ba")}
        assert node.serving_max == 4


async def test_s54_peer_that_floods_requests_is_not_read_meanwhile() -> None:
    async with single(METEOROLOGY, limits(requests_served=4)) as node:
        peer = await RawPeer.established(METEOROLOGY, node)

        async def flood() -> None:
            for number in range(1000):  # 60 MB: more than sockets can hold
                peer.write_frame(REQUEST, struct.pack(">IB", number, SLOW) + bytes(60_000))
                await peer.writer.drain()

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await flood()
        assert node.links.status()["meteorology"].received_bytes < MIB
        assert node.serving == 4


async def test_s46_a_message_that_may_be_honest_is_counted_and_our_own_bug_is_not_hidden() -> None:
    reported: list[BaseException | None] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context.get("exception")))
    async with single(METEOROLOGY) as node:
        peer = await RawPeer.established(METEOROLOGY, node)
        peer.write_frame(MESSAGE, b"odd")
        peer.write_frame(MESSAGE, b"good")
        await until(lambda: node.messages)
        assert node.links.status()["meteorology"].faults == 1
        assert reported == []
        peer.write_frame(MESSAGE, b"bug")
        await until(lambda: reported)
        assert [str(error) for error in reported] == ["our own bug"]


@pytest.mark.parametrize(
    "frame",
    [(MESSAGE, b"bad"), (REQUEST, struct.pack(">IB", 1, MALFORMED)), (PING, b"1234567")],
    ids=["message", "request", "ping"],
)
async def test_s61_a_provable_fault_costs_the_links_for_a_while_that_doubles(frame: tuple[int, bytes]) -> None:
    async with single(METEOROLOGY, limits(penalty_min_s=0.2, penalty_max_s=30.0)) as node:
        state = node.links._states["meteorology"]
        for penalty_s in (0.2, 0.4, 0.8):
            peer = await RawPeer.established(METEOROLOGY, node)
            peer.write_frame(*frame)
            await peer.read_to_end()
            assert 0 < state.barred_s <= penalty_s
            early = await RawPeer.dial(METEOROLOGY, node)
            early.write_frame(HELLO, hello_of(METEOROLOGY))
            assert await early.read_frame() == (REFUSE, b"it was at fault; no link for now")
            await until(lambda: not state.barred_s)
        assert state._penalty_s == 0.8


@pytest.mark.parametrize("is_one_read", [True, False])
async def test_s61_who_costs_more_than_its_allowance_is_not_read_until_it_is_paid(is_one_read: bool) -> None:
    """An observer's messages are dear to handle; another's are heard all the same. Whether they come together, so that
    the rest waits for a turn of the loop, or each by itself.
    """
    async with single(METEOROLOGY, limits(others_share=0.1, turn_s=0.005 if is_one_read else 0.03)) as node:
        busy = await RawPeer.established(METEOROLOGY, node)
        for _ in range(200):
            busy.write_frame(MESSAGE, DEAR)
            if not is_one_read:
                await asyncio.sleep(0.001)
        began_s = time.thread_time()
        async with asyncio.timeout(3):
            with pytest.raises(TimeoutError):
                await until(lambda: len(node.messages) == 200, timeout_s=1.5)
        assert time.thread_time() - began_s < 1.0
        assert 10 < len(node.messages) < 80


async def test_s61_frames_of_one_read_are_handled_in_turns_of_the_loop() -> None:
    async with single(METEOROLOGY, limits(turn_s=0.01, others_share=1.0)) as node:
        busy = await RawPeer.established(METEOROLOGY, node)
        longest_s, seen_s = 0.0, time.monotonic()

        async def watch() -> None:
            nonlocal longest_s, seen_s
            while True:
                await asyncio.sleep(0)
                now_s = time.monotonic()
                longest_s, seen_s = max(longest_s, now_s - seen_s), now_s

        watching = asyncio.get_running_loop().create_task(watch())
        busy.writer.write(b"".join(struct.pack(">IB", 1 + len(DEAR), MESSAGE) + DEAR for _ in range(40)))
        await until(lambda: len(node.messages) == 40)
        await asyncio.sleep(0.01)  # for the watch to see the last turn
        watching.cancel()
        assert longest_s < 0.25, "40 frames of 10 ms each came with one read"


async def test_s61_answers_that_nobody_takes_end_the_link() -> None:
    async with single(METEOROLOGY, limits(ping_interval_s=0.1, backlog_intervals=4)) as node:
        peer = await RawPeer.established(METEOROLOGY, node)
        for number in range(100):
            peer.write_frame(REQUEST, struct.pack(">IB", number, GREAT))
        for _ in range(100):
            with contextlib.suppress(ConnectionError):
                peer.write_frame(PING, b"12345678")  # it is not silent
            if node.links._states["meteorology"].incoming is None:
                break
            await asyncio.sleep(0.05)
        assert node.links._states["meteorology"].incoming is None
