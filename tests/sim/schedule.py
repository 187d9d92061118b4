"""One seed, one schedule: whole validators, a safety phase with every fault, then a liveness phase after healing.

The seed chooses the size, who is Byzantine and how, whether an observer misbehaves, whose disk and clock are bad, every
link's delay and loss, when who crashes, what a crash loses or tears, partitions, and what clients submit where. At most
``f`` validators are faulty for good (Byzantine, or with disks that lose what they had promised); any number may crash
at any time. After healing, with the Byzantine ones and the observer still at work, everything that clients submit then
must be committed and on every honest node within ``LIVENESS_TICKS_MAX``.
"""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from random import Random

from chain.primitives.crypto import Hash
from chain.primitives.quorum import max_faulty
from tests.sim.checkers import Violation
from tests.sim.misbehaviour import KINDS
from tests.sim.network import LinkQuality
from tests.sim.observers import NAME as OBSERVER
from tests.sim.observers import Observer
from tests.sim.stage import Stage, members_of
from tests.sim.validator import CONFIG, TICK_S, Validator

SIZES = (4, 4, 4, 5, 6, 7, 7, 8, 9, 10)
SAFETY_S = (2.0, 4.0, 6.0)
TROUBLE_EVERY_S = 0.16
LIVENESS_TICKS_MAX = 3 * CONFIG.timeout_ticks(CONFIG.timeout_doublings_max) + 1000
"""Three times the longest view timeout, and two whole time-outs of catch-up, which liars can cost."""
FOUNDING_S = 0.2
_OBSERVED = 0.4
"""Share of the schedules in which a member that does not vote misbehaves too."""
SETTLING_S = 0.5


@dataclass(frozen=True, slots=True)
class Result:
    """What a schedule was like."""

    seed: int
    size: int
    byzantine: tuple[str, ...]
    """Kinds of the Byzantine nodes."""
    height: int
    acknowledged: int
    """Transactions that clients were told of."""
    healing_ticks: int
    events: int
    """Packets that arrived, and turns of the event loop."""
    trace: int
    """Equal for equal runs."""
    counts: Counter[str]
    """Faults and protocol events by kind."""


class Schedule(Stage):
    """See the module. ``run`` may be called once."""

    def __init__(self, seed: int, size: int | None = None) -> None:
        self.seed = seed
        random = Random(f"whole {seed}")
        chosen = random.choice(SIZES)
        size = size or chosen
        faults = max_faulty(size)
        names = members_of(size).names
        faulty = random.sample(names, faults if random.random() < 0.6 else random.randint(0, faults))
        kinds = {name: random.choice(KINDS) for name in faulty if random.random() < 0.7}
        super().__init__(random, size, kinds, tuple(name for name in faulty if name not in kinds))
        self.byzantine = tuple(kind.__name__ for kind in kinds.values())
        of_observer = Random(f"observer {seed}")
        self._observer = Observer(of_observer, self.world, self.nodes) if of_observer.random() < _OBSERVED else None
        self._settled: list[Hash] = []
        """Submitted after healing."""

    def run(self) -> Result:
        """Both phases.

        Raises:
            Violation: a promise is broken.
        """
        with self:
            self._run_safety_phase()
            healing_ticks = self._run_liveness_phase()
            self.checkers.check_end()
        return Result(
            self.seed,
            self.size,
            self.byzantine,
            self.checkers.height,
            len(self.checkers.acknowledged),
            healing_ticks,
            self.network.counts["packets arrived"] + self.loop.turns,
            self.network.trace,
            self.counts + self.network.counts + self.checkers.counts,
        )

    # Phases

    def _run_safety_phase(self) -> None:
        random, world = self.random, self.world
        self._found()
        self._choose_links()
        world.crash_chance = random.choice((0.0, 0.0, 0.0005, 0.002, 0.006))
        trouble = random.choice((0.1, 0.3, 0.6))
        load = random.choice((0.3, 0.6, 0.9))
        end_s = random.choice(SAFETY_S)
        while self.loop.time() < end_s:
            self.advance(TROUBLE_EVERY_S)
            if random.random() < load:
                self.do(partial(self._submit_some, list(self.nodes.values())))
            if random.random() < trouble:
                self.do(self._make_trouble)

    def _found(self) -> None:
        """Start a new network, which is spared faults until all have heard of each other: a validator that comes later,
        with no record of its votes, counts as faulty until it has seen some blocks go by (see ``node.probation``).
        """
        for node in self.nodes.values():
            node.clock_offset_ms = self.random.choice((0, 0, -1500, -200, 30, 900, 2000))
            self.do(node.start)
        self.advance(FOUNDING_S)
        if self._observer is not None:
            self.network.stations[OBSERVER] = self._observer
            self.do(self._observer.begin)

    def _run_liveness_phase(self) -> int:
        self.do(self._heal)
        healed_s = self.loop.time()
        self.advance(SETTLING_S)
        before = len(self.submitted)
        self.do(partial(self._submit_some, self.honest))
        self._settled = self.submitted[before:]
        self.advance(LIVENESS_TICKS_MAX * TICK_S, self._is_done)
        if not self._is_done():
            raise Violation(f"no progress within {LIVENESS_TICKS_MAX} ticks after healing: {self.describe()}")
        return int((self.loop.time() - healed_s) / TICK_S)

    def _heal(self) -> None:
        self.world.crash_chance = 0.0
        self.network.heal()
        for node in self.nodes.values():
            node.clock_offset_ms = max(-1000, min(1000, node.clock_offset_ms))
            if not node.is_up:
                node.start()
        for node in self.nodes.values():
            self.network.connect(node.name)

    def _is_done(self) -> bool:
        return self.is_settled() and all(id_ in self.checkers.committed for id_ in self._settled)

    def _submit_some(self, nodes: list[Validator]) -> None:
        for _ in range(self.random.randint(1, 4)):
            self.submit(self.random.choice(nodes))

    # Trouble

    def _choose_links(self) -> None:
        random = self.random
        loss, duplication = random.choice((0.0, 0.01, 0.05, 0.2)), random.choice((0.0, 0.02, 0.2))
        for sender in self.nodes:
            for to in self.nodes:
                self.network.quality[sender, to] = LinkQuality(
                    delay_s=random.choice((0.0005, 0.002, 0.01, 0.04)),
                    jitter_s=random.choice((0.001, 0.01, 0.1)),
                    loss=loss * random.random() * 2,
                    duplication=duplication,
                )
        for name in self.nodes:
            if random.random() < 0.15:
                self.network.slowness_s[name] = random.choice((0.02, 0.1, 0.3))
                self.counts["slow nodes"] += 1

    def _make_trouble(self) -> None:
        troubles = [
            self._crash,
            self._crash,
            self._restart,
            self._restart,
            self._restart,
            self._split,
            self._isolate_primary,
            self._cut_one_way,
            self._mend,
            self._mend,
            self._blackout,
        ]
        if self.frail:
            troubles += [self._lose_disk, self._lose_synced, self._lose_synced, self._jump_clock]
        trouble = self.random.choice(troubles)
        self.counts[trouble.__name__.strip("_").replace("_", " ")] += 1
        trouble()

    def _crash(self) -> None:
        self.random.choice(list(self.nodes.values())).crash()

    def _restart(self) -> None:
        for node in self.nodes.values():
            if not node.is_up and self.random.random() < 0.7:
                node.start()

    def _blackout(self) -> None:
        """All stop at once, and start one by one."""
        for node in self.nodes.values():
            node.crash()
        pause_s = 0.0
        for node in self.random.sample(list(self.nodes.values()), self.size):
            pause_s += self.random.random() * 0.3
            self.world.after(pause_s, lambda node=node: None if node.is_up else node.start())  # type: ignore[misc]

    def _split(self) -> None:
        side = {name for name in self.nodes if self.random.random() < 0.5}
        self.network.cut |= {(a, b) for a in self.nodes for b in self.nodes if (a in side) != (b in side)}

    def _isolate_primary(self) -> None:
        primaries = Counter(
            node.service.driver.replica.primary for node in self.nodes.values() if node.service is not None
        )
        if primaries:
            lonely = primaries.most_common(1)[0][0]
            self.network.cut |= {pair for peer in self.nodes for pair in ((lonely, peer), (peer, lonely))}

    def _cut_one_way(self) -> None:
        deaf = self.random.choice(list(self.nodes))
        self.network.cut |= {(peer, deaf) for peer in self.nodes if self.random.random() < 0.7}

    def _mend(self) -> None:
        self.network.cut.clear()

    def _lose_disk(self) -> None:
        node = self.nodes[self.random.choice(self.frail)]
        node.crash()
        node.disk.wipe()
        # Up to f claims of a block may be lies, so the network still counts as new, and this node with it: it votes at
        # once, as one of the f that may be faulty (``node.probation``).
        if sum(other.claimed_height() > 0 for other in self.nodes.values()) <= max_faulty(self.size):
            self.checkers.excused.add(node.name)

    def _lose_synced(self) -> None:
        """A disk that had lied about what it had synced."""
        node = self.nodes[self.random.choice(self.frail)]
        node.crash()
        self.random.choice((node.disk.blocks, node.disk.state)).lose_synced(self.random)

    def _jump_clock(self) -> None:
        node = self.nodes[self.random.choice(self.frail)]
        node.clock_offset_ms = self.random.choice((-3_600_000, -7_000, 0, 7_000, 3_600_000))
