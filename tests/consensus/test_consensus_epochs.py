"""Where another set of validators, or other rules, begin (scenarios 150 to 152)."""

from collections.abc import Mapping

from chain.blocks import Certificate, Proposal
from chain.primitives.crypto import Signer
from chain.proofs.validators import Validator, ValidatorSet
from consensus.effects import Broadcast, Build, Evidence, Execute
from consensus.messages import Commit, Committed, Prepare, ViewChange
from consensus.replica import Replica, Tip
from tests.consensus import support
from tests.consensus.harness import CONFIG
from tests.consensus.support import block, certificate, commit, hash_of, pre_prepare, prepare, transaction_id

X = block("x")
"""The last block of the first epoch."""
TIMEOUT = CONFIG.view_timeout_ticks


def following(certified: Certificate, validators: ValidatorSet) -> Tip:
    """The tip after ``X``, which hands over."""
    return Tip(1, hash_of(X), certified, validators, ends_epoch=True)


def replica(name: str, tip: Tip, signers: Mapping[bytes, Signer] | None = None) -> Replica:
    keys = support.signers(name) if signers is None else signers
    made = Replica(support.CHAIN_ID, name, keys, tip, CONFIG, {}, support.fake_verifier)
    made.take_effects()
    return made


def second(label: str = "y", proposer: str = "a") -> Proposal:
    """A block of the second epoch."""
    return block(label, proposer, 2, hash_of(X))


def test_s150_an_epoch_begins_in_view_0_whatever_view_its_parent_was_certified_in() -> None:
    for views in ((0, 0), (3, 5)):
        for made in (
            replica("b", following(certificate(X, views[0], "abc"), support.validator_set(5))),
            replica("b", support.genesis_tip(4)),
        ):
            made.advance(following(certificate(X, views[1], "abc"), support.validator_set(5)))
            assert (made.height, made.view, made.primary) == (2, 0, "a")


def test_s150_a_later_certificate_of_the_last_epoch_moves_nobody() -> None:
    made = replica("b", support.genesis_tip(4))
    made.advance(following(certificate(X, 0, "abc"), support.validator_set(5)))
    made.step("c", Committed(certificate(X, 2, "abc")))
    assert made.view == 0
    made.step("a", pre_prepare(second(), height=2))
    assert any(isinstance(effect, Execute) for effect in made.take_effects())


def test_s150_an_epoch_begins_with_the_timeout_of_a_first_view() -> None:
    """Whatever doublings the height before needed; within an epoch they carry over."""
    for ends_epoch, ticks in ((True, TIMEOUT), (False, 4 * TIMEOUT)):
        made = replica("b", support.genesis_tip(4))
        made.work_pending(transaction_id("t"), True)
        made.advance(Tip(1, hash_of(X), certificate(X, 3, "abc"), support.validator_set(4), ends_epoch))
        view = made.view
        for _ in range(ticks - 1):
            made.tick()
        assert not made.is_changing_view
        made.tick()
        assert (made.view, made.is_changing_view) == (view + 1, True)


def test_s151_a_vote_of_who_has_left_counts_no_more() -> None:
    """Two of the old set that leave, with their true keys, make no quorum with one that stays."""
    made = replica("a", support.genesis_tip(4))
    made.advance(
        following(certificate(X, 0, "abc"), ValidatorSet(support.validator_set(6).validators[i] for i in (0, 1, 4, 5)))
    )
    proposal = second()
    made.work_pending(transaction_id("y"), True)
    assert any(isinstance(effect, Build) for effect in made.take_effects())
    made.propose(2, 0, proposal)
    for name in "cd":
        made.step(name, prepare(name, 2, 0, hash_of(proposal)))
        made.step(name, commit(name, 2, 0, hash_of(proposal)))
    assert not _commits(made), "two that have left prepared it"
    for name in "be":
        made.step(name, prepare(name, 2, 0, hash_of(proposal)))
    assert _commits(made), "a quorum of the new set prepared it"


def test_s151_a_vote_with_the_key_of_an_earlier_epoch_counts_no_more() -> None:
    """What ``b`` signs with the key that it had makes no quorum, and is no evidence."""
    other = support.FakeSigner("b of the second epoch")
    new = ValidatorSet(
        Validator(item.member, other.public_key if item.member == "b" else item.public_key)
        for item in support.validator_set(4).validators
    )
    made = replica("a", support.genesis_tip(4))
    made.advance(following(certificate(X, 0, "acd"), new))
    proposal = second()
    made.work_pending(transaction_id("y"), True)
    made.take_effects()
    made.propose(2, 0, proposal)
    made.take_effects()
    for name in "bc":
        made.step(name, prepare(name, 2, 0, hash_of(proposal)))
    effects = made.take_effects()
    assert not [effect for effect in effects if isinstance(effect, Evidence)]
    assert not [effect for effect in effects if isinstance(effect, Broadcast)]
    made.step("d", prepare("d", 2, 0, hash_of(proposal)))
    assert _commits(made)


def test_s152_a_validator_votes_with_the_key_that_the_set_names_and_not_without_it() -> None:
    first, next_ = support.FakeSigner("b"), support.FakeSigner("b of the second epoch")
    new = ValidatorSet(
        Validator(item.member, next_.public_key if item.member == "b" else item.public_key)
        for item in support.validator_set(4).validators
    )
    both: dict[bytes, Signer] = {first.public_key: first, next_.public_key: next_}
    for keys, votes in ((both, True), (support.signers("b"), False)):
        made = replica("b", support.genesis_tip(4), keys)
        made.advance(following(certificate(X, 0, "acd"), new))
        assert made.has_vote == votes
        proposal = second()
        made.step("a", pre_prepare(proposal, height=2))
        made.executed(hash_of(proposal), None)
        sent = [effect.message for effect in made.take_effects() if isinstance(effect, Broadcast)]
        prepares = [message for message in sent if isinstance(message, Prepare)]
        assert bool(prepares) == votes
        assert all(
            support.fake_verifier(
                next_.public_key, support.messages.signed_message(support.CHAIN_ID, vote), vote.signature
            )
            for vote in prepares
        )
        for _ in range(5 * TIMEOUT):
            made.tick()
        changes = [effect.message for effect in made.take_effects() if isinstance(effect, Broadcast)]
        assert any(isinstance(message, ViewChange) for message in changes) == votes


def _commits(made: Replica) -> bool:
    """Whether a replica has sent its commit."""
    return any(isinstance(effect, Broadcast) and isinstance(effect.message, Commit) for effect in made.take_effects())
