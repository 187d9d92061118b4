"""Replaying a chain's verdicts: the same come out years later, others are named, and a proposal is tried fairly."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from audit.replay import ProposedContract, Replay, Trial
from chain.access.decision import CallResult, Decision, failure_of
from chain.access.policy import AccessCase
from chain.errors import ErrorCode, PoolError
from chain.facts import pack
from chain.ledger import Ledger
from chain.limits import LIMITS
from chain.primitives.types import Answer
from contracts.engine import Engine
from contracts.policy import SandboxPolicy
from contracts.sandbox import Sandbox
from tests.chain.access_world import AccessWorld, Script, ScriptedPolicy, allow, approved_by, ask, deny
from tests.contracts.support import contract
from tests.ledgers import packages_of
from tests.networks import TIME_MS, TestNetwork
from tests.refusals import refuses

DEPLOYED = contract(
    """
count = ctx.state["count"] = ctx.state.get("count", 0) + 1
if request.purpose == "break":
    raise ValueError("broken")
if request.purpose == "approval":
    if ctx.approvals:
        return allow(until=ctx.time_ms + 1000) if ctx.approvals[-1].verdict == "approve" else deny("refused")
    return ask(["c", "d"], needed=1)
if ctx.reader.kind == "government":
    return allow(note=str(count))
return deny("only departments")
"""
)
GOVERNMENT_FROM_THE_SECOND_ON = contract(
    """
ctx.state["seen"] = ctx.state.get("seen", 0) + 1
assert "count" not in ctx.state
return allow() if ctx.state["seen"] > 1 else deny("the first one")
"""
)


def replay(replayed: Replay, ledger: Ledger) -> Replay:
    """Feed a chain to its end, or to what does not hold."""
    for package in packages_of(ledger):
        replayed.add(package)
    return replayed


@pytest.fixture(scope="module")
def network(engine: Engine) -> TestNetwork:
    network = TestNetwork(has_contracts=True)
    network.policy = SandboxPolicy(Sandbox(engine, network.chain_id))
    return network


@pytest.fixture(scope="module")
def ledger(network: TestNetwork) -> Ledger:
    """Verdicts of every kind by the real sandbox: allowed, denied, asked and approved, failed."""
    ledger = network.ledger()
    dataset = network.dataset(sharing="conditional", contract="a.rule")
    network.commit(ledger, [network.contract(DEPLOYED), dataset])
    network.commit(ledger, [network.request("b"), network.request("outsider"), network.request("c", purpose="break")])
    asked = network.request("outsider", purpose="approval")
    network.commit(ledger, [asked, network.request("d")], TIME_MS + 5)
    approval = network.approval(network.id_of(asked), "approve", "d")
    executed = network.commit(ledger, [approval], TIME_MS + 9)
    verdict = executed.outcomes[0].verdict
    assert verdict is not None
    assert (verdict.verdict, verdict.until_ms) == ("allow", TIME_MS + 1009)
    return ledger


def test_every_verdict_comes_out_again(network: TestNetwork, ledger: Ledger, engine: Engine) -> None:
    replayed = replay(Replay(network.genesis, SandboxPolicy(Sandbox(engine, network.chain_id))), ledger)
    assert (replayed.verdicts, replayed.differences) == (6, [])
    assert dict(replayed.report.verdicts) == {"allow": 3, "deny": 2, "ask": 1}
    assert replayed.report.block_hash == ledger.tip.block_hash


def test_an_endless_loop_is_stopped_at_the_same_place_again(network: TestNetwork) -> None:
    ledger = network.ledger()
    dataset = network.dataset(sharing="conditional", contract="a.rule")
    network.commit(ledger, [network.contract(contract("while True: pass")), dataset])
    executed = network.commit(ledger, [network.request()])
    assert network.policy is not None
    replayed = replay(Replay(network.genesis, network.policy), ledger)
    assert (replayed.verdicts, replayed.differences) == (1, [])
    assert failure_of(executed.outcomes[0].facts) == "contract_out_of_fuel"
    assert replayed.report.fuel > LIMITS.contract_fuel


def trial_of(network: TestNetwork, ledger: Ledger, proposal: ProposedContract) -> Trial:
    assert network.policy is not None
    replayed = replay(Replay(network.genesis, network.policy, proposal), ledger)
    assert replayed.differences == []
    assert replayed.trial is not None
    return replayed.trial


def changes(trial: Trial) -> list[tuple[str, str, str | None]]:
    return [(tried.first.reader.name, tried.first.request.terms.purpose, tried.change) for _, tried in trial.changes()]


def test_the_same_contract_proposed_changes_nothing(network: TestNetwork, ledger: Ledger) -> None:
    trial = trial_of(network, ledger, ProposedContract("a.rule", DEPLOYED))
    assert (changes(trial), trial.unchanged, trial.calls) == ([], 5, 6)
    assert [call.called.decision.failure for call in trial.failures] == ["contract_failed"]


def test_a_proposal_keeps_its_own_state_and_tells_who_gains_and_loses(network: TestNetwork, ledger: Ledger) -> None:
    trial = trial_of(network, ledger, ProposedContract("a.rule", GOVERNMENT_FROM_THE_SECOND_ON))
    assert changes(trial) == [
        ("b", "flood warning", "loses"),
        ("outsider", "flood warning", "gains"),
        ("c", "break", "gains"),
        ("outsider", "approval", "differs"),
    ]
    assert trial.unchanged == 1
    assert trial.calls == 5, "the approval is not put to a contract that has allowed already"
    assert trial.failures == []


def test_a_proposal_that_fails_denies_and_is_shown(network: TestNetwork, ledger: Ledger) -> None:
    trial = trial_of(
        network, ledger, ProposedContract("a.rule", contract('return allow() if ctx.parameters["x"] else 1'))
    )
    assert {tried.proposed.failure for tried in trial.requests.values()} == {"contract_failed"}
    assert len(trial.failures) == trial.calls == 5
    assert "KeyError" in trial.failures[0].called.decision.sentence
    given = trial_of(
        network, ledger, ProposedContract("a.rule", contract('return allow() if ctx.parameters["x"] else 1'), '{"x":1}')
    )
    assert given.failures == []


def test_another_contracts_requests_are_not_put_to_it(network: TestNetwork, ledger: Ledger) -> None:
    trial = trial_of(network, ledger, ProposedContract("a.other", DEPLOYED))
    assert (len(trial.requests), trial.calls) == (0, 0)


# What differs


def certified(scripts: dict[str, Script]) -> AccessWorld:
    """A chain by validators that all follow ``scripts``: one request, then two in one block, then an answer."""
    world = AccessWorld(**scripts)
    world.ask()
    request, *_ = world.accept(world.network.request("d"), world.network.request("outsider"))
    world.answer(request, "approve", "c")
    return world


def differing(change: Callable[[Decision], Decision], readers: set[str]) -> tuple[AccessWorld, Replay]:
    """Replay, by an engine that decides otherwise for some readers, a chain that was certified before."""
    honest = approved_by(1, "c")
    world = certified({"rule": honest})

    def other(case: AccessCase) -> CallResult:
        called = honest(case)
        return called._replace(decision=change(called.decision)) if case.reader.name in readers else called

    replayed = Replay(world.network.genesis, ScriptedPolicy({"rule": other}))
    with refuses(ErrorCode.BAD_BLOCK):
        replay(replayed, world.ledger)
    return world, replayed


def test_a_verdict_that_comes_out_otherwise_is_named_with_its_request() -> None:
    world, replayed = differing(lambda decision: deny("no").decision, {"outsider"})
    requests = [outcome.transaction_id for outcome in world.ledger.block_at(3).outcomes]
    assert {(d.height, d.request_id, d.transaction_id) for d in replayed.differences} == {(3, requests[1], requests[1])}
    assert [(d.part, d.recorded, d.replayed) for d in replayed.differences] == [
        ("verdict", "ask", "deny"),
        ("facts", "{}", "{'denial': 'access_denied', 'text': 'no'}"),
    ]
    assert (replayed.report.height, replayed.verdicts) == (2, 1)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda decision: replace(decision, fuel=decision.fuel + 1), "fuel"),
        (lambda decision: replace(decision, inputs_hash=bytes(32)), "inputs_hash"),
        (lambda decision: replace(decision, facts=pack({"text": "other"})), "facts"),
    ],
)
def test_every_part_of_a_verdict_is_compared(change: Callable[[Decision], Decision], part: str) -> None:
    _, replayed = differing(change, {"d", "outsider"})
    assert [(d.height, d.part) for d in replayed.differences] == [(3, part), (3, part)]
    assert len({d.request_id for d in replayed.differences}) == 2


def test_a_verdict_after_an_answer_is_named_by_both_transactions() -> None:
    world = certified({"rule": approved_by(1, "c")})

    def refuse(case: AccessCase) -> CallResult:
        return deny("no") if case.request.answers else approved_by(1, "c")(case)

    replayed = Replay(world.network.genesis, ScriptedPolicy({"rule": refuse}))
    with pytest.raises(PoolError):
        replay(replayed, world.ledger)
    difference = replayed.differences[0]
    answer = world.ledger.block_at(4).outcomes[0].transaction_id
    assert (difference.height, difference.transaction_id, difference.part) == (4, answer, "verdict")
    assert difference.request_id == world.ledger.block_at(3).outcomes[0].transaction_id


def test_an_end_that_differs_is_named() -> None:
    world = AccessWorld(rule=lambda case: allow(case.time_ms + 10))
    world.ask()
    replayed = Replay(world.network.genesis, ScriptedPolicy({"rule": lambda case: allow(case.time_ms + 20)}))
    with pytest.raises(PoolError):
        replay(replayed, world.ledger)
    (difference,) = replayed.differences
    assert (difference.part, int(difference.replayed) - int(difference.recorded)) == ("until_ms", 10)


def test_an_engine_that_fails_names_nothing() -> None:
    world = certified({"rule": approved_by(1, "c")})

    def fail(case: AccessCase) -> CallResult:
        raise PoolError(ErrorCode.ENGINE_DAMAGED, "no engine")

    replayed = Replay(world.network.genesis, ScriptedPolicy({"rule": fail}))
    with pytest.raises(PoolError) as caught:
        replay(replayed, world.ledger)
    assert (caught.value.code, replayed.differences) == (ErrorCode.ENGINE_DAMAGED, [])


# Trials, scripted


def tried(real: Script, proposed: Script, *answers: Answer) -> list[tuple[str, str, str | None]]:
    """What a proposal means for one request that was answered so: (real, proposed, change)."""
    world = AccessWorld(real=real)
    request, _ = world.ask()
    for answer in answers:
        world.answer(request, answer, "c")
    policy = ScriptedPolicy({"real": real, "proposed": proposed})
    replayed = replay(Replay(world.network.genesis, policy, ProposedContract("a.rule", "proposed")), world.ledger)
    assert replayed.trial is not None
    assert policy.opened == policy.closed
    return [(each.real.verdict, each.proposed.verdict, each.change) for each in replayed.trial.requests.values()]


@pytest.mark.parametrize(
    ("real", "proposed", "answers", "expected"),
    [
        (lambda case: allow(), lambda case: allow(), (), ("allow", "allow", None)),
        (lambda case: allow(), lambda case: deny(), (), ("allow", "deny", "loses")),
        (lambda case: deny(), lambda case: allow(), (), ("deny", "allow", "gains")),
        (lambda case: deny("one"), lambda case: deny("another"), (), ("deny", "deny", None)),
        (lambda case: allow(), lambda case: ask("c"), (), ("allow", "ask", "loses")),
        (lambda case: deny(), lambda case: ask("c"), (), ("deny", "ask", "differs")),
        (lambda case: allow(), lambda case: allow(case.time_ms + 5), (), ("allow", "allow", "differs")),
        (lambda case: allow(), lambda case: allow(fields=("dest",)), (), ("allow", "allow", "differs")),
        (approved_by(1, "c"), approved_by(1, "c"), ("approve",), ("allow", "allow", None)),
        (approved_by(1, "c"), approved_by(2, "c", "d"), ("approve",), ("allow", "ask", "loses")),
        (approved_by(1, "c"), lambda case: allow(), ("refuse",), ("deny", "allow", "gains")),
        (approved_by(1, "c"), lambda case: deny(), ("approve",), ("allow", "deny", "loses")),
        (approved_by(1, "c"), approved_by(1, "c"), ("approve", "revoke"), ("deny", "deny", None)),
    ],
)
def test_what_a_proposal_means_for_a_request(
    real: Script, proposed: Script, answers: tuple[Answer, ...], expected: tuple[str, str, str | None]
) -> None:
    assert tried(real, proposed, *answers) == [expected]


def test_an_end_that_the_reader_did_not_want_anyway_is_no_change() -> None:
    world = AccessWorld(real=lambda case: allow())
    world.ask(until_ms=TIME_MS + 1000)
    policy = ScriptedPolicy({"real": world.policy.scripts["real"], "proposed": lambda case: allow(TIME_MS + 2000)})
    replayed = replay(Replay(world.network.genesis, policy, ProposedContract("a.rule", "proposed")), world.ledger)
    assert replayed.trial is not None
    assert (list(replayed.trial.changes()), replayed.trial.unchanged) == ([], 1)


def test_a_settled_proposal_is_not_asked_again_but_a_revoked_one_is() -> None:
    calls: list[str] = []

    def proposed(case: AccessCase) -> CallResult:
        calls.append(case.request.answers[-1].answer if case.request.answers else "request")
        return allow()

    tried(approved_by(1, "c"), proposed, "approve", "revoke")
    assert calls == ["request", "revoke"]
