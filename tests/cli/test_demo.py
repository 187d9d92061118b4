"""The demo, run as people run it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blockpool import PoolError
from cli.demo import data
from cli.demo.narrator import Narrator, story_console
from cli.demo.submitting import SubmissionResult
from tests.processes import processes_using, wait_until_gone

ROOT = Path(__file__).resolve().parents[2]


def start_demo(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", "demo", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.integration
@pytest.mark.slow
def test_every_claim_holds_and_nothing_is_left_running(tmp_path: Path) -> None:
    demo = start_demo("--dir", str(tmp_path / "demo"), "--json")
    out, err = demo.communicate(timeout=110)
    assert demo.returncode == 0, err
    result = json.loads(out)
    assert result["holds"]
    assert len(result["claims"]) >= 40
    assert all(claim["holds"] for claim in result["claims"])
    assert {claim["stage"] for claim in result["claims"]} == set(range(2, 18))
    assert sum(result["records"].values()) > 11_000
    assert 0 < result["measured"]["service_gap_s"] < 3
    assert result["seconds"] < 90
    assert "Refused at step 5" in err
    assert (tmp_path / "demo" / "pool" / "weather.evidence.json").exists()
    assert (tmp_path / "demo" / "pool" / "report.html").exists()
    assert wait_until_gone(tmp_path / "demo") == []


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_cleans_up(tmp_path: Path, number: signal.Signals) -> None:
    demo = start_demo("--dir", str(tmp_path / "demo"))
    deadline_s = time.monotonic() + 30
    while len(processes_using(tmp_path / "demo" / "pool")) < 4 and time.monotonic() < deadline_s:
        time.sleep(0.02)
    demo.send_signal(number)
    demo.communicate(timeout=60)
    # Python itself ends by SIGINT if the interruption came while it executed generated code; shells say 130 to both.
    assert demo.returncode in (130, -signal.SIGINT)
    assert wait_until_gone(tmp_path / "demo") == []


def test_missing_data_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(data, "__file__", str(tmp_path / "cli" / "demo" / "data.py"))
    with pytest.raises(PoolError, match="comes with the source tree"):
        data.load_files()


def test_a_claim_that_does_not_hold_is_remembered() -> None:
    narrator = Narrator(story_console(as_json=True))
    with narrator.stage("One"):
        narrator.claim("this holds", True)
        narrator.claim("this does not", False)
    assert [(claim.stage, claim.text) for claim in narrator.failed] == [(1, "this does not")]


def test_the_gap_is_the_longest_silence_from_the_kill_on() -> None:
    result = SubmissionResult(commit_times_s=[0.0, 5.0, 5.1, 5.9, 6.0, 6.2], killed_s=5.2)
    assert result.gap_s == pytest.approx(0.8)
    assert SubmissionResult(commit_times_s=[0.0, 9.0]).gap_s == 0.0
