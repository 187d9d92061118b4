"""Primaries that make progress but do harm are replaced; those that do their best are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from consensus.effects import ViewChangeStarted
from consensus.messages import ViewChange
from consensus.watch import PrimaryWatch
from tests.consensus.harness import CONFIG, Table
from tests.consensus.support import block, certificate, make_proposal, transaction_id

TIMEOUT = CONFIG.view_timeout_ticks
GRANTED = CONFIG.crawl_ticks
WINDOW = CONFIG.crawl_heights
UNSUSPECTING = replace(CONFIG, censorship_heights=10_000, neglect_heights=10_000)


def reasons(table: Table, name: str) -> list[str]:
    return [effect.reason for effect in table.of(name, ViewChangeStarted) if isinstance(effect, ViewChangeStarted)]


def order(table: Table, label: str) -> None:
    """Whoever is primary proposes a block of this transaction."""
    primary = table.replicas["a"].primary
    replica = table.replicas[primary]
    ids = (transaction_id(label),)
    replica.propose(replica.height, replica.view, make_proposal(replica.height, replica.tip.block_hash, primary, ids))
    table.carry_out(primary)
    table.run()


def commit_slowly(table: Table, heights: int, wait_ticks: Callable[[int], int], names: str = "") -> int:
    """Blocks whose proposals take so many ticks to come, until somebody gives the primary up; returns how many."""
    table.builds = False
    given_up = sum(len(reasons(table, name)) for name in table.names)
    for number in range(heights):
        table.work(f"t{number}")
        table.tick(wait_ticks(number), names or None)
        if sum(len(reasons(table, name)) for name in table.names) > given_up:
            order(table, f"t{number}")
            return number
        order(table, f"t{number}")
    table.work("last")
    table.tick(1, names or None)
    order(table, "last")
    return heights


def test_s25_a_primary_just_under_the_timeout_is_replaced() -> None:
    table = Table(4)
    commit_slowly(table, WINDOW, lambda number: TIMEOUT - 1)
    assert reasons(table, "b") == ["crawl"]
    assert {replica.primary for replica in table.replicas.values()} == {"b"}


def test_s25_a_primary_that_takes_what_it_is_granted_is_kept() -> None:
    table = Table(4)
    commit_slowly(table, 4 * WINDOW, lambda number: GRANTED)
    assert [reasons(table, name) for name in table.names] == [[]] * 4


def test_s25_prompt_blocks_make_up_only_for_as_much_as_they_saved() -> None:
    table = Table(4, UNSUSPECTING)
    commit_slowly(table, 4 * WINDOW, lambda number: GRANTED * WINDOW if number % WINDOW == 0 else 0)
    assert reasons(table, "b") == []
    commit_slowly(table, 3 * WINDOW, lambda number: GRANTED + 1 if number % WINDOW == 0 else GRANTED)
    assert reasons(table, "b") == ["crawl"]


def test_s25_time_that_executing_takes_is_not_held_against_the_primary() -> None:
    """The primary executed the block before us: what calls contracts takes as long as it takes."""
    table = Table(4)
    table.execution_ticks = TIMEOUT - 1 - GRANTED
    commit_slowly(table, 4 * WINDOW, lambda number: GRANTED + table.execution_ticks)
    assert reasons(table, "b") == []
    table.execution_ticks = 0
    commit_slowly(table, 2 * WINDOW, lambda number: GRANTED + 1)
    assert reasons(table, "b") == ["crawl"]


def test_s25_a_lone_slow_observer_replaces_nobody() -> None:
    """`d` alone sees ticks go by: it votes for another view and follows the others in the old one."""
    table = Table(4)
    commit_slowly(table, WINDOW, lambda number: TIMEOUT - 1, names="d")
    assert reasons(table, "d") == ["crawl"]
    assert {replica.view for replica in table.replicas.values()} == {0}
    assert set(table.heights().values()) == {WINDOW + 1}


def test_s25_where_nobody_can_do_better_the_requirement_relaxes() -> None:
    """A network twice as slow as is granted changes its view once, and then no more."""
    table = Table(4)
    for _ in range(5):
        commit_slowly(table, 4 * WINDOW, lambda number: 2 * GRANTED)
    assert {replica.view for replica in table.replicas.values()} == {1}


def test_s25_where_somebody_does_better_the_next_one_has_to_as_well() -> None:
    table = Table(4)
    commit_slowly(table, WINDOW, lambda number: 2 * GRANTED)
    commit_slowly(table, 2 * WINDOW, lambda number: 0)
    commit_slowly(table, 2 * WINDOW, lambda number: 2 * GRANTED)
    assert {replica.view for replica in table.replicas.values()} == {2}


def test_s25_nothing_is_held_against_a_primary_while_no_work_waits() -> None:
    table = Table(4)
    for number in range(10 * WINDOW):
        table.tick(3 * TIMEOUT)
        table.work(f"t{number}")
        table.run()
    assert [reasons(table, name) for name in table.names] == [[]] * 4


def test_s25_relaxing_is_bounded() -> None:
    watch = PrimaryWatch(CONFIG)
    for _ in range(100):
        watch.relax()
    assert watch.crawl_ticks == CONFIG.crawl_ticks << CONFIG.relaxations_max
    assert watch.overdue_ticks == CONFIG.overdue_ticks << CONFIG.relaxations_max
    for _ in range(WINDOW * CONFIG.relaxations_max):
        watch.note_proposal(0)
    assert watch.crawl_ticks == CONFIG.crawl_ticks


def test_s26_a_primary_that_leaves_a_transaction_out_is_replaced() -> None:
    table = Table(4)
    table.builds = False
    censored = transaction_id("censored")
    for height in range(10 * CONFIG.censorship_heights):
        for name in table.names:
            table.pending[name] = censored
            table.replicas[name].work_pending(censored)
        if table.replicas["b"].is_changing_view or table.replicas["b"].view:
            break
        order(table, f"other {height}")
        table.tick(GRANTED - 1)
    assert reasons(table, "b") == ["censorship"]
    assert table.replicas["c"].primary == "b"


def test_s26_other_members_blocks_do_not_excuse_a_censor_but_a_served_transaction_does() -> None:
    table = Table(4)
    for height in range(3 * CONFIG.censorship_heights):
        table.work(f"t{height}")
        table.run()
        table.tick(20)
    assert reasons(table, "b") == []


def test_s26_a_primary_that_starves_a_member_is_replaced() -> None:
    """The oldest transaction is another one all the time, and still most of the member's work is left lying."""
    table = Table(4)
    heights = neglect(table, lambda height: {"c"}, 10 * CONFIG.neglect_heights)
    assert reasons(table, "b") == ["neglect"]
    assert {replica.primary for replica in table.replicas.values()} == {"b"}
    assert 2 * heights <= CONFIG.censorship_ticks + 2 * CONFIG.neglect_heights


@pytest.mark.parametrize(
    "neglected",
    [
        lambda height: {"c"} if height % 2 else {"d"},
        lambda height: {"c"} if height % 2 else set(),
        lambda height: {"c", "d"} if height < CONFIG.neglect_heights else set(),
    ],
    ids=["in turns", "every other block", "for a moment"],
)
def test_s26_a_member_that_is_served_in_turn_does_not_count_as_starved(neglected: Callable[[int], set[str]]) -> None:
    table = Table(4)
    neglect(table, neglected, 10 * CONFIG.neglect_heights)
    assert [reasons(table, name) for name in table.names] == [[]] * 4


def test_s26_many_quick_blocks_prove_nothing_yet() -> None:
    """What is lost on a broken link comes again within seconds; until then a primary is not to be blamed."""
    table = Table(4)
    neglect(table, lambda height: {"c"}, 10 * CONFIG.neglect_heights, ticks=0)
    table.tick(1)
    assert reasons(table, "b") == []


def test_s26_the_next_primary_begins_without_debts() -> None:
    watch = PrimaryWatch(CONFIG)
    for _ in range(CONFIG.censorship_ticks):
        watch.note_block({"c"})
        watch.note_tick()
    assert watch.complaint == "neglect"
    watch.restart()
    for _ in range(CONFIG.censorship_ticks):
        watch.note_tick()
    watch.note_block({"c"})
    assert watch.complaint is None


def test_s26_a_primary_does_not_answer_for_the_one_before_of_whom_we_hear_by_a_certificate() -> None:
    """`d` missed the view change, and learns of it from a block of the later view."""
    table = Table(4)
    table.neglected["d"] = frozenset({"c"})
    heights = CONFIG.censorship_ticks // 2 - 1
    assert commit_slowly(table, heights, lambda number: 2) == heights
    height = len(table.chains["d"]) + 1
    proposal = block("later", "b", height=height, parent=table.tip("d").block_hash)
    table.store("d", proposal, certificate(proposal, 1, "abc", height=height))
    assert table.replicas["d"].view == 1
    table.work("t", "d")
    table.tick(TIMEOUT - 1, "d")
    assert reasons(table, "d") == []


def test_s26_a_node_that_comes_late_to_its_blocks_accuses_nobody() -> None:
    """What waits here may stand in a block that we have not seen yet: only blocks that we voted for count."""
    table = Table(4)
    table.neglected["d"] = frozenset({"c"})
    for height in range(10 * CONFIG.neglect_heights):
        proposal = block(f"t{height}", height=height + 1, parent=table.tip("d").block_hash)
        table.store("d", proposal, certificate(proposal, 0, "abc", height=height + 1))
        table.tick(5, "d")
    table.work("t", "d")
    table.tick(1, "d")
    assert table.sent("d", ViewChange) == []


def neglect(table: Table, neglected: Callable[[int], set[str]], heights: int, ticks: int = 2) -> int:
    """Blocks that leave members' work lying until somebody gives the primary up; returns how many."""

    def wait_ticks(height: int) -> int:
        table.neglected = dict.fromkeys(table.names, frozenset(neglected(height)))
        return ticks

    return commit_slowly(table, heights, wait_ticks)
