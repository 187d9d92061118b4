"""``blockpool evidence`` and ``blockpool verify``: take a proof away, and check it anywhere, offline."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.markup import escape

from blockpool import Client, PoolError, RecordId, Step, load_genesis
from chain.genesis import Genesis
from chain.messages import printable
from chain.messages.phrases import phrase
from chain.proofs.checkpoints import trusted_head
from chain.proofs.history import TreeHead
from chain.proofs.trust import TrustHistory
from cli.failures import ExitCode, describe
from cli.misbehaviour import misbehaviour
from cli.options import (
    READABLE_FILE,
    RecordIdType,
    TransactionIdType,
    genesis_option,
    json_option,
    node_option,
    reading_client,
    together,
)
from cli.output import emit, facts, talk
from evidence.disclosure import DisclosureEvidence, disclosed_content
from evidence.kinds import parse_any_evidence, read_evidence_file, verify_any_evidence
from evidence.record import RecordEvidence
from evidence.summary import summary

Command = TypeVar("Command", bound=Callable[..., Any])

checkpoint_option = click.option(
    "--checkpoint",
    "checkpoint_file",
    type=READABLE_FILE,
    metavar="NOTE",
    help="Checkpoint that you hold (blockpool watch): a quorum must have cosigned it.",
)
"""The auditor's own checkpoint."""
_from_option = click.option(
    "--from", "from_height", type=click.IntRange(1), default=1, show_default=True, help="First block of the range."
)
_until_option = click.option(
    "--until", "until_height", type=click.IntRange(1), help="Last block of the range; by default the newest."
)


@dataclass(frozen=True, slots=True)
class Export:
    """Where a file comes from and goes to: what all commands of the group are given."""

    out: Path
    genesis_file: Path
    nodes: tuple[str, ...]
    checkpoint_file: Path | None

    def write(self, about: str, fetch: Callable[[Client, TreeHead | None], bytes]) -> None:
        """Write the file that ``fetch`` gets, which is verified, and say what it proves."""
        tree = held_head(self.checkpoint_file, load_genesis(self.genesis_file))
        with reading_client(self.nodes, self.genesis_file) as client:
            content = fetch(client, tree)
        self.out.write_bytes(content)
        proves = summary(parse_any_evidence(content))
        written = {"about": about, "file": str(self.out), "size_bytes": len(content), "proves": proves}
        emit(written, f"Wrote {escape(str(self.out))}, {len(content):,} bytes.", escape(printable(proves)))
        talk().print(
            phrase(
                "Anyone can check it: blockpool verify {out} --genesis {genesis_file}",
                out=self.out,
                genesis_file=self.genesis_file,
            )
        )


_out_option = click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write."
)
_export_options = together("export", Export, _out_option, genesis_option, node_option, checkpoint_option, json_option)
"""The options of every command of the group."""


@click.group()
def evidence() -> None:
    """Export a self-contained proof as a file: of a record, of a read, or that something has not been.

    A file is verified before it is written. Anybody checks it with blockpool verify, offline.
    """


evidence.add_command(misbehaviour)


@evidence.command("record")
@click.argument("record", type=RecordIdType(), metavar="RECORD")
@_export_options
def record_evidence(record: RecordId, export: Export) -> None:
    """Where RECORD (TRANSACTION/INDEX) comes from: who signed it, when it was ordered and by which quorum, under which
    dataset, schema and contract; and up to the newest block, or the checkpoint's: whether it was erased, who has read
    its parcel, and what was made of it.

    \b
    Example: blockpool evidence record 5f0c.../17 -o flight.evidence.json --genesis genesis.json
    """
    export.write(f"record {record}", lambda client, tree: client.evidence(record, tree))


@evidence.command("read")
@click.argument("request_id", type=TransactionIdType(), metavar="REQUEST")
@_export_options
def read_evidence(request_id: bytes, export: Export) -> None:
    """Who asked with REQUEST to read what and why, what was decided, who approved, and what was reported as read.

    \b
    Example: blockpool evidence read 9a41... -o read.evidence.json --genesis genesis.json
    """
    about = f"request {request_id.hex()}"
    export.write(about, lambda client, tree: client.read_evidence(request_id, tree))


@evidence.command("no-grant")
@click.argument("dataset")
@click.argument("reader", metavar="MEMBER")
@_from_option
@_until_option
@_export_options
def no_grant_evidence(dataset: str, reader: str, from_height: int, until_height: int | None, export: Export) -> None:
    """That MEMBER had no grant to read DATASET at any height of a range. Refused where it had one.

    \b
    Example: blockpool evidence no-grant aviation.flights meteorology --from 100 --until 200 -o none.json
    """
    export.write(
        f"no grant of {reader} on {dataset}",
        lambda client, tree: client.no_grant_evidence(dataset, reader, from_height, until_height, tree),
    )


@evidence.command("no-read")
@click.argument("parcel", metavar="RECORD")
@_from_option
@_until_option
@_export_options
def no_read_evidence(parcel: str, from_height: int, until_height: int | None, export: Export) -> None:
    """That nobody has reported a read of RECORD, or of the parcel with that id, at any height of a range. Refused where
    somebody has. Read reports name parcels, so it holds for all records of the parcel.

    \b
    Example: blockpool evidence no-read 5f0c.../17 --from 100 -o unread.json --genesis genesis.json
    """
    parcel_id = RecordId.parse(parcel if "/" in parcel else f"{parcel}/0").transaction_id
    export.write(
        f"no read of parcel {parcel_id.hex()}",
        lambda client, tree: client.no_read_evidence(parcel_id, from_height, until_height, tree),
    )


def held_head(checkpoint_file: Path | None, genesis: Genesis) -> TreeHead | None:
    """The head in an auditor's checkpoint file; None without one.

    Raises:
        PoolError: code ``bad_checkpoint`` unless a quorum of validators has cosigned it.
    """
    return None if checkpoint_file is None else trusted_head(checkpoint_file.read_bytes(), TrustHistory(genesis))


@click.command()
@click.argument("file", type=READABLE_FILE)
@genesis_option
@checkpoint_option
@json_option
@click.pass_context
def verify(context: click.Context, file: Path, genesis_file: Path, checkpoint_file: Path | None) -> None:
    """Verify an evidence FILE of any kind from the genesis file alone: no network, no node is asked or believed. Blocks
    that the file shows to be in the history of --checkpoint need no signatures.

    Every step is numbered and printed as it passes. The first that fails ends it with exit code 1. What the file proves
    is said once all steps hold, and what a disclosure shows.

    \b
    Example: blockpool verify flight.evidence.json --genesis genesis.json
    """
    genesis = load_genesis(genesis_file)
    tree = held_head(checkpoint_file, genesis)
    content = read_evidence_file(file)
    passed: list[Step] = []
    refusal: PoolError | None = None
    try:
        for step in verify_any_evidence(content, TrustHistory(genesis), tree):
            passed.append(step)
    except PoolError as error:
        refusal = error
    result: dict[str, object] = {
        "verified": refusal is None,
        "file": str(file),
        "steps": [step._asdict() for step in passed],
        "error": None if refusal is None else describe(refusal),
    }
    if refusal is not None:
        emit(result, *verification_lines(passed, refusal))
        context.exit(ExitCode.FALSE)
    proves, shown = summary(parse_any_evidence(content)), disclosed_values(content)
    result |= {"proves": proves, "erased": is_of_erased(content)} | ({"disclosed": shown} if shown else {})
    values: dict[str, object] = {escape(printable(name)): printable(value) for name, value in shown.items()}
    disclosed = [facts(values, title="Disclosed")] if values else []
    style = "bold yellow" if is_of_erased(content) else "bold"
    emit(result, *verification_lines(passed, None), f"[{style}]{escape(printable(proves))}[/]", *disclosed)


def is_of_erased(content: bytes) -> bool:
    """Whether a verified file is evidence of a record that was erased."""
    file = parse_any_evidence(content)
    return isinstance(file, RecordEvidence) and file.record.body is None


def disclosed_values(content: bytes) -> dict[str, str]:
    """What a verified disclosure file shows: JSON text by field, or the whole record as text under ``record``; empty
    for files of other kinds.
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
