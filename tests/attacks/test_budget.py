"""Contract work as a weapon (scenarios 52 and 54): no member fills a block beyond its budget, starves another, or makes
one that others accept all the same.
"""

import pytest
from msgspec.structs import replace

from chain.access.decision import CallResult
from chain.blocks import Proposal, decode_header
from chain.errors import ErrorCode, PoolError
from chain.execution import ContractBudget, Execution
from chain.limits import LIMITS
from chain.primitives.encoding import encode
from chain.proofs.merkle import leaf_hashes, root_of_leaves
from contracts.engine import Engine
from contracts.policy import SandboxPolicy
from contracts.sandbox import Sandbox, SandboxSession
from node.mempool import Mempool
from tests.attacks.world import ALLOW, World, contract, verdicts
from tests.contracts.test_attacks import SYS
from tests.refusals import refuses

SPENDS_ALL = contract("while True: pass")


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


def test_s54_many_cheap_calls_do_not_fill_a_block_beyond_its_calls(world: World) -> None:
    world.accept(*world.share(ALLOW))
    outcomes = world.offer(*(world.network.request("b") for _ in range(LIMITS.block_contract_calls + 10)))
    assert len(outcomes) == LIMITS.block_contract_calls
    assert sum(outcome.fuel for outcome in outcomes) < LIMITS.block_contract_fuel


@pytest.mark.parametrize("beyond", ["fuel", "calls"])
def test_s52_a_primary_cannot_put_more_contract_work_into_a_block(
    costly: World, beyond: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Byzantine primary's block is right in every root, and still refused by all."""
    network = costly.network
    if beyond == "fuel":
        chosen = [network.request("b") for _ in range(4)]
    else:
        chosen = [network.request("b", "c.tides") for _ in range(LIMITS.block_contract_calls + 1)]
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


class CountingSandbox:
    """The real sandbox, with an eye on how many contracts it holds at once."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.open = self.most = 0

    def check(self, source: str, parameters: str = "{}") -> int:
        return self._sandbox.check(source, parameters)

    def contract(self, source: str, parameters: str = "{}") -> "CountedSession":
        self.open += 1
        self.most = max(self.most, self.open)
        return CountedSession(self, self._sandbox.contract(source, parameters))


class CountedSession:
    """A session that tells when it ends."""

    def __init__(self, counter: CountingSandbox, session: SandboxSession) -> None:
        self._counter = counter
        self._session = session

    def decide_encoded(self, call: bytes, time_ms: int) -> CallResult:
        return self._session.decide_encoded(call, time_ms)

    def close(self) -> None:
        self._counter.open -= 1
        self._session.close()


def test_s54_a_block_of_many_contracts_does_not_use_up_the_memory(engine: Engine) -> None:
    """Each guest holds what its contract once took, up to 64 MiB: only so many are held at once, on every node the
    same ones, so fuel and verdicts agree whatever was unloaded and loaded again.
    """
    world = World.create(engine)
    sandbox = CountingSandbox(Sandbox(engine, world.network.chain_id))
    source = f"{SYS}sys.calls = getattr(sys, 'calls', 0) + 1\nreturn allow(note=str(sys.calls))"
    count = LIMITS.block_contract_guests + 4
    names = [f"rule-{number}" for number in range(count)]
    for name in names:
        world.accept(*world.share(contract(f"x = {name!r}\n{source}"), name))
    calls = [*names, *names[:2], *names[-2:], names[0]]
    requests = [world.network.request(dataset=f"a.{name}") for name in calls]
    world.accept(*requests)
    notes = [world.request(world.network.id_of(request)).decision.note for request in requests]
    assert notes == ["1"] * count + ["1", "1", "2", "2", "2"]
    assert world.replayed(SandboxPolicy(sandbox)).tip.block_hash == world.ledger.tip.block_hash
    assert (sandbox.most, sandbox.open) == (LIMITS.block_contract_guests, 0)
