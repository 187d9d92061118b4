"""Real links on real sockets for tests: identities, clusters, and hand-made hostile peers."""

import asyncio
import hashlib
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chain.errors import ErrorCode, PoolError
from chain.limits import MIB
from chain.primitives.tls_certificate import make_tls_certificate
from node.links import Hello, LinkIdentity, LinkLimits, Links, Peer
from node.links.hello import encode_hello
from node.tls import client_context

CHAIN_ID = b"\x07" * 32
HOST = "127.0.0.1"
FAST = LinkLimits(
    backoff_min_s=0.01,
    backoff_max_s=0.05,
    redial_interval_min_s=0.01,
    ping_interval_s=0.1,
    handshake_timeout_s=2.0,
    penalty_min_s=0.01,
)
"""Bounds that make a test wait little; the rules are the same."""

ECHO, SLOW, REFUSED, BROKEN, MALFORMED, GREAT = 40, 41, 42, 43, 44, 45
"""Kinds of requests that a `LinkNode` answers: reversed; when told; with an error of the peer's making; with a bug; as
malformed; with four megabytes."""
DEAR = b"dear"
"""A message that takes ten milliseconds to handle."""


def identity(member: str, salt: str = "") -> LinkIdentity:
    seed = hashlib.sha256(f"{member}/{salt}".encode()).digest()
    return LinkIdentity(member, make_tls_certificate(seed, member), Ed25519PrivateKey.from_private_bytes(seed))


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait for a condition; a test never waits for a fixed time."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.002)


@dataclass
class LinkNode:
    """One node's links, with everything that they reported."""

    me: LinkIdentity
    limits: LinkLimits = FAST
    chain_id: bytes = CHAIN_ID
    port: int = 0
    messages: list[tuple[str, int, bytes]] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)
    serving: int = 0
    serving_max: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        self.links = Links(
            me=self.me,
            peers={},
            listen=(HOST, self.port),
            chain_id=self.chain_id,
            on_message=self.on_message,
            on_request=self.on_request,
            on_connect=lambda member, hello: self.events.append(("up", member)),
            on_disconnect=lambda member: self.events.append(("down", member)),
            on_refused=lambda reason: self.events.append(("refused", reason)),
            height=lambda: 12,
            software="test",
            limits=self.limits,
        )
        await self.links.start()
        self.port = self.links.port

    def on_message(self, member: str, kind: int, body: bytes) -> None:
        if body == b"bad":
            raise PoolError(ErrorCode.MALFORMED, "this message is bad")
        if body == b"odd":
            raise PoolError(ErrorCode.UNKNOWN_KEY, "this message may be right elsewhere")
        if body == DEAR:
            end_s = time.thread_time() + 0.01
            while time.thread_time() < end_s:
                pass
        if body == b"bug":
            raise RuntimeError("our own bug")
        self.messages.append((member, kind, body))

    async def on_request(self, member: str, kind: int, body: bytes) -> bytes:
        if kind == REFUSED:
            raise PoolError(ErrorCode.NOT_FOUND, "no such block")
        if kind == MALFORMED:
            raise PoolError(ErrorCode.MALFORMED, "no honest node asks like this")
        if kind == GREAT:
            return bytes(4 * MIB)
        if kind == BROKEN:
            raise RuntimeError("a bug in the handler")
        if kind == SLOW:
            self.serving += 1
            self.serving_max = max(self.serving, self.serving_max)
            try:
                await self.release.wait()
            finally:
                self.serving -= 1
        return body[::-1]

    def as_peer(self) -> Peer:
        return Peer(HOST, self.port, self.me.certificate)


@asynccontextmanager
async def cluster(*members: str, limits: LinkLimits = FAST) -> AsyncIterator[list[LinkNode]]:
    """Nodes that are all linked to each other."""
    nodes = [LinkNode(identity(member), limits=limits) for member in members]
    try:
        for node in nodes:
            await node.start()
        peers = {node.me.member: node.as_peer() for node in nodes}
        for node in nodes:
            node.links.update_peers(peers)
        await until(lambda: all(len(node.links.connected) == len(nodes) - 1 for node in nodes))
        yield nodes
    finally:
        for node in nodes:
            await node.links.close()


@asynccontextmanager
async def single(known: LinkIdentity, limits: LinkLimits = FAST) -> AsyncIterator[LinkNode]:
    """A node that knows one peer, which nobody plays yet: a test does, by hand."""
    node = LinkNode(identity("aviation"), limits=limits)
    await node.start()
    node.links.update_peers({known.member: Peer(HOST, 1, known.certificate)})
    try:
        yield node
    finally:
        await node.links.close()


class RawPeer:
    """The client side of a link, spoken by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def dial(cls, me: LinkIdentity, node: LinkNode, context: ssl.SSLContext | None = None) -> "RawPeer":
        context = context or client_context(me, [node.me.certificate])
        return cls(*await asyncio.open_connection(HOST, node.port, ssl=context, server_hostname=""))

    @classmethod
    async def established(cls, me: LinkIdentity, node: LinkNode) -> "RawPeer":
        peer = await cls.dial(me, node)
        peer.write_frame(1, hello_of(me))
        assert (await peer.read_frame())[0] == 1
        return peer

    def write_frame(self, flags_and_kind: int, body: bytes) -> None:
        self.writer.write(struct.pack(">IB", 1 + len(body), flags_and_kind) + body)

    async def read_frame(self) -> tuple[int, bytes]:
        async with asyncio.timeout(10):
            length, kind = struct.unpack(">IB", await self.reader.readexactly(5))
            return kind, await self.reader.readexactly(length - 1)

    async def read_to_end(self) -> bytes:
        """All that still comes until the node closes the connection; a reset is an end too."""
        try:
            async with asyncio.timeout(10):
                return await self.reader.read()
        except (ConnectionError, ssl.SSLError):
            return b""


def hello_of(me: LinkIdentity, **changes: object) -> bytes:
    hello = Hello(chain_id=CHAIN_ID, member=me.member, software="raw", height=3)
    values = {name: getattr(hello, name) for name in hello.__struct_fields__} | changes
    return encode_hello(Hello(**values))


def limits(**changes: float) -> LinkLimits:
    return replace(FAST, **changes)
