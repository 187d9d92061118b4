"""Blocks that call contracts: how much may stand in one, what a failing machine does, and replay on other nodes."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from chain.access.decision import CallResult
from chain.access.policy import AccessCase, MissingEngine
from chain.blocks import Proposal
from chain.errors import ErrorCode, PoolError
from chain.ledger import ExecutedBlock
from chain.limits import LIMITS
from chain.transactions.base import CheckedTransaction, Transaction
from contracts.engine import ENGINE_IDENTITY
from tests.chain.access_world import CHECK_FUEL, AccessWorld, ScriptedPolicy, allow, deny
from tests.ledgers import memory_ledger
from tests.networks import TestNetwork
from tests.refusals import refuses

ENGINE_FAILURES = [code for code in ErrorCode if code.is_engine]
STORAGE_FAILURES = [code for code in ErrorCode if code.is_storage]


def costs(fuel: int) -> Callable[[AccessCase], CallResult]:
    """A contract that allows, for this much fuel."""
    return lambda case: allow(fuel=fuel)


def fails(code: ErrorCode) -> Callable[[AccessCase], CallResult]:
    """A machine that fails whenever the contract is called."""

    def decide(case: AccessCase) -> CallResult:
        raise PoolError(code, "this machine is broken")

    return decide


def checked(world: AccessWorld, transactions: list[Transaction]) -> list[CheckedTransaction]:
    return [world.network.checked(transaction) for transaction in transactions]


def made(world: AccessWorld, *transactions: Transaction) -> ExecutedBlock:
    """The block that a primary makes of these candidates."""
    return world.ledger.execute(checked(world, list(transactions)), world.time_ms + 1, "a")


def members_of(executed: ExecutedBlock) -> Counter[str]:
    return Counter(transaction.header.member for transaction in executed.transactions)


class TestBudget:
    def test_calls_beyond_the_bound_wait_and_all_else_goes_on(self) -> None:
        world = AccessWorld()
        network = world.network
        requests = [network.request() for _ in range(LIMITS.block_contract_calls + 1)]
        parcel = network.sealed_parcel()
        executed = made(world, *requests, parcel)
        assert [item.id for item in executed.transactions] == [network.id_of(item) for item in [*requests[:-1], parcel]]
        assert len(executed.outcomes) == executed.header.transaction_count == LIMITS.block_contract_calls + 1
        assert world.ledger.check(executed.proposal, executed.transactions, None).block_hash == executed.block_hash

    def test_every_kind_of_call_counts(self) -> None:
        world = AccessWorld()
        network = world.network
        (parcel,) = world.accept(network.sealed_parcel())
        request_id, _ = world.ask()
        calls = [network.contract("none", name="x"), network.approval(request_id, "revoke", "b"), network.request()]
        filled = [*calls, *(network.request() for _ in range(LIMITS.block_contract_calls - len(calls)))]
        report = network.read_report(request_id, [parcel])
        executed = made(world, *filled, network.request(), network.approval(request_id), report)
        assert [item.id for item in executed.transactions] == [network.id_of(item) for item in [*filled, report]]

    def test_the_fuel_of_a_block_is_bounded(self) -> None:
        world = AccessWorld(rule=costs(LIMITS.block_contract_fuel // 4))
        executed = made(world, *(world.network.request() for _ in range(9)))
        assert len(executed.transactions) == 4

    def test_a_failed_check_spends_fuel_too(self) -> None:
        world = AccessWorld(rule=costs(LIMITS.block_contract_fuel - CHECK_FUEL))
        network = world.network
        executed = made(world, network.contract("none", name="x"), network.request(), network.request())
        assert [outcome.code for outcome in executed.outcomes] == ["bad_contract", "ok"]

    def test_the_most_costly_call_still_has_a_block_to_itself(self) -> None:
        world = AccessWorld(rule=costs(2 * LIMITS.contract_fuel))
        executed = made(world, world.network.request(), world.network.request("d"))
        assert members_of(executed) == {"b": 1}

    def test_members_share_the_fuel(self) -> None:
        tenth = LIMITS.block_contract_fuel // 10

        def by_reader(case: AccessCase) -> CallResult:
            return allow(fuel=tenth if case.reader.name == "b" else 10)

        world = AccessWorld(rule=by_reader)
        network = world.network
        flood = [network.request("b") for _ in range(20)]
        others = [network.request(member) for member in ("c", "d", "c", "d")]
        # Of two members each may spend a half, and of three a third, which b has spent with its fourth call.
        assert members_of(made(world, *flood, others[0])) == {"b": 5, "c": 1}
        assert members_of(made(world, *flood, *others)) == {"b": 4, "c": 2, "d": 2}

    def test_who_is_alone_may_have_it_all(self) -> None:
        world = AccessWorld(rule=costs(LIMITS.block_contract_fuel // 10))
        network = world.network
        executed = made(world, *(network.request() for _ in range(20)), network.sealed_parcel())
        assert members_of(executed) == {"b": 10, "a": 1}

    @pytest.mark.parametrize("bound", ["calls", "fuel"])
    def test_a_primary_that_puts_in_more_is_refused(self, bound: str) -> None:
        is_calls = bound == "calls"
        world = AccessWorld(rule=costs(1 if is_calls else LIMITS.block_contract_fuel // 2))
        allowed = LIMITS.block_contract_calls if is_calls else 2
        candidates = checked(world, [world.network.request() for _ in range(allowed + 1)])
        largest = world.ledger.execute(candidates, world.time_ms + 1, "a")
        assert len(largest.transactions) == allowed
        too_many = Proposal(largest.proposal.header, tuple(item.id for item in candidates))
        with refuses(ErrorCode.BAD_BLOCK, "more contract work than a block may"):
            world.ledger.check(too_many, candidates, None)


class TestMachinesThatFail:
    @pytest.mark.parametrize("code", [*ENGINE_FAILURES, *STORAGE_FAILURES])
    def test_a_failure_of_this_machine_is_raised_and_never_an_outcome(self, code: ErrorCode) -> None:
        world = AccessWorld(rule=fails(code))
        tip = world.ledger.tip
        candidates = checked(world, [world.network.sealed_parcel(), world.network.request()])
        healthy = AccessWorld(rule=lambda case: allow())
        proposal = healthy.ledger.execute(candidates, world.time_ms + 1, "a").proposal
        with pytest.raises(PoolError) as caught_making:
            world.ledger.execute(candidates, world.time_ms + 1, "a")
        with pytest.raises(PoolError) as caught_checking:
            world.ledger.check(proposal, candidates, None)
        assert caught_making.value.code is caught_checking.value.code is code
        assert world.ledger.tip == tip
        assert world.policy.opened == world.policy.closed, "what was opened for the block is given back"

    def test_the_same_block_is_executed_once_the_engine_runs_again(self) -> None:
        world = AccessWorld(rule=fails(ErrorCode.ENGINE_UNAVAILABLE))
        request = world.network.request()
        with pytest.raises(PoolError):
            made(world, request)
        world.policy.scripts["rule"] = lambda case: allow()
        world.accept(request)
        assert world.reads().grants == 1

    def test_a_program_without_an_engine_goes_on_until_a_contract_is_called(self) -> None:
        network = TestNetwork(has_contracts=True)
        ledger = network.ledger()
        executed = network.commit(
            ledger, [network.dataset(sharing="closed"), network.sealed_parcel(), network.request("a")]
        )
        assert [outcome.code for outcome in executed.outcomes] == ["ok", "ok", "ok"]
        with refuses(ErrorCode.ENGINE_UNAVAILABLE):
            network.commit(ledger, [network.contract("allow")])

    def test_what_is_missing_says_why(self) -> None:
        runner = MissingEngine("no processor for it").open_block(ENGINE_IDENTITY)
        for call in (lambda: runner.check("", "{}"), lambda: runner.decide(None, None)):  # type: ignore[arg-type]
            with pytest.raises(PoolError, match="no processor for it"):
                call()


class TestNetworksWithoutContracts:
    def test_they_take_neither_contracts_nor_requests(self) -> None:
        network = TestNetwork()
        ledger = network.ledger()
        transactions = [
            network.contract("allow"),
            network.request(),
            network.approval(bytes(32)),
            network.read_report(bytes(32), [bytes(32)]),
        ]
        before = ledger.tip.header.state_root
        executed = network.commit(ledger, transactions)
        assert {outcome.code for outcome in executed.outcomes} == {"no_contracts"}
        assert ledger.tip.header.state_root == before

    def test_they_have_no_validator_to_seal_for(self) -> None:
        network = TestNetwork()
        executed = network.commit(network.ledger(), [network.dataset(sharing="closed"), network.sealed_parcel()])
        assert [outcome.code for outcome in executed.outcomes] == ["ok", "wrong_kem_suite"]


class TestReplay:
    """The same blocks on another node, on an auditor's machine, and after a restart."""

    @pytest.fixture
    def world(self) -> AccessWorld:
        world = AccessWorld(rule=lambda case: allow() if len(case.grants) < 2 else deny("twice is enough"))
        network = world.network
        parcel_id, *_ = world.accept(network.sealed_parcel(), network.request(), network.request())
        request_id, _ = world.ask()
        world.answer(world.reader().granted[0], "revoke", "a")
        world.accept(network.read_report(world.reader().granted[1], [parcel_id]))
        assert world.request(request_id).decision.status == "denied"
        return world

    def test_executing_beside_the_ledger_gives_the_same_block(self, world: AccessWorld) -> None:
        copy = memory_ledger(world.network.genesis, ScriptedPolicy(world.policy.scripts))
        thread = ThreadPoolExecutor(1)
        for height in range(1, world.ledger.tip.height + 1):
            block = world.ledger.block_at(height)
            transactions = [
                world.network.checked(transaction) for transaction in world.ledger.blocks.transactions(height)
            ]
            executed = thread.submit(copy.check_certified, block, transactions, are_signed=True).result()
            assert block.certificate is not None
            copy.commit(executed, block.certificate)
        assert copy.tip.block_hash == world.ledger.tip.block_hash
        request = world.network.checked(world.network.request())
        beside = thread.submit(copy.execute, [request], world.time_ms, "a").result()
        thread.shutdown()
        assert beside.block_hash == world.ledger.execute([request], world.time_ms, "a").block_hash
