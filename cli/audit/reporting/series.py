"""Counts over time in few equal stretches, however long the chain is."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from cli.audit.reporting.html import Words

BUCKETS_MAX = 60

_SECOND_MS = 1000
_MINUTE_MS = 60 * _SECOND_MS
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS
_WEEK_MS = 7 * _DAY_MS
_WIDTHS_MS = (
    _SECOND_MS,
    10 * _SECOND_MS,
    _MINUTE_MS,
    10 * _MINUTE_MS,
    _HOUR_MS,
    6 * _HOUR_MS,
    _DAY_MS,
    _WEEK_MS,
    4 * _WEEK_MS,
    52 * _WEEK_MS,
)
"""Each divides the next, so what was counted in narrow stretches can be counted together in wider ones."""
_UNITS = (
    (_WEEK_MS, Words("周", "week")),
    (_DAY_MS, Words("天", "day")),
    (_HOUR_MS, Words("小时", "hour")),
    (_MINUTE_MS, Words("分钟", "minute")),
    (_SECOND_MS, Words("秒", "second")),
)


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

    @property
    def width(self) -> Words:
        """How long a stretch is."""
        unit_ms, unit = next(found for found in _UNITS if self.width_ms % found[0] == 0)
        count = self.width_ms // unit_ms
        return Words(f"{count} {unit.zh}", f"{count} {unit.en}{'s' if count > 1 else ''}")
