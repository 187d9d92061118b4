"""Finds primaries that make progress but do harm: by leaving transactions out, by starving members, or by crawling.

A replica that finds one votes for the next view like one whose timer ran out, so a lone slow observer replaces nobody:
it takes ``f+1`` of them. Views are wanted height by height, so a complaint stands until another primary is in charge,
its cause is gone, or its time is up: those who find the same within seconds of each other meet at one height.

A false alarm costs one view change. Every bound doubles with a new primary and halves again with every window of prompt
blocks: where nobody can meet the requirement (a slow network, slow disks, too much load), it relaxes until somebody
does, so good primaries are not replaced in turn; where somebody meets it with ease, the next one has to as well.
(Clement et al., "Making Byzantine Fault Tolerant Systems Tolerate Byzantine Faults", NSDI 2009,
section 5.3; Amir et al., "Prime: Byzantine Replication under Attack", TDSC 2011.)
"""

from __future__ import annotations

from collections.abc import Collection

from chain.primitives.crypto import Hash
from consensus.config import ConsensusConfig


class PrimaryWatch:
    """What the primary of the view in which heights begin has done so far.

    *Censorship*: the oldest pending transaction stays the same while many blocks and ticks go by. Cost: a censor delays
    a transaction until both bounds are reached, once for each faulty primary in a row.

    *Neglect*: a block that leaves a member's work lying though it could have taken it counts against the primary, one
    that does not counts for it, for each member apart. Cost: a primary may starve a member in half of its blocks, or
    for just below ``censorship_ticks`` if it makes up for it, block for block.

    *Crawling*: the mean of the ticks that proposals took to come, over a window of heights. Cost: the primary may add
    ``crawl_ticks`` to every block; what it orders is bound by the rules above, so blocks grow as they get rarer.

    Who complains votes for no block of this primary. That costs a network one of its ``f``, so a complaint that nobody
    shares lapses after ``complaint_ticks``, and is held to a higher standard for a while.
    """

    __slots__ = (
        "_config",
        "_debts",
        "_now",
        "_oldest_heights",
        "_oldest_ticks",
        "_relaxations",
        "_standing_ticks",
        "_view",
        "_waits_ticks",
        "is_crawling",
        "oldest",
    )

    def __init__(self, config: ConsensusConfig) -> None:
        self._config = config
        self._relaxations = 0
        self._now = 0
        self._view: int | None = None
        self.oldest: Hash | None = None
        self._restart()

    def _restart(self) -> None:
        self._standing_ticks = 0
        """Since when there has been a complaint without a break."""
        self._oldest_ticks = 0
        self._oldest_heights = 0
        self._waits_ticks: list[int] = []
        self._debts: dict[str, tuple[int, int]] = {}
        """By neglected member: (blocks that neglected it in excess of others, tick of the first)."""
        self.is_crawling = False

    def _relax(self) -> None:
        """Ask half as much."""
        self._relaxations = min(self._relaxations + 1, self._config.relaxations_max)

    def follow(self, view: int) -> None:
        """A height begins in this view. If it is another one than before: a new primary, a new chance; if it is a later
        one, the last primary was given up, and half as much is asked of this one.

        A view that was entered within a height does not count yet: a quorum of the earlier one may still end the height
        (a faulty primary can see to that), and then the earlier primary is in charge of the next.
        """
        if view == self._view:
            return
        if self._view is not None and view > self._view:
            self._relax()
        self._view = view
        self._restart()

    @property
    def crawl_ticks(self) -> int:
        """How long a proposal may take to come at present, on average."""
        return self._config.crawl_ticks << self._relaxations

    @property
    def overdue_ticks(self) -> int:
        """How long before a height began a transaction must have been here for a block to be blamed for its absence."""
        return self._config.overdue_ticks << self._relaxations

    def note_oldest(self, transaction_id: Hash | None) -> None:
        """The oldest pending transaction is now this one."""
        if transaction_id != self.oldest:
            self.oldest = transaction_id
            self._oldest_ticks = 0
            self._oldest_heights = 0

    def note_tick(self) -> None:
        """A tick has passed. A complaint that has stood for too long lapses."""
        self._now += 1
        self._oldest_ticks += 1
        if self.complaint is None:
            self._standing_ticks = 0
            return
        self._standing_ticks += 1
        if self._standing_ticks > self._config.complaint_ticks << self._relaxations:
            self._relax()
            self._restart()

    def note_block(self, neglected: Collection[str] | None) -> None:
        """A block was delivered that neglected these members; None if it is not known which, which changes no count."""
        self._oldest_heights += 1
        if neglected is None:
            return
        for member in {*self._debts, *neglected}:
            blocks, since = self._debts.get(member, (0, self._now))
            blocks += 1 if member in neglected else -1
            if blocks:
                self._debts[member] = (blocks, since)
            else:
                del self._debts[member]

    def note_proposal(self, waited_ticks: int) -> None:
        """A proposal that this replica finds valid came after so many ticks for which only the primary can answer."""
        self._waits_ticks.append(waited_ticks)
        window = self._config.crawl_heights
        if len(self._waits_ticks) < window:
            return
        total = sum(self._waits_ticks)
        self._waits_ticks.clear()
        self.is_crawling = total > window * self.crawl_ticks
        if 2 * total <= window * self.crawl_ticks and not self._debts:
            self._relaxations = max(0, self._relaxations - 1)

    @property
    def complaint(self) -> str | None:
        """Why the primary should be replaced, or None."""
        config, relaxations = self._config, self._relaxations
        ticks = config.censorship_ticks << relaxations
        if (
            self.oldest is not None
            and self._oldest_ticks >= ticks
            and self._oldest_heights >= config.censorship_heights << relaxations
        ):
            return "censorship"
        for blocks, since in self._debts.values():
            if blocks >= config.neglect_heights << relaxations and self._now - since >= ticks:
                return "neglect"
        return "crawl" if self.is_crawling else None
