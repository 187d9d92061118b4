"""What LevelDB's MANIFEST says about its log: without it a table may be missing that LevelDB does not miss.

A MANIFEST that was cut off, at the end of a record or within one, looks to LevelDB as after a crash: the last changes
of its set of files count as never made. A table whose making was among them is forgotten, and deleted. The log that had
the table's content is gone already, and nobody asks for it.

But each change that makes a table out of a log names the next log, which was created and whose folder entry was synced
before the change was written, and which is only deleted after a later change has named a later log. So in a whole
database the log that the last change names exists, and if changes were lost that have made a table, it does not.
(``db/version_edit.cc``, ``db/log_format.h`` and ``db/db_impl.cc`` of LevelDB. A change that only merges tables leaves,
when lost, tables that are missing, which LevelDB finds, or that are there still.)
"""

from collections.abc import Iterator
from pathlib import Path

_BLOCK_SIZE_BYTES = 32 * 1024
_HEADER_SIZE_BYTES = 7
"""Checksum 4, length 2 (little endian), type 1. LevelDB compares the checksums when it opens."""
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_COMPARATOR, _LOG_NUMBER, _COMPACT_POINTER, _DELETED_FILE, _NEW_FILE = 1, 2, 5, 6, 7
_NUMBERS = {2, 3, 4, 9}
"""Tags that one number follows."""


def missing_log(folder: Path) -> str | None:
    """Name of the log that a database should have and has not; None if it has it, or if LevelDB will say what is wrong.

    Args:
        folder: of a database that nobody has open.
    """
    try:
        current = (folder / "CURRENT").read_text("ascii").strip()
        content = (folder / current).read_bytes()
    except (OSError, ValueError):
        return None
    number = 0
    for record in _records(content):
        number = _log_number(record) or number
    name = f"{number:06d}.log"
    return name if number and not (folder / name).exists() else None


def _records(content: bytes) -> Iterator[bytes]:
    """The whole records of a file in LevelDB's log format."""
    at, parts = 0, b""
    while at + _HEADER_SIZE_BYTES <= len(content):
        left = _BLOCK_SIZE_BYTES - at % _BLOCK_SIZE_BYTES
        if left < _HEADER_SIZE_BYTES:
            at += left
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        start, at = at + _HEADER_SIZE_BYTES, at + _HEADER_SIZE_BYTES + length
        if at > len(content):
            return
        parts = content[start:at] if kind in (_FULL, _FIRST) else parts + content[start:at]
        if kind in (_FULL, _LAST):
            yield parts


def _log_number(edit: bytes) -> int:
    """The log that a change names; 0 if it names none, or is no change."""
    at, found = 0, 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while at < len(edit):
            byte, at = edit[at], at + 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        return value

    while at < len(edit):
        tag = number()
        if tag in _NUMBERS:
            value = number()
            found = value if tag == _LOG_NUMBER else found
        elif tag == _COMPARATOR:
            at += number()
        elif tag == _COMPACT_POINTER:
            number()
            at += number()
        elif tag == _DELETED_FILE:
            number()
            number()
        elif tag == _NEW_FILE:
            for _ in range(3):
                number()
            for _ in range(2):
                at += number()
        else:
            break  # LevelDB refuses it
    return found
