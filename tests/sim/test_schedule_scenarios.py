"""Scenarios that need a stage of their own, with whole validators on it."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from chain.blocks import Certificate, Proposal, block_hash, decode_header
from chain.ledger import Ledger
from chain.primitives.crypto import Hash
from chain.transactions.base import CheckedTransaction
from consensus.evidence import verify_evidence
from consensus.messages import Commit, Prepare
from tests.sim.checkers import Violation
from tests.sim.misbehaviour import Equivocator, Falsifier, Silent, Withholder, YesSayer
from tests.sim.stage import Stage
from tests.sim.validator import Validator

pytestmark = pytest.mark.sim


def settle(stage: Stage, ids: Sequence[Hash], seconds: float = 20) -> None:
    """Let time pass until these are committed and everywhere."""
    stage.advance(seconds, lambda: stage.is_settled() and all(id_ in stage.checkers.committed for id_ in ids))
    assert all(id_ in stage.checkers.committed for id_ in ids), stage.describe()
    assert stage.is_settled(), stage.describe()
    stage.checkers.check_end()


def submit(stage: Stage, count: int, node: Validator | None = None) -> list[Hash]:
    """Clients submit; their transactions' ids."""
    ids: list[Hash] = []
    stage.do(lambda: ids.extend(stage.submit(node or stage.honest[0]) for _ in range(count)))
    return ids


def certificate_of(node: Validator, height: int) -> Certificate:
    assert node.service is not None
    certificate = node.service.ledger.block_at(height).certificate
    assert certificate is not None
    return certificate


def test_s64_what_is_kept_from_the_primary_deposes_nobody() -> None:
    """A validator spreads all that its clients hand in to all but the primary, for a minute."""
    with Stage(Random(64), 4, {"d": Withholder}) as stage:
        stage.start_all()
        stage.advance(1)
        views = {node.name: view_of(node) for node in stage.honest}
        ids: list[Hash] = []
        for _ in range(120):
            ids += submit(stage, 1, stage.nodes["d"])
            stage.advance(0.5)
        settle(stage, ids)
        assert {node.name: view_of(node) for node in stage.honest} == views
        assert stage.counts["transactions withheld"] > 100


def view_of(node: Validator) -> int:
    assert node.service is not None
    return node.service.driver.replica.view


class Accomplice(YesSayer):
    """Supports an equivocating primary before each half of its audience."""

    primary: Equivocator

    def assent(self, to_vote: Prepare, hash_: Hash, peers: Sequence[str]) -> None:
        super().assent(to_vote, hash_, [peer for peer in peers if peer not in self.primary.misled])
        told = self.primary.equivocation.block_told(to_vote.height, to_vote.view)
        if told is not None:
            super().assent(to_vote, told, sorted(self.primary.misled))


def test_s22_more_than_f_can_fork_but_leave_proof_against_themselves() -> None:
    """Two of four collude: the primary tells d something else than c, and b supports it before both."""
    with Stage(Random(22), 4, {"a": Equivocator, "b": Accomplice}) as stage:
        primary, accomplice = stage.nodes["a"], stage.nodes["b"]
        assert isinstance(primary, Equivocator)
        assert isinstance(accomplice, Accomplice)
        primary.misled, accomplice.primary = {"d"}, primary
        stage.network.cut |= {("c", "d"), ("d", "c")}
        stage.start_all()
        stage.advance(1)
        submit(stage, 1, stage.nodes["a"])
        with pytest.raises(Violation, match="committed another block 1"):
            stage.advance(20)
        first, second = (certificate_of(stage.nodes[name], 1) for name in "cd")
        assert first.block_hash != second.block_hash
        assert first.view == second.view
        proofs = []
        for name, signature in first.votes:
            other = dict(second.votes).get(name)
            if other is not None:
                votes = [
                    Commit(1, certificate.view, certificate.block_hash, name, vote)
                    for certificate, vote in ((first, signature), (second, other))
                ]
                proofs.append(verify_evidence(stage.members.chain_id, stage.checkers.validators, *votes))
        assert proofs == ["a", "b"]  # more than f, and nobody who is honest


@pytest.mark.parametrize("seed", range(8))
def test_s38_after_a_power_cut_of_all_they_go_on_without_their_clients(seed: int) -> None:
    """All stop in the middle of a block, one loses its disk, and they start one by one. Whatever had been acknowledged
    is there, and nobody submits anything again.
    """
    random = Random(f"s38 {seed}")
    with Stage(random, 4, {}, frail=("d",)) as stage:
        stage.start_all()
        stage.advance(1)
        settle(stage, submit(stage, 4))
        submit(stage, 6)
        stage.loop.run_until(stage.loop.time() + random.random() * 0.06)

        def cut_power() -> None:
            for node in stage.nodes.values():
                node.crash()
            stage.nodes["d"].disk.wipe()

        stage.do(cut_power)
        for node in random.sample(list(stage.nodes.values()), 4):
            stage.do(node.start)
            stage.advance(random.random() * 2)
        settle(stage, submit(stage, 2))


@pytest.mark.parametrize("victim", ["a", "b"])
def test_s39_a_crash_at_every_single_point_of_a_block(victim: str) -> None:
    """The primary and another validator die at their first access to disk or link, at the second, and so on, and
    start again each time; what the checkers watch holds at all of them.
    """
    points: list[str] = []
    for number in range(200):
        with Stage(Random(39), 4, {}) as stage:
            stage.start_all()
            stage.advance(1)
            settle(stage, submit(stage, 2, stage.nodes["c"]))
            node = stage.nodes[victim]
            node.dies_after = number
            ids = submit(stage, 1, stage.nodes["c"])
            stage.advance(0.4)
            if node.is_up:
                break  # it was done before it would have died
            points.append(node.died_at)
            stage.do(node.start)
            settle(stage, ids)
    assert len(points) > 15
    assert {"before a write", "in a write", "after a write", "before a packet"} <= set(points)


@pytest.mark.parametrize("faulty", [0, 1])
def test_s39_a_power_cut_that_tears_votes_silences_nobody(faulty: int) -> None:
    """Neither when it happens to all at once, nor to one beside a Byzantine one."""
    kinds = {"d": Silent} if faulty else {}
    with Stage(Random(3939), 4, kinds) as stage:
        stage.start_all()
        stage.advance(1)
        settle(stage, submit(stage, 2))

        def cut_power() -> None:
            for node in stage.honest[faulty:]:
                node.crash()
                node.disk.votes.tear()

        stage.do(cut_power)
        stage.start_all()
        settle(stage, submit(stage, 2), seconds=40)


@pytest.mark.parametrize("jump_ms", [-3_600_000, 3_600_000])
def test_s43_a_clock_that_jumps_an_hour_concerns_its_node_only(jump_ms: int) -> None:
    with Stage(Random(43), 4, {}, frail=("a",)) as stage:
        stage.start_all()
        stage.advance(1)
        settle(stage, submit(stage, 2))
        stage.nodes["a"].clock_offset_ms = jump_ms  # it is the primary
        settle(stage, submit(stage, 4))
        times = [
            stage.nodes["b"].service.ledger.header_at(height).time_ms for height in range(stage.checkers.height + 1)
        ]  # type: ignore[union-attr]
        assert times == sorted(times)
        assert times[-1] - times[0] < 60_000
        stage.nodes["a"].clock_offset_ms = 0
        settle(stage, submit(stage, 2))


def test_s43_a_frozen_process_wakes_up() -> None:
    """It hears everything minutes late, all at once, and goes on."""
    with Stage(Random(4343), 4, {}) as stage:
        stage.start_all()
        stage.advance(1)
        settle(stage, submit(stage, 2))
        stage.network.slowness_s["a"] = 120.0
        first = submit(stage, 4, stage.nodes["c"])
        stage.advance(60, lambda: all(id_ in stage.checkers.committed for id_ in first))
        assert all(id_ in stage.checkers.committed for id_ in first)
        stage.network.slowness_s.clear()
        settle(stage, submit(stage, 2, stage.nodes["b"]), seconds=180)


@pytest.mark.parametrize("field", ["state_root", "result_root", "history_root"])
def test_s17_replicas_that_vote_for_what_they_have_not_compared_are_noticed(
    monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    """The same stage, with the defence and without it."""

    def trusting(ledger: Ledger, proposal: Proposal, transactions: Sequence[CheckedTransaction], *_: object) -> object:
        header = decode_header(proposal.header)
        executed = ledger.execute(transactions, header.time_ms, header.proposer)
        return replace(
            executed, header=header, proposal=proposal, block_hash=block_hash(ledger.chain_id, proposal.header)
        )

    def run() -> int:
        monkeypatch.setattr(Falsifier, "fields", (field,))
        with Stage(Random(17), 4, {"a": Falsifier}) as stage:
            stage.start_all()
            stage.advance(1)
            settle(stage, submit(stage, 3))
            return stage.counts["false headers"]

    assert run() > 0
    monkeypatch.setattr(Ledger, "check", trusting)
    with pytest.raises(Violation):
        run()
