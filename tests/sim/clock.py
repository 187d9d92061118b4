"""Simulated time: a queue of events, each at a moment. A tick of the consensus core is ``MOMENTS_PER_TICK`` moments."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

MOMENTS_PER_TICK = 20


class Clock:
    """Runs events in order of time, and those of one moment in the order they were made."""

    def __init__(self) -> None:
        self.now = 0
        self.events = 0
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._made = 0

    @property
    def ticks(self) -> int:
        """Whole ticks since the start."""
        return self.now // MOMENTS_PER_TICK

    def after(self, moments: int, event: Callable[[], None]) -> None:
        """Run ``event`` so many moments from now."""
        self._made += 1
        heappush(self._queue, (self.now + moments, self._made, event))

    def run_until(self, tick: int, is_done: Callable[[], bool] = lambda: False) -> None:
        """Run events up to ``tick``, or until ``is_done`` answers True after an event."""
        end = tick * MOMENTS_PER_TICK
        while self._queue and self._queue[0][0] <= end:
            moment, _, event = heappop(self._queue)
            self.now = moment
            self.events += 1
            event()
            if is_done():
                return
        self.now = max(self.now, end)
