"""What an owner has shared of a dataset whose records have keys: of each key, the hash of its newest record.

A record that was shared before as it is, is known by its hash alone: its key need not be made, nor need it be checked.

It is this machine's memory of verified receipts, not the pool's word: who loses it, or shares from another machine,
shares a record again that has not changed, which makes one version more and is no mistake.

What survives a crash: a record counts as shared once its parcel's receipt was verified, each parcel by one commit of
SQLite. A crash before that has its records shared again.
"""

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from blockpool.record_keys import KeyMaker
from chain.errors import ErrorCode, PoolError
from chain.record_keys import split_keys

HELD = 2_000_000
"""Hashes up to which all of them are held in memory, some 100 bytes each; of more each is looked up in the file, which
takes four times as long."""
_TABLES = (
    "CREATE TABLE IF NOT EXISTS maker (identity BLOB)",
    "CREATE TABLE IF NOT EXISTS shared (key BLOB PRIMARY KEY, hash BLOB) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS shared_hash ON shared (hash)",
)


class RecordMemory:
    """See the module. Held by one process at a time.

    Args:
        path: of the file; made if it is not there, readable by its owner alone.
        maker: what the keys are made with; what was noted of keys that were made otherwise is forgotten.
        is_anew: forget what it knows.
        held: see ``HELD``.

    Raises:
        PoolError: codes ``data_folder_locked`` while another process holds it, ``malformed`` for another file.
    """

    def __init__(self, path: Path, maker: KeyMaker, *, is_anew: bool = False, held: int = HELD) -> None:
        self._path = path
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        # A submission signs in other threads, one at a time.
        self._database = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("BEGIN EXCLUSIVE")
            for statement in _TABLES:
                self._database.execute(statement)
            known = self._database.execute("SELECT identity FROM maker").fetchone()
            if is_anew or known != (maker.identity,):
                self._database.execute("DELETE FROM shared")
                self._database.execute("DELETE FROM maker")
                self._database.execute("INSERT INTO maker VALUES (?)", (maker.identity,))
            self._database.execute("COMMIT")
            rows = self._database.execute("SELECT hash FROM shared LIMIT ?", (held + 1,))
            known = {hash_ for (hash_,) in rows}
            self._held = known if len(known) <= held else None
        except sqlite3.OperationalError as error:
            self._database.close()
            detail = f"another submission holds {path}: wait until it is over ({error})"
            raise PoolError(ErrorCode.DATA_FOLDER_LOCKED, detail) from None
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise PoolError(ErrorCode.MALFORMED, f"{path} is no memory of shared records: {error}") from None

    def changed(self, records: Sequence[bytes]) -> list[bytes]:
        """Those of some hundred records that are new, or differ from the newest that was shared with their key."""
        hashes = [_hash(record) for record in records]
        known = self._held
        if known is None:
            places = ",".join("?" * len(hashes))
            rows = self._database.execute(f"SELECT hash FROM shared WHERE hash IN ({places})", hashes)  # noqa: S608
            known = {hash_ for (hash_,) in rows}
        return [record for record, hash_ in zip(records, hashes, strict=True) if hash_ not in known]

    def shared(self, keys: bytes, records: Sequence[bytes]) -> None:
        """Note the records of a parcel whose receipt was verified."""
        rows = [(key, _hash(record)) for key, record in zip(split_keys(keys), records, strict=True)]
        with self._database:
            self._database.execute("BEGIN")
            if self._held is not None:
                self._held.difference_update(self._hashes_of([key for key, _ in rows]))
                self._held.update(hash_ for _, hash_ in rows)
            self._database.executemany("INSERT OR REPLACE INTO shared VALUES (?, ?)", rows)

    def _hashes_of(self, keys: Sequence[bytes]) -> Iterator[bytes]:
        for key in keys:
            yield from self._database.execute("SELECT hash FROM shared WHERE key = ?", (key,)).fetchone() or ()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def _hash(record: bytes) -> bytes:
    return hashlib.sha256(record).digest()
