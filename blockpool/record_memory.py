"""What an owner has shared of a dataset whose records have keys: of each key, the hash of its newest record.

It is this machine's memory of verified receipts, not the pool's word: who loses it, or shares from another machine,
shares a record again that has not changed, which makes one version more and is no mistake.

What survives a crash: a record counts as shared once its parcel's receipt was verified, each parcel by one commit of
SQLite. A crash before that has its records shared again.
"""

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from chain.errors import ErrorCode, PoolError
from chain.record_keys import split_keys


class RecordMemory:
    """See the module. Held by one process at a time.

    Args:
        path: of the file; made if it is not there, readable by its owner alone.
        is_anew: forget what it knows.

    Raises:
        PoolError: codes ``data_folder_locked`` while another process holds it, ``malformed`` for another file.
    """

    def __init__(self, path: Path, *, is_anew: bool = False) -> None:
        self._path = path
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        # A submission signs in other threads, one at a time.
        self._database = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("BEGIN EXCLUSIVE")
            self._database.execute("CREATE TABLE IF NOT EXISTS shared (key BLOB PRIMARY KEY, hash BLOB) WITHOUT ROWID")
            if is_anew:
                self._database.execute("DELETE FROM shared")
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._database.close()
            detail = f"another submission holds {path}: wait until it is over ({error})"
            raise PoolError(ErrorCode.DATA_FOLDER_LOCKED, detail) from None
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise PoolError(ErrorCode.MALFORMED, f"{path} is no memory of shared records: {error}") from None

    def changed(self, keys: bytes, records: Sequence[bytes]) -> list[bytes]:
        """Those of the records that are new, or differ from the newest that was shared with their key."""
        find = self._database.execute
        found = []
        for key, record in zip(split_keys(keys), records, strict=True):
            row = find("SELECT hash FROM shared WHERE key = ?", (key,)).fetchone()
            if row is None or row[0] != _hash(record):
                found.append(record)
        return found

    def shared(self, keys: bytes, records: Sequence[bytes]) -> None:
        """Note the records of a parcel whose receipt was verified."""
        rows = [(key, _hash(record)) for key, record in zip(split_keys(keys), records, strict=True)]
        with self._database:
            self._database.execute("BEGIN")
            self._database.executemany("INSERT OR REPLACE INTO shared VALUES (?, ?)", rows)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def _hash(record: bytes) -> bytes:
    return hashlib.sha256(record).digest()
