"""Mutants of members' keys: retired, taken over, used up (140 to 144)."""

from tests.mutants.definition import Edit, mutant

KEYS = "tests/chain/test_member_keys.py"

MUTANTS = (
    mutant(
        "s140 a retired key goes on signing",
        (f"{KEYS}::test_s140_a_stolen_system_key_signs_up_to_the_block_that_retires_it_and_never_after",),
        Edit("MemberKey.is_valid_at", "height <= self.until_height", "True"),
    ),
    mutant(
        "s141 the governance key names its successor",
        (f"{KEYS}::test_s141_a_stolen_governance_key_does_not_take_the_member_from_its_successor",),
        Edit("member._execute", "takes_over != (header.successor is not None)", "False"),
    ),
    mutant(
        "s141 the successor can be retired",
        (f"{KEYS}::test_s141_a_stolen_governance_key_does_not_take_the_member_from_its_successor",),
        Edit("member._execute", "retired in (governance.key_id, governance.successor_id)", "False"),
    ),
    mutant(
        "s143 a retired key is registered again",
        (f"{KEYS}::test_s143_a_key_that_was_ever_registered_does_not_come_back",),
        Edit("member._execute", "key_id(new.public_key) in keys", "False"),
    ),
    mutant(
        "s144 all places for keys are the governance key's",
        (f"{KEYS}::test_s144_a_thief_cannot_use_up_the_places_that_the_successor_needs",),
        Edit("member._execute", "context.limits.member_keys_in_service", "context.limits.member_keys"),
    ),
)
