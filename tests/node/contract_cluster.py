"""Contracts on whole nodes, for tests: made-up rules, requests and their verdicts, and engines that die."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from chain.access.decision import failure_of
from chain.blocks import Outcome
from chain.primitives.encoding import decode
from tests.node.cluster import Network, Node, running
from tests.node.link_cluster import until

BY_PURPOSE = """
from blockpool.contract import allow, deny

def can_read(request, dataset, ctx):
    if request.purpose == "flood warning":
        return allow(note=f"asked {ctx.grant_counts.reader_grants} times before")
    return deny(f"not for {request.purpose}")
"""
LOOPS = """
def can_read(request, dataset, ctx):
    while True:
        pass
"""
TIMEOUT_S = 60.0
"""On a machine that has a lot else to do."""


async def eventually(condition: Callable[[], object]) -> None:
    await until(condition, TIMEOUT_S)


async def submit(node: Node, data: bytes) -> Outcome:
    return decode(Outcome, (await node.submit(data, TIMEOUT_S)).outcome)


async def share(node: Node, network: Network, source: str, name: str = "flights", rule: str = "rule") -> None:
    """Let `a` deploy a contract, and share a dataset under it."""
    for data in (
        network.contract(source, name=rule),
        network.dataset(name=name, sharing="conditional", contract=f"a.{rule}"),
        network.sealed_parcel(dataset=f"a.{name}"),
    ):
        outcome = await submit(node, data)
        assert outcome.is_ok, outcome.sentence


async def request(node: Node, data: bytes) -> tuple[str, str]:
    """What came of a request: verdict, and failure or reason."""
    outcome = await submit(node, data)
    assert outcome.verdict is not None, outcome
    return outcome.verdict.verdict, failure_of(outcome.facts) or outcome.sentence


@asynccontextmanager
async def contract_network(
    folder: Path, *names: str, others: Sequence[str] = ()
) -> AsyncIterator[tuple[Network, list[Node]]]:
    network = Network.create(folder, validators="abcd"[: len(names)], others=others, contracts=True)
    async with running(network, *names) as nodes:
        yield network, nodes


async def agree(nodes: list[Node]) -> int:
    """Wait until all nodes stand at one height, and check that all their blocks are the same."""
    height = max(node.height for node in nodes)
    await eventually(lambda: all(node.height >= height for node in nodes))
    for at in range(1, height + 1):
        assert len({node.ledger.block_at(at).header for node in nodes}) == 1
    return height


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


def is_checking(node: Node) -> bool:
    """Whether another's proposal is being executed now."""
    return node.service.executions.is_checking
