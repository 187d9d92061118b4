"""Evidence of a read: request, decision, answers and read reports, each signed, and none left out."""

import json

import pytest

from chain.errors import ErrorCode
from evidence import read
from evidence.kinds import parse_any_evidence
from evidence.read import READ_STEPS, make_read_evidence
from evidence.summary import summary
from tests.evidence.story import Story, changed
from tests.refusals import refuses


def test_a_read_is_told_from_request_to_read_report(story: Story) -> None:
    content = make_read_evidence(story.ledger, story.request)
    found = story.details(content)
    assert tuple(found) == READ_STEPS
    assert "b asks for a.flights, purpose: flood warning; legal basis: Flood Control Law" in found["request"]
    assert found["reader"].startswith("b (in charge: Li Wei) signed it")
    assert found["decision"] == "ask at once; since height 8 revoked: withdrawn by a, by a.rule version 1"
    assert found["answers"] == "c: approve, a: revoke"
    assert found["reports"] == "1 for 3 records"
    assert sorted(json.loads(content)["members"]) == ["a", "b", "c"]
    assert "the request is revoked, with 2 answers, and 3 records" in summary(parse_any_evidence(content))


def test_it_is_as_of_the_checkpoint(story: Story) -> None:
    tree = story.tree(5)
    content = make_read_evidence(story.ledger, story.request, tree.size)
    found = story.details(content, tree)
    assert found["decision"] == "ask at once; since height 4 granted, by a.rule version 1"
    assert (found["answers"], found["reports"]) == ("c: approve", "none")
    unsigned = changed(content, ("state", "block", "certificate", "votes"), [])
    assert story.details(unsigned, tree) == found
    assert story.refusal(unsigned) == ("bad_certificate", "state")


def test_read_reports_that_cannot_be_looked_for_are_counted(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "SEARCHED_MAX", 0)
    content = make_read_evidence(story.ledger, story.request)
    assert json.loads(content)["read_reports"] is None
    assert story.details(content)["reports"] == "1 for 3 records, too many to list"
    assert json.loads(make_read_evidence(story.ledger, story.later))["read_reports"] == []


def test_what_is_no_request_gives_no_evidence(story: Story) -> None:
    for id_ in (story.parcel, story.read_report, bytes(32)):
        with refuses(ErrorCode.NOT_FOUND):
            make_read_evidence(story.ledger, id_)
