"""Settings of the consensus core. Times are ticks; the node decides how long a tick is (defaults suit 20 ms)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConsensusConfig:
    """Timers and bounds of one replica. Replicas may use different values; safety does not depend on them."""

    view_timeout_ticks: int = 25
    """View timer: how long a primary may take while work is pending, before the first view change at a height."""
    timeout_doublings_max: int = 7
    """The timeout doubles with every further view change at a height, at most this many times."""
    retransmit_ticks: int = 10
    """A stalled replica repeats its own votes this long after the last progress; each repetition doubles the pause."""
    retransmit_doublings_max: int = 4
    """Bound on that doubling."""
    status_ticks: int = 50
    """Interval between status messages, from which peers see who lags."""
    assist_ticks: int = 5
    """A peer gets help (a certificate, a new-view message) and causes a catch-up hint at most once in so many ticks."""
    censorship_ticks: int = 250
    """A transaction must have waited this long as the oldest, and ..."""
    censorship_heights: int = 64
    """... at least this many blocks must have skipped it, before the primary is replaced for censorship."""
    neglect_heights: int = 32
    """The primary is replaced when so many more blocks skipped a member's pending transactions than did not, for at
    least ``censorship_ticks``."""
    crawl_heights: int = 16
    """A primary's mean time to propose is judged over so many heights."""
    relaxations_max: int = 2
    """What is required of a primary is halved at most this many times, whatever happens."""
    proposals_kept: int = 8
    """Proposals of one height that are held in addition to those that our votes bind us to."""
    views_kept: int = 4
    """Views of one height for which a validator's votes are held; the lowest are dropped first."""

    @property
    def crawl_ticks(self) -> int:
        """Mean time to propose that a primary is always granted: a third of the timeout."""
        return max(1, self.view_timeout_ticks // 3)

    @property
    def complaint_ticks(self) -> int:
        """How long a complaint stands that no other replica shares: twice the time it takes to arise, so that the
        complaints of two replicas about the same fault overlap.
        """
        return 2 * self.censorship_ticks

    @property
    def overdue_ticks(self) -> int:
        """A transaction is overdue if it was pending for the view timeout before the height began."""
        return self.view_timeout_ticks

    def timeout_ticks(self, doublings: int) -> int:
        """The view timeout after ``doublings`` view changes in a row (Castro and Liskov 1999, section 4.5.2)."""
        return self.view_timeout_ticks << min(doublings, self.timeout_doublings_max)

    def retransmit_pause_ticks(self, repetitions: int) -> int:
        """Pause before the next repetition of our own votes."""
        return self.retransmit_ticks << min(repetitions, self.retransmit_doublings_max)
