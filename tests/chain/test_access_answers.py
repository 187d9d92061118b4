"""Answers to requests: who may give them, what they lead to, and that a grant can always be taken back."""

import pytest

from chain.access.decision import AccessVerdict, CallResult
from chain.access.policy import AccessCase
from chain.errors import ErrorCode
from chain.facts import unpack
from chain.limits import LIMITS
from tests.chain.access_world import HOUR_MS, AccessWorld, allow, approved_by, ask, deny, verdict_of


@pytest.fixture
def world() -> AccessWorld:
    return AccessWorld(rule=approved_by(2, "a", "c", "d"))


def test_enough_approvals_grant(world: AccessWorld) -> None:
    request_id, verdict = world.ask()
    entry = world.request(request_id)
    assert (verdict.verdict, entry.decision.status) == ("ask", "asked")
    assert (entry.decision.approvers, entry.decision.needed) == (("a", "c", "d"), 2)
    assert world.answer(request_id, "approve", "a").verdict == "ask"
    assert world.answer(request_id, "refuse", "c").verdict == "ask"
    assert world.answer(request_id, "approve", "d").verdict == "allow"
    entry = world.request(request_id)
    assert entry.decision.status == "granted"
    assert [(answer.member, answer.answer) for answer in entry.answers] == [
        ("a", "approve"),
        ("c", "refuse"),
        ("d", "approve"),
    ]
    assert [answer.height for answer in entry.answers] == [3, 4, 5]
    assert (entry.terms.height, entry.decided_height) == (2, 5)
    assert entry.decision.approvers == ("a", "c", "d"), "so that they can revoke"


def test_refusals_deny_with_the_contracts_reason(world: AccessWorld) -> None:
    request_id, _ = world.ask()
    world.answer(request_id, "refuse", "a")
    (outcome,) = world.commit(world.network.approval(request_id, "refuse", "c", reason="no need"))
    assert (verdict_of(outcome).verdict, outcome.sentence) == ("deny", "refused")
    entry = world.request(request_id)
    assert (entry.decision.status, entry.answers[-1].reason) == ("denied", "no need")


def test_an_approver_that_revokes_has_the_contract_decide_again(world: AccessWorld) -> None:
    request_id, _ = world.ask()
    for member in ("c", "d"):
        world.answer(request_id, "approve", member)
    assert world.answer(request_id, "revoke", "c").verdict == "ask"
    assert world.policy.cases[-1].grants == (), "a request is no earlier grant of itself"
    assert world.request(request_id).decision.status == "asked"
    assert world.answer(request_id, "approve", "c").verdict == "allow"
    assert world.reads().grants == world.reader().grants == 2
    assert world.reader().granted == (request_id,), "one request, however often it was granted"


def test_a_grant_that_outlives_a_revocation_is_not_counted_again() -> None:
    world = AccessWorld(rule=approved_by(1, "c", "d"))
    request_id, _ = world.ask()
    world.answer(request_id, "approve", "c")
    assert world.answer(request_id, "revoke", "d").verdict == "allow"
    assert world.reads().grants == world.reader().grants == 1


@pytest.mark.parametrize("member", ["a", "b"])
@pytest.mark.parametrize("is_granted", [False, True])
def test_owner_and_reader_take_back_for_good(world: AccessWorld, member: str, is_granted: bool) -> None:
    request_id, _ = world.ask()
    for approver in ("c", "d") if is_granted else ():
        world.answer(request_id, "approve", approver)
    calls = len(world.policy.cases)
    (outcome,) = world.commit(world.network.approval(request_id, "revoke", member, reason="case closed"))
    assert outcome.sentence == f"withdrawn by {member}: case closed"
    assert outcome.verdict == AccessVerdict("deny")
    entry = world.request(request_id)
    assert (entry.decision.status, entry.decision.sentence, entry.decided_height) == (
        "revoked",
        outcome.sentence,
        world.ledger.tip.height,
    )
    assert len(world.policy.cases) == calls
    for again in ("approve", "refuse", "revoke"):
        world.refuse(world.network.approval(request_id, again, "c"), ErrorCode.REQUEST_SETTLED)


def test_the_longest_reason_still_fits(world: AccessWorld) -> None:
    request_id, _ = world.ask()
    reason = "很" * LIMITS.reason_length
    (outcome,) = world.commit(world.network.approval(request_id, "revoke", "a", reason=reason))
    assert unpack(outcome.facts) == {"denial": "grant_revoked", "member": "a", "text": reason}


def test_answers_that_are_rejected(world: AccessWorld) -> None:
    network = world.network
    request_id, _ = world.ask()
    world.refuse(network.approval(bytes(32)), ErrorCode.UNKNOWN_REQUEST)
    world.refuse(network.approval(request_id, member="c", dataset="c.secret"), ErrorCode.UNKNOWN_REQUEST)
    world.refuse(network.approval(request_id, member="outsider"), ErrorCode.NOT_AN_APPROVER)
    world.refuse(network.approval(request_id, "revoke", "outsider"), ErrorCode.NOT_AN_APPROVER)
    world.refuse(network.approval(request_id, member="b"), ErrorCode.NOT_AN_APPROVER)
    for member in ("c", "d"):
        world.answer(request_id, "approve", member)
    world.refuse(network.approval(request_id, member="a"), ErrorCode.REQUEST_SETTLED)
    world.refuse(network.approval(request_id, "refuse", "c"), ErrorCode.REQUEST_SETTLED)


def test_a_denied_request_takes_no_answer() -> None:
    world = AccessWorld(rule=lambda case: deny())
    request_id, _ = world.ask()
    world.refuse(world.network.approval(request_id, "approve", "a"), ErrorCode.NOT_AN_APPROVER)
    for member in ("a", "b"):
        world.refuse(world.network.approval(request_id, "revoke", member), ErrorCode.REQUEST_SETTLED)


def test_s93_an_approver_that_answers_again_and_again_vetoes_nobody() -> None:
    """It refuses more often than answers are kept: it has one answer, and the others have theirs."""

    def decide(case: AccessCase) -> CallResult:
        approving = [answer.member for answer in case.request.answers if answer.answer == "approve"]
        return allow() if len(approving) >= 2 else ask("c", "d", "a", needed=2)

    world = AccessWorld(rule=decide)
    request_id, _ = world.ask()
    world.answer(request_id, "approve", "d")
    for _ in range(LIMITS.request_answers // 32 + 1):
        world.accept(*(world.network.approval(request_id, "refuse", "c") for _ in range(32)))
    assert [(answer.member, answer.answer) for answer in world.request(request_id).answers] == [
        ("d", "approve"),
        ("c", "refuse"),
    ]
    assert world.answer(request_id, "approve", "a").verdict == "allow"
    assert [answer.member for answer in world.request(request_id).answers] == ["d", "c", "a"]


def test_s93_a_newer_answer_takes_the_place_of_the_older_one() -> None:
    world = AccessWorld(rule=lambda case: ask("c", "d"))
    request_id, _ = world.ask()
    for member, answer in (("c", "refuse"), ("d", "refuse"), ("c", "approve")):
        world.accept(world.network.approval(request_id, answer, member))
    kept = [(answer.member, answer.answer) for answer in world.request(request_id).answers]
    assert kept == [("d", "refuse"), ("c", "approve")]


@pytest.mark.parametrize("answers", [["outsider revoke"], ["c revoke", "c approve"], ["d revoke", "outsider approve"]])
def test_no_answer_prolongs_what_was_granted(answers: list[str]) -> None:
    """Two have approved for an hour; one of them, or a third, must not make it two by itself."""
    enough = approved_by(2, "c", "d", "outsider")

    def for_an_hour(case: AccessCase) -> CallResult:
        called = enough(case)
        return allow(case.time_ms + HOUR_MS) if called.decision.verdict == "allow" else called

    world = AccessWorld(rule=for_an_hour)
    request_id, _ = world.ask()
    for member in ("c", "d"):
        world.answer(request_id, "approve", member)
    ends = world.request(request_id).decision.until_ms
    assert ends == world.time_ms + HOUR_MS
    for line in answers:
        member, answer = line.split()
        verdict = world.answer(request_id, answer, member, after_ms=HOUR_MS)  # type: ignore[arg-type]
        assert verdict.until_ms == (ends if verdict.verdict == "allow" else 0)
    entry = world.request(request_id)
    assert (entry.decision.status, entry.decision.until_ms) == ("granted", ends)


def test_a_dataset_that_is_closed_meanwhile_denies(world: AccessWorld) -> None:
    request_id, _ = world.ask()
    world.accept(world.network.dataset(version=2, sharing="closed"))
    assert world.answer(request_id, "approve", "c").verdict == "deny"
    assert world.request(request_id).decision.sentence == "a.flights is not shared"


def test_a_dataset_that_is_opened_meanwhile_allows(world: AccessWorld) -> None:
    request_id, _ = world.ask()
    world.accept(world.network.dataset(version=2, sharing="open"))
    verdict = world.answer(request_id, "refuse", "c")
    assert (verdict.verdict, verdict.contract) == ("allow", "")
