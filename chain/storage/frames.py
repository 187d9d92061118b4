"""A database whose old entries lie in compressed frames: many entries one value, so that each costs less than its own
bytes.

Entries of a framed kind (the first byte of the key) are in the order of the chain, since a height(8) follows. A frame
holds those of one kind from its first key to the next frame's:

| key                                     | value                                               |
|-----------------------------------------|-----------------------------------------------------|
| ``z`` kind first key's rest, version(2) | zlib (RFC 1950) of the array of (key's rest, value) |
| ``m`` ``frozen``                        | height(8) up to which entries lie in frames         |

What is written under a key of its own counts before what a frame holds under it. ``freeze`` moves entries into frames
in one batch with their deletion, so a crash finds them here or there. A frame that loses an entry is written anew under
the next version, and the old one deleted, so that ``purge`` can rid the files of it as of any deleted value.

One thread writes, one may freeze, any may read.
"""

import heapq
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import NamedTuple

from chain.errors import ErrorCode, PoolError
from chain.primitives.encoding import EncodingError, decode, encode
from chain.storage.database import Database, Write

FRAME_BYTES = 64 * 1024
"""Of entries, before compression; a larger value has a frame of its own."""
_SLICE_BLOCKS = 1024
_SLICE_BYTES = 4 * 1024 * 1024
"""Of one kind: what one batch moves."""
_LEVEL = 6
_CACHED = 8
_FROZEN = b"mfrozen"
_VERSION = struct.Struct(">H")
_HEIGHT_SIZE = 8
_INFLATED_MAX = 64 * 1024 * 1024
_Entries = tuple[tuple[bytes, bytes], ...]
"""(rest of the key, value), ascending."""


class _Frame(NamedTuple):
    key: bytes
    entries: Mapping[bytes, bytes]


class FramedDatabase:
    """See the module; the ``Database`` port over another one.

    Args:
        database: that holds frames and all else.
        lengths: of what follows in the keys of each framed kind, by the kind.
    """

    def __init__(self, database: Database, lengths: Mapping[bytes, int]) -> None:
        self._database = database
        self._lengths = dict(lengths)
        self._lock = threading.RLock()
        """Held by whoever changes frames, or what may lie in one."""
        self._cache: dict[bytes, _Frame] = {}
        self._frozen = database.get(_FROZEN) or b""

    @property
    def frozen_height(self) -> int:
        """Height up to which entries lie in frames; 0 before the first."""
        return int.from_bytes(self._frozen, "big")

    def get(self, key: bytes) -> bytes | None:
        """Value of ``key``, or None; raises ``database_damaged``."""
        value = self._database.get(key)
        if value is not None or not self._may_be_framed(key):
            return value
        frame = self._frame_of(key)
        return None if frame is None else frame.entries.get(key[1:])

    def write(self, batch: Sequence[Write], *, sync: bool) -> None:
        """As the port has it. What is deleted leaves its frame too."""
        if all(value is not None for _, value in batch):
            self._database.write(batch, sync=sync)
            return
        with self._lock:
            leaving: dict[bytes, dict[bytes, bytes]] = {}
            for key, value in batch:
                frame = self._frame_of(key) if value is None and self._may_be_framed(key) else None
                if frame is not None and key[1:] in frame.entries:
                    leaving.setdefault(frame.key, dict(frame.entries)).pop(key[1:], None)
            rewritten: list[Write] = []
            for frame_key, entries in leaving.items():
                rewritten += [(frame_key, None), (_next_version(frame_key), _packed(tuple(entries.items())))]
            self._database.write([*batch, *rewritten], sync=sync)
            for frame_key in leaving:
                self._cache.pop(frame_key, None)

    def freeze(self, until_height: int, also: Callable[[int, int], Sequence[Write]]) -> int:
        """Move the entries of some more blocks into frames. Not synced.

        Args:
            until_height: the last that may go.
            also: more writes for the batch, for the blocks from one height to another.

        Returns:
            The height up to which entries lie in frames now.
        """
        with self._lock:
            first = self.frozen_height + 1
            if until_height < first:
                return self.frozen_height
            last = self._last_of_slice(first, min(until_height, first + _SLICE_BLOCKS - 1))
            batch = list(also(first, last))
            for kind in self._lengths:
                entries = [(key[1:], value) for key, value in self._database.scan(*_of_blocks(kind, first, last))]
                batch += [(kind + rest, None) for rest, _ in entries]
                batch += [(b"z" + kind + some[0][0] + _VERSION.pack(0), _packed(some)) for some in _portions(entries)]
            frozen = last.to_bytes(_HEIGHT_SIZE, "big")
            # Before the batch: whoever misses an entry then looks into frames, where it is by then.
            self._frozen = frozen
            self._database.write([*batch, (_FROZEN, frozen)], sync=False)
            return last

    def _last_of_slice(self, first: int, last: int) -> int:
        """The last of some blocks with which their larger entries are not too many."""
        for kind in self._lengths:
            size_bytes = 0
            for key, value in self._database.scan(*_of_blocks(kind, first, last)):
                height = int.from_bytes(key[1 : 1 + _HEIGHT_SIZE], "big")
                if size_bytes > _SLICE_BYTES:
                    last = max(first, height - 1)
                    break
                size_bytes += len(key) + len(value)
        return last

    def sync(self) -> None:
        """As the port has it."""
        self._database.sync()

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """As the port has it; within one kind where that may lie in frames."""
        # In this order: what moves into a frame meanwhile is met twice rather than not at all.
        rest = self._database.scan(start, stop, reverse=reverse)
        own = chain(list(islice(rest, 1)), rest)
        if not self._may_be_framed(start):
            yield from own
            return
        framed = self._framed(start, stop, reverse=reverse)
        last: bytes | None = None
        for key, value in heapq.merge(own, framed, key=itemgetter(0), reverse=reverse):
            if key != last:
                yield key, value
            last = key

    def _framed(self, start: bytes, stop: bytes, *, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        kind, first = start[:1], self._frame_of(start)
        begin = first.key if first is not None else b"z" + start
        end = b"z" + (stop if stop[:1] == kind else kind + b"\xff" * (_HEIGHT_SIZE + 1))
        for frame_key, value in self._database.scan(begin, end, reverse=reverse):
            entries = _opened(frame_key, value).entries
            for rest in sorted(entries, reverse=reverse):
                if start <= kind + rest < stop:
                    yield kind + rest, entries[rest]

    def purge(self, keys: Sequence[bytes]) -> bool:
        """As the port has it; the frames that held the values before are among the files' dead values."""
        dead = list(keys)
        for key in keys:
            if self._may_be_framed(key) and (frame := self._frame_of(key)) is not None:
                base, version = frame.key[: -_VERSION.size], _VERSION.unpack(frame.key[-_VERSION.size :])[0]
                dead += [base + _VERSION.pack(older) for older in range(version)]
        return self._database.purge(sorted(set(dead)))

    def compact(self, first: int, last: int) -> None:
        """Give back the room of what the blocks of these heights had under keys of their own. Takes a while."""
        for kind in self._lengths:
            self._database.compact(*_of_blocks(kind, first, last))

    def clear(self) -> None:
        """As the port has it."""
        self._database.clear()
        self._cache, self._frozen = {}, b""

    def close(self) -> None:
        """As the port has it."""
        self._database.close()

    def _may_be_framed(self, key: bytes) -> bool:
        return bool(self._frozen) and key[:1] in self._lengths and key[1 : 1 + _HEIGHT_SIZE] <= self._frozen

    def _frame_of(self, key: bytes) -> _Frame | None:
        """The frame whose range a key is in, or would be in."""
        kind = key[:1]
        start = b"z" + key.ljust(1 + self._lengths[kind], b"\x00")
        for frame_key, value in self._database.scan(b"z" + kind, start + b"\xff" * (_VERSION.size + 1), reverse=True):
            frame = self._cache.get(frame_key)
            if frame is None:
                frame = _opened(frame_key, value)
                if len(self._cache) >= _CACHED:
                    self._cache = {}
                self._cache[frame_key] = frame
            return frame
        return None


def _of_blocks(kind: bytes, first: int, last: int) -> tuple[bytes, bytes]:
    """The range of the keys of a kind that belong to some blocks."""
    return kind + first.to_bytes(_HEIGHT_SIZE, "big"), kind + (last + 1).to_bytes(_HEIGHT_SIZE, "big")


def _portions(entries: Sequence[tuple[bytes, bytes]]) -> Iterator[_Entries]:
    """What goes into one frame each."""
    portion: list[tuple[bytes, bytes]] = []
    size_bytes = 0
    for rest, value in entries:
        if portion and size_bytes + len(value) > FRAME_BYTES:
            yield tuple(portion)
            portion, size_bytes = [], 0
        portion.append((rest, value))
        size_bytes += len(rest) + len(value)
    if portion:
        yield tuple(portion)


def _packed(entries: _Entries) -> bytes:
    return zlib.compress(encode(entries), _LEVEL)


def _opened(key: bytes, value: bytes) -> _Frame:
    try:
        inflating = zlib.decompressobj()
        content = inflating.decompress(value, _INFLATED_MAX)
        if not inflating.eof or inflating.unused_data:
            raise zlib.error("it does not end where it should")
        return _Frame(key, dict(decode(_Entries, content)))
    except (zlib.error, EncodingError) as error:
        raise PoolError(ErrorCode.DATABASE_DAMAGED, f"frame {key.hex()}: {error}") from None


def _next_version(frame_key: bytes) -> bytes:
    base, version = frame_key[: -_VERSION.size], _VERSION.unpack(frame_key[-_VERSION.size :])[0]
    return base + _VERSION.pack((version + 1) % 2**16)
