"""Whole files that are replaced at once: a reader, and a crash at any moment, meets the old content or the new."""

import os
from pathlib import Path

from chain.storage.slots import storage_error, sync_folder


def replace_file(path: Path, content: bytes) -> None:
    """Make ``content`` what ``path`` holds; on disk for good when this returns.

    Raises:
        PoolError: codes ``disk_full``, ``storage_failed``; the old content is still there then.
    """
    unfinished = path.with_name(f"{path.name}.new")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from None
