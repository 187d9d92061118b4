"""Mutants of what keeps readers from slowing the others (scenarios 80 on)."""

from tests.mutants.definition import Edit, mutant

PAGES = "tests/node/test_api_pages.py"
TURNS = "tests/node/test_turns.py"
ADMISSION = "tests/node/test_admission.py"
EVENTS = "tests/node/test_events.py"

MUTANTS = (
    mutant(
        "s80 a page takes as long as it likes",
        (f"{PAGES}::test_s80_a_page_is_bounded_in_bytes_and_in_time",),
        Edit("make_page", "size_bytes >= PAGE_BYTES or len(found) == limit or is_late", "len(found) == limit"),
    ),
    mutant(
        "s80 the newest first is the oldest first",
        (f"{PAGES}::test_s80_every_list_gives_everything_once_in_either_order",),
        Edit("BlockStore._locations", "reverse=is_newest_first", "reverse=False"),
    ),
    mutant(
        "s81 reads cost nothing while the node orders",
        (f"{TURNS}::test_s81_what_a_read_has_had_is_waited_out_while_the_node_orders",),
        Edit("Turns.charge", "if self._is_ordering():", "if False:"),
    ),
    mutant(
        "s81 who asks most is answered most",
        (f"{TURNS}::test_s81_who_has_had_least_goes_first",),
        Edit(
            "Turns._go_on",
            "min(self._waiting, key=lambda name: max(self._had.get(name, 0.0), self._virtual_s))",
            "next(iter(self._waiting))",
        ),
    ),
    mutant(
        "s82 older events are made for each follower",
        (f"{EVENTS}::test_s82_an_event_is_made_once_however_many_follow",),
        Edit("Events._since", "making = self._chunks.get(number)", "making = None"),
    ),
    mutant(
        "s82 followers are as many as come",
        (f"{EVENTS}::test_s82_who_follows_longest_makes_room_for_others",),
        Edit("Events._enter", "self._evict_from(source)", "pass"),
    ),
    mutant(
        "s84 an engine that is being compiled is waited for",
        ("tests/integration/test_stopping.py::test_s84_a_first_start_that_compiles_the_engine_is_stopped",),
        Edit("ContractEngine.close", "self._child.kill()", "pass"),
    ),
    mutant(
        "s85 what is not listed is public",
        (f"{ADMISSION}::test_s85_strangers_get_no_answer_that_may_name_persons",),
        Edit("is_public", 'return path.startswith("/v1/parcels/") and path.endswith("/derived")', "return True"),
    ),
    mutant(
        "s85 a signature is good for any target",
        (f"{ADMISSION}::test_s85_a_member_signs_what_it_reads",),
        Edit(
            "signed_read._message",
            "encode(signed)",
            "encode((signed.member, signed.key_id, signed.time_ms, signed.method))",
        ),
    ),
    mutant(
        "s85 a signature is good for ever",
        (f"{ADMISSION}::test_s85_a_member_signs_what_it_reads",),
        Edit("verify_read", "abs(late_ms) > WINDOW_MS", "False"),
    ),
    mutant(
        "s85 a token that was taken away is still good",
        (f"{ADMISSION}::test_s85_the_departments_token_reads_and_one_taken_away_does_not",),
        Edit("TokenFile.has", "if version != self._version:", "if False:"),
    ),
    mutant(
        "s86 whoever calls is answered",
        (f"{ADMISSION}::test_s86_addresses_that_are_not_allowed_are_answered_nothing",),
        Edit("Addresses.__call__", "self._networks and not self._is_allowed(scope)", "False"),
    ),
)
