"""Processes that verify signatures, payloads and schemas of transactions beside the event loop, so that a node with
cores of its own uses them. What they find is in ``chain.examination.facts``; what they do not vouch for, the node
verifies itself, as it does everything where it has none of them.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chain.examination.facts import TransactionFacts
from chain.examination.process import TASKS, ExaminerProcess
from chain.ledger import Ledger
from chain.primitives.encoding import encode
from chain.state.entries import dataset_key, member_key
from chain.transactions.base import CheckedTransaction

OnFacts = Callable[[Sequence[TransactionFacts | None]], None]
"""Told what was found of each transaction of a task; None for what the node has to verify itself."""

_RESTART_S = 10.0
"""Before another process takes the place of one that has ended."""

_log = logging.getLogger("blockpool.intake")


@dataclass(slots=True, eq=False)
class _Task:
    examiner: "_Examiner"
    count: int
    on_facts: OnFacts
    facts: Sequence[TransactionFacts | None] | None = None
    """What was found; it is told when that of the tasks before has been."""


class _Examiner:
    """One process, and the state entries that it has been told."""

    def __init__(self, ledger: Ledger) -> None:
        self.process = ExaminerProcess(ledger.genesis)
        self._ledger = ledger
        self._told: dict[bytes, bytes] = {}

    def examine(self, transactions: Sequence[CheckedTransaction]) -> None:
        """Hand over a task, with the state entries that it needs as they are now."""
        for key in set().union(*map(_entries_of, transactions)):
            value = self._ledger.state_value(key)
            if value is not None and self._told.get(key) != value:
                self._told[key] = value
                self.process.learn({key: value})
        self.process.examine_transactions([encode(checked.transaction) for checked in transactions])


class Examiners:
    """The processes of a node. They are there from ``start`` to ``close``.

    Args:
        ledger: whose state says which keys and schemas there are.
        count: how many; 0 for none.
    """

    def __init__(self, ledger: Ledger, count: int) -> None:
        self._ledger = ledger
        self._count = count
        self._examiners: deque[_Examiner] = deque()
        self._tasks: deque[_Task] = deque()
        """In the order in which they were handed over."""
        self._is_closed = False

    @property
    def has_room(self) -> bool:
        """Whether a task can be handed over now."""
        return any(examiner.process.tasks < TASKS for examiner in self._examiners)

    @property
    def process_ids(self) -> list[int]:
        """As the system knows them."""
        return [examiner.process.process_id for examiner in self._examiners]

    def start(self) -> None:
        """Start the processes; each is there at once and begins a little later."""
        for _ in range(self._count):
            self._start()

    def examine(self, transactions: Sequence[CheckedTransaction], on_facts: OnFacts) -> None:
        """Hand over a task. There must be room.

        Args:
            transactions: to be examined.
            on_facts: called from the event loop, after those of the tasks before.
        """
        examiner = min(self._examiners, key=lambda examiner: examiner.process.tasks)
        examiner.examine(transactions)
        self._tasks.append(_Task(examiner, len(transactions), on_facts))

    def close(self) -> None:
        """End the processes; tasks under way are not answered any more."""
        self._tasks.clear()
        self._is_closed = True
        for examiner in self._examiners:
            self._end(examiner)
        self._examiners.clear()

    def _start(self) -> None:
        if not self._is_closed:
            examiner = _Examiner(self._ledger)
            self._examiners.append(examiner)
            asyncio.get_running_loop().add_reader(examiner.process.descriptor, self._on_readable, examiner)

    def _end(self, examiner: _Examiner) -> None:
        asyncio.get_running_loop().remove_reader(examiner.process.descriptor)
        examiner.process.close()

    def _on_readable(self, examiner: _Examiner) -> None:
        """It has finished a task, or died."""
        task = next((task for task in self._tasks if task.examiner is examiner and task.facts is None), None)
        if task is not None:
            task.facts = examiner.process.transaction_facts()
        if task is None or not examiner.process.is_alive:
            self._lost(examiner)
        while self._tasks and (facts := self._tasks[0].facts) is not None:
            self._tasks.popleft().on_facts(facts)

    def _lost(self, examiner: _Examiner) -> None:
        _log.warning("a process that verifies has ended; the node verifies by itself", extra={"next_s": _RESTART_S})
        self._examiners.remove(examiner)
        self._end(examiner)
        for task in self._tasks:
            if task.examiner is examiner and task.facts is None:
                task.facts = (None,) * task.count
        asyncio.get_running_loop().call_later(_RESTART_S, self._start)


def _entries_of(checked: CheckedTransaction) -> set[bytes]:
    """Keys of the state entries that examining it needs."""
    dataset = checked.type.index(checked.header).parcels_of
    return {member_key(checked.header.member), *([dataset_key(dataset)] if dataset else [])}
