"""A small file of two slots that are written in turn, in place: the newest whole slot is the content, and never the one
that is written next, however far apart the sequence numbers are.

Overwriting bytes that are on disk already costs one ``fdatasync`` without a new file size to be journalled, and a write
that is torn by a crash spoils only the slot it went to. A slot: magic 8 bytes, sequence 8, length 4, CRC-32 of the
preceding fields and the content, 4; then the content. Integers are big endian.
"""

import errno
import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from chain.errors import ErrorCode, InvariantBroken, PoolError

_MAGIC = b"BPSLOT\x00\x01"
_FIELDS = struct.Struct(">8sQI")
_CHECKSUM = struct.Struct(">I")
_PREFIX_SIZE = _FIELDS.size + _CHECKSUM.size


class Slot(NamedTuple):
    """A whole slot."""

    sequence: int
    """Grows with every write."""
    content: bytes


class SlotFile:
    """The file.

    Args:
        path: created, filled with zeros, if it does not exist. A crash meanwhile leaves the whole file or none.
        slot_size_bytes: of each slot, prefix included; a multiple of the disk's sector.
        copies: how often each slot is there. A write that a crash tears spoils all copies of one slot and had not been
            completed; damage that comes later spoils one copy of what had been. With two they can be told apart.

    Attributes:
        is_doubtful: what was written last and completed may be gone. With one copy, when a slot is not whole: torn by
            a crash, or damaged later. With more, when no slot is.
        has_one_write: what is not whole is all that was ever written, so no write can have been completed before it.
    """

    def __init__(self, path: Path, slot_size_bytes: int, copies: int = 1) -> None:
        self._path = path
        self._slot_size_bytes = slot_size_bytes
        self._copies = copies
        self._next_place: int | None = None
        """Which slot is written next: never the newest whole one. None before the file has been read."""
        self.is_doubtful = False
        self.has_one_write = False
        try:
            if not path.exists():
                _create(path, 2 * copies * slot_size_bytes)
            self._descriptor = os.open(path, os.O_RDWR)
        except OSError as error:
            raise storage_error(path, error) from None

    def read(self) -> Slot | None:
        """The newest whole slot; None if nothing was ever written, or nothing is whole (see ``is_doubtful``)."""
        size = self._slot_size_bytes
        try:
            content = os.pread(self._descriptor, 2 * self._copies * size, 0)
        except OSError as error:
            raise storage_error(self._path, error) from None
        parts = [content[place * size : (place + 1) * size] for place in range(2 * self._copies)]
        places = [parts[: self._copies], parts[self._copies :]]
        slots = [max(filter(None, map(_decode, copies)), default=None) for copies in places]
        is_written = [any(map(any, copies)) for copies in places]
        missing = len(content) < 2 * self._copies * size
        lost = [slot is None and written for slot, written in zip(slots, is_written, strict=True)]
        newest = max((slot for slot in slots if slot is not None), default=None)
        self.is_doubtful = missing or (any(lost) and (self._copies == 1 or newest is None))
        self.has_one_write = not missing and sum(is_written) == 1
        self._next_place = 0 if newest is None else 1 - slots.index(newest)
        return newest

    def write(self, sequence: int, content: bytes) -> None:
        """Make ``content`` durable before returning. ``sequence`` must be greater than the last."""
        if _PREFIX_SIZE + len(content) > self._slot_size_bytes:
            raise InvariantBroken(f"{len(content)} bytes do not fit a slot of {self._path}")
        fields = _FIELDS.pack(_MAGIC, sequence, len(content))
        checksum = _CHECKSUM.pack(zlib.crc32(content, zlib.crc32(fields)))
        if self._next_place is None:
            self.read()
        place = self._next_place or 0
        try:
            for copy in range(self._copies):
                offset = self._slot_size_bytes * (place * self._copies + copy)
                _write(self._descriptor, fields + checksum + content, offset)
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise storage_error(self._path, error) from None
        self._next_place = 1 - place

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)


def _decode(part: bytes) -> Slot | None:
    if len(part) < _PREFIX_SIZE:
        return None
    magic, sequence, length = _FIELDS.unpack_from(part)
    (checksum,) = _CHECKSUM.unpack_from(part, _FIELDS.size)
    content = part[_PREFIX_SIZE : _PREFIX_SIZE + length]
    if magic != _MAGIC or len(content) != length:
        return None
    if zlib.crc32(content, zlib.crc32(part[: _FIELDS.size])) != checksum:
        return None
    return Slot(sequence, content)


def _create(path: Path, size_bytes: int) -> None:
    """Make a file of zeros under another name first: half of one would look like a file that was damaged."""
    unfinished = path.with_name(f"{path.name}.new")
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        _write(descriptor, bytes(size_bytes), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    unfinished.rename(path)
    sync_folder(path.parent)


def _write(descriptor: int, content: bytes, offset: int) -> None:
    rest = memoryview(content)
    while rest:  # what does not fit a disk is written in part; the next try says why
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def sync_folder(path: Path) -> None:
    """Bring a folder's entries to disk: a new file is there for good only after this."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage_error(path: Path, error: OSError) -> PoolError:
    """What the operating system has refused, as the pool's error: code ``disk_full`` or ``storage_failed``."""
    code = ErrorCode.DISK_FULL if error.errno == errno.ENOSPC else ErrorCode.STORAGE_FAILED
    return PoolError(code, f"{path}: {error.strerror}")
