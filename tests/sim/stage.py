"""A cluster of whole validators and the loop that they run in: what schedules and directed tests have in common."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from random import Random
from typing import Any, Self

from chain.errors import PoolError
from chain.primitives.crypto import Hash
from chain.primitives.encoding import encode
from chain.proofs.receipts import verify_receipt
from chain.proofs.trust import TrustHistory
from node import dissemination, intake
from tests.networks import TestNetwork
from tests.sim.checkers import Checkers, Violation
from tests.sim.disk import Crashed
from tests.sim.loop import SimLoop
from tests.sim.network import Network
from tests.sim.signatures import verified_once
from tests.sim.validator import Validator, World

RECEIPT_TIMEOUT_S = 60.0
CHANGE_NONCES = 10**8
_ERASURE_EVERY = 5


@cache
def members_of(size: int, voters: int | None = None) -> TestNetwork:
    """A network of so many nodes, of which all or so many vote at first; the same for every seed."""
    return TestNetwork(size=size, voters=voters)


@lru_cache(maxsize=8192)
def transaction(size: int, number: int, voters: int | None = None) -> tuple[str, bytes, Hash]:
    """The member, encoding and id of a run's transaction: each member's dataset first, then parcels, of which some are
    erased a while later.
    """
    network = members_of(size, voters)
    member = network.names[number % size]
    erased = number - 2 * size
    target = transaction(size, erased, voters)[2] if erased >= size and number % _ERASURE_EVERY == 0 else None
    network.nonce = number
    if number < size:
        made = network.dataset(member)
    elif target is not None:
        made = network.erase(target, member, f"{member}.flights")
    else:
        made = network.parcel([b'{"n":%d}' % number], member, dataset=f"{member}.flights")
    return member, encode(made), network.id_of(made)


class Stopwatch:
    """What intake measures its slices with: each look at it costs some simulated time, so that slices end."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def perf_counter(self) -> float:
        """Seconds."""
        self._now_s += 0.0004
        return self._now_s


class Stage:
    """See the module. A context manager: nodes run only inside.

    Args:
        random: of the whole run.
        size: how many nodes.
        kinds: class of each validator that is not an honest one.
        frail: honest ones whose disks and clocks may fail.
        voters: how many of the nodes vote at first; all by default.
    """

    def __init__(
        self,
        random: Random,
        size: int,
        kinds: Mapping[str, type[Validator]],
        frail: tuple[str, ...] = (),
        voters: int | None = None,
    ) -> None:
        self.random = random
        self.size = size
        self.voters = voters
        self.frail = frail
        self.loop = SimLoop()
        self.loop.set_exception_handler(self._on_exception)
        self.members = members_of(size, voters)
        names = self.members.names
        self.network = Network(self.loop, random, names)
        self.counts: Counter[str] = Counter()
        self.checkers = Checkers(self.members, frozenset((*kinds, *frail)))
        self.world = World(self.loop, self.network, self.members, self.checkers, self.counts)
        self.nodes = {name: kinds.get(name, Validator)(name, self.world) for name in names}
        self.checkers.nodes = self.nodes
        self.network.stations.update(self.nodes)
        self.honest = [node for node in self.nodes.values() if not node.is_byzantine]
        self.submitted: list[Hash] = []
        self._memo = verified_once()

    def __enter__(self) -> Self:
        logging.disable(logging.CRITICAL)
        intake.time = dissemination.time = Stopwatch()  # type: ignore[assignment]
        self._memo.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._memo.__exit__(None, None, None)
        intake.time = dissemination.time = time
        logging.disable(logging.NOTSET)
        self.loop.set_exception_handler(lambda loop, context: None)
        for node in self.nodes.values():
            node.crash()
        self.loop.end_tasks()
        self.loop.close()

    def do(self, work: Callable[[], None]) -> None:
        """Do something inside the loop, as everything that touches a node must."""
        self.loop.call_soon(work)
        self.advance(0.0)

    def advance(self, seconds: float, is_done: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, or less of it once ``is_done`` answers True; it is asked ten times a second.

        Raises:
            Violation: a promise is broken.
        """
        end_s = self.loop.time() + seconds
        while True:
            self.loop.run_until(min(end_s, self.loop.time() + 0.1))
            if self.checkers.failure is not None:
                raise self.checkers.failure
            if self.loop.time() >= end_s or is_done():
                return

    def start_all(self) -> None:
        """Start every validator that is down, and its links."""
        for node in self.nodes.values():
            if not node.is_up:
                self.do(node.start)

    def submit(self, node: Validator | None = None) -> Hash:
        """A client gives its next transaction to a node: by default half of the time to its member's own, else to
        any.
        """
        member, data, id_ = transaction(self.size, len(self.submitted), self.voters)
        self.submitted.append(id_)
        if node is None:
            node = self.nodes[member] if self.random.random() < 0.5 else self.random.choice(list(self.nodes.values()))
        self.submit_to(node, data, id_)
        return id_

    def submit_to(self, node: Validator, data: bytes, id_: Hash) -> None:
        """A client gives a transaction to a node."""
        process = node.processes[0]
        if process.service is not None:
            self.loop.create_task(self._submit_to(process, data, id_))

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
        if service is not node.service or node.is_byzantine:
            return  # the process died before it could answer, or may say anything
        self.checkers.on_acknowledged(node, receipt, id_)
        handovers = service.ledger.trust.handovers_since(0)
        verify_receipt(TrustHistory(self.members.genesis, handovers), id_, receipt)

    def change(self, change: str, number: int) -> Hash:
        """A client asks for other validators or rules (``tests.rules.Changing``); ``number`` is another each time."""
        self.members.nonce = CHANGE_NONCES + number
        made = self.members.dataset(self.members.names[0], f"change{number}", legal_basis=change)
        id_ = self.members.id_of(made)
        node = self.random.choice([node for node in self.nodes.values() if node.is_up])
        self.do(lambda: self.submit_to(node, encode(made), id_))
        return id_

    def is_settled(self) -> bool:
        """Whether all honest validators hold the whole chain."""
        return all(node.claimed_height() == self.checkers.height for node in self.honest)

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
