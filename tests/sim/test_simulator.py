"""The simulator as part of the suite: a slice of the seeds, the interesting ones for ever, and a look at the simulator.

``python -m tests.sim --seeds 10000 --size 4`` runs more; a seed that fails prints how to run it again.
"""

from __future__ import annotations

from collections import Counter

import pytest

from chain.blocks import Certificate
from consensus.effects import Evidence
from tests.consensus.support import GENESIS_HASH, commit, hash_of, make_proposal, transaction_id
from tests.sim.checkers import Checkers, Violation
from tests.sim.cluster import Cluster, Result

pytestmark = pytest.mark.sim

SEEDS = {1: 500, 4: 900, 7: 250}
"""Seeds from 0 on, by number of validators: about twenty seconds on one core."""


INTERESTING = [
    # Replicas hold certificates of different views for one block, and some move to the later start view.
    (2963, 4),
    (3394, 4),
    (1051, 7),
    (1558, 7),
    (22, 3),
    (136, 5),
    # Slow to recover: the timeout had doubled often before the network healed.
    (515, 7),
]
"""(seed, size) of runs that once found a fault, or that reach rare states."""


@pytest.fixture(scope="module", params=SEEDS)
def results(request: pytest.FixtureRequest) -> list[Result]:
    size: int = request.param
    done = []
    for seed in range(SEEDS[size]):
        try:
            done.append(Cluster(seed, size).run())
        except Exception as error:
            error.add_note(f"python -m tests.sim --size {size} --seeds 1 --first {seed}")
            raise
    return done


def test_s45_every_seed_is_safe_and_live(results: list[Result]) -> None:
    assert len(results) == SEEDS[results[0].size]
    assert all(result.height > 0 for result in results)


def test_the_seeds_reach_what_they_are_meant_to_reach(results: list[Result]) -> None:
    counts: Counter[str] = sum((result.counts for result in results), Counter())
    reached = ["crashes between effects", "view change: timeout", "restart"]
    if results[0].size > 1:
        reached += [
            "blocks proposed again",
            "catch-ups",
            "eclipses",
            "evidence",
            "forgeries",
            "packets duplicated",
            "packets lost",
            "view change: invalid proposal",
            "view change: joined",
        ]
    assert {name for name in reached if not counts[name]} == set()


@pytest.mark.parametrize(("seed", "size"), INTERESTING)
def test_interesting_seeds(seed: int, size: int) -> None:
    Cluster(seed, size).run()


def test_a_seed_replays_exactly() -> None:
    assert Cluster(5, 4).run() == Cluster(5, 4).run()


def test_the_checkers_notice_a_fork_a_contradiction_and_a_false_accusation() -> None:
    blocks = [make_proposal(1, GENESIS_HASH, "a", (transaction_id(label),)) for label in "xy"]
    first, second = (commit("a", 1, 0, hash_of(block)) for block in blocks)
    checkers = Checkers(1, ())
    checkers.on_stored("a", blocks[0], Certificate(1, 0, first.block_hash, (("a", first.signature),)))
    with pytest.raises(Violation, match="another block"):
        checkers.on_stored("a", blocks[1], Certificate(1, 0, second.block_hash, (("a", second.signature),)))
    with pytest.raises(Violation, match="bad certificate"):
        checkers.on_stored("a", blocks[0], Certificate(1, 0, first.block_hash, (("a", second.signature),)))
    checkers.on_sent("a", first)
    with pytest.raises(Violation, match="contradicts itself"):
        checkers.on_sent("a", second)
    with pytest.raises(Violation, match="honest"):
        checkers.on_evidence("a", Evidence("a", first, second))


def test_s03_the_simulator_finds_replicas_that_forget_their_votes() -> None:
    found = 0
    for seed in range(60):
        cluster = Cluster(seed, 4)
        for node in cluster.honest:
            node.memory_survives = False
        try:
            cluster.run()
        except Violation:
            found += 1
    assert found
