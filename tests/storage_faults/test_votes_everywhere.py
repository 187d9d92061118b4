"""Damage of the files that say what a validator has voted for: its newest votes are read, or it knows that they may be
gone. Older votes that pass for the newest would let it contradict itself.
"""

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from chain.errors import PoolError
from chain.storage.bodies import BodyFile
from chain.storage.votes import VoteFile
from tests.storage_faults.damage import cut, flip, offsets
from tests.storage_faults.report import record

SAMPLES = int(os.environ.get("STORAGE_FAULTS_SAMPLES", "6"))
SEED = int(os.environ.get("STORAGE_FAULTS_SEED", "1"))
HEADER_STEP = max(1, 30 // SAMPLES)
CONTENT_BYTES = 3_000
"""More than the votes take that a test keeps: beyond it a slot is empty."""

pytestmark = pytest.mark.timeout(60 + SAMPLES * 5)


@pytest.fixture
def written(scratch: Path) -> Path:
    """Files that were written several times; the newest vote is the sixth."""
    votes = VoteFile(scratch / "VOTES")
    for number in range(1, 7):
        votes.keep_bodies([b"body %d" % number * 100])
        votes.write([(b"votes", b"vote %d" % number * 100), (b"proposal/0", b"p" * 1_000)])
    votes.close()
    return scratch


def test_s03_s40_no_damage_of_votes_passes_older_ones_for_the_newest(written: Path) -> None:
    outcomes: Counter[str] = Counter()
    path, rng = written / "VOTES", random.Random(SEED)
    size = path.stat().st_size
    starts = [copy * size // 4 for copy in range(4)]
    inside = {
        start + at for start in starts for at in [*offsets(CONTENT_BYTES, SAMPLES, rng), *range(0, 24, HEADER_STEP)]
    }
    for at in sorted(inside):
        for length in (1, 512):
            flip(path, at, length)
            outcomes[look_at(path, f"{length} bytes flipped at {at}")] += 1
            flip(path, at, length)
    assert outcomes["newest"] == outcomes.total(), "one copy of two was spoiled"
    for at in sorted({*offsets(size, SAMPLES, rng), *starts}, reverse=True):  # each cut takes what the last one left
        cut(path, at)
        outcomes[look_at(path, f"cut at {at}")] += 1
    record("votes", f"{outcomes.total()} damages, {dict(outcomes)}, older votes taken for the newest: 0")
    assert outcomes["doubtful"] > len(starts)


def look_at(path: Path, label: str) -> str:
    """Whether the newest votes are read, or it is known that they may be gone."""
    votes = VoteFile(path)
    is_newest = votes.read().get(b"votes") == b"vote 6" * 100
    assert is_newest or votes.is_doubtful, f"{label}: older votes, and nobody knows (seed {SEED})"
    votes.close()
    return "doubtful" if votes.is_doubtful else "newest"


def test_s40_no_damage_of_bodies_makes_others_of_them(written: Path) -> None:
    """They are a help after a power cut: the older ones or none are as good as lost memory, other bytes are not."""
    kept = {(b"body 5" * 100,), (b"body 6" * 100,), ()}
    path = written / "VOTES-BODIES"
    second = path.stat().st_size - 700
    places = [start + at for start in (0, second) for at in range(0, 700, max(1, 350 // SAMPLES))]
    for at in places:
        flip(path, at, 1)
        assert bodies_in(path) in kept, at
        flip(path, at, 1)
    assert bodies_in(path) == (b"body 6" * 100,)
    for at in reversed(places):
        cut(path, at)
        assert bodies_in(path) in kept, at


def bodies_in(path: Path) -> tuple[bytes, ...]:
    file = BodyFile(path)
    file.close()
    return file.bodies


def test_s41_a_file_of_votes_that_cannot_be_opened_is_reported(scratch: Path) -> None:
    (scratch / "VOTES").mkdir()
    with pytest.raises(PoolError, match="Storage failed"):
        VoteFile(scratch / "VOTES")
