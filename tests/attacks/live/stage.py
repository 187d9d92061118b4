"""Four real daemons, three members that only observe, and one client whose commits are counted."""

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from blockpool import Client, DatasetDefinition, Identity, RetryPolicy
from chain.limits import MIB
from cli.homes import GENESIS_FILE, NODE_FOLDER, SYSTEM_KEY, MemberPlan
from cli.processes import LocalNetwork, free_ports, interrupts_later
from tests.attacks.live.contracts import CONTRACTS
from tests.signing import DESCRIPTION

MEMBERS = ("airports", "aviation", "meteorology", "registry")
OBSERVERS = ("audit", "customs", "press")
CLIENT = "aviation"
TURNCOAT = "registry"
"""The validator whose key the attackers have when they have one's. Its own daemon is down then: f is 1."""
_ROOT = Path(__file__).resolve().parents[3]
BEGUN = "begun"
"""What attackers say when they do."""
_PATIENCE = RetryPolicy(attempts_max=20, total_max_s=60)


@dataclass(frozen=True)
class Measured:
    """What the client had during an attack. It commits one parcel after another."""

    latencies_ms: tuple[float, ...]
    """Of each commit."""
    resident_bytes: int
    """Of the largest daemon, at its largest."""

    @property
    def commits(self) -> float:
        """A second, but for the slowest in twenty, rounded down: on a machine that others use too a single pause would
        decide. For those there is ``slowest_ms``.
        """
        kept = sorted(self.latencies_ms)[: len(self.latencies_ms) - len(self.latencies_ms) // 20]
        return 1000 * len(kept) / sum(kept)

    @property
    def latency_ms(self) -> float:
        """Median."""
        return statistics.median(self.latencies_ms)

    @property
    def slowest_ms(self) -> float:
        """The longest of all."""
        return max(self.latencies_ms)


class Stage:
    """See the module. A context manager."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(len(OBSERVERS))
        others = [
            MemberPlan(name, node="observer", peer_address=f"127.0.0.1:{port}")
            for name, port in zip(OBSERVERS, ports, strict=True)
        ]
        self.network = LocalNetwork(folder, MEMBERS, "Attacked pool", others)
        for name in OBSERVERS:
            genesis = (folder / GENESIS_FILE).read_bytes()
            (folder / name / NODE_FOLDER / GENESIS_FILE).write_bytes(genesis)
        self._numbers = iter(range(10**9))

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.network)
            self.network.start()
            self._define()
            self._running = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._running.close()

    def _define(self) -> None:
        with self._client() as client:
            client.define(DatasetDefinition(f"{CLIENT}.attacked", "受攻击", "Attacked"))
            for name, source in CONTRACTS.items():
                dataset = f"{CLIENT}.{name}"
                client.deploy(dataset, source)
                client.define(
                    DatasetDefinition(
                        dataset, name, name, sharing="conditional", contract=dataset, description=DESCRIPTION
                    )
                )

    def measure(self, seconds: float) -> Measured:
        """Commit one parcel after another."""
        latencies: list[float] = []
        peak, is_over = [0], threading.Event()
        watching = threading.Thread(target=self._watch_memory, args=(peak, is_over))
        watching.start()
        began_s = time.monotonic()
        try:
            with self._client() as client:
                while not latencies or time.monotonic() - began_s < seconds:
                    started_s = time.monotonic()
                    client.submit([{"n": next(self._numbers)}], f"{CLIENT}.attacked")
                    latencies.append((time.monotonic() - started_s) * 1000)
        finally:
            is_over.set()
            watching.join()
        return Measured(tuple(latencies), peak[0])

    @contextmanager
    def attackers(self, attack: str, members: Sequence[str] = OBSERVERS) -> Iterator[None]:
        """While the context lasts, a process does nothing else; it has begun when the context does."""
        nodes = [name for name in MEMBERS if name not in members]
        arguments = [attack, str(self.network.folder), ",".join(nodes), ",".join(members)]
        log = self.network.folder / "hostile.log"
        command = [sys.executable, "-m", "tests.attacks.live.hostile", *arguments]
        with log.open("ab") as output, interrupts_later():
            process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=output, text=True)
        try:
            assert process.stdout is not None
            if process.stdout.readline().strip() != BEGUN:
                raise AssertionError(f"the attackers did not begin: {log.read_text()[-2000:]}")
            yield
            if process.poll() is not None:
                raise AssertionError(f"the attackers ended by themselves: {log.read_text()[-2000:]}")
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def begin_anew(self, without: Sequence[str] = ()) -> None:
        """Start all daemons again but these: they forget whom they have shut out, and what memory they needed."""
        for node in self.network.nodes.values():
            node.stop()
        nodes = [node for name, node in self.network.nodes.items() if name not in without]
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_ready()
        self.measure(0)  # the primary may be among those that are gone

    def restart(self, names: Sequence[str]) -> float:
        """Kill these nodes and start them again; returns how long it took until the client could commit, seconds."""
        for name in names:
            self.network.nodes[name].kill()
        for name in names:
            self.network.nodes[name].start()
        began_s = time.monotonic()
        self.measure(0)
        return time.monotonic() - began_s

    def _client(self) -> Client:
        network = self.network
        identity = Identity.load(network.folder / CLIENT / SYSTEM_KEY, network.genesis)
        return Client(network.nodes[CLIENT].url, network.genesis, identity, retry=_PATIENCE)

    def _watch_memory(self, peak: list[int], is_over: threading.Event) -> None:
        while not is_over.wait(0.2):
            for node in self.network.nodes.values():
                if node.pid is not None:
                    pages = Path(f"/proc/{node.pid}/statm").read_text().split()[1]
                    peak[0] = max(peak[0], int(pages) * 4096)


def in_mib(size_bytes: int) -> str:
    """For people."""
    return f"{size_bytes / MIB:.0f} MiB"
