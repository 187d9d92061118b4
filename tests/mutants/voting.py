"""Mutants of the vote: what is voted for, who may vote, and that no vote is ever contradicted (scenarios 1 to 3, 8, 9,
15 to 17).
"""

from __future__ import annotations

from tests.mutants.definition import Edit, Mutant

SAFETY = "tests/consensus/test_consensus_safety.py"
EVIDENCE = "tests/consensus/test_consensus_evidence.py"
LEDGER = "tests/chain/test_ledger.py"

TWO_VOTES = (
    Mutant(
        "a second vote in one view replaces the first",
        1,
        (
            Edit(
                "consensus/core.py",
                "            book.add(vote, is_verified=True)\n            return True\n        return False\n",
                "            book.add(vote, is_verified=True)\n            return True\n"
                "        book.remove(first)\n        book.add(vote)\n        return True\n",
            ),
        ),
        (
            f"{EVIDENCE}::test_s01_two_proposals_of_one_view_never_both_commit_and_are_evidence",
            f"{EVIDENCE}::test_s02_a_twin_counts_once_and_yields_evidence_for_each_phase",
        ),
    ),
    Mutant(
        "votes for one block count for another",
        1,
        (
            Edit(
                "consensus/votes.py",
                "if self._counts.get((view, block_hash), 0) < self._quorum:",
                "if sum(count for (in_view, _), count in self._counts.items() if in_view == view) < self._quorum:",
            ),
            Edit("consensus/votes.py", "if view in held and held[view].block_hash == block_hash]", "if view in held]"),
        ),
        (f"{SAFETY}::test_s01_votes_for_different_blocks_make_no_quorum",),
    ),
    Mutant(
        "two prepares of one view are no evidence",
        1,
        (
            Edit(
                "consensus/evidence.py",
                "        return first.block_hash != second.block_hash\n",
                "        return False\n",
            ),
        ),
        (f"{SAFETY}::test_s01_a_second_proposal_is_evidence_and_is_not_executed",),
    ),
    Mutant(
        "two commits of one view are no evidence",
        2,
        (
            Edit(
                "consensus/evidence.py",
                "return isinstance(first, Commit) and isinstance(second, Commit) and first.block_hash",
                "return isinstance(first, Commit) and isinstance(second, Prepare) and first.block_hash",
            ),
        ),
        (f"{EVIDENCE}::test_s02_a_twin_counts_once_and_yields_evidence_for_each_phase",),
    ),
    Mutant(
        "prepares are taken from anybody",
        2,
        (
            Edit(
                "consensus/normal_case.py",
                'waits there."""\n    current = core.current\n    if vote.validator != sender:',
                'waits there."""\n    current = core.current\n    if False:',
            ),
        ),
        (f"{SAFETY}::test_s02_votes_are_accepted_from_their_voter_only",),
    ),
    Mutant(
        "commits are taken from anybody",
        2,
        (
            Edit(
                "consensus/normal_case.py",
                'finalises its block."""\n    if vote.validator != sender:',
                'finalises its block."""\n    if False:',
            ),
        ),
        (f"{SAFETY}::test_s02_votes_are_accepted_from_their_voter_only",),
    ),
    Mutant(
        "anybody proposes",
        1,
        (
            Edit(
                "consensus/normal_case.py",
                "if vote.validator != sender or core.validators.primary(vote.view) != sender:",
                "if vote.validator != sender:",
            ),
        ),
        (f"{SAFETY}::test_s01_nobody_but_the_primary_proposes",),
    ),
)

RESTARTS = (
    Mutant(
        "votes are forgotten in a restart",
        3,
        (Edit("consensus/core.py", "            self._restore(remembered)\n", "            pass\n"),),
        (f"{SAFETY}::test_s03_a_restarted_replica_repeats_its_votes_and_refuses_another_block",),
    ),
    Mutant(
        "votes are not persisted",
        3,
        (Edit("consensus/core.py", "        self.emit(Persist(VOTES_KEY, encode(self.current.sworn)))\n", ""),),
        (f"{SAFETY}::test_s03_every_vote_is_durable_before_it_is_sent",),
    ),
    Mutant(
        "a commit is sent before it is durable",
        3,
        (
            Edit(
                "consensus/normal_case.py",
                "    core.swear(commit=vote, prepared=PreparedCertificate(height, view, hash_, votes))\n"
                "    core.broadcast(vote)\n",
                "    core.broadcast(vote)\n"
                "    core.swear(commit=vote, prepared=PreparedCertificate(height, view, hash_, votes))\n",
            ),
        ),
        (f"{SAFETY}::test_s03_every_vote_is_durable_before_it_is_sent",),
    ),
    Mutant(
        "damaged memory is taken for none",
        3,
        (
            Edit(
                "consensus/memory.py",
                'raise InvariantBroken(f"consensus memory is damaged: {error.detail}") from error',
                "return None",
            ),
        ),
        (f"{SAFETY}::test_s03_damaged_memory_stops_the_replica",),
    ),
    Mutant(
        "a replica votes at heights that it has passed before",
        3,
        (
            Edit(
                "consensus/core.py",
                "return self._remembered is None and self.me in self.validators",
                "return self.me in self.validators",
            ),
        ),
        (f"{SAFETY}::test_s03_lost_blocks_do_not_lead_to_votes_at_heights_voted_in_before",),
    ),
    Mutant(
        "a vote file that is not whole raises no doubt",
        3,
        (
            Edit(
                "chain/storage/slots.py",
                "self.is_doubtful = missing or (any(lost) and (self._copies == 1 or newest is None))",
                "self.is_doubtful = False",
            ),
        ),
        (
            "tests/chain/test_votes.py::test_s03_nothing_whole_is_doubt",
            "tests/chain/test_votes.py::test_s03_a_cut_file_is_doubt",
        ),
    ),
    Mutant(
        "a validator on probation believes the highest claims",
        3,
        (Edit("node/probation.py", "heard[validators.max_faulty] if heard", "heard[-1] if heard"),),
        ("tests/node/test_probation.py::test_s03_safe_height",),
    ),
)

BLOCKS = (
    Mutant(
        "a header's parent is not compared",
        8,
        (Edit("consensus/justification.py", "if header.parent_hash != parent_hash:", "if False:"),),
        (f"{SAFETY}::test_s08_s09_a_block_with_a_wrong_height_parent_or_content_is_refused",),
    ),
    Mutant(
        "a block is taken for whatever hash was voted for",
        8,
        (Edit("consensus/justification.py", "if block_hash(chain_id, proposal.header) != hash_:", "if False:"),),
        (f"{SAFETY}::test_s08_the_hash_voted_for_must_be_the_proposal_s",),
    ),
    Mutant(
        "a header's height is not compared",
        9,
        (Edit("consensus/justification.py", "if header.height != height:", "if False:"),),
        (f"{SAFETY}::test_s08_s09_a_block_with_a_wrong_height_parent_or_content_is_refused",),
    ),
    Mutant(
        "a certificate is taken for any block",
        9,
        (
            Edit(
                "chain/proofs/validators.py",
                "if certificate.height != height or certificate.block_hash != block_hash:",
                "if False:",
            ),
            Edit(
                "chain/proofs/validators.py",
                "commit_message(chain_id, height, certificate.view, block_hash)",
                "commit_message(chain_id, certificate.height, certificate.view, certificate.block_hash)",
            ),
        ),
        ("tests/chain/test_validators.py::test_s09_the_certificate_is_for_the_block_that_is_asked_about",),
    ),
    Mutant(
        "the ids of a block are not compared with its root",
        17,
        (Edit("consensus/justification.py", "if header.tx_root != root(proposal.transaction_ids):", "if False:"),),
        (f"{SAFETY}::test_s17_a_block_that_differs_in_the_ids_only_is_caught",),
    ),
    Mutant(
        "what executing a block gives is not compared with its header",
        17,
        (Edit("chain/ledger.py", "if executed.proposal != proposal:", "if False:"),),
        (f"{LEDGER}::test_s17_s19_check_accepts_what_execute_made_and_nothing_else",),
    ),
    Mutant(
        "a block is prepared that was found invalid",
        17,
        (Edit("consensus/normal_case.py", "    if refusal is None:\n", "    if True:\n"),),
        (
            "tests/consensus/test_consensus_liveness.py::test_s32_an_invalid_proposal_changes_the_view_at_once_but_only_once",
        ),
    ),
)

DELIVERY = (
    Mutant(
        "a block that catch-up brought is taken again",
        15,
        (Edit("consensus/replica.py", "if tip.height <= core.tip.height:", "if False:"),),
        (f"{SAFETY}::test_s15_a_block_that_comes_again_does_not_undo_a_vote",),
    ),
    Mutant(
        "catch-up may bring another block than the final one",
        15,
        (
            Edit(
                "consensus/replica.py",
                "if decided is not None and decided.height == tip.height and decided.block_hash != tip.block_hash:",
                "if False:",
            ),
        ),
        (f"{SAFETY}::test_s15_catch_up_of_another_block_than_the_final_one_stops_the_replica",),
    ),
    Mutant(
        "a block is delivered twice",
        15,
        (
            Edit("consensus/replica.py", "        if core.current.is_delivered:\n            return\n", ""),
            Edit("consensus/normal_case.py", "    if current.is_decided:\n        return\n    votes", "    votes"),
        ),
        (f"{SAFETY}::test_s15_votes_beyond_the_quorum_deliver_nothing_more",),
    ),
    Mutant(
        "commits are not counted during a view change",
        16,
        (
            Edit(
                "consensus/normal_case.py",
                "    if core.record(current.commits, vote):\n",
                "    if core.record(current.commits, vote) and core.is_active:\n",
            ),
        ),
        (f"{SAFETY}::test_s16_a_late_commit_is_delivered_in_a_view_change",),
    ),
    Mutant(
        "votes are cast in a view that was given up",
        16,
        (
            Edit(
                "consensus/normal_case.py",
                "if not core.is_active or current.accepted != block_hash_ or current.has_prepared:",
                "if current.accepted != block_hash_ or current.has_prepared:",
            ),
            Edit("consensus/height.py", "        self.accepted = None\n", ""),
        ),
        (f"{SAFETY}::test_s16_no_vote_of_the_abandoned_view_follows_a_view_change",),
    ),
)

MUTANTS = (*TWO_VOTES, *RESTARTS, *BLOCKS, *DELIVERY)
