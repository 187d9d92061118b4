"""Mutants of the change of primary: what a new view is bound to, what proves it, what belongs to no view any more, and
how long a complaint lasts (scenarios 4 to 7, 13, 14, 26).
"""

from tests.mutants.definition import Edit, mutant

SAFETY = "tests/consensus/test_consensus_safety.py"
PROOFS = "tests/consensus/test_consensus_justification.py"
MESSAGES = "tests/consensus/test_consensus_messages.py"
SUSPICION = "tests/consensus/test_consensus_suspicion.py"

PREPARED = (
    mutant(
        "s04 view changes do not say what was prepared",
        (f"{SAFETY}::test_s04_a_prepared_block_survives_view_changes_in_a_row",),
        Edit("start", "prepared = current.vote_record.prepared", "prepared = None"),
        Edit("Core.view_change_message", "if record.prepared is None:\n    return", "if True:\n    return"),
    ),
    mutant(
        "s04 what was prepared is not remembered",
        (f"{SAFETY}::test_s04_a_later_vote_does_not_push_the_prepared_block_out_of_memory",),
        Edit(
            "check_prepared",
            "core.record_votes(commit=vote, prepared=PreparedCertificate(height, view, hash_, votes))",
            "core.record_votes(commit=vote)",
        ),
    ),
    mutant(
        "s04 a later proposal overwrites the prepared one on disk",
        (f"{SAFETY}::test_s04_a_later_vote_does_not_push_the_prepared_block_out_of_memory",),
        Edit(
            "Core.store_proposal",
            "place = 1 if prepared is not None and current.stored[0] == prepared.block_hash else 0",
            "place = 0",
        ),
    ),
    mutant(
        "s05 a new view binds its primary to nothing",
        (
            f"{SAFETY}::test_s05_a_block_committed_by_one_is_proposed_by_every_later_primary",
            f"{PROOFS}::test_s06_a_bound_view_takes_no_other_block",
        ),
        Edit(
            "_enter",
            "current.bound = message.prepared.block_hash if message.prepared is not None else None",
            "current.bound = None",
        ),
    ),
    mutant(
        "s05 a replica that has voted moves to a later start view",
        (f"{SAFETY}::test_s05_a_replica_that_voted_does_not_move_to_a_later_start_view_unjustified",),
        Edit("_raise_start_view", "if core.current.vote_record.prepare is not None:\n    return", "pass"),
        Edit(
            "adopt_start_view",
            "not is_later or current.vote_record.prepare is not None or not core.can_vote",
            "not is_later or not core.can_vote",
        ),
    ),
    mutant(
        "s05 a restart moves to the start view of another certificate",
        (f"{SAFETY}::test_s05_a_restart_with_another_certificate_does_not_raise_the_start_view_after_a_vote",),
        Edit("Core._restore", "record.prepare is not None", "False"),
    ),
    mutant(
        "s05 a start view is raised by a certificate that nobody checks",
        (f"{SAFETY}::test_s05_a_forged_certificate_does_not_raise_the_start_view",),
        Edit("_raise_start_view", "_verify(core, certificate, core.tip.block_hash, is_tip=True)", "pass"),
    ),
)

PROVED = (
    mutant(
        "s06 a new view is believed",
        (f"{PROOFS}::test_s06_an_unjustified_new_view_changes_nothing",),
        Edit(
            "on_new_view", "verify_new_view(core.chain_id, core.validators, message, is_signed, core.verifier)", "pass"
        ),
    ),
    mutant(
        "s06 a bound view takes another block",
        (f"{PROOFS}::test_s06_a_bound_view_takes_no_other_block",),
        Edit("_accept_in_active_view", "current.bound is not None and current.bound != vote.block_hash", "False"),
    ),
    mutant(
        "s06 the lowest claim among the votes counts",
        (f"{PROOFS}::test_s06_an_unjustified_new_view_changes_nothing",),
        Edit("highest_claim", "return max", "return min"),
    ),
    mutant(
        "s06 the votes of a new view need no signature",
        (f"{PROOFS}::test_s06_an_unjustified_new_view_changes_nothing",),
        Edit("verify_new_view", "not all(is_signed(vote) for vote in message.votes)", "False"),
    ),
    mutant(
        "s06 the votes of a new view may be for another one",
        (f"{PROOFS}::test_s06_an_unjustified_new_view_changes_nothing",),
        Edit("verify_new_view", "vote.height != message.height or vote.view != message.view", "False"),
    ),
    mutant(
        "s06 a few votes make a new view",
        (f"{PROOFS}::test_s06_an_unjustified_new_view_changes_nothing",),
        Edit(
            "verify_new_view",
            "len(names) < validators.quorum or any(name not in validators for name in names)",
            "any(name not in validators for name in names)",
        ),
    ),
    mutant(
        "s06 what a new view is bound to needs no proof",
        (
            f"{PROOFS}::test_s06_an_unjustified_new_view_changes_nothing",
            f"{PROOFS}::test_s06_forged_prepared_votes_are_refused",
        ),
        Edit("verify_new_view", "message.prepared is not None:\n    verify_prepared", "False:\n    verify_prepared"),
    ),
    mutant(
        "s06 the claim of a view change needs no proof",
        (f"{PROOFS}::test_s06_a_view_change_that_does_not_prove_its_claim_is_refused",),
        Edit(
            "on_view_change",
            "verify_view_change_claim(core.chain_id, core.validators, core.tip.block_hash, message, core.verifier)",
            "pass",
        ),
    ),
    mutant(
        "s06 a primary proposes before its view is justified",
        (f"{PROOFS}::test_s06_a_primary_does_not_propose_before_its_view_is_justified",),
        Edit(
            "ask_for_proposal",
            "not core.can_vote or not core.is_active or core.primary != core.me or current.has_prepared",
            "not core.can_vote or core.primary != core.me or current.has_prepared",
        ),
    ),
    mutant(
        "s07 a proposal of a later view is processed under the local one",
        (f"{SAFETY}::test_s07_a_pre_prepare_of_a_later_view_waits_for_its_justification",),
        Edit(
            "on_pre_prepare", "vote.view > current.view or (vote.view == current.view and current.is_changing)", "False"
        ),
        Edit(
            "normal_case._accept",
            "vote.view == current.view:\n    _accept_in_active_view",
            "True:\n    _accept_in_active_view",
        ),
    ),
    mutant(
        "s07 a proposal is taken in a view that is wanted only",
        (f"{SAFETY}::test_s07_a_pre_prepare_of_a_view_that_is_wanted_only_waits_too",),
        Edit(
            "on_pre_prepare",
            "vote.view > current.view or (vote.view == current.view and current.is_changing)",
            "vote.view > current.view",
        ),
    ),
)

STALE = (
    mutant(
        "s13 votes do not name their chain",
        (f"{MESSAGES}::test_s13_statements_of_different_kinds_and_chains_sign_different_bytes",),
        Edit("prepare_message", 'domain("prepare", chain_id)', 'domain("prepare", b"")'),
        Edit("view_change_message", 'domain("view-change", chain_id)', 'domain("view-change", b"")'),
    ),
    mutant(
        "s13 votes need no signature",
        (f"{SAFETY}::test_s13_votes_of_another_chain_and_of_old_heights_are_useless",),
        Edit("VoteBook._verify", "self._is_signed(vote)", "True"),
    ),
    mutant(
        "s13 an older view change takes the place of a newer one",
        (f"{SAFETY}::test_s13_an_old_view_change_does_not_replace_a_newer_one",),
        Edit("on_view_change", "held is not None and held.vote.view >= vote.view", "False"),
    ),
    mutant(
        "s13 messages of old heights are handled",
        (f"{SAFETY}::test_s13_view_changes_of_an_old_height_are_useless",),
        Edit("Replica._dispatch", "height == core.current.height", "height <= core.current.height"),
    ),
    mutant(
        "s13 transactions of another chain are taken",
        ("tests/chain/test_transactions.py::test_s13_a_transaction_of_another_chain_is_refused",),
        Edit("decode_transaction_header", "header.chain_id != chain_id", "False"),
    ),
    mutant(
        "s14 a block that was asked for in another view is proposed",
        (f"{SAFETY}::test_s14_a_block_built_for_an_earlier_view_is_not_proposed",),
        Edit("propose", "(height, view) != (current.height, current.view) or not current.is_building", "False"),
    ),
    mutant(
        "s14 messages kept for a height that was skipped are handled at the next",
        (f"{SAFETY}::test_s14_messages_kept_for_the_next_height_are_forgotten_when_it_is_skipped",),
        Edit(
            "FutureBuffer.take",
            "messages = self._messages.pop(height, {})",
            "messages = {key: kept for at in sorted(self._messages) if at <= height "
            "for key, kept in self._messages[at].items()}",
        ),
        Edit("Replica._dispatch", "height == core.current.height", "height <= core.current.height"),
    ),
)

WATCHED = (
    mutant(
        "s26 a complaint lasts one height only",
        (f"{SUSPICION}::test_s26_complaints_of_different_heights_meet",),
        Edit(
            "view_change.start", "core.emit(ViewChangeStarted", "core.watch.follow(view)\ncore.emit(ViewChangeStarted"
        ),
    ),
    mutant(
        "s26 a complaint is forgotten when the next view is entered",
        (f"{SUSPICION}::test_s26_a_complaint_outlasts_a_view_that_came_to_nothing",),
        Edit("_begin_view", "core.emit(ViewEntered", "core.watch.follow(current.view)\ncore.emit(ViewEntered"),
    ),
    mutant(
        "s26 a complaint waits for the next tick",
        (f"{SUSPICION}::test_s26_complaints_of_different_heights_meet",),
        Edit("Replica.advance", "is_at_head and core.watch.oldest is not None", "False"),
    ),
    mutant(
        "s26 a complaint that nobody shares stands for ever",
        (f"{SUSPICION}::test_s26_a_lone_accuser_replaces_nobody_and_votes_again_after_its_time",),
        Edit(
            "PrimaryWatch.note_tick",
            "self._standing_ticks > self._config.complaint_ticks << self._relaxations",
            "False",
        ),
    ),
    mutant(
        "s26 absence pays a primary's debts",
        (f"{SUSPICION}::test_s26_debts_are_not_paid_by_absence",),
        Edit(
            "Replica.advance",
            "core.watch.note_block(neglected if core.current.has_prepared else None)",
            "core.watch.note_block(neglected if core.current.has_prepared else ())",
        ),
    ),
)

MUTANTS = (*PREPARED, *PROVED, *STALE, *WATCHED)
