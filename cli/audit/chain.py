"""``blockpool audit chain``: recompute a whole chain."""

import itertools
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.text import Text

from audit.chain import PARCELS_NAMED, AuditReport, ChainAudit
from audit.parallel import open_audit
from audit.sources import ChainSource
from audit.walk import walk
from blockpool import Genesis, PoolError, load_genesis
from chain.messages import printable, time_text
from chain.messages.phrases import phrase
from cli.audit.bar import AuditBar
from cli.audit.sources import open_source
from cli.failures import ExitCode, describe, exit_code
from cli.network_policy import NetworkPolicy
from cli.options import genesis_option, json_option
from cli.output import emit, facts, grid, progress

_JOBS_MAX = 256
_JOBS_DEFAULT_MAX = 8
"""More than this run ahead of the one process that executes."""


class Start(NamedTuple):
    """Where an audit began, or went on."""

    height: int
    records: int
    """Counted before."""


def default_jobs() -> int:
    """One for each core that this process may use, up to what is of use."""
    return min(len(os.sched_getaffinity(0)), _JOBS_DEFAULT_MAX)


jobs_option = click.option(
    "--jobs",
    type=click.IntRange(1, _JOBS_MAX),
    default=default_jobs,
    show_default="one for each core, at most 8",
    help="Processes that share the work.",
)


@click.command()
@click.argument("source", metavar="HOME_OR_URL")
@genesis_option
@jobs_option
@click.option(
    "--work",
    "work_folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that keeps how far the audit has come: it goes on from there when it is run again.",
)
@json_option
@click.pass_context
def chain(context: click.Context, source: str, genesis_file: Path, jobs: int, work_folder: Path | None) -> None:
    """Recompute and check everything: each hash, signature, certificate, root and outcome, from block 0 on. Contracts
    are run again, which takes the network's contract engine.

    HOME is a node's home whose daemon is stopped; URL is a running node's API. With --work, an audit that was
    interrupted goes on, and one that came to the end verifies the blocks that were added since.

    Records are counted as verified; as hash only, if the parcel's payload was erased, is left to other nodes or is
    missing, and the leaves alone were verified; or as wrong. Exit code 1 if records are missing or wrong, or if
    anything else does not hold, with the first height and the reason.

    \b
    Example: blockpool audit chain http://127.0.0.1:8000 --genesis genesis.json
             blockpool audit chain pool/aviation/node --genesis genesis.json --work audit-2026
    """
    genesis = load_genesis(genesis_file)
    started_s = time.monotonic()
    with (
        open_source(source, genesis) as chain_source,
        progress() as bar,
        open_audit(
            genesis, NetworkPolicy(genesis.chain_id, bar.console.print), folder=work_folder, jobs=jobs
        ) as auditing,
    ):
        report, first_records = auditing.report, auditing.report.records
        try:
            failure = auditing.run(chain_source, AuditBar(bar, phrase("Auditing blocks"), chain_source.newest))
        except KeyboardInterrupt:
            if work_folder is not None:
                bar.console.print(phrase("To go on, run it again with --work {folder}.", folder=work_folder))
            raise
    seconds = time.monotonic() - started_s
    described = describe_audit(source, report, failure, seconds) | {"jobs": jobs, "from_height": auditing.first_height}
    emit(described, *audit_tables(report, failure, seconds, Start(auditing.first_height, first_records)))
    if failure is not None:
        context.exit(exit_code(failure))
    if not report.is_complete:
        context.exit(ExitCode.FALSE)


def audit_in_memory(genesis: Genesis, source: ChainSource) -> tuple[AuditReport, PoolError | None]:
    """Verify a chain that is not long, in this process and in memory.

    Returns:
        What was verified, and what does not hold, with ``height`` in its context.

    Raises:
        PoolError: as ``walk`` does.
    """
    with progress() as bar:
        checker = ChainAudit(genesis, NetworkPolicy(genesis.chain_id, bar.console.print))
        shown = AuditBar(bar, phrase("Auditing blocks"), source.newest)
        failure = walk(checker, source.blocks(0), source.newest, shown)
    return checker.report, failure


def describe_audit(source: str, report: AuditReport, failure: PoolError | None, seconds: float) -> dict[str, Any]:
    """An audit for programs."""
    return {
        "source": source,
        "holds": failure is None and report.is_complete,
        "height": report.height,
        "block_hash": report.block_hash.hex(),
        "time_ms": report.time_ms,
        "blocks": report.blocks,
        "transactions": report.transactions,
        "records": report.records,
        "records_verified": report.records_verified,
        "records_hash_only": report.records_hash_only,
        "records_erased": dict(report.records_erased),
        "records_rejected": report.records_rejected,
        "records_not_kept": report.records_not_kept,
        "records_missing": report.records_missing,
        "records_wrong": report.records_wrong,
        "missing_parcels": _named(report.awaiting_erasure),
        "wrong_parcels": _named(report.wrong_parcels),
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


def audit_tables(
    report: AuditReport, failure: PoolError | None, seconds: float, start: Start | None = None
) -> tuple[Any, ...]:
    """An audit for people: what was counted, and what follows."""
    right = frozenset({"transactions", "records"})
    outcomes = grid("outcome", "transactions", right=right)
    for code, count in sorted(report.outcomes.items()):
        outcomes.add_row(code, f"{count:,}")
    datasets = grid("dataset", "records", right=right)
    for dataset, count in sorted(report.records_by_dataset.items()):
        datasets.add_row(dataset, f"{count:,}")
    return (
        facts(_counts(report) | {"took": _took(report, seconds, start or Start(0, 0))}),
        "",
        outcomes,
        "",
        datasets,
        "",
        *_conclusion(report, failure),
    )


def _conclusion(report: AuditReport, failure: PoolError | None) -> Iterator[Any]:
    if failure is not None:
        height = failure.context.get("height", "?")
        yield Text.assemble(("Does not hold", "bold red"), f" from height {height} on: {failure.code.value}")
        yield Text(f"  {failure.detail}")
        return
    yield "Every block holds: hashes, certificates, signatures, roots and outcomes were recomputed."
    if not report.is_complete:
        text = f": {report.records_missing:,} records are missing and were never erased, {report.records_wrong:,} are "
        yield Text.assemble(("Not complete", "bold red"), text, "not those that were signed.")
        for parcel in _named(report.awaiting_erasure):
            yield Text(f"  missing: parcel {parcel}")
        for parcel in _named(report.wrong_parcels):
            yield Text(f"  wrong: parcel {parcel}")


def _named(parcels: Iterable[bytes]) -> list[str]:
    """Ids of the first parcels of a finding; they can be many."""
    return [parcel.hex() for parcel in itertools.islice(parcels, PARCELS_NAMED)]


def _counts(report: AuditReport) -> dict[str, object]:
    counts: dict[str, object] = {
        "verified to": f"height {report.height:,}, block {report.block_hash.hex()}",
        "of": time_text(report.time_ms),
        "blocks": f"{report.blocks:,}, with {report.certificate_signatures:,} votes checked",
        "transactions": f"{report.transactions:,}, with {report.transaction_signatures:,} signatures checked",
        "records": f"{report.records:,}",
        "  verified": f"{report.records_verified:,} hashed again, {report.record_bytes:,} bytes",
        "  hash only": f"{report.records_hash_only:,}, of which the leaf alone could be verified",
    }
    for basis, count in sorted(report.records_erased.items()):
        counts[f"    erased: {printable(basis)}"] = f"{count:,}"
    if report.records_rejected:
        counts["    rejected"] = f"{report.records_rejected:,}, which no node keeps"
    if report.records_not_kept:
        counts["    not kept"] = f"{report.records_not_kept:,}, which this source leaves to other nodes"
    if report.records_missing:
        counts["    missing"] = f"{report.records_missing:,}, and nothing up to here has erased them"
    if report.records_wrong:
        counts["  wrong"] = f"{report.records_wrong:,}, not those that were signed"
    if report.contract_calls or report.verdicts:
        verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(report.verdicts.items()))
        counts["verdicts"] = verdicts or "none"
        counts["contract calls"] = f"{report.contract_calls:,} run again, {report.fuel:,} fuel"
    return counts


def _took(report: AuditReport, seconds: float, start: Start) -> str:
    text = f"{seconds:.1f} s, {(report.records - start.records) / seconds:,.0f} records/s"
    return f"{text}, from height {start.height:,} on: what is below was verified before" if start.height else text
