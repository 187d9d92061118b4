"""What stands in a node's files, for those who search them."""

from contextlib import suppress
from pathlib import Path


def read_all(folder: Path) -> bytes:
    """The content of all files in a folder. Databases rewrite theirs: if a file came or went meanwhile, all are read
    again.
    """
    while True:
        files = _files(folder)
        with suppress(FileNotFoundError):
            content = b"".join(path.read_bytes() for path in files)
            if _files(folder) == files:
                return content


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
