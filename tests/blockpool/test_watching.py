"""A look at several nodes: one history is kept, two are an alarm, and whoever signed both is convicted by a file that
anyone can verify.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from blockpool.watching import Report, Watch, quorum_time_s
from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.proofs.checkpoints import Checkpoint, Cosignature, encode_checkpoint, parse_checkpoint, sign_head
from chain.proofs.history import TreeHead, consistency_proof, root_at
from chain.proofs.merkle import verify_consistency
from chain.proofs.trust import TrustHistory
from evidence.kinds import verify_any_evidence
from tests.networks import TestNetwork

TIME_S = 1_700_000_000


class World:
    """A network, and histories of it: as many as are wanted, with a quorum's certificates each."""

    def __init__(self) -> None:
        self.network = TestNetwork()
        self.genesis = self.network.genesis

    def history(self, blocks: int, start: Ledger | None = None) -> Ledger:
        """A ledger of so many blocks; of its own, for nonces are never used twice."""
        ledger = start or self.network.ledger()
        while ledger.tip.height + 1 < blocks:
            self.network.commit(ledger, [self.network.dataset(name=f"n{self.network.nonce}")])
        return ledger

    def sign(self, ledger: Ledger, size: int, member: str, time_s: int | None) -> Cosignature:
        head = TreeHead(size, root_at(size, ledger.blocks.history_node))
        return sign_head(self.network.consensus[member], self.genesis.chain_id, member, head, time_s)

    def checkpoint(self, ledger: Ledger, size: int, members: str = "abc", time_s: int = TIME_S) -> Checkpoint:
        lines = tuple(self.sign(ledger, size, member, time_s) for member in members)
        return Checkpoint(lines[0].head, lines)

    def look(self, nodes: "Sequence[FakeNode]", held: Checkpoint | None = None) -> Report:
        return Watch(TrustHistory(self.genesis), nodes, held).look()


@dataclass
class FakeNode:
    """A node of ``name``, which shows ``checkpoint`` and holds ``ledger``; None: it does not answer."""

    world: World
    name: str
    ledger: Ledger
    shown: Checkpoint | None
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.url = f"http://{self.name}"

    def member(self) -> str:
        return self.name

    def checkpoint(self, witnesses: int = 0) -> Checkpoint:
        assert witnesses == 0
        if self.shown is None:
            raise PoolError(ErrorCode.UNREACHABLE, "refused")
        return self.shown

    def own_checkpoint(self, size: int) -> Checkpoint:
        self._verify_holds(size)
        word = self.world.sign(self.ledger, size, self.name, None)
        return Checkpoint(word.head, (word,))

    def verify_continues(self, old: TreeHead, new: TreeHead) -> None:
        self._verify_holds(new.size)
        proof = consistency_proof(old.size, new.size, self.ledger.blocks.history_node)
        verify_consistency(old.size, new.size, old.root, new.root, proof)

    def _verify_holds(self, size: int) -> None:
        if size > self.ledger.tip.height + 1:
            raise PoolError(ErrorCode.NOT_FOUND, "too few blocks")


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def states(report: Report) -> dict[str, str]:
    return {view.url.removeprefix("http://"): view.state for view in report.views}


def convicted(world: World, report: Report) -> set[str]:
    """Whom the report's files convict; each file is verified as an auditor would."""
    for item in report.convictions:
        steps = list(verify_any_evidence(item.content, TrustHistory(world.genesis)))
        assert steps[1].detail == f"{item.member}, a validator"
        assert len(steps) == 5
    return {item.member for item in report.convictions}


def test_one_history_is_good_and_the_newest_checkpoint_is_kept(world: World) -> None:
    ledger = world.history(9)
    old, new = world.checkpoint(ledger, 5), world.checkpoint(ledger, 9, time_s=TIME_S + 60)
    nodes = [FakeNode(world, "a", ledger, new), FakeNode(world, "b", ledger, old), FakeNode(world, "c", ledger, None)]
    report = world.look(nodes, world.checkpoint(ledger, 3))
    assert report.newest == new
    assert states(report) == {"a": "agrees", "b": "behind", "c": "unreachable"}
    assert (report.alarms, report.convictions) == ((), ())
    assert world.look(nodes).newest == new, "the first look trusts what a quorum has cosigned"


def test_more_cosigners_and_later_times_are_worth_keeping(world: World) -> None:
    ledger = world.history(4)
    held, later = world.checkpoint(ledger, 4), world.checkpoint(ledger, 4, time_s=TIME_S + 9)
    everybody = world.checkpoint(ledger, 4, "abcd")
    assert world.look([FakeNode(world, "a", ledger, later)], held).newest == later
    assert world.look([FakeNode(world, "a", ledger, later)], everybody).newest == everybody
    mixed = Checkpoint(later.head, (*later.signatures[:1], *held.signatures[1:]))
    assert quorum_time_s(mixed, TrustHistory(world.genesis)) == TIME_S


def test_s22_a_quorum_for_two_roots_of_one_size_convicts_whoever_signed_both(world: World) -> None:
    one, other = world.history(6), world.history(6)
    report = world.look(
        [
            FakeNode(world, "a", one, world.checkpoint(one, 6)),
            FakeNode(world, "d", other, world.checkpoint(other, 6, "bcd")),
        ]
    )
    assert report.newest is None
    assert report.alarms[0] == "two histories of 6 blocks, each cosigned by a quorum"
    assert convicted(world, report) == {"b", "c"}


def test_s22_a_longer_history_that_does_not_continue_the_held_one_is_an_alarm(world: World) -> None:
    """The nodes have signed nothing twice so far: asked for the size that is held, their words convict them."""
    one, other = world.history(5), world.history(8)
    held = world.checkpoint(one, 5)
    nodes = [FakeNode(world, "b", other, world.checkpoint(other, 8)), FakeNode(world, "d", other, None)]
    report = world.look(nodes, held)
    assert report.newest is None
    assert "nobody proves that the 5 blocks held lead to the newest 8" in report.alarms
    assert convicted(world, report) == {"b", "d"}


def test_another_history_of_the_held_size_is_an_alarm(world: World) -> None:
    one, other = world.history(5), world.history(5)
    report = world.look([FakeNode(world, "b", other, world.checkpoint(other, 5, "bcd"))], world.checkpoint(one, 5))
    assert "another history of 5 blocks than the one held" in report.alarms
    assert convicted(world, report) == {"b", "c"}


def test_s22_a_history_that_is_cut_off_is_an_alarm_and_later_signatures_convict(world: World) -> None:
    whole, cut = world.history(9), world.history(6)
    held = world.checkpoint(whole, 9)
    shown = world.checkpoint(cut, 6, time_s=TIME_S + 60)
    report = world.look([FakeNode(world, name, cut, shown) for name in "abd"], held)
    assert report.newest is None
    assert report.alarms[0] == "cut off: a, b cosigned 9 blocks, now no node has more than 6"
    assert convicted(world, report) == {"a", "b", "c"}


def test_an_older_checkpoint_of_nodes_that_hold_the_rest_is_no_alarm(world: World) -> None:
    ledger = world.history(9)
    held = world.checkpoint(ledger, 9)
    report = world.look([FakeNode(world, "a", ledger, world.checkpoint(ledger, 6, time_s=TIME_S - 9))], held)
    assert (report.newest, states(report), report.alarms) == (held, {"a": "behind"}, ())


def test_a_lone_node_that_is_late_is_no_alarm(world: World) -> None:
    """It had not cosigned what is held: nothing says that it ever had those blocks."""
    ledger, late = world.history(9), world.history(4)
    held = world.checkpoint(ledger, 9)
    report = world.look([FakeNode(world, "d", late, world.checkpoint(late, 4, "bcd", TIME_S - 9))], held)
    assert (report.newest, states(report), report.alarms) == (held, {"d": "behind"}, ())


def test_when_nobody_answers_what_is_held_stays(world: World) -> None:
    ledger = world.history(3)
    held = world.checkpoint(ledger, 3)
    report = world.look([FakeNode(world, "a", ledger, None)], held)
    assert (report.newest, report.alarms) == (held, ())
    assert world.look([FakeNode(world, "a", ledger, None)]).newest is None


def test_what_a_watch_keeps_reads_as_a_checkpoint_again(world: World) -> None:
    ledger = world.history(3)
    keys = TrustHistory(world.genesis)
    report = world.look([FakeNode(world, "a", ledger, world.checkpoint(ledger, 3))])
    assert report.newest is not None
    assert parse_checkpoint(encode_checkpoint(report.newest, keys), keys) == report.newest
