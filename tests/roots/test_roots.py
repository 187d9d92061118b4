"""The recording is hostile enough, an execution of it is the same in other surroundings, and a difference is named."""

import sys
from pathlib import Path

import pytest

from chain.errors import ErrorCode
from chain.transactions.registry import TRANSACTION_TYPES
from tests.roots.__main__ import execute
from tests.roots.compare import Result, first_difference
from tests.roots.hostile import record

_C = ErrorCode
REFUSED_AT_THE_EDGE = {
    _C.MALFORMED, _C.NOT_CANONICAL, _C.TOO_LARGE, _C.WRONG_CHAIN, _C.BAD_SIGNATURE, _C.UNKNOWN_MEMBER, _C.UNKNOWN_KEY,
    _C.PAYLOAD_MISMATCH, _C.EMPTY_RANGE, _C.PARCEL_REPEATED, _C.SOURCE_REPEATED, _C.ENVELOPE_ORDER,
    _C.ENVELOPE_THRESHOLD,
}  # fmt: skip
REFUSED_IN_BLOCKS = {
    _C.REVOKED_KEY, _C.EXPIRED, _C.UNKNOWN_DATASET, _C.NOT_OWNER, _C.NOT_CONTRACT_OWNER, _C.BAD_NAME, _C.BAD_SCHEMA,
    _C.SCHEMA_ARGUMENT, _C.SCHEMA_KEYWORD, _C.SCHEMA_NOT_JSON, _C.SCHEMA_TOO_LARGE, _C.SCHEMA_VIOLATION,
    _C.STALE_VERSION, _C.NO_CONTRACTS, _C.UNKNOWN_CONTRACT, _C.CONTRACT_REQUIRED, _C.BAD_CONTRACT, _C.SEALING_REQUIRED,
    _C.OPEN_PARCEL_REQUIRED, _C.ENVELOPE_KEY, _C.UNKNOWN_PARCEL, _C.UNKNOWN_SOURCE, _C.PARCEL_ERASED,
    _C.UNKNOWN_REQUEST, _C.ACCESS_NOT_NEEDED, _C.NOT_AN_APPROVER, _C.REQUEST_SETTLED, _C.REQUEST_OVER, _C.KEM_SUITE,
    _C.KEM_KEY_SIZE, _C.KEM_KEY_RANGE, _C.KEM_KEY_WEAK, _C.NOT_READER, _C.NOTHING_TO_READ, _C.PARCEL_NOT_REQUESTED,
    _C.RECORD_COUNT_EXCEEDED, _C.NOT_GOVERNANCE_KEY, _C.NOT_SYSTEM_KEY, _C.SUCCESSOR_MISMATCH, _C.KEY_KNOWN,
    _C.TOO_MANY_KEYS, _C.REVOKED_KEY,
}  # fmt: skip


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("roots") / "recording.json"
    record(path)
    return path


def test_the_chains_reach_what_they_are_meant_to_and_surroundings_do_not_matter(recording: Path) -> None:
    """Two executions by this interpreter; ``make roots`` has the others."""
    (_, plain), (_, optimised) = (execute(Path(sys.executable), recording, number) for number in (2, 1))
    assert first_difference([Result("plain", plain), Result("optimised", optimised)]) is None
    words = [line.split() for line in plain]
    assert {word[4] for word in words if word[2] == "offer"} >= REFUSED_AT_THE_EDGE
    assert {word[4] for word in words if word[2] == "outcome"} >= REFUSED_IN_BLOCKS | {"ok"}
    taken = {word[5] for word in words if word[2] == "outcome" and word[4] == "ok"}
    assert taken == {type_.name for type_ in TRANSACTION_TYPES.values()}
    assert sum(word[2] == "state_root" for word in words) > 600
    assert {word[0] for word in words} == {"histories", "events", "texts", "contracts"}


def test_the_first_difference_of_all_is_named() -> None:
    lines = [f"chain {height} block {height:064x}" for height in range(9)]
    late = [*lines[:7], "chain 7 block other", lines[8]]
    short, early = lines[:8], [*lines[:3], "chain 3 block other", *lines[4:]]
    assert first_difference([Result("a", lines), Result("b", list(lines))]) is None
    said = first_difference([Result("a", lines), Result("b", late), Result("c", early), Result("d", short)])
    assert said == f"DIFFERENT\n  a: {lines[3]}\n  c: chain 3 block other"
    said = first_difference([Result("a", lines), Result("d", short)])
    assert said == f"DIFFERENT\n  a: {lines[8]}\n  d: nothing"
