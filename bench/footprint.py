"""Sections about memory and disk."""

from bench.bench import PLAIN, Bench
from bench.faults import chain_counts, fill
from bench.figures import Figure, Section
from bench.rates import PARCEL_RECORDS

FILL_RATE = 20_000
"""Records a second at which the chain is filled."""


def memory(bench: Bench) -> Section:
    """Fill the chain in parcels until every node has committed a million records, then read its resident memory."""
    runs = fill(bench, bench.durations.records_for_memory, FILL_RATE)
    records, transactions = chain_counts(bench)
    found = [node.memory() for node in bench.network.running()]
    largest = max(found, key=lambda memory: memory.resident)
    how = (
        f"resident, largest of four, after {records:,} records; {largest.private / 1e6:.0f} MB of it private, "
        "the rest mostly mapped database files"
    )
    figures = [
        Figure("memory", "memory of a node", largest.resident / 1e6, "MB", how),
        Figure(
            "memory_peak", "memory of a node, peak", max(item.peak for item in found) / 1e6, "MB", "since its start"
        ),
        _disk_figure(bench, records, transactions),
    ]
    return Section("memory", "Memory and disk", bench.setting(PARCEL_RECORDS, schema=False), figures, runs)


def disk(bench: Bench) -> Section:
    """What single records and records in parcels add on disk."""
    figures = []
    for name, records, rate, seconds in (("singles", 1, 500.0, 6.0), ("parcels", PARCEL_RECORDS, 16.0, 10.0)):
        before = _mean_disk_bytes(bench)
        _, summary = bench.run(bench.plan(PLAIN, records, rate, seconds))
        grown = (_mean_disk_bytes(bench) - before) / max(1, summary.committed)
        how = f"growth of a node's data folder over {summary.committed:,} records; LevelDB does not compress"
        figures.append(Figure(f"disk_{name}", f"bytes on disk a record, {name}", grown, "bytes", how))
    return Section("disk", "Bytes on disk", bench.setting(1, schema=False), figures)


def _disk_figure(bench: Bench, records: int, transactions: int) -> Figure:
    how = f"whole data folder over {records:,} records in {transactions:,} transactions"
    return Figure("disk", "bytes on disk a record, whole chain", _mean_disk_bytes(bench) / records, "bytes", how)


def _mean_disk_bytes(bench: Bench) -> float:
    nodes = bench.network.running()
    return sum(node.disk_bytes() for node in nodes) / len(nodes)
