"""Mutants of checkpoints: who cosigns tells one history for good, and who watches notices another (scenario 22)."""

from tests.mutants.definition import Edit, mutant

CHECKPOINTS = "tests/chain/test_checkpoints.py"
COSIGNING = "tests/node/test_cosigning.py"
WATCHING = "tests/blockpool/test_watching.py"

MUTANTS = (
    mutant(
        "s22 a checkpoint needs no quorum",
        (f"{CHECKPOINTS}::test_neither_witnesses_nor_plain_signatures_count_for_the_quorum",),
        Edit("verify_quorum", "given < validators.quorum", "False"),
    ),
    mutant(
        "s22 the signatures of a checkpoint are not verified",
        (f"{CHECKPOINTS}::test_a_known_key_s_bad_signature_condemns_the_note",),
        Edit("verify_cosignature", "not verify_signature(key, message, cosignature.signature)", "False"),
    ),
    mutant(
        "s22 cutting history off contradicts nothing",
        (f"{CHECKPOINTS}::test_which_two_signatures_no_honest_member_gives",),
        Edit("is_contradiction", "return earlier.time_s != later.time_s and later.size < earlier.size", "return False"),
    ),
    mutant(
        "s22 a member cosigns whatever its database says today",
        (f"{COSIGNING}::test_s22_a_restart_on_another_history_cosigns_nothing_any_more",),
        Edit("Cosigner.cosign", "head.size < last.size or root_at(last.size) != last.root", "False"),
    ),
    mutant(
        "s22 what was cosigned is forgotten in a restart",
        (f"{COSIGNING}::test_a_restart_keeps_the_checkpoint_and_what_was_cosigned",),
        Edit("Cosigner.cosign", "self._slots.write(self._sequence, encode(cosignature))", "pass"),
    ),
    mutant(
        "s22 a watcher takes any longer history",
        (f"{WATCHING}::test_s22_a_longer_history_that_does_not_continue_the_held_one_is_an_alarm",),
        Edit("Watch._compare_held", "not self._is_continued(held.head, newest.head)", "False"),
    ),
)
