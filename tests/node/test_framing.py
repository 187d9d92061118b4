"""Frames: whatever is sent arrives, however the bytes are cut up on the way, and nothing else is taken."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.errors import PoolError
from chain.limits import KIB, MIB
from node.links.framing import SEGMENT_SIZE_BYTES, FrameDecoder, SendQueue

Frame = tuple[int, bytes]
MORE, BULK = 0x80, 0x40

body = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda fill, size: bytes([fill]) * size,
        st.integers(0, 255),
        st.sampled_from([SEGMENT_SIZE_BYTES + delta for delta in (-1, 0, 1)] + [3 * SEGMENT_SIZE_BYTES + 7]),
    ),
)
frames = st.lists(st.tuples(st.integers(0, 63), body, st.booleans()), max_size=12)


def decode(decoder: FrameDecoder, data: bytes, piece_bytes: int) -> list[Frame]:
    """Feed `data` in pieces of at most `piece_bytes`, as a transport does."""
    found: list[Frame] = []
    while data:
        room = decoder.writable()
        count = min(len(room), len(data), piece_bytes)
        assert count > 0, "the decoder must always have room"
        room[:count] = data[:count]
        data = data[count:]
        found.extend(decoder.received(count))
    return found


def encode(*sent: tuple[int, bytes, bool], budget_bytes: int = 100_000) -> bytes:
    queue = SendQueue(16 * MIB, 16 * MIB)
    assert all(queue.put(kind, content, urgent=urgent) for kind, content, urgent in sent)
    data = b""
    while chunk := queue.take(budget_bytes):
        data += chunk
    assert queue.size_bytes == 0
    return data


@given(frames, st.sampled_from([1, 3, 1000, 16 * KIB, 70_000, MIB]), st.sampled_from([1, 5000, 100_000]))
def test_frames_survive_any_cutting(sent: list[tuple[int, bytes, bool]], piece_bytes: int, budget_bytes: int) -> None:
    if piece_bytes < 1000:
        sent = [frame for frame in sent if len(frame[1]) < 1000]
    data = encode(*sent, budget_bytes=budget_bytes)
    found = decode(FrameDecoder(MIB), data, piece_bytes)
    urgent_first = [(kind, content) for kind, content, urgent in sent if urgent]
    urgent_first += [(kind, content) for kind, content, urgent in sent if not urgent]
    assert found == urgent_first


def test_layout_is_what_the_document_says() -> None:
    assert encode((20, b"vote", True)) == b"\x00\x00\x00\x05\x14vote"
    assert encode((30, b"body", False)) == b"\x00\x00\x00\x05\x5ebody"
    large = encode((30, bytes(SEGMENT_SIZE_BYTES + 1), False))
    assert large == struct.pack(">IB", 1 + SEGMENT_SIZE_BYTES, MORE | BULK | 30) + bytes(
        SEGMENT_SIZE_BYTES
    ) + struct.pack(">IB", 2, BULK | 30) + bytes(1)


def test_urgent_frame_waits_for_one_segment_only() -> None:
    queue = SendQueue(MIB, MIB)
    queue.put(30, bytes(5 * SEGMENT_SIZE_BYTES), urgent=False)
    started = queue.take(1)
    assert len(started) == 5 + SEGMENT_SIZE_BYTES
    queue.put(20, b"vote", urgent=True)
    data = started + queue.take(MIB)
    assert decode(FrameDecoder(MIB), data, 10_000) == [(20, b"vote"), (30, bytes(5 * SEGMENT_SIZE_BYTES))]


def test_lanes_are_bounded_apart_and_empty_bodies_count() -> None:
    queue = SendQueue(100, 1000)
    assert queue.put(20, bytes(95), urgent=True)
    assert not queue.put(20, b"", urgent=True)
    assert sum(queue.put(30, b"", urgent=False) for _ in range(1000)) == 200
    while queue.take(1):
        pass
    assert queue.size_bytes == 0
    assert queue.put(20, bytes(95), urgent=True)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">IB", 0, 20),
        struct.pack(">IB", 2 + SEGMENT_SIZE_BYTES, 20),
        struct.pack(">IB", 0xFFFFFFFF, 20),
        struct.pack(">IB", 1, MORE | 20),
        struct.pack(">IB", 2, MORE | 20) + b"a" + struct.pack(">IB", 2, 21) + b"b",
        struct.pack(">IB", 2, MORE | 20) + b"a" + struct.pack(">IB", 1, 20),
        (struct.pack(">IB", 1 + SEGMENT_SIZE_BYTES, MORE | 20) + bytes(SEGMENT_SIZE_BYTES)) * 17,
    ],
    ids=["no kind", "one byte over", "giant", "empty piece", "kinds mixed", "empty last piece", "grows over the limit"],
)
def test_broken_framing_is_refused(data: bytes) -> None:
    with pytest.raises(PoolError):
        decode(FrameDecoder(MIB), data, 16 * KIB)


@given(st.binary(max_size=400))
def test_s46_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    decoder = FrameDecoder(MIB)
    try:
        found = decode(decoder, data, 7)
    except PoolError:
        return
    assert sum(5 + len(content) for _, content in found) <= len(data)
