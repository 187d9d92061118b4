"""The short form of ``make attack``: readers, followers and a member that floods, on four real daemons.

Others run on the same machine as the tests, so the bound is looser than the one that ``make attack`` measures by.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.attacks.live.__main__ import GROWTH_BYTES, SHARE, SLOWEST_MS, Attack, main
from tests.attacks.live.stage import MEMBERS, Measured
from tests.processes import processes_using, wait_until_gone

ROOT = Path(__file__).resolve().parents[2]
BURNT = Measured((10.0,) * 100, 0)


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_s61_s81_s82_attackers_leave_the_others_their_share() -> None:
    attacks = ["readers", "followers", "garbage", "validator's votes"]
    assert main([*attacks, "--seconds", "2", "--share", "0.3"]) == 0


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.attacks.live", "silence", "--seconds", "60"]
    attack = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"TMPDIR": str(tmp_path)}, stderr=subprocess.DEVNULL)
    deadline_s = time.monotonic() + 60
    while len(processes_using(tmp_path)) < len(MEMBERS) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    attack.send_signal(number)
    assert attack.wait(60) in (1, 130, -signal.SIGINT)
    assert wait_until_gone(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("during", "is_held"),
    [
        (Measured((10.0,) * 100, 0), True),
        (Measured((10.0 / SHARE - 0.1,) * 100, 0), True),
        (Measured((10.0 / SHARE + 0.1,) * 100, 0), False),
        (Measured((10.0,) * 95 + (500.0,) * 5, 0), True),  # another user of the machine
        (Measured((10.0,) * 90 + (500.0,) * 10, 0), False),  # a stall, over and over
        (Measured((10.0,) * 99 + (SLOWEST_MS + 1,), 0), False),
        (Measured((10.0,) * 100, GROWTH_BYTES), False),
    ],
)
def test_an_attack_that_takes_too_much_is_noticed(during: Measured, is_held: bool) -> None:
    assert Attack("any").is_held(during, BURNT) is is_held


def test_an_attack_on_latency_alone_is_noticed() -> None:
    calls = Attack("calls", share=0.1, delay=3)
    assert calls.is_held(Measured((30.0,) * 100, 0), BURNT)
    assert not calls.is_held(Measured((31.0,) * 100, 0), BURNT)
