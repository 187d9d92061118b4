"""The HEAD anchor: which block is the last one acknowledged, apart from LevelDB and synced on its own.

HEAD is written after blocks are synced: after each one that was decided here, after a batch in catch-up. So after a
crash HEAD equals the database's last block or is behind; HEAD *ahead* of the database means that LevelDB has lost what
was promised. The file is a ``SlotFile`` whose sequence is
the height and whose content is the block hash.
"""

from pathlib import Path
from typing import NamedTuple, Protocol

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import HASH_SIZE, Hash
from chain.storage.slots import SlotFile

_SLOT_SIZE_BYTES = 512


class Head(NamedTuple):
    """The last acknowledged block."""

    height: int
    block_hash: Hash


class HeadAnchor(Protocol):
    """Keeps the last acknowledged block durably."""

    def read(self) -> Head | None:
        """The newest valid slot; None if there never was one."""
        ...

    def write(self, head: Head) -> None:
        """Make ``head`` durable before returning."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class MemoryHead:
    """An anchor in memory, for tests and simulations."""

    def __init__(self) -> None:
        self._head: Head | None = None

    def read(self) -> Head | None:
        """What was written last."""
        return self._head

    def write(self, head: Head) -> None:
        """Keep ``head``."""
        self._head = head

    def close(self) -> None:
        """Nothing to release."""


class HeadFile:
    """The anchor on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._slots = SlotFile(path, _SLOT_SIZE_BYTES)

    def read(self) -> Head | None:
        """The newest whole slot. One torn slot is what a crash leaves, and its predecessor is one block behind; before
        the very first one there is none.

        Raises:
            PoolError: code ``database_damaged`` if something was written and nothing is whole.
        """
        slot = self._slots.read()
        if slot is None:
            if self._slots.is_doubtful and not self._slots.has_one_write:
                raise PoolError(ErrorCode.DATABASE_DAMAGED, f"{self._path} has no whole slot")
            return None
        if len(slot.content) != HASH_SIZE:
            raise PoolError(ErrorCode.DATABASE_DAMAGED, f"{self._path} holds no block hash")
        return Head(slot.sequence, slot.content)

    def write(self, head: Head) -> None:
        """Make ``head`` durable before returning."""
        self._slots.write(head.height, head.block_hash)

    def close(self) -> None:
        """Release the file."""
        self._slots.close()
