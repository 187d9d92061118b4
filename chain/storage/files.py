"""Whole files that are replaced at once: a reader, and a crash at any moment, meets the old content or the new."""

import os
from pathlib import Path

from chain.storage.slots import storage_error, sync_folder


def replace_file(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Make ``content`` what ``path`` holds, on disk for good when this returns; ``mode`` is its file's, less the umask.

    Raises:
        PoolError: codes ``disk_full``, ``storage_failed``; the old content is still there then.
    """
    unfinished = path.with_name(f"{path.name}.new")
    try:
        with open(unfinished, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from None
