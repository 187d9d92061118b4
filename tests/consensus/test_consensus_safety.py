"""Safety, one rule a test, named by its number in the list of what the pool must survive."""

import pytest

from chain.blocks import Certificate, Proposal
from chain.errors import InvariantBroken
from consensus.effects import Deliver, Execute, Persist, Reject, SuggestCatchUp
from consensus.messages import Commit, Committed, Prepare, PrePrepare, ViewChange, ViewChangeVote
from consensus.replica import Replica, Tip
from tests.consensus.harness import CONFIG, Table
from tests.consensus.support import (
    CHAIN_ID,
    FakeSigner,
    block,
    certificate,
    commit,
    empty_view_change,
    fake_verifier,
    genesis_tip,
    hash_of,
    new_view,
    pre_prepare,
    prepare,
    signers,
    transaction_id,
    validator_set,
)


def test_s01_votes_for_different_blocks_make_no_quorum() -> None:
    table = Table(4)
    first, second = block("x"), block("y")
    table.step("b", "a", pre_prepare(first))
    for name in "cd":
        table.step("b", name, prepare(name, 1, 0, hash_of(second)))
    for name, proposal in (("a", first), ("c", second), ("d", second)):
        table.step("b", name, commit(name, 1, 0, hash_of(proposal)))
    assert len(table.sent("b", Prepare)) == 1
    assert table.sent("b", Commit) == []
    assert table.of("b", Deliver) == []


def test_s01_a_second_proposal_is_evidence_and_is_not_executed() -> None:
    table = Table(4)
    for label in "xy":
        table.step("b", "a", pre_prepare(block(label)))
    assert table.executed("b") == [hash_of(block("x"))]
    assert [(evidence.accused, type(evidence.second)) for evidence in table.evidence()] == [("a", Prepare)]


def test_s01_nobody_but_the_primary_proposes() -> None:
    table = Table(4)
    table.step("b", "c", pre_prepare(block("x", "c"), "c"))
    assert table.reasons("b") == ["pre-prepare not from the primary"]
    assert table.executed("b") == []


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
    amnesiac = Replica(CHAIN_ID, "b", signers("b"), genesis_tip(4), CONFIG, memory, fake_verifier)
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
        Replica(CHAIN_ID, "b", signers("b"), genesis_tip(4), CONFIG, {b"votes": b"\x93"}, fake_verifier)


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
    assert table.reasons("c") == ["certificate does not verify"]


def test_s07_a_pre_prepare_of_a_later_view_waits_for_its_justification() -> None:
    table = Table(4)
    table.step("c", "b", pre_prepare(block("x", "b"), "b", 1))
    assert table.executed("c") == []
    table.step("c", "b", new_view(1, [empty_view_change(name, 1) for name in "abd"], None))
    assert table.executed("c") == [hash_of(block("x", "b"))]
    assert [(vote.view) for vote in table.sent("c", Prepare) if isinstance(vote, Prepare)] == [1]


def test_s07_a_pre_prepare_of_a_view_that_is_wanted_only_waits_too() -> None:
    table = Table(4)
    table.is_lost = lambda sender, to, message: True
    table.work("t", "c")
    table.tick(CONFIG.view_timeout_ticks, "c")
    assert (table.replicas["c"].view, table.replicas["c"].is_changing_view) == (1, True)
    table.step("c", "b", pre_prepare(block("x", "b"), "b", 1))
    assert table.executed("c") == []
    table.step("c", "b", new_view(1, [empty_view_change(name, 1) for name in "abd"], None))
    assert table.executed("c") == [hash_of(block("x", "b"))]


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
        assert table.reasons("b") == [reason]
        assert table.executed("b") == []
        assert table.replicas["b"].is_changing_view, "a primary that signs this is replaced"


def test_s08_the_hash_voted_for_must_be_the_proposal_s() -> None:
    table = Table(4)
    table.step("b", "a", PrePrepare(prepare("a", 1, 0, transaction_id("?")), block("x")))
    assert table.reasons("b") == ["proposal is not the block voted for"]


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
        assert table.reasons("d") == ["certificate does not verify"], name
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
    assert bool(table.of(last, SuggestCatchUp)) == is_enough


def test_s13_votes_of_another_chain_and_of_old_heights_are_useless() -> None:
    table = Table(4)
    table.step("b", "a", pre_prepare(block("x")))
    foreign = FakeSigner("c").sign(b"another chain's bytes")
    table.step("b", "c", Prepare(1, 0, hash_of(block("x")), "c", foreign))
    assert table.reasons("b") == ["vote does not verify"]
    assert table.sent("b", Commit) == []
    table.store("b", block("x"), certificate(block("x"), 0, "abc"))
    table.step("b", "c", empty_view_change("c", 5))
    assert table.replicas["b"].view == 0


def test_s13_an_old_view_change_does_not_replace_a_newer_one() -> None:
    table = Table(4)
    for name, view in (("c", 3), ("c", 1), ("d", 3)):
        table.step("a", name, empty_view_change(name, view))
    assert table.replicas["a"].view == 3


def test_s13_view_changes_of_an_old_height_are_useless() -> None:
    table = Table(4)
    table.store("b", block("x"), certificate(block("x"), 0, "abc"))
    for name in "acd":
        table.step("b", name, empty_view_change(name, 5))
    assert (table.replicas["b"].height, table.replicas["b"].view) == (2, 0)


def test_s14_a_block_built_for_an_earlier_view_is_not_proposed() -> None:
    """The replica is primary of both views; what its node has built for the first one comes in the second."""
    table = Table(4)
    table.builds = False
    table.work("t", "a")
    table.step("a", "b", new_view(4, [empty_view_change(name, 4) for name in "bcd"], None))
    assert (table.replicas["a"].view, table.replicas["a"].is_primary) == (4, True)
    for view in (0, 4):
        assert table.sent("a", PrePrepare) == []
        table.replicas["a"].propose(1, view, block("x"))
        table.carry_out("a")
    assert len(table.sent("a", PrePrepare)) == 1


def test_s14_messages_kept_for_the_next_height_are_forgotten_when_it_is_skipped() -> None:
    table = Table(4)
    x = block("x")
    y = block("y", height=2, parent=hash_of(x))
    table.step("b", "a", pre_prepare(y, height=2))
    certificate_of_y = certificate(y, 0, "acd", height=2)
    table.replicas["b"].advance(Tip(2, hash_of(y), certificate_of_y, validator_set(4)))
    table.carry_out("b")
    assert table.executed("b") == []
    table.step("b", "a", pre_prepare(block("z", height=3, parent=hash_of(y)), height=3))
    assert len(table.executed("b")) == 1


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


def test_s15_votes_beyond_the_quorum_deliver_nothing_more() -> None:
    """The node has the block to store, and has not said yet that it is stored."""
    table = Table(7)
    x, replica = block("x"), table.replicas["g"]
    replica.step("a", pre_prepare(x))
    for name in "abcdef":
        replica.step(name, commit(name, 1, 0, hash_of(x)))
    assert sum(isinstance(effect, Deliver) for effect in replica.take_effects()) == 1


def test_s15_a_block_that_comes_again_does_not_undo_a_vote() -> None:
    table = Table(4)
    x = block("x")
    table.store("d", x, certificate(x, 0, "abc"))
    for label in "yz":
        table.step("d", "a", pre_prepare(block(label, height=2, parent=hash_of(x)), height=2))
        table.replicas["d"].advance(Tip(1, hash_of(x), certificate(x, 0, "abc"), validator_set(4)))
    voted_for = [vote.block_hash for vote in table.sent("d", Prepare) if isinstance(vote, Prepare)]
    assert voted_for == [hash_of(block("y", height=2, parent=hash_of(x)))]


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
    assert table.executed("b") == [hash_of(x)]
    assert table.reasons("c") == ["transaction ids differ from the header"]


def test_s19_a_fresh_proposal_names_its_primary_as_proposer() -> None:
    table = Table(4)
    table.step("b", "a", pre_prepare(block("x", "d")))
    assert table.reasons("b") == ["fresh proposal of another proposer"]


def test_s02_votes_are_accepted_from_their_voter_only() -> None:
    table = Table(4)
    hash_ = hash_of(block("x"))
    table.step("b", "c", prepare("d", 1, 0, hash_))
    table.step("b", "c", commit("d", 1, 0, hash_))
    table.step("b", "c", empty_view_change("d", 1))
    table.step("b", "z", prepare("z", 1, 0, hash_))
    table.step("b", "b", prepare("b", 1, 0, hash_))
    table.step("b", "c", pre_prepare(block("x")))
    assert table.reasons("b") == [
        "vote of another validator",
        "vote of another validator",
        "vote of another validator",
        "not a validator",
        "message under our own name",
        "pre-prepare not from the primary",
    ]


def test_our_own_malformed_proposal_is_our_bug() -> None:
    table = Table(4)
    table.builds = False
    table.work("t", "a")
    with pytest.raises(InvariantBroken):
        table.replicas["a"].propose(1, 0, block("x", height=2))


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
