"""The key-value port that the stores are written against, and its database in memory. LevelDB is in ``level``."""

import bisect
from collections.abc import Iterator, Sequence
from typing import Protocol

Write = tuple[bytes, bytes | None]
"""(key, value), or (key, None) to delete."""


class Database(Protocol):
    """An ordered key-value store with atomic batches."""

    def get(self, key: bytes) -> bytes | None:
        """Value of ``key``, or None."""
        ...

    def write(self, batch: Sequence[Write], *, sync: bool) -> None:
        """Apply all of ``batch`` or nothing; with ``sync`` it is on disk when this returns."""
        ...

    def sync(self) -> None:
        """Bring everything that was written without ``sync`` to disk."""
        ...

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Entries with ``start <= key < stop`` in key order."""
        ...

    def purge(self, keys: Sequence[bytes]) -> bool:
        """Rid the files of the values that were deleted under ``keys``. False if a reader still holds a file that is to
        go: to be called again then. Other threads may go on reading and writing.
        """
        ...

    def compact(self, start: bytes, stop: bytes) -> None:
        """Give back the room of what was deleted between two keys. Takes a while; other threads may go on."""
        ...

    def clear(self) -> None:
        """Delete everything, the files that held it included."""
        ...

    def close(self) -> None:
        """Release files; later calls fail."""
        ...


class MemoryDatabase:
    """A database in memory, for tests, simulations and audits of downloaded chains."""

    def __init__(self) -> None:
        self._entries: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        """Value of ``key``, or None."""
        return self._entries.get(key)

    def write(self, batch: Sequence[Write], *, sync: bool) -> None:
        """Apply all of ``batch``; ``sync`` makes no difference."""
        for key, value in batch:
            if value is not None:
                if key not in self._entries:
                    bisect.insort(self._keys, key)
                self._entries[key] = value
            elif self._entries.pop(key, None) is not None:
                del self._keys[bisect.bisect_left(self._keys, key)]

    def sync(self) -> None:
        """Nothing to bring anywhere."""

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Entries with ``start <= key < stop`` in key order."""
        keys = self._keys[bisect.bisect_left(self._keys, start) : bisect.bisect_left(self._keys, stop)]
        for key in reversed(keys) if reverse else keys:
            yield key, self._entries[key]

    def purge(self, keys: Sequence[bytes]) -> bool:
        """Nothing to rid of anything."""
        return True

    def compact(self, start: bytes, stop: bytes) -> None:
        """No room to give back."""

    def clear(self) -> None:
        """Delete everything."""
        self._entries.clear()
        self._keys.clear()

    def close(self) -> None:
        """Nothing to release."""
