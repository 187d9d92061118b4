"""Mutants of cold blocks: what moves into frames is always somewhere, and what is erased leaves them."""

from tests.mutants.definition import Edit, mutant

CHAIN = "tests/chain/test_frames.py"
STEPS = "tests/storage_faults/test_cold_steps.py"

MUTANTS = (
    mutant(
        "s67 what is deleted stays in its frame",
        (f"{CHAIN}::test_s67_it_answers_as_a_database_without_frames",),
        Edit("FramedDatabase.write", ".pop(key[1:], None)", ".get(key[1:])"),
    ),
    mutant(
        "s67 the frames that held what is erased are not purged",
        (f"{CHAIN}::test_s57_s67_the_frames_that_held_it_are_purged_and_the_one_that_is_left_is_not",),
        Edit("FramedDatabase.purge", "if self._may_be_framed(key) and", "if False and"),
    ),
    mutant(
        "s67 readers look into frames too late",
        (f"{CHAIN}::test_s67_who_reads_as_a_batch_is_written_misses_nothing",),
        Edit(
            "FramedDatabase.freeze",
            "self._frozen = frozen\n            self._database.write([*batch, (_FROZEN, frozen)], sync=False)",
            "self._database.write([*batch, (_FROZEN, frozen)], sync=False)\nself._frozen = frozen",
        ),
    ),
    mutant(
        "s67 who scans asks too early whether there are frames",
        (f"{CHAIN}::test_s67_who_begins_to_scan_as_blocks_move_misses_nothing",),
        Edit("FramedDatabase.scan", "chain(list(islice(rest, 1)), rest)", "rest"),
    ),
    mutant(
        "s67 entries are deleted before they are in a frame",
        (f"{STEPS}::test_s67_every_step_may_fail_and_nothing_is_lost",),
        Edit(
            "FramedDatabase.freeze",
            "batch += [(kind + rest, None) for rest, _ in entries]",
            "self._database.write([(kind + rest, None) for rest, _ in entries], sync=False)",
        ),
    ),
    mutant(
        "s67 a frame that was cut off is read as far as it goes",
        (f"{CHAIN}::test_s67_a_damaged_frame_is_found",),
        Edit("_opened", "not inflating.eof or inflating.unused_data", "False"),
    ),
)
