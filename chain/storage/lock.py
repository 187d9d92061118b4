"""One daemon a data folder: an advisory lock that the kernel drops when the process ends, however it ends."""

import fcntl
import os
from pathlib import Path

from chain.errors import ErrorCode, PoolError
from chain.storage.slots import storage_error


class FolderLock:
    """Holds the lock on a data folder until it is closed."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            PoolError: codes ``data_folder_locked``, ``disk_full``, ``storage_failed``.
        """
        path = folder / "LOCK"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)  # others on this machine could hold the lock if they could open the file
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise storage_error(path, error) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise PoolError(ErrorCode.DATA_FOLDER_LOCKED, f"{folder} is in use by process {holder}") from None
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(self._descriptor)
            raise storage_error(path, error) from None

    def close(self) -> None:
        """Let go."""
        os.close(self._descriptor)
