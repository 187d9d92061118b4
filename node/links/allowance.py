"""What peers may take of the event loop's time.

Whatever a peer causes is paid for in seconds, since no other unit covers every kind of work: frames as they are
handled, and what they lead to if it comes to nothing. They are seconds of the clock, not of the processor: where others
have the processor half of the time, the same work keeps the loop twice as long. A peer that has spent more than its
share is not read until the debt is paid, which TCP passes on to it. Work that was worth it, such as verifying a
transaction that is then kept, is bounded by its member's quota and costs its carrier nothing.
"""

import time
from collections.abc import Callable

from chain.primitives.quorum import max_faulty
from chain.proofs.validators import ValidatorSet

_BURST_S = 0.1
_REGAINED_S = 0.001
"""Who has spent more than its share waits until it has so much again. To stop reading and to begin again costs time
too: done for each frame it would cost more than the frames."""


_NEEDED_SHARE = 0.08
"""An honest validator's frames took 0.045 of the time at most where four nodes were driven as hard as they go."""


def step_s(began_s: float) -> float:
    """How long a step on the event loop took that began at this time of `time.perf_counter`, seconds. What took longer
    than the burst was nobody's work: the whole process stood still.
    """
    return min(time.perf_counter() - began_s, _BURST_S)


class Allowance:
    """A share of the loop's time; a token bucket in seconds.

    Args:
        share: of the time, 0 to 1.
    """

    __slots__ = ("_credit_s", "_seen_s", "_share")

    def __init__(self, share: float) -> None:
        self._share = share
        self._credit_s = _BURST_S
        self._seen_s = time.monotonic()

    def spend(self, seconds: float) -> None:
        """Pay for work that was done."""
        self._credit_s = min(_BURST_S, self._credit_s + self._gained_s()) - seconds
        self._seen_s = time.monotonic()

    @property
    def wait_s(self) -> float:
        """How long nothing more may be done, seconds; 0 if it may."""
        credit_s = self._credit_s + self._gained_s()
        return (_REGAINED_S - credit_s) / self._share if credit_s < 0 else 0.0

    def _gained_s(self) -> float:
        return (time.monotonic() - self._seen_s) * self._share


class Allowances:
    """Each peer's allowance. The validators that may be faulty get ``share`` among them, but each of them no less than
    an honest one may need; all members that do not vote have one allowance of ``others_share`` together.

    Args:
        validators: who votes now.
    """

    def __init__(self, validators: Callable[[], ValidatorSet | None], share: float, others_share: float) -> None:
        self._validators = validators
        self._share = share
        self._others = Allowance(others_share)
        self._own: dict[str, tuple[float, Allowance]] = {}

    def of(self, member: str) -> Allowance:
        """The member's."""
        validators = self._validators()
        if validators is None or member not in validators:
            self._own.pop(member, None)
            return self._others
        share = max(self._share / max(1, max_faulty(len(validators))), min(self._share, _NEEDED_SHARE))
        if self._own.get(member, (0.0,))[0] != share:
            self._own[member] = share, Allowance(share)
        return self._own[member][1]
