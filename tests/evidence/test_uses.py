"""What came of a record is in its evidence, all of it up to a height: reads, what was made of it, its erasure."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from chain.errors import ErrorCode, PoolError
from evidence.kinds import parse_any_evidence, verify_any_evidence
from evidence.parts import LISTED_MAX
from evidence.record import make_record_evidence
from evidence.summary import summary
from tests.evidence.story import Path, Story, changed, flipped, reversed_list, without_last
from tests.networks import TestNetwork


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


@pytest.mark.parametrize(
    ("path", "value", "refusal"),
    [
        (("uses", "read_transactions"), without_last, ("bad_proof", "uses")),
        (("uses", "read_transactions"), reversed_list, ("bad_proof", "uses")),
        (("uses", "read_transactions"), None, ("bad_evidence", "uses")),
        (("uses", "read_transactions", 0), flipped, ("bad_proof", "uses")),
        (("uses", "derived_transactions"), [], ("bad_proof", "uses")),
        (("uses", "derived_transactions"), None, ("bad_evidence", "uses")),
        (("uses", "reads", "value"), None, ("bad_proof", "uses")),
        (("uses", "derived", "value"), None, ("bad_proof", "uses")),
        (("uses", "erasure", "value"), "", ("bad_proof", "uses")),
        (("uses", "block", "certificate", "votes"), without_last, ("bad_certificate", "uses")),
        (("contract",), None, ("bad_evidence", "dataset")),
        (("contract", "value"), None, ("bad_proof", "dataset")),
        (("record", "body"), None, ("bad_evidence", "record")),
        (("record", "leaf"), "00" * 32, ("bad_evidence", "record")),
        (("record", "proof"), reversed_list, ("bad_proof", "record")),
    ],
)
def test_what_is_left_out_or_changed_is_refused(
    story: Story, path: Path, value: object, refusal: tuple[str, str]
) -> None:
    assert story.refusal(changed(make_record_evidence(story.ledger, story.parcel, 1), path, value)) == refusal


def test_uses_of_a_block_before_the_parcel_are_refused(story: Story) -> None:
    """There was nothing to use yet, so anything could be said to be complete."""
    content = make_record_evidence(story.ledger, story.derived, 0)
    earlier = json.loads(make_record_evidence(story.ledger, story.parcel, 0))["block"]
    assert story.refusal(changed(content, ("uses", "block"), earlier)) == ("bad_evidence", "uses")


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


def test_a_record_left_out_that_was_not_erased_is_refused(erased: Erased) -> None:
    record = json.loads(erased.after)["record"]
    assert erased.story.refusal(changed(erased.before, ("record",), record)) == ("bad_evidence", "uses")


def test_a_record_that_somebody_has_kept_is_not_shown_as_verified(erased: Erased) -> None:
    record = json.loads(erased.before)["record"]
    assert erased.story.refusal(changed(erased.after, ("record",), record)) == ("parcel_erased", "uses")
    assert len(erased.story.steps(erased.before)) == 9, "what was proved before it was erased stays proved up to then"


def test_another_leaf_of_an_erased_record_is_refused(erased: Erased) -> None:
    assert erased.story.refusal(changed(erased.after, ("record", "leaf"), flipped)) == ("bad_proof", "record")


def test_as_of_a_checkpoint_before_the_erasure_there_is_nothing_to_show(erased: Erased) -> None:
    with pytest.raises(PoolError) as caught:
        make_record_evidence(erased.story.ledger, erased.story.parcel, 1, tree_size=12)
    assert caught.value.code is ErrorCode.PARCEL_ERASED


def test_a_record_that_the_checkpoint_does_not_hold_yet_is_not_found(story: Story) -> None:
    for size in (2, 13):
        with pytest.raises(PoolError) as caught:
            make_record_evidence(story.ledger, story.parcel, 1, tree_size=size)
        assert caught.value.code is ErrorCode.NOT_FOUND


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


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("block", "inclusion", "proof", 0), flipped),
        (("block", "inclusion", "proof"), reversed_list),
        (("block", "inclusion", "proof"), without_last),
    ],
)
def test_a_wrong_place_in_the_history_is_refused_and_no_signature_helps(
    story: Story, path: Path, value: object
) -> None:
    content = changed(make_record_evidence(story.ledger, story.parcel, 1, 6), path, value)
    assert story.refusal(content, story.tree(6)) == ("bad_proof", "quorum")
    assert len(story.steps(content)) == 9, "without the checkpoint nobody looks at it"


def test_a_history_of_one_other_block_does_not_fit(story: Story) -> None:
    content = make_record_evidence(story.ledger, story.parcel, 1, 6)
    assert story.refusal(content, story.tree(6)._replace(root=bytes(32))) == ("bad_proof", "quorum")


@pytest.mark.parametrize("spelling", ["AB==", "AA=", "A A=="])
def test_bytes_are_spelled_in_one_way(spelling: str) -> None:
    """Base64 can carry bits that no byte holds: two files that differ in them would prove the same."""
    network = TestNetwork()
    ledger = network.ledger()
    network.commit(ledger, [network.dataset(schema="")])
    executed = network.commit(ledger, [network.parcel([b"\x00"])])
    content = make_record_evidence(ledger, executed.transactions[0].id, 0)
    assert b'"AA=="' in content
    with pytest.raises(PoolError) as caught:
        parse_any_evidence(content.replace(b'"AA=="', f'"{spelling}"'.encode()))
    assert caught.value.code is ErrorCode.BAD_EVIDENCE


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
