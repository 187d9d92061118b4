"""Votes on disk: newest values, one atomic write, and doubt whenever something may be gone."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from chain.errors import ErrorCode, InvariantBroken, PoolError
from chain.storage.slots import Slot, SlotFile
from chain.storage.votes import MemoryVotes, VoteFile

SLOT_SIZE = 4096


def test_memory_and_file_keep_the_newest_value_of_every_name(tmp_path: Path) -> None:
    for votes in (MemoryVotes(), VoteFile(tmp_path / "VOTES")):
        assert votes.read() == {}
        votes.write([(b"votes", b"1"), (b"proposal/0", b"p")])
        votes.write([(b"votes", b"2")])
        assert votes.read() == {b"votes": b"2", b"proposal/0": b"p"}
        votes.close()
    again = VoteFile(tmp_path / "VOTES")
    assert again.read() == {b"votes": b"2", b"proposal/0": b"p"}
    assert not again.is_doubtful
    again.write([(b"votes", b"3")])
    again.close()
    third = VoteFile(tmp_path / "VOTES")
    assert third.read()[b"votes"] == b"3"
    third.close()


@pytest.mark.parametrize("offset", [0, 9, 17, 21, 30])
@pytest.mark.parametrize("slot", [0, 1])
def test_s03_a_damaged_slot_is_doubt_whichever_it_is(tmp_path: Path, slot: int, offset: int) -> None:
    """Nobody can tell a write that a crash has torn from votes that were sent and have rotted since."""
    path = tmp_path / "VOTES"
    votes = VoteFile(path)
    for value in (b"1", b"2"):
        votes.write([(b"votes", value)])
    votes.close()
    content = bytearray(path.read_bytes())
    content[slot * len(content) // 2 + offset] ^= 1
    path.write_bytes(content)
    damaged = VoteFile(path)
    assert damaged.is_doubtful
    damaged.close()


def test_s03_a_cut_file_is_doubt(tmp_path: Path) -> None:
    path = tmp_path / "VOTES"
    votes = VoteFile(path)
    votes.write([(b"votes", b"1")])
    votes.close()
    path.write_bytes(path.read_bytes()[:-1])
    cut = VoteFile(path)
    assert cut.is_doubtful
    cut.close()


def test_content_that_is_no_list_of_votes_is_doubt(tmp_path: Path) -> None:
    slots = SlotFile(tmp_path / "VOTES", 1024 * 1024)
    slots.write(1, b"nonsense")
    slots.close()
    votes = VoteFile(tmp_path / "VOTES")
    assert votes.is_doubtful
    assert votes.read() == {}
    votes.close()


class TestSlots:
    def test_the_newest_whole_slot_counts(self, tmp_path: Path) -> None:
        slots = SlotFile(tmp_path / "file", SLOT_SIZE)
        assert slots.read() is None
        assert not slots.is_doubtful
        for sequence in range(1, 6):
            slots.write(sequence, b"x" * sequence)
            assert slots.read() == Slot(sequence, b"x" * sequence)
        slots.close()

    def test_a_torn_write_leaves_the_one_before(self, tmp_path: Path) -> None:
        slots = SlotFile(tmp_path / "file", SLOT_SIZE)
        slots.write(1, b"one")
        before = (tmp_path / "file").read_bytes()
        slots.write(2, b"two" * 1000)
        after = (tmp_path / "file").read_bytes()
        for torn in (SLOT_SIZE + 512, SLOT_SIZE + 1024, SLOT_SIZE + 2048):
            (tmp_path / "file").write_bytes(after[:torn] + before[torn:])
            assert slots.read() == Slot(1, b"one")
            assert slots.is_doubtful
        slots.close()

    def test_a_slot_full_to_the_brim(self, tmp_path: Path) -> None:
        slots = SlotFile(tmp_path / "file", SLOT_SIZE)
        content = zlib.compress(b"brim").ljust(SLOT_SIZE - 24, b"\xff")
        slots.write(1, content)
        slots.write(2, content)
        assert slots.read() == Slot(2, content)
        with pytest.raises(InvariantBroken):
            slots.write(3, content + b"\x00")
        slots.close()

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(PoolError) as caught:
            SlotFile(tmp_path / "missing" / "file", SLOT_SIZE)
        assert caught.value.code == ErrorCode.STORAGE_FAILED
