"""``blockpool audit chain``: recompute a whole chain."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from blockpool import Genesis, PoolError, load_genesis
from chain.audit import AuditReport, ChainAudit
from cli.audit.sources import Packages, open_source
from cli.audit.walk import walk
from cli.engine import NetworkPolicy
from cli.failures import describe, exit_code
from cli.options import genesis_option, json_option
from cli.output import emit, facts, grid, progress, time_text


@click.command()
@click.argument("source", metavar="HOME_OR_URL")
@genesis_option
@json_option
@click.pass_context
def chain(context: click.Context, source: str, genesis_file: Path) -> None:
    """Recompute and check everything: each hash, signature, certificate, root and outcome, from block 0 on. Contracts
    are run again, which takes the network's contract engine.

    HOME is a node's home whose daemon is stopped; URL is a running node's API. Exit code 1 if anything does not
    hold, with the first height and the reason.

    \b
    Example: blockpool audit chain http://127.0.0.1:8000 --genesis genesis.json
             blockpool audit chain pool/aviation/node --genesis genesis.json
    """
    genesis = load_genesis(genesis_file)
    started_s = time.monotonic()
    with open_source(source, genesis) as packages:
        report, failure = audit_packages(genesis, packages)
    seconds = time.monotonic() - started_s
    emit(describe_audit(source, report, failure, seconds), *audit_tables(report, failure, seconds))
    if failure is not None:
        context.exit(exit_code(failure))


def audit_packages(genesis: Genesis, packages: Packages) -> tuple[AuditReport, PoolError | None]:
    """Verify a chain to its end or to the first thing that does not hold.

    Returns:
        What was verified, and the failure with ``height`` in its context.

    Raises:
        PoolError: as ``walk`` does.
    """
    with progress() as bar:
        checker = ChainAudit(genesis, NetworkPolicy(genesis, bar.console.print))
        failure = walk(checker, packages, bar, "Auditing blocks")
    return checker.report, failure


def describe_audit(source: str, report: AuditReport, failure: PoolError | None, seconds: float) -> dict[str, Any]:
    """An audit for programs."""
    return {
        "source": source,
        "holds": failure is None,
        "height": report.height,
        "block_hash": report.block_hash.hex(),
        "time_ms": report.time_ms,
        "blocks": report.blocks,
        "transactions": report.transactions,
        "records": report.records,
        "record_bytes": report.record_bytes,
        "certificate_signatures": report.certificate_signatures,
        "transaction_signatures": report.transaction_signatures,
        "outcomes": dict(report.outcomes),
        "records_by_dataset": dict(report.records_by_dataset),
        "contract_calls": report.contract_calls,
        "verdicts": dict(report.verdicts),
        "fuel": report.fuel,
        "seconds": round(seconds, 3),
        "error": None if failure is None else describe(failure),
    }


def audit_tables(report: AuditReport, failure: PoolError | None, seconds: float) -> tuple[Any, ...]:
    """An audit for people: what was counted, and what follows."""
    right = frozenset({"transactions", "records"})
    outcomes = grid("outcome", "transactions", right=right)
    for code, count in sorted(report.outcomes.items()):
        outcomes.add_row(code, f"{count:,}")
    datasets = grid("dataset", "records", right=right)
    for dataset, count in sorted(report.records_by_dataset.items()):
        datasets.add_row(dataset, f"{count:,}")
    tables = (facts(_counts(report, seconds)), "", outcomes, "", datasets, "")
    if failure is None:
        return (*tables, "Every block holds: hashes, certificates, signatures, roots and outcomes were recomputed.")
    where = f"[bold red]Does not hold[/] from height {failure.context.get('height', '?')} on: {failure.code.value}"
    return (*tables, where, f"  {failure.detail}")


def _counts(report: AuditReport, seconds: float) -> dict[str, object]:
    rate = report.records / seconds if seconds else 0
    counts: dict[str, object] = {
        "verified to": f"height {report.height:,}, block {report.block_hash.hex()}",
        "of": time_text(report.time_ms),
        "blocks": f"{report.blocks:,}, with {report.certificate_signatures:,} votes checked",
        "transactions": f"{report.transactions:,}, with {report.transaction_signatures:,} signatures checked",
        "records": f"{report.records:,} hashed again, {report.record_bytes:,} bytes",
    }
    if report.contract_calls or report.verdicts:
        verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(report.verdicts.items()))
        counts["verdicts"] = verdicts or "none"
        counts["contract calls"] = f"{report.contract_calls:,} run again, {report.fuel:,} fuel"
    return counts | {"took": f"{seconds:.1f} s, {rate:,.0f} records/s"}
