"""Counters of ticks. They only count: once a tick the replica asks what is due."""

from consensus.config import ConsensusConfig


class ViewTimer:
    """How long this replica has waited for the primary, and how often it has repeated its votes since."""

    __slots__ = ("_config", "_pause_ticks", "_repetitions", "waited_ticks")

    def __init__(self, config: ConsensusConfig) -> None:
        self._config = config
        self.restart()

    def restart(self) -> None:
        """There was progress: start again from zero."""
        self.waited_ticks = 0
        self._repetitions = 0
        self._pause_ticks = 0

    def has_expired(self, doublings: int) -> bool:
        """Count a tick of waiting: whether the timeout after ``doublings`` view changes has passed."""
        self.waited_ticks += 1
        return self.waited_ticks >= self._config.timeout_ticks(doublings)

    def is_repetition_due(self) -> bool:
        """Count a tick without progress: whether to send our own votes again."""
        self._pause_ticks += 1
        if self._pause_ticks < self._config.retransmit_pause_ticks(self._repetitions):
            return False
        self._pause_ticks = 0
        self._repetitions += 1
        return True


class RateLimit:
    """Lets each peer cause an answer at most once in ``assist_ticks``."""

    __slots__ = ("_interval_ticks", "_next_tick", "_now")

    def __init__(self, interval_ticks: int) -> None:
        self._interval_ticks = interval_ticks
        self._now = 0
        self._next_tick: dict[tuple[str, str], int] = {}

    def note_tick(self) -> None:
        """A tick has passed."""
        self._now += 1

    def is_allowed(self, peer: str, kind: str) -> bool:
        """Whether ``peer`` may cause an answer of this kind now; if so, it is counted."""
        if self._now < self._next_tick.get((peer, kind), 0):
            return False
        self._next_tick[peer, kind] = self._now + self._interval_ticks
        return True
