"""Evidence of a read: request, decision, answers and read reports, each signed, and none left out."""

from __future__ import annotations

import json

import pytest

from chain.errors import ErrorCode, PoolError
from evidence import read
from evidence.kinds import parse_any_evidence
from evidence.read import READ_STEPS, make_read_evidence
from evidence.summary import summary
from tests.evidence.story import Path, Story, changed, flipped, reversed_list, without_last


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


@pytest.mark.parametrize(
    ("path", "value", "refusal"),
    [
        (("chain_id",), "00" * 32, ("wrong_chain", "chain")),
        (("request", "transaction", "header"), flipped, ("bad_evidence", "request")),
        (("request", "transaction", "outcome"), flipped, ("bad_proof", "request")),
        (("request", "transaction", "signature"), flipped, ("bad_signature", "reader")),
        (("request", "block", "certificate", "votes"), without_last, ("bad_certificate", "request")),
        (("state", "request", "value"), flipped, ("bad_proof", "state")),
        (("state", "request", "value"), None, ("bad_proof", "state")),
        (("members", "b", "value"), flipped, ("bad_proof", "reader")),
        (("answers",), without_last, ("bad_evidence", "answers")),
        (("answers",), reversed_list, ("bad_evidence", "answers")),
        (("answers",), lambda items: [*items, items[-1]], ("bad_evidence", "answers")),
        (("answers",), None, ("bad_evidence", "answers")),
        (("answers", 0, "transaction", "signature"), flipped, ("bad_signature", "answers")),
        (("read_reports",), [], ("bad_evidence", "reports")),
        (("read_reports",), lambda items: items * 2, ("bad_evidence", "reports")),
        (("read_reports", 0, "transaction", "signature"), flipped, ("bad_signature", "reports")),
        (("members",), lambda members: members | {"d": members["c"]}, ("bad_evidence", "reports")),
        (("members",), lambda members: {"b": members["b"]}, ("bad_evidence", "answers")),
    ],
)
def test_what_is_left_out_or_changed_is_refused(
    story: Story, path: Path, value: object, refusal: tuple[str, str]
) -> None:
    assert story.refusal(changed(make_read_evidence(story.ledger, story.request), path, value)) == refusal


def test_parts_of_another_request_do_not_fit(story: Story) -> None:
    content, other = (json.loads(make_read_evidence(story.ledger, request)) for request in (story.request, story.later))
    for name, step in (("state", "state"), ("answers", "answers"), ("read_reports", "reports")):
        mixed = json.dumps(other | {name: content[name], "members": content["members"]}).encode()
        code, refused = story.refusal(mixed)
        assert (code, refused) == ("bad_proof" if name == "state" else "bad_evidence", step)


def test_where_a_request_stood_before_it_was_made_says_nothing(story: Story) -> None:
    content = make_read_evidence(story.ledger, story.later)
    earlier = json.loads(make_read_evidence(story.ledger, story.request, 6))["state"]["block"]
    assert story.refusal(changed(content, ("state", "block"), earlier))[1] == "state"


def test_read_reports_that_cannot_be_looked_for_are_counted(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "SEARCHED_MAX", 0)
    content = make_read_evidence(story.ledger, story.request)
    assert json.loads(content)["read_reports"] is None
    assert story.details(content)["reports"] == "1 for 3 records, too many to list"
    assert json.loads(make_read_evidence(story.ledger, story.later))["read_reports"] == []


def test_read_reports_left_out_where_there_are_none_are_refused(story: Story) -> None:
    content = make_read_evidence(story.ledger, story.later)
    assert story.refusal(changed(content, ("read_reports",), None)) == ("bad_evidence", "reports")


def test_what_is_no_request_gives_no_evidence(story: Story) -> None:
    for id_ in (story.parcel, story.read_report, bytes(32)):
        with pytest.raises(PoolError) as caught:
            make_read_evidence(story.ledger, id_)
        assert caught.value.code is ErrorCode.NOT_FOUND
