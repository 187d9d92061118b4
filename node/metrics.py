"""What a node measures, for Prometheus. All names begin with ``blockpool_``."""

from __future__ import annotations

import shutil
from collections import Counter as Tally
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from node.pool import CommittedBlock

_EXECUTION_S = (0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5, 10)
_LATENCY_S = (0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5, 10, 30)


class Metrics:
    """One node's metrics, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(namespace="blockpool", registry=registry)
        self.height = Gauge("blockpool_height", "Height of the newest durable block", registry=registry)
        self.view = Gauge("blockpool_view", "Consensus view", registry=registry)
        self.peers = Gauge("blockpool_peers_connected", "Peers that this node can send to", registry=registry)
        self.links_refused = Counter(
            "blockpool_links_refused",
            "Connections to the port for nodes that came to nothing, by reason",
            ["reason"],
            registry=registry,
        )
        self.transactions = Counter(
            "blockpool_transactions", "Transactions committed, by outcome", ["code"], registry=registry
        )
        self.records = Counter("blockpool_records", "Records in accepted parcels", registry=registry)
        self.commit_latency = Histogram(
            "blockpool_commit_latency_seconds",
            "From a transaction's arrival at this node to its commit here",
            buckets=_LATENCY_S,
            registry=registry,
        )
        self._add_contracts(registry)
        self.view_changes = Counter(
            "blockpool_view_changes", "View changes started, by reason", ["reason"], registry=registry
        )
        self.rejected_messages = Counter(
            "blockpool_rejected_messages", "Consensus messages refused, by reason", ["reason"], registry=registry
        )
        self.evidence = Counter(
            "blockpool_misbehaviour", "Contradictions seen between what one member has signed", registry=registry
        )
        self.checkpoint_size = Gauge(
            "blockpool_checkpoint_size",
            "Blocks under the newest checkpoint that a quorum of validators has cosigned",
            registry=registry,
        )
        self.checkpoint_conflicts = Counter(
            "blockpool_checkpoint_conflicts",
            "Signed checkpoints of another history than this node's, and refusals to cosign its own",
            registry=registry,
        )
        self.refused_transactions = Counter(
            "blockpool_refused_transactions", "Transactions refused at the API, by code", ["code"], registry=registry
        )
        self.mempool_transactions = Gauge("blockpool_mempool_transactions", "Waiting transactions", registry=registry)
        self.mempool_bytes = Gauge("blockpool_mempool_bytes", "Size of waiting transactions", registry=registry)
        self.parcels_erased = Counter(
            "blockpool_parcels_erased", "Parcels whose payload was erased since the start", registry=registry
        )
        self.is_erasing = Gauge(
            "blockpool_erasing", "1 while bytes of erased payloads may still be in the files", registry=registry
        )
        self.databases_set_aside = Gauge(
            "blockpool_databases_set_aside",
            "Folders with databases set aside after damage; they may hold what was erased",
            registry=registry,
        )
        self.disk_used = Gauge("blockpool_data_bytes", "Size of the data folder", registry=registry)
        self.disk_free = Gauge("blockpool_disk_free_bytes", "Free space on its disk", registry=registry)

    def _add_contracts(self, registry: CollectorRegistry) -> None:
        self.contract_calls = Counter(
            "blockpool_contract_calls", "Committed transactions that may call a contract", registry=registry
        )
        self.contract_fuel = Counter("blockpool_contract_fuel", "Fuel that they spent", registry=registry)
        self.verdicts = Counter(
            "blockpool_verdicts",
            "What was decided on requests: allow, ask, deny, or failed for a contract that failed, which denies",
            ["verdict"],
            registry=registry,
        )
        self.engine_restarts = Counter(
            "blockpool_engine_restarts", "Times that the contract engine was lost and started again", registry=registry
        )
        self.execution = Histogram(
            "blockpool_execution_seconds",
            "Time to execute a block that calls contracts, beside the event loop",
            buckets=_EXECUTION_S,
            registry=registry,
        )
        self.share_queries = Counter(
            "blockpool_share_queries", "Queries for key shares, by code: ok if granted", ["code"], registry=registry
        )
        self.shares_checked = Counter(
            "blockpool_shares_checked",
            "Own shares of committed parcels: good, dealer_fault, not_opened, or skipped for want of time",
            ["result"],
            registry=registry,
        )

    def on_committed(self, block: CommittedBlock) -> None:
        """Count what a block has brought; listens to the pool."""
        executed = block.executed
        self.height.set(executed.header.height)
        for code, count in Tally(outcome.code for outcome in executed.outcomes).items():
            self.transactions.labels(code).inc(count)
        for checked, outcome in zip(executed.transactions, executed.outcomes, strict=True):
            if outcome.is_ok:
                self.records.inc(checked.record_count)
            if checked.type.calls_contract:
                self.contract_calls.inc()
                self.contract_fuel.inc(outcome.fuel)
            if outcome.verdict is not None:
                self.verdicts.labels("failed" if outcome.verdict.failure else outcome.verdict.verdict).inc()
        for waited_ms in block.waiting_ms.values():
            self.commit_latency.observe(waited_ms / 1000)

    def observe(self, data: Path, mempool: Callable[[], tuple[int, int]]) -> None:
        """Read gauges that follow the disk and the mempool when they are asked for."""
        self.mempool_transactions.set_function(lambda: mempool()[0])
        self.mempool_bytes.set_function(lambda: mempool()[1])
        self.disk_used.set_function(lambda: folder_size_bytes(data))
        self.disk_free.set_function(lambda: shutil.disk_usage(data).free)

    def render(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)


def folder_size_bytes(folder: Path) -> int:
    """Sum of the sizes of all files below ``folder``; files that vanish meanwhile do not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
