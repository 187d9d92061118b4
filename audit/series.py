"""Counts over time in few equal stretches, however long the chain is."""

from collections import Counter
from typing import NamedTuple

BUCKETS_MAX = 60

SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
_WIDTHS_MS = (
    SECOND_MS,
    10 * SECOND_MS,
    MINUTE_MS,
    10 * MINUTE_MS,
    HOUR_MS,
    6 * HOUR_MS,
    DAY_MS,
    WEEK_MS,
    4 * WEEK_MS,
    52 * WEEK_MS,
)
"""Each divides the next, so what was counted in narrow stretches can be counted together in wider ones."""


class Bucket(NamedTuple):
    """A stretch of time."""

    start_ms: int
    counts: Counter[str]
    """By what they are of."""


class TimeSeries:
    """Counts by name over time. Takes no more memory for a long chain than for a short one: its stretches widen."""

    def __init__(self) -> None:
        self.width_ms = _WIDTHS_MS[0]
        self.totals: Counter[str] = Counter()
        self._counts: dict[int, Counter[str]] = {}

    def add(self, name: str, time_ms: int, count: int = 1) -> None:
        """Count something. Times may come in any order."""
        self.totals[name] += count
        index = time_ms // self.width_ms
        if index in self._counts:
            self._counts[index][name] += count
            return
        self._counts[index] = Counter({name: count})
        while max(self._counts) - min(self._counts) >= BUCKETS_MAX:
            self._widen()

    def _widen(self) -> None:
        narrow, narrow_ms = self._counts, self.width_ms
        self.width_ms = next((width for width in _WIDTHS_MS if width > narrow_ms), 2 * narrow_ms)
        self._counts = {}
        for index, counts in narrow.items():
            self._counts.setdefault(index * narrow_ms // self.width_ms, Counter()).update(counts)

    def buckets(self) -> list[Bucket]:
        """All stretches from the first that has anything to the last, empty ones between them included."""
        if not self._counts:
            return []
        indices = range(min(self._counts), max(self._counts) + 1)
        return [Bucket(index * self.width_ms, self._counts.get(index, Counter())) for index in indices]
