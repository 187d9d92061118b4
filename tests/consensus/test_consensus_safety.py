"""Safety, one rule a test, named by its number in the list of what the pool must survive."""

from __future__ import annotations

import pytest

from chain.blocks import Certificate, Proposal
from chain.crypto import Hash
from chain.errors import InvariantBroken, PoolError
from consensus.effects import Build, CatchUp, Deliver, Evidence, Execute, Persist, Reject
from consensus.evidence import verify_evidence
from consensus.messages import (
    Commit,
    Committed,
    NewView,
    Prepare,
    PreparedCertificate,
    PrePrepare,
    ViewChange,
    ViewChangeVote,
)
from consensus.replica import Replica, Tip
from tests.consensus.harness import CONFIG, Table
from tests.consensus.support import (
    CHAIN_ID,
    GENESIS_HASH,
    FakeSigner,
    commit,
    fake_verifier,
    genesis_tip,
    hash_of,
    make_proposal,
    prepare,
    transaction_id,
    validator_set,
    view_change_vote,
)


def block(label: str, proposer: str = "a", height: int = 1, parent: Hash = GENESIS_HASH) -> Proposal:
    return make_proposal(height, parent, proposer, (transaction_id(label),))


def pre_prepare(proposal: Proposal, by: str = "a", view: int = 0, height: int = 1) -> PrePrepare:
    return PrePrepare(prepare(by, height, view, hash_of(proposal)), proposal)


def prepared_certificate(proposal: Proposal, view: int, voters: str) -> PreparedCertificate:
    hash_ = hash_of(proposal)
    return PreparedCertificate(
        1, view, hash_, tuple((name, prepare(name, 1, view, hash_).signature) for name in voters)
    )


def certificate(proposal: Proposal, view: int, voters: str, height: int = 1) -> Certificate:
    hash_ = hash_of(proposal)
    return Certificate(
        height, view, hash_, tuple((name, commit(name, height, view, hash_).signature) for name in voters)
    )


def prepared_view_change(by: str, view: int, proposal: Proposal, prepared_view: int, voters: str) -> ViewChange:
    vote = view_change_vote(by, 1, view, prepared_view, hash_of(proposal))
    return ViewChange(vote, prepared_certificate(proposal, prepared_view, voters), proposal)


def empty_view_change(by: str, view: int) -> ViewChange:
    return ViewChange(view_change_vote(by, 1, view), None, None)


def new_view(view: int, changes: list[ViewChange], prepared: PreparedCertificate | None) -> NewView:
    return NewView(1, view, tuple(change.vote for change in changes), prepared)


def reasons(table: Table, name: str) -> list[str]:
    return [effect.reason for effect in table.of(name, Reject) if isinstance(effect, Reject)]


def executed_hashes(table: Table, name: str) -> list[Hash]:
    return [effect.block_hash for effect in table.of(name, Execute) if isinstance(effect, Execute)]


def test_s01_two_proposals_of_one_view_never_both_commit_and_are_evidence() -> None:
    table = Table(4)
    first, second = block("x"), block("y")
    for to, proposal in (("b", first), ("c", first), ("d", second)):
        table.step(to, "a", pre_prepare(proposal))
    for to in "bcd":
        for proposal in (first, second):
            table.step(to, "a", commit("a", 1, 0, hash_of(proposal)))
    table.run()
    table.step("b", "a", pre_prepare(second))
    assert len(table.hashes(1)) <= 1
    assert {evidence.accused for evidence in table.evidence()} == {"a"}


def test_s02_a_twin_counts_once_and_yields_evidence_for_each_phase() -> None:
    table = Table(4)
    first, second = block("x"), block("y")
    table.step("b", "a", pre_prepare(first))
    table.step("b", "d", prepare("d", 1, 0, hash_of(second)))
    table.step("b", "d", prepare("d", 1, 0, hash_of(first)))
    table.step("b", "d", commit("d", 1, 0, hash_of(second)))
    table.step("b", "d", commit("d", 1, 0, hash_of(first)))
    assert table.sent("b", Commit) == []
    kinds = [type(evidence.first) for evidence in table.evidence()]
    assert kinds == [Prepare, Commit]


def test_s03_a_restarted_replica_repeats_its_votes_and_refuses_another_block() -> None:
    table = Table(4)
    table.is_lost = lambda sender, to, message: isinstance(message, Commit)
    table.work("t", "abcd")
    table.run()
    before = table.sent("b", Prepare), table.sent("b", Commit)
    table.effects["b"].clear()
    table.start("b")
    table.step("b", "a", pre_prepare(block("other")))
    table.tick(CONFIG.retransmit_ticks, "b")
    assert table.sent("b", Prepare) == before[0]
    assert table.sent("b", Commit) == before[1]


def test_s03_every_vote_is_durable_before_it_is_sent() -> None:
    table = Table(4)
    table.work("t")
    table.run()
    table.is_lost = lambda sender, to, message: True
    table.work("u")
    table.tick(CONFIG.view_timeout_ticks)
    for name in table.names:
        durable = b""
        for effect in table.effects[name]:
            if isinstance(effect, Persist):
                durable += effect.value
            for message in [getattr(effect, "message", None)]:
                vote = message.prepare if isinstance(message, PrePrepare) else message
                vote = vote.vote if isinstance(vote, ViewChange) else vote
                if isinstance(vote, Prepare | Commit | ViewChangeVote):
                    assert vote.signature in durable


def test_s03_lost_blocks_do_not_lead_to_votes_at_heights_voted_in_before() -> None:
    table = Table(4)
    for label in "tuv":
        table.work(label)
        table.run()
    memory = dict(table.disks["b"])
    amnesiac = Replica(CHAIN_ID, "b", FakeSigner("b"), genesis_tip(4), CONFIG, memory, fake_verifier)
    amnesiac.step("a", pre_prepare(block("other")))
    assert not any(isinstance(effect, Execute | Persist) for effect in amnesiac.take_effects())
    for proposal, certificate_ in table.chains["a"][:2]:
        tip = Tip(certificate_.height, hash_of(proposal), certificate_, validator_set(4))
        amnesiac.advance(tip)
    amnesiac.step("a", pre_prepare(block("other", height=3, parent=amnesiac.tip.block_hash), height=3))
    assert "second proposal in a view" in [
        effect.reason for effect in amnesiac.take_effects() if isinstance(effect, Reject)
    ]


def test_s03_damaged_memory_stops_the_replica() -> None:
    with pytest.raises(InvariantBroken):
        Replica(CHAIN_ID, "b", FakeSigner("b"), genesis_tip(4), CONFIG, {b"votes": b"\x93"}, fake_verifier)


def test_s04_a_prepared_block_survives_view_changes_in_a_row() -> None:
    table = Table(4)
    table.is_lost = lambda sender, to, message: isinstance(message, Commit)
    table.work("t")
    table.run()
    (original,) = {vote.block_hash for vote in table.sent("b", Prepare) if isinstance(vote, Prepare)}
    for _ in range(3):
        table.tick(CONFIG.view_timeout_ticks * 2**CONFIG.timeout_doublings_max)
    assert table.replicas["b"].view >= 3
    table.is_lost = lambda sender, to, message: False
    table.tick(CONFIG.view_timeout_ticks * 2**CONFIG.timeout_doublings_max)
    assert table.hashes(1) == {original}
    assert min(table.heights().values()) == 1


def test_s04_a_prepared_block_survives_the_restart_of_everyone() -> None:
    table = Table(4)
    table.is_lost = lambda sender, to, message: isinstance(message, Commit)
    table.work("t")
    table.run()
    (original,) = {vote.block_hash for vote in table.sent("b", Prepare) if isinstance(vote, Prepare)}
    for name in table.names:
        table.start(name)
    table.is_lost = lambda sender, to, message: "a" in (sender, to)
    table.work("u")
    table.tick(2 * CONFIG.view_timeout_ticks)
    assert table.hashes(1) == {original}


def test_s05_a_block_committed_by_one_is_proposed_by_every_later_primary() -> None:
    table = Table(4)
    table.is_lost = lambda sender, to, message: isinstance(message, Commit) and to != "d"
    table.work("t")
    table.run()
    assert table.heights() == {"a": 0, "b": 0, "c": 0, "d": 1}
    table.is_lost = lambda sender, to, message: (
        "d" in (sender, to) or "a" in (sender, to) or isinstance(message, Commit)
    )
    table.tick(4 * CONFIG.view_timeout_ticks, "abc")
    table.is_lost = lambda sender, to, message: "d" in (sender, to)
    table.tick(40 * CONFIG.view_timeout_ticks, "abc")
    assert table.heights()["b"] == 1
    assert len(table.hashes(1)) == 1


def test_s05_a_replica_that_voted_does_not_move_to_a_later_start_view_unjustified() -> None:
    """Certificates of one block from views 0 and 1: who voted at the next height in view 0 must stay there."""
    parent = block("t")
    lower, higher = certificate(parent, 0, "abc"), certificate(parent, 1, "abd")
    for has_voted in (False, True):
        table = Table(4)
        table.store("c", parent, lower)
        child = block("x", height=2, parent=hash_of(parent))
        if has_voted:
            table.step("c", "a", pre_prepare(child, height=2))
            assert len(table.sent("c", Prepare)) == 1
        table.step("c", "b", Committed(higher))
        assert table.replicas["c"].view == (0 if has_voted else 1)
        other = block("y", "b", height=2, parent=hash_of(parent))
        table.step("c", "b", pre_prepare(other, "b", 1, height=2))
        voted_for = {vote.block_hash for vote in table.sent("c", Prepare) if isinstance(vote, Prepare)}
        assert voted_for == {hash_of(child if has_voted else other)}


def test_s05_a_restart_with_another_certificate_does_not_raise_the_start_view_after_a_vote() -> None:
    table = Table(4)
    parent = block("t")
    table.store("c", parent, certificate(parent, 0, "abc"))
    table.step("c", "a", pre_prepare(block("x", height=2, parent=hash_of(parent)), height=2))
    table.chains["c"] = [(parent, certificate(parent, 1, "abd"))]
    table.start("c")
    assert table.replicas["c"].view == 0


def test_s05_a_forged_certificate_does_not_raise_the_start_view() -> None:
    table = Table(4)
    parent = block("t")
    table.store("c", parent, certificate(parent, 0, "abc"))
    forged = Certificate(1, 1, hash_of(parent), certificate(parent, 0, "abd").votes)
    table.step("c", "b", Committed(forged))
    assert table.replicas["c"].view == 0
    assert reasons(table, "c") == ["certificate does not verify"]


def test_s06_a_bound_view_takes_no_other_block() -> None:
    table = Table(4)
    bound, other = block("x"), block("y", "b")
    changes = [empty_view_change("b", 1), prepared_view_change("c", 1, bound, 0, "abc"), empty_view_change("d", 1)]
    table.step("a", "b", new_view(1, changes, prepared_certificate(bound, 0, "abc")))
    assert table.replicas["a"].view == 1
    table.step("a", "b", pre_prepare(other, "b", 1))
    assert reasons(table, "a") == ["not the block that the view is bound to"]
    assert table.sent("a", Prepare) == []


def test_s06_a_bound_block_is_prepared_without_asking_for_its_execution() -> None:
    table = Table(4)
    bound = block("x")
    changes = [empty_view_change("b", 1), prepared_view_change("c", 1, bound, 0, "abc"), empty_view_change("d", 1)]
    table.step("a", "b", new_view(1, changes, prepared_certificate(bound, 0, "abc")))
    table.step("a", "b", pre_prepare(bound, "b", 1))
    assert executed_hashes(table, "a") == []
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
    assert reasons(table, "a") == [reason]
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
    assert reasons(table, "a") == [reason]
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
    assert reasons(table, "a") == ["prepared certificate does not verify"] * 2
    assert table.replicas["a"].view == 0


def test_s07_a_pre_prepare_of_a_later_view_waits_for_its_justification() -> None:
    table = Table(4)
    table.step("c", "b", pre_prepare(block("x", "b"), "b", 1))
    assert executed_hashes(table, "c") == []
    table.step("c", "b", new_view(1, [empty_view_change(name, 1) for name in "abd"], None))
    assert executed_hashes(table, "c") == [hash_of(block("x", "b"))]
    assert [(vote.view) for vote in table.sent("c", Prepare) if isinstance(vote, Prepare)] == [1]


def test_s08_s09_a_block_with_a_wrong_height_parent_or_content_is_refused() -> None:
    good = block("x")
    cases = {
        "header of another height": block("x", height=2),
        "header with another parent": block("x", parent=transaction_id("elsewhere")),
        "transaction ids differ from the header": Proposal(good.header, (transaction_id("y"),)),
        "transaction count differs from the header": Proposal(good.header, ()),
        "malformed block header": Proposal(b"\x00", ()),
    }
    for reason, proposal in cases.items():
        table = Table(4)
        table.step("b", "a", pre_prepare(proposal))
        assert reasons(table, "b") == [reason]
        assert executed_hashes(table, "b") == []
        assert table.replicas["b"].is_changing_view, "a primary that signs this is replaced"


def test_s08_the_hash_voted_for_must_be_the_proposal_s() -> None:
    table = Table(4)
    table.step("b", "a", PrePrepare(prepare("a", 1, 0, transaction_id("?")), block("x")))
    assert reasons(table, "b") == ["proposal is not the block voted for"]


def test_s10_s11_s12_a_certificate_counts_only_if_it_verifies() -> None:
    x = block("x")
    good = certificate(x, 0, "abc")
    bad = {
        "too few": certificate(x, 0, "ab"),
        "one twice": Certificate(1, 0, hash_of(x), (good.votes[0], good.votes[0], good.votes[1])),
        "mixed views": Certificate(1, 0, hash_of(x), (*good.votes[:2], certificate(x, 1, "c").votes[0])),
        "mixed blocks": Certificate(1, 0, hash_of(x), (*good.votes[:2], certificate(block("y"), 0, "c").votes[0])),
        "a stranger": Certificate(1, 0, hash_of(x), (*good.votes[:2], ("z", good.votes[2][1]))),
    }
    for name, forged in bad.items():
        table = Table(4)
        table.step("d", "a", Committed(forged))
        assert reasons(table, "d") == ["certificate does not verify"], name
    table = Table(4)
    table.step("d", "a", pre_prepare(x))
    table.step("d", "a", Committed(good))
    assert [effect.certificate for effect in table.of("d", Deliver) if isinstance(effect, Deliver)] == [good]


@pytest.mark.parametrize(
    ("size", "voters", "is_enough"),
    [(5, "abc", False), (5, "abcd", True), (6, "abcd", True), (2, "a", False), (3, "ab", True)],
)
def test_s12_quorums_hold_for_sizes_other_than_3f_plus_1(size: int, voters: str, is_enough: bool) -> None:
    table = Table(size)
    last = table.names[-1]
    table.step(last, "a", Committed(certificate(block("x"), 0, voters)))
    assert bool(table.of(last, CatchUp)) == is_enough


def test_s13_votes_of_another_chain_and_of_old_heights_are_useless() -> None:
    table = Table(4)
    table.step("b", "a", pre_prepare(block("x")))
    foreign = FakeSigner("c").sign(b"another chain's bytes")
    table.step("b", "c", Prepare(1, 0, hash_of(block("x")), "c", foreign))
    assert reasons(table, "b") == ["vote does not verify"]
    assert table.sent("b", Commit) == []
    table.store("b", block("x"), certificate(block("x"), 0, "abc"))
    table.step("b", "c", empty_view_change("c", 5))
    assert table.replicas["b"].view == 0


def test_s14_messages_kept_for_the_next_height_are_forgotten_when_it_is_skipped() -> None:
    table = Table(4)
    x = block("x")
    y = block("y", height=2, parent=hash_of(x))
    table.step("b", "a", pre_prepare(y, height=2))
    certificate_of_y = certificate(y, 0, "acd", height=2)
    table.replicas["b"].advance(Tip(2, hash_of(y), certificate_of_y, validator_set(4)))
    table.carry_out("b")
    assert executed_hashes(table, "b") == []
    table.step("b", "a", pre_prepare(block("z", height=3, parent=hash_of(y)), height=3))
    assert len(executed_hashes(table, "b")) == 1


def test_s15_a_block_is_delivered_once_whether_by_consensus_or_catch_up() -> None:
    table = Table(4)
    x = block("x")
    table.step("d", "a", pre_prepare(x))
    table.replicas["d"].advance(Tip(1, hash_of(x), certificate(x, 0, "abc"), validator_set(4)))
    table.chains["d"].append((x, certificate(x, 0, "abc")))
    for name in "abc":
        table.step("d", name, commit(name, 1, 0, hash_of(x)))
    table.step("d", "a", Committed(certificate(x, 0, "abc")))
    table.replicas["d"].advance(Tip(1, hash_of(x), certificate(x, 0, "abc"), validator_set(4)))
    assert table.of("d", Deliver) == []
    assert table.replicas["d"].height == 2


def test_s15_catch_up_of_another_block_than_the_final_one_stops_the_replica() -> None:
    table = Table(4)
    table.step("d", "a", Committed(certificate(block("x"), 0, "abc")))
    with pytest.raises(InvariantBroken):
        table.replicas["d"].advance(Tip(1, hash_of(block("y")), certificate(block("y"), 0, "abc"), validator_set(4)))


def test_s16_a_late_commit_is_delivered_in_a_view_change() -> None:
    table = Table(4)
    x = block("x")
    table.step("b", "a", pre_prepare(x))
    table.tick(CONFIG.view_timeout_ticks, "b")
    assert table.replicas["b"].is_changing_view
    for name in "acd":
        table.step("b", name, commit(name, 1, 0, hash_of(x)))
    assert len(table.of("b", Deliver)) == 1
    assert (table.replicas["b"].height, table.replicas["b"].view) == (2, 0)


def test_s16_no_vote_of_the_abandoned_view_follows_a_view_change() -> None:
    table = Table(4)
    table.executes = False
    x = block("x")
    table.step("b", "a", pre_prepare(x))
    table.tick(CONFIG.view_timeout_ticks, "b")
    table.replicas["b"].executed(hash_of(x), None)
    for name in "cd":
        table.step("b", name, prepare(name, 1, 0, hash_of(x)))
    table.carry_out("b")
    assert table.sent("b", Prepare) == []
    assert table.sent("b", Commit) == []


def test_s17_a_block_that_differs_in_the_ids_only_is_caught() -> None:
    table = Table(4)
    x = block("x")
    table.step("b", "a", pre_prepare(x))
    table.step("c", "a", pre_prepare(Proposal(x.header, (transaction_id("y"),))))
    assert executed_hashes(table, "b") == [hash_of(x)]
    assert reasons(table, "c") == ["transaction ids differ from the header"]


def test_s19_a_fresh_proposal_names_its_primary_as_proposer() -> None:
    table = Table(4)
    table.step("b", "a", pre_prepare(block("x", "d")))
    assert reasons(table, "b") == ["fresh proposal of another proposer"]


def test_s20_evidence_is_judged_alike_by_everyone_in_either_order() -> None:
    x, y = hash_of(block("x")), hash_of(block("y"))
    pairs = [
        (prepare("d", 1, 0, x), prepare("d", 1, 0, y)),
        (commit("d", 1, 0, x), commit("d", 1, 0, y)),
        (view_change_vote("d", 1, 2, 0, x), view_change_vote("d", 1, 2)),
        (commit("d", 1, 1, x), view_change_vote("d", 1, 2)),
        (commit("d", 1, 1, x), view_change_vote("d", 1, 2, 0, x)),
        (commit("d", 1, 1, x), view_change_vote("d", 1, 2, 1, y)),
    ]
    for first, second in pairs:
        assert verify_evidence(CHAIN_ID, validator_set(4), first, second, fake_verifier) == "d"
        assert verify_evidence(CHAIN_ID, validator_set(4), second, first, fake_verifier) == "d"


def test_s20_what_an_honest_replica_may_sign_is_no_evidence() -> None:
    x, y = hash_of(block("x")), hash_of(block("y"))
    pairs = [
        (prepare("d", 1, 0, x), prepare("d", 1, 1, y)),
        (prepare("d", 1, 0, x), prepare("d", 2, 0, y)),
        (prepare("d", 1, 0, x), prepare("c", 1, 0, y)),
        (prepare("d", 1, 0, x), commit("d", 1, 0, x)),
        (prepare("d", 1, 0, x), prepare("d", 1, 0, x)),
        (commit("d", 1, 1, x), view_change_vote("d", 1, 2, 1, x)),
        (commit("d", 1, 2, x), view_change_vote("d", 1, 1)),
        (Prepare(1, 0, x, "d", bytes(64)), prepare("d", 1, 0, y)),
        (prepare("z", 1, 0, x), prepare("z", 1, 0, y)),
    ]
    for first, second in pairs:
        with pytest.raises(PoolError):
            verify_evidence(CHAIN_ID, validator_set(4), first, second, fake_verifier)


def test_s20_a_replica_that_forgets_what_it_committed_is_exposed() -> None:
    for commit_first in (True, False):
        table = Table(4)
        statements = [commit("d", 1, 0, hash_of(block("x"))), empty_view_change("d", 1)]
        for statement in statements if commit_first else reversed(statements):
            table.step("b", "d", statement)
        assert [evidence.accused for evidence in table.evidence()] == ["d"]


def test_s20_evidence_is_reported_once() -> None:
    table = Table(4)
    for label in "xyzxyz":
        table.step("b", "d", prepare("d", 1, 0, hash_of(block(label))))
    assert len(table.evidence()) == 1


def test_votes_are_accepted_from_their_voter_only() -> None:
    table = Table(4)
    hash_ = hash_of(block("x"))
    table.step("b", "c", prepare("d", 1, 0, hash_))
    table.step("b", "c", commit("d", 1, 0, hash_))
    table.step("b", "c", empty_view_change("d", 1))
    table.step("b", "z", prepare("z", 1, 0, hash_))
    table.step("b", "b", prepare("b", 1, 0, hash_))
    table.step("b", "c", pre_prepare(block("x")))
    assert reasons(table, "b") == [
        "vote of another validator",
        "vote of another validator",
        "vote of another validator",
        "not a validator",
        "message under our own name",
        "pre-prepare not from the primary",
    ]


def test_a_forged_first_vote_does_not_shut_out_the_genuine_one() -> None:
    table = Table(4)
    x = block("x")
    table.step("b", "c", Prepare(1, 0, transaction_id("?"), "c", bytes(64)))
    table.step("b", "a", pre_prepare(x))
    table.step("b", "c", prepare("c", 1, 0, hash_of(x)))
    assert table.evidence() == []
    assert len(table.sent("b", Commit)) == 1


def test_our_own_malformed_proposal_is_our_bug() -> None:
    table = Table(4)
    table.builds = False
    table.work("t", "a")
    with pytest.raises(InvariantBroken):
        table.replicas["a"].propose(1, 0, block("x", height=2))


def test_evidence_effects_verify() -> None:
    table = Table(4)
    table.step("b", "d", prepare("d", 1, 0, hash_of(block("x"))))
    table.step("b", "d", prepare("d", 1, 0, hash_of(block("y"))))
    (evidence,) = table.of("b", Evidence)
    assert isinstance(evidence, Evidence)
    assert verify_evidence(CHAIN_ID, validator_set(4), evidence.first, evidence.second, fake_verifier) == "d"


def test_s04_a_later_vote_does_not_push_the_prepared_block_out_of_memory() -> None:
    table = Table(4)
    x, y, z = block("x"), block("y", "b"), block("z", "c")
    table.step("d", "a", pre_prepare(x))
    for name in "bc":
        table.step("d", name, prepare(name, 1, 0, hash_of(x)))
    for view, primary, proposal in ((1, "b", y), (2, "c", z)):
        table.step("d", primary, new_view(view, [empty_view_change(name, view) for name in "abc"], None))
        table.step("d", primary, pre_prepare(proposal, primary, view))
    assert [vote.block_hash for vote in table.sent("d", Prepare)] == [hash_of(x), hash_of(y), hash_of(z)]
    table.start("d")
    table.effects["d"].clear()
    table.work("t", "d")
    table.tick(4 * CONFIG.view_timeout_ticks, "d")
    changes = table.sent("d", ViewChange)
    assert {change.vote.view for change in changes} == {3}
    assert {(change.vote.prepared_view, change.proposal) for change in changes} == {(0, x)}
