"""One run: faults in an order that the seed gives, under load, and the reckoning at the end."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from chain.errors import PoolError
from tests.chaos.checks import Comparison, check_memory, check_receipts, compare, served_chains, stored_chains
from tests.chaos.cluster import SETTLE_S_MAX, Cluster, cluster
from tests.chaos.faults import FAULTS, WITHOUT_QUORUM, Scene
from tests.chaos.load import AcknowledgementLog, found_datasets, load

GAP_S_MAX = 8.0
"""Longest time without any acknowledgement that is allowed under a fault that leaves a quorum. It is usually less than
one second; the rest is for busy machines."""
_CALM_S = 1.0
"""Load without faults after each."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run."""

    folder: Path
    seed: int
    duration_s: float
    """Faults are begun for so long; every kind comes at least once, however short it is."""
    kinds: Sequence[str] = tuple(FAULTS)
    hold_s: float = 4.0
    """How long a fault lasts, more or less."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One fault, from its beginning until the cluster had settled."""

    kind: str
    fault_s: float
    """How long the fault lasted."""
    settling_s: float
    """How long the nodes took, once it was over, until all voted and were level."""
    gap_s: float
    """Longest time without an acknowledgement, from the fault's beginning until after the cluster had settled."""
    acknowledged: int
    """While the fault lasted."""


@dataclass
class Result:
    """What a run came to."""

    plan: Plan
    stages: list[Stage] = field(default_factory=list)
    log: AcknowledgementLog = field(default_factory=AcknowledgementLog)
    violations: list[str] = field(default_factory=list)
    comparison: Comparison = field(default_factory=lambda: Comparison(0, 0, ()))
    height: int = 0
    restarts: int = 0
    resident_bytes_max: int = 0
    seconds: float = 0.0

    @property
    def faults(self) -> Counter[str]:
        """How often each kind was done."""
        return Counter(stage.kind for stage in self.stages)

    @property
    def gap_s(self) -> float:
        """Longest time without an acknowledgement under faults that leave a quorum."""
        return max((stage.gap_s for stage in self.stages if stage.kind not in WITHOUT_QUORUM), default=0.0)


def run(plan: Plan, say: Say = lambda line: None) -> Result:
    """Run a plan; what must not happen is in ``violations`` of the result."""
    result = Result(plan)
    started_s = time.monotonic()
    with cluster(plan.folder, plan.seed) as pool:
        pool.start()
        found_datasets(pool)
        with load(pool, result.log, plan.seed):
            _strike(plan, pool, result, say)
        _reckon(pool, result, random.Random(plan.seed), say)
        result.violations += pool.watch.violations
    result.violations += result.log.violations
    result.seconds = time.monotonic() - started_s
    return result


def longest_gap_s(moments_s: Sequence[float], first_s: float, last_s: float) -> float:
    """Longest time between two neighbouring moments, of that part of it within the span; its ends count as moments."""
    within = [moment_s for moment_s in moments_s if first_s < moment_s < last_s]
    return max(later - earlier for earlier, later in pairwise([first_s, *within, last_s]))


def gap_s_max(stage: Stage) -> float:
    """How long nothing may be acknowledged: without a quorum also for as long as the fault and the settling take, the
    latter of which has its own bound, ``SETTLE_S_MAX``."""
    return GAP_S_MAX + (stage.fault_s + stage.settling_s if stage.kind in WITHOUT_QUORUM else 0)


def _kinds(plan: Plan, chooser: random.Random) -> Iterator[str]:
    """Every kind in a random order, then all of them in another, without end."""
    while True:
        deck = list(plan.kinds)
        chooser.shuffle(deck)
        yield from deck


def _strike(plan: Plan, pool: Cluster, result: Result, say: Say) -> None:
    chooser = random.Random(plan.seed)
    scene = Scene(pool, chooser, plan.hold_s)
    until_s = time.monotonic() + plan.duration_s
    for count, kind in enumerate(_kinds(plan, chooser)):
        if count >= len(plan.kinds) and time.monotonic() > until_s:
            return
        if not _strike_once(kind, scene, result, say):
            return


def _strike_once(kind: str, scene: Scene, result: Result, say: Say) -> bool:
    """Do a fault, heal, and wait; False if the cluster does not come back."""
    pool, started_s = scene.cluster, time.monotonic()
    try:
        scene.weather()
        FAULTS[kind](scene)
        over_s = time.monotonic()
        pool.proxy.heal()
        settling_s = pool.wait_settled()
    except (AssertionError, PoolError) as error:
        result.violations.append(f"{kind}: {error}")
        return False
    time.sleep(_CALM_S)
    moments_s = result.log.moments_s()
    gap_s = longest_gap_s(moments_s, started_s, time.monotonic())
    count = sum(started_s < moment_s < over_s for moment_s in moments_s)
    stage = Stage(kind, over_s - started_s, settling_s, gap_s, count)
    result.stages.append(stage)
    say(
        f"{kind:16} {stage.fault_s:5.1f} s, settled after {settling_s:4.1f} s, gap {gap_s:4.1f} s, {count} acknowledged"
    )
    if gap_s > gap_s_max(stage):
        result.violations.append(f"{kind}: nothing was acknowledged for {gap_s:.1f} s")
    return True


def _reckon(pool: Cluster, result: Result, chooser: random.Random, say: Say) -> None:
    """Heal everything, and hold every node against everything that was acknowledged."""
    log = result.log
    pool.proxy.heal()
    try:
        pool.wait_settled(SETTLE_S_MAX, lag_blocks=0)
        say("comparing what the nodes serve")
        chains = served_chains(pool)
        result.violations += check_receipts(pool, log, chooser)
        for node in pool.nodes.values():
            node.stop()
    except (AssertionError, PoolError) as error:
        result.violations.append(f"at the end: {error}")
        return
    say("auditing what the nodes have stored")
    chains += stored_chains(pool, result.violations)
    result.comparison = compare(log.acknowledged, chains)
    result.violations += result.comparison.violations
    result.height = len(chains[0].block_hashes) - 1
    result.restarts = sum(node.starts - 1 for node in pool.nodes.values())
    memory = {node.member: node.resident_bytes_max for node in pool.nodes.values()}
    result.resident_bytes_max = max(memory.values())
    result.violations += check_memory(memory)
    if log.given_up:
        result.violations.append(f"{len(log.given_up)} transactions were never acknowledged")
