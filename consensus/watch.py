"""Detects primaries that make progress but do harm: they leave transactions out, starve members, or are too slow.

A replica that detects one votes for the next view, as if its timer had expired. A single slow observer replaces no
primary: it takes ``f+1``. View changes belong to one height, so a complaint stands until another primary is in charge,
its cause is gone, or its time is up. Replicas that detect the same fault within seconds then meet at one height.

A false alarm costs one view change. Every bound doubles once more primaries in succession have missed it than may be
faulty, up to a cap, and halves again with every window of prompt blocks. Where no primary can meet a bound (slow
network, slow disks, too much load), it relaxes until one does, so good primaries are not replaced in turn. Where a
primary meets it easily, the next one has to as well. That others replace a primary relaxes nothing.
(Clement et al., "Making Byzantine Fault Tolerant Systems Tolerate Byzantine Faults", NSDI 2009,
section 5.3; Amir et al., "Prime: Byzantine Replication under Attack", TDSC 2011.)
"""

from collections.abc import Collection

from chain.primitives.crypto import Hash
from consensus.config import ConsensusConfig


class PrimaryWatch:
    """What the primary of the view in which heights begin has done so far.

    *Censorship*: the oldest pending transaction stays the same for many blocks and ticks. Cost: a censor delays a
    transaction until both bounds are reached, once for each faulty primary in a row.

    *Neglect*, counted for each member: a block that skips the member's pending transactions though it had room counts
    against the primary, any other block counts for it. Cost: a primary may starve a member in half of its blocks, or
    for just below ``censorship_ticks`` if it makes up for it block by block.

    *Crawling*: the mean ticks until a proposal came, over a window of heights. Cost: the primary may add
    ``crawl_ticks`` to every block. The rules above bound what it leaves out, so blocks grow as they get rarer.

    A replica that complains votes for no block of this primary, which costs the network one of its ``f``. So a
    complaint that no other replica shares lapses after ``complaint_ticks``, and the bounds are higher for a while.
    """

    __slots__ = (
        "_config",
        "_debts",
        "_missed",
        "_now",
        "_oldest_heights",
        "_oldest_ticks",
        "_relaxations",
        "_standing_ticks",
        "_view",
        "_waits_ticks",
        "is_crawling",
        "is_owed",
        "oldest",
    )

    def __init__(self, config: ConsensusConfig) -> None:
        self._config = config
        self._relaxations = 0
        self._now = 0
        self._view: int | None = None
        self._missed = 0
        """Primaries in succession that missed a bound."""
        self.oldest: Hash | None = None
        self.is_owed = False
        """Whether the primary has been told of it."""
        self._restart()

    def _restart(self) -> None:
        self._standing_ticks = 0
        """How long a complaint has stood without a break."""
        self._oldest_ticks = 0
        self._oldest_heights = 0
        self._waits_ticks: list[int] = []
        self._debts: dict[str, tuple[int, int]] = {}
        """By neglected member: (blocks that neglected it less those that did not, tick of the first)."""
        self.is_crawling = False

    def _relax(self) -> None:
        """Double every bound."""
        self._missed = 0
        self._relaxations = min(self._relaxations + 1, self._config.relaxations_max)

    def follow(self, view: int, faulty: int) -> None:
        """A height begins in this view. A new view has a new primary, which starts without complaints. ``faulty``
        validators may be faulty: once more primaries in succession than these have missed a bound, prompt ones miss it
        too, and the bounds double. That a primary was replaced proves nothing by itself: anybody may have wanted it.

        A view that was entered within a height does not count yet. A quorum of the earlier view may still finish the
        height (a faulty primary can arrange that), and then the earlier primary is in charge of the next one.
        """
        if view == self._view:
            return
        if self._view is not None and view > self._view and self.complaint is not None:
            self._missed += 1
            if self._missed > faulty:
                self._relax()
        self._view = view
        self._restart()

    def begin_epoch(self) -> None:
        """Another set begins, in view 0: nothing that was seen says anything of its primaries. What waits goes on
        waiting.
        """
        self._view = None
        self._missed = self._relaxations = 0
        self._restart()

    @property
    def crawl_ticks(self) -> int:
        """How long a proposal may take on average, at present."""
        return self._config.crawl_ticks << self._relaxations

    @property
    def overdue_ticks(self) -> int:
        """How long before a height began a transaction must have been pending to count as overdue."""
        return self._config.overdue_ticks << self._relaxations

    def note_oldest(self, transaction_id: Hash | None, is_owed: bool) -> None:
        """The oldest pending transaction is now this one. It counts from when the primary has been told of it."""
        self.is_owed = is_owed and transaction_id is not None
        if transaction_id != self.oldest:
            self.oldest = transaction_id
            self._oldest_ticks = 0
            self._oldest_heights = 0

    def note_tick(self) -> None:
        """A tick has passed. A complaint that has stood for too long lapses."""
        self._now += 1
        self._oldest_ticks += self.is_owed
        if self.complaint is None:
            self._standing_ticks = 0
            return
        self._standing_ticks += 1
        if self._standing_ticks > self._config.complaint_ticks << self._relaxations:
            self._relax()
            self._restart()

    def note_block(self, neglected: Collection[str] | None) -> None:
        """A block was delivered that neglected these members. None: not known, no count changes."""
        self._oldest_heights += self.is_owed
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
        """A valid proposal came after so many ticks that only the primary is responsible for."""
        self._waits_ticks.append(waited_ticks)
        window = self._config.crawl_heights
        if len(self._waits_ticks) < window:
            return
        total = sum(self._waits_ticks)
        self._waits_ticks.clear()
        self.is_crawling = total > window * self.crawl_ticks
        if not self.is_crawling and not self._debts:
            self._missed = 0
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
