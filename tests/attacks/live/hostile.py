"""Attackers in a process of their own: ``python -m tests.attacks.live.hostile ATTACK FOLDER MEMBER ...``.

Each speaks with the identities that it is given, over real links, as fast as it is let, until it is killed. Whoever is
shown the door comes back at once.
"""

import asyncio
import contextlib
import itertools
import ssl
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from blockpool import load_genesis
from chain.genesis import Genesis
from chain.limits import LIMITS
from chain.primitives.crypto import Signer
from chain.primitives.encoding import encode
from chain.primitives.keys import load_signer
from cli.homes import GENESIS_FILE, NODE_FOLDER, SYSTEM_KEY
from consensus.messages import Prepare, ViewChange, ViewChangeVote, encode_message
from node.config import load_config, split_address
from node.frames import BlockRange, FrameKind
from node.home import open_home
from node.links.framing import SEGMENT_SIZE_BYTES
from node.links.hello import Hello, decode_hello, encode_hello
from node.tls import LinkIdentity, client_context
from tests.attacks.live import readers
from tests.attacks.live.contracts import CONTRACTS
from tests.attacks.live.stage import BEGUN, CLIENT
from tests.node.cluster import Network, forged

HELLO, REQUEST = 1, 5
MORE = 0x80
STRANGERS = 4
SILENT = 20
CALLS, CALLS_PAUSE_S = 50, 0.1
PAUSE_S = 0.02
"""Before another try after being shut out."""


class Signed:
    """What a member has signed: to all nodes the same."""

    def __init__(self, network: Network, member: str) -> None:
        self.one = network.dataset(member)
        self._network = network
        self._member = member
        self._calls: list[bytes] = []

    def calls(self, contract: str, number: int) -> bytes:
        """The frame of this number with requests that call a contract."""
        while len(self._calls) <= number:
            requests = (self._network.request(self._member, f"{CLIENT}.{contract}") for _ in range(CALLS))
            self._calls.append(encode(tuple(requests)))
        return self._calls[number]


class Hostile:
    """One member's identity towards one node."""

    def __init__(self, identity: LinkIdentity, genesis: Genesis, node: str, transactions: "Signed") -> None:
        founder = genesis.founder(node)
        assert founder is not None
        assert founder.node is not None
        self._node = node
        self.genesis = genesis
        self.identity = identity
        self.transactions = transactions
        self.rounds = itertools.count()
        self.height = 0
        """Of the node, when it was last connected to."""
        self.address = split_address(founder.node.address)
        self._context = client_context(identity, [founder.node.tls_certificate])
        self._numbers = itertools.count()
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, kind: int, body: bytes) -> None:
        """Send a frame, on a new connection if need be."""
        try:
            if self._writer is None:
                self._writer = await self._connect()
            pieces = [body[at : at + SEGMENT_SIZE_BYTES] for at in range(0, len(body), SEGMENT_SIZE_BYTES)] or [b""]
            for piece in pieces[:-1]:
                self._writer.write(struct.pack(">IB", 1 + len(piece), kind | MORE) + piece)
            self._writer.write(struct.pack(">IB", 1 + len(pieces[-1]), kind) + pieces[-1])
            await self._writer.drain()
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError):
            self._writer = None
            await asyncio.sleep(PAUSE_S)

    async def ask(self, kind: int, body: bytes) -> None:
        """Send a request."""
        await self.send(REQUEST, struct.pack(">IB", next(self._numbers) % 2**32, kind) + body)

    async def _connect(self) -> asyncio.StreamWriter:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(*self.address, ssl=self._context, server_hostname="")
            hello = encode_hello(Hello(self.genesis.chain_id, self.identity.member, "hostile", 0))
            writer.write(struct.pack(">IB", 1 + len(hello), HELLO) + hello)
            length, kind = struct.unpack(">IB", await reader.readexactly(5))
            answer = await reader.readexactly(length - 1)
            if kind != HELLO:
                writer.close()
                raise ConnectionError("shown the door")
            self.height = decode_hello(answer, self._node, self.genesis.chain_id).height
        asyncio.get_running_loop().create_task(_read_away(reader))
        return writer


async def _read_away(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while await reader.read(1 << 20):
            pass


# What each attack says


async def garbage(peer: Hostile) -> None:
    """Transactions whose signatures are forged."""
    await peer.send(FrameKind.TRANSACTIONS, encode((forged(peer.transactions.one),) * LIMITS.block_transactions))


async def replays(peer: Hostile) -> None:
    """One transaction that was ordered long ago."""
    await peer.send(FrameKind.TRANSACTIONS, encode((peer.transactions.one,) * LIMITS.block_transactions))


async def votes(peer: Hostile) -> None:
    """Votes of a validator with signatures that are none, for heights that are long over and for those that come."""
    for offset, view in itertools.product(range(-200, 20), range(4)):
        vote = Prepare(max(1, peer.height + offset), view, bytes(32), peer.identity.member, bytes(64))
        await peer.send(FrameKind.CONSENSUS, encode_message(vote))


async def view_changes(peer: Hostile) -> None:
    """The same with view changes, whose signatures are verified as they come."""
    for offset in range(20):
        vote = ViewChangeVote(peer.height + offset, 1 + offset, None, None, peer.identity.member, bytes(64))
        await peer.send(FrameKind.CONSENSUS, encode_message(ViewChange(vote, None, None)))


async def repeated_ids(peer: Hostile) -> None:
    """One transaction, asked for thousands of times at once."""
    await peer.ask(FrameKind.FETCH_TRANSACTIONS, encode((bytes(32),) * LIMITS.block_transactions))


async def unknown_ids(peer: Hostile) -> None:
    """As many transactions as one may ask for, none of which is there."""
    ids = tuple(number.to_bytes(32) for number in range(LIMITS.block_transactions))
    await peer.ask(FrameKind.FETCH_TRANSACTIONS, encode(ids))


async def blocks(peer: Hostile) -> None:
    """The whole chain, over and over."""
    await peer.ask(FrameKind.FETCH_BLOCKS, encode(BlockRange(1, LIMITS.catch_up_blocks)))


async def pings(peer: Hostile) -> None:
    """The smallest frames that are answered."""
    await peer.send(3, b"12345678")


def calls(contract: str) -> Callable[[Hostile], Awaitable[None]]:
    """Requests, all of them valid, under a contract of its owner's: more than blocks have room for."""

    async def send(peer: Hostile) -> None:
        await peer.send(FrameKind.TRANSACTIONS, peer.transactions.calls(contract, next(peer.rounds)))
        await asyncio.sleep(CALLS_PAUSE_S)

    return send


FROM_MEMBERS: dict[str, Callable[[Hostile], Awaitable[None]]] = {
    **{f"calls {name}": calls(name) for name in CONTRACTS},
    "garbage": garbage,
    "replays": replays,
    "votes": votes,
    "view changes": view_changes,
    "repeated ids": repeated_ids,
    "unknown ids": unknown_ids,
    "blocks": blocks,
    "pings": pings,
}


async def silence(address: tuple[str, int]) -> None:
    """Connections from several addresses that say nothing, made anew as they are closed."""

    async def one(host: str) -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(*address, local_addr=(host, 0))
                with contextlib.suppress(OSError):
                    await reader.read()
                writer.close()
            await asyncio.sleep(PAUSE_S)

    async with asyncio.TaskGroup() as group:
        for number in range(STRANGERS * SILENT):
            group.create_task(one(f"127.0.0.{2 + number % STRANGERS}"))


async def handshakes(address: tuple[str, int]) -> None:
    """Handshakes that fail, and HTTP."""
    for data in itertools.cycle((b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x10" + bytes(16))):
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(*address, local_addr=("127.0.0.2", 0))
            writer.write(data)
            with contextlib.suppress(OSError):
                await reader.read()
            writer.close()


FROM_STRANGERS: dict[str, Callable[[tuple[str, int]], Awaitable[None]]] = {"silence": silence, "handshakes": handshakes}


async def _attack(attack: str, folder: Path, nodes: list[str], members: list[str]) -> None:
    async with asyncio.TaskGroup() as group:
        _begin(group, attack, folder, nodes, members)
        print(BEGUN, flush=True)


def _begin(group: asyncio.TaskGroup, attack: str, folder: Path, nodes: list[str], members: list[str]) -> None:
    genesis = load_genesis(folder / GENESIS_FILE)
    if attack in FROM_STRANGERS:
        for founder in genesis.founders:
            if founder.name in nodes and founder.node is not None:
                group.create_task(_as_stranger(attack, split_address(founder.node.address)))
        return
    if attack in readers.NAMES:
        urls = [founder.node.api_url for founder in genesis.founders if founder.name in nodes and founder.node]
        keys: dict[str, Signer] = {member: load_signer(folder / member / SYSTEM_KEY) for member in members}
        group.create_task(readers.attack(attack, urls, genesis.chain_id, keys))
        return
    for member in members:
        home = open_home(load_config(folder / member / NODE_FOLDER, {}))
        signers = {member: load_signer(folder / member / SYSTEM_KEY)}
        transactions = Signed(Network(folder, genesis, signers, {}), member)
        for node in nodes:
            peer = Hostile(home.identity, genesis, node, transactions)
            group.create_task(_forever(FROM_MEMBERS[attack], peer))


async def _as_stranger(attack: str, address: tuple[str, int]) -> None:
    await FROM_STRANGERS[attack](address)


async def _forever(say: Callable[[Hostile], Awaitable[None]], peer: Hostile) -> None:
    while True:
        await say(peer)
        await asyncio.sleep(0)


def burn() -> None:
    """Nothing but processor time: what any process on the same machine takes."""
    print(BEGUN, flush=True)
    while True:
        pass


if __name__ == "__main__":
    if sys.argv[1] == "burner":
        burn()
    names = sys.argv[3].split(","), sys.argv[4].split(",")
    asyncio.run(_attack(sys.argv[1], Path(sys.argv[2]), *names))
