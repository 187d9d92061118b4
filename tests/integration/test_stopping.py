"""A daemon that is the first process of its namespace, as in a container, stops when it is told to (scenario 84)."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.homes import NODE_FOLDER
from cli.processes import LocalNetwork

UNSHARE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
STOPS_WITHIN_S = 15.0
"""The first start of a contract engine takes longer than that on a busy machine."""

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        shutil.which("unshare") is None or subprocess.run([*UNSHARE, "true"], check=False).returncode != 0,
        reason="this system lets nobody make namespaces",
    ),
]


@contextmanager
def first_process(home: Path, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], int | None]]]:
    """A daemon with the process id 1; gives the process that waits for it, and what tells its id outside."""
    with log.open("wb") as output:
        command = [*UNSHARE, sys.executable, "-m", "cli.main", "node", "run", str(home)]
        waiting = subprocess.Popen(command, stdout=output, stderr=output)

    def child() -> int | None:
        children = Path(f"/proc/{waiting.pid}/task/{waiting.pid}/children").read_text().split()
        return int(children[0]) if children else None

    try:
        yield waiting, child
    finally:
        waiting.kill()
        waiting.wait()


def wait_until(condition: Callable[[], bool]) -> None:
    """Raises when that takes too long."""
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def catches_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def test_s84_a_first_start_that_compiles_the_engine_is_stopped(tmp_path: Path) -> None:
    network = LocalNetwork(tmp_path / "pool", ["tax"])
    home = tmp_path / "pool" / "tax" / NODE_FOLDER
    with (home / "config.toml").open("a") as config:
        config.write(f'\n[contracts]\ncache_folder = "{tmp_path / "cache"}"\n')
    log = tmp_path / "log"
    with first_process(home, log) as (waiting, child):
        wait_until(lambda: "compiling the contract engine" in log.read_text())
        pid = child()
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        assert waiting.wait(STOPS_WITHIN_S) == 0, log.read_text()
    assert log.read_text().rstrip().endswith("stopped height=0")
    assert network.nodes["tax"].pid is None


def test_s84_a_signal_before_anything_is_loaded_is_not_lost(tmp_path: Path) -> None:
    LocalNetwork(tmp_path / "pool", ["tax"])
    log = tmp_path / "log"
    with first_process(tmp_path / "pool" / "tax" / NODE_FOLDER, log) as (waiting, child):
        wait_until(lambda: (pid := child()) is not None and catches_sigterm(pid))
        assert log.read_text() == "", "nothing was logged yet: the node's modules are still being loaded"
        pid = child()
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        assert waiting.wait(STOPS_WITHIN_S) in (0, 128 + signal.SIGTERM)
    assert "ready" not in log.read_text()
