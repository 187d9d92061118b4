"""``blockpool audit report``: audit a chain, and write what was found for people who will not run a command."""

from pathlib import Path
from typing import Any

import click
from rich.text import Text

from audit.findings import Conclusion, Findings, investigate
from blockpool import Genesis, load_genesis
from chain.messages import time_text
from chain.messages.phrases import phrase
from cli.audit.accusations import fetch_accusations
from cli.audit.bar import AuditBar
from cli.audit.chain import describe_audit, jobs_option
from cli.audit.reporting.page import render
from cli.audit.sources import is_url, open_source
from cli.failures import ExitCode, exit_code
from cli.network_policy import NetworkPolicy
from cli.options import genesis_option, json_option
from cli.output import emit, facts, progress

_STYLES: dict[Conclusion, tuple[str, str]] = {
    "holds": ("everything is verified", "bold green"),
    "attention": ("the chain is verified, but something needs attention", "bold yellow"),
    "fails": ("does not hold", "bold red"),
}


@click.command()
@click.argument("source", metavar="HOME_OR_URL")
@genesis_option
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
@click.option(
    "--overdue-days",
    type=click.IntRange(min=0),
    default=7,
    show_default=True,
    help="How many days a request may wait for answers before the report calls it overdue.",
)
@jobs_option
@json_option
@click.pass_context
def report(context: click.Context, source: str, genesis_file: Path, out: Path, overdue_days: int, jobs: int) -> None:
    """Audit a chain and write a report in Chinese and English: one HTML file that opens without a network and prints
    on A4.

    The whole chain is verified on the way, contracts included. The report says on top what holds and what does not; it
    is written in either case, and the exit code is 1 if anything is missing or wrong.

    \b
    Example: blockpool audit report http://127.0.0.1:8000 --genesis genesis.json -o report.html
             blockpool audit report pool/aviation/node --genesis genesis.json -o report.html
    """
    findings = investigate_source(source, load_genesis(genesis_file), overdue_days, jobs)
    content = render(findings)
    out.write_bytes(content)
    emit(describe_report(findings, out, content), *_report_lines(findings, out, content))
    if findings.conclusion == "fails":
        context.exit(ExitCode.FALSE if findings.failure is None else exit_code(findings.failure))


def investigate_source(source: str, genesis: Genesis, overdue_days: int, jobs: int = 1) -> Findings:
    """Verify a whole chain, and collect what the report tells.

    Args:
        source: home or URL.
        genesis: of the chain.
        overdue_days: how long a request may wait for answers.
        jobs: processes that share the work.

    Raises:
        PoolError: if the blocks cannot be had, or this machine cannot run the contracts: nothing is known then.
    """
    with open_source(source, genesis) as chain_source, progress() as bar:
        return investigate(
            source,
            genesis,
            chain_source,
            NetworkPolicy(genesis.chain_id, bar.console.print),
            fetch_accusations(source) if is_url(source) else None,
            overdue_days=overdue_days,
            jobs=jobs,
            on_progress=AuditBar(bar, phrase("Auditing blocks"), chain_source.newest),
        )


def describe_report(findings: Findings, out: Path, content: bytes) -> dict[str, Any]:
    """A report for programs: the audit's counts, and what the file says."""
    made = findings.circumstances
    return describe_audit(made.source, findings.report, findings.failure, made.seconds) | {
        "holds": findings.conclusion != "fails",
        "file": str(out),
        "size_bytes": len(content),
        "conclusion": findings.conclusion,
        "requests": len(findings.reads),
        "grants_never_used": len(findings.unused),
        "overdue": sum(map(findings.is_overdue, findings.waiting)),
        "erasures": len(findings.erasures),
        "misbehaviour": len(findings.misbehaviour.proven) if findings.misbehaviour.is_asked else None,
    }


def _report_lines(findings: Findings, out: Path, content: bytes) -> tuple[Any, ...]:
    """A report for people."""
    said, style = _STYLES[findings.conclusion]
    audited = findings.report
    shown = {
        "report": f"{out}, {len(content):,} bytes",
        "verified to": f"height {audited.height:,}, block {audited.block_hash.hex()}",
        "of": time_text(audited.time_ms),
        "conclusion": Text(said, style=style),
    }
    if findings.failure is not None:
        shown["reason"] = f"height {findings.failure.context.get('height', '?')}: {findings.failure.detail}"
    return (facts(shown),)
