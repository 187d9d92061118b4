"""A member with a valid certificate that sends anything at all over real links (scenarios 45 to 47): three honest nodes
go on committing, keep the link's rules, and none of their own handlers fails.
"""

import asyncio
import ssl
import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from chain.primitives.crypto import Ed25519Signer
from chain.primitives.encoding import encode
from chain.primitives.keys import load_signer
from consensus.messages import Commit, Message, Prepare, ViewChange, ViewChangeVote, signed_message
from node.config import load_config
from node.frames import BlockRange, FrameKind, News
from node.home import open_home
from node.links import LinkLimits
from node.links.framing import SEGMENT_SIZE_BYTES
from node.links.hello import Hello, encode_hello
from node.tls import LinkIdentity, client_context
from tests.edge.damage import spoiled, spoiled_messagepack
from tests.edge.targets import targets
from tests.edge.values import value_of
from tests.node.cluster import Network, Node, running
from tests.node.link_cluster import HOST, until

HELLO, REQUEST, RESPONSE = 1, 5, 6
MORE, BULK = 0x80, 0x40
FRAMES = 1500
SUBMITTED = 12
LIAR = "d"
REQUESTS = (FrameKind.FETCH_TRANSACTIONS, FrameKind.FETCH_BLOCKS, FrameKind.FETCH_SHARES)


class Liar:
    """Speaks with the identity of a member; reconnects whenever it is shown the door."""

    def __init__(self, network: Network, random: Random) -> None:
        home = open_home(load_config(network.home(LIAR), {}))
        home.lock.close()
        self.identity: LinkIdentity = home.identity
        self.signer: Ed25519Signer = load_signer(network.home(LIAR) / "consensus.pem")
        self.network = network
        self.random = random
        self.connects = 0
        self.sent = 0
        self.height = 0
        """Of the chain, so that what is said is about now."""
        self._writers: dict[str, asyncio.StreamWriter] = {}
        self._drains: list[asyncio.Task[None]] = []

    async def send(self, node: Node, data: bytes) -> None:
        writer = self._writers.get(node.name)
        try:
            if writer is None or writer.is_closing():
                writer = await self._connect(node)
            writer.write(data)
            async with asyncio.timeout(5):
                await writer.drain()
            self.sent += 1
        except (OSError, ssl.SSLError, TimeoutError, asyncio.IncompleteReadError):
            if writer is not None:
                writer.close()
            self._writers.pop(node.name, None)

    async def _connect(self, node: Node) -> asyncio.StreamWriter:
        member = self.network.genesis.founder(node.name)
        assert member is not None
        assert member.node is not None
        context = client_context(self.identity, [member.node.tls_certificate])
        port = int(member.node.address.rpartition(":")[2])
        reader, writer = await asyncio.open_connection(HOST, port, ssl=context, server_hostname="")
        hello = encode_hello(Hello(self.network.genesis.chain_id, LIAR, "liar", self.random.randrange(2**40)))
        writer.write(struct.pack(">IB", 1 + len(hello), HELLO) + hello)
        async with asyncio.timeout(5):
            await reader.readexactly(5)
        self._drains.append(asyncio.get_running_loop().create_task(_read_away(reader)))
        self._writers[node.name] = writer
        self.connects += 1
        return writer

    async def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        await asyncio.gather(*self._drains)

    # What it says

    def frame(self) -> bytes:
        """Any frame: mostly whole ones with bodies that are nearly right, so that they reach the handlers."""
        random = self.random
        kind, body = self._content()
        flags = kind | random.choice((0, BULK))
        if random.randrange(40) == 0:
            flags = random.randrange(256)
        data = b"".join(_segments(flags, body))
        return spoiled(data, random) if random.randrange(25) == 0 else data

    def _content(self) -> tuple[int, bytes]:
        random = self.random
        choice = random.randrange(10)
        if choice < 5:
            return FrameKind.CONSENSUS, self._perhaps_spoiled(encode(self._message()))
        if choice == 5:
            sample = random.choice(targets()["type TransactionList"].samples)
            return FrameKind.TRANSACTIONS, self._perhaps_spoiled(random.choice((sample, self._transactions())))
        if choice == 6:
            return FrameKind.NEWS, self._perhaps_spoiled(encode(News(random.choice((0, self.height + 3, 2**63 - 1)))))
        if choice == 7:
            return random.choice((RESPONSE, 3, 4)), random.randbytes(random.randrange(20))
        kind, body = random.choice(REQUESTS), self._question()
        return REQUEST, struct.pack(">IB", random.randrange(2**32), kind) + body

    def _question(self) -> bytes:
        random = self.random
        names = ("type TransactionIds", "type BlockRange", "type ShareQuery")
        known = encode(BlockRange(random.randrange(self.height + 2), random.choice((1, 256))))
        return self._perhaps_spoiled(random.choice((random.choice(targets()[random.choice(names)].samples), known)))

    def _transactions(self) -> bytes:
        """A good one that the liar signed, so that it is passed on, and a bad one."""
        good = self.network.dataset(LIAR, f"set-{self.random.randrange(20)}")
        return encode((good, spoiled_messagepack(good, self.random)[:100_000]))

    def _perhaps_spoiled(self, body: bytes) -> bytes:
        return spoiled_messagepack(body, self.random)[:300_000] if self.random.randrange(2) else body

    def _message(self) -> Any:
        """A message about the height that is being decided, rightly signed by the liar if it is a statement."""
        message = value_of(Message, self.random)
        fields = {"height": self.height + self.random.choice((0, 1, 1, 1, 2, 100)), "view": self.random.randrange(4)}
        match message:
            case Prepare() | Commit():
                message = replace(message, validator=LIAR, **fields)
                return self._signed(message)
            case ViewChange():
                vote = replace(message.vote, validator=LIAR, prepared_view=None, prepared_hash=None, **fields)
                return replace(message, vote=self._signed(vote), prepared=None, proposal=None)
            case _:
                return message

    def _signed(self, statement: Prepare | Commit | ViewChangeVote) -> Any:
        message = signed_message(self.network.genesis.chain_id, statement)
        return replace(statement, signature=self.signer.sign(message))


async def _read_away(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(65_536):
            pass
    except (OSError, ssl.SSLError):
        pass


def _segments(flags: int, body: bytes) -> Iterator[bytes]:
    while len(body) > SEGMENT_SIZE_BYTES:
        yield struct.pack(">IB", 1 + SEGMENT_SIZE_BYTES, flags | MORE) + body[:SEGMENT_SIZE_BYTES]
        body = body[SEGMENT_SIZE_BYTES:]
    yield struct.pack(">IB", 1 + len(body), flags) + body


async def test_s45_s46_s47_frames_of_every_kind_from_a_lying_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without penalties, so that the handlers get to see all of it."""
    monkeypatch.setattr(
        "node.links.manager.LinkLimits",
        partial(LinkLimits, penalty_min_s=0.0, penalty_max_s=0.0, member_handshakes_per_s=1000.0),
    )
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    network = Network.create(tmp_path, others=())
    liar = Liar(network, Random("frames"))
    async with running(network, "a", "b", "c") as nodes:
        await nodes[0].submit(network.dataset())
        noise = asyncio.get_running_loop().create_task(_noise(liar, nodes))
        for number in range(SUBMITTED):
            await nodes[number % 3].submit(network.parcel([b'{"n":%d}' % number]))
        await noise
        await nodes[1].submit(network.parcel())
        await until(lambda: len({node.ledger.tip.block_hash for node in nodes}) == 1)
        assert all(node.service.links.status()[LIAR].faults > 50 for node in nodes), "the handlers have seen it"
        assert not any(node.is_stopped for node in nodes)
        await liar.close()
    assert failures == []
    assert liar.sent > FRAMES * 0.9
    print(f"{liar.sent} frames over {liar.connects} connections")


async def _noise(liar: Liar, nodes: list[Node]) -> None:
    for number in range(FRAMES):
        node = nodes[number % len(nodes)]
        liar.height = node.height
        await liar.send(node, liar.frame())
        if number % 10 == 0:
            await asyncio.sleep(0)
