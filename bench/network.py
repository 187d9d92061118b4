"""Four validators as processes of their own, and what can be seen of them from outside."""

import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from blockpool import Client, Identity
from chain.genesis import Genesis
from chain.primitives.crypto import Ed25519Signer
from chain.primitives.keys import load_seed
from cli.homes import READER_KEY, SYSTEM_KEY
from cli.processes import LocalNetwork, NodeProcess
from sealing import KemPrivateKey, load_kem_key

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""The nodes are on this machine: never through a proxy."""

MEMBERS = ("airports", "aviation", "meteorology", "registry")


class Memory(NamedTuple):
    """Memory of a process in bytes."""

    resident: int
    """All that is in memory, database files that LevelDB has mapped included."""
    private: int
    """Its own part: what could not be dropped and read again."""
    peak: int
    """The most that was ever resident."""


def process_memory(process_id: int) -> Memory:
    """What a process takes of the machine's memory now."""
    status = Path(f"/proc/{process_id}/status").read_text()
    values = dict(line.split(":", 1) for line in status.splitlines())
    resident, private, peak = (int(values[name].split()[0]) * 1024 for name in ("VmRSS", "RssAnon", "VmHWM"))
    return Memory(resident, private, peak)


def process_cpu_seconds(process_id: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Node:
    """One validator's daemon."""

    process: NodeProcess
    genesis: Genesis
    system_seed: bytes
    """Of the key that signs its member's transactions."""

    @property
    def member(self) -> str:
        """Whose node it is."""
        return self.process.member

    @property
    def url(self) -> str:
        """Base URL of its HTTP API."""
        return self.process.url

    @property
    def api_port(self) -> int:
        """Port of its HTTP API."""
        return int(self.url.rpartition(":")[2])

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.process.home / "data"

    def get(self, path: str) -> Any:
        """JSON answer of its API; raises ``OSError`` if it does not answer."""
        return json.loads(self.get_bytes(path))

    def get_bytes(self, path: str, timeout_s: float = 5) -> bytes:
        """Answer of its API; raises ``OSError``."""
        with _OPENER.open(self.url + path, timeout=timeout_s) as answer:
            content: bytes = answer.read()
        return content

    def client(self) -> Client:
        """A client of this node's API that signs for its member; close it."""
        return Client(self.url, self.genesis, Identity(self.member, Ed25519Signer(self.system_seed)))

    def reader_key(self) -> KemPrivateKey:
        """The key that what its member may read is sealed to."""
        return load_kem_key(self.process.home.parent / READER_KEY)

    def status(self) -> dict[str, Any] | None:
        """``/v1/status``, or None while it does not answer."""
        try:
            status: dict[str, Any] = self.get("/v1/status")
        except OSError:
            return None
        return status

    def memory(self) -> Memory:
        """What it takes of the machine's memory now."""
        return process_memory(self._pid)

    def cpu_seconds(self) -> float:
        """Processor time that it has used."""
        return process_cpu_seconds(self._pid)

    def disk_bytes(self) -> int:
        """Space that its data folder takes on disk. Files that LevelDB removes meanwhile count as gone."""
        total = 0
        for path in self.data.rglob("*"):
            try:
                total += path.stat().st_blocks * 512
            except FileNotFoundError:
                continue
        return total

    @property
    def _pid(self) -> int:
        pid = self.process.pid
        if pid is None:
            raise ProcessLookupError(f"the node of {self.member} has ended; see {self.process.log}")
        return pid


class Network:
    """The four nodes and what they share."""

    def __init__(self, local: LocalNetwork) -> None:
        self.folder = local.folder
        self.genesis: Genesis = local.genesis
        self.nodes = [
            Node(process, local.genesis, load_seed(local.folder / member / SYSTEM_KEY))
            for member, process in local.nodes.items()
        ]

    def node(self, member: str) -> Node:
        """The node of ``member``."""
        return next(node for node in self.nodes if node.member == member)

    def running(self) -> list[Node]:
        """Nodes whose process runs."""
        return [node for node in self.nodes if node.process.pid is not None]

    def primary(self) -> Node:
        """The node that proposes now, as a majority of the running ones sees it."""
        names = [status["primary"] for node in self.running() if (status := node.status())]
        return self.node(max(set(names), key=names.count))

    def wait_idle(self, timeout_s: float = 60) -> None:
        """Wait until all running nodes have the same block and no transactions are waiting."""

        def is_idle() -> bool:
            statuses = [node.status() for node in self.running()]
            return all(status and not status["mempool"]["transactions"] for status in statuses) and (
                len({status["block_hash"] for status in statuses if status}) == 1
            )

        wait_for(is_idle, timeout_s, "an empty queue on every node")

    def cpu_seconds(self) -> float:
        """Processor time of all running nodes together."""
        return sum(node.cpu_seconds() for node in self.running())


@contextmanager
def running_network(folder: Path) -> Iterator[Network]:
    """Four started, ready nodes under ``folder``; all are ended with the block."""
    with LocalNetwork(folder, MEMBERS, "Benchmark") as local:
        local.start()
        yield Network(local)


def wait_for(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Poll ``condition`` until it holds; raises ``TimeoutError`` naming ``what`` after ``timeout_s`` seconds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s} s for {what}")
        time.sleep(0.05)
