"""What a validator must not forget: its own votes, durable before they are sent, and the transactions of the blocks
that they are for (``chain.storage.bodies``), durable before the votes.

Kept apart from LevelDB, which may lose the tail of its log silently, and in place, which costs a fraction of an append.
All entries are one atomic write, of two copies: a write that was torn by a crash is known from damage to votes that
were sent, so a power cut silences no validator. If no slot is whole, votes may be gone: the node must not vote until
nothing that they concern can still be undecided (``is_doubtful``).
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from chain.primitives.encoding import EncodingError, decode, encode
from chain.storage.bodies import Bodies, BodyFile
from chain.storage.slots import SlotFile

_SLOT_SIZE_BYTES = 1024 * 1024
"""Two proposals of 4,096 transaction ids, and votes with a certificate of 100 validators, take a third of it."""

Entries = tuple[tuple[bytes, bytes], ...]


class VoteStore(Protocol):
    """Keeps named values durably."""

    is_doubtful: bool
    """The newest votes may be gone."""

    def read(self) -> Mapping[bytes, bytes]:
        """The newest value of every name."""
        ...

    def write(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep new values; all are durable when this returns, or none is."""
        ...

    @property
    def bodies(self) -> Bodies:
        """Encoded transactions of the blocks voted for, as kept last."""
        ...

    def keep_bodies(self, bodies: Sequence[bytes]) -> None:
        """Keep these encoded transactions instead; durable when this returns."""
        ...

    def replace_bodies(self, bodies: Sequence[bytes]) -> None:
        """The same, and leave nothing of what was kept before in any file."""
        ...

    def close(self) -> None:
        """Release the files."""
        ...


class MemoryVotes:
    """Votes in memory, for tests, and for nodes that only follow."""

    def __init__(self) -> None:
        self._entries: dict[bytes, bytes] = {}
        self._bodies: Bodies = ()
        self.is_doubtful = False

    def read(self) -> Mapping[bytes, bytes]:
        """The newest value of every name."""
        return self._entries

    def write(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep new values."""
        self._entries.update(entries)

    @property
    def bodies(self) -> Bodies:
        """What was kept last."""
        return self._bodies

    def keep_bodies(self, bodies: Sequence[bytes]) -> None:
        """Keep these."""
        self._bodies = tuple(bodies)

    def replace_bodies(self, bodies: Sequence[bytes]) -> None:
        """Keep these."""
        self._bodies = tuple(bodies)

    def close(self) -> None:
        """Nothing to release."""


class VoteFile:
    """Votes on disk, in a ``SlotFile`` whose content is the encoded array of (name, value); bodies in a file beside."""

    def __init__(self, path: Path) -> None:
        bodies = BodyFile(path.with_name(f"{path.name}-BODIES"))
        self._open(SlotFile(path, _SLOT_SIZE_BYTES, copies=2), bodies)

    def _open(self, slots: SlotFile, bodies: BodyFile) -> None:
        self._slots, self._bodies = slots, bodies
        slot = slots.read()
        self.is_doubtful = slots.is_doubtful
        self._sequence = slot.sequence if slot is not None else 0
        self._entries: dict[bytes, bytes] = {}
        if slot is not None:
            try:
                self._entries = dict(decode(Entries, slot.content))
            except EncodingError:
                self.is_doubtful = True
        elif not self.is_doubtful:
            self.write(())  # so that the first vote, too, has something whole before it

    def read(self) -> Mapping[bytes, bytes]:
        """The newest value of every name."""
        return self._entries

    def write(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep new values; all are durable when this returns, or none is.

        Raises:
            PoolError: codes ``disk_full``, ``storage_failed``: the process must stop.
        """
        self._entries.update(entries)
        self._sequence += 1
        self._slots.write(self._sequence, encode(tuple(self._entries.items())))

    @property
    def bodies(self) -> Bodies:
        """Encoded transactions of the blocks voted for, as kept last."""
        return self._bodies.bodies

    def keep_bodies(self, bodies: Sequence[bytes]) -> None:
        """Keep these encoded transactions instead; durable when this returns.

        Raises:
            PoolError: codes ``disk_full``, ``storage_failed``: the process must stop.
        """
        self._bodies.write(bodies)

    def replace_bodies(self, bodies: Sequence[bytes]) -> None:
        """The same, and leave nothing of what was kept before in any file.

        Raises:
            PoolError: codes ``disk_full``, ``storage_failed``: the process must stop.
        """
        self._bodies.replace(bodies)

    def close(self) -> None:
        """Release the files."""
        self._slots.close()
        self._bodies.close()
