"""Section about watchers: what a look at a node costs that node."""

import time
from contextlib import closing

from bench.bench import Bench
from bench.figures import Figure, Section
from bench.network import Node, wait_for
from blockpool import DatasetDefinition
from blockpool.watched_node import WatchedNode
from chain.errors import ErrorCode, PoolError
from chain.proofs.trust import TrustHistory

POLLS = 1000
TIMEOUT_S = 30.0


def watching(bench: Bench) -> Section:
    """Ask one node for its newest checkpoint and for the proof that it continues an older one, again and again."""
    network, node = bench.network, bench.network.nodes[0]
    with closing(WatchedNode(node.url, TrustHistory(network.genesis))) as watched:
        wait_for(lambda: _newest_size(watched) > 0, TIMEOUT_S, "a checkpoint")
        held = watched.checkpoint().head
        with node.client() as client:
            client.define(DatasetDefinition(f"{node.member}.watched", "", "Benchmark"))
        wait_for(lambda: _newest_size(watched) > held.size, TIMEOUT_S, "a newer checkpoint")
        network.wait_idle()
        started_s, cpu_s = time.perf_counter(), node.cpu_seconds()
        for _ in range(POLLS):
            watched.verify_continues(held, watched.checkpoint().head)
        taken_s, cpu_s = time.perf_counter() - started_s, node.cpu_seconds() - cpu_s
        size = _newest_size(watched)
    cost_ms = (cpu_s - _idle_cpu_seconds(node, taken_s)) * 1000 / POLLS
    how = f"{POLLS:,} looks, {POLLS / taken_s:,.0f} a second, at {size:,} blocks"
    bench.say(f"{cost_ms:.2f} ms of the node's processor time a look; {how}")
    setting = (
        "A watcher on the same machine asks one node over one connection for its newest checkpoint and for the proof "
        "that it continues an older one, and verifies both. No other load. Counted is the node's processor time, "
        "without what it uses when nobody asks."
    )
    figure = Figure("watch_cost", "a watcher's look, for the node", cost_ms, "ms", how)
    return Section("watching", "Watching", setting, [figure])


def _newest_size(watched: WatchedNode) -> int:
    """Blocks under the newest checkpoint that a node shows; 0 while it has none."""
    try:
        return watched.checkpoint().head.size
    except PoolError as error:
        if error.code is not ErrorCode.NOT_FOUND:
            raise
        return 0


def _idle_cpu_seconds(node: Node, duration_s: float) -> float:
    """Processor time that a node uses in so many seconds when nobody asks."""
    before_s = node.cpu_seconds()
    time.sleep(duration_s)
    return node.cpu_seconds() - before_s
