"""Votes on disk: newest values, one atomic write, and doubt whenever something may be gone."""

import zlib
from pathlib import Path

import pytest

from chain.errors import ErrorCode, InvariantBroken
from chain.storage.bodies import BodyFile
from chain.storage.slots import Slot, SlotFile
from chain.storage.votes import MemoryVotes, VoteFile
from tests.refusals import refuses

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


def damaged_copies(path: Path, *copies: int, offset: int = 30) -> VoteFile:
    """The file with one bit of each of these copies changed: 0 and 1 of the first slot, 2 and 3 of the second."""
    content = bytearray(path.read_bytes())
    for copy in copies:
        content[copy * len(content) // 4 + offset] ^= 1
    path.write_bytes(content)
    return VoteFile(path)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A file that was written three times: the newest votes are in the first slot."""
    votes = VoteFile(tmp_path / "VOTES")
    for value in (b"1", b"2"):
        votes.write([(b"votes", value)])
    votes.close()
    return tmp_path / "VOTES"


@pytest.mark.parametrize("offset", [0, 9, 17, 21, 30])
@pytest.mark.parametrize("copy", range(4))
def test_s03_one_damaged_copy_costs_nothing(written: Path, copy: int, offset: int) -> None:
    votes = damaged_copies(written, copy, offset=offset)
    assert not votes.is_doubtful
    assert votes.read() == {b"votes": b"2"}
    votes.close()


def test_s39_a_torn_write_was_not_completed_and_silences_nobody(written: Path) -> None:
    """A crash in mid-write spoils both copies of one slot; these votes had not been sent."""
    votes = damaged_copies(written, 0, 1)
    assert not votes.is_doubtful
    assert votes.read() == {b"votes": b"1"}
    votes.write([(b"votes", b"2")])
    votes.close()
    again = VoteFile(written)
    assert again.read() == {b"votes": b"2"}
    again.close()


def test_s03_nothing_whole_is_doubt(written: Path) -> None:
    votes = damaged_copies(written, 0, 1, 2, 3)
    assert votes.is_doubtful
    assert votes.read() == {}
    votes.close()


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
    slots = SlotFile(tmp_path / "VOTES", 1024 * 1024, copies=2)
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
        with refuses(ErrorCode.STORAGE_FAILED):
            SlotFile(tmp_path / "missing" / "file", SLOT_SIZE)


class TestBodies:
    def test_the_newest_bodies_are_kept(self, tmp_path: Path) -> None:
        bodies = BodyFile(tmp_path / "BODIES")
        assert bodies.bodies == ()
        assert not (tmp_path / "BODIES").exists()
        for kept in ([b"one"], [b"two", b"three"], [b"4" * 100_000]):
            bodies.write(kept)
            again = BodyFile(tmp_path / "BODIES")
            assert again.bodies == tuple(kept)
            again.close()
        bodies.close()

    @pytest.mark.parametrize("offset", [0, 8, 12, 20, 500])
    def test_s39_a_torn_write_leaves_the_bodies_before(self, tmp_path: Path, offset: int) -> None:
        """They belong to the votes before, and the votes that would have followed were not written."""
        path = tmp_path / "BODIES"
        bodies = BodyFile(path)
        bodies.write([b"x" * 1000])
        length = path.stat().st_size
        bodies.write([b"y" * 2000])
        bodies.write([b"z" * 1000])
        bodies.close()
        with path.open("r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 1]))
        assert offset < length
        torn = BodyFile(path)
        assert torn.bodies == (b"y" * 2000,)
        torn.write([b"again"])
        torn.close()
        after = BodyFile(path)
        assert after.bodies == (b"again",)
        after.close()

    def test_votes_keep_bodies_beside(self, tmp_path: Path) -> None:
        for votes in (MemoryVotes(), VoteFile(tmp_path / "VOTES")):
            votes.keep_bodies([b"body"])
            assert votes.bodies == (b"body",)
            votes.close()
        again = VoteFile(tmp_path / "VOTES")
        assert again.bodies == (b"body",)
        again.close()
