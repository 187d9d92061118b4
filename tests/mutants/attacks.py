"""Mutants of what keeps one from slowing, blinding or deposing the others (scenarios 59 on)."""

from tests.mutants.definition import Edit, mutant

HOSTILE = "tests/node/test_links_hostile.py"
INTAKE = "tests/node/test_intake.py"
SERVING = "tests/node/test_serving.py"
DRIVER = "tests/node/test_driver.py"

RECEPTION = (
    mutant(
        "s59 a newcomer displaces whoever came last",
        (f"{HOSTILE}::test_s59_the_oldest_silent_connection_makes_room",),
        Edit(
            "Reception._evict_from",
            "oldest_silent = next((task for task in tasks if self._places[task].is_silent), tasks[0])",
            "oldest_silent = tasks[-1]",
        ),
    ),
    mutant(
        "s59 strangers may take the places of members' addresses",
        (f"{HOSTILE}::test_s59_strangers_at_many_addresses_take_no_place_of_a_members_address",),
        Edit(
            "Reception._make_room_for",
            "limits, reserved = self._setup.limits, self._member_origins()",
            "limits, reserved = self._setup.limits, ()",
        ),
    ),
    mutant(
        "s59 members wait for the handshakes of strangers",
        (f"{HOSTILE}::test_s59_members_do_not_wait_for_the_handshakes_of_strangers",),
        Edit("Reception._keep_pace", "is_member = source in reserved", "is_member = False"),
    ),
    mutant(
        "s60 whatever the first bytes are, a handshake is begun",
        (f"{HOSTILE}::test_s60_handshakes_that_fail_leave_nothing_and_are_counted",),
        Edit("Reception._meet", "not start or not _TLS_HANDSHAKE.startswith(start)", "False"),
    ),
    mutant(
        "s60 what belongs to a failed handshake is left to the collector",
        (f"{HOSTILE}::test_s60_handshakes_that_fail_leave_nothing_and_are_counted",),
        Edit("Reception._receive", "link.connection.abandon()", "pass"),
    ),
)

BUDGETS = (
    mutant(
        "s61 a provable fault costs nothing",
        (f"{HOSTILE}::test_s61_a_provable_fault_costs_the_links_for_a_while_that_doubles",),
        Edit("PeerState.count_fault", "error.code in PROVABLE", "False"),
    ),
    mutant(
        "s61 forged votes cost nothing",
        (f"{DRIVER}::test_s61_a_forged_vote_costs_the_links",),
        Edit("ConsensusEvents.report", "if is_forged:", "if False:"),
    ),
    mutant(
        "s61 who has spent its allowance is read on",
        (f"{HOSTILE}::test_s61_who_costs_more_than_its_allowance_is_not_read_until_it_is_paid",),
        Edit("Connection.rest", "wait_s and not self.is_closed and _RESTING not in self._holds", "False"),
    ),
    mutant(
        "s61 frames of one read do not wait for the allowance",
        (f"{HOSTILE}::test_s61_who_costs_more_than_its_allowance_is_not_read_until_it_is_paid",),
        Edit(
            "Connection._take",
            "self._loop.call_later(self._wait_s, self._take_rest)",
            "self._loop.call_soon(self._take_rest)",
        ),
    ),
    mutant(
        "s61 frames of one read are handled at once",
        (f"{HOSTILE}::test_s61_frames_of_one_read_are_handled_in_turns_of_the_loop",),
        Edit("Connection._take", "time.perf_counter() - began_s > self._limits.turn_s", "False"),
    ),
    mutant(
        "s61 answers that nobody takes are kept",
        (f"{HOSTILE}::test_s61_answers_that_nobody_takes_end_the_link",),
        Edit("Connection._check_silence", "self._taken_bytes < self._backlog[0]", "False"),
    ),
    mutant(
        "s61 work that comes to nothing is free",
        (f"{INTAKE}::test_s61_work_that_comes_to_nothing_is_paid_for",),
        Edit("Intake._take_turn", "self._links.spend(source, step_s(began_s))", "pass"),
    ),
    mutant(
        "s61 who has spent its share keeps the others waiting",
        (f"{INTAKE}::test_s61_who_has_spent_its_share_keeps_nobody_waiting",),
        Edit("Intake._schedule", "self._queues and not self._is_due", "self._queues and not self._later"),
    ),
    mutant(
        "s61 what comes to nothing is waited for before a block is made",
        (f"{INTAKE}::test_s61_who_has_spent_its_share_keeps_nobody_waiting",),
        Edit("Intake.is_behind", "not self._wasteful.issuperset(self._queues)", "bool(self._queues)"),
    ),
    mutant(
        "s61 work on a request is free",
        ("tests/node/test_requests.py::test_s61_the_steps_of_an_answer_are_paid_for_and_its_waits_are_not",),
        Edit("_metered", "spend(step_s(began_s))", "pass"),
    ),
    mutant(
        "s62 a proposal does not find what has come with it",
        (f"{INTAKE}::test_a_proposal_finds_what_has_come_with_it",),
        Edit("Intake.hurry", "self._decode_for_a_moment()", "pass"),
    ),
    mutant(
        "s61 what is served is free",
        (f"{SERVING}::test_s61_who_was_served_at_length_waits_until_that_is_paid",),
        Edit("Serving._serve", "allowance.spend(spent_s + len(answer) * _BYTE_S)", "pass"),
    ),
    mutant(
        "s61 a request may name a transaction as often as it likes",
        (f"{SERVING}::test_s61_a_request_names_each_transaction_once",),
        Edit("decode_ids", "len(set(ids)) < len(ids)", "False"),
    ),
    mutant(
        "s62 what arrives is verified without a break",
        (f"{INTAKE}::test_s62_many_signatures_of_one_id_wait_their_turn",),
        Edit("Intake._work", "time.perf_counter() < end_s", "True"),
    ),
    mutant(
        "s63 whatever stands in an answer is verified",
        (f"{DRIVER}::test_s63_an_answer_with_what_nobody_asked_for_is_thrown_away",),
        Edit("Dissemination._take", "checked.id not in missing", "False"),
        Edit("Dissemination._take", "missing.remove(checked.id)", "pass"),
    ),
)

PEERS = (
    mutant(
        "s35 who is frozen is waited for",
        (
            "tests/node/test_catch_up.py::"
            "test_s35_s43_a_peer_that_is_frozen_is_not_waited_for_while_another_has_the_blocks",
        ),
        Edit("CatchUp._reply", "self._has_other(peer)", "False"),
    ),
    mutant(
        "s102 a pong counts whatever ping it answers",
        (f"{HOSTILE}::test_s102_a_pong_to_no_ping_says_nothing",),
        Edit("Pings.answered", "number != self._number or self._sent_s is None", "self._sent_s is None"),
    ),
    mutant(
        "s102 a pong may say any time",
        (f"{HOSTILE}::test_s102_a_pong_that_is_none_ends_the_link",),
        Edit("Pings.answered", "clock_ms > _CLOCK_MAX_MS", "False"),
    ),
)

BLAME = (
    mutant(
        "s64 the primary is not told what waits",
        ("tests/node/test_suspicion.py::test_s64_what_an_observer_keeps_from_the_primary_deposes_nobody",),
        Edit("Overdue.tell", "self._links.send(primary, FrameKind.OVERDUE, encode(tuple(due)))", "pass"),
    ),
    mutant(
        "s64 whatever waits is held against the primary",
        ("tests/consensus/test_consensus_suspicion.py::test_s64_nobody_is_blamed_for_what_it_was_not_told_of",),
        Edit("PrimaryWatch.note_oldest", "is_owed and transaction_id is not None", "transaction_id is not None"),
    ),
    mutant(
        "s64 every new primary relaxes the bounds",
        (
            "tests/consensus/test_consensus_suspicion.py"
            "::test_s64_primaries_that_were_replaced_without_a_fault_relax_nothing",
        ),
        Edit("PrimaryWatch.follow", "view > self._view and self.complaint is not None", "view > self._view"),
    ),
)

LOG = (
    mutant(
        "s65 what an exception quotes is logged as it is",
        ("tests/node/test_log.py::test_s65_what_an_exception_quotes_acts_as_little",),
        Edit("_printable_lines", "printable(line)", "line"),
    ),
)

MUTANTS = RECEPTION + BUDGETS + PEERS + BLAME + LOG
