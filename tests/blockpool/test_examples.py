"""The examples run as they are documented."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.homes import READER_KEY
from tests.processes import RunningNetwork

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


def run_example(name: str, *arguments: str, folder: Path) -> list[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "examples" / name), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def signing(network: RunningNetwork, member: str = "aviation") -> list[str]:
    return ["--genesis", str(network.genesis_file), "--key", str(network.key_file(member)), *network.network.urls]


def test_submit_records_shares_once(running_network: RunningNetwork, tmp_path: Path) -> None:
    first = run_example("submit_records.py", *signing(running_network), folder=tmp_path)
    second = run_example("submit_records.py", *signing(running_network), folder=tmp_path)
    assert first == second
    assert sum("visibility_m" in line for line in second) == 2
    assert second[-1].startswith("  step 9")
    assert (tmp_path / "runway.evidence.json").stat().st_size > 1000


def test_submit_records_async_shares_all(running_network: RunningNetwork, tmp_path: Path) -> None:
    lines = run_example("submit_records_async.py", "--count", "950", *signing(running_network), folder=tmp_path)
    assert lines[-1].startswith("950 records are final")
    assert running_network.record_counts("aviation.temperatures") == {950}


def test_follow_events_prints_blocks(running_network: RunningNetwork, tmp_path: Path) -> None:
    running_network.new_dataset()
    urls = running_network.network.urls
    lines = run_example("follow_events.py", "--from-height", "0", "--count", "2", *urls, folder=tmp_path)
    assert lines[0] == "block 0 by genesis: 0 transactions"
    assert lines[1].startswith("block 1 by ")


def test_sealed_records_are_shared_once_and_read_as_the_contract_says(
    running_network: RunningNetwork, tmp_path: Path
) -> None:
    shared = [run_example("share_sealed.py", *signing(running_network), folder=tmp_path) for _ in range(2)]
    assert shared[0] == shared[1]
    running_network.network.settle()

    reader_key = running_network.network.folder / "meteorology" / READER_KEY
    given = [*signing(running_network, "meteorology"), "--dataset", "aviation.cancellations"]
    given += ["--reader-key", str(reader_key), "--purpose"]
    everything = run_example("read_sealed.py", *given, "flood warning", folder=tmp_path)
    assert everything[0].endswith(": allow")
    assert sum("CA1501" in line for line in everything) == 1
    assert everything[-1].startswith("reading 3 records is reported")
    statistics = run_example("read_sealed.py", *given, "statistics", folder=tmp_path)
    assert "{'airport': 'PKX', 'cancelled': True}" in statistics[2]
    assert not any("flight" in line for line in statistics)
    with pytest.raises(AssertionError, match="access_denied"):
        run_example("read_sealed.py", *given, "marketing", folder=tmp_path)
