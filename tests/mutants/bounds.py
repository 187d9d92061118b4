"""Mutants of what keeps one member's contracts, answers and records from everybody else (scenarios 90 to 97, 103)."""

from tests.mutants.definition import Edit, mutant

BUDGET = "tests/attacks/test_budget.py::test_s54_s90_no_call_is_too_cheap_to_fill_a_block"
TURNS = "tests/node/test_call_turns.py"
CALLS = "tests/contracts/test_calls.py"
ANSWERS = "tests/chain/test_access_answers.py"
DEPTH = "tests/node/test_api.py::test_s94_the_deepest_record_that_is_taken_is_shown_everywhere"

SCHEMAS = "tests/chain/test_schema_budget.py"

MUTANTS = (
    mutant(
        "s103 a schema may have any number of subschemas",
        (f"{SCHEMAS}::test_s103_a_schema_has_so_many_subschemas",),
        Edit("_subschema", "budget.subschemas < 0", "False"),
    ),
    mutant(
        "s103 schemas are compiled on arrival without a bound",
        ("tests/node/test_pool.py::test_s103_each_member_has_a_share_of_the_time_for_schemas",),
        Edit("Pool._may_check", "share.spend(step_s(began_s))", "pass"),
    ),
    mutant(
        "s103 execution compiles what it need not",
        (f"{SCHEMAS}::test_s103_what_was_checked_on_arrival_is_executed_without_compiling",),
        Edit("record_rules", "(facts := _facts.get(sha256(text.encode()))) is not None", "False"),
    ),
    mutant(
        "s103 a proposed block may need any number of schemas",
        (f"{SCHEMAS}::test_s103_a_block_that_is_proposed_with_more_is_refused",),
        Edit("Execution.run", "not self._has_schema(checked)", "False"),
    ),
    mutant(
        "s103 what follows a parcel that was left out goes ahead of it",
        (f"{SCHEMAS}::test_s103_a_block_that_is_made_has_room_for_so_many_schemas_and_keeps_each_members_order",),
        Edit("Execution.select", "waiting.add(checked.header.member)", "pass"),
    ),
    mutant(
        "s103 a primary is blamed for parcels whose schema has no room",
        (
            "tests/node/test_neglect.py::test_s26_s103_a_block_without_room_for_a_members_schema_need_not_hold_its_parcels",
        ),
        Edit("neglected_members", "and has_schema_room(oldest)", ""),
    ),
    mutant(
        "s54 several members may fill the mempool",
        ("tests/node/test_mempool.py::test_s54_members_that_flood_together_leave_room_for_one_who_comes_later",),
        Edit(
            "Mempool.verify_room",
            "free // (self._limits.mempool_member_share - 1)",
            "capacity // self._limits.mempool_member_share",
        ),
    ),
    mutant(
        "s90 a fresh guest is free",
        (BUDGET,),
        Edit("Guests._make", "self._engine.instantiate(), LIMITS.contract_guest_fuel", "self._engine.instantiate(), 0"),
    ),
    mutant(
        "s90 a call is free",
        (BUDGET,),
        Edit("call_fuel", "LIMITS.contract_call_fuel + size_bytes * LIMITS.contract_input_byte_fuel", "0"),
    ),
    mutant(
        "s90 answers are read for nothing",
        ("tests/contracts/test_sandbox.py::test_s90_what_is_answered_is_paid_for",),
        Edit(
            "reading_fuel",
            "min(len(answer), LIMITS.contract_answer_length) * LIMITS.contract_answer_character_fuel",
            "0",
        ),
    ),
    mutant(
        "s90 calls follow each other while others wait",
        (f"{TURNS}::test_s90_after_calls_the_others_have_three_times_as_long",),
        Edit("CallTurns.has_come", "self._now_s() >= min(self._calls_from_s, self._others_s + _IDLE_S)", "True"),
    ),
    mutant(
        "s91 any call in a block excuses its primary",
        (f"{TURNS}::test_s26_s91_a_primary_with_a_call_of_its_own_is_not_excused_from_those_of_others",),
        Edit("CallTurns.may_wait", "and self._skipped[member] <= rounds", ""),
    ),
    mutant(
        "s91 a primary may let calls rest for ever",
        (f"{TURNS}::test_s26_s91_a_primary_that_orders_no_calls_has_no_excuse_for_long",),
        Edit("CallTurns.may_wait", "self._now_s() - self._called_s <= _EXCUSED_S", "True"),
    ),
    mutant(
        "s92 a contract is told of all grants or is not asked",
        (f"{CALLS}::test_s92_of_earlier_grants_as_many_are_told_as_there_is_room_for",),
        Edit("encode_parts", "while grants and excess > 0:", "while False:"),
    ),
    mutant(
        "s93 a member's older answers stay",
        (f"{ANSWERS}::test_s93_a_newer_answer_takes_the_place_of_the_older_one",),
        Edit("approval._execute", "if given.member != header.member", ""),
    ),
    mutant(
        "s94 without a schema records may be nested at will",
        (DEPTH,),
        Edit("NoSchema.check", "if is_nested_too_deep(record):", "if False:"),
    ),
    mutant(
        "s95 a chain from the future is ready",
        (
            "tests/node/test_service.py"
            "::test_s95_a_node_whose_chain_is_ahead_of_its_clock_is_not_ready_and_says_by_how_much",
        ),
        Edit("Readiness.unready_reason", "(ahead_ms := self.chain_ahead_ms) > LIMITS.clock_drift_ms", "False"),
    ),
    mutant(
        "s96 what a transaction names costs its bytes alone",
        ("tests/node/test_mempool.py::test_s96_what_names_many_parcels_takes_much_of_a_block",),
        Edit("CheckedTransaction.block_size_bytes", " + named * LIMITS.named_parcel_size_bytes", ""),
    ),
    mutant(
        "s97 however a machine commits memory, contracts run",
        ("tests/contracts/test_engine.py::test_s97_a_machine_that_commits_no_memory_beforehand_runs_no_contracts",),
        Edit("_verify_overcommit", 'mode == "2"', "False"),
    ),
)
