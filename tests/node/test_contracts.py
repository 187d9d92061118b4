"""Real contracts on real nodes: the same verdicts everywhere, the loop never held up, a lost engine never a verdict."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from msgspec.structs import replace

from chain import state
from chain.blocks import Certificate, Outcome, commit_message
from chain.contract_engine import EngineIdentity
from chain.encoding import decode, encode
from chain.errors import ErrorCode, PoolError
from chain.keys import load_signer
from chain.ledger import ExecutedBlock
from chain.sealed import decode_envelope
from chain.state import RequestEntry
from chain.transactions import ParcelHeader, Transaction, decode_transaction_header
from consensus.effects import Deliver, Execute
from contracts.compiled import default_cache_folder
from node.config import load_config
from node.engine import ContractEngine
from node.frames import BlockRange
from node.home import open_home
from node.recovery import open_recovered
from tests.node.cluster import Network, Node, running
from tests.node.link_cluster import until

BY_PURPOSE = """
from blockpool.contract import allow, deny

def can_read(request, dataset, ctx):
    if request.purpose == "flood warning":
        return allow(note=f"asked {ctx.usage.reader_grants} times before")
    return deny(f"not for {request.purpose}")
"""
LOOPS = """
def can_read(request, dataset, ctx):
    while True:
        pass
"""
OTHER_ENGINE = EngineIdentity(bytes(32), "0.0.1", "x86_64-unknown-linux-gnu")
PATIENCE_S = 60.0
"""On a machine that has a lot else to do."""


async def eventually(condition: Callable[[], object]) -> None:
    await until(condition, PATIENCE_S)


async def submit(node: Node, data: bytes) -> Outcome:
    return decode(Outcome, (await node.submit(data, PATIENCE_S)).outcome)


async def share(node: Node, network: Network, source: str, name: str = "flights", rule: str = "rule") -> None:
    """Let `a` deploy a contract, and share a dataset under it."""
    for data in (
        network.contract(source, name=rule),
        network.dataset(name=name, sharing="conditional", contract=f"a.{rule}"),
        network.sealed_parcel(dataset=f"a.{name}"),
    ):
        outcome = await submit(node, data)
        assert outcome.is_ok, outcome.reason


async def request(node: Node, data: bytes) -> tuple[str, str]:
    """What came of a request: verdict, and failure or reason."""
    outcome = await submit(node, data)
    assert outcome.verdict is not None, outcome
    return outcome.verdict.verdict, outcome.verdict.failure or outcome.reason


@asynccontextmanager
async def contract_network(
    folder: Path, *names: str, others: Sequence[str] = ()
) -> AsyncIterator[tuple[Network, list[Node]]]:
    network = Network.create(folder, validators="abcd"[: len(names)], others=others, contracts=True)
    async with running(network, *names) as nodes:
        yield network, nodes


class LoopWatch:
    """Measures how long the event loop keeps others waiting."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> LoopWatch:
        self._task = asyncio.get_running_loop().create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before_s = loop.time()
            await asyncio.sleep(0.001)
            self.longest_s = max(self.longest_s, loop.time() - before_s)


def sample(node: Node, name: str, **labels: str) -> float:
    """Value of one of the node's metrics."""
    return node.service.metrics.registry.get_sample_value(f"blockpool_{name}", labels) or 0.0


def executions(node: Node) -> float:
    """Blocks that were executed beside the loop."""
    return sample(node, "execution_seconds_count")


def kill_engine(node: Node) -> None:
    assert node.engine is not None
    assert node.engine.process_id is not None
    os.kill(node.engine.process_id, signal.SIGKILL)


def voters(node: Node) -> set[str]:
    """Validators with a vote in any certificate."""
    certificates = [node.ledger.block_at(height).certificate for height in range(1, node.height + 1)]
    return {name for certificate in certificates if certificate for name, _ in certificate.votes}


def cheating_parcel(network: Network, victim: str) -> bytes:
    """A sealed parcel in which the share of one validator does not open."""
    honest = decode(Transaction, network.sealed_parcel())
    header = decode_transaction_header(network.genesis.chain_id, honest.header)
    assert isinstance(header, ParcelHeader)
    envelope = decode_envelope(header.envelope)
    shares = tuple(
        replace(share, sealed=bytes(len(share.sealed))) if share.validator == victim else share
        for share in envelope.shares
    )
    forged = replace(header, envelope=encode(replace(envelope, shares=shares)))
    return encode(network.sign(forged, "a", honest.payload))


async def agree(nodes: list[Node]) -> int:
    """Wait until all nodes stand at one height, and check that all their blocks are the same."""
    height = max(node.height for node in nodes)
    await eventually(lambda: all(node.height >= height for node in nodes))
    for at in range(1, height + 1):
        assert len({node.ledger.block_at(at).header for node in nodes}) == 1
    return height


def test_requests_are_decided_by_a_contract_alike_on_four_nodes(tmp_path: Path) -> None:
    async def main() -> None:
        async with contract_network(tmp_path, *"abcd") as (network, nodes):
            await share(nodes[0], network, BY_PURPOSE)
            granted = network.request()
            assert await request(nodes[1], granted) == ("allow", "")
            assert await request(nodes[2], network.request(purpose="marketing")) == ("deny", "not for marketing")
            await agree(nodes)
            for node in nodes:
                entry = node.ledger.entry(state.request_key(network.id_of(granted)), RequestEntry)
                assert entry is not None
                assert (entry.status, entry.note) == ("granted", "asked 0 times before")
                assert node.service.fatal is None
            assert sample(nodes[3], "contract_calls_total") == 3
            assert sample(nodes[3], "contract_fuel_total") > 1_000_000
            counted = {name: sample(nodes[3], "verdicts_total", verdict=name) for name in ("allow", "deny", "failed")}
            assert counted == {"allow": 1, "deny": 1, "failed": 0}

    uvloop.run(main())


def test_a_contract_that_loops_holds_up_neither_the_loop_nor_others(tmp_path: Path) -> None:
    async def main() -> None:
        async with contract_network(tmp_path, *"abcd") as (network, nodes):
            await share(nodes[0], network, LOOPS)
            await nodes[0].submit(network.dataset("c"))
            requests = [network.request() for _ in range(6)]
            async with LoopWatch() as watch:
                costly = [asyncio.create_task(request(nodes[1], data)) for data in requests]
                for _ in range(10):
                    assert (await submit(nodes[2], network.parcel(member="c"))).is_ok
                verdicts = await asyncio.gather(*costly)
            assert set(verdicts) == {("deny", ErrorCode.CONTRACT_OUT_OF_FUEL.value)}
            executed_s = sum(sample(node, "execution_seconds_sum") for node in nodes)
            assert watch.longest_s < executed_s / 10
            heights = [nodes[1].ledger.blocks.location(network.id_of(data)) for data in requests]
            assert len({location.height for location in heights if location is not None}) >= 3  # two a block at most
            await agree(nodes)

    uvloop.run(main())


def test_blocks_full_of_costly_calls_do_not_stop_ordering(tmp_path: Path) -> None:
    """Four nodes on this machine take longer for such a block than the timers' base: they double until it fits."""

    async def main() -> None:
        async with contract_network(tmp_path, *"abcd") as (network, nodes):
            await share(nodes[0], network, LOOPS)
            requests = [network.request(member) for member in "bcd" for _ in range(6)]
            verdicts = await asyncio.gather(*(request(nodes[0], data) for data in requests))
            assert set(verdicts) == {("deny", ErrorCode.CONTRACT_OUT_OF_FUEL.value)}
            await agree(nodes)
            assert all(len(node.service.pool.mempool) == 0 for node in nodes)

    uvloop.run(main())


def test_a_block_is_executed_again_when_the_engine_is_lost_meanwhile(tmp_path: Path) -> None:
    async def main() -> None:
        async with contract_network(tmp_path, *"abcd") as (network, nodes):
            await share(nodes[0], network, LOOPS)
            primary = next(node for node in nodes if node.service.driver.replica.is_primary)
            answer = asyncio.create_task(request(primary, network.request()))
            await eventually(lambda: primary.service.driver._making is not None)
            kill_engine(primary)
            await eventually(lambda: any(is_checking(node) for node in nodes))
            kill_engine(next(node for node in nodes if is_checking(node)))
            assert await answer == ("deny", ErrorCode.CONTRACT_OUT_OF_FUEL.value)
            await agree(nodes)
            assert sum(sample(node, "engine_restarts_total") for node in nodes) == 2
            assert all(node.service.fatal is None for node in nodes)

    uvloop.run(main())


def is_checking(node: Node) -> bool:
    """Whether another's proposal is being executed now."""
    return any(not checking.done() for checking in node.service.driver._checking.values())


def test_an_engine_that_was_lost_while_idle_is_replaced(tmp_path: Path) -> None:
    async def main() -> None:
        async with contract_network(tmp_path, "a", others=("b",)) as (network, [node]):
            await share(node, network, BY_PURPOSE)
            kill_engine(node)
            assert await request(node, network.request()) == ("allow", "")
            kill_engine(node)
            assert (await submit(node, network.contract(BY_PURPOSE, version=2))).is_ok
            assert sample(node, "engine_restarts_total") == 2

    uvloop.run(main())


def test_a_node_whose_engine_stays_lost_stops_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.engine._PAUSES_S", (0.01, 0.01))

    async def main() -> None:
        network = Network.create(tmp_path, validators="a", others=("b",), contracts=True)
        cache = tmp_path / "cache"
        shutil.copytree(default_cache_folder(), cache)
        with (network.home("a") / "config.toml").open("a") as config:
            config.write('[contracts]\ncache_folder = "../../cache"\n')
        async with running(network, "a") as (node,):
            await share(node, network, BY_PURPOSE)
            cache.chmod(0o777)
            kill_engine(node)
            with pytest.raises(PoolError):
                await node.submit(network.request(), timeout_s=1)
            await eventually(lambda: node.is_stopped)
            assert isinstance(node.service.fatal, PoolError)
            assert node.service.fatal.code == ErrorCode.ENGINE_DAMAGED
            assert "writable by nobody else" in node.service.fatal.detail

    uvloop.run(main())


def test_a_node_with_another_engine_neither_votes_nor_follows_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        network = Network.create(tmp_path, contracts=True)
        async with running(network, *"abc") as nodes:
            await share(nodes[0], network, BY_PURPOSE)
            odd = Node(network, "d", engine=ContractEngine(OTHER_ENGINE, network.genesis.chain_id, None))
            await odd.start()
            try:
                await eventually(lambda: len(odd.service.links.connected) == 3)
                assert await request(nodes[0], network.request()) == ("allow", "")
                odd.service.heard_of_height("a", nodes[0].height)
                await agree(nodes)
                assert (odd.height, odd.service.catch_up.is_running) == (0, False)
                assert odd.service.unready_reason == odd.service.engine_problem
                assert "wasmtime 0.0.1" in str(odd.service.engine_problem)
                assert not odd.service.is_validator
                with pytest.raises(PoolError, match=r"wasmtime 0\.0\.1") as caught:
                    await odd.submit(network.dataset("b"))
                assert caught.value.code == ErrorCode.NOT_READY
                assert await odd.service.catch_up.serve(encode(BlockRange(0, 1)))
                assert voters(nodes[0]) == set("abc")
            finally:
                await odd.stop()

    uvloop.run(main())
    assert "neither votes nor follows" in caplog.text


def test_a_node_catches_up_over_blocks_that_call_contracts(tmp_path: Path) -> None:
    async def main() -> None:
        network = Network.create(tmp_path, contracts=True)
        async with running(network, *"abc") as nodes:
            await share(nodes[0], network, BY_PURPOSE)
            for purpose in ("flood warning", "marketing", "flood warning"):
                await request(nodes[1], network.request(purpose=purpose))
            late = Node(network, "d")
            await late.start()
            try:
                await eventually(lambda: late.height == nodes[0].height)
                await agree([*nodes, late])
                assert late.service.catch_up.blocks == late.height
                assert await request(late, network.request("c")) == ("allow", "")
            finally:
                await late.stop()

    uvloop.run(main())


def test_blocks_that_call_contracts_are_executed_again_at_the_start(tmp_path: Path) -> None:
    async def main() -> None:
        network = Network.create(tmp_path, validators="a", others=("b",), contracts=True)
        async with running(network, "a") as (node,):
            await share(node, network, BY_PURPOSE)
            assert await request(node, network.request()) == ("allow", "")
            tip = node.ledger.tip
        shutil.rmtree(network.home("a") / "data" / "state")
        async with running(network, "a") as (node,):
            assert node.ledger.tip == tip
            assert node.ledger.states.head() == (tip.height, tip.header.state_root)
            granted = network.request()
            assert await request(node, granted) == ("allow", "")
            entry = node.ledger.entry(state.request_key(network.id_of(granted)), RequestEntry)
            assert entry is not None
            assert entry.note == "asked 1 times before"

    uvloop.run(main())


def test_without_its_engine_a_node_that_has_to_execute_again_does_not_start(tmp_path: Path) -> None:
    async def main() -> None:
        network = Network.create(tmp_path, validators="a", others=("b",), contracts=True)
        async with running(network, "a") as (node,):
            await share(node, network, BY_PURPOSE)
        shutil.rmtree(network.home("a") / "data" / "state")
        home = open_home(load_config(network.home("a"), {}))
        try:
            engine = ContractEngine(OTHER_ENGINE, network.genesis.chain_id, None)
            with pytest.raises(PoolError, match=r"wasmtime 0\.0\.1") as caught:
                open_recovered(home, resync=False, engine=engine)
            assert caught.value.code == ErrorCode.ENGINE_UNAVAILABLE
        finally:
            home.lock.close()

    uvloop.run(main())


def test_a_validator_finds_out_that_a_dealer_has_cheated_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with contract_network(tmp_path, *"abcd") as (network, nodes):
            await share(nodes[0], network, BY_PURPOSE)
            assert (await submit(nodes[0], cheating_parcel(network, "c"))).is_ok
            await agree(nodes)
            await eventually(lambda: sample(nodes[2], "shares_checked_total", result="dealer_fault") == 1)
            for node in (nodes[0], nodes[1], nodes[3]):
                await eventually(lambda node=node: sample(node, "shares_checked_total", result="good") == 2)
                assert sample(node, "shares_checked_total", result="dealer_fault") == 0

    uvloop.run(main())
    faults = [vars(record) for record in caplog.records if "dealer" in record.getMessage()]
    assert [fault["dataset"] for fault in faults] == ["a.flights"]


def test_a_block_that_is_being_made_is_not_begun_twice(tmp_path: Path) -> None:
    async def main() -> None:
        async with contract_network(tmp_path, "a", others=("b",)) as (network, [node]):
            await share(node, network, LOOPS)
            driver, before = node.service.driver, executions(node)
            answer = asyncio.create_task(request(node, network.request()))
            await eventually(lambda: driver._making is not None)
            driver._build(node.height + 1, driver.replica.view)
            await answer
            assert executions(node) == before + 1

    uvloop.run(main())


@asynccontextmanager
async def proposed(folder: Path) -> AsyncIterator[tuple[Node, ExecutedBlock, Certificate]]:
    """A lone validator of four that holds what a proposal needs, a costly call; and the certificate by which the others
    commit it.
    """
    network = Network.create(folder, contracts=True)
    async with running(network, "d") as (node,):
        for data in (network.contract(LOOPS), network.dataset(sharing="conditional", contract="a.rule")):
            executed = execute(node, data)
            node.service.pool.commit(executed, certify(network, executed))
        executed = execute(node, network.request())
        for checked in executed.transactions:
            node.service.pool.admit(checked)
        yield node, executed, certify(network, executed)
        assert node.service.fatal is None
        assert not node.service.driver.replica.is_changing_view


def execute(node: Node, data: bytes) -> ExecutedBlock:
    """A block of one transaction as `a` would propose it."""
    pool = node.service.pool
    checked = pool.verify(pool.decode(data)).checked
    assert checked is not None
    return node.ledger.execute([checked], pool.clock_ms(), "a")


def certify(network: Network, executed: ExecutedBlock) -> Certificate:
    """The votes of `a`, `b` and `c`."""
    height, hash_ = executed.header.height, executed.block_hash
    message = commit_message(network.genesis.chain_id, height, 0, hash_)
    keys = {name: load_signer(network.home(name) / "consensus.pem") for name in "abc"}
    return Certificate(height, 0, hash_, tuple((name, key.sign(message)) for name, key in keys.items()))


def test_a_block_that_is_committed_while_it_is_judged_is_executed_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with proposed(tmp_path) as (node, block, certificate):
            node.service.driver._carry_out([Execute(block.block_hash, block.proposal)])
            await eventually(lambda: is_checking(node))
            node.service.driver._carry_out([Deliver(block.proposal, certificate)])
            assert node.height == 2
            await eventually(lambda: node.height == 3)
            assert node.ledger.tip.block_hash == certificate.block_hash
            assert executions(node) == 1

    uvloop.run(main())


def test_what_is_executed_on_a_tip_that_is_gone_is_dropped(tmp_path: Path) -> None:
    """Catch-up stores the very block whose execution is under way."""

    async def main() -> None:
        async with proposed(tmp_path) as (node, block, certificate):
            node.service.driver._carry_out([Execute(block.block_hash, block.proposal)])
            await eventually(lambda: is_checking(node))
            [checking] = node.service.driver._checking.values()
            node.service.pool.commit(block, certificate)
            assert checking.cancelled()
            assert not node.service.driver._checking

    uvloop.run(main())


def test_an_execution_whose_turn_comes_too_late_is_nobodys_fault(tmp_path: Path) -> None:
    """Catch-up has stored the block, and will say so once it is durable: neither the proposal is bad nor the ledger."""

    async def main() -> None:
        async with proposed(tmp_path) as (node, block, certificate):
            driver, pool, others_done = node.service.driver, node.service.pool, threading.Event()

            def other() -> ExecutedBlock:
                others_done.wait()
                return block

            earlier = node.service.execution.submit(other)
            driver._carry_out([Execute(block.block_hash, block.proposal), Deliver(block.proposal, certificate)])
            pool.store(block, certificate)
            others_done.set()
            await earlier
            await eventually(lambda: not driver._tasks)
            assert node.service.fatal is None
            pool.flush()
            assert driver.replica.height == 4

    uvloop.run(main())
