"""Whole validators as part of the suite: a slice of the seeds, the kept ones for ever, and whether failures are found.

``python -m tests.sim --seeds 10000`` runs more; a seed that fails prints how to run it again.
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from chain.ledger import ExecutedBlock, Ledger
from tests.sim.checkers import Violation
from tests.sim.disk import SimVotes
from tests.sim.misbehaviour import KINDS
from tests.sim.schedule import Result, Schedule

pytestmark = pytest.mark.sim

SEEDS = 100
KEPT = [
    int(line) for line in (Path(__file__).parent / "kept_seeds.txt").read_text().splitlines() if line.strip().isdigit()
]


def run(seed: int) -> Result:
    try:
        return Schedule(seed).run()
    except Exception as error:
        error.add_note(f"python -m tests.sim --seeds 1 --first {seed}")
        raise


def failures(seeds: int) -> list[str]:
    """What the checkers say about so many seeds."""
    found = []
    for seed in range(seeds):
        try:
            Schedule(seed).run()
        except Violation as violation:
            found.append(str(violation))
    return found


def test_s45_every_seed_is_safe_and_live() -> None:
    results = [run(seed) for seed in range(SEEDS)]
    assert sum(result.acknowledged for result in results) > 10 * SEEDS
    counts: Counter[str] = sum((result.counts for result in results), Counter())
    kinds = {kind for result in results for kind in result.byzantine}
    reached = {
        "HEAD torn",
        "blackout",
        "bad frames refused",
        "blocks proposed again",
        "bodies torn",
        "crashes after a write",
        "crashes before a packet",
        "crashes before a write",
        "crashes in a write",
        "databases set aside",
        "equivocations",
        "evidence",
        "forgeries",
        "jump clock",
        "lose disk",
        "observer: floods",
        "observer: forgeries",
        "observer: rubbish answers",
        "observer: withheld from the primary",
        "packets cut off",
        "packets duplicated",
        "packets lost",
        "probations ended",
        "rubbish sent",
        "slow nodes",
        "unsynced batches lost",
        "view change: joined",
        "view change: timeout",
        "votes torn",
    }
    assert {name for name in reached if not counts[name]} == set()
    assert kinds == {kind.__name__ for kind in KINDS}
    assert {result.size for result in results} == set(range(4, 11))


@pytest.mark.parametrize("seed", KEPT)
def test_kept_seeds(seed: int) -> None:
    run(seed)


def test_a_seed_replays_exactly_in_another_process() -> None:
    """Whatever Python's own hashes are, which differ from process to process."""
    script = "from tests.sim.schedule import Schedule; print([Schedule(seed).run().trace for seed in (1, 5, 6)])"
    traces = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(traces) == 1
    assert traces == {f"{[Schedule(seed).run().trace for seed in (1, 5, 6)]}\n"}


def test_s03_votes_that_are_not_on_disk_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimVotes, "write", lambda votes, entries: None)
    assert any("before it was on disk" in what for what in failures(5))


def test_s38_bodies_that_are_not_on_disk_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimVotes, "keep_bodies", lambda votes, bodies: None)
    assert any("no progress" in what for what in failures(17))


def test_s39_blocks_that_are_announced_before_they_are_durable_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Ledger.commit

    def hasty(ledger: Ledger, executed: ExecutedBlock, certificate: object, *, durable: bool = True) -> None:
        commit(ledger, executed, certificate, durable=False)  # type: ignore[arg-type]

    monkeypatch.setattr(Ledger, "commit", hasty)
    assert any("before HEAD says so" in what for what in failures(3))
