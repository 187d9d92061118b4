"""What is remembered of records with keys: of each key what was shared last, by one process at a time."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from blockpool.record_keys import KeyMaker
from blockpool.record_memory import HELD, RecordMemory
from chain.errors import ErrorCode
from tests.refusals import refuses

SCHEMA = '{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a","b"],"key":["a"]}'
MAKER = KeyMaker(bytes(32), "a.flights", SCHEMA, None, is_sealed=False)
KEYS = bytes(24) + bytes([1]) * 24


@pytest.mark.parametrize("held", [HELD, 1])
def test_only_what_differs_is_shared(tmp_path: Path, held: int) -> None:
    path = tmp_path / "shared"
    memory = RecordMemory(path, MAKER, held=held)
    assert memory.changed([b"a", b"b"]) == [b"a", b"b"]
    memory.shared(KEYS, [b"a", b"b"])
    assert memory.changed([b"a", b"c"]) == [b"c"]
    memory.shared(KEYS[24:], [b"c"])
    assert memory.changed([b"a", b"b", b"c"]) == [b"b"], "what was changed meanwhile is known"
    memory.close()
    again = RecordMemory(path, MAKER, held=held)
    assert again.changed([b"a", b"b"]) == [b"b"]
    again.close()
    anew = RecordMemory(path, MAKER, is_anew=True)
    assert anew.changed([b"a", b"c"]) == [b"a", b"c"]
    anew.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_was_noted_of_other_keys_is_forgotten(tmp_path: Path) -> None:
    sealed = KeyMaker(bytes(32), "a.flights", SCHEMA, bytes(32), is_sealed=True)
    others = [
        KeyMaker(bytes(32), "a.flights", SCHEMA.replace('"key":["a"]', '"key":["b"]'), None, is_sealed=False),
        sealed,
        replace(sealed, secret=bytes([1]) * 32),
    ]
    for maker in others:
        memory = RecordMemory(tmp_path / "shared", maker)
        assert memory.changed([b"a"]) == [b"a"]
        memory.shared(KEYS[:24], [b"a"])
        memory.close()
        again = RecordMemory(tmp_path / "shared", replace(maker, schema=maker.schema.replace('"a"', '"a" ', 1)))
        assert again.changed([b"a"]) == [], "the schema may say more than before"
        again.close()


def test_two_submissions_do_not_share_one_memory(tmp_path: Path) -> None:
    path = tmp_path / "shared"
    memory = RecordMemory(path, MAKER)
    with refuses(ErrorCode.DATA_FOLDER_LOCKED):
        RecordMemory(path, MAKER)
    memory.close()
    RecordMemory(path, MAKER).close()


def test_another_file_is_not_taken_for_a_memory(tmp_path: Path) -> None:
    path = tmp_path / "shared"
    path.write_bytes(b"something else, and long enough to be no database" * 40)
    with refuses(ErrorCode.MALFORMED):
        RecordMemory(path, MAKER)
