"""Equivocation and forgetting: what is evidence, what is not, and what it costs the others (scenarios 1, 2, 20, 22)."""

import pytest

from chain.errors import PoolError
from chain.proofs.validators import verify_certificate
from consensus.effects import Evidence
from consensus.evidence import verify_evidence
from consensus.messages import Commit, Prepare
from tests.consensus import support
from tests.consensus.harness import Table


def test_s01_two_proposals_of_one_view_never_both_commit_and_are_evidence() -> None:
    table = Table(4)
    first, second = support.block("x"), support.block("y")
    for to, proposal in (("b", first), ("c", first), ("d", second)):
        table.step(to, "a", support.pre_prepare(proposal))
    for to in "bcd":
        for proposal in (first, second):
            table.step(to, "a", support.commit("a", 1, 0, support.hash_of(proposal)))
    table.run()
    table.step("b", "a", support.pre_prepare(second))
    assert len(table.hashes(1)) <= 1
    assert {evidence.accused for evidence in table.evidence()} == {"a"}


def test_s02_a_twin_counts_once_and_yields_evidence_for_each_phase() -> None:
    table = Table(4)
    first, second = support.block("x"), support.block("y")
    table.step("b", "a", support.pre_prepare(first))
    table.step("b", "d", support.prepare("d", 1, 0, support.hash_of(second)))
    table.step("b", "d", support.prepare("d", 1, 0, support.hash_of(first)))
    table.step("b", "d", support.commit("d", 1, 0, support.hash_of(second)))
    table.step("b", "d", support.commit("d", 1, 0, support.hash_of(first)))
    assert table.sent("b", Commit) == []
    kinds = [type(evidence.first) for evidence in table.evidence()]
    assert kinds == [Prepare, Commit]


def test_s20_evidence_is_judged_alike_by_everyone_in_either_order() -> None:
    x, y = support.hash_of(support.block("x")), support.hash_of(support.block("y"))
    pairs = [
        (support.prepare("d", 1, 0, x), support.prepare("d", 1, 0, y)),
        (support.commit("d", 1, 0, x), support.commit("d", 1, 0, y)),
        (support.view_change_vote("d", 1, 2, 0, x), support.view_change_vote("d", 1, 2)),
        (support.commit("d", 1, 1, x), support.view_change_vote("d", 1, 2)),
        (support.commit("d", 1, 1, x), support.view_change_vote("d", 1, 2, 0, x)),
        (support.commit("d", 1, 1, x), support.view_change_vote("d", 1, 2, 1, y)),
    ]
    for first, second in pairs:
        assert verify_evidence(support.CHAIN_ID, support.validator_set(4), first, second, support.fake_verifier) == "d"
        assert verify_evidence(support.CHAIN_ID, support.validator_set(4), second, first, support.fake_verifier) == "d"


def test_s20_what_an_honest_replica_may_sign_is_no_evidence() -> None:
    x, y = support.hash_of(support.block("x")), support.hash_of(support.block("y"))
    pairs = [
        (support.prepare("d", 1, 0, x), support.prepare("d", 1, 1, y)),
        (support.prepare("d", 1, 0, x), support.prepare("d", 2, 0, y)),
        (support.prepare("d", 1, 0, x), support.prepare("c", 1, 0, y)),
        (support.prepare("d", 1, 0, x), support.commit("d", 1, 0, x)),
        (support.prepare("d", 1, 0, x), support.prepare("d", 1, 0, x)),
        (support.commit("d", 1, 1, x), support.view_change_vote("d", 1, 2, 1, x)),
        (support.commit("d", 1, 2, x), support.view_change_vote("d", 1, 1)),
        (Prepare(1, 0, x, "d", bytes(64)), support.prepare("d", 1, 0, y)),
        (support.prepare("z", 1, 0, x), support.prepare("z", 1, 0, y)),
    ]
    for first, second in pairs:
        with pytest.raises(PoolError):
            verify_evidence(support.CHAIN_ID, support.validator_set(4), first, second, support.fake_verifier)


def test_s20_a_replica_that_forgets_what_it_committed_is_exposed() -> None:
    for commit_first in (True, False):
        table = Table(4)
        statements = [support.commit("d", 1, 0, support.hash_of(support.block("x"))), support.empty_view_change("d", 1)]
        for statement in statements if commit_first else reversed(statements):
            table.step("b", "d", statement)
        assert [evidence.accused for evidence in table.evidence()] == ["d"]


def test_s20_evidence_is_reported_once() -> None:
    table = Table(4)
    for label in "xyzxyz":
        table.step("b", "d", support.prepare("d", 1, 0, support.hash_of(support.block(label))))
    assert len(table.evidence()) == 1


def test_s20_a_forged_first_vote_does_not_shut_out_the_genuine_one() -> None:
    table = Table(4)
    x = support.block("x")
    table.step("b", "c", Prepare(1, 0, support.transaction_id("?"), "c", bytes(64)))
    table.step("b", "a", support.pre_prepare(x))
    table.step("b", "c", support.prepare("c", 1, 0, support.hash_of(x)))
    assert table.evidence() == []
    assert len(table.sent("b", Commit)) == 1


def test_s20_evidence_effects_verify() -> None:
    table = Table(4)
    table.step("b", "d", support.prepare("d", 1, 0, support.hash_of(support.block("x"))))
    table.step("b", "d", support.prepare("d", 1, 0, support.hash_of(support.block("y"))))
    (evidence,) = table.of("b", Evidence)
    assert isinstance(evidence, Evidence)
    assert (
        verify_evidence(
            support.CHAIN_ID, support.validator_set(4), evidence.first, evidence.second, support.fake_verifier
        )
        == "d"
    )


@pytest.mark.parametrize("size", range(4, 14))
def test_s22_two_certificates_of_one_view_convict_more_than_f(size: int) -> None:
    """Whoever holds both needs nothing else: the commits that stand in both are proof against their signers."""
    validators = support.validator_set(size)
    quorum, names = validators.quorum, "".join(validators.names)
    x, y = support.block("x"), support.block("y")
    first, second = support.certificate(x, 0, names[:quorum]), support.certificate(y, 0, names[-quorum:])
    for certificate_ in (first, second):
        verify_certificate(
            support.CHAIN_ID, certificate_, validators, 1, certificate_.block_hash, support.fake_verifier
        )
    others = dict(second.votes)
    accused = {
        verify_evidence(
            support.CHAIN_ID,
            validators,
            Commit(1, 0, first.block_hash, name, signature),
            Commit(1, 0, second.block_hash, name, others[name]),
            support.fake_verifier,
        )
        for name, signature in first.votes
        if name in others
    }
    assert len(accused) > validators.max_faulty


@pytest.mark.parametrize("size", range(4, 14))
def test_s22_a_later_view_that_forgets_a_certified_block_convicts_more_than_f(size: int) -> None:
    """A fork over two views needs a new view that is free to propose: its votes and the certificate are the proof."""
    validators = support.validator_set(size)
    quorum, names = validators.quorum, "".join(validators.names)
    certified = support.certificate(support.block("x"), 0, names[:quorum])
    free = support.new_view(1, [support.empty_view_change(name, 1) for name in names[-quorum:]], None)
    commits = {name: Commit(1, 0, certified.block_hash, name, signature) for name, signature in certified.votes}
    accused = {
        verify_evidence(support.CHAIN_ID, validators, commits[vote.validator], vote, support.fake_verifier)
        for vote in free.votes
        if vote.validator in commits
    }
    assert len(accused) > validators.max_faulty
