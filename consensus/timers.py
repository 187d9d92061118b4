"""Counters of ticks. None of them acts: the replica asks, once a tick, what is due."""

from __future__ import annotations

from chain.crypto import Hash
from consensus.config import ConsensusConfig


class Patience:
    """How long this replica has waited for the primary, and how often it has repeated itself meanwhile."""

    __slots__ = ("_config", "_pause_ticks", "_repetitions", "waited_ticks")

    def __init__(self, config: ConsensusConfig) -> None:
        self._config = config
        self.restart()

    def restart(self) -> None:
        """Something moved: wait anew."""
        self.waited_ticks = 0
        self._repetitions = 0
        self._pause_ticks = 0

    def is_exhausted(self, doublings: int) -> bool:
        """One more tick of waiting: whether the timeout after ``doublings`` view changes has passed."""
        self.waited_ticks += 1
        return self.waited_ticks >= self._config.timeout_ticks(doublings)

    def is_repetition_due(self) -> bool:
        """One more tick without progress: whether to send our own votes again."""
        self._pause_ticks += 1
        if self._pause_ticks < self._config.retransmit_pause_ticks(self._repetitions):
            return False
        self._pause_ticks = 0
        self._repetitions += 1
        return True


class PrimaryWatch:
    """Finds primaries that make progress but do harm: by leaving a transaction out, or by crawling.

    Censorship: the oldest pending transaction stays the same while many blocks and ticks go by. A primary that takes
    members in turns serves the oldest transaction of an honest replica well within that. Cost: a censor delays a
    transaction until both bounds are reached, once for each faulty primary in a row; a false alarm costs a view change.

    Crawling (a primary just under the timeout, for ever): heights whose proposal took over half of the timeout to come
    are counted up, others down. Cost: a primary may be slow at up to half of the heights, or stay just below half of
    the timeout, and is kept; a network that slow changes views every ``crawl_heights`` blocks. (The idea is Aardvark's:
    Clement et al., "Making Byzantine Fault Tolerant Systems Tolerate Byzantine Faults", NSDI 2009, section 5.3.)
    """

    __slots__ = ("_config", "_slow_heights", "_waited_heights", "_waited_ticks", "oldest")

    def __init__(self, config: ConsensusConfig) -> None:
        self._config = config
        self.oldest: Hash | None = None
        self.restart()

    def restart(self) -> None:
        """A new primary, a new chance."""
        self._waited_ticks = 0
        self._waited_heights = 0
        self._slow_heights = 0

    def note_oldest(self, transaction_id: Hash | None) -> None:
        """The oldest pending transaction is now this one."""
        if transaction_id != self.oldest:
            self.oldest = transaction_id
            self._waited_ticks = 0
            self._waited_heights = 0

    def note_tick(self) -> None:
        """A tick has passed."""
        self._waited_ticks += 1

    def note_block(self) -> None:
        """A block was delivered."""
        self._waited_heights += 1

    def note_proposal(self, waited_ticks: int) -> None:
        """The primary's proposal came after so many ticks of waiting for it."""
        if 2 * waited_ticks > self._config.view_timeout_ticks:
            self._slow_heights += 1
        elif self._slow_heights:
            self._slow_heights -= 1

    @property
    def complaint(self) -> str | None:
        """Why the primary should be replaced, or None."""
        if (
            self.oldest is not None
            and self._waited_ticks >= self._config.censorship_ticks
            and self._waited_heights >= self._config.censorship_heights
        ):
            return "censorship"
        return "crawl" if self._slow_heights >= self._config.crawl_heights else None


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
