"""Disks that are full or read-only: the right words, exit code 1, nothing acknowledged is lost, and on it goes when
there is space.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.storage_faults.report import record

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


def on_a_small_disk(scenario: str, folder: Path) -> dict[str, Any]:
    """What a scenario reports; skips where nobody may mount anything."""
    (folder / "probe").mkdir()
    probe = subprocess.run(
        [*NAMESPACE, "mount", "-t", "tmpfs", "none", str(folder / "probe")], capture_output=True, text=True, check=False
    )
    if probe.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {probe.stderr.strip()}")
    return run(scenario, folder, NAMESPACE)


def run(scenario: str, folder: Path, prefix: Sequence[str] = ()) -> dict[str, Any]:
    """What a scenario reports, from a process of its own."""
    finished = subprocess.run(
        [*prefix, sys.executable, "-m", "tests.storage_faults.small_disk", scenario, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    report: dict[str, Any] = json.loads(finished.stdout)
    return report


def test_s41_the_disk_fills_up_at_any_point(tmp_path: Path) -> None:
    report = on_a_small_disk("points", tmp_path)
    record("full disk", f"{report['points']} points, {report['outcomes']}, lost or wrong: {len(report['wrong'])}")
    assert report["wrong"] == []
    assert set(report["outcomes"]) == {"disk_full", "finished"}
    assert report["outcomes"]["disk_full"] > report["points"] // 2


@pytest.mark.integration
def test_s41_a_daemon_says_that_its_disk_is_full_or_read_only(tmp_path: Path) -> None:
    """The only validator, which has nobody to fetch a spoiled chain from; from its very first start on."""
    steps = on_a_small_disk("daemon", tmp_path)["steps"]
    assert len(steps) == 7
    for label, code, said in steps:
        assert code == 1, (label, said)
        if "read-only" in label:
            assert "Read-only file system" in said[0], (label, said)
            assert said[1:] == [
                "  code: storage_failed",
                "  what to do: Check the disk, its room and who may write there. "
                "A node stops, so that nothing is lost.",
            ], label
        else:
            assert said[0].startswith("blockpool: Disk is full: "), (label, said)
            assert said[1:] == [
                "  code: disk_full",
                "  what to do: Free space on the data folder's disk, then start the node again.",
            ], label


def test_s41_files_that_the_system_lets_grow_no_further(scratch: Path) -> None:
    report = run("limits", scratch)
    record(
        "writes that fail", f"{report['points']} points, {report['outcomes']}, lost or wrong: {len(report['wrong'])}"
    )
    assert report["wrong"] == []
    assert set(report["outcomes"]) == {"storage_failed"}
