"""Hand-overs under whole validators: a slice of the seeds, and scenarios 153 to 157 on a stage of their own.

``python -m tests.sim --epochs --seeds 10000`` runs more.
"""

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest

from chain import protocol
from chain.primitives.crypto import Hash
from node.catch_up import CatchUp
from node.voting_right import VotingRight
from tests.rules import CHANGING
from tests.sim.checkers import Violation
from tests.sim.epochs import EpochSchedule
from tests.sim.schedule import Result
from tests.sim.stage import Stage
from tests.sim.test_schedule_scenarios import settle, submit
from tests.sim.validator import Validator

pytestmark = pytest.mark.sim

SEEDS = 60


@pytest.fixture(autouse=True)
def rules(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, changing in CHANGING.items():
        monkeypatch.setitem(protocol.RULES, version, changing)


def run(seed: int) -> Result:
    try:
        return EpochSchedule(seed).run()
    except Exception as error:
        error.add_note(f"python -m tests.sim --epochs --seeds 1 --first {seed}")
        raise


def test_s153_every_seed_with_changing_sets_is_safe_live_and_proven() -> None:
    results = [run(seed) for seed in range(SEEDS)]
    counts: Counter[str] = sum((result.counts for result in results), Counter())
    assert counts["hand-overs"] > 2 * SEEDS
    assert counts["keys rotated"] > SEEDS / 2
    assert {size for size in range(1, 10) if counts[f"sets of {size}"]} >= set(range(1, 8))
    assert counts["lose disk"] > 0
    assert len({kind for result in results for kind in result.byzantine}) > 8


def test_s158_what_was_erased_is_proven_to_a_late_node_by_an_epoch_that_it_does_not_know() -> None:
    with Stage(Random(158), 4, {}) as stage:
        stage.start_all()
        settle(stage, submit(stage, 6))
        stage.do(stage.nodes["d"].crash)
        for _ in range(2):
            commit(stage, submit(stage, 5))  # the last of them erases the eighth
        commit(stage, [stage.change("set a b.1 c", 1)])
        commit(stage, last := submit(stage, 1))  # of the new epoch: what peers prove erasures by
        stage.do(stage.nodes["d"].start)
        settle(stage, last)


def test_s158_a_node_that_cannot_learn_of_later_sets_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CatchUp, "_learn_of_later_sets", lambda catch_up, peer: _nothing())
    with pytest.raises(AssertionError, match="d at "):
        test_s158_what_was_erased_is_proven_to_a_late_node_by_an_epoch_that_it_does_not_know()


def commit(stage: Stage, ids: Sequence[Hash]) -> None:
    """Let time pass until these are committed, wherever."""
    stage.advance(20, lambda: all(id_ in stage.checkers.committed for id_ in ids))
    assert all(id_ in stage.checkers.committed for id_ in ids), stage.describe()


async def _nothing() -> None:
    """Stands for a peer that has nothing to show."""


def change(stage: Stage, what: str, number: int) -> Hash:
    """Have a change made, and wait until it is."""
    id_ = stage.change(what, number)
    settle(stage, [id_])
    return id_


def test_s154_from_one_to_ten_and_back_with_nobody_restarted() -> None:
    """Observers begin to vote and validators cease to; a transaction in between each time."""
    names = "abcdefghij"
    with Stage(Random(154), 10, {}, voters=1) as stage:
        stage.start_all()
        stage.advance(6)
        sizes = [*range(2, 11), *range(9, 0, -1)]
        for number, size in enumerate(sizes):
            members = names[:size] if number < 9 else names[10 - size :]
            change(stage, "set " + " ".join(members), number)
            settle(stage, submit(stage, 1))
        assert [len(set_) for set_ in dict.fromkeys(stage.checkers.sets.values())] == [1, *sizes]


def test_s155_a_key_that_is_exchanged_votes_from_its_epoch_on_and_over_a_restart() -> None:
    with Stage(Random(155), 4, {}) as stage:
        stage.start_all()
        settle(stage, submit(stage, 4))
        change(stage, "set a b.1 c d", 1)
        node = stage.nodes["b"]
        stage.do(node.crash)
        stage.do(node.start)
        stage.nodes["d"].crash()  # now b's vote is needed
        stage.advance(3)
        ids = submit(stage, 2)
        stage.advance(20, lambda: all(id_ in stage.checkers.committed for id_ in ids))
        assert all(id_ in stage.checkers.committed for id_ in ids), stage.describe()
        assert stage.counts["forgotten votes found"] == 0


def test_s156_a_validator_that_lost_everything_at_a_boundary_contradicts_nobody() -> None:
    """It comes back to the first set's network, of which it was the only one: what it remembers says that it may make
    blocks alone. It must find out first that the chain has gone on.
    """
    with Stage(Random(156), 4, {}, frail=("a",), voters=1) as stage:
        stage.start_all()
        stage.advance(6)
        settle(stage, submit(stage, 2))
        change(stage, "set a b c d", 1)
        lonely = stage.nodes["a"]
        stage.do(lonely.crash)
        lonely.disk.wipe()
        settled = submit(stage, 1, stage.nodes["b"])
        stage.advance(10, lambda: settled[0] in stage.checkers.committed)
        ids: list[Hash] = []
        stage.do(lonely.start)
        stage.do(lambda: ids.append(stage.submit(lonely)))
        stage.advance(8)
        settle(stage, [*settled, *ids])
        assert lonely.service is not None
        assert lonely.service.ledger.validators.names == ("a", "b", "c", "d")


def test_s156_a_sole_validator_that_does_not_look_around_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VotingRight, "_may_be_behind_others", lambda right, validators: False)
    with pytest.raises(Violation):
        test_s156_a_validator_that_lost_everything_at_a_boundary_contradicts_nobody()


def test_s157_removal_of_a_dead_validator_while_another_is_down_for_a_moment() -> None:
    with Stage(Random(157), 7, {}) as stage:
        stage.start_all()
        settle(stage, submit(stage, 7))
        stage.do(stage.nodes["g"].crash)
        stage.do(stage.nodes["f"].crash)
        id_ = stage.change("set a b c d e f", 1)
        stage.advance(20, lambda: id_ in stage.checkers.committed)
        assert id_ in stage.checkers.committed, stage.describe()
        stage.do(stage.nodes["f"].start)
        stage.do(stage.nodes["g"].start)
        settle(stage, submit(stage, 3))
        assert not _may_vote_now(stage.nodes["g"])


def _may_vote_now(node: Validator) -> bool:
    assert node.service is not None
    return node.service.driver.replica.has_vote
