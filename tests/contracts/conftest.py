"""One compiled engine for all tests of contracts, however many processes run them."""

import subprocess
import sys
from pathlib import Path

import pytest

from contracts.engine import Engine
from contracts.sandbox import Sandbox

STAGES = "stages.txt"
_OPEN = f"""
import sys
from pathlib import Path
from contracts.engine import Engine

folder = Path(sys.argv[1])

def note(stage):
    with (folder / "{STAGES}").open("a") as file:
        file.write(stage + "\\n")

Engine.open(folder, note)
"""


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A cache that two processes have filled at the same time; ``stages.txt`` in it says what they did."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "engine"
    folder.mkdir(mode=0o700, exist_ok=True)
    command = [sys.executable, "-c", _OPEN, str(folder)]
    processes = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for _ in range(2)]
    assert [process.wait(timeout=110) for process in processes] == [0, 0]
    return folder


@pytest.fixture(scope="session")
def engine(cache_folder: Path) -> Engine:
    return Engine.open(cache_folder)


@pytest.fixture(scope="session")
def sandbox(engine: Engine) -> Sandbox:
    return Sandbox(engine)
