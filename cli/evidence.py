"""``blockpool evidence`` and ``blockpool verify``: take a proof away, and check it anywhere, offline."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape

from blockpool import PoolError, RecordId, Step, load_genesis
from chain.evidence import STEPS, verify_evidence
from cli.failures import ExitCode, describe
from cli.options import READABLE_FILE, genesis_option, json_option, node_option, reading_client
from cli.output import emit, talk


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
    """Verify an evidence FILE from the genesis file alone: no network, no node is asked or believed.

    Every step is numbered and printed as it passes. The first that fails ends it with exit code 1.

    \b
    Example: blockpool verify flight.evidence.json --genesis genesis.json
    """
    genesis = load_genesis(genesis_file)
    passed: list[Step] = []
    refusal: PoolError | None = None
    try:
        for step in verify_evidence(file.read_bytes(), genesis):
            passed.append(step)
    except PoolError as error:
        refusal = error
    result = {
        "verified": refusal is None,
        "file": str(file),
        "steps": [step._asdict() for step in passed],
        "error": None if refusal is None else describe(refusal) | {"step_title": failed_step(refusal)},
    }
    emit(result, *verification_lines(passed, refusal))
    if refusal is not None:
        context.exit(ExitCode.FALSE)


def failed_step(refusal: PoolError) -> str:
    """Title of the step that a refusal names."""
    return STEPS[int(refusal.context["step"]) - 1]


def verification_lines(passed: list[Step], refusal: PoolError | None) -> list[str]:
    """A verification for people: one line a step, and what follows from it."""
    lines = [f"[green]✓[/] {step.number} {step.title:<10} {escape(step.detail)}" for step in passed]
    if refusal is None:
        return [*lines, f"[bold green]Verified[/]: all {len(passed)} steps hold."]
    number = refusal.context["step"]
    return [
        *lines,
        f"[red]✗[/] {number} {failed_step(refusal):<10} {escape(refusal.code.info.title)} ({refusal.code.value})",
        f"               {escape(refusal.detail)}",
        f"[bold red]Refused[/] at step {number}. {escape(refusal.advice)}",
    ]
