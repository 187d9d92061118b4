"""A daemon that cannot run says why, with a code and what to do, and ends with the exit code for it."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.daemons import Daemons, daemons
from tests.node.cluster import HOST, Network

pytestmark = pytest.mark.integration
SOURCES = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    """A network of one running validator, and a member `b` with a node that is not started."""
    with daemons(tmp_path_factory.mktemp("lone"), validators=("a",), others=("b",)) as pool:
        pool.start("a")
        yield pool


def run(home: Path, *arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a daemon that must end by itself; gives its exit code and what it said."""
    ended = subprocess.run(
        [sys.executable, "-m", "cli.main", "node", "run", str(home), *arguments],
        cwd=SOURCES,
        env={"PATH": "/usr/bin:/bin", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr


def test_s44_a_second_daemon_on_the_same_folder(lone: Daemons) -> None:
    """s44."""
    code, said = run(lone.network.home("a"))
    assert code == 2
    assert "code: data_folder_locked" in said
    assert f"in use by process {lone.nodes['a'].pid}" in said
    assert "what to do: Another daemon runs on it; stop that one first." in said
    assert lone.status("a")["is_ready"] is True


@pytest.mark.parametrize(("section", "words"), [("API", "api.listen"), ("PEER", "port {port} on 127.0.0.1 is taken")])
def test_a_busy_port(lone: Daemons, section: str, words: str) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        code, said = run(lone.network.home("b"), environment={f"BLOCKPOOL_{section}_LISTEN": f"{HOST}:{port}"})
    assert code == 2
    assert "code: port_in_use" in said
    assert words.format(port=port) in said
    assert "what to do: Stop the other program or choose another port." in said


def test_an_address_that_is_not_ours(lone: Daemons) -> None:
    for section in ("API", "PEER"):
        code, said = run(lone.network.home("b"), environment={f"BLOCKPOOL_{section}_LISTEN": "192.0.2.1:7000"})
        assert (code, "code: bad_configuration" in said) == (2, True), said


def test_the_only_validator_refuses_to_resync(lone: Daemons, tmp_path: Path) -> None:
    network = Network.create(tmp_path, validators="a", others=())
    code, said = run(network.home("a"), "--resync")
    assert (code, "code: bad_configuration" in said) == (2, True)


def test_a_home_that_is_a_file_or_missing(tmp_path: Path) -> None:
    code, _ = run(tmp_path / "nothing")
    assert code == 2
    code, said = run(tmp_path)
    assert (code, "code: bad_configuration" in said, "config.toml" in said) == (2, True, True)
