"""An event loop on simulated time: the nodes' own asyncio code runs on it unchanged.

Whenever nothing is ready, time jumps to the next timer. There is no selector, no thread and no clock under it, so the
same calls always run in the same order.
"""

import asyncio
from typing import Any

TURNS_MAX = 2_000_000
"""A run that turns more often is a storm."""


class SimLoop(asyncio.BaseEventLoop):
    """See the module. It plays its own selector."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._selector = self
        self.turns = 0
        """How often the loop has turned."""
        self._tasks: list[asyncio.Task[Any]] = []
        """Held until the end: the garbage collector must not end those of dead processes at moments of its own."""
        self.set_task_factory(self._make_task)

    def _make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coroutine, loop=loop, **options)
        self._tasks.append(task)
        return task

    def time(self) -> float:
        """Simulated seconds since the start."""
        return self._now_s

    def run_until(self, end_s: float) -> None:
        """Run up to a moment, or until somebody stops the loop."""
        timer = self.call_at(end_s, self.stop)
        self.run_forever()
        timer.cancel()

    def end_tasks(self) -> None:
        """End what is left of the run while the loop can still turn."""
        for task in self._tasks:
            task.cancel()
        self.run_until(self._now_s + 0.01)

    def select(self, timeout_s: float | None) -> list[Any]:
        """What the base class asks when it has nothing to do for a while."""
        self.turns += 1
        if self.turns > TURNS_MAX:
            raise RuntimeError(f"the loop has turned {TURNS_MAX} times: the nodes keep each other busy for ever")
        if timeout_s is None:
            self.stop()
        elif timeout_s > 0:
            self._now_s += timeout_s
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nothing waits in a system call."""
