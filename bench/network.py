"""Four validators as processes of their own, with homes as ``blockpool network init`` makes them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chain.genesis import Genesis, MemberObject, encode_genesis, parse_genesis
from chain.keys import load_seed
from cli.homes import NODE_FOLDER, SYSTEM_KEY, MemberPlan, create_member

MEMBERS = ("airports", "aviation", "meteorology", "registry")
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20


@dataclass
class Node:
    """One validator's daemon."""

    member: str
    home: Path
    api_port: int
    system_seed: bytes
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Base URL of its HTTP API."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.home / "data"

    def start(self) -> None:
        """Start the daemon; its log goes to ``node.log`` in its home."""
        command = [sys.executable, "-m", "cli.main", "node", "run", str(self.home)]
        with (self.home / "node.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=Path(__file__).parents[1])

    def stop(self) -> None:
        """Shut it down gracefully and wait."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it at once, as a crash would."""
        self._end(signal.SIGKILL)

    def get(self, path: str) -> Any:
        """JSON answer of its API; raises ``OSError`` if it does not answer."""
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:  # noqa: S310  # our own node, http only
            return json.load(answer)

    def status(self) -> dict[str, Any] | None:
        """``/v1/status``, or None while it does not answer."""
        try:
            status: dict[str, Any] = self.get("/v1/status")
        except OSError:
            return None
        return status

    def memory_bytes(self) -> tuple[int, int]:
        """Resident memory now and at its peak."""
        status = Path(f"/proc/{self._pid}/status").read_text()
        values = dict(line.split(":", 1) for line in status.splitlines())
        return int(values["VmRSS"].split()[0]) * 1024, int(values["VmHWM"].split()[0]) * 1024

    def cpu_seconds(self) -> float:
        """Processor time that it has used."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

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
        if self.process is None:
            raise RuntimeError(f"{self.member} is not running")
        return self.process.pid

    def _end(self, signal_: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal_)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


@dataclass
class Network:
    """The four nodes and what they share."""

    folder: Path
    genesis: Genesis
    nodes: list[Node] = field(default_factory=list)

    def node(self, member: str) -> Node:
        """The node of ``member``."""
        return next(node for node in self.nodes if node.member == member)

    def running(self) -> list[Node]:
        """Nodes whose process has been started and not ended."""
        return [node for node in self.nodes if node.process is not None]

    def primary(self) -> Node:
        """The node that proposes now, as a majority of the running ones sees it."""
        names = [status["primary"] for node in self.running() if (status := node.status())]
        return self.node(max(set(names), key=names.count))

    def wait_ready(self) -> None:
        """Wait until every running node says that it is ready."""
        for node in self.running():
            wait_for(lambda node=node: (node.status() or {}).get("is_ready"), START_TIMEOUT_S, f"{node.member} ready")  # type: ignore[misc]

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
    """Four started, ready nodes under ``folder``; all are stopped at the end."""
    network = make_network(folder)
    try:
        for node in network.nodes:
            node.start()
        network.wait_ready()
        yield network
    finally:
        for node in network.nodes:
            node.stop()


def make_network(folder: Path) -> Network:
    """Write the homes of four validators under ``folder``."""
    ports = _free_ports(2 * len(MEMBERS))
    made = [
        _make_home(folder / member, member, *ports[2 * place : 2 * place + 2]) for place, member in enumerate(MEMBERS)
    ]
    content = encode_genesis("benchmark", time.time_ns() // 1_000_000, [member for _, member in made])
    nodes = [node for node, _ in made]
    for node in nodes:
        (node.home / "genesis.json").write_bytes(content)
    return Network(folder, parse_genesis(content), nodes)


def wait_for(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Poll ``condition`` until it holds; raises ``TimeoutError`` naming ``what`` after ``timeout_s`` seconds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s} s for {what}")
        time.sleep(0.05)


def _make_home(folder: Path, member: str, peer_port: int, api_port: int) -> tuple[Node, MemberObject]:
    plan = MemberPlan(member, peer_address=f"127.0.0.1:{peer_port}", api_address=f"127.0.0.1:{api_port}")
    entry = create_member(plan, folder, None)
    return Node(member, folder / NODE_FOLDER, api_port, load_seed(folder / SYSTEM_KEY)), entry


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]
    finally:
        for free in sockets:
            free.close()
