"""Attackers' contracts committed on a chain and called by requests (scenario 52): each ends as a committed denial, and
the requests around it in the same block are decided as if it were not there.

The sandbox alone is attacked in ``tests/contracts/test_attacks.py``; here it is what the whole chain makes of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from chain.blocks import Outcome
from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.crypto import Hash
from chain.state.entries import ContractEntry, ContractState, contract_key, contract_state_key
from chain.transactions.base import Transaction
from contracts.engine import Engine
from contracts.policy import SandboxPolicy
from contracts.sandbox import Sandbox
from tests.attacks.world import ALLOW, World, codes, contract, verdicts
from tests.contracts.test_attacks import SYS

FAILED, FUEL = ErrorCode.CONTRACT_FAILED, ErrorCode.CONTRACT_OUT_OF_FUEL
MEMORY, TRAPPED = ErrorCode.CONTRACT_OUT_OF_MEMORY, ErrorCode.CONTRACT_TRAPPED
NONSENSE = ErrorCode.CONTRACT_BAD_VERDICT

HONEST = contract(
    "ctx.state['calls'] = ctx.state.get('calls', 0) + 1\n"
    "return allow(until=ctx.time_ms + 1000, note=f'{ctx.reader.name} {ctx.state[\"calls\"]}')"
)

ATTACKS = {
    "escapes-to-files": ("import json\njson.codecs.builtins.open('/etc/passwd')", FAILED),
    "escapes-to-the-clock": (SYS + "sys.modules['time'].time()", TRAPPED),
    "loops": ("while True: pass", FUEL),
    "loops-and-catches-all": ("while True:\n    try:\n        while True: pass\n    except BaseException: pass", FUEL),
    "allocates": ("[0] * 10**9", MEMORY),
    "allocates-bit-by-bit": ("all = []\nwhile True: all.append('a' * 10**6 + str(len(all)))", MEMORY),
    "recurses": ("return can_read(request, dataset, ctx)", FAILED),
    "recurses-past-the-bound": (SYS + "sys.setrecursionlimit(10**9)\ndef f(): return f()\nreturn f()", FUEL),
    "exhausts-the-stack": ("x = []\nfor _ in range(100000): x = [x]\nrepr(x)", TRAPPED),
    "notes-megabytes": ("return allow(note='a' * 10**6)", NONSENSE),
    "writes-to-standard-output": (SYS + "sys.stdout.write('x')\nsys.stdout.flush()", TRAPPED),
    "returns-nonsense": ("return {'verdict': 'allow'}", NONSENSE),
    "returns-a-forged-verdict": ("return deny('no')._replace(verdict='allow')", NONSENSE),
    "raises": ("1 / 0", FAILED),
    "raises-megabytes": ("raise Exception('a' * 10**6)", FAILED),
    "exits": ("raise SystemExit(0)", FAILED),
    "grants-until-yesterday": ("return allow(until=ctx.time_ms - 86_400_000)", NONSENSE),
    "grants-until-now": ("return allow(until=ctx.time_ms)", NONSENSE),
    "asks-nobody": ("return ask([])", NONSENSE),
    "keeps-a-huge-state": ("ctx.state['x'] = 'a' * 17_000\nreturn allow()", NONSENSE),
    "keeps-a-deep-state": ("x = {}\nfor _ in range(40): x = {'x': x}\nctx.state['x'] = x\nreturn allow()", NONSENSE),
    "keeps-half-a-character": ("ctx.state['x'] = '\\ud800'\nreturn allow()", NONSENSE),
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
    assert len(attacked.attack.sentence) <= LIMITS.reason_length
    assert attacked.attack.fuel <= 2 * LIMITS.contract_fuel
    entry = attacked_world.request(attacked.request)
    assert (entry.status, entry.failure, entry.until_ms, entry.approvers) == ("denied", code, 0, ())
    assert attacked_world.ledger.state_value(contract_state_key(f"a.{name}", f"a.{name}")) is None
    assert verdicts([attacked.before, attacked.after, attacked.next]) == [("allow", "")] * 3


def test_s52_a_second_node_and_an_auditor_find_the_same(
    attacked_world: World, attacks: dict[str, Attacked], engine: Engine
) -> None:
    """The first node has met all attacks in one sandbox; the others begin now, each with a new one."""
    policy = SandboxPolicy(Sandbox(engine, attacked_world.network.chain_id))
    assert attacked_world.replayed(policy).tip.block_hash == attacked_world.ledger.tip.block_hash
    report = attacked_world.audited(policy)
    assert (report.block_hash, report.height) == (attacked_world.ledger.tip.block_hash, 3 * len(attacks) + 1)
    assert set(report.outcomes) == {"ok"}


def test_s52_the_honest_contract_never_lost_count(attacked_world: World, attacks: dict[str, Attacked]) -> None:
    kept = attacked_world.ledger.entry(contract_state_key("c.honest", "c.honest"), ContractState)
    assert kept is not None
    assert kept.state == b'{"calls":%d}' % (3 * len(attacks))


BAD_DEPLOYMENTS = {
    "loops on loading": "while True: pass\n" + ALLOW,
    "allocates on loading": "x = [0] * 10**9\n" + ALLOW,
    "escapes on loading": f"{SYS}sys.modules['os'].listdir('/')\n{ALLOW}",
    "exits on loading": "raise SystemExit(0)\n",
    "deep source": "x = " + "(" * 60_000,
    "no source": "",
    "null characters": "\0" * 100,
    "no function": "can_read = 5\n",
    "defines a generator": "def can_read(request, dataset, ctx):\n    yield 1\n",
    "characters that take four bytes": "#" + "\U0001f600" * 20_000,
}


@pytest.mark.parametrize("name", BAD_DEPLOYMENTS)
def test_s52_a_contract_that_attacks_on_loading_is_not_deployed(world: World, name: str) -> None:
    network = world.network
    attack = network.contract(BAD_DEPLOYMENTS[name], name="bad")
    honest = world.share(HONEST, "honest", "c")
    outcomes = world.commit(honest[0], attack, honest[1], network.request("b", "c.honest"))
    assert codes(outcomes) == ["ok", "bad_contract", "ok", "ok"]
    assert len(outcomes[1].sentence) <= LIMITS.reason_length
    assert outcomes[1].fuel <= LIMITS.contract_fuel
    assert world.ledger.entry(contract_key("a.bad"), ContractEntry) is None
    assert verdicts(outcomes) == [("allow", "")]


@pytest.mark.parametrize("parameters", ["[]", "null", "{", "", '{"x":NaN}', '{"x":' * 40 + "1" + "}" * 40])
def test_s47_parameters_that_are_no_small_object_are_refused(world: World, parameters: str) -> None:
    assert codes(world.commit(world.network.contract(ALLOW, parameters=parameters))) == ["bad_contract"]


def test_s52_the_largest_parameters_work_and_one_byte_more_does_not(world: World) -> None:
    text = "x" * (LIMITS.contract_parameters_size_bytes - len('{"x":""}'))
    source = contract("return allow(note=str(len(ctx.parameters['x'])))")
    world.accept(*world.share(source, parameters=f'{{"x":"{text}"}}'))
    request = world.network.request()
    world.accept(request)
    assert world.request(world.network.id_of(request)).note == str(len(text))
    with pytest.raises(PoolError, match="Malformed"):
        world.checked(world.network.contract(ALLOW, parameters=f'{{"x":"{text}x"}}'))
    four_bytes = '{"x":"' + "\U0001f600" * (len(text) // 4 + 1) + '"}'
    assert codes(world.commit(world.network.contract(ALLOW, name="wide", parameters=four_bytes))) == ["bad_contract"]


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
    assert [failure for _, failure in verdicts(outcomes)] == ["", NONSENSE, "", FAILED, "", FUEL, ""]
    notes = [world.request(world.network.id_of(request)).note for request in requests]
    assert notes == ["{'calls': 1}", "", "{'calls': 2}", "", "{'calls': 3}", "", "{'calls': 4}"]


def test_s52_the_largest_state_is_kept_whole(world: World) -> None:
    length = LIMITS.contract_state_size_bytes - len('{"x":""}')
    source = contract(
        f"seen = len(ctx.state.get('x', ''))\nctx.state['x'] = 'a' * {length}\nreturn allow(note=str(seen))"
    )
    world.accept(*world.share(source))
    first, second = world.network.request(), world.network.request()
    world.accept(first)
    world.accept(second)
    assert [world.request(world.network.id_of(item)).note for item in (first, second)] == ["0", str(length)]


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
    notes = [world.request(network.id_of(request)).note for request in asked]
    assert notes == ["{'readers': ['b']}", "{'readers': ['d']}", "{'readers': ['outsider']}", "{'readers': ['b', 'd']}"]


@pytest.mark.parametrize(
    "reason",
    [
        "\u202edeined ton saw ti\u202c",
        "\x1b[2J\x1b[31mgranted",
        "a\0b",
        "\n\r\t",
        "\U0001f600" * LIMITS.reason_length,
        "e\u0301" * (LIMITS.reason_length // 2),
        "\ufeff\u200b",
    ],
)
def test_s52_whatever_text_a_contract_gives_as_its_reason_is_kept_exactly(world: World, reason: str) -> None:
    world.accept(*world.share(contract(f"return deny({reason!r})")))
    request = world.network.request()
    (outcome,) = world.commit(request)
    assert (outcome.sentence, verdicts([outcome])) == (reason, [("deny", "")])
    assert world.request(world.network.id_of(request)).sentence == reason
