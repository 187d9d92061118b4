"""What a contract is told about a case on the chain: every part in its place, whether it was encoded before or not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chain.access.decision import Decision
from chain.access.policy import AccessCase
from chain.catalogue import Description
from chain.errors import ErrorCode
from chain.limits import LIMITS
from chain.state.entries import DatasetEntry, MemberTotals, RequestAnswer, RequestEntry, RequestTerms, RequestTotals
from chain.state.members import Member
from contracts import calls
from contracts.calls import CallEncoder
from contracts.facts import (
    ApprovalFacts,
    ContextFacts,
    DatasetFacts,
    GrantCountFacts,
    GrantFacts,
    MemberFacts,
    ReaderTotalsFacts,
    RequestFacts,
    encode_call,
)
from tests.refusals import refuses

DATASET = DatasetEntry(
    "aviation.flights",
    "aviation",
    3,
    "航班",
    "Flights",
    "",
    "conditional",
    "Law",
    "aviation.rule",
    Description(),
    7,
    9,
    bytes(32),
)
OWNER = Member("aviation", "enterprise", "", "", (), (), None, None, None)
READER = Member("meteorology", "government", "", "", ("forecast", "warning"), (), None, None, None)
TERMS = RequestTerms(
    *("meteorology", "aviation.flights", (b"\x01" * 32,), 5, 50, 99, "flood", "Law", "17", "Li Wei", b"key", 10, 1_000)
)
NEW = RequestEntry(TERMS, Decision("deny"))


def granted(note: str = "n") -> RequestEntry:
    return RequestEntry(TERMS, Decision("allow", 9_000, note=note), decided_height=20, decided_ms=2_000)


ANSWER = RequestAnswer("airports", "approve", "fine", 11, 1_100)


def case(**changes: object) -> AccessCase:
    fields: dict[str, object] = {
        "request_id": b"\xab" * 32,
        "request": replace(NEW, answers=(ANSWER,)),
        "dataset": DATASET,
        "reader": READER,
        "owner": OWNER,
        "height": 30,
        "time_ms": 3_000,
        "grants": ((b"\xcd" * 32, granted(), None), (b"\xef" * 32, granted("m"), RequestTotals(2, 3, 2_500))),
        "reader_grants": 2,
        "dataset_grants": 5,
        "reader_totals": MemberTotals(1, 2, 3, 4),
        "state": b'{"a":"\xe8\x88\xaa","b":[1,2.5]}',
    }
    return AccessCase(**(fields | changes))  # type: ignore[arg-type]


def test_every_fact_is_in_its_place() -> None:
    request = RequestFacts("ab" * 32, "flood", "Law", "17", "Li Wei", ("01" * 32,), 5, 50, 99)
    dataset = DatasetFacts("aviation.flights", "aviation", "conditional", "Law", "航班", "Flights", 3, 7)
    ctx = ContextFacts(
        reader=MemberFacts("meteorology", "government", ("forecast", "warning")),
        owner=MemberFacts("aviation", "enterprise", ()),
        height=30,
        time_ms=3_000,
        approvals=(ApprovalFacts("airports", "approve", 11, 1_100, "fine"),),
        grants=(
            GrantFacts("cd" * 32, 20, 2_000, 9_000, "flood", "n", 0),
            GrantFacts("ef" * 32, 20, 2_000, 9_000, "flood", "m", 2_500),
        ),
        grant_counts=GrantCountFacts(2, 5),
        reader_totals=ReaderTotalsFacts(1, 2, 3, 4),
        state={"a": "航", "b": [1, 2.5]},
    )
    assert CallEncoder().encode(case()) == encode_call(request, dataset, ctx)


GRANT_NOTES = st.lists(st.sampled_from("abc"), max_size=4)


@given(st.lists(st.tuples(GRANT_NOTES, st.booleans(), st.integers(0, 2)), max_size=8))
def test_what_was_encoded_before_makes_no_difference(steps: list[tuple[list[str], bool, int]]) -> None:
    """Entries stay the same object or come as an equal or changed one, in any order."""
    known = {note: granted(note) for note in "abc"}
    totals: dict[str, RequestTotals | None] = dict.fromkeys("abc")
    block = CallEncoder()
    for notes, has_changed, read_reports in steps:
        if has_changed:
            known = {note: replace(entry, decided_ms=read_reports) for note, entry in known.items()}
            totals = {note: RequestTotals(1, 1, read_reports) if read_reports else None for note in "abc"}
        grants = tuple((note.encode() * 32, known[note], totals[note]) for note in notes)
        now = case(grants=grants, reader=replace(READER), reader_totals=MemberTotals(read_reports))
        assert block.encode(now) == CallEncoder().encode(now)


def test_the_entries_that_are_kept_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "ENCODED_ENTRIES", 3)
    block = CallEncoder()
    for note in range(20):
        now = case(grants=((bytes(32), granted(str(note)), None),) * 2)
        assert json.loads(block.encode(now))[2][5][1][5] == str(note)


def test_s92_of_earlier_grants_as_many_are_told_as_there_is_room_for() -> None:
    """The newest come first, and the call is as large as one more would not fit."""
    grants = tuple((bytes([index]) * 32, granted("n" * 2_000), None) for index in range(200))
    call = CallEncoder().encode(case(grants=grants))
    told = json.loads(call)[2][5]
    assert [grant[0] for grant in told] == [id_.hex() for id_, _, _ in grants[: len(told)]]
    assert 0 <= LIMITS.contract_inputs_size_bytes - len(call) < len(json.dumps(told[0], separators=(",", ":"))) + 1
    assert CallEncoder().encode(case(grants=grants[: len(told)])) == call


def test_facts_that_are_too_large_are_refused() -> None:
    """No chain holds such facts, but an author's own cases may."""
    answers = tuple(RequestAnswer("a", "approve", "很" * 300, 1, 1_100) for _ in range(400))
    with refuses(ErrorCode.CONTRACT_INPUTS_TOO_LARGE):
        CallEncoder().encode(case(request=replace(granted(""), answers=answers)))
