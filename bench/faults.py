"""Sections about a killed primary and a node that missed everything."""

import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench.bench import PLAIN, Bench
from bench.figures import Figure, Section
from bench.network import running_network, wait_for
from bench.rates import PARCEL_RECORDS
from bench.statistics import Summary, longest_gap_s, summarise
from bench.workload import sender_of

KILL_AT_SHARE = 0.4
"""When the primary is killed, as a part of the run."""
SIGNING_ALLOWANCE_S = 4
DEFAULT_RATE = 400
CATCH_UP_TIMEOUT_S = 240
CATCH_UP_FILL_RATE = 40_000
"""Records a second at which the chain is filled that is then caught up with."""
FILL_STEP_S = 15


def failover(bench: Bench) -> Section:
    """Kill the primary under load; clients post to the other three nodes only."""
    network = bench.network
    primary = network.primary()
    rate = max(100, bench.rates.get("singles", DEFAULT_RATE * 4) / 4)
    plan = replace(
        bench.plan(PLAIN, 1, rate, bench.durations.failover_s),
        senders=tuple(sender_of(node) for node in network.nodes if node is not primary),
        start_at_s=time.monotonic() + SIGNING_ALLOWANCE_S,
    )
    pending = bench.load.start(plan)
    kill_at = plan.start_at_s + plan.duration_s * KILL_AT_SHARE
    time.sleep(kill_at - time.monotonic())
    primary.process.kill()
    killed_s = time.monotonic() - plan.start_at_s
    result = pending.result(timeout=plan.duration_s + plan.grace_s + 60)
    gap, before = longest_gap_s(result, killed_s), longest_gap_s(result, plan.duration_s * 0.1)
    summary = summarise(result)
    bench.say(f"primary {primary.member} killed at {killed_s:.1f} s: gap {gap:.2f} s, p99 {summary.p99_ms:.0f} ms")
    primary.process.start()
    primary.process.wait_ready()
    network.wait_idle()
    lost = sum(answer.status != 200 for answer in result.answers)
    how = (
        f"at {rate:,.0f} records/s; SIGKILL; longest gap of the whole run {max(gap, before):.2f} s; "
        f"{lost} not answered with 200"
    )
    figures = [
        Figure("failover_gap", "service gap when the primary is killed", gap, "s", how),
        Figure("failover_rate", "committed meanwhile, the gap included", summary.committed_per_s, "records/s"),
        Figure("failover_p99", "latency over that run, p99", summary.p99_ms, "ms"),
    ]
    setting = bench.setting(1, schema=False) + " Default timers. The load went to the three nodes that stayed."
    return Section("failover", "The primary is killed", setting, figures, [summary])


def catch_up(bench: Bench) -> Section:
    """Fill a network of its own in parcels, as in (b), to compare like with like."""
    with tempfile.TemporaryDirectory(prefix="blockpool-bench-") as folder, running_network(Path(folder)) as network:
        own = Bench(network, bench.load, bench.durations, bench.say, bench.rates)
        own.define_datasets()
        fill(own, bench.durations.records_for_memory, CATCH_UP_FILL_RATE)
        return _catch_up(own)


def _catch_up(bench: Bench) -> Section:
    """Wipe a node's data and let it fetch and verify everything from its peers, without other load."""
    network = bench.network
    node = next(node for node in network.nodes if node is not network.primary())
    node.process.stop()
    shutil.rmtree(node.data)
    other = network.running()[0]
    status = other.status() or {}
    records, transactions = chain_counts(bench)
    started = time.monotonic()
    node.process.start()
    wait_for(lambda: (node.status() or {}).get("height", 0) > 0, 60, "the first block")
    first = time.monotonic()
    wait_for(lambda: (node.status() or {}).get("height", 0) >= status["height"], CATCH_UP_TIMEOUT_S, "the last block")
    done = time.monotonic()
    node.process.wait_ready()
    rate = records / (done - started)
    how = (
        f"{records:,} records in {transactions:,} transactions, {status['height']:,} blocks; "
        f"{done - started:.1f} s from process start, first block after {first - started:.1f} s"
    )
    figures = [Figure("catch_up_rate", "catch-up of a node that missed everything", rate, "records/s", how)]
    live = bench.rates.get("parcels")
    if live:
        figures.append(Figure("catch_up_ratio", "catch-up against the live rate (b)", rate / live, "times"))
    setting = (
        "The node's data folder is removed, the node started. It verifies every certificate, signature and record "
        "root, executes every block, and syncs its disk once for every reply of about 4 MiB. The chain holds parcels "
        f"of {PARCEL_RECORDS} records only, as in (b)."
    )
    return Section("catch_up", "Catch-up", setting, figures)


def fill(bench: Bench, wanted: int, records_per_s: float) -> list[Summary]:
    """Add parcels until every node has committed ``wanted`` records."""
    rate = records_per_s / PARCEL_RECORDS
    runs: list[Summary] = []
    while (before := chain_counts(bench)[0]) < wanted:
        left_s = (wanted - before) / PARCEL_RECORDS / rate
        _, summary = bench.run(bench.plan(PLAIN, PARCEL_RECORDS, rate, min(FILL_STEP_S, left_s + 1)))
        runs.append(summary)
        if not summary.committed:
            raise TimeoutError("nothing is committed any more")
    return runs


def chain_counts(bench: Bench) -> tuple[int, int]:
    """Records and parcels on the chain, by the catalogue's counters."""
    entries = bench.network.running()[0].get("/v1/datasets")["datasets"]
    totals = [entry["totals"] for entry in entries]
    return sum(entry["records"] for entry in totals), sum(entry["parcels"] for entry in totals)
