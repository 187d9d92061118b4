"""Mutants of checkpoints: who cosigns tells one history for good, and who watches notices another (scenario 22)."""

from __future__ import annotations

from tests.mutants.definition import Edit, Mutant

CHECKPOINTS = "tests/chain/test_checkpoints.py"
COSIGNING = "tests/node/test_cosigning.py"
WATCHING = "tests/blockpool/test_watching.py"

MUTANTS = (
    Mutant(
        "a checkpoint needs no quorum",
        22,
        (Edit("chain/proofs/checkpoints.py", "if given < validators.quorum:", "if False:"),),
        (f"{CHECKPOINTS}::test_neither_witnesses_nor_plain_signatures_count_for_the_quorum",),
    ),
    Mutant(
        "the signatures of a checkpoint are not verified",
        22,
        (
            Edit(
                "chain/proofs/checkpoints.py",
                "if not verify_signature(key, message, cosignature.signature):",
                "if False:",
            ),
        ),
        (f"{CHECKPOINTS}::test_a_known_key_s_bad_signature_condemns_the_note",),
    ),
    Mutant(
        "cutting history off contradicts nothing",
        22,
        (
            Edit(
                "chain/proofs/checkpoints.py",
                "return earlier.time_s != later.time_s and later.size < earlier.size",
                "return False",
            ),
        ),
        (f"{CHECKPOINTS}::test_which_two_signatures_no_honest_member_gives",),
    ),
    Mutant(
        "a member cosigns whatever its database says today",
        22,
        (
            Edit(
                "node/cosigner.py",
                "if head.size < last.size or root_at(last.size) != last.root:",
                "if False:",
            ),
        ),
        (f"{COSIGNING}::test_s22_a_restart_on_another_history_cosigns_nothing_any_more",),
    ),
    Mutant(
        "what was cosigned is forgotten in a restart",
        22,
        (Edit("node/cosigner.py", "self._slots.write(self._sequence, encode(cosignature))", "pass"),),
        (f"{COSIGNING}::test_a_restart_keeps_the_checkpoint_and_what_was_cosigned",),
    ),
    Mutant(
        "a watcher takes any longer history",
        22,
        (Edit("blockpool/watching.py", "elif not self._is_continued(held.head, newest.head):", "elif False:"),),
        (f"{WATCHING}::test_s22_a_longer_history_that_does_not_continue_the_held_one_is_an_alarm",),
    ),
)
