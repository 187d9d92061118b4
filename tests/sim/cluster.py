"""One seed, one run: a safety phase with every fault, then a liveness phase with healthy links and all honest nodes up.

Safety holds throughout, however many nodes are down. After healing, everything submitted must be stored by every
honest node within ``LIVENESS_TICKS_MAX``, with the Byzantine nodes still at work. The same seed gives the same run, to
the event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from chain.primitives.crypto import Hash
from chain.primitives.quorum import max_faulty
from tests.consensus.support import NAMES, transaction_id
from tests.sim.checkers import Checkers, Violation
from tests.sim.clock import MOMENTS_PER_TICK, Clock
from tests.sim.faults import KINDS
from tests.sim.network import LinkQuality, Network
from tests.sim.node import CONFIG, SimNode, World

LIVENESS_TICKS_MAX = 3 * CONFIG.timeout_ticks(CONFIG.timeout_doublings_max)
TROUBLE_EVERY_TICKS = 8
LOSABLE_KINDS = (
    "PrePrepare",
    "Prepare",
    "Commit",
    "Commit",
    "ViewChange",
    "NewView",
    "Committed",
    "Status",
    "BlockResponse",
)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run was like."""

    seed: int
    size: int
    byzantine: tuple[str, ...]
    """Kinds of the Byzantine nodes."""
    height: int
    """Blocks agreed on."""
    transactions: int
    """Transactions submitted, and stored everywhere."""
    healing_ticks: int
    """Ticks from healing until everything was stored everywhere."""
    events: int
    """Simulated events."""
    counts: Counter[str]
    """Faults and protocol events by kind."""


class Cluster:
    """The nodes of one run and the trouble they are in."""

    def __init__(self, seed: int, size: int, *, access: bool = False) -> None:
        """With ``access`` the transactions are contracts, requests, answers and read reports, executed by every
        node.
        """
        self.seed = seed
        self.size = size
        self.random = Random(f"{seed}/{size}")
        self.clock = Clock()
        self.network = Network(self.clock, self.random, self._arrive)
        names = NAMES[:size]
        faulty = self.random.sample(names, self.random.randint(0, max_faulty(size)))
        kinds = {name: self.random.choice(KINDS) for name in faulty}
        self.checkers = Checkers(size, faulty)
        self.counts: Counter[str] = Counter()
        self.world = World(size, self.clock, self.random, self.network, self.checkers, self.counts)
        self.nodes = {name: kinds.get(name, SimNode)(name, self.world) for name in names}
        self.honest = [node for node in self.nodes.values() if not node.is_byzantine]
        self.byzantine = tuple(kinds[name].__name__ for name in faulty)
        self.submitted: list[Hash] = []

    def run(self) -> Result:
        """Both phases.

        Raises:
            Violation: a promise is broken.
        """
        self._run_safety_phase()
        healing_ticks = self._run_liveness_phase()
        return Result(
            self.seed,
            self.size,
            self.byzantine,
            self.checkers.height,
            len(self.submitted),
            healing_ticks,
            self.clock.events,
            self.counts + self.network.counts + self.checkers.counts,
        )

    def _run_safety_phase(self) -> None:
        random = self.random
        self.network.quality = LinkQuality(
            loss=random.choice((0.0, 0.01, 0.05, 0.2)),
            duplication=random.choice((0.0, 0.02, 0.2)),
            delay_moments_max=random.choice((4, MOMENTS_PER_TICK, 4 * MOMENTS_PER_TICK, 12 * MOMENTS_PER_TICK)),
        )
        self.world.crash_chance = random.choice((0.0, 0.0, 0.0005, 0.003, 0.01))
        self.world.eclipse_chance = random.choice((0.0, 0.0, 0.1, 0.4))
        trouble = random.choice((0.1, 0.3, 0.7))
        for node in self.nodes.values():
            node.start()
        for tick in range(TROUBLE_EVERY_TICKS, random.randint(100, 400), TROUBLE_EVERY_TICKS):
            self.clock.run_until(tick)
            if random.random() < 0.5:
                self._submit(random.randint(1, 3))
            if random.random() < trouble:
                self._make_trouble()

    def _run_liveness_phase(self) -> int:
        self.world.crash_chance = self.world.eclipse_chance = 0.0
        self.network.heal()
        for node in self.nodes.values():
            if not node.is_up:
                node.start()
        self._submit(3)
        for node in self.honest:
            node.add_transactions(tuple(self.submitted))
        healed = self.clock.ticks
        self.clock.run_until(healed + LIVENESS_TICKS_MAX, self._is_done)
        if not self._is_done():
            raise Violation(f"no progress within {LIVENESS_TICKS_MAX} ticks after healing: {self._describe()}")
        return self.clock.ticks - healed

    def _is_done(self) -> bool:
        height = self.checkers.height
        return all(node.disk.height == height for node in self.honest) and all(
            id_ in self.checkers.committed for id_ in self.submitted
        )

    def _submit(self, count: int) -> None:
        """A client gives transactions to one node, which passes them on."""
        ids = tuple(transaction_id(f"{self.seed} {len(self.submitted) + index}") for index in range(count))
        self.submitted += ids
        node = self.random.choice(list(self.nodes.values()))
        if node.is_up:
            node.add_transactions(ids)

    def _make_trouble(self) -> None:
        action = self.random.choice(
            (
                self._crash,
                self._restart,
                self._restart,
                self._split,
                self._isolate,
                self._cut_one_way,
                self._lose_kinds,
                self._lose_kinds,
                self._mend,
            )
        )
        self.counts[action.__name__.strip("_")] += 1
        action()

    def _crash(self) -> None:
        self.random.choice(list(self.nodes.values())).crash()

    def _restart(self) -> None:
        for node in self.nodes.values():
            if not node.is_up and self.random.random() < 0.7:
                node.start()

    def _split(self) -> None:
        side = {name for name in self.nodes if self.random.random() < 0.5}
        self._cut(lambda sender, to: (sender in side) != (to in side))

    def _isolate(self) -> None:
        """Cut off the node that most think is primary."""
        primaries = Counter(node.replica.primary for node in self.honest if node.replica is not None)
        if primaries:
            lonely = primaries.most_common(1)[0][0]
            self._cut(lambda sender, to: lonely in (sender, to))

    def _cut_one_way(self) -> None:
        deaf = self.random.choice(list(self.nodes))
        self._cut(lambda sender, to: to == deaf and self.random.random() < 0.7)

    def _lose_kinds(self) -> None:
        """Lose most packets of some kinds, so that phases complete at some replicas only."""
        kinds = self.random.sample(LOSABLE_KINDS, self.random.randint(1, 4))
        self.network.losses = {kind: self.random.choice((0.3, 0.6, 0.9)) for kind in kinds}

    def _mend(self) -> None:
        self.network.cut.clear()
        self.network.losses.clear()

    def _cut(self, is_cut: Callable[[str, str], bool]) -> None:
        self.network.cut.update(
            (sender, to) for sender in self.nodes for to in self.nodes if sender != to and is_cut(sender, to)
        )

    def _arrive(self, to: str, sender: str, packet: object) -> None:
        self.nodes[to].receive(sender, packet)

    def _describe(self) -> str:
        lines = []
        for node in self.honest:
            if node.replica is not None:
                state = "changing to" if node.replica.is_changing_view else "in"
                lines.append(f"{node.name} stored {node.disk.height}, {state} view {node.replica.view}")
        return "; ".join(lines)
