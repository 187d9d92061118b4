"""Evidence of misbehaviour: what two signatures of one member prove, and which accusations are refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from chain.blocks import commit_message
from chain.errors import ErrorCode
from chain.proofs.checkpoints import Checkpoint, Cosignature, sign_head
from chain.proofs.history import TreeHead
from consensus.messages import Commit, Prepare, Statement, ViewChangeVote, prepare_message, view_change_message
from evidence.kinds import parse_any_evidence, verify_any_evidence
from evidence.misbehaviour import make_checkpoint_evidence, make_vote_evidence
from evidence.summary import summary
from tests.networks import TestNetwork
from tests.refusals import refuses

ONE, OTHER = b"\x01" * 32, b"\x02" * 32
TIME_S = 1_700_000_000


@pytest.fixture(scope="module")
def network() -> TestNetwork:
    return TestNetwork()


def prepare(network: TestNetwork, hash_: bytes, member: str = "c", height: int = 7, view: int = 0) -> Prepare:
    message = prepare_message(network.chain_id, height, view, hash_)
    return Prepare(height, view, hash_, member, network.consensus[member].sign(message))


def commit(network: TestNetwork, hash_: bytes, member: str = "c", height: int = 7, view: int = 0) -> Commit:
    message = commit_message(network.chain_id, height, view, hash_)
    return Commit(height, view, hash_, member, network.consensus[member].sign(message))


def view_change(
    network: TestNetwork, view: int, prepared_view: int | None = None, hash_: bytes | None = None
) -> ViewChangeVote:
    message = view_change_message(network.chain_id, 7, view, prepared_view, hash_)
    return ViewChangeVote(7, view, prepared_view, hash_, "c", network.consensus["c"].sign(message))


def sign(network: TestNetwork, member: str, size: int, root: bytes, time_s: int | None = TIME_S) -> Cosignature:
    return sign_head(network.consensus[member], network.chain_id, member, TreeHead(size, root), time_s)


def checkpoint(network: TestNetwork, members: str, size: int, root: bytes, time_s: int | None = TIME_S) -> Checkpoint:
    lines = tuple(sign(network, member, size, root, time_s) for member in members)
    return Checkpoint(TreeHead(size, root), lines)


def verified(network: TestNetwork, content: bytes) -> list[str]:
    return [step.detail for step in verify_any_evidence(content, network.trust)]


VOTES: dict[str, Callable[[TestNetwork], tuple[Statement, Statement]]] = {
    "two prepares": lambda network: (prepare(network, ONE), prepare(network, OTHER)),
    "two commits": lambda network: (commit(network, ONE), commit(network, OTHER)),
    "two claims": lambda network: (view_change(network, 2), view_change(network, 2, 1, ONE)),
    "forgot a commit": lambda network: (commit(network, ONE), view_change(network, 1)),
    "forgot a commit, told the other way round": lambda network: (view_change(network, 1), commit(network, ONE)),
}


@pytest.mark.parametrize("votes", VOTES.values(), ids=VOTES.keys())
def test_two_contradicting_votes_convict(
    network: TestNetwork, votes: Callable[[TestNetwork], tuple[Statement, Statement]]
) -> None:
    content = make_vote_evidence(network.trust, *votes(network))
    chain, accused, *statements, verdict = verified(network, content)
    assert accused == "c, a validator"
    assert all("height 7" in detail for detail in statements)
    assert verdict == "no honest validator signs both"
    assert summary(parse_any_evidence(content)) == "c has signed two votes that no honest member signs both."
    assert json.loads(content)["kind"] == "misbehaviour"
    assert chain.startswith(network.chain_id.hex()[:16])


def test_votes_that_an_honest_validator_may_give_accuse_nobody(network: TestNetwork) -> None:
    for second in (commit(network, OTHER, view=1), commit(network, OTHER, height=8), prepare(network, OTHER)):
        with refuses(ErrorCode.BAD_EVIDENCE):
            make_vote_evidence(network.trust, commit(network, ONE), second)


CHECKPOINTS: dict[str, tuple[tuple[str, int, bytes, int | None], tuple[str, int, bytes, int | None], str]] = {
    "two histories": (("c", 9, ONE, TIME_S), ("c", 9, OTHER, TIME_S), "another history than its own at 9 blocks"),
    "a plain signature": (("c", 9, ONE, TIME_S), ("c", 9, OTHER, None), "another history than its own at 9 blocks"),
    "against a quorum": (("abd", 9, ONE, 1), ("c", 9, OTHER, 1), "another history than the quorum's at 9 blocks"),
    "cut off": (("c", 9, ONE, TIME_S), ("c", 8, OTHER, TIME_S + 1), "cut off: 8 blocks, after it had seen 9"),
    "cut off, later first": (("c", 8, OTHER, 2), ("c", 9, ONE, 1), "cut off: 8 blocks, after it had seen 9"),
}


@pytest.mark.parametrize(("first", "second", "verdict"), CHECKPOINTS.values(), ids=CHECKPOINTS.keys())
def test_two_contradicting_checkpoints_convict(
    network: TestNetwork, first: tuple[Any, ...], second: tuple[Any, ...], verdict: str
) -> None:
    content = make_checkpoint_evidence(network.trust, "c", checkpoint(network, *first), checkpoint(network, *second))
    assert verified(network, content)[-1] == verdict
    assert parse_any_evidence(content) == parse_any_evidence(json.dumps(json.loads(content)).encode())


INNOCENT: dict[str, tuple[tuple[str, int, bytes, int | None], tuple[str, int, bytes, int | None]]] = {
    "growing": (("c", 8, ONE, 1), ("c", 9, OTHER, 2)),
    "the same head again": (("c", 8, ONE, 1), ("c", 8, ONE, 2)),
    "smaller in the same second": (("c", 9, ONE, 1), ("c", 8, OTHER, 1)),
    "smaller without a time": (("c", 9, ONE, 1), ("c", 8, OTHER, None)),
    "smaller than a quorum's": (("abd", 9, ONE, 1), ("c", 8, OTHER, 2)),
    "against too few": (("ab", 9, ONE, 1), ("c", 9, OTHER, 1)),
    "the other has signed the second": (("c", 9, ONE, 1), ("d", 9, OTHER, 1)),
}


@pytest.mark.parametrize(("first", "second"), INNOCENT.values(), ids=INNOCENT.keys())
def test_checkpoints_that_an_honest_member_may_sign_accuse_nobody(
    network: TestNetwork, first: tuple[Any, ...], second: tuple[Any, ...]
) -> None:
    with refuses(ErrorCode.BAD_EVIDENCE):
        make_checkpoint_evidence(network.trust, "c", checkpoint(network, *first), checkpoint(network, *second))
