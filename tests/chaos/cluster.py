"""Four real daemons whose links go through the fault proxy, and what can be done to them."""

import os
import resource
import shutil
import signal
import sys
import threading
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from blockpool import Client, ErrorCode, Genesis, Identity, NodeStatus, PoolError, RetryPolicy, load_kem_key
from chain.limits import MIB
from cli.homes import READER_KEY, SYSTEM_KEY
from cli.networks import create_network
from cli.processes import READY_TIMEOUT_S, NodeProcess, free_ports, known_homes
from sealing import KemPrivateKey
from tests.chaos.proxy import HOST, FaultProxy

MEMBERS = ("airports", "aviation", "meteorology", "registry")
SETTLE_S_MAX = 90.0
"""How long the nodes may take, once everything is healed, until all of them vote and are level. Most of it is for busy
machines: on an idle one it takes a few seconds."""
LAG_BLOCKS_MAX = 4
RESIDENT_BYTES_MAX = 700 * MIB
"""A daemon with the child that runs its contracts. Twice what it takes after long runs."""
_WATCH_S = 0.25
_POLL_S = 0.1
_ONCE = RetryPolicy(attempts_max=1, total_max_s=3)


class ChaosNode(NodeProcess):
    """A daemon that faults are done to. ``expected`` says whether it should be running."""

    def __init__(self, member: str, folder: Path, api_port: int) -> None:
        super().__init__(member, folder, api_port)
        self.expected = False
        self.starts = 0
        self.clock_offset_s = 0
        """What its wall clock is wrong by, from the next start on."""
        self.equivocates = False
        """Whether its validator does, from the next start on."""
        self.peer_port = 0
        """Where a twin listens for links."""
        self.twin: ChaosNode | None = None
        """Another daemon with the same keys."""
        self.resident_bytes_max = 0
        """The most that was seen of it, its child included."""

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.home / "data"

    def start(self, *arguments: str) -> None:
        """Start it; from now on it must not end by itself."""
        super().start(*arguments)
        self.starts += 1
        self.expected = True

    def kill(self) -> None:
        """SIGKILL."""
        self.expected = False
        self.thaw()
        super().kill()

    def stop(self) -> None:
        """SIGTERM.

        Raises:
            AssertionError: if it did not end in good order.
        """
        self.expected = False
        super().stop()
        code = self.wait()
        assert code == 0, f"the node of {self.member} ended with {code} when told to stop\n{self.log_tail()}"

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self.pid is not None:
            os.kill(self.pid, number)

    def freeze(self) -> None:
        """SIGSTOP: it does nothing, its connections stay."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def fill_disk(self, left_bytes: int) -> None:
        """Let none of its files grow past the largest of its database's logs now and ``left_bytes``: it then fails to
        write in the middle of a batch. From now on it may end by itself. Its next start knows no such limit.
        """
        self.expected = False
        logs = [path.stat().st_size for path in self.data.glob("*/*.log")]
        if self.pid is not None:
            limit = max(logs, default=0) + left_bytes
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (limit, limit))

    def has_ended(self, timeout_s: float) -> bool:
        """Wait until it ends by itself, or not."""
        deadline_s = time.monotonic() + timeout_s
        while self.pid is not None:
            if time.monotonic() > deadline_s:
                return False
            time.sleep(_POLL_S)
        return True

    def make_twin(self) -> "ChaosNode":
        """Another daemon, not started, with the same keys and a copy of its data; it must not run itself now."""
        peer_port, api_port = free_ports(2)
        twin = ChaosNode(self.member, self.log.parent, api_port)
        twin.home, twin.log = self.home.with_name("twin"), self.log.with_name(f"{self.member}.twin.log")
        shutil.copytree(self.home, twin.home)
        config = twin.home / "config.toml"
        sections = tomllib.loads(config.read_text())
        text = config.read_text().replace(sections["peer"]["listen"], f"{HOST}:{peer_port}")
        config.write_text(text.replace(sections["api"]["listen"], f"{HOST}:{api_port}"))
        twin.peer_port = peer_port
        self.twin = twin
        return twin

    def end_twin(self) -> None:
        """Nothing is left of the twin but its log."""
        if self.twin is not None:
            self.twin.kill()
            shutil.rmtree(self.twin.home)
            self.twin = None

    def status(self) -> NodeStatus | None:
        """What it says about itself; None if it does not answer."""
        try:
            with Client(self.url, retry=_ONCE) as client:
                return client.status()
        except PoolError:
            return None

    def wait_up(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until it answers, ready or not."""
        deadline_s = time.monotonic() + timeout_s
        while self.status() is None:
            assert time.monotonic() < deadline_s, f"the node of {self.member} does not come up\n{self.log_tail()}"
            time.sleep(_POLL_S)

    def sample_memory(self) -> None:
        """Note how much memory it takes."""
        process_id = self.pid
        if process_id is not None:
            size_bytes = sum(_resident_bytes(each) for each in (process_id, *_children(process_id)))
            self.resident_bytes_max = max(self.resident_bytes_max, size_bytes)

    def _command(self, *arguments: str) -> list[str]:
        if self.equivocates:
            return [sys.executable, "-m", "tests.chaos.equivocating_node", str(self.home)]
        if not self.clock_offset_s:
            return super()._command(*arguments)
        return [sys.executable, "-m", "tests.chaos.skewed_node", str(self.clock_offset_s), str(self.home), *arguments]


@dataclass
class Cluster:
    """The network. Made by ``cluster``."""

    folder: Path
    nodes: dict[str, ChaosNode]
    proxy: FaultProxy
    genesis: Genesis
    identities: dict[str, Identity]
    watch: "Watch"

    @property
    def urls(self) -> list[str]:
        """APIs of all nodes."""
        return [node.url for node in self.nodes.values()]

    def urls_from(self, member: str) -> list[str]:
        """APIs of all nodes, ``member``'s first."""
        return sorted(self.urls, key=lambda url: url != self.nodes[member].url)

    def client(self, member: str) -> Client:
        """A client that signs as ``member`` and asks its node first."""
        return Client(self.urls_from(member), self.genesis, self.identities[member])

    def reader_key(self, member: str) -> KemPrivateKey:
        """The key that ``member`` reads with."""
        return load_kem_key(self.folder / member / READER_KEY)

    def start(self) -> None:
        """Start all nodes, and wait until they are ready."""
        for node in self.nodes.values():
            node.start()
        for node in self.nodes.values():
            node.wait_ready()

    def primary(self) -> str:
        """Whom a node that answers takes for the primary."""
        statuses = (node.status() for node in self.nodes.values())
        return next((status.primary for status in statuses if status is not None), next(iter(self.nodes)))

    def wait_settled(self, timeout_s: float = SETTLE_S_MAX, lag_blocks: int = LAG_BLOCKS_MAX) -> float:
        """Wait until every node is ready, votes, and is level with the others; gives how long that took.

        Raises:
            PoolError: code ``timeout``.
        """
        started_s = time.monotonic()
        while time.monotonic() - started_s < timeout_s:
            statuses = [node.status() for node in self.nodes.values()]
            present = [status for status in statuses if status is not None]
            heights = [status.height for status in present]
            works = all(status.is_ready and status.role == "validator" for status in present)
            if len(present) == len(self.nodes) and works and max(heights) - min(heights) <= lag_blocks:
                return time.monotonic() - started_s
            time.sleep(_POLL_S)
        said = {status.member: (status.height, status.role, status.unready_reason) for status in present}
        raise PoolError(ErrorCode.TIMEOUT, f"the nodes are not settled after {timeout_s:.0f} s: {said}")


class Watch:
    """Looks after the daemons from a thread of its own: who ended unbidden, and who takes how much memory.

    Attributes:
        violations: what must not have happened.
    """

    def __init__(self, nodes: Mapping[str, ChaosNode]) -> None:
        self.violations: list[str] = []
        self._nodes = nodes
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(_WATCH_S):
            for node in self._nodes.values():
                is_gone = node.expected and node.pid is None
                if is_gone and node.expected:  # asked again: it may have been ended between the two questions
                    node.expected = False
                    self.violations.append(f"the node of {node.member} ended by itself:\n{node.log_tail()}")
                node.sample_memory()


@contextmanager
def cluster(folder: Path, seed: int) -> Iterator[Cluster]:
    """A network behind a proxy; nothing runs yet. All processes end with the block, whatever happens."""
    ports = free_ports(3 * len(MEMBERS))
    routes, nodes = {}, {}
    pairs = list(zip(ports[::3], ports[1::3], strict=True))
    genesis = create_network(folder, "Chaos", MEMBERS, pairs)
    for member, (proxy_port, api_port), own_port in zip(MEMBERS, pairs, ports[2::3], strict=True):
        routes[member] = (proxy_port, own_port)
        nodes[member] = ChaosNode(member, folder, api_port)
        config = nodes[member].home / "config.toml"
        text = config.read_text().replace(f"{HOST}:{proxy_port}", f"{HOST}:{own_port}")
        config.write_text(text)
    identities = {member: Identity.load(folder / member / SYSTEM_KEY, genesis) for member in MEMBERS}

    def process_ids() -> dict[str, list[int]]:
        running = {member: (node.pid, node.twin and node.twin.pid) for member, node in nodes.items()}
        return {member: [process_id for process_id in ids if process_id] for member, ids in running.items()}

    try:
        homes = known_homes(node.home for node in nodes.values())
        with homes, FaultProxy(routes, process_ids, seed) as proxy, Watch(nodes) as watch:
            yield Cluster(folder, nodes, proxy, genesis, identities, watch)
    finally:
        for node in nodes.values():
            node.kill()
            node.end_twin()


def _resident_bytes(process_id: int) -> int:
    """Memory that a process takes now (proc_pid_status(5)); 0 if it has ended."""
    try:
        status = Path(f"/proc/{process_id}/status").read_text()
    except OSError:
        return 0
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(sizes[0]) * 1024 if sizes else 0


def _children(process_id: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]
    except OSError:
        return []
