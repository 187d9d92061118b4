"""Mutants of the vote: what is voted for, who may vote, and that no vote is ever contradicted (scenarios 1 to 3, 8, 9,
15 to 17).
"""

from tests.mutants.definition import Edit, mutant

SAFETY = "tests/consensus/test_consensus_safety.py"
EVIDENCE = "tests/consensus/test_consensus_evidence.py"
LEDGER = "tests/chain/test_ledger.py"

TWO_VOTES = (
    mutant(
        "s01 a second vote in one view replaces the first",
        (
            f"{EVIDENCE}::test_s01_two_proposals_of_one_view_never_both_commit_and_are_evidence",
            f"{EVIDENCE}::test_s02_a_twin_counts_once_and_yields_evidence_for_each_phase",
        ),
        Edit("Core.add_vote", "return False", "book.remove(first)\nbook.add(vote)\nreturn True"),
    ),
    mutant(
        "s01 votes for one block count for another",
        (f"{SAFETY}::test_s01_votes_for_different_blocks_make_no_quorum",),
        Edit(
            "VoteBook.quorum_for",
            "self._counts.get((view, block_hash), 0) < self._quorum",
            "sum(count for (in_view, _), count in self._counts.items() if in_view == view) < self._quorum",
        ),
        Edit("VoteBook.quorum_for", "view in held and held[view].block_hash == block_hash", "view in held"),
    ),
    mutant(
        "s01 two prepares of one view are no evidence",
        (f"{SAFETY}::test_s01_a_second_proposal_is_evidence_and_is_not_executed",),
        Edit("is_contradiction", "return first.block_hash != second.block_hash", "return False"),
    ),
    mutant(
        "s02 two commits of one view are no evidence",
        (f"{EVIDENCE}::test_s02_a_twin_counts_once_and_yields_evidence_for_each_phase",),
        Edit(
            "is_contradiction",
            "return isinstance(first, Commit) and isinstance(second, Commit) and first.block_hash",
            "return isinstance(first, Commit) and isinstance(second, Prepare) and first.block_hash",
        ),
    ),
    mutant(
        "s02 prepares are taken from anybody",
        (f"{SAFETY}::test_s02_votes_are_accepted_from_their_voter_only",),
        Edit("normal_case.on_prepare", "vote.validator != sender", "False"),
    ),
    mutant(
        "s02 commits are taken from anybody",
        (f"{SAFETY}::test_s02_votes_are_accepted_from_their_voter_only",),
        Edit("normal_case.on_commit", "vote.validator != sender", "False"),
    ),
    mutant(
        "s01 anybody proposes",
        (f"{SAFETY}::test_s01_nobody_but_the_primary_proposes",),
        Edit(
            "on_pre_prepare",
            "vote.validator != sender or core.validators.primary(vote.view) != sender",
            "vote.validator != sender",
        ),
    ),
)

RESTARTS = (
    mutant(
        "s03 votes are forgotten in a restart",
        (f"{SAFETY}::test_s03_a_restarted_replica_repeats_its_votes_and_refuses_another_block",),
        Edit("Core.enter_height", "self._restore(remembered)", "pass"),
    ),
    mutant(
        "s03 votes are not persisted",
        (f"{SAFETY}::test_s03_every_vote_is_durable_before_it_is_sent",),
        Edit("Core.record_votes", "self.emit(Persist(VOTES_KEY, encode(self.current.vote_record)))", "pass"),
    ),
    mutant(
        "s03 a commit is sent before it is durable",
        (f"{SAFETY}::test_s03_every_vote_is_durable_before_it_is_sent",),
        Edit(
            "check_prepared",
            "core.record_votes(commit=vote, prepared=PreparedCertificate(height, view, hash_, votes))\n"
            "core.broadcast(vote)",
            "core.broadcast(vote)\n"
            "core.record_votes(commit=vote, prepared=PreparedCertificate(height, view, hash_, votes))",
        ),
    ),
    mutant(
        "s03 damaged memory is taken for none",
        (f"{SAFETY}::test_s03_damaged_memory_stops_the_replica",),
        Edit(
            "_load", 'raise InvariantBroken(f"consensus memory is damaged: {error.detail}") from error', "return None"
        ),
    ),
    mutant(
        "s03 a replica votes at heights that it has passed before",
        (f"{SAFETY}::test_s03_lost_blocks_do_not_lead_to_votes_at_heights_voted_in_before",),
        Edit(
            "Core.can_vote",
            "return self._remembered is None and self.signer is not None",
            "return self.signer is not None",
        ),
    ),
    mutant(
        "s03 a vote file that is not complete raises no doubt",
        (
            "tests/chain/test_votes.py::test_s03_nothing_whole_is_doubt",
            "tests/chain/test_votes.py::test_s03_a_cut_file_is_doubt",
        ),
        Edit(
            "SlotFile.read",
            "self.is_doubtful = missing or (any(lost) and (self._copies == 1 or newest is None))",
            "self.is_doubtful = False",
        ),
    ),
    mutant(
        "s03 a validator on probation believes the highest claims",
        ("tests/node/test_probation.py::test_s03_safe_height",),
        Edit("safe_height", "heard[validators.max_faulty] if heard", "heard[-1] if heard"),
    ),
)

BLOCKS = (
    mutant(
        "s08 a header's parent is not compared",
        (f"{SAFETY}::test_s08_s09_a_block_with_a_wrong_height_parent_or_content_is_refused",),
        Edit("verify_proposal", "header.parent_hash != parent_hash", "False"),
    ),
    mutant(
        "s08 a block is taken for whatever hash was voted for",
        (f"{SAFETY}::test_s08_the_hash_voted_for_must_be_the_proposal_s",),
        Edit("verify_proposal", "block_hash(chain_id, proposal.header) != hash_", "False"),
    ),
    mutant(
        "s09 a header's height is not compared",
        (f"{SAFETY}::test_s08_s09_a_block_with_a_wrong_height_parent_or_content_is_refused",),
        Edit("verify_proposal", "header.height != height", "False"),
    ),
    mutant(
        "s09 a certificate is taken for any block",
        ("tests/chain/test_validators.py::test_s09_the_certificate_is_for_the_block_that_is_asked_about",),
        Edit("verify_certificate", "certificate.height != height or certificate.block_hash != block_hash", "False"),
        Edit(
            "verify_certificate",
            "commit_message(chain_id, height, certificate.view, block_hash)",
            "commit_message(chain_id, certificate.height, certificate.view, certificate.block_hash)",
        ),
    ),
    mutant(
        "s17 the ids of a block are not compared with its root",
        (f"{SAFETY}::test_s17_a_block_that_differs_in_the_ids_only_is_caught",),
        Edit("verify_proposal", "header.tx_root != root(proposal.transaction_ids)", "False"),
    ),
    mutant(
        "s17 what executing a block gives is not compared with its header",
        (f"{LEDGER}::test_s17_s19_check_accepts_what_execute_made_and_nothing_else",),
        Edit("Ledger.check", "executed.proposal != proposal", "False"),
    ),
    mutant(
        "s17 a block is prepared that was found invalid",
        (
            "tests/consensus/test_consensus_liveness.py::test_s32_an_invalid_proposal_changes_the_view_at_once_but_only_once",
        ),
        Edit("executed", "refusal is None", "True"),
    ),
)

DELIVERY = (
    mutant(
        "s15 a block that catch-up brought is taken again",
        (f"{SAFETY}::test_s15_a_block_that_comes_again_does_not_undo_a_vote",),
        Edit("Replica.advance", "tip.height <= core.tip.height", "False"),
    ),
    mutant(
        "s15 catch-up may bring another block than the final one",
        (f"{SAFETY}::test_s15_catch_up_of_another_block_than_the_final_one_stops_the_replica",),
        Edit(
            "Replica.advance",
            "decided is not None and decided.height == tip.height and decided.block_hash != tip.block_hash",
            "False",
        ),
    ),
    mutant(
        "s15 a block is delivered twice",
        (f"{SAFETY}::test_s15_votes_beyond_the_quorum_deliver_nothing_more",),
        Edit("Replica._handle", "if core.current.is_delivered:\n    return", "pass"),
        Edit("_check_committed", "if current.is_decided:\n    return\nvotes", "votes"),
    ),
    mutant(
        "s16 commits are not counted during a view change",
        (f"{SAFETY}::test_s16_a_late_commit_is_delivered_in_a_view_change",),
        Edit(
            "on_commit",
            "core.add_vote(current.commits, vote)",
            "core.add_vote(current.commits, vote) and core.is_active",
        ),
    ),
    mutant(
        "s16 votes are cast in a view that was given up",
        (f"{SAFETY}::test_s16_no_vote_of_the_abandoned_view_follows_a_view_change",),
        Edit(
            "executed",
            "not core.is_active or current.accepted != block_hash_ or current.has_prepared",
            "current.accepted != block_hash_ or current.has_prepared",
        ),
        Edit("HeightState.leave_view", "self.accepted = None", "pass"),
    ),
)

MUTANTS = (*TWO_VOTES, *RESTARTS, *BLOCKS, *DELIVERY)
