"""Mutants of what keeps one from slowing, blinding or deposing the others (scenarios 59 on)."""

from tests.mutants.definition import Edit, Mutant

HOSTILE = "tests/node/test_links_hostile.py"

RECEPTION = (
    Mutant(
        "a newcomer displaces whoever came last",
        59,
        (
            Edit(
                "Reception._evict_from",
                "oldest_silent = next((task for task in tasks if self._places[task].is_silent), tasks[0])",
                "oldest_silent = tasks[-1]",
            ),
        ),
        (f"{HOSTILE}::test_s59_the_oldest_silent_connection_makes_room",),
    ),
    Mutant(
        "strangers may take the places of members' addresses",
        59,
        (
            Edit(
                "Reception._make_room_for",
                "limits, reserved = self._setup.limits, self._member_origins()",
                "limits, reserved = self._setup.limits, ()",
            ),
        ),
        (f"{HOSTILE}::test_s59_strangers_at_many_addresses_take_no_place_of_a_members_address",),
    ),
    Mutant(
        "members wait for the handshakes of strangers",
        59,
        (Edit("Reception._keep_pace", "is_member = source in reserved", "is_member = False"),),
        (f"{HOSTILE}::test_s59_members_do_not_wait_for_the_handshakes_of_strangers",),
    ),
    Mutant(
        "whatever the first bytes are, a handshake is begun",
        60,
        (Edit("Reception._meet", "not start or not _TLS_HANDSHAKE.startswith(start)", "False"),),
        (f"{HOSTILE}::test_s60_handshakes_that_fail_leave_nothing_and_are_counted",),
    ),
    Mutant(
        "what belongs to a failed handshake is left to the collector",
        60,
        (Edit("Reception._receive", "link.connection.abandon()", "pass"),),
        (f"{HOSTILE}::test_s60_handshakes_that_fail_leave_nothing_and_are_counted",),
    ),
)

MUTANTS = RECEPTION
