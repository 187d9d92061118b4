"""Primaries that make progress but do harm are replaced; those that do their best are kept."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from consensus.effects import ViewChangeStarted
from consensus.messages import Commit, Message, PrePrepare, ViewChange
from consensus.watch import PrimaryWatch
from tests.consensus.harness import CONFIG, Table
from tests.consensus.support import block, certificate, make_proposal, transaction_id

TIMEOUT = CONFIG.view_timeout_ticks
GRANTED = CONFIG.crawl_ticks
WINDOW = CONFIG.crawl_heights
UNSUSPECTING_OF_CRAWL = replace(CONFIG, crawl_heights=10_000)
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
    """A network twice as slow as is granted changes its view until one primary of these must have been honest."""
    table = Table(4)
    for _ in range(4):
        commit_slowly(table, 4 * WINDOW, lambda number: 2 * GRANTED)
    (view,) = {replica.view for replica in table.replicas.values()}
    assert view in (2, 3)
    for _ in range(4):
        commit_slowly(table, 4 * WINDOW, lambda number: 2 * GRANTED)
    assert {replica.view for replica in table.replicas.values()} == {view}


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


def test_s25_the_primary_of_one_view_does_not_answer_for_the_waits_of_the_next() -> None:
    """`b` was slow in a view that came to nothing: a quorum of the view of `a` had finalised the block."""
    table = Table(4, replace(CONFIG, crawl_heights=1))
    table.builds = False
    table.is_lost = lambda sender, to, message: isinstance(message, Commit)
    table.work("t")
    table.tick(TIMEOUT)
    table.tick(GRANTED + 1)
    order(table, "t")
    assert [bool(table.sent(name, Commit)) for name in table.names] == [True] * 4
    store_late(table)
    table.work("next")
    table.tick(1)
    assert {replica.view for replica in table.replicas.values()} == {0}


def store_late(table: Table) -> None:
    """A commit quorum of view 0 comes to light, whatever view has been entered at this height since."""
    height = table.replicas["a"].height
    late = block("late", "a", height=height, parent=table.tip("a").block_hash)
    for name in table.names:
        table.store(name, late, certificate(late, 0, "abc", height=height))


def test_s25_relaxing_is_bounded() -> None:
    watch = PrimaryWatch(CONFIG)
    for view in range(100):
        watch.follow(view, 1)
        for _ in range(WINDOW):
            watch.note_proposal(1000)
    assert watch.crawl_ticks == CONFIG.crawl_ticks << CONFIG.relaxations_max
    assert watch.overdue_ticks == CONFIG.overdue_ticks << CONFIG.relaxations_max
    watch.follow(100, 1)
    for _ in range(WINDOW * CONFIG.relaxations_max):
        watch.note_proposal(0)
    assert watch.crawl_ticks == CONFIG.crawl_ticks


def test_s64_primaries_that_were_replaced_without_a_fault_relax_nothing() -> None:
    """The others may have been made to replace them: only what this replica has measured counts."""
    watch = PrimaryWatch(CONFIG)
    for view in range(100):
        watch.follow(view, 1)
    assert watch.crawl_ticks == CONFIG.crawl_ticks
    for _ in range(WINDOW):
        watch.note_proposal(1000)
    watch.follow(100, 1)
    assert watch.crawl_ticks == CONFIG.crawl_ticks, "one that missed it may have been faulty"


def test_s64_nobody_is_blamed_for_what_it_was_not_told_of() -> None:
    table = Table(4)
    table.builds = False
    withheld = transaction_id("withheld")

    def wait(is_owed: bool) -> None:
        for name in table.names:
            table.replicas[name].work_pending(withheld, is_owed)

    for height in range(10 * CONFIG.censorship_heights):
        wait(is_owed=False)
        table.tick(TIMEOUT - 1)
        order(table, f"other {height}")
    wait(is_owed=False)
    table.tick(10 * TIMEOUT)
    assert [reasons(table, name) for name in table.names] == [[]] * 4
    wait(is_owed=True)
    table.tick(TIMEOUT)
    assert reasons(table, "b") == ["timeout"], "the clock starts when it is told"


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
    """The oldest transaction is another one all the time, and still most of the member's transactions are skipped."""
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
    watch.follow(0, 1)
    for _ in range(CONFIG.censorship_ticks):
        watch.note_block({"c"})
        watch.note_tick()
    assert watch.complaint == "neglect"
    watch.follow(1, 1)
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


def test_s26_complaints_of_different_heights_meet() -> None:
    """Each finds the censor a few blocks after the other, and no two of them tick within one height. The censor helps
    no view change, so it takes all of them.
    """
    table = Table(4)
    table.builds = False
    table.is_lost = lambda sender, to, message: to == "a" and isinstance(message, ViewChange)
    known_from_round = {"a": 0, "b": 0, "c": 3, "d": 6}
    rounds = 0
    while table.replicas["b"].view == 0 or table.replicas["b"].is_changing_view:
        for name, first in known_from_round.items():
            if rounds == first:
                table.work("censored", name)
        for name in table.names:
            table.tick(1, name)
            order(table, f"other {rounds} {name}")
        rounds += 1
        assert rounds <= 2 * CONFIG.censorship_ticks
    assert {table.replicas[name].primary for name in "bcd"} == {"b"}
    assert set(reasons(table, "b") + reasons(table, "c")) == {"censorship"}
    assert table.heights()["b"] > len(reasons(table, "b")) > 1  # blocks went on until the second had found it too


def test_s26_a_complaint_outlasts_a_view_that_came_to_nothing() -> None:
    """The censor keeps its commit back until the next view is entered, and ends the height in its own after all."""
    table = Table(4)
    table.builds = False
    table.work("censored")
    for number in range(CONFIG.censorship_ticks):
        if table.replicas["b"].view:
            break
        order(table, f"other {number}")
        table.tick(1)
    height = table.replicas["b"].height
    assert {(replica.view, replica.is_changing_view) for replica in table.replicas.values()} == {(1, False)}
    store_late(table)
    assert {replica.view for replica in table.replicas.values()} == {0}
    table.tick(1)
    assert {(replica.height, replica.view) for replica in table.replicas.values()} == {(height + 1, 1)}


def accuse_alone(table: Table, rounds: int) -> list[tuple[bool, bool]]:
    """Only `d` knows of a transaction, so that nobody orders it while the others go on, a block every other tick.
    Returns after each whether `d` has given the primary up for the next one already, and whether all have the block.
    """
    table.work("lonely", "d")
    found = []
    for _ in range(rounds):
        height = table.replicas["d"].height
        table.work(f"t{height}", "abc")
        table.run()
        found.append((table.replicas["d"].is_changing_view, set(table.heights().values()) == {height}))
        table.tick(2)
    return found


def test_s26_a_lone_accuser_replaces_nobody_and_votes_again_after_its_time() -> None:
    table = Table(4)
    rounds = CONFIG.censorship_ticks // 2 + CONFIG.complaint_ticks // 2
    found = accuse_alone(table, rounds + 2)
    assert all(is_committed for _, is_committed in found)
    assert {replica.view for replica in table.replicas.values()} == {0}
    sits_out = [has_given_up for has_given_up, _ in found]
    first = sits_out.index(True)
    assert 2 * first >= CONFIG.censorship_ticks
    assert sits_out[first : first + CONFIG.complaint_ticks // 2] == [True] * (CONFIG.complaint_ticks // 2)
    assert not sits_out[-1]


def test_s26_whoever_was_alone_asks_for_twice_as_much_next_time() -> None:
    table = Table(4, UNSUSPECTING_OF_CRAWL)
    found = accuse_alone(table, 4 * CONFIG.censorship_ticks)
    starts = [number for number in range(1, len(found)) if found[number][0] and not found[number - 1][0]]
    ends = [number for number in range(1, len(found)) if not found[number][0] and found[number - 1][0]]
    assert starts[0] < ends[0] < starts[1]
    assert starts[1] - ends[0] >= 2 * starts[0] - 1


def test_s26_a_complaint_ends_with_its_cause() -> None:
    table = Table(4)
    found = accuse_alone(table, CONFIG.censorship_ticks)
    assert found[-1] == (True, True)
    table.work("lonely", "abc")
    table.run()
    table.work("next")
    assert not table.replicas["d"].is_changing_view
    table.run()
    assert {len(chain) for chain in table.chains.values()} == {len(found) + 2}
    assert reasons(table, "d")[-1] == "censorship"
    assert table.replicas["d"].view == 0


def test_s26_no_height_of_the_past_is_complained_about() -> None:
    """Blocks that are fetched come by hundreds: a vote for each, made durable, would hold catch-up back."""
    table = Table(4)
    accuse_alone(table, CONFIG.censorship_ticks)
    given_up = len(reasons(table, "d"))
    assert given_up > 1
    for _ in range(5):
        height = len(table.chains["d"]) + 1
        fetched = block(f"fetched {height}", height=height, parent=table.tip("d").block_hash)
        table.store("d", fetched, certificate(fetched, 0, "abc", height=height))
        table.carry_out("d")
    assert len(reasons(table, "d")) == given_up
    table.tick(1, "d")
    assert len(reasons(table, "d")) == given_up + 1


def test_s26_debts_are_not_paid_by_absence() -> None:
    """`d` comes late to every other block: what it cannot judge counts neither against the primary nor for it."""
    table = Table(4)
    table.builds = False
    table.neglected["d"] = frozenset({"c"})
    for number in range(CONFIG.censorship_ticks):
        table.is_lost = lambda sender, to, message: to == "d" and isinstance(message, PrePrepare)
        late(table, f"late {number}")
        table.is_lost = nothing_is_lost
        table.work(f"t{number}")
        table.tick(2)
        if table.sent("d", ViewChange):
            break
        order(table, f"t{number}")
    assert reasons(table, "d") == ["neglect"]


def nothing_is_lost(sender: str, to: str, message: Message) -> bool:
    return False


def late(table: Table, label: str) -> None:
    """A block whose proposal is lost on the way to `d`, which fetches it when it is final."""
    table.work(label)
    order(table, label)
    table.pending["d"] = None
    table.store("d", *table.chains["a"][-1])
    table.carry_out("d")


def test_s26_with_one_crashed_and_one_false_accuser_blocks_go_on() -> None:
    """The accuser is missing to the quorum of the old view, so the others time out and follow it."""
    table = Table(4)
    accuse_alone(table, CONFIG.censorship_ticks)
    assert table.replicas["d"].is_changing_view
    del table.replicas["c"]
    table.work("after", "ab")
    table.tick(TIMEOUT)
    height = table.replicas["a"].height
    for number in range(10):
        table.work(f"after {number}", "ab")
        table.run()
    assert {replica.height for replica in table.replicas.values()} == {height + 10}
    assert {replica.primary for replica in table.replicas.values()} == {"b"}


def neglect(table: Table, neglected: Callable[[int], set[str]], heights: int, ticks: int = 2) -> int:
    """Blocks that skip members' transactions until some replica gives the primary up; returns how many."""

    def wait_ticks(height: int) -> int:
        table.neglected = dict.fromkeys(table.names, frozenset(neglected(height)))
        return ticks

    return commit_slowly(table, heights, wait_ticks)
