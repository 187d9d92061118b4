"""The transactions of blocks that this node has voted for and that are not committed yet, durable before the votes are.

Consensus orders ids; the bodies wait in memory. Once a quorum has prepared a block, no other can take its place, so if
all nodes lost their memory at once (a power cut), a block whose bodies were nowhere on disk would stop the network for
ever. Two places are written in turn, so a write that is torn leaves what was written before it. A place: sequence 8
bytes, length 4, CRC-32 of these and the content, 4; then the content, an encoded array. Integers are big endian. The
file is as large as the largest blocks have made it; its beginning is overwritten in place.
"""

import errno
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from chain.limits import LIMITS
from chain.primitives.encoding import EncodingError, decode, encode
from chain.storage.slots import storage_error, sync_folder

_FIELDS = struct.Struct(">QI")
_CHECKSUM = struct.Struct(">I")
_PREFIX_SIZE = _FIELDS.size + _CHECKSUM.size
_PLACE_SIZE_BYTES = 4 * LIMITS.block_size_bytes
"""Two proposals of a height and what encoding adds take little more than half. Only what is written takes space."""

Bodies = tuple[bytes, ...]
"""Encoded transactions."""


class _Place(NamedTuple):
    sequence: int
    bodies: Bodies


class BodyFile:
    """The file; it is created when there is something to keep."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fresh_path = path.with_name(f"{path.name}.new")
        self._descriptor: int | None = None
        found: list[_Place | None] = [None, None]
        try:
            self._fresh_path.unlink(missing_ok=True)  # a crash has left it: the old file is whole
            if path.exists():
                self._descriptor = os.open(path, os.O_RDWR)
                found = [_read(self._descriptor, place) for place in range(2)]
        except OSError as error:
            raise storage_error(path, error) from None
        newest = max((place for place in found if place is not None), default=None)
        self._next_place = 0 if newest is None else 1 - found.index(newest)
        self._sequence, self.bodies = newest or _Place(0, ())

    def write(self, bodies: Sequence[bytes]) -> None:
        """Keep these instead of what was kept; durable when this returns.

        Raises:
            PoolError: codes ``disk_full``, ``storage_failed``: the process must stop.
        """
        self._sequence, self.bodies = self._sequence + 1, tuple(bodies)
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
                sync_folder(self._path.parent)
            self._write_place(self._descriptor, self._next_place)
        except OSError as error:
            raise storage_error(self._path, error) from None
        self._next_place = 1 - self._next_place

    def replace(self, bodies: Sequence[bytes]) -> None:
        """Keep these in a file of their own, which takes the place of the old one when it is whole: nothing of what was
        kept before stays, as it does behind what overwrites it. Durable when this returns.

        Raises:
            PoolError: codes ``disk_full``, ``storage_failed``: the process must stop.
        """
        if self._descriptor is None and not bodies:
            return
        self._sequence, self.bodies = self._sequence + 1, tuple(bodies)
        old = self._descriptor
        try:
            self._descriptor = os.open(self._fresh_path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
            self._write_place(self._descriptor, 0)
            self._fresh_path.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            raise storage_error(self._path, error) from None
        finally:
            if old is not None:
                os.close(old)
        self._next_place = 1

    def _write_place(self, descriptor: int, place: int) -> None:
        content = encode(self.bodies)
        fields = _FIELDS.pack(self._sequence, len(content))
        data = fields + _CHECKSUM.pack(zlib.crc32(content, zlib.crc32(fields))) + content
        if os.pwrite(descriptor, data, _PLACE_SIZE_BYTES * place) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fdatasync(descriptor)

    def close(self) -> None:
        """Release the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)


def _read(descriptor: int, place: int) -> _Place | None:
    offset = _PLACE_SIZE_BYTES * place
    prefix = os.pread(descriptor, _PREFIX_SIZE, offset)
    if len(prefix) < _PREFIX_SIZE:
        return None
    sequence, length = _FIELDS.unpack_from(prefix)
    (checksum,) = _CHECKSUM.unpack_from(prefix, _FIELDS.size)
    content = os.pread(descriptor, min(length, _PLACE_SIZE_BYTES), offset + _PREFIX_SIZE)
    if len(content) != length or zlib.crc32(content, zlib.crc32(prefix[: _FIELDS.size])) != checksum:
        return None
    try:
        return _Place(sequence, decode(Bodies, content))
    except EncodingError:
        return None
