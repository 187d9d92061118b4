"""Attackers' contracts committed on a chain and called by requests (scenario 52): each ends as a committed denial, and
the requests around it in the same block are decided as if it were not there.

The sandbox alone is attacked in ``tests/contracts/test_attacks.py``; here it is what the whole chain makes of it.
"""

from dataclasses import dataclass

import pytest

from chain.blocks import Outcome
from chain.errors import ErrorCode
from chain.facts import unpack
from chain.limits import LIMITS
from chain.primitives.crypto import Hash
from chain.state.entries import ContractEntry, ContractState, contract_key, contract_state_key
from chain.transactions.base import Transaction
from contracts.engine import Engine
from tests.attacks.world import ALLOW, World, codes, contract, verdicts
from tests.contracts.test_attacks import ESCAPES, EXHAUSTION, FAILED, FUEL, MEMORY, NONSENSE, SYS, TRAPPED

BAD = ErrorCode.CONTRACT_BAD_ANSWER

HONEST = contract(
    "ctx.state['calls'] = ctx.state.get('calls', 0) + 1\n"
    "return allow(until=ctx.time_ms + 1000, note=f'{ctx.reader.name} {ctx.state[\"calls\"]}')"
)

ATTACKS = {
    "escapes-to-files": (ESCAPES["real open"][0], FAILED),
    "escapes-to-the-clock": (ESCAPES["clock"][0], TRAPPED),
    "loops": (EXHAUSTION["endless loop that catches everything"][0], FUEL),
    "allocates": (EXHAUSTION["many strings"][0], MEMORY),
    "recurses": (EXHAUSTION["endless recursion without a bound"][0], FUEL),
    "exhausts-the-stack": (EXHAUSTION["deep repr"][0], TRAPPED),
    "raises-megabytes": (EXHAUSTION["exception with megabytes"][0], FAILED),
    "exits": (ESCAPES["exit"][0], FAILED),
    "forges-a-verdict": (NONSENSE["a verdict with both"], BAD),
    "asks-nobody": (NONSENSE["nobody asked"], BAD),
    "grants-until-now": (NONSENSE["end in the past"], BAD),
    "keeps-a-huge-state": (NONSENSE["large state"], BAD),
    "keeps-a-deep-state": (NONSENSE["deep state"], BAD),
}


@dataclass(frozen=True, slots=True)
class Attacked:
    """One block: an honest request, the attack, an honest request; then a block without an attack."""

    before: Outcome
    attack: Outcome
    after: Outcome
    next: Outcome
    request: Hash


@pytest.fixture(scope="module")
def attacked_world(engine: Engine) -> World:
    world = World.create(engine)
    world.accept(*world.share(HONEST, "honest", "c"))
    return world


@pytest.fixture(scope="module")
def attacks(attacked_world: World) -> dict[str, Attacked]:
    """All attacks, one after the other, on one node that runs all the time."""
    world, network, found = attacked_world, attacked_world.network, {}
    for name, (body, _) in ATTACKS.items():
        world.accept(*world.share(contract(body), name))
        attack = network.request(dataset=f"a.{name}")
        before, decided, after = world.commit(_ask(world), attack, _ask(world))
        (following,) = world.commit(_ask(world))
        found[name] = Attacked(before, decided, after, following, network.id_of(attack))
    return found


def _ask(world: World) -> Transaction:
    return world.network.request("b", "c.honest")


@pytest.mark.parametrize("name", ATTACKS)
def test_s52_an_attack_is_a_committed_denial_and_touches_nobody_else(
    attacked_world: World, attacks: dict[str, Attacked], name: str
) -> None:
    code = ATTACKS[name][1]
    attacked = attacks[name]
    assert attacked.attack.code == "ok"
    assert verdicts([attacked.attack]) == [("deny", code)]
    assert len(text_of(attacked.attack)) <= LIMITS.reason_length
    assert attacked.attack.fuel <= 2 * LIMITS.contract_fuel
    held = attacked_world.request(attacked.request).decision
    assert (held.status, held.failure, held.until_ms, held.approvers) == ("denied", code, 0, ())
    assert attacked_world.ledger.state_value(contract_state_key(f"a.{name}", f"a.{name}")) is None
    assert verdicts([attacked.before, attacked.after, attacked.next]) == [("allow", "")] * 3


def test_s52_the_honest_contract_never_lost_count(attacked_world: World, attacks: dict[str, Attacked]) -> None:
    kept = attacked_world.ledger.entry(contract_state_key("c.honest", "c.honest"), ContractState)
    assert kept is not None
    assert kept.state == b'{"calls":%d}' % (3 * len(attacks))


def text_of(outcome: Outcome) -> str:
    """What an outcome has of a contract's own words."""
    return str(unpack(outcome.facts).get("text", ""))


UNFIT = ErrorCode.BAD_CONTRACT
MESSAGE_FUEL = 1_000 * LIMITS.contract_answer_character_fuel
"""Of reading what is wrong."""
BAD_DEPLOYMENTS = {
    "loops on loading": ("while True: pass\n" + ALLOW, FUEL),
    "allocates on loading": ("x = [0] * 10**9\n" + ALLOW, UNFIT),
    "escapes on loading": (f"{SYS}sys.modules['os'].listdir('/')\n{ALLOW}", TRAPPED),
    "exits on loading": ("raise SystemExit(0)\n", UNFIT),
    "deep source": ("x = " + "(" * 16_000, TRAPPED),
    "no source": ("", UNFIT),
    "null characters": ("\0" * 100, UNFIT),
    "no function": ("can_read = 5\n", UNFIT),
    "defines a generator": ("def can_read(request, dataset, ctx):\n    yield 1\n", UNFIT),
    "characters that take four bytes": ("#" + "\U0001f600" * 5_000, ErrorCode.CONTRACT_TOO_LARGE),
}


@pytest.mark.parametrize("name", BAD_DEPLOYMENTS)
def test_s52_a_contract_that_attacks_on_loading_is_not_deployed(world: World, name: str) -> None:
    network = world.network
    source, code = BAD_DEPLOYMENTS[name]
    attack = network.contract(source, name="bad")
    honest = world.share(HONEST, "honest", "c")
    outcomes = world.commit(honest[0], attack, honest[1], network.request("b", "c.honest"))
    assert codes(outcomes) == ["ok", code, "ok", "ok"]
    assert len(text_of(outcomes[1])) <= LIMITS.reason_length
    assert outcomes[1].fuel <= LIMITS.contract_fuel + LIMITS.contract_guest_fuel + MESSAGE_FUEL
    assert world.ledger.entry(contract_key("a.bad"), ContractEntry) is None
    assert verdicts(outcomes) == [("allow", "")]


def test_s52_a_failed_call_leaves_the_state_as_it_was(world: World) -> None:
    source = contract(
        "ctx.state['calls'] = ctx.state.get('calls', 0) + 1\n"
        "if request.purpose == 'huge':\n    ctx.state['x'] = 'a' * 17_000\n"
        "if request.purpose == 'raise':\n    raise ValueError\n"
        "if request.purpose == 'loop':\n    while True: pass\n"
        "return allow(note=str(ctx.state))"
    )
    world.accept(*world.share(source))
    requests = [world.network.request(purpose=purpose) for purpose in ("a", "huge", "b", "raise", "c", "loop", "d")]
    outcomes = world.commit(*requests)
    assert [failure for _, failure in verdicts(outcomes)] == ["", BAD, "", FAILED, "", FUEL, ""]
    notes = [world.request(world.network.id_of(request)).decision.note for request in requests]
    assert notes == ["{'calls': 1}", "", "{'calls': 2}", "", "{'calls': 3}", "", "{'calls': 4}"]


def test_s52_contracts_do_not_see_each_others_state_nor_their_own_on_other_datasets(world: World) -> None:
    network = world.network
    source = contract("ctx.state.setdefault('readers', []).append(ctx.reader.name)\nreturn allow(note=str(ctx.state))")
    world.accept(*world.share(source, "one"), *world.share(source, "two", "c"))
    world.accept(network.dataset(name="three", sharing="conditional", contract="a.one"))
    asked = [
        network.request(member, dataset)
        for member, dataset in (("b", "a.one"), ("d", "c.two"), ("outsider", "a.three"), ("d", "a.one"))
    ]
    world.accept(*asked)
    notes = [world.request(network.id_of(request)).decision.note for request in asked]
    assert notes == ["{'readers': ['b']}", "{'readers': ['d']}", "{'readers': ['outsider']}", "{'readers': ['b', 'd']}"]
