"""What was checked is what is sent, and a file is read once."""

from collections.abc import Iterator
from pathlib import Path

from chain.errors import ErrorCode
from records.sources import CsvSource, Problem, SourceOptions, SourceRecord
from records.spool import spooled


class Counted:
    """A source that says how often it was read."""

    description = "counted"

    def __init__(self, *items: SourceRecord | Problem) -> None:
        self.items = items
        self.times = 0

    def __iter__(self) -> Iterator[SourceRecord | Problem]:
        self.times += 1
        yield from self.items


def test_records_come_again_without_the_file(tmp_path: Path) -> None:
    records = [SourceRecord(line, bytes([line % 256]) * line) for line in range(1, 3000)]
    source = Counted(*records)
    with spooled(source, tmp_path) as spool:
        assert list(tmp_path.iterdir()) == [], "it has no name"
        assert [list(spool), list(spool), list(spool)] == [records] * 3
        assert spool.description == "counted"
    assert source.times == 1


def test_what_changes_after_the_check_is_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("a\nchecked\n")
    with spooled(CsvSource(path, "", SourceOptions()), tmp_path) as spool:
        list(spool)
        path.write_text("a\nchanged\n")
        assert list(spool) == [SourceRecord(2, b'{"a":"checked"}')]


def test_a_source_with_problems_or_one_that_was_left_is_read_anew(tmp_path: Path) -> None:
    problem = Problem(2, "", ErrorCode.MALFORMED, "why")
    source = Counted(SourceRecord(1, b"1"), problem, SourceRecord(3, b"3"))
    with spooled(source, tmp_path) as spool:
        next(iter(spool))
        assert list(spool) == list(spool) == list(source.items)
    assert source.times == 3
