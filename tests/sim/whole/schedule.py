"""One seed, one schedule: whole validators, a safety phase with every fault, then a liveness phase after healing.

The seed chooses the size, who is Byzantine and how, whose disk and clock are bad, every link's delay and loss, when who
crashes, what a crash loses or tears, partitions, and what clients submit where. At most ``f`` validators are faulty
for good (Byzantine, or with disks that lose what they had promised); any number may crash at any time. After healing,
with the Byzantine ones still at work, everything that clients submit then must be committed and on every honest node
within ``LIVENESS_TICKS_MAX``.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from random import Random
from typing import Any

from chain.crypto import Hash
from chain.encoding import encode
from chain.errors import PoolError
from chain.quorum import max_faulty
from chain.receipts import verify_receipt
from tests.networks import TestNetwork
from tests.sim.checkers import Violation
from tests.sim.node import CONFIG
from tests.sim.whole.checkers import Checkers
from tests.sim.whole.disk import Crashed
from tests.sim.whole.loop import SimLoop
from tests.sim.whole.misbehaviour import KINDS, Twins
from tests.sim.whole.network import LinkQuality, Network
from tests.sim.whole.signatures import verified_once
from tests.sim.whole.validator import TICK_S, Validator, World

SIZES = (4, 4, 4, 5, 6, 7, 7, 8, 9, 10)
SAFETY_S = (2.0, 4.0, 6.0)
TROUBLE_EVERY_S = 0.16
LIVENESS_TICKS_MAX = 3 * CONFIG.timeout_ticks(CONFIG.timeout_doublings_max) + 1000
"""Three times the longest patience, and two whole time-outs of catch-up, which liars can cost."""
SETTLING_S = 0.5
RECEIPT_TIMEOUT_S = 60.0


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


@cache
def members_of(size: int) -> TestNetwork:
    """A network of so many validators; the same for every seed."""
    return TestNetwork(size=size)


@lru_cache(maxsize=8192)
def transaction(size: int, number: int) -> tuple[str, bytes, Hash]:
    """The member, encoding and id of a run's transaction: each member's dataset first, then parcels."""
    network = members_of(size)
    member = network.names[number % size]
    network.nonce = number
    made = (
        network.dataset(member)
        if number < size
        else network.parcel([b'{"n":%d}' % number], member, dataset=f"{member}.flights")
    )
    return member, encode(made), network.id_of(made)


class Schedule:
    """See the module. ``run`` may be called once."""

    def __init__(self, seed: int, size: int | None = None) -> None:
        self.seed = seed
        self.random = random = Random(f"whole {seed}")
        self.size = size or random.choice(SIZES)
        self.loop = SimLoop()
        self.loop.set_exception_handler(self._on_exception)
        self.members = members_of(self.size)
        names = self.members.names
        self.network = Network(self.loop, random, names)
        faulty = random.sample(names, random.randint(0, max_faulty(self.size)))
        kinds = {name: random.choice(KINDS) for name in faulty if random.random() < 0.75}
        self.frail = [name for name in faulty if name not in kinds]
        """Honest nodes whose disks and clocks fail."""
        self.counts: Counter[str] = Counter()
        self.checkers = Checkers(self.members, frozenset(faulty))
        self.world = World(self.loop, self.network, self.members, self.checkers, self.counts)
        self.nodes = {name: kinds.get(name, Validator)(name, self.world) for name in names}
        self.checkers.nodes = self.nodes
        self.network.stations.update(self.nodes)
        self.honest = [node for node in self.nodes.values() if not node.is_byzantine]
        self.byzantine = tuple(kind.__name__ for kind in kinds.values())
        self.submitted = 0
        self._settled: list[Hash] = []
        """Submitted after healing."""
        self._is_live_phase = False

    def run(self) -> Result:
        """Both phases.

        Raises:
            Violation: a promise is broken.
        """
        logging.disable(logging.CRITICAL)
        try:
            with verified_once():
                self._run_safety_phase()
                healing_ticks = self._run_liveness_phase()
                self.checkers.check_end()
        finally:
            logging.disable(logging.NOTSET)
            self._close()
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
        self._choose_links()
        world.crash_chance = random.choice((0.0, 0.0, 0.0002, 0.001, 0.003))
        trouble = random.choice((0.1, 0.3, 0.6))
        load = random.choice((0.3, 0.6, 0.9))
        for node in self.nodes.values():
            node.clock_offset_ms = random.choice((0, 0, -1500, -200, 30, 900, 2000))
            self._do(node.start)
        end_s = random.choice(SAFETY_S)
        moment_s = 0.0
        while moment_s < end_s:
            moment_s += TROUBLE_EVERY_S
            self._advance(moment_s)
            if random.random() < load:
                self._do(self._submit)
            if random.random() < trouble:
                self._do(self._make_trouble)

    def _run_liveness_phase(self) -> int:
        self._do(self._heal)
        healed_s = self.loop.time()
        self._advance(healed_s + SETTLING_S)
        self._is_live_phase = True
        self._do(self._submit)
        end_s = healed_s + LIVENESS_TICKS_MAX * TICK_S
        while not self._is_done():
            if self.loop.time() >= end_s:
                raise Violation(f"no progress within {LIVENESS_TICKS_MAX} ticks after healing: {self.describe()}")
            self._advance(self.loop.time() + 5 * TICK_S)
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
        height = self.checkers.height
        return all(node.claimed_height() == height for node in self.honest) and all(
            id_ in self.checkers.committed for id_ in self._settled
        )

    def _do(self, work: Callable[[], None]) -> None:
        """Do something inside the loop, as everything that touches a node must."""
        self.loop.call_soon(work)
        self._advance(self.loop.time())

    def _advance(self, end_s: float) -> None:
        self.loop.run_until(end_s)
        if self.checkers.failure is not None:
            raise self.checkers.failure

    # Clients

    def _submit(self) -> None:
        """Clients give transactions to nodes, each to its member's own or to any other."""
        for _ in range(self.random.randint(1, 4)):
            member, data, id_ = transaction(self.size, self.submitted)
            self.submitted += 1
            ways = list(self.nodes.values()) if not self._is_live_phase else self.honest
            node = self.nodes[member] if self.random.random() < 0.5 and self.nodes[member] in ways else None
            node = node or self.random.choice(ways)
            if isinstance(node, Twins):
                node = node.twins[0]
            if self._is_live_phase:
                self._settled.append(id_)
            if node.service is not None:
                self.loop.create_task(self._submit_to(node, data, id_))

    async def _submit_to(self, node: Validator, data: bytes, id_: Hash) -> None:
        service = node.service
        if service is None:
            return
        try:
            await service.dissemination.submit(data)
            receipt = await service.pool.wait_for_receipt(id_, RECEIPT_TIMEOUT_S)
        except PoolError as error:
            self.counts[f"clients refused: {error.code}"] += 1
            return
        if service is not node.service:
            return  # the process died before it could answer
        self.checkers.on_acknowledged(node, receipt, id_)
        if not node.is_byzantine:
            verify_receipt(self.members.chain_id, self.members.genesis.validators, id_, receipt)

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
            troubles += [self._lose_disk, self._lose_synced, self._jump_clock]
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

    def _lose_synced(self) -> None:
        """A disk that had lied about what it had synced."""
        node = self.nodes[self.random.choice(self.frail)]
        node.crash()
        self.random.choice((node.disk.blocks, node.disk.state)).lose_synced(self.random)

    def _jump_clock(self) -> None:
        node = self.nodes[self.random.choice(self.frail)]
        node.clock_offset_ms = self.random.choice((-3_600_000, -7_000, 0, 7_000, 3_600_000))

    # Around

    def describe(self) -> str:
        """Where everybody stands."""
        lines = []
        for node in self.honest:
            if node.service is None:
                lines.append(f"{node.name} is down")
                continue
            replica = node.service.driver.replica
            state = "changing to" if replica.is_changing_view else "in"
            votes = "" if node.service.driver.may_vote else ", on probation"
            lines.append(f"{node.name} at {node.service.pool.height}, {state} view {replica.view}{votes}")
        return f"chain at {self.checkers.height}; " + "; ".join(lines)

    def _on_exception(self, loop: Any, context: dict[str, Any]) -> None:
        """Something ended in an exception that nobody caught: only the death of a process may."""
        error = context.get("exception")
        if isinstance(error, Crashed) or self.checkers.failure is not None:
            return
        if isinstance(error, Violation):
            self.checkers.failure = error
        else:
            self.checkers.failure = Violation(f"{context.get('message')}: {error!r}")
            self.checkers.failure.__cause__ = error
        self.loop.stop()

    def _close(self) -> None:
        """Let go of what still runs."""
        self.loop.set_exception_handler(lambda loop, context: None)
        for node in self.nodes.values():
            node.crash()
        self.loop.close()
