"""Networks of daemons for tests that kill, damage and starve them. Each test has its own; all end with the test."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from blockpool import Client
from chain.primitives.encoding import decode
from chain.proofs.receipts import Receipt, verify_receipt
from chain.proofs.trust import TrustHistory
from cli.processes import NodeProcess
from tests.node.cluster import MSGPACK, Network
from tests.processes import NO_TLS

VALIDATORS = ("a", "b", "c", "d")
STOP_S_MAX = 4.0
"""How long a daemon may take to stop in good order."""


@dataclass
class Daemons:
    """A network and its processes."""

    network: Network
    nodes: dict[str, NodeProcess]

    def start(self, *names: str) -> None:
        """Start these nodes (all by default) and wait until they are ready."""
        for name in names or self.nodes:
            self.nodes[name].start()
        for name in names or self.nodes:
            self.nodes[name].wait_ready()

    def url(self, name: str) -> str:
        return self.nodes[name].url

    def status(self, name: str) -> dict[str, object]:
        answer: dict[str, object] = httpx.get(f"{self.url(name)}/v1/status", trust_env=False, verify=NO_TLS).json()
        return answer

    def submit(self, data: bytes, *names: str) -> Receipt:
        """Hand in a transaction, to the next node if one does not answer; the receipt is verified here."""
        deadline_s = time.monotonic() + 30
        for url in _again([self.url(name) for name in names or self.nodes], deadline_s):
            try:
                response = httpx.post(
                    f"{url}/v1/transactions?wait=commit&timeout_ms=4000",
                    content=data,
                    headers=MSGPACK,
                    timeout=5,
                    trust_env=False,
                    verify=NO_TLS,
                )
            except httpx.TransportError:
                continue
            if response.status_code == 200:
                receipt = decode(Receipt, response.content)
                genesis = self.network.genesis
                verify_receipt(TrustHistory(genesis), self.network.id_of(data), receipt)
                return receipt
            assert response.status_code in (429, 503, 504), response.text
        raise AssertionError("nobody took the transaction")

    def holds(self, name: str, data: bytes) -> bool:
        """Whether a node gives back a committed transaction byte for byte."""
        response = httpx.get(
            f"{self.url(name)}/v1/transactions/{self.network.id_of(data).hex()}/raw", trust_env=False, verify=NO_TLS
        )
        return response.status_code == 200 and response.content == data

    def blocks_agree(self, *names: str) -> bool:
        """Whether these nodes have the same newest block."""
        return len({self.status(name)["block_hash"] for name in names or self.nodes}) == 1

    def primary(self) -> str:
        with Client(self.url(next(iter(self.nodes)))) as client:
            return client.status().primary


@dataclass
class Submitter:
    """Hands in one parcel after the other from a thread of its own, and keeps those that were acknowledged."""

    daemons: Daemons
    names: tuple[str, ...]
    acknowledged: list[bytes] = field(default_factory=list)
    moments_s: list[float] = field(default_factory=list)
    failure: Exception | None = None
    _is_over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            while not self._is_over.is_set():
                data = self.daemons.network.parcel([b'{"n":%d}' % len(self.acknowledged)])
                self.daemons.submit(data, *self.names)
                self.acknowledged.append(data)
                self.moments_s.append(time.monotonic())
        except Exception as error:
            self.failure = error

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            thread.join(35)
            assert not thread.is_alive()
            assert self.failure is None, self.failure

    @property
    def gap_s(self) -> float:
        """Longest pause between two acknowledgements."""
        return max(later - earlier for earlier, later in zip(self.moments_s, self.moments_s[1:], strict=False))


@contextmanager
def daemons(folder: Path, validators: Sequence[str] = VALIDATORS, others: Sequence[str] = ()) -> Iterator[Daemons]:
    """A network whose nodes are not started yet; they are killed at the end, whatever happened."""
    network = Network.create(folder, validators, others)
    nodes = {}
    for member in network.genesis.founders:
        assert member.node is not None
        nodes[member.name] = NodeProcess(member.name, folder, int(member.node.api_url.rpartition(":")[2]))
    try:
        yield Daemons(network, nodes)
    finally:
        for node in nodes.values():
            node.kill()


def until(condition: Callable[[], object], timeout_s: float = 20) -> None:
    """Wait for a condition; a node that does not answer has not reached it yet."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError("not reached in time")


def _again(urls: Sequence[str], deadline_s: float) -> Iterator[str]:
    while time.monotonic() < deadline_s:
        yield from urls
        time.sleep(0.05)
