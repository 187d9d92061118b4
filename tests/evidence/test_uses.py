"""What came of a record is in its evidence, all of it up to a height: reads, what was made of it, its erasure."""

import json
from typing import NamedTuple

import pytest

from chain.errors import ErrorCode, PoolError
from evidence.kinds import parse_any_evidence, verify_any_evidence
from evidence.parts import LISTED_MAX
from evidence.record import make_record_evidence
from evidence.summary import summary
from tests.evidence.story import Story, changed
from tests.networks import TestNetwork
from tests.refusals import refuses


def test_reads_and_what_was_made_of_a_record_are_complete(story: Story) -> None:
    found = story.details(make_record_evidence(story.ledger, story.parcel, 1))
    assert found["uses"] == (
        "up to height 11: not erased; 1 requests and 1 read reports name its parcel (read by b); "
        "1 parcels were made from its parcel, 1 from the record itself"
    )
    other = story.details(make_record_evidence(story.ledger, story.parcel, 0))
    assert other["uses"].endswith("1 parcels were made from its parcel")


def test_the_contract_that_decides_is_named(story: Story) -> None:
    found = story.details(make_record_evidence(story.ledger, story.parcel, 1))
    assert ", version 1, conditional, access by a.rule version 1, hash " in found["dataset"]


class Erased(NamedTuple):
    """A chain whose sealed parcel was erased at height 12."""

    story: Story
    before: bytes
    """Evidence of a record from before that."""
    after: bytes
    """Evidence of the same record."""


@pytest.fixture(scope="module")
def erased() -> Erased:
    story = Story()
    before = make_record_evidence(story.ledger, story.parcel, 1)
    story.world.accept(story.network.erase(story.parcel))
    return Erased(story, before, make_record_evidence(story.ledger, story.parcel, 1))


def test_the_place_of_an_erased_record_is_proved_and_it_is_shown_as_erased(erased: Erased) -> None:
    found = erased.story.details(erased.after)
    assert found["record"] == "record 2 of 3, erased: its leaf is here, its content is not"
    assert "erased at height 12 (PIPL 47); 1 requests and 1 read reports" in found["uses"]
    assert "is ERASED as of height 12" in summary(parse_any_evidence(erased.after))
    assert json.loads(erased.after)["record"]["body"] is None


def test_a_record_that_somebody_has_kept_is_not_shown_as_verified(erased: Erased) -> None:
    record = json.loads(erased.before)["record"]
    assert erased.story.refusal(changed(erased.after, ("record",), record)) == ("parcel_erased", "uses")
    assert len(erased.story.steps(erased.before)) == 9, "what was proved before it was erased stays proved up to then"


def test_as_of_a_checkpoint_before_the_erasure_there_is_nothing_to_show(erased: Erased) -> None:
    with refuses(ErrorCode.PARCEL_ERASED):
        make_record_evidence(erased.story.ledger, erased.story.parcel, 1, tree_size=12)


def test_a_record_that_the_checkpoint_does_not_hold_yet_is_not_found(story: Story) -> None:
    for size in (2, 13):
        with refuses(ErrorCode.NOT_FOUND):
            make_record_evidence(story.ledger, story.parcel, 1, tree_size=size)


def test_a_checkpoint_saves_the_signatures(story: Story) -> None:
    tree = story.tree(6)
    content = make_record_evidence(story.ledger, story.parcel, 1, tree.size)
    assert story.details(content)["quorum"].startswith("3 of 4 validators")
    assert story.details(content, tree)["quorum"] == "in the history of 6 blocks that the checkpoint names"
    assert story.details(content, tree)["uses"].startswith("up to height 5: not erased; 1 requests and 1 read reports")
    unsigned = changed(content, ("block", "certificate", "votes"), [])
    assert story.details(unsigned, tree)["quorum"].startswith("in the history")
    assert story.refusal(unsigned) == ("bad_certificate", "quorum")
    assert story.refusal(unsigned, story.tree(7)) == ("bad_certificate", "quorum"), "another checkpoint is no help"


def test_of_too_many_only_the_number_is_proved() -> None:
    """A list that could be shown must be; one that is too long to show is still counted."""
    network = TestNetwork()
    ledger = network.ledger()
    network.commit(ledger, [network.dataset()])
    (parcel,) = network.commit(ledger, [network.parcel()]).transactions
    made = [network.parcel(derived_from=((parcel.id, 0),)) for _ in range(LISTED_MAX + 1)]
    network.commit(ledger, made[:-1])
    listed = make_record_evidence(ledger, parcel.id, 0)
    network.commit(ledger, made[-1:])
    counted = make_record_evidence(ledger, parcel.id, 0)
    for content, own in ((listed, f", {LISTED_MAX} from the record itself"), (counted, "")):
        steps = list(verify_any_evidence(content, network.trust))
        count = LISTED_MAX if own else LISTED_MAX + 1
        assert steps[8].detail.endswith(f"{count} parcels were made from its parcel{own}")
    assert json.loads(counted)["uses"]["derived_transactions"] is None
    with pytest.raises(PoolError, match="which is not too many"):
        list(verify_any_evidence(changed(listed, ("uses", "derived_transactions"), None), network.trust))


def test_s70_evidence_of_a_corrected_record_says_so() -> None:
    network = TestNetwork()
    ledger = network.ledger()
    network.commit(ledger, [network.dataset()])
    (parcel,) = network.commit(ledger, [network.parcel([b'{"n":1}', b'{"n":2}'])]).transactions
    before = make_record_evidence(ledger, parcel.id, 1)
    (correction,) = network.commit(ledger, [network.correction(parcel.id, 1, b'{"n":22}')]).transactions
    details = {
        place: {
            step.title: step.detail for step in verify_any_evidence(make_record_evidence(ledger, *place), network.trust)
        }
        for place in ((parcel.id, 0), (parcel.id, 1), (correction.id, 0))
    }
    by = f"CORRECTED at height 3 by {correction.id.hex()}/0 (Statistics Law 25: the hours were local time)"
    assert by in details[parcel.id, 1]["uses"]
    assert "CORRECTED" not in details[parcel.id, 0]["uses"]
    assert f"corrects {parcel.id.hex()}/1 (Statistics Law 25" in details[correction.id, 0]["record"]
    after = summary(parse_any_evidence(make_record_evidence(ledger, parcel.id, 1)))
    assert f"{correction.id.hex()}/0 has taken its place" in after
    assert "CORRECTED" not in summary(parse_any_evidence(before)), "it speaks of the chain up to its own height"
