"""What is remembered of records with keys: of each key what was shared last, by one process at a time."""

import stat
from pathlib import Path

from blockpool.record_memory import RecordMemory
from chain.errors import ErrorCode
from tests.refusals import refuses

KEYS = bytes(24) + bytes([1]) * 24


def test_only_what_differs_is_shared(tmp_path: Path) -> None:
    path = tmp_path / "shared"
    memory = RecordMemory(path)
    assert memory.changed(KEYS, [b"a", b"b"]) == [b"a", b"b"]
    memory.shared(KEYS, [b"a", b"b"])
    assert memory.changed(KEYS, [b"a", b"c"]) == [b"c"]
    memory.shared(KEYS[24:], [b"c"])
    memory.close()
    again = RecordMemory(path)
    assert again.changed(KEYS, [b"a", b"b"]) == [b"b"]
    again.close()
    anew = RecordMemory(path, is_anew=True)
    assert anew.changed(KEYS, [b"a", b"c"]) == [b"a", b"c"]
    anew.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_submissions_do_not_share_one_memory(tmp_path: Path) -> None:
    path = tmp_path / "shared"
    memory = RecordMemory(path)
    with refuses(ErrorCode.DATA_FOLDER_LOCKED):
        RecordMemory(path)
    memory.close()
    RecordMemory(path).close()


def test_another_file_is_not_taken_for_a_memory(tmp_path: Path) -> None:
    path = tmp_path / "shared"
    path.write_bytes(b"something else, and long enough to be no database" * 40)
    with refuses(ErrorCode.MALFORMED):
        RecordMemory(path)
