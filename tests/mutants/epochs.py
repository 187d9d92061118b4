"""Mutants of the hand-over: what an epoch begins with, whose votes count in it, and who learns of it (scenarios 150 to
158).
"""

from tests.mutants.definition import Edit, mutant

EPOCHS = "tests/consensus/test_consensus_epochs.py"
SIM = "tests/sim/test_epochs.py"

MUTANTS = (
    mutant(
        "s150 an epoch begins in the view of its parent's certificate",
        (f"{EPOCHS}::test_s150_an_epoch_begins_in_view_0_whatever_view_its_parent_was_certified_in",),
        Edit("Tip.next_start_view", "self.ends_epoch or self.certificate is None", "self.certificate is None"),
    ),
    mutant(
        "s150 a later certificate of the last epoch moves replicas",
        (f"{EPOCHS}::test_s150_a_later_certificate_of_the_last_epoch_moves_nobody",),
        Edit("assistance._raise_start_view", "or core.tip.ends_epoch", ""),
    ),
    mutant(
        "s150 complaints and timeouts outlive their epoch",
        (f"{EPOCHS}::test_s150_an_epoch_begins_with_the_timeout_of_a_first_view",),
        Edit("Core.enter_height", "self.doublings_carried = 0", "pass"),
    ),
    mutant(
        "s151 who has left goes on voting",
        (f"{EPOCHS}::test_s151_a_vote_of_who_has_left_counts_no_more",),
        Edit(
            "Core.enter_height",
            "self.validators = tip.validators",
            "self.validators = getattr(self, 'validators', tip.validators)",
        ),
    ),
    mutant(
        "s152 a validator signs with any key that it holds",
        (f"{EPOCHS}::test_s152_a_validator_votes_with_the_key_that_the_set_names_and_not_without_it",),
        Edit("Core.enter_height", "self.signers.get(key)", "next(iter(self.signers.values()))"),
    ),
    mutant(
        "s156 a sole validator votes before it has looked around",
        (f"{SIM}::test_s156_a_validator_that_lost_everything_at_a_boundary_contradicts_nobody",),
        Edit("VotingRight.review", "or self._may_be_behind_others(validators)", ""),
    ),
    mutant(
        "s158 later sets are never asked for",
        (f"{SIM}::test_s158_what_was_erased_is_proven_to_a_late_node_by_an_epoch_that_it_does_not_know",),
        Edit("CatchUp._verify_erased", "await self._learn_of_later_sets(peer)", "pass"),
    ),
)
