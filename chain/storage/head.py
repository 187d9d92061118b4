"""The HEAD anchor: which block is the last one acknowledged, apart from LevelDB and synced on its own.

The file has two slots that are written in turn, so a torn write spoils at most the newer one and leaves its
predecessor. A slot: magic 8 bytes, height 8 (big endian), block hash 32, CRC-32 of those 4; padded to 512 bytes, a
disk sector. HEAD is written after the block's synced batch. So after a crash HEAD equals the database's last block
or is one behind; HEAD *ahead* of the database means that LevelDB has lost what was promised.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple, Protocol

from chain.crypto import Hash
from chain.errors import ErrorCode, PoolError

_MAGIC = b"BPHEAD\x00\x01"
_SLOT = struct.Struct(">8sQ32sI")
_SLOT_SIZE = 512


class Head(NamedTuple):
    """The last acknowledged block."""

    height: int
    block_hash: Hash


class HeadAnchor(Protocol):
    """Keeps the last acknowledged block durably."""

    def read(self) -> Head | None:
        """The newest valid slot; None if there never was one."""
        ...

    def write(self, head: Head) -> None:
        """Make ``head`` durable before returning."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class MemoryHead:
    """An anchor in memory, for tests and simulations."""

    def __init__(self) -> None:
        self._head: Head | None = None

    def read(self) -> Head | None:
        """What was written last."""
        return self._head

    def write(self, head: Head) -> None:
        """Keep ``head``."""
        self._head = head

    def close(self) -> None:
        """Nothing to release."""


class HeadFile:
    """The anchor on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        existed = path.exists()
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            if not existed:
                os.pwrite(self._descriptor, bytes(2 * _SLOT_SIZE), 0)
                os.fsync(self._descriptor)
                _sync_folder(path.parent)
        except OSError as error:
            raise _failed(path, error) from None

    def read(self) -> Head | None:
        """The newest valid slot.

        Raises:
            PoolError: code ``database_damaged`` if both slots were written and neither is whole.
        """
        try:
            content = os.pread(self._descriptor, 2 * _SLOT_SIZE, 0)
        except OSError as error:
            raise _failed(self._path, error) from None
        slots = [content[:_SLOT_SIZE], content[_SLOT_SIZE:]]
        heads = [head for head in map(_decode_slot, slots) if head is not None]
        if not heads and any(any(slot) for slot in slots):
            raise PoolError(ErrorCode.DATABASE_DAMAGED, f"{self._path} has no whole slot")
        return max(heads) if heads else None

    def write(self, head: Head) -> None:
        """Make ``head`` durable before returning."""
        body = _SLOT.pack(_MAGIC, head.height, head.block_hash, 0)[:-4]
        slot = (body + struct.pack(">I", zlib.crc32(body))).ljust(_SLOT_SIZE, b"\x00")
        try:
            os.pwrite(self._descriptor, slot, _SLOT_SIZE * (head.height & 1))
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise _failed(self._path, error) from None

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)


def _decode_slot(slot: bytes) -> Head | None:
    if len(slot) < _SLOT.size:
        return None
    magic, height, block_hash, checksum = _SLOT.unpack_from(slot)
    if magic != _MAGIC or zlib.crc32(slot[: _SLOT.size - 4]) != checksum:
        return None
    return Head(height, block_hash)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(path: Path, error: OSError) -> PoolError:
    code = ErrorCode.DISK_FULL if error.errno == 28 else ErrorCode.STORAGE_FAILED
    return PoolError(code, f"{path}: {error.strerror}")
