"""Nodes as processes of their own, for the demo and for tests: start, wait until ready, kill, and always clean up."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from blockpool import Client, ErrorCode, PoolError, RetryPolicy
from blockpool.credentials import HOME_VARIABLE
from chain.messages.phrases import phrase
from cli.homes import NODE_FOLDER, MemberPlan
from cli.networks import create_network

READY_TIMEOUT_S = 90.0
"""The first start on a machine compiles the contract engine, which takes long on a busy one."""
SETTLE_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 15.0
_POLL_S = 0.05
_LOG_TAIL_LINES = 15
_ONCE = RetryPolicy(attempts_max=1)
_FEW = RetryPolicy(attempts_max=3, total_max_s=10)
_SOURCE_ROOT = Path(__file__).resolve().parent.parent


class NodeProcess:
    """One daemon. It gets a session of its own, so that Ctrl-C reaches only whoever started it."""

    def __init__(self, member: str, folder: Path, api_port: int) -> None:
        self.member = member
        self.home = folder / member / NODE_FOLDER
        self.log = folder / f"{member}.log"
        self.url = f"http://127.0.0.1:{api_port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self, *arguments: str) -> None:
        """Start the daemon, with more arguments if given; its log is appended to ``log``."""
        paths = [str(_SOURCE_ROOT), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        with self.log.open("ab") as log, interrupts_later():
            self._process = subprocess.Popen(
                self._command(*arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until the node can order transactions.

        Raises:
            PoolError: code ``not_ready``, with the end of its log, if it ended or took too long.
        """
        deadline_s = time.monotonic() + timeout_s
        with Client(self.url, retry=_ONCE) as client:
            while time.monotonic() < deadline_s:
                if self.pid is None:
                    raise self._failed("ended")
                with suppress(PoolError):
                    if client.status().is_ready:
                        return
                time.sleep(_POLL_S)
        raise self._failed(f"is not ready after {timeout_s:.0f} s")

    def height(self) -> int:
        """Height of its newest block; raises ``unreachable``."""
        with Client(self.url, retry=_FEW) as client:
            return client.status().height

    def kill(self) -> None:
        """End it at once, as a power cut would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order (SIGTERM); kill it if it does not."""
        self._end(signal.SIGTERM)

    def wait(self) -> int | None:
        """Wait for a process told to end; gives its exit code, negative for a signal."""
        return self._process.wait(_STOP_TIMEOUT_S) if self._process else None

    def log_tail(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-_LOG_TAIL_LINES:])

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "cli.main", "node", "run", str(self.home), *arguments]

    def _end(self, signal_number: int) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal_number)
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _failed(self, what: str) -> PoolError:
        return PoolError(
            ErrorCode.NOT_READY,
            phrase(
                "the node of {member} {what}; the end of {log}:\n{tail}",
                member=self.member,
                what=what,
                log=self.log,
                tail=self.log_tail(),
            ),
        )


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM end this process as Ctrl-C does, so that what it has started is cleaned up."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def interrupts_later() -> Iterator[None]:
    """Hold signals back until the block is over: one that came while a process is being started would leave it
    running, with nobody who knows of it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are handled in the main thread alone
        return
    held: list[int] = []
    previous = {
        number: signal.signal(number, lambda number, _frame: held.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    for caught in held:
        signal.raise_signal(caught)


@contextmanager
def known_homes(homes: Iterable[Path]) -> Iterator[None]:
    """Let clients in this process, and those that it starts, find the tokens of these nodes."""
    ours = [str(home) for home in homes]
    named = [home for home in os.environ.get(HOME_VARIABLE, "").split(os.pathsep) if home]
    os.environ[HOME_VARIABLE] = os.pathsep.join([*named, *ours])
    try:
        yield
    finally:
        named = os.environ.get(HOME_VARIABLE, "").split(os.pathsep)
        os.environ[HOME_VARIABLE] = os.pathsep.join(home for home in named if home not in ours)


class LocalNetwork:
    """A network of daemons on this machine, on free ports. Use it with ``with``: all processes end with the block,
    unless ``keep`` is set, and until then clients in this process find the nodes' tokens.
    """

    def __init__(
        self, folder: Path, members: Sequence[str], name: str = "Local pool", others: Sequence[MemberPlan] = ()
    ) -> None:
        ports = free_ports(2 * len(members))
        pairs = list(zip(ports[::2], ports[1::2], strict=True))
        self.folder = folder
        self.genesis = create_network(folder, name, members, pairs, others=others)
        self.nodes = {member: NodeProcess(member, folder, pair[1]) for member, pair in zip(members, pairs, strict=True)}
        self.keep = False
        self._known = known_homes(node.home for node in self.nodes.values())

    @property
    def urls(self) -> list[str]:
        """APIs of all nodes."""
        return [node.url for node in self.nodes.values()]

    def urls_from(self, member: str) -> list[str]:
        """APIs of all nodes, ``member``'s first."""
        return sorted(self.urls, key=lambda url: url != self.nodes[member].url)

    def start(self) -> None:
        """Start all nodes and wait until they are ready."""
        for node in self.nodes.values():
            node.start()
        for node in self.nodes.values():
            node.wait_ready()

    def settle(self, timeout_s: float = SETTLE_TIMEOUT_S) -> int:
        """Wait until every running node has what any of them has now; gives that height.

        A commit needs a quorum, so the slowest node may be a moment behind the receipt.

        Raises:
            PoolError: code ``timeout``.
        """
        running = [node for node in self.nodes.values() if node.pid is not None]
        height = max(node.height() for node in running)
        deadline_s = time.monotonic() + timeout_s
        while behind := [node.member for node in running if node.height() < height]:
            if time.monotonic() > deadline_s:
                raise PoolError(
                    ErrorCode.TIMEOUT,
                    phrase("{behind} did not reach height {height}", behind=", ".join(behind), height=height),
                )
            time.sleep(_POLL_S)
        return height

    def __enter__(self) -> "LocalNetwork":
        self._known.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._known.__exit__(None, None, None)
        if not self.keep:
            for node in self.nodes.values():
                node.kill()


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody uses now. All are held until the last is found, so they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [int(item.getsockname()[1]) for item in sockets]
    finally:
        for item in sockets:
            item.close()
