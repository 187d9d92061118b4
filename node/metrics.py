"""What a node measures, for Prometheus. All names begin with ``blockpool_``."""

import shutil
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from chain.access.decision import failure_of
from node.pool import CommittedBlock

_EXECUTION_S = (0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5, 10)
_LATENCY_S = (0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5, 10, 30)


class Metrics:
    """One node's metrics, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(namespace="blockpool", registry=registry)
        gauge = partial(Gauge, namespace="blockpool", registry=registry)
        counter = partial(Counter, namespace="blockpool", registry=registry)
        histogram = partial(Histogram, namespace="blockpool", registry=registry)
        self.height = gauge("height", "Height of the newest durable block")
        self.view = gauge("view", "Consensus view")
        self.peers = gauge("peers_connected", "Peers that this node can send to")
        refused = "Connections to the port for nodes that came to nothing, by reason"
        self.links_refused = counter("links_refused", refused, ["reason"])
        self.transactions = counter("transactions", "Transactions committed, by outcome", ["code"])
        self.records = counter("records", "Records in accepted parcels")
        latency = "From a transaction's arrival at this node to its commit here"
        self.commit_latency = _BulkHistogram("blockpool_commit_latency_seconds", latency, _LATENCY_S)
        registry.register(self.commit_latency)
        self.view_changes = counter("view_changes", "View changes started, by reason", ["reason"])
        self.rejected_messages = counter("rejected_messages", "Consensus messages refused, by reason", ["reason"])
        self.evidence = counter("misbehaviour", "Contradictions seen between what one member has signed")
        newest = "Blocks under the newest checkpoint that a quorum of validators has cosigned"
        self.checkpoint_size = gauge("checkpoint_size", newest)
        self.state_sync = gauge(
            "state_sync", "Share of the state and the past that has come while it is taken from peers"
        )
        self.past_blocks = gauge("past_blocks", "Blocks of the past that are not whole here yet")
        conflicts = "Signed checkpoints of another history than this node's, and refusals to cosign its own"
        self.checkpoint_conflicts = counter("checkpoint_conflicts", conflicts)
        self.refused_transactions = counter(
            "refused_transactions", "Transactions refused at the API, by code", ["code"]
        )
        self.mempool_transactions = gauge("mempool_transactions", "Waiting transactions")
        self.mempool_bytes = gauge("mempool_bytes", "Size of waiting transactions")
        self.parcels_erased = counter("parcels_erased", "Parcels whose payload was erased since the start")
        self.is_erasing = gauge("erasing", "1 while bytes of erased payloads may still be in the files")
        set_aside = "Folders with databases set aside or replaced; they may hold what was erased"
        self.databases_set_aside = gauge("databases_set_aside", set_aside)
        self.payloads_dropped = counter("payloads_dropped", "Payloads dropped since the start: others keep them")
        self.payloads_fetched = counter("payloads_fetched", "Payloads fetched since the start that were missing here")
        keepers = "Other nodes that say that they keep all payloads"
        self.payload_keepers = gauge("payload_keepers", keepers)
        self.frozen_height = gauge("frozen_height", "Height up to which old blocks are compressed")
        self.disk_used = gauge("data_bytes", "Size of the data folder")
        self.disk_free = gauge("disk_free_bytes", "Free space on its disk")
        self.clock = gauge("clock_seconds", "This node's clock, seconds since 1970")
        self.chain_ahead = gauge("chain_ahead_seconds", "The newest block's time less this node's clock; 5 is too much")
        self.contract_calls = counter("contract_calls", "Committed transactions that may call a contract")
        self.contract_fuel = counter("contract_fuel", "Fuel that they spent")
        decided = "What was decided on requests: allow, ask, deny, or failed for a contract that failed, which denies"
        self.verdicts = counter("verdicts", decided, ["verdict"])
        restarts = "Times that the contract engine was lost and started again"
        self.engine_restarts = counter("engine_restarts", restarts)
        execution = "Time to execute a block that calls contracts, beside the event loop"
        self.execution = histogram("execution_seconds", execution, buckets=_EXECUTION_S)
        self.share_queries = counter("share_queries", "Queries for key shares, by code: ok if granted", ["code"])
        messages = "Attempts to hand a message to the webhook's receiver, by result: confirmed or failed"
        self.webhook_messages = counter("webhook_messages", messages, ["result"])
        self.webhook_behind = gauge("webhook_behind_blocks", "Blocks that the webhook's receiver was not told of yet")
        checked = "Own shares of committed parcels: good, dealer_fault, not_opened, or skipped for want of time"
        self.shares_checked = counter("shares_checked", checked, ["result"])

    def on_committed(self, block: CommittedBlock) -> None:
        """Count what a block has brought; listens to the pool."""
        executed = block.executed
        self.height.set(executed.header.height)
        for code, count in Tally(outcome.code for outcome in executed.outcomes).items():
            self.transactions.labels(code).inc(count)
        records = 0
        for checked, outcome in zip(executed.transactions, executed.outcomes, strict=True):
            if outcome.is_ok:
                records += checked.record_count
            if checked.type.calls_contract:
                self.contract_calls.inc()
                self.contract_fuel.inc(outcome.fuel)
            if outcome.verdict is not None:
                self.verdicts.labels("failed" if failure_of(outcome.facts) else outcome.verdict.verdict).inc()
        self.records.inc(records)
        self.commit_latency.observe(waited_ms / 1000 for waited_ms in block.waiting_ms.values())

    def observe_clocks(self, offsets_s: Callable[[], Mapping[str, float]]) -> None:
        """Read how far the peers' clocks are from this node's, by peer, when it is asked for."""
        self.registry.register(_PeerClocks(offsets_s))

    def observe(self, data: Path, mempool: Callable[[], tuple[int, int]]) -> None:
        """Read gauges that follow the disk and the mempool when they are asked for."""
        self.mempool_transactions.set_function(lambda: mempool()[0])
        self.mempool_bytes.set_function(lambda: mempool()[1])
        self.disk_used.set_function(lambda: folder_size_bytes(data))
        self.disk_free.set_function(lambda: shutil.disk_usage(data).free)

    def render(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class _BulkHistogram(Collector):
    """A histogram of what every transaction is counted in: the library's own takes a lock and 2 us for each value.

    Args:
        name: of the metric.
        documentation: what it is.
        bounds: upper ones of the buckets but the last, ascending.
    """

    def __init__(self, name: str, documentation: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, values: Iterable[float]) -> None:
        """Count values; called on the event loop's thread, as ``collect`` is."""
        for value in values:
            self._counts[bisect_left(self._bounds, value)] += 1
            self._sum += value

    def collect(self) -> Iterator[Metric]:
        """As the registry asks for it."""
        names = [*map(floatToGoString, self._bounds), "+Inf"]
        buckets = list(zip(names, accumulate(self._counts), strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets, self._sum)


class _PeerClocks(Collector):
    """One line for each peer that has said what its clock shows; peers come and go."""

    def __init__(self, offsets_s: Callable[[], Mapping[str, float]]) -> None:
        self._offsets_s = offsets_s

    def collect(self) -> Iterator[Metric]:
        """As the registry asks for it."""
        said = "A peer's clock less this node's, as the peer says"
        family = GaugeMetricFamily("blockpool_peer_clock_offset_seconds", said, labels=["peer"])
        for peer, offset_s in sorted(self._offsets_s().items()):
            family.add_metric([peer], offset_s)
        yield family


def folder_size_bytes(folder: Path) -> int:
    """Sum of the sizes of all files below ``folder``; files that vanish meanwhile do not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
