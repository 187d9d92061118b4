"""``blockpool evidence`` and ``blockpool verify``: take a proof away, and check it anywhere, offline."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape

from blockpool import PoolError, RecordId, Step, load_genesis
from cli.failures import ExitCode, describe
from cli.options import READABLE_FILE, genesis_option, json_option, node_option, reading_client
from cli.output import emit, facts, printable, talk
from evidence.disclosure import DisclosureEvidence, disclosed_content
from evidence.kinds import parse_any_evidence, verify_any_evidence


@click.command()
@click.argument("record_id", metavar="RECORD")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
@genesis_option
@node_option
@json_option
def evidence(record_id: str, out: Path, genesis_file: Path, nodes: tuple[str, ...]) -> None:
    """Export a self-contained proof of where RECORD (TRANSACTION/INDEX) comes from. It is verified before it is
    written.

    \b
    Example: blockpool evidence 5f0c.../17 -o flight.evidence.json --genesis genesis.json
    """
    with reading_client(nodes, genesis_file) as client:
        content = client.evidence(RecordId.parse(record_id))
    out.write_bytes(content)
    emit({"record": record_id, "file": str(out), "size_bytes": len(content)}, f"Wrote {out}, {len(content):,} bytes.")
    talk().print(f"Anyone can check it: blockpool verify {out} --genesis {genesis_file}")


@click.command()
@click.argument("file", type=READABLE_FILE)
@genesis_option
@json_option
@click.pass_context
def verify(context: click.Context, file: Path, genesis_file: Path) -> None:
    """Verify an evidence FILE, of a record or a disclosure, from the genesis file alone: no network, no node is asked
    or believed.

    Every step is numbered and printed as it passes. The first that fails ends it with exit code 1. What a disclosure
    proves is shown once all steps hold.

    \b
    Example: blockpool verify flight.evidence.json --genesis genesis.json
    """
    genesis = load_genesis(genesis_file)
    content = file.read_bytes()
    passed: list[Step] = []
    refusal: PoolError | None = None
    try:
        for step in verify_any_evidence(content, genesis):
            passed.append(step)
    except PoolError as error:
        refusal = error
    shown = disclosed_values(content) if refusal is None else {}
    result = {
        "verified": refusal is None,
        "file": str(file),
        "steps": [step._asdict() for step in passed],
        "error": None if refusal is None else describe(refusal),
        **({"disclosed": shown} if shown else {}),
    }
    values: dict[str, object] = {escape(printable(name)): printable(value) for name, value in shown.items()}
    disclosed = [facts(values, title="Disclosed")] if values else []
    emit(result, *verification_lines(passed, refusal), *disclosed)
    if refusal is not None:
        context.exit(ExitCode.FALSE)


def disclosed_values(content: bytes) -> dict[str, str]:
    """What a verified disclosure file shows: JSON text by field, or the whole record as text under ``record``; empty
    for a record's evidence.
    """
    evidence_file = parse_any_evidence(content)
    if not isinstance(evidence_file, DisclosureEvidence):
        return {}
    shown = disclosed_content(evidence_file)
    if isinstance(shown, bytes):
        return {"record": shown.decode(errors="replace")}
    return {field.name: field.value.decode() for field in shown}


def verification_lines(passed: list[Step], refusal: PoolError | None) -> list[str]:
    """A verification for people: one line a step, and what follows from it."""
    lines = [f"[green]✓[/] {step.number} {step.title:<10} {escape(printable(step.detail))}" for step in passed]
    if refusal is None:
        return [*lines, f"[bold green]Verified[/]: all {len(passed)} steps hold."]
    number, title = refusal.context["step"], refusal.context["step_title"]
    return [
        *lines,
        f"[red]✗[/] {number} {title:<10} {escape(refusal.code.info.title)} ({refusal.code.value})",
        f"               {escape(printable(refusal.detail))}",
        f"[bold red]Refused[/] at step {number}. {escape(refusal.advice)}",
    ]
