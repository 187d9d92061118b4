"""Sections about rates and latency under load, and without load."""

from bench.bench import CHECKED, PLAIN, Bench
from bench.figures import Figure, Section

PARCEL_RECORDS = 500


def idle(bench: Bench) -> Section:
    """Commit latency when nothing else goes on: one record every 100 ms, over the nodes in turn."""
    _, summary = bench.run(bench.plan(PLAIN, 1, 10, bench.durations.idle_s))
    figures = [
        Figure("idle_p50", "commit latency, idle, p50", summary.p50_ms, "ms", "one record every 100 ms"),
        Figure("idle_p99", "commit latency, idle, p99", summary.p99_ms, "ms", f"longest {summary.max_ms:.1f} ms"),
    ]
    return Section("idle", "Commit latency, idle", bench.setting(1, schema=False), figures, [summary])


def singles(bench: Bench) -> Section:
    """(a) One record a transaction, each signed and posted."""
    return _saturation(bench, "singles", "(a) one record a transaction", PLAIN, 1, 600)


def parcels(bench: Bench) -> Section:
    """(b) 500 records a parcel."""
    return _saturation(bench, "parcels", "(b) 500 records a parcel", PLAIN, PARCEL_RECORDS, 40)


def checked(bench: Bench) -> Section:
    """(b) with a JSON Schema checked on every record by every validator."""
    return _saturation(bench, "checked", "(b) 500 records a parcel, schema checked", CHECKED, PARCEL_RECORDS, 20)


def _saturation(bench: Bench, name: str, title: str, dataset: str, records: int, first_rate: float) -> Section:
    rate, runs = bench.find_saturation(dataset, records, first_rate)
    bench.rates[name] = rate * records
    peak = max(run.committed_per_s for run in runs)
    figures = [
        Figure(f"{name}_rate", f"{title}: sustained", rate * records, "records/s", f"peak {peak:,.0f} when overloaded")
    ]
    if rate:
        _, half = bench.run(bench.plan(dataset, records, rate / 2, bench.durations.half_s))
        runs.append(half)
        figures += [
            Figure(f"{name}_p50", f"{title}: latency at half of it, p50", half.p50_ms, "ms"),
            Figure(f"{name}_p95", f"{title}: latency at half of it, p95", half.p95_ms, "ms"),
            Figure(f"{name}_p99", f"{title}: latency at half of it, p99", half.p99_ms, "ms"),
        ]
    return Section(name, title, bench.setting(records, schema=dataset == CHECKED), figures, runs)
