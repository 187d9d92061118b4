"""Whole nodes in one event loop, for tests: real homes on disk, real LevelDB, real TLS links, real HTTP.

`ScriptedPeer` plays a member that lies: the links under it are real, only what it answers is made up.
"""

import itertools
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from msgspec.structs import replace

from chain.contract_engine import EngineIdentity
from chain.genesis import Genesis, MemberKeyObject, MemberObject, encode_genesis, parse_genesis
from chain.ledger import Ledger
from chain.primitives.crypto import Ed25519Signer, key_id
from chain.primitives.encoding import decode, encode
from chain.primitives.keys import load_signer, new_seed
from chain.proofs.receipts import Receipt, verify_receipt
from chain.proofs.trust import TrustHistory
from chain.storage.votes import VoteFile
from chain.transactions.base import Header, Transaction, sign_transaction, transaction_id
from chain.transactions.parcel import ParcelHeader
from cli.homes import READER_KEY, MemberPlan, create_member
from cli.processes import free_ports
from contracts.engine import ENGINE_IDENTITY
from node.api.app import make_app
from node.api.server import ApiServer, TlsFiles, bind
from node.config import load_config
from node.engine_process import ContractEngine, make_engine
from node.home import Home, open_home
from node.links import LinkLimits, Links, Peer
from node.recovery import open_recovered
from node.service import NodeService
from sealing import KemPrivateKey, load_kem_key
from tests.node.link_cluster import FAST, HOST, until
from tests.signing import TransactionMaker

MSGPACK = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
SPENT_KEY_UNTIL = 1
"""Last height at which the second key of every member may sign."""


@dataclass
class Network(TransactionMaker[bytes]):
    """Members' folders, genesis and keys; nothing runs yet."""

    folder: Path
    genesis: Genesis
    signers: dict[str, Ed25519Signer]
    spent_signers: dict[str, Ed25519Signer]
    """Second keys, valid up to the height `SPENT_KEY_UNTIL`."""
    nonces: Iterator[int] = field(default_factory=lambda: itertools.count(secrets.randbits(64)))

    @property
    def trust(self) -> TrustHistory:
        """What is known from the genesis file alone."""
        return TrustHistory(self.genesis)

    @classmethod
    def create(
        cls,
        folder: Path,
        validators: Sequence[str] = "abcd",
        others: Sequence[str] = ("observer",),
        contracts: bool = False,
        witnesses: Sequence[str] = (),
        engine: EngineIdentity = ENGINE_IDENTITY,
        readers: str = "anyone",
    ) -> "Network":
        """With `contracts` the genesis file names `engine`; each node then has a process of its own to run them."""
        names = [*validators, *witnesses, *others]
        ports = iter(free_ports(2 * len(names)))
        spent = {name: Ed25519Signer(new_seed()) for name in names}
        members = []
        for name in names:
            plan = MemberPlan(
                name,
                node="validator" if name in validators else "witness" if name in witnesses else "observer",
                peer_address=f"{HOST}:{next(ports)}",
                api_address=f"{HOST}:{next(ports)}",
            )
            config = folder / name / "node" / "config.toml"
            members.append(_with_second_key(create_member(plan, folder / name, None), spent[name]))
            config.write_text(config.read_text().replace("[api]", f'[api]\nreaders = "{readers}"'))
        content = encode_genesis("test", time.time_ns() // 1_000_000, members, engine if contracts else None)
        for name in names:
            (folder / name / "node" / "genesis.json").write_bytes(content)
        (folder / "genesis.json").write_bytes(content)
        signers = {name: load_signer(folder / name / "system.pem") for name in names}
        return cls(folder, parse_genesis(content), signers, spent)

    def home(self, name: str) -> Path:
        return self.folder / name / "node"

    @property
    def chain_id(self) -> bytes:  # type: ignore[override]
        return self.genesis.chain_id

    def signer_of(self, member: str) -> Ed25519Signer:
        return self.signers[member]

    def reader_of(self, member: str) -> bytes:
        return self.reader_key(member).public_key.encoded

    @property
    def kem_keys(self) -> dict[str, bytes]:
        return {member.name: member.kem_key for member in self.genesis.founders if member.kem_key is not None}

    def next_nonce(self) -> bytes:
        return next(self.nonces).to_bytes(16, "big")

    def finish(self, transaction: Transaction) -> bytes:
        """Encoded, as a node takes it."""
        return encode(transaction)

    def reader_key(self, member: str) -> KemPrivateKey:
        """The key that the member reads with."""
        return load_kem_key(self.folder / member / READER_KEY)

    def spent_parcel(self, member: str = "a") -> bytes:
        """A parcel signed with the member's second key."""
        signer = self.spent_signers[member]
        parcel = decode(Transaction, self.parcel(member=member, key_id=key_id(signer.public_key)))
        return encode(sign_transaction(decode(ParcelHeader, parcel.header), signer, parcel.payload))

    def sign(self, header: Header, member: str, payload: bytes = b"") -> Transaction:
        """Sign with the member's key, whatever the header says of the key."""
        if header.key_id == key_id(self.signers[member].public_key):
            return sign_transaction(header, self.signers[member], payload)
        honest = sign_transaction(replace(header, key_id=key_id(self.signers[member].public_key)), self.signers[member])
        return Transaction(encode(header), honest.signature, payload)

    def id_of(self, data: bytes) -> bytes:
        """The transaction id of an encoded transaction."""
        return transaction_id(self.genesis.chain_id, decode(Transaction, data).header)


def forged(data: bytes) -> bytes:
    """The same transaction with one bit of its signature changed."""
    transaction = decode(Transaction, data)
    signature = bytes([transaction.signature[0] ^ 1]) + transaction.signature[1:]
    return encode(Transaction(transaction.header, signature, transaction.payload))


class Node:
    """One node as the daemon builds it, within the test's event loop."""

    def __init__(self, network: Network, name: str, *, api: bool = False, engine: ContractEngine | None = None) -> None:
        self.network = network
        self.name = name
        self.home: Home = open_home(load_config(network.home(name), {}))
        self.engine = engine or make_engine(self.home)
        self.ledger: Ledger = open_recovered(self.home, resync=False, engine=self.engine)
        self.is_stopped = False
        self.service = NodeService(self.home, self.ledger, self._on_stop, "test", self.engine)
        self._server: ApiServer | None = None
        self._api = api

    @property
    def height(self) -> int:
        return self.ledger.tip.height

    @property
    def api_url(self) -> str:
        return f"http://{self.home.config.file.api.listen}"

    async def start(self) -> None:
        await self.service.start()
        if self._api:
            api = self.home.config.file.api
            host, port = api.listen.split(":")
            sock = bind(host, int(port))
            limits = api.connections, api.connections_per_address
            self._server = ApiServer(make_app(self.service), sock, *limits, TlsFiles.of(self.home.config))
            await self._server.start()

    async def stop(self) -> None:
        self.service.pool.close()
        if self._server is not None:
            await self._server.stop()
        await self.service.stop()
        self.home.lock.close()

    async def submit(self, data: bytes, timeout_s: float = 20) -> Receipt:
        """Hand in a transaction and wait until it is committed here; the receipt is verified."""
        pool = self.service.pool
        id_, location = await self.service.dissemination.submit(data)
        receipt = pool.receipt(location) if location else await pool.wait_for_receipt(id_, timeout_s)
        verify_receipt(TrustHistory(self.network.genesis), id_, receipt)
        return receipt

    def _on_stop(self) -> None:
        self.is_stopped = True


@asynccontextmanager
async def running(network: Network, *names: str, api: bool = False) -> AsyncIterator[list[Node]]:
    """Nodes that are all linked to each other."""
    nodes = [Node(network, name, api=api) for name in names]
    try:
        for node in nodes:
            await node.start()
        await until(lambda: all(len(node.service.links.connected) >= len(nodes) - 1 for node in nodes))
        await until(lambda: all(node.engine is None or node.engine.is_ready for node in nodes), timeout_s=60)
        yield nodes
    finally:
        for node in nodes:
            await node.stop()


def remember_nothing(network: Network, name: str) -> None:
    """Give a validator the file of votes of one that has not voted yet: without it, it looks for its chain first."""
    data = network.home(name) / "data"
    data.mkdir(exist_ok=True)
    VoteFile(data / "VOTES").close()


@asynccontextmanager
async def single(folder: Path) -> AsyncIterator[tuple[Network, Node, httpx.AsyncClient]]:
    """A network of one validator, `a`, with its API served; `b` is a member that only hands in transactions."""
    network = Network.create(folder, validators="a", others=("b",))
    remember_nothing(network, "a")
    async with running(network, "a", api=True) as (node,), httpx.AsyncClient(base_url=node.api_url) as client:
        yield network, node, client


class ScriptedPeer:
    """A member's node that answers as a test says."""

    def __init__(
        self,
        network: Network,
        name: str,
        answer: Callable[[int, bytes], Awaitable[bytes]],
        height: int = 0,
        limits: LinkLimits = FAST,
    ) -> None:
        home = open_home(load_config(network.home(name), {}))
        home.lock.close()
        self.asked: list[tuple[str, int, bytes]] = []
        """(member, kind, body) of every request."""
        self.heard: list[tuple[str, int, bytes]] = []
        """The same of every message."""
        self._answer = answer
        peers = {
            member.name: Peer(*_split(member.node.address), member.node.tls_certificate)
            for member in network.genesis.founders
            if member.node is not None and member.name != name
        }
        self.links = Links(
            me=home.identity,
            peers=peers,
            listen=_split(home.config.file.peer.listen),
            chain_id=network.genesis.chain_id,
            on_message=lambda *message: self.heard.append(message),
            on_request=self._on_request,
            height=lambda: height,
            software="scripted",
            limits=limits,
        )

    async def _on_request(self, member: str, kind: int, body: bytes) -> bytes:
        self.asked.append((member, kind, body))
        return await self._answer(kind, body)


@asynccontextmanager
async def scripted(*peers: ScriptedPeer) -> AsyncIterator[None]:
    """The peers' links, up while the context lasts."""
    try:
        for peer in peers:
            await peer.links.start()
        yield
    finally:
        for peer in peers:
            await peer.links.close()


def _with_second_key(member: MemberObject, signer: Ed25519Signer) -> MemberObject:
    key = MemberKeyObject(signer.public_key, 0, SPENT_KEY_UNTIL)
    return replace(member, keys=(*member.keys, key))


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
