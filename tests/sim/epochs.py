"""Schedules in which the set of validators and the version of the rules change, under every fault of the others.

Ten nodes, of which some vote at first. Now and then a transaction names another set: validators join, leave, return,
change their consensus keys, all at once too; or another version of the rules. Rules of the tests alone apply it at once
(``tests.rules.Changing``), which is harsher than what two steps would let happen. A set never holds more faulty ones
than it may; all others may crash at any time, as everywhere in here.
"""

from random import Random
from typing import Self

from chain import protocol
from chain.primitives.encoding import encode
from chain.primitives.quorum import max_faulty
from tests.rules import CHANGING, NEXT
from tests.sim.misbehaviour import KINDS
from tests.sim.schedule import Schedule
from tests.sim.stage import CHANGE_NONCES, Stage
from tests.sim.validator import KEY_GENERATIONS, Validator

SIZE = 10
_CHANGE = 0.4
"""Chance that a client's turn changes the set too."""


class EpochSchedule(Schedule):
    """See the module. ``run`` may be called once."""

    def __init__(self, seed: int, size: int | None = None) -> None:
        self.seed = seed
        random = Random(f"epochs {seed}")
        voters = size or random.randint(1, SIZE)
        names = [chr(ord("a") + index) for index in range(SIZE)]
        first = names[:voters]
        faulty = random.sample(first, random.randint(0, max_faulty(voters)))
        if names[voters:]:
            faulty += random.sample(names[voters:], random.randint(0, min(2, SIZE - voters)))
        kinds = {name: random.choice(KINDS) for name in faulty if random.random() < 0.6}
        frail = tuple(name for name in faulty if name not in kinds)
        Stage.__init__(self, random, SIZE, kinds, frail, voters)
        self.byzantine = tuple(kind.__name__ for kind in kinds.values())
        self._observer = None
        self._settled = []
        self._changes = 0
        self._rules = dict(protocol.RULES)

    def __enter__(self) -> Self:
        protocol.RULES.update(CHANGING)
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        protocol.RULES.clear()
        protocol.RULES.update(self._rules)

    def _submit_some(self, nodes: list[Validator]) -> None:
        super()._submit_some(nodes)
        if self.random.random() < _CHANGE:
            self._change(nodes)

    def _change(self, nodes: list[Validator]) -> None:
        """A client asks for other validators, or other rules."""
        self._changes += 1
        change = f"version {self.random.choice((2, NEXT))}" if self.random.random() < 0.15 else self._other_set()
        owner = self.random.choice(self.members.names)
        self.members.nonce = CHANGE_NONCES + self._changes
        made = self.members.dataset(owner, f"change{self._changes}", legal_basis=change)
        self.submit_to(self.random.choice(nodes), encode(made), self.members.id_of(made))

    def _other_set(self) -> str:
        """The newest set with some changes, as text."""
        random, newest = self.random, self.checkers.sets[self.checkers.height + 1]
        keys = {name: self._generation(name, newest.key_of(name)) for name in newest.names}
        for _ in range(random.choice((1, 1, 2, 4))):
            before = dict(keys)
            away = [name for name in self.members.names if name not in keys]
            name = random.choice(self.members.names)
            if name in keys and self._may_rotate(name, keys[name]) and random.random() < 0.4:
                keys[name] += 1
                self.counts["keys rotated"] += 1
            elif name in keys:
                del keys[name]
            elif away:
                keys[name] = 0
            if not keys or sum(name in self.checkers.faulty for name in keys) > max_faulty(len(keys)):
                keys = before
        return "set " + " ".join(f"{name}.{generation}" for name, generation in sorted(keys.items()))

    def _may_rotate(self, name: str, generation: int) -> bool:
        """Those that lie do so with their first key."""
        return generation + 1 < KEY_GENERATIONS and not self.nodes[name].is_byzantine

    def _generation(self, name: str, key: bytes | None) -> int:
        return next(
            number for number in range(KEY_GENERATIONS) if self.members.consensus_key(name, number).public_key == key
        )

    def _run_liveness_phase(self) -> int:
        ticks = super()._run_liveness_phase()
        trust = next(node.service.ledger.trust for node in self.honest if node.service is not None)
        sets = [set_ for height, set_ in sorted(self.checkers.sets.items())]
        self.counts["hand-overs"] += len(trust.handovers_since(0))
        for set_ in {set_.entry: set_ for set_ in sets}.values():
            self.counts[f"sets of {len(set_)}"] += 1
        return ticks

    def _lose_disk(self) -> None:
        node = self.nodes[self.random.choice(self.frail)]
        node.crash()
        node.disk.wipe()
        first = self.checkers.validators
        others = [self.nodes[name] for name in first.names if name != node.name]
        if sum(other.claimed_height() > 0 for other in others) <= max_faulty(len(first)):
            self.checkers.excused.add(node.name)
