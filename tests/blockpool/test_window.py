"""How many parcels are in flight, on a network in which time passes only when it is told to."""

import heapq

import pytest

from blockpool.window import IN_FLIGHT_MAX, Window


class Line:
    """A network that takes ``delay_s`` for a commit when idle, and commits at most ``rate`` parcels a second."""

    def __init__(self, window: Window, delay_s: float, rate: float) -> None:
        self.window, self.delay_s, self.rate = window, delay_s, rate
        self.now_s = 0.0
        self._free_s = 0.0
        self._under_way: list[tuple[float, float]] = []
        """(end, start)"""

    def run(self, duration_s: float, at_most: int = 10**9) -> tuple[float, float]:
        """Keep the window full, but for ``at_most`` in flight; gives commits a second and the longest commit."""
        begun_s, committed, longest_s = self.now_s, 0, 0.0
        while self.now_s < begun_s + duration_s:
            while len(self._under_way) < min(at_most, self.window.limit):
                self._free_s = max(self._free_s, self.now_s) + 1 / self.rate
                heapq.heappush(self._under_way, (self._free_s + self.delay_s, self.now_s))
            self.now_s, sent_s = heapq.heappop(self._under_way)
            self.window.committed(self.now_s - sent_s, len(self._under_way) + 1)
            committed += 1
            longest_s = max(longest_s, self.now_s - sent_s)
        return committed / duration_s, longest_s


@pytest.mark.parametrize("rate", [200, 4000])
@pytest.mark.parametrize("delay_s", [0.01, 0.12, 0.32])
def test_the_network_is_kept_busy_and_little_waits(delay_s: float, rate: float) -> None:
    line = Line(Window(), delay_s, rate)
    line.run(10)
    per_second, longest_s = line.run(10)
    assert per_second >= 0.95 * min(rate, IN_FLIGHT_MAX / (2 * delay_s + 0.25))
    assert longest_s < 2 * (2 * delay_s + 0.25)


def test_it_is_found_within_a_few_commits() -> None:
    line = Line(Window(), 0.32, 200)
    line.run(8 * 0.32)
    assert line.window.limit >= 0.32 * 200


def test_a_network_that_becomes_slower_gets_less_and_one_that_becomes_faster_more() -> None:
    line = Line(Window(), 0.02, 1000)
    line.run(5)
    before = line.window.limit
    line.rate = 50
    line.run(20)
    assert line.window.limit < before / 4
    line.rate = 1000
    line.run(60)
    assert line.run(5)[0] > 900


def test_a_way_that_becomes_longer_is_not_taken_for_a_queue_for_ever() -> None:
    line = Line(Window(), 0.01, 200)
    line.run(5)
    line.delay_s = 0.6
    line.run(60)
    assert line.run(10)[0] > 150


def test_what_is_not_used_does_not_grow() -> None:
    line = Line(Window(), 0.01, 1000)
    line.run(10, at_most=2)
    assert line.window.limit == 8


def test_large_parcels_are_fewer() -> None:
    window = Window()
    line = Line(window, 0.01, 10_000)
    line.run(5)
    assert window.limit > 100
    window.sent(4 * 1024 * 1024)
    assert window.limit == 8
    window.sent(64 * 1024 * 1024)
    assert window.limit == 2


def test_a_number_that_was_said_stays() -> None:
    line = Line(Window(1), 0.01, 1000)
    line.run(1)
    line.window.sent(2**30)
    assert line.window.limit == 1
