"""Liveness, one rule a test, named by its number in the list of what the pool must survive."""

from dataclasses import replace

import pytest

from chain.blocks import Certificate
from consensus.effects import Build, Deliver, Execute, Persist, SuggestCatchUp, ViewChangeStarted, ViewEntered
from consensus.messages import Commit, Committed, Message, NewView, Prepare, PrePrepare, Status
from consensus.replica import Replica, Tip
from tests.consensus import support
from tests.consensus.harness import CONFIG, Table

TIMEOUT = CONFIG.view_timeout_ticks


def view_changes(table: Table, name: str) -> list[tuple[int, str]]:
    effects = table.of(name, ViewChangeStarted)
    return [(effect.view, effect.reason) for effect in effects if isinstance(effect, ViewChangeStarted)]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 10, 13])
def test_every_size_of_network_commits(size: int) -> None:
    table = Table(size)
    for label in "tu":
        table.work(label)
        table.run()
    assert set(table.heights().values()) == {2}
    assert len(table.hashes(1)) == len(table.hashes(2)) == 1


def test_the_normal_case_writes_twice_and_sends_two_broadcasts_a_replica() -> None:
    table = Table(4)
    table.work("t")
    table.run()
    for name in table.names:
        kinds = [
            type(effect).__name__ for effect in table.effects[name] if type(effect).__name__ in ("Persist", "Broadcast")
        ]
        assert kinds == ["Persist", "Persist", "Broadcast", "Persist", "Broadcast"]


def test_the_normal_case_checks_no_signature_it_does_not_need() -> None:
    checked: list[bytes] = []

    def counting_verifier(key: bytes, message: bytes, signature: bytes) -> bool:
        checked.append(signature)
        return support.fake_verifier(key, message, signature)

    replica = Replica(support.CHAIN_ID, "g", support.signers("g"), Table(7).tip("a"), CONFIG, {}, counting_verifier)
    x = support.block("x")
    replica.step("a", support.pre_prepare(x))
    replica.executed(support.hash_of(x), None)
    for name in "bcdef":
        replica.step(name, support.prepare(name, 1, 0, support.hash_of(x)))
        replica.step(name, support.prepare(name, 1, 0, support.hash_of(x)))
    for name in "abcdef":
        replica.step(name, support.commit(name, 1, 0, support.hash_of(x)))
    assert any(isinstance(effect, Deliver) for effect in replica.take_effects())
    assert len(checked) == 1 + 3 + 4  # the pre-prepare; three prepares and four commits beside our own


def test_the_next_block_is_asked_for_at_once_while_work_is_pending() -> None:
    table = Table(1)
    table.builds = False
    replica = table.replicas["a"]
    table.work("t")
    replica.propose(1, 0, support.block("x"))
    table.carry_out("a")
    assert [effect.height for effect in table.of("a", Build) if isinstance(effect, Build)] == [1, 2]


def test_a_primary_with_nothing_to_propose_is_asked_again_when_there_is_work() -> None:
    table = Table(1)
    table.builds = False
    table.work("t")
    table.work("u")
    assert len(table.of("a", Build)) == 1
    table.replicas["a"].propose(1, 0, None)
    table.work("u")
    assert len(table.of("a", Build)) == 2


def test_an_idle_network_is_silent_but_for_its_status() -> None:
    table = Table(4, replace(CONFIG, status_ticks=20))
    table.tick(200)
    assert all(replica.view == 0 for replica in table.replicas.values())
    assert {type(message) for name in table.names for message in table.sent(name, Message)} == {Status}
    assert len(table.sent("a", Status)) == 10


@pytest.mark.parametrize(("size", "dead"), [(4, "a"), (7, "ab"), (10, "abc")])
def test_s24_silent_primaries_in_a_row_are_replaced(size: int, dead: str) -> None:
    table = Table(size)
    for name in dead:
        del table.replicas[name]
    table.work("t")
    table.tick(sum(TIMEOUT << doublings for doublings in range(len(dead))) + 2 * len(dead))
    assert {height for name, height in table.heights().items() if name not in dead} == {1}
    assert table.replicas[table.names[-1]].view == len(dead)


def test_s27_some_have_the_proposal_and_others_only_the_view_change() -> None:
    table = Table(4)
    table.is_lost = lambda sender, to, message: (
        (isinstance(message, PrePrepare) and to == "d") or isinstance(message, Commit)
    )
    table.work("t")
    table.run()
    del table.replicas["a"]
    table.is_lost = lambda sender, to, message: False
    table.tick(4 * TIMEOUT)
    assert [table.heights()[name] for name in "bcd"] == [1, 1, 1]
    assert len(table.hashes(1)) == 1


def test_s28_a_lone_replica_in_view_change_follows_the_others_and_votes_again() -> None:
    table = Table(4)
    table.work("lonely", "d")
    table.tick(TIMEOUT, "d")
    assert table.replicas["d"].is_changing_view
    table.work("t", "abc")
    table.run()
    assert table.heights()["d"] == 1
    assert not table.replicas["d"].is_changing_view
    assert table.replicas["d"].view == 0
    table.effects["d"].clear()
    table.work("u", "abc")
    table.run()
    assert len(table.sent("d", Commit)) == 1


def test_s28_a_replica_alone_with_its_wish_does_not_run_ahead() -> None:
    table = Table(4)
    table.is_lost = lambda sender, to, message: True
    table.work("t", "d")
    table.tick(100 * TIMEOUT, "d")
    assert view_changes(table, "d") == [(1, "timeout")]


def test_s29_timeouts_double_and_fall_back_after_progress() -> None:
    table = Table(4)
    del table.replicas["a"]
    table.is_lost = lambda sender, to, message: isinstance(message, NewView)
    table.builds = False
    table.work("t")
    started = []
    for tick in range(1, TIMEOUT * 40):
        before = len(view_changes(table, "c"))
        table.tick()
        if len(view_changes(table, "c")) > before:
            started.append(tick)
    gaps = [later - earlier for earlier, later in zip([0, *started], started, strict=False)]
    assert gaps[:3] == [TIMEOUT, 2 * TIMEOUT, 4 * TIMEOUT]
    longest = TIMEOUT << CONFIG.timeout_doublings_max
    assert max(gaps) <= longest


def test_s29_a_timeout_that_was_needed_is_kept_for_a_while_and_given_up_block_by_block() -> None:
    """A network that needed two doublings starts the next height with one, and the one after that with none."""
    table = Table(4)
    x = support.block("x")
    y = support.block("y", height=2, parent=support.hash_of(x))
    waits = []
    for proposal, view in ((x, 2), (y, 2)):
        table.store("d", proposal, support.certificate(proposal, view, "abc", height=table.replicas["d"].height))
        before = len(view_changes(table, "d"))
        table.work(f"t{len(waits)}", "d")
        ticks = 0
        while len(view_changes(table, "d")) == before:
            table.tick(1, "d")
            ticks += 1
        waits.append(ticks)
    assert waits == [2 * TIMEOUT, TIMEOUT]


def test_s29_f_plus_1_wishes_are_followed_into_the_lowest_of_their_views() -> None:
    table = Table(7)
    table.step("g", "a", support.empty_view_change("a", 5))
    table.step("g", "b", support.empty_view_change("b", 3))
    assert view_changes(table, "g") == []
    table.step("g", "c", support.empty_view_change("c", 4))
    assert view_changes(table, "g") == [(3, "joined")]


def test_s29_wishes_for_views_below_do_not_pull_back() -> None:
    table = Table(4)
    table.step("d", "a", support.empty_view_change("a", 2))
    table.step("d", "b", support.empty_view_change("b", 2))
    table.step("d", "c", support.empty_view_change("c", 1))
    assert table.replicas["d"].view == 2


@pytest.mark.parametrize("cut", ["a|bcd", "ab|cd", "a>bcd", "bcd>a"])
def test_s30_partitions_heal(cut: str) -> None:
    table = Table(4)
    both_ways = "|" in cut
    left, right = cut.split("|" if both_ways else ">")
    table.is_lost = lambda sender, to, message: (
        (sender in left and to in right) or (both_ways and sender in right and to in left)
    )
    table.work("t")
    table.tick(5 * TIMEOUT)
    table.is_lost = lambda sender, to, message: False
    table.tick(20 * TIMEOUT)
    for name in table.names:
        table.tick(1, name)
    heights = [len(table.chains[name]) for name in table.names]
    caught_up = {
        effect.height
        for name in table.names
        for effect in table.of(name, SuggestCatchUp)
        if isinstance(effect, SuggestCatchUp)
    }
    assert max(heights) >= 1
    assert all(height >= 1 for height in heights) or caught_up == {1}
    assert len(table.hashes(1)) == 1


def test_s31_prepared_then_split_then_healed() -> None:
    table = Table(4)
    table.is_lost = lambda sender, to, message: isinstance(message, Commit) or {sender, to} & {"a", "b"} == {sender, to}
    table.work("t")
    table.run()
    table.is_lost = lambda sender, to, message: (sender in "ab") != (to in "ab")
    table.tick(6 * TIMEOUT)
    assert set(table.heights().values()) == {0}
    table.is_lost = lambda sender, to, message: False
    table.tick(20 * TIMEOUT)
    assert set(table.heights().values()) == {1}
    assert len(table.hashes(1)) == 1


def test_s32_an_invalid_proposal_changes_the_view_at_once_but_only_once() -> None:
    """Replicas that refuse every block (a clock gone wrong) change views at the timers' pace, not the network's."""
    table = Table(4)
    table.refused_by = {"b", "c", "d"}
    table.work("t")
    table.run()
    assert view_changes(table, "d") == [(1, "invalid proposal")]
    table.run()
    assert len(view_changes(table, "d")) == 1
    table.tick(2 * TIMEOUT)
    assert view_changes(table, "d") == [(1, "invalid proposal"), (2, "timeout")]
    ticks = 10 * TIMEOUT << CONFIG.timeout_doublings_max
    table.tick(ticks)
    assert len(view_changes(table, "d")) <= 2 + CONFIG.timeout_doublings_max + 10


def test_s33_a_replica_cut_off_from_everyone_waits_and_recovers() -> None:
    table = Table(4)
    table.is_lost = lambda sender, to, message: "d" in (sender, to)
    table.work("t")
    table.tick(50 * TIMEOUT)
    sent = len(table.sent("d", Message))
    assert sent <= 2 * 50 * TIMEOUT // (CONFIG.retransmit_ticks << CONFIG.retransmit_doublings_max) + 20
    table.is_lost = lambda sender, to, message: False
    table.tick(2 * (CONFIG.retransmit_ticks << CONFIG.retransmit_doublings_max))
    assert [effect.height for effect in table.of("d", SuggestCatchUp) if isinstance(effect, SuggestCatchUp)][:1] == [1]


def test_s35_a_claimed_height_causes_bounded_looks_only() -> None:
    table = Table(4)
    for _ in range(100):
        table.step("b", "d", Status(10**9, 0))
        table.step("b", "d", Committed(Certificate(10**9, 0, support.transaction_id("?"), ())))
    assert len(table.of("b", SuggestCatchUp)) == 1
    assert table.replicas["b"].height == 1


def test_s36_a_replica_far_behind_asks_for_blocks_when_it_hears_later_votes() -> None:
    table = Table(4)
    table.step("d", "a", support.prepare("a", 9, 0, support.transaction_id("?")))
    assert [effect.height for effect in table.of("d", SuggestCatchUp) if isinstance(effect, SuggestCatchUp)] == [8]


def test_s37_help_for_a_peer_is_limited() -> None:
    table = Table(4, replace(CONFIG, assist_ticks=5))
    x = support.block("x")
    table.store("b", x, support.certificate(x, 0, "abc"))
    for _ in range(20):
        table.step("b", "d", Status(0, 0))
        table.step("b", "d", support.empty_view_change("d", 3))
    assert len(table.sent("b", Committed)) == 1
    table.tick(5, "b")
    table.step("b", "d", Status(0, 0))
    assert len(table.sent("b", Committed)) == 2


def test_s27_a_replica_that_missed_the_new_view_is_shown_it() -> None:
    table = Table(4)
    del table.replicas["a"]
    table.is_lost = lambda sender, to, message: isinstance(message, NewView | PrePrepare) and to == "d"
    table.work("t")
    table.tick(TIMEOUT)
    assert table.replicas["d"].is_changing_view
    table.is_lost = lambda sender, to, message: False
    table.tick(2 * CONFIG.retransmit_ticks)
    assert [table.heights()[name] for name in "bcd"] == [1, 1, 1]


def test_a_final_block_without_its_proposal_is_delivered_when_the_proposal_comes() -> None:
    table = Table(4)
    x = support.block("x")
    for name in "abc":
        table.step("d", name, support.commit(name, 1, 0, support.hash_of(x)))
    assert table.of("d", Deliver) == []
    assert [effect.height for effect in table.of("d", SuggestCatchUp) if isinstance(effect, SuggestCatchUp)] == [1]
    table.step("d", "a", support.pre_prepare(x))
    assert len(table.of("d", Deliver)) == 1


def test_s45_any_order_of_one_conversation_gives_one_block() -> None:
    x = support.block("x")
    hash_ = support.hash_of(x)
    messages: list[tuple[str, Message]] = [("a", support.pre_prepare(x))]
    messages += [(name, support.prepare(name, 1, 0, hash_)) for name in "bc"]
    messages += [(name, support.commit(name, 1, 0, hash_)) for name in "abc"]
    for shift in range(len(messages)):
        for ordered in (messages[shift:] + messages[:shift], list(reversed(messages[shift:] + messages[:shift]))):
            table = Table(4)
            for sender, message in [item for item in ordered for _ in range(2)]:
                table.step("d", sender, message)
            assert table.hashes(1) == {hash_}
            assert len(table.of("d", Deliver)) == 1


def test_s45_votes_that_come_before_the_height_are_used_when_it_begins() -> None:
    table = Table(4)
    x = support.block("x")
    y = support.block("y", height=2, parent=support.hash_of(x))
    table.step("d", "a", support.pre_prepare(y, height=2))
    for name in "abc":
        table.step("d", name, support.commit(name, 2, 0, support.hash_of(y)))
    table.step("d", "a", support.pre_prepare(x))
    for name in "abc":
        table.step("d", name, support.commit(name, 1, 0, support.hash_of(x)))
    assert table.heights()["d"] == 2


def test_s45_a_flood_of_future_messages_takes_bounded_room() -> None:
    table = Table(4)
    for number in range(1000):
        hash_ = support.transaction_id(f"{number}")
        table.step("b", "d", support.prepare("d", 2, number, hash_))
        table.step("b", "d", support.commit("d", 1, number, hash_))
        table.step("b", "d", support.prepare("d", 1, number, hash_))
        table.step("b", "d", support.pre_prepare(support.block(f"{number}", "d"), "d", 4 * number + 3))
    core = table.replicas["b"]._core
    assert len(core.current.commits.of("d")) == CONFIG.views_kept
    assert len(core.current.prepares.of("d")) == CONFIG.views_kept
    assert len(core.current.early) == 1
    assert len(table.replicas["b"]._future.take(2)) == 1


def test_s45_proposals_of_many_views_take_bounded_room() -> None:
    table = Table(4)
    table.executes = False
    for view in range(0, 200, 4):
        if view:
            votes = tuple(support.view_change_vote(name, 1, view) for name in "acd")
            table.step("b", "a", NewView(1, view, votes, None))
        table.step("b", "a", support.pre_prepare(support.block(f"{view}"), view=view))
    assert len(table.replicas["b"]._core.current.proposals) <= CONFIG.proposals_kept + 3


def test_a_member_that_does_not_vote_follows_silently_and_may_join_later() -> None:
    tip = Tip(0, support.GENESIS_HASH, None, support.validator_set(3))
    replica = Replica(support.CHAIN_ID, "d", support.signers("d"), tip, CONFIG, {}, support.fake_verifier)
    replica.work_pending(support.transaction_id("t"))
    replica.step("a", support.pre_prepare(support.block("x")))
    for _ in range(10 * TIMEOUT):
        replica.tick()
    replica.step("a", Status(1, 0))
    effects = replica.take_effects()
    assert [type(effect) for effect in effects] == [SuggestCatchUp]
    x = support.block("x")
    replica.advance(Tip(1, support.hash_of(x), support.certificate(x, 0, "abc"), support.validator_set(4)))
    replica.step("a", support.pre_prepare(support.block("y", height=2, parent=support.hash_of(x)), height=2))
    assert any(isinstance(effect, Execute) for effect in replica.take_effects())


def test_a_validator_that_left_votes_no_more() -> None:
    table = Table(4)
    x = support.block("x")
    table.replicas["d"].advance(Tip(1, support.hash_of(x), support.certificate(x, 0, "abc"), support.validator_set(3)))
    table.step("d", "a", support.pre_prepare(support.block("y", height=2, parent=support.hash_of(x)), height=2))
    table.work("t", "d")
    table.tick(5 * TIMEOUT, "d")
    assert table.of("d", Persist) == []
    assert table.sent("d", Message) == []


def test_stale_answers_of_the_node_are_ignored() -> None:
    table = Table(4)
    table.builds = table.executes = False
    table.work("t", "a")
    table.replicas["a"].propose(1, 7, support.block("x"))
    table.replicas["a"].propose(2, 0, support.block("x"))
    table.replicas["b"].executed(support.transaction_id("?"), None)
    table.carry_out("a")
    table.carry_out("b")
    assert table.sent("a", PrePrepare) == table.sent("b", Prepare) == []


def test_view_entered_names_the_primary() -> None:
    table = Table(4)
    del table.replicas["a"]
    table.work("t")
    table.tick(TIMEOUT)
    assert table.of("c", ViewEntered) == [ViewEntered(1, 1, "b")]
