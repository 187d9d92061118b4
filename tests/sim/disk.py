"""A validator's simulated disk: what was synced survives a crash, what was not is lost from some point on.

``SimEngine`` stands for LevelDB: a log of atomic batches, of which a crash keeps what was synced and some beginning of
the rest (a torn batch counts as gone: LevelDB drops it by its checksum). ``SimSlots`` stands for a ``SlotFile``: a
write that is under way at the crash is on disk, or not, or torn. Everything above these two is the real code.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from random import Random

from chain.errors import InvariantBroken
from chain.primitives.encoding import decode, encode
from chain.storage.bodies import Bodies
from chain.storage.database import MemoryDatabase, Write
from chain.storage.head import HeadFile
from chain.storage.slots import Slot
from chain.storage.votes import Entries, VoteFile

_KEPT_BATCHES = 8
"""How many synced batches a lying disk may lose."""


class Crashed(BaseException):
    """The process that wanted something of its disk is dead. Not an ``Exception``: no node handles its own death."""


class Life:
    """One life of a process. After a crash, what it has left running finds its disk gone."""

    def __init__(self, on_access: Callable[[str], None] = lambda point: None) -> None:
        self._on_access = on_access
        self.is_over = False

    def access(self, point: str) -> None:
        """Called around everything that leaves a trace; raises ``Crashed`` if the process is gone or goes now."""
        self.look()
        self._on_access(point)

    def look(self) -> None:
        """Called before every read."""
        if self.is_over:
            raise Crashed


class SimEngine:
    """One database. ``attach`` gives the engine that one life of the node works with."""

    def __init__(self) -> None:
        self._content = MemoryDatabase()
        self._undo: deque[list[Write]] = deque()
        self._unsynced = 0

    def attach(self, life: Life) -> "AttachedEngine":
        """The database as one process sees it."""
        return AttachedEngine(self, life)

    def get(self, key: bytes) -> bytes | None:
        return self._content.get(key)

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        return self._content.scan(start, stop, reverse=reverse)

    def write(self, batch: Sequence[Write], *, sync: bool) -> None:
        self._undo.append([(key, self._content.get(key)) for key, _ in reversed(batch)])
        self._content.write(batch, sync=False)
        self._unsynced += 1
        if sync:
            self.sync()

    def sync(self) -> None:
        self._unsynced = 0
        while len(self._undo) > _KEPT_BATCHES:
            self._undo.popleft()

    def crash(self, random: Random) -> int:
        """Lose unsynced batches from a random one on; how many were lost."""
        lost = random.randint(0, self._unsynced)
        self._lose(lost)
        return lost

    def lose_synced(self, random: Random) -> int:
        """Lose batches that the disk said were there; how many were lost."""
        lost = random.randint(1, max(1, len(self._undo)))
        self._lose(min(lost, len(self._undo)))
        return lost

    def _lose(self, count: int) -> None:
        for _ in range(count):
            self._content.write(self._undo.pop(), sync=False)
        self._unsynced = 0


class AttachedEngine:
    """The engine port over a simulated database, for one life of a process."""

    def __init__(self, database: SimEngine, life: Life) -> None:
        self._database = database
        self._life = life

    def get(self, key: bytes) -> bytes | None:
        """Value of ``key``, or None."""
        self._life.look()
        return self._database.get(key)

    def write(self, batch: Sequence[Write], *, sync: bool) -> None:
        """Apply ``batch``; the process may die before or after."""
        self._life.access("before a write")
        self._database.write(batch, sync=sync)
        self._life.access("after a write")

    def sync(self) -> None:
        """Make everything durable; the process may die before or after."""
        self._life.access("before a sync")
        self._database.sync()
        self._life.access("after a sync")

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Entries with ``start <= key < stop``."""
        self._life.look()
        return self._database.scan(start, stop, reverse=reverse)

    def purge(self, keys: Sequence[bytes]) -> bool:
        """It has no files."""
        return True

    def compact(self, start: bytes, stop: bytes) -> None:
        """It has no files."""

    def clear(self) -> None:
        """Delete everything; the process may die before or after."""
        self.write([(key, None) for key, _ in self.scan(b"", b"\xff")], sync=False)

    def close(self) -> None:
        """Nothing to release."""


class SimSlots:
    """A file of two slots; ``None`` in a place that holds nothing whole. With two copies of each slot a torn write is
    known for what it is.
    """

    def __init__(self, copies: int = 1) -> None:
        self._copies = copies
        self._places: list[Slot | None] = [None, None]
        self._torn = [False, False]
        self._pending: tuple[int, Slot | None] | None = None
        """The place that is being written, and what was there."""
        self._life: Life = lambda point: None

    def attach(self, life: Life) -> "SimSlots":
        """The file as the next process sees it."""
        self._life = life
        return self

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever written."""
        return self._places == [None, None] and not any(self._torn)

    @property
    def has_one_write(self) -> bool:
        """Whether what is not whole is all that was ever written."""
        return self._places == [None, None] and sum(self._torn) == 1

    @property
    def is_doubtful(self) -> bool:
        """Whether what was completed last may be gone."""
        return any(self._torn) and (self._copies == 1 or self._places == [None, None])

    def read(self) -> Slot | None:
        """The newest whole slot."""
        return max((slot for slot in self._places if slot is not None), default=None)

    def write(self, sequence: int, content: bytes) -> None:
        """Write and sync; a process that dies on the way leaves the place that was written in doubt."""
        newest = self.read()
        place = 0 if newest is None else 1 - self._places.index(newest)
        self._life.access("before a write")
        self._pending = place, self._places[place]
        self._places[place], self._torn[place] = Slot(sequence, content), False
        self._life.access("in a write")
        self._pending = None
        self._life.access("after a write")

    def crash(self, random: Random) -> str:
        """What became of the write that was under way: ``whole``, ``lost`` or ``torn``."""
        pending, self._pending = self._pending, None
        if pending is None:
            return "whole"
        place, before = pending
        fate = random.choice(("whole", "lost", "torn"))
        if fate != "whole":
            self._places[place] = before if fate == "lost" else None
            self._torn[place] = fate == "torn"
        return fate

    def tear(self) -> None:
        """What a power cut in the middle of a write leaves: nothing whole where the older slot was."""
        newest = self.read()
        place = 0 if newest is None else 1 - self._places.index(newest)
        self._places[place], self._torn[place] = None, True

    def close(self) -> None:
        """Nothing to release."""


class SimVotes(VoteFile):
    """The real vote file over simulated slots."""

    def __init__(self, slots: SimSlots, bodies: SimSlots) -> None:
        self._open(slots, SimBodies(bodies))  # type: ignore[arg-type]  # they have the files' interfaces


class SimBodies:
    """Bodies over simulated slots, which behave as the two places of a ``BodyFile``."""

    def __init__(self, slots: SimSlots) -> None:
        self._slots = slots
        slot = slots.read()
        self._sequence = slot.sequence if slot is not None else 0
        self.bodies = decode(Bodies, slot.content) if slot is not None else ()

    def write(self, bodies: Sequence[bytes]) -> None:
        """Keep these instead."""
        self._sequence, self.bodies = self._sequence + 1, tuple(bodies)
        self._slots.write(self._sequence, encode(self.bodies))

    def replace(self, bodies: Sequence[bytes]) -> None:
        """The same: what stays behind is no matter where nothing is a file."""
        self.write(bodies)

    def close(self) -> None:
        """Nothing to release."""


class SimHead(HeadFile):
    """The real anchor over simulated slots."""

    def __init__(self, slots: SimSlots) -> None:
        self._path = "HEAD"  # type: ignore[assignment]  # it is only shown
        self._slots = slots  # type: ignore[assignment]


class Disk:
    """All that survives a crash of one validator."""

    def __init__(self) -> None:
        self.is_on_probation = False
        """Stands for the file that marks a node which may have forgotten votes."""
        self.wipe()

    def wipe(self) -> None:
        """A new disk."""
        self.votes = SimSlots(copies=2)
        self.bodies = SimSlots()
        self.set_aside()

    def set_aside(self) -> None:
        """Start with empty databases; the votes stay."""
        self.blocks = SimEngine()
        self.state = SimEngine()
        self.head = SimSlots()

    def crash(self, random: Random) -> list[str]:
        """The process is gone: what becomes of what was under way. Returns the faults that happened."""
        faults = []
        for database in (self.blocks, self.state):
            if database.crash(random):
                faults.append("unsynced batches lost")
        for slots, name in ((self.votes, "votes"), (self.bodies, "bodies"), (self.head, "HEAD")):
            fate = slots.crash(random)
            if fate != "whole":
                faults.append(f"{name} {fate}")
        return faults

    @property
    def durable_votes(self) -> dict[bytes, bytes]:
        """The consensus memory that a start would find now."""
        slot = self.votes.read()
        if slot is None:
            return {}
        try:
            return dict(decode(Entries, slot.content))
        except ValueError as error:
            raise InvariantBroken(f"the votes on disk do not decode: {error}") from error
