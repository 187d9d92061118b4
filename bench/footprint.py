"""Sections about memory and disk, and the offline audit."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench.bench import PLAIN, Bench
from bench.faults import chain_counts, fill
from bench.figures import Figure, Section
from bench.rates import PARCEL_RECORDS
from chain.audit import ChainAudit
from chain.encoding import decode
from chain.genesis import parse_genesis
from chain.packages import BlockPackage
from contracts.engine import Engine
from contracts.policy import SandboxPolicy
from contracts.sandbox import Sandbox

FILL_RATE = 20_000
"""Records a second at which the chain is filled."""
BULK_RECORDS = 100
"""A block with at least this many records a transaction counts as bulk in the audit."""
AUDIT_TIMEOUT_S = 300
AUDIT_LIMIT_RECORDS = 400_000


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


def audit(bench: Bench) -> Section:
    """Audit a node's chain as ``blockpool audit chain`` does, in one process on one core."""
    node = bench.network.running()[0]
    folder = bench.network.folder / "audit"
    folder.mkdir(exist_ok=True)
    height = (node.status() or {})["height"]
    files, first = [], 0
    while first <= height:
        content = node.get_bytes(f"/v1/chain?from={first}&limit=256", timeout_s=60)
        files.append(folder / f"{first:09}.chain")
        files[-1].write_bytes(content)
        first += len(decode(tuple[BlockPackage, ...], content))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pending = pool.submit(_audit_files, bench.network.genesis.content, files)
        bulk, single = pending.result(timeout=AUDIT_TIMEOUT_S)
    figures = []
    if bulk[1]:
        how = f"{bulk[0]:,} records in parcels, {bulk[1]:.1f} s"
        figures.append(Figure("audit_bulk", "audit, records in parcels, one core", bulk[0] / bulk[1], "records/s", how))
    if single[1]:
        how = f"{single[0]:,} records, {single[1]:.1f} s"
        figures.append(
            Figure(
                "audit_singles", "audit, individually signed records, one core", single[0] / single[1], "records/s", how
            )
        )
    setting = (
        "Packages from /v1/chain, kept in files; read, decoded and verified by one process: certificates, every "
        "signature, every record hashed, every block executed, every root compared. Parcels are open and sealed ones; "
        "blocks without records, which make contracts run again, are not in these rates. The nodes were idle."
    )
    return Section("audit", "Audit of a whole chain", setting, figures)


_Total = tuple[int, float]
"""(records, seconds)."""


def _audit_files(genesis: bytes, files: list[Path]) -> tuple[_Total, _Total]:
    """Audit a downloaded chain; totals of blocks with bulk parcels, and of those with single records. Other blocks,
    with contracts and requests, are audited and not counted.
    """
    parsed = parse_genesis(genesis)
    chain = ChainAudit(parsed, SandboxPolicy(Sandbox(Engine.open(), parsed.chain_id)))
    totals = {True: (0, 0.0), False: (0, 0.0)}
    for path in files:
        content = path.read_bytes()
        started = time.perf_counter()
        packages = decode(tuple[BlockPackage, ...], content)
        decoding = (time.perf_counter() - started) / len(packages)
        for package in packages:
            before, started = chain.report.records, time.perf_counter()
            chain.add(package)
            added = chain.report.records - before
            if not added:
                continue
            is_bulk = added >= BULK_RECORDS * max(1, len(package.transactions))
            records, seconds = totals[is_bulk]
            totals[is_bulk] = (records + added, seconds + decoding + time.perf_counter() - started)
        if chain.report.records >= AUDIT_LIMIT_RECORDS and all(records for records, _ in totals.values()):
            break
    return totals[True], totals[False]


def _disk_figure(bench: Bench, records: int, transactions: int) -> Figure:
    how = f"whole data folder over {records:,} records in {transactions:,} transactions"
    return Figure("disk", "bytes on disk a record, whole chain", _mean_disk_bytes(bench) / records, "bytes", how)


def _mean_disk_bytes(bench: Bench) -> float:
    nodes = bench.network.running()
    return sum(node.disk_bytes() for node in nodes) / len(nodes)
