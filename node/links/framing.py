"""Frames on a link: how bytes become frames and frames bytes. No I/O here.

A frame has a kind (0..63) and a body. It travels as one or more segments on one of two lanes:

    length of what follows: 4 bytes, big-endian, at most 1 + SEGMENT_SIZE_BYTES
    flags and kind: 1 byte      0x80 more segments of this frame follow
                                0x40 bulk lane (otherwise urgent lane)
                                0x3f kind
    piece of the body: the rest

The segments of a frame follow one another on their lane. Segments of the two lanes mix freely, so that a consensus
message waits for one segment of a block that is being sent, never for the whole of it.

A length is judged before anything is buffered for it. The receive buffer has a fixed size; a frame in several segments
is put together up to the frame limit and no further.
"""

import struct
from collections import deque
from collections.abc import Iterator

from chain.errors import ErrorCode, PoolError
from chain.limits import KIB

SEGMENT_SIZE_BYTES = 64 * KIB
"""Largest piece of a body in one segment."""
KINDS = 64

_HEADER = struct.Struct(">IB")
_MORE = 0x80
_BULK = 0x40
_KIND_MASK = KINDS - 1
_READ_BYTES = 64 * KIB
"""Taken at once. A peer that sends small records has TLS decrypt hundreds of them for it: more would be a pause for the
others."""
HELLO_SIZE_BYTES = 512
"""Largest frame before the hello is accepted: until then a connection gets no more memory than this takes."""


class FrameDecoder:
    """Turns received bytes into frames.

    The transport writes into `writable()`, then `received(count)` yields the frames that became complete. Frames are
    small until `widen` is called.
    """

    __slots__ = ("_buffer", "_end", "_frame_size_bytes", "_lanes", "_segment_size_bytes", "_start", "_view")

    def __init__(self, frame_size_bytes: int = HELLO_SIZE_BYTES) -> None:
        """Refuse frames with bodies larger than `frame_size_bytes`."""
        self._lanes: dict[int, _Assembly] = {0: _Assembly(), _BULK: _Assembly()}
        self._start = self._end = 0
        self._allocate(frame_size_bytes)

    def widen(self, frame_size_bytes: int) -> None:
        """From now on take frames with bodies of up to `frame_size_bytes`."""
        rest = self._view[self._start : self._end]
        self._allocate(frame_size_bytes)
        self._view[: len(rest)] = rest
        self._start, self._end = 0, len(rest)

    def _allocate(self, frame_size_bytes: int) -> None:
        self._frame_size_bytes = frame_size_bytes
        self._segment_size_bytes = min(SEGMENT_SIZE_BYTES, frame_size_bytes)
        self._buffer = bytearray(2 * (_HEADER.size + self._segment_size_bytes))
        self._view = memoryview(self._buffer)

    def writable(self) -> memoryview:
        """Where the next bytes go: some of what is free, and there is always room for the rest of a started segment."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._start > len(self._buffer) // 2:
            rest = self._end - self._start  # less than a segment, and so less than half of the buffer: no overlap
            self._view[:rest] = self._view[self._start : self._end]
            self._start, self._end = 0, rest
        return self._view[self._end : self._end + _READ_BYTES]

    def received(self, count: int) -> Iterator[tuple[int, bytes]]:
        """Take `count` bytes written into `writable()` and yield the complete frames as (kind, body), in order.

        Raises:
            PoolError: codes `too_large` and `malformed`. The link is of no use afterwards.
        """
        self._end += count
        while self._end - self._start >= _HEADER.size:
            length, flags = _HEADER.unpack_from(self._buffer, self._start)
            if not 1 <= length <= 1 + self._segment_size_bytes:
                raise PoolError(ErrorCode.TOO_LARGE, f"a segment claims a length of {length} bytes")
            body_start = self._start + _HEADER.size
            body_end = body_start + length - 1
            if body_end > self._end:
                return
            self._start = body_end
            piece = bytes(self._view[body_start:body_end])
            assembly = self._lanes[flags & _BULK]
            if flags & _MORE or assembly.pieces:
                assembly.add(flags & _KIND_MASK, piece, self._frame_size_bytes)
                if flags & _MORE:
                    continue
                piece = assembly.finish()
            yield flags & _KIND_MASK, piece


class _Assembly:
    """The segments received so far of one lane's current frame."""

    __slots__ = ("kind", "pieces", "size_bytes")

    def __init__(self) -> None:
        self.kind = 0
        self.pieces: list[bytes] = []
        self.size_bytes = 0

    def add(self, kind: int, piece: bytes, frame_size_bytes: int) -> None:
        if self.pieces and kind != self.kind:
            raise PoolError(ErrorCode.MALFORMED, f"a segment of kind {kind} inside a frame of kind {self.kind}")
        if not piece:
            raise PoolError(ErrorCode.MALFORMED, "an empty segment in a frame of several")
        if self.size_bytes + len(piece) > frame_size_bytes:
            raise PoolError(ErrorCode.TOO_LARGE, f"a frame of kind {kind} exceeds {frame_size_bytes} bytes")
        self.kind = kind
        self.pieces.append(piece)
        self.size_bytes += len(piece)

    def finish(self) -> bytes:
        body = b"".join(self.pieces)
        self.pieces = []
        self.size_bytes = 0
        return body


class SendQueue:
    """Frames waiting to be sent: bounded in bytes on each lane, urgent ones first, cut into segments when taken."""

    __slots__ = ("_bulk", "_urgent")

    def __init__(self, urgent_limit_bytes: int, bulk_limit_bytes: int) -> None:
        self._urgent = _Lane(0, urgent_limit_bytes)
        self._bulk = _Lane(_BULK, bulk_limit_bytes)

    @property
    def size_bytes(self) -> int:
        """Bodies' bytes that wait on both lanes."""
        return self._urgent.size_bytes + self._bulk.size_bytes

    def put(self, kind: int, body: bytes, *, urgent: bool) -> bool:
        """Append a frame to its lane, or answer False if the lane is full."""
        return (self._urgent if urgent else self._bulk).put(kind, body)

    def take(self, budget_bytes: int) -> bytes:
        """Remove about `budget_bytes` (one segment more at most) and return them encoded; empty if nothing waits."""
        chunks: list[bytes | memoryview] = []
        while budget_bytes > 0:
            lane = self._urgent if self._urgent.frames else self._bulk
            if not lane.frames:
                break
            budget_bytes -= lane.take_segment(chunks)
        return b"".join(chunks)


class _Lane:
    """Frames of one class, in order."""

    __slots__ = ("_flag", "_limit_bytes", "_offset", "frames", "size_bytes")

    def __init__(self, flag: int, limit_bytes: int) -> None:
        self._flag = flag
        self._limit_bytes = limit_bytes
        self._offset = 0  # how much of the first frame's body has been taken
        self.frames: deque[tuple[int, bytes]] = deque()
        self.size_bytes = 0

    def put(self, kind: int, body: bytes) -> bool:
        cost = _HEADER.size + len(body)  # empty bodies count too, or there could be any number of them
        if self.size_bytes + cost > self._limit_bytes:
            return False
        self.frames.append((kind, body))
        self.size_bytes += cost
        return True

    def take_segment(self, chunks: list[bytes | memoryview]) -> int:
        """Append the next segment to `chunks` and return its size in bytes."""
        kind, body = self.frames[0]
        piece: bytes | memoryview = body
        if len(body) > SEGMENT_SIZE_BYTES:
            piece = memoryview(body)[self._offset : self._offset + SEGMENT_SIZE_BYTES]
            self._offset += len(piece)
        flags = self._flag | kind
        self.size_bytes -= len(piece)
        if len(body) > SEGMENT_SIZE_BYTES and self._offset < len(body):
            flags |= _MORE
        else:
            self.frames.popleft()
            self._offset = 0
            self.size_bytes -= _HEADER.size
        chunks.append(_HEADER.pack(1 + len(piece), flags))
        chunks.append(piece)
        return _HEADER.size + len(piece)
