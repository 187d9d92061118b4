"""How many parcels of a submission are in flight: enough to keep the network busy, and hardly more.

It goes by delay, as TCP Vegas does (Brakmo, O'Malley, Peterson, 1994): the quickest commit says how long one takes when
nothing waits, so what a commit takes longer is what waits before it. While that is little, one more is sent for each
that is committed, which doubles their number in the time of a commit; once it is much, their number shrinks in
proportion and grows slowly from there. A longer way needs more in flight and gets it; a network that is busy with
others gets less.
"""

import math

IN_FLIGHT_MAX = 1024
_FIRST = 8
_LEAST = 4
_WAITING_S = 0.25
"""How long a commit may take beyond twice the quickest one."""
_GROWTH = 0.05
"""More in flight for each that is committed, once they have been too many."""
_SIZE_BYTES = 32 * 1024 * 1024
"""Of what is in flight, about."""


class Window:
    """The number in flight.

    Args:
        fixed: what it is, unless it is to be found.
    """

    def __init__(self, fixed: int | None = None) -> None:
        self._fixed = fixed
        self._limit = float(_FIRST)
        self._quickest_s = math.inf
        self._is_doubling = True
        self._to_pass = 0
        """Commits of parcels that were sent before it shrank: they say nothing about what it is now."""
        self._largest_bytes = 1

    @property
    def limit(self) -> int:
        """How many may be in flight."""
        return self._fixed or max(2, min(int(self._limit), _SIZE_BYTES // self._largest_bytes))

    def sent(self, size_bytes: int) -> None:
        """Note a parcel that is sent."""
        self._largest_bytes = max(self._largest_bytes, size_bytes)

    def committed(self, seconds: float, in_flight: int) -> None:
        """Note how long a commit took, and how many were in flight when it came."""
        self._quickest_s = min(self._quickest_s, seconds)
        allowed_s = 2 * self._quickest_s + _WAITING_S
        if self._to_pass > 0:
            self._to_pass -= 1
        elif seconds > allowed_s:
            self._is_doubling = False
            if self._limit <= _LEAST:
                self._quickest_s = seconds  # nothing of ours waits before it: this is how long one takes now
            self._limit = max(float(_LEAST), self._limit * max(0.5, allowed_s / seconds))
            self._to_pass = in_flight
        elif 2 * in_flight >= self._limit:  # else it is not what holds the submission up
            self._limit = min(float(IN_FLIGHT_MAX), self._limit + (1 if self._is_doubling else _GROWTH))
