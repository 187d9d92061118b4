"""What the sections share: the network under test, the load process, and how to find a saturation point."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.load import LoadPlan, LoadProcess, LoadResult
from bench.network import Network
from bench.records import SHARED, flight_schema, mean_size_bytes
from bench.statistics import Summary, summarise
from bench.workload import sender_of
from blockpool import DatasetDefinition
from chain.errors import ErrorCode, PoolError
from chain.primitives.encoding import decode
from chain.proofs.receipts import Receipt, verify_receipt
from chain.proofs.trust import TrustHistory
from contracts.library import source_of

PLAIN, CHECKED, SEALED = "plain", "checked", "sealed"
"""Datasets of every member: open ones without and with a schema, and one shared conditionally."""
RULE = "rule"
"""Every member's contract for what it shares conditionally."""
PURPOSE = "flood warning"
"""What the contract lets every member read for."""

SUSTAINED_SHARE = 0.95
"""A rate is sustained if at least this part of it is kept up with ..."""
SUSTAINED_P99_MS = 1_000
"""... and 99 % of the transactions within this time."""
RAMP = 1.3
"""Factor between two rates of the ramp."""
RAMP_STEPS = 16


@dataclass(frozen=True, slots=True)
class Durations:
    """How long things run, in seconds."""

    step_s: float
    half_s: float
    idle_s: float
    failover_s: float
    records_for_memory: int
    verdict_blocks: int
    reads: int
    """Single reads, one after another."""
    records_for_reading: int
    evidence_blocks: int
    """Length of the chain that evidence is made of."""
    growth_blocks: tuple[int, ...]
    """Lengths at which a growing chain is measured."""
    audit_bulk_records: int
    audit_single_records: int
    """Lengths of the chains that are audited."""
    file_size_bytes: int
    """Of the files of text that are read."""
    sheet_rows: int
    """Of the workbook that is read."""


FULL = Durations(
    step_s=5,
    half_s=12,
    idle_s=30,
    failover_s=20,
    records_for_memory=1_000_000,
    verdict_blocks=12,
    reads=80,
    records_for_reading=100_000,
    evidence_blocks=100_000,
    growth_blocks=(10_000, 100_000),
    audit_bulk_records=1_000_000,
    audit_single_records=60_000,
    file_size_bytes=100_000_000,
    sheet_rows=200_000,
)
QUICK = Durations(
    step_s=2,
    half_s=4,
    idle_s=5,
    failover_s=8,
    records_for_memory=60_000,
    verdict_blocks=4,
    reads=20,
    records_for_reading=10_000,
    evidence_blocks=5_000,
    growth_blocks=(1_000, 5_000),
    audit_bulk_records=200_000,
    audit_single_records=10_000,
    file_size_bytes=10_000_000,
    sheet_rows=10_000,
)


@dataclass
class Bench:
    """A network under test."""

    network: Network
    load: LoadProcess
    durations: Durations
    say: Callable[[str], None]
    rates: dict[str, float] = field(default_factory=dict)
    """Sustained rates found so far, in records a second, by section."""

    def define_datasets(self) -> None:
        """Register the datasets of every member, and its contract."""
        parameters = {"purposes": {PURPOSE: None}, "required": ["person"]}
        for node in self.network.nodes:
            with node.client() as client:
                client.deploy(f"{node.member}.{RULE}", source_of("purpose_bound"), parameters)
                for definition in (
                    DatasetDefinition(f"{node.member}.{PLAIN}", "", "Benchmark"),
                    DatasetDefinition(f"{node.member}.{CHECKED}", "", "Benchmark", schema=flight_schema()),
                    conditional_dataset(node.member, SEALED),
                ):
                    client.define(definition)

    def plan(
        self, dataset: str, records: int, transactions_per_s: float, duration_s: float, *, sealed: bool = False
    ) -> LoadPlan:
        """A load on all running nodes."""
        genesis = self.network.genesis
        kem_keys = ((member.name, member.kem_key) for member in genesis.founders if member.kem_key)
        return LoadPlan(
            chain_id=genesis.chain_id,
            senders=tuple(sender_of(node) for node in self.network.running()),
            dataset=dataset,
            records=records,
            kem_keys=tuple(kem_keys) if sealed else (),
            rate=transactions_per_s,
            duration_s=duration_s,
        )

    def run(self, plan: LoadPlan) -> tuple[LoadResult, Summary]:
        """Run a load to its end, check a sample of its receipts, and let the queues drain."""
        clock = _CpuClock(self.network)
        result = self.load.run(plan)
        self.network.wait_idle()
        nodes_s, others_share = clock.stop(result.total_cpu_seconds)
        self.verify_samples(result)
        summary = summarise(result, others_share)
        self.say(
            f"offered {summary.offered_per_s:,.0f}/s, committed {summary.committed_per_s:,.0f}/s, "
            f"kept up {summary.kept_up:.0%}, p50 {summary.p50_ms:.0f} ms, p99 {summary.p99_ms:.0f} ms; "
            f"cpu: nodes {nodes_s * 1e6 / max(1, summary.committed):.0f} us/record, "
            f"load {summary.load_cpu_share:.0%}, others {others_share:.0%} {summary.refused or ''}"
        )
        return result, summary

    def verify_samples(self, result: LoadResult) -> None:
        """Verify the receipts that the load kept: what was counted as committed is."""
        trust = TrustHistory(self.network.genesis)
        for id_, data in result.samples:
            _, outcome = verify_receipt(trust, id_, decode(Receipt, data))
            if not outcome.is_ok:
                raise PoolError(ErrorCode(outcome.code), outcome.sentence)

    def find_saturation(self, dataset: str, records: int, first_rate: float) -> tuple[float, list[Summary]]:
        """Raise the rate (transactions a second) step by step until it is no longer sustained, then look once between.

        Returns:
            The highest sustained rate in transactions a second, and all runs.
        """
        step_s = self.durations.step_s
        runs: list[Summary] = []

        def is_sustained(rate: float) -> bool:
            _, summary = self.run(self.plan(dataset, records, rate, step_s))
            runs.append(summary)
            return summary.kept_up >= SUSTAINED_SHARE and summary.p99_ms <= SUSTAINED_P99_MS

        rate = first_rate
        while not is_sustained(rate):
            rate /= 2
            if rate < 1:
                return 0.0, runs
        for _ in range(RAMP_STEPS):
            if not is_sustained(rate * RAMP):
                break
            rate *= RAMP
        between = rate * RAMP**0.5
        return (between if is_sustained(between) else rate), runs

    def setting(self, records: int, schema: bool) -> str:
        """The conditions of a load, for the report."""
        body = mean_size_bytes()
        return (
            f"Records of {body} bytes on average, {records} a transaction. Each transaction is signed by its member's "
            "system before the clock starts, posted over HTTP to that member's node and answered with a receipt once "
            "it is committed. All four validators verify every transaction's signature and every vote"
            f"{', and check every record against the JSON Schema of flights' if schema else ''}; each syncs one "
            "LevelDB batch a block, its HEAD and its votes to disk. The load ran on the same machine, in a process of "
            "its own."
        )


def conditional_dataset(member: str, name: str) -> DatasetDefinition:
    """A dataset of ``member`` that its contract decides about."""
    return DatasetDefinition(
        f"{member}.{name}", "", "Benchmark", sharing="conditional", contract=f"{member}.{RULE}", description=SHARED
    )


class _CpuClock:
    """Who used the processors during a run."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._nodes = network.cpu_seconds()
        self._busy, self._started = busy_seconds(), time.monotonic()

    def stop(self, load_seconds: float) -> tuple[float, float]:
        """Processor time of the nodes, and the part of a core that neither they nor the load used."""
        nodes = self._network.cpu_seconds() - self._nodes
        others = busy_seconds() - self._busy - nodes - load_seconds
        return nodes, max(0.0, others / (time.monotonic() - self._started))


def busy_seconds() -> float:
    """Processor time that all programs of this machine have used since it started, the kernel's included."""
    user, nice, system, _, _, irq, softirq, *_ = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(map(int, (user, nice, system, irq, softirq))) / os.sysconf("SC_CLK_TCK")
