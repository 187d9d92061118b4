"""Blocks that call contracts are executed beside the loop, each once, and dropped when the tip has moved on."""

import asyncio
import dataclasses
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from chain.blocks import Block, Certificate, commit_message
from chain.errors import ErrorCode
from chain.ledger import ExecutedBlock
from chain.packages import BlockPackage
from chain.primitives.encoding import encode
from chain.primitives.keys import load_signer
from consensus.config import ConsensusConfig
from consensus.effects import Deliver, Execute
from tests.node import contract_cluster
from tests.node.cluster import Network, Node, running
from tests.refusals import refuses

TIMEOUT_TICKS = 2 * ConsensusConfig().view_timeout_ticks


async def test_a_block_that_is_being_made_is_not_begun_twice(tmp_path: Path) -> None:
    async with contract_cluster.contract_network(tmp_path, "a", others=("b",)) as (network, [node]):
        await contract_cluster.share(node, network, contract_cluster.LOOPS)
        driver, before = node.service.driver, contract_cluster.executions(node)
        answer = asyncio.create_task(contract_cluster.request(node, network.request()))
        await contract_cluster.eventually(lambda: node.service.executions.is_making)
        driver._build(node.height + 1, driver.replica.view)
        await answer
        assert contract_cluster.executions(node) == before + 1


@asynccontextmanager
async def proposed(folder: Path) -> AsyncIterator[tuple[Node, ExecutedBlock, Certificate]]:
    """A lone validator of four that holds what a proposal needs, a costly call; and the certificate by which the others
    commit it.
    """
    network = Network.create(folder, contracts=True)
    async with running(network, "d") as (node,):
        for data in (
            network.contract(contract_cluster.LOOPS),
            network.dataset(sharing="conditional", contract="a.rule"),
        ):
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


async def test_a_block_that_is_committed_while_it_is_judged_is_executed_once(tmp_path: Path) -> None:
    async with proposed(tmp_path) as (node, block, certificate):
        node.service.driver._carry_out([Execute(block.block_hash, block.proposal)])
        await contract_cluster.eventually(lambda: contract_cluster.is_checking(node))
        node.service.driver._carry_out([Deliver(block.proposal, certificate)])
        assert node.height == 2
        await contract_cluster.eventually(lambda: node.height == 3)
        assert node.ledger.tip.block_hash == certificate.block_hash
        assert contract_cluster.executions(node) == 1


async def test_what_is_executed_on_a_tip_that_is_gone_is_dropped(tmp_path: Path) -> None:
    """Catch-up stores the very block whose execution is under way."""

    async with proposed(tmp_path) as (node, block, certificate):
        node.service.driver._carry_out([Execute(block.block_hash, block.proposal)])
        await contract_cluster.eventually(lambda: contract_cluster.is_checking(node))
        node.service.pool.commit(block, certificate)
        assert not contract_cluster.is_checking(node)
        await contract_cluster.eventually(lambda: not node.service.driver._tasks)


def keep_busy(node: Node, block: ExecutedBlock) -> threading.Event:
    """Let the execution thread work on something else until the event is set."""
    go_on = threading.Event()

    def other() -> ExecutedBlock:
        go_on.wait(contract_cluster.TIMEOUT_S)
        return block

    node.service.execution.submit(other)
    return go_on


async def test_an_execution_whose_turn_comes_too_late_is_nobodys_fault(tmp_path: Path) -> None:
    """Catch-up has stored the block, and will say so once it is durable: neither the proposal is bad nor the ledger."""

    async with proposed(tmp_path) as (node, block, certificate):
        driver, pool = node.service.driver, node.service.pool
        go_on = keep_busy(node, block)
        driver._carry_out([Execute(block.block_hash, block.proposal), Deliver(block.proposal, certificate)])
        pool.store(block, certificate)
        go_on.set()
        await contract_cluster.eventually(lambda: not driver._tasks)
        assert node.service.fatal is None
        pool.flush()
        assert driver.replica.height == 4


async def test_a_node_that_is_executing_does_not_suspect_the_primary(tmp_path: Path) -> None:
    async with proposed(tmp_path) as (node, block, certificate):
        driver = node.service.driver
        driver.start_voting()
        go_on = keep_busy(node, block)
        driver._carry_out([Execute(block.block_hash, block.proposal)])
        await contract_cluster.eventually(lambda: contract_cluster.is_checking(node))
        for _ in range(TIMEOUT_TICKS):
            driver.tick()
        assert not driver.replica.is_changing_view
        go_on.set()
        await contract_cluster.eventually(lambda: not node.service.executions.is_holding_up)
        await contract_cluster.eventually(lambda: driver.tick() or driver.replica.is_changing_view)
        node.service.pool.commit(block, certificate)


def package_of(block: ExecutedBlock, certificate: Certificate) -> BlockPackage:
    """What a peer sends of a block."""
    content = encode(Block(block.proposal.header, certificate, block.outcomes))
    return BlockPackage(content, tuple(encode(checked.transaction) for checked in block.transactions))


async def test_catching_up_takes_a_block_that_calls_contracts_unless_consensus_was_quicker(tmp_path: Path) -> None:
    async with proposed(tmp_path) as (node, block, certificate):
        catch_up = node.service.catch_up
        go_on = keep_busy(node, block)
        taking = asyncio.create_task(catch_up._take_all("a", (package_of(block, certificate),)))
        await asyncio.sleep(0.01)
        node.service.pool.commit(block, certificate)
        go_on.set()
        await taking
        assert (node.height, catch_up.blocks) == (3, 0)


async def test_catching_up_refuses_a_block_whose_verdicts_are_made_up(tmp_path: Path) -> None:
    async with proposed(tmp_path) as (node, block, certificate):
        [outcome] = block.outcomes
        assert outcome.verdict is not None
        granted = replace(outcome, facts=(), verdict=replace(outcome.verdict, verdict="allow"))
        lie = dataclasses.replace(block, outcomes=(granted,))
        with refuses(ErrorCode.BAD_BLOCK, "outcomes differ"):
            await node.service.catch_up._take_all("a", (package_of(lie, certificate),))
        assert node.height == 2
        await node.service.catch_up._take_all("a", (package_of(block, certificate),))
        assert (node.height, node.service.catch_up.blocks) == (3, 1)
