"""Contract work as a weapon (scenarios 52 and 54): no member fills a block beyond its budget, starves another, or makes
one that others accept all the same.
"""

import pytest
from msgspec.structs import replace

from bench.contract_fuel import UNIT_NS_MAX, block_fuel_max
from chain.blocks import Proposal, decode_header
from chain.errors import ErrorCode, PoolError
from chain.execution import ContractBudget, Execution
from chain.limits import LIMITS
from chain.primitives.encoding import encode
from chain.proofs.merkle import leaf_hashes, root_of_leaves
from contracts.engine import Engine
from node.mempool import Mempool
from tests.attacks.world import ALLOW, World, contract, verdicts
from tests.refusals import refuses

SPENDS_ALL = contract("while True: pass")
TRAPS = "import json\njson.loads('[' * 5000)"


@pytest.fixture
def costly(world: World) -> World:
    """``a.flights`` has a contract that spends all its fuel; ``c.tides`` one that costs next to nothing."""
    world.accept(*world.share(SPENDS_ALL), *world.share(ALLOW, "tides", "c"))
    return world


@pytest.mark.parametrize("place", ["before", "after"])
def test_s54_costly_calls_of_one_leave_the_others_theirs(costly: World, place: str) -> None:
    network = costly.network
    flood = [network.request("b") for _ in range(10)]
    honest = [network.request("outsider", "c.tides") for _ in range(3)]
    offered = [*flood, *honest] if place == "before" else [*honest, *flood]
    executed = network.commit(costly.ledger, offered, costly.time_ms)
    outcomes = {outcome.transaction_id: outcome for outcome in executed.outcomes}
    assert verdicts([outcomes[network.id_of(request)] for request in honest]) == [("allow", "")] * 3
    assert len(outcomes) - len(honest) == 1


def test_s54_costly_calls_of_all_others_leave_each_member_its_turn(costly: World) -> None:
    """Three members flood at once: any two of their calls fill a block. Who begins changes with every block."""
    network, mempool = costly.network, Mempool()
    honest = [network.request("outsider", "c.tides") for _ in range(3)]
    flood = [network.request(member) for _ in range(10) for member in ("b", "c", "d")]
    for checked in costly.checked(*flood, *honest):
        mempool.add(checked)
    ids, waits = {network.id_of(request) for request in honest}, []
    for height in range(1, 13):
        executed = costly.ledger.execute(mempool.select(costly.time_ms), costly.time_ms, "a")
        costly.ledger.commit(executed, network.certify(executed))
        done = {checked.id for checked in executed.transactions}
        mempool.remove(done)
        waits += [height] * len(ids & done)
    assert len(waits) == 3
    assert waits[0] <= 4


def test_s54_costly_calls_hold_nobody_up_for_long_however_many_share_data(engine: Engine) -> None:
    """Two members flood, and ``d`` is always behind them in the order of names; all others only share data, in every
    block. It is the turns of those that call contracts that count.
    """
    world = World.create(engine, 20)
    network, mempool = world.network, Mempool()
    world.accept(*world.share(SPENDS_ALL), *world.share(ALLOW, "tides", "c"))
    sharers = network.names[4:]
    world.accept(*(network.dataset(member, "open") for member in sharers))
    for checked in world.checked(*(network.request(member) for _ in range(12) for member in "bc")):
        mempool.add(checked)
    honest, waited = network.checked(network.request("d", "c.tides")), 0
    for height in range(24):
        if height == 4:
            mempool.add(honest)
        for checked in world.checked(*(network.parcel(member=name, dataset=f"{name}.open") for name in sharers)):
            mempool.add(checked)
        executed = world.ledger.execute(mempool.select(world.time_ms), world.time_ms, "a")
        world.ledger.commit(executed, network.certify(executed))
        mempool.remove([checked.id for checked in executed.transactions])
        waited += honest.id in mempool
    assert waited <= 2


@pytest.mark.parametrize(("body", "count_max"), [("return allow()", 150), ("raise ValueError", 13), (TRAPS, 12)])
def test_s54_s90_no_call_is_too_cheap_to_fill_a_block(world: World, body: str, count_max: int) -> None:
    """Whatever a call spends its time on, so many of them and no more."""
    world.accept(*world.share(contract(body)))
    outcomes = world.offer(*(world.network.request("b") for _ in range(LIMITS.block_contract_calls)))
    assert count_max / 2 < len(outcomes) <= count_max
    assert sum(outcome.fuel for outcome in outcomes[:-1]) < LIMITS.block_contract_fuel
    assert sum(outcome.fuel for outcome in outcomes) >= LIMITS.block_contract_fuel


def test_s90_the_costliest_last_call_of_a_block_is_bounded(world: World) -> None:
    """It loads a contract and calls it, each with nearly all the fuel that there is, and says much."""
    source = "for _ in range(100_000): pass\n" + contract("ctx.state['x'] = [0.1e-5] * 18000\nwhile True: pass")
    world.accept(*world.share(source))
    (outcome,) = world.offer(world.network.request("b"))
    limits = LIMITS
    assert outcome.fuel > 1.6 * limits.contract_fuel + limits.contract_guest_fuel
    assert block_fuel_max() - limits.block_contract_fuel >= outcome.fuel
    assert block_fuel_max() * UNIT_NS_MAX <= 0.5e9


@pytest.mark.parametrize("beyond", ["fuel", "calls"])
def test_s52_a_primary_cannot_put_more_contract_work_into_a_block(
    costly: World, beyond: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Byzantine primary's block is right in every root, and still refused by all."""
    network = costly.network
    if beyond == "fuel":
        chosen = [network.request("b") for _ in range(4)]
    else:
        chosen = [network.request("b", "c.none") for _ in range(LIMITS.block_contract_calls + 1)]
    transactions = costly.checked(*chosen)
    with monkeypatch.context() as patch:
        patch.setattr(ContractBudget, "is_spent", False)
        executed = costly.ledger._execute(costly.ledger.tip, Execution.run, transactions, costly.time_ms, "a")
    assert len(executed.outcomes) == len(chosen)
    with refuses(ErrorCode.BAD_BLOCK, "more contract work"):
        costly.ledger.check(executed.proposal, transactions, None)


def test_s17_a_primary_cannot_change_a_verdict(world: World) -> None:
    """A block whose result root says ``allow`` where the contract says ``deny``."""
    world.accept(*world.share(contract("return deny('never')")))
    transactions = world.checked(world.network.request())
    honest = world.ledger.execute(transactions, world.time_ms, "a")
    (outcome,) = honest.outcomes
    assert outcome.verdict is not None
    forged = replace(outcome, facts=(), verdict=replace(outcome.verdict, verdict="allow"))
    header = replace(decode_header(honest.proposal.header), result_root=root_of_leaves(leaf_hashes([encode(forged)])))
    with pytest.raises(PoolError, match="result_root"):
        world.ledger.check(Proposal(encode(header), honest.proposal.transaction_ids), transactions, None)
