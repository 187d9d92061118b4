"""What a view change and a new view must prove (scenarios 4 to 6), and that nothing less moves a replica."""

import pytest

from consensus.effects import Build
from consensus.messages import NewView, Prepare, PreparedCertificate, ViewChange, ViewChangeVote
from tests.consensus.harness import CONFIG, Table
from tests.consensus.support import (
    block,
    empty_view_change,
    hash_of,
    new_view,
    pre_prepare,
    prepared_certificate,
    prepared_view_change,
    view_change_vote,
)


def test_s06_a_bound_view_takes_no_other_block() -> None:
    table = Table(4)
    bound, other = block("x"), block("y", "b")
    changes = [empty_view_change("b", 1), prepared_view_change("c", 1, bound, 0, "abc"), empty_view_change("d", 1)]
    table.step("a", "b", new_view(1, changes, prepared_certificate(bound, 0, "abc")))
    assert table.replicas["a"].view == 1
    table.step("a", "b", pre_prepare(other, "b", 1))
    assert table.reasons("a") == ["not the block that the view is bound to"]
    assert table.sent("a", Prepare) == []


def test_s06_a_bound_block_is_prepared_without_asking_for_its_execution() -> None:
    table = Table(4)
    bound = block("x")
    changes = [empty_view_change("b", 1), prepared_view_change("c", 1, bound, 0, "abc"), empty_view_change("d", 1)]
    table.step("a", "b", new_view(1, changes, prepared_certificate(bound, 0, "abc")))
    table.step("a", "b", pre_prepare(bound, "b", 1))
    assert table.executed("a") == []
    assert [vote.block_hash for vote in table.sent("a", Prepare) if isinstance(vote, Prepare)] == [hash_of(bound)]


BOUND = block("x")
BAD_NEW_VIEWS: dict[str, tuple[NewView, str]] = {
    "too few votes": (
        new_view(1, [empty_view_change("b", 1), empty_view_change("c", 1)], None),
        "new view without a quorum",
    ),
    "one voter thrice": (new_view(1, [empty_view_change("b", 1)] * 3, None), "new-view votes out of order"),
    "votes for another view": (
        new_view(2, [empty_view_change(name, 1) for name in "bcd"], None),
        "new view with votes for another one",
    ),
    "a claim without proof": (
        new_view(
            1,
            [empty_view_change("b", 1), prepared_view_change("c", 1, BOUND, 0, "abc"), empty_view_change("d", 1)],
            None,
        ),
        "new view without proof of its highest claim",
    ),
    "proof of no claim": (
        new_view(1, [empty_view_change(name, 1) for name in "bcd"], prepared_certificate(BOUND, 0, "abc")),
        "new view with proof of no claim",
    ),
    "proof of a lower claim": (
        new_view(
            2,
            [
                empty_view_change("b", 2),
                prepared_view_change("c", 2, BOUND, 0, "abc"),
                prepared_view_change("d", 2, block("y", "b"), 1, "abc"),
            ],
            prepared_certificate(BOUND, 0, "abc"),
        ),
        "new view without proof of its highest claim",
    ),
    "proof without a quorum": (
        new_view(
            1,
            [empty_view_change("b", 1), prepared_view_change("c", 1, BOUND, 0, "ab"), empty_view_change("d", 1)],
            prepared_certificate(BOUND, 0, "ab"),
        ),
        "prepared certificate without a quorum",
    ),
    "forged votes": (
        NewView(1, 1, tuple(ViewChangeVote(1, 1, None, None, name, bytes(64)) for name in "bcd"), None),
        "new-view vote does not verify",
    ),
    "a stranger among the voters": (
        new_view(1, [empty_view_change(name, 1) for name in "bcz"], None),
        "new view without a quorum",
    ),
}


@pytest.mark.parametrize("name", BAD_NEW_VIEWS)
def test_s06_an_unjustified_new_view_changes_nothing(name: str) -> None:
    table = Table(4)
    message, reason = BAD_NEW_VIEWS[name]
    table.step("a", "b", message)
    assert table.reasons("a") == [reason]
    assert table.replicas["a"].view == 0


BAD_VIEW_CHANGES: dict[str, tuple[ViewChange, str]] = {
    "to view 0": (empty_view_change("c", 0), "view change to view 0"),
    "claim from the view it wants": (
        prepared_view_change("c", 1, BOUND, 1, "abc"),
        "view-change claim is from the future",
    ),
    "view without a block": (ViewChange(view_change_vote("c", 1, 1, 0), None, None), "view-change claim is half empty"),
    "claim without proof": (
        ViewChange(view_change_vote("c", 1, 1, 0, hash_of(BOUND)), None, None),
        "view-change claim without proof",
    ),
    "proof without claim": (
        ViewChange(view_change_vote("c", 1, 1), prepared_certificate(BOUND, 0, "abc"), BOUND),
        "view change with proof of no claim",
    ),
    "proof of another view": (
        ViewChange(view_change_vote("c", 1, 2, 1, hash_of(BOUND)), prepared_certificate(BOUND, 0, "abc"), BOUND),
        "view-change proof of another claim",
    ),
    "another proposal": (
        ViewChange(view_change_vote("c", 1, 1, 0, hash_of(BOUND)), prepared_certificate(BOUND, 0, "abc"), block("y")),
        "proposal is not the block voted for",
    ),
    "proof with one signer thrice": (
        prepared_view_change("c", 1, BOUND, 0, "aaa"),
        "prepared certificate out of order",
    ),
    "forged vote": (ViewChange(ViewChangeVote(1, 1, None, None, "c", bytes(64)), None, None), "vote does not verify"),
}


@pytest.mark.parametrize("name", BAD_VIEW_CHANGES)
def test_s06_a_view_change_that_does_not_prove_its_claim_is_refused(name: str) -> None:
    table = Table(4)
    message, reason = BAD_VIEW_CHANGES[name]
    table.step("a", "c", message)
    table.step("a", "d", empty_view_change("d", 2))
    assert table.reasons("a") == [reason]
    assert not table.replicas["a"].is_changing_view, "it counts for nothing"


def test_s06_a_primary_does_not_propose_before_its_view_is_justified() -> None:
    table = Table(4)
    table.is_lost = lambda sender, to, message: True
    table.work("t", "b")
    table.tick(CONFIG.view_timeout_ticks, "b")
    assert (table.replicas["b"].view, table.replicas["b"].is_primary) == (1, True)
    table.work("u", "b")
    assert table.of("b", Build) == []


def test_s06_forged_prepared_votes_are_refused() -> None:
    table = Table(4)
    forged = PreparedCertificate(1, 0, hash_of(BOUND), tuple((name, bytes(64)) for name in "abc"))
    vote = view_change_vote("c", 1, 1, 0, hash_of(BOUND))
    table.step("a", "c", ViewChange(vote, forged, BOUND))
    changes = [empty_view_change("b", 1), ViewChange(vote, forged, BOUND), empty_view_change("d", 1)]
    table.step("a", "b", new_view(1, changes, forged))
    assert table.reasons("a") == ["prepared certificate does not verify"] * 2
    assert table.replicas["a"].view == 0
