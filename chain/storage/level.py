"""LevelDB as a database of the key-value port.

It is opened with paranoid checks, every read verifies checksums (paranoid checks alone do not make it), and durability
is asked for by each write. What LevelDB does not tell is that the tail of its log is gone (it drops records after a cut
silently): the HEAD anchor is there for that; or that of its MANIFEST, and a table with it: ``chain.storage.manifest``.

Apart from the port, so that what only verifies needs no LevelDB.
"""

import contextlib
import errno
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from chain.errors import ErrorCode, PoolError
from chain.extras import extra
from chain.storage.database import Write
from chain.storage.manifest import missing_log

with extra("audit"):
    if sys.version_info >= (3, 13):  # plyvel has no wheels for these; this is its code, maintained
        import plyvel_next as plyvel
    else:
        import plyvel

LIBRARY = plyvel.__name__.replace("_", "-")
"""The name that the package has in registries."""
WRITE_BUFFER_SIZE = 16 * 1024 * 1024
CACHE_SIZE = 16 * 1024 * 1024
BLOOM_BITS = 10

_TABLE_LINE = re.compile(rb"^ (\d+):\d+\[", re.MULTILINE)
"""A table in LevelDB's own listing: number, size, keys. Keys are written with escapes, so they hold no line's end."""

_DAMAGE_SIGNS = (
    "missing files",
    "not a leveldb",
    "CURRENT file",
    "No such file or directory",
    ".ldb: Invalid argument",
)
"""In LevelDB's errors: files that it made and still needs are gone, shorter than it made them, or not what it wrote."""


class LevelDatabase:
    """LevelDB through plyvel. Any failed write ends the process's trust in the disk: the caller must stop, never
    retry.

    Args:
        path: its folder.
        named: the folder that errors name, where this one is a copy of it.
    """

    def __init__(self, path: Path, named: Path | None = None) -> None:
        self._path = path
        self._named = named or path
        if (log := missing_log(path)) is not None:
            detail = f"{self._named}: {log} is missing: the end of the MANIFEST was lost"
            raise PoolError(ErrorCode.DATABASE_DAMAGED, detail)
        self._open()

    def _failure(self, error: Exception) -> PoolError:
        found = _storage_error(self._path, error)
        return PoolError(found.code, found.detail.replace(str(self._path), str(self._named)), **found.context)

    def _open(self) -> None:
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._db = plyvel.DB(
                str(self._path),
                create_if_missing=True,
                paranoid_checks=True,
                write_buffer_size=WRITE_BUFFER_SIZE,
                lru_cache_size=CACHE_SIZE,
                bloom_filter_bits=BLOOM_BITS,
                # Snappy triples what fits on the disk, but makes compactions take five times the processor time and
                # hold up single writes for more than a second under load.
                compression=None,
                max_open_files=256,
            )
        except (plyvel.Error, OSError) as error:
            raise self._failure(error) from None

    def get(self, key: bytes) -> bytes | None:
        """Value of ``key``, or None."""
        try:
            value: bytes | None = self._db.get(key, verify_checksums=True)
        except (plyvel.Error, OSError) as error:
            raise self._failure(error) from None
        return value

    def write(self, batch: Sequence[Write], *, sync: bool) -> None:
        """Apply all of ``batch`` or nothing; with ``sync`` it is on disk when this returns."""
        writes = self._db.write_batch(sync=sync)
        put, delete = writes.put, writes.delete
        for key, value in batch:
            if value is None:
                delete(key)
            else:
                put(key, value)
        try:
            writes.write()
        except (plyvel.Error, OSError) as error:
            raise self._failure(error) from None

    def sync(self) -> None:
        """Bring everything that was written without ``sync`` to disk.

        A synced write would cover the log that is being written only. If LevelDB has just begun a new one, what the log
        before it holds is safe only once it stands in a table; so every log that is there is synced. (LevelDB hands
        each record to the system when it is written, and syncs its tables itself.)
        """
        try:
            for path in self._path.glob("*.log"):
                with contextlib.suppress(FileNotFoundError):  # it went into a table meanwhile
                    _sync_file(path)
        except OSError as error:
            raise self._failure(error) from None

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Entries with ``start <= key < stop`` in key order."""
        # plyvel loses the only entry of a range that is read backwards if its key is the start: compare it here.
        first = None if reverse else start
        try:
            with self._db.iterator(start=first, stop=stop, reverse=reverse, verify_checksums=True) as entries:
                for entry in entries:
                    if entry[0] < start:
                        break
                    yield entry
        except (plyvel.Error, OSError) as error:
            raise self._failure(error) from None

    def purge(self, keys: Sequence[bytes]) -> bool:
        """Rid the files of the values that were deleted under ``keys``: a deletion alone leaves their bytes in logs and
        tables until a compaction happens to pass.

        A compaction of a range writes out the log, and merges the tables of each level into the next, but never those
        of the lowest level by themselves. So if a value and its deletion have got there together, both stay. The second
        time, new deletions lie above them and take them along.
        """
        before = self._data_files()
        try:
            for _ in range(2):
                self.write([(key, None) for key in keys], sync=False)
                for start, stop in _ranges(keys):
                    self._db.compact_range(start=start, stop=stop)
            # LevelDB removes files that are of no more use, but for those that an iterator still reads.
            return before.isdisjoint(self._data_files() - self._tables())
        except (plyvel.Error, OSError) as error:
            raise self._failure(error) from None

    def compact(self, start: bytes, stop: bytes) -> None:
        """Give back the room of what was deleted between two keys. Takes a while; other threads may go on."""
        try:
            self._db.compact_range(start=start, stop=stop)
        except (plyvel.Error, OSError) as error:
            raise self._failure(error) from None

    def clear(self) -> None:
        """Delete everything, the files that held it included. Nobody may read meanwhile."""
        self._db.close()
        _remove(self._path)
        self._open()

    def close(self) -> None:
        """Release files; later calls fail."""
        self._db.close()

    def _data_files(self) -> set[str]:
        """Names of the logs and tables in the folder."""
        return {path.name for path in self._path.iterdir() if path.suffix in (".log", ".ldb")}

    def _tables(self) -> set[str]:
        """Names of the tables that make up the database now."""
        listing: bytes = self._db.get_property(b"leveldb.sstables") or b""
        return {f"{int(number):06d}.ldb" for number in _TABLE_LINE.findall(listing)}


def open_emptied_if_damaged(path: Path) -> LevelDatabase:
    """A database of what can be made again: one that cannot be trusted is emptied.

    Raises:
        PoolError: as ``LevelDatabase``, but for ``database_damaged``.
    """
    try:
        return LevelDatabase(path)
    except PoolError as error:
        if error.code is not ErrorCode.DATABASE_DAMAGED:
            raise
    _remove(path)
    return LevelDatabase(path)


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise _storage_error(path, error) from None


def _ranges(keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """Ranges that hold ``keys`` and little else: keys that differ in their last two bytes only share one."""
    groups: dict[bytes, list[bytes]] = {}
    for key in sorted(keys):
        groups.setdefault(key[:-2], []).append(key)
    return [(group[0], group[-1] + b"\x00") for group in groups.values()]


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _storage_error(path: Path, error: Exception) -> PoolError:
    text = error.args[0].decode(errors="replace") if error.args and isinstance(error.args[0], bytes) else str(error)
    if isinstance(error, plyvel.CorruptionError) or any(sign in text for sign in _DAMAGE_SIGNS):
        return PoolError(ErrorCode.DATABASE_DAMAGED, f"{path}: {text}")
    if "No space left" in text or getattr(error, "errno", None) == errno.ENOSPC:
        return PoolError(ErrorCode.DISK_FULL, f"{path}: {text}")
    if "lock" in text and "LOCK" in text:
        return PoolError(ErrorCode.DATA_FOLDER_LOCKED, f"{path}: {text}")
    return PoolError(ErrorCode.STORAGE_FAILED, f"{path}: {text}")
