"""``blockpool watch``: an auditor's own checkpoint file, and an alarm when histories disagree."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import RenderableType
from rich.text import Text

from blockpool import load_genesis
from blockpool.watched_node import WatchedNode
from blockpool.watching import NodeView, Report, Watch, quorum_time_s
from chain.errors import PoolError
from chain.messages import printable, time_text
from chain.messages.phrases import phrase
from chain.proofs.checkpoints import Checkpoint, encode_checkpoint, parse_checkpoint, verify_quorum
from chain.proofs.trust import TrustHistory
from chain.storage.files import replace_file
from cli.failures import ExitCode, describe
from cli.options import READABLE_FILE, genesis_option, json_option, node_urls
from cli.output import emit, facts, grid
from cli.time_stamps import TimeStamper

_STYLES = {"agrees": "green", "behind": "yellow", "unreachable": "yellow", "unproven": "red", "disagrees": "red"}


@click.command()
@click.argument("urls", metavar="[URL]...", nargs=-1)
@genesis_option
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Your checkpoint: verified and replaced by each newer one that continues it. Made at the first look.",
)
@click.option("--once", is_flag=True, help="Look once, and end.")
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Pause between two looks.",
)
@click.option(
    "--witness-required",
    "witnesses",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="How many witnesses must have cosigned.",
)
@click.option("--tsa", metavar="URL", help="Time-stamping service (RFC 3161); its stamp is kept as FILE.tsr.")
@click.option("--tsa-certificate", type=READABLE_FILE, help="PEM: root of the service's certificate.")
@click.option(
    "--evidence-folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    show_default=True,
    help="Where evidence is written after an alarm.",
)
@json_option
@click.pass_context
def watch(
    context: click.Context,
    urls: tuple[str, ...],
    genesis_file: Path,
    path: Path,
    once: bool,
    interval_s: float,
    witnesses: int,
    tsa: str | None,
    tsa_certificate: Path | None,
    evidence_folder: Path,
) -> None:
    """Ask the nodes at URL (by default all that the genesis file names) for their newest checkpoints, and see that they
    all tell one history, which continues the one that you hold in --file.

    Looks again and again until something is wrong. An alarm ends it with exit code 1: two signed histories, one that is
    cut off, or a checkpoint that nobody can show to continue yours. Your file stays as it is then, and what convicts a
    member is written as evidence for `blockpool verify`.

    \b
    Example: blockpool watch --genesis genesis.json --file checkpoint.note --interval 300
    """
    if (tsa is None) != (tsa_certificate is None):
        raise click.UsageError(phrase("--tsa and --tsa-certificate go together"))
    genesis = load_genesis(genesis_file)
    trust = TrustHistory(genesis)
    stamper = TimeStamper(tsa, tsa_certificate) if tsa is not None and tsa_certificate is not None else None
    with _connected(node_urls(urls, genesis), trust) as nodes:
        while True:
            code = _look(trust, nodes, path, witnesses, stamper, evidence_folder)
            if once or code is ExitCode.FALSE:
                context.exit(code)
            time.sleep(interval_s)


@contextmanager
def _connected(urls: list[str], trust: TrustHistory) -> Iterator[list[WatchedNode]]:
    nodes = [WatchedNode(url, trust) for url in dict.fromkeys(urls)]
    try:
        yield nodes
    finally:
        for node in nodes:
            node.close()


def _look(
    trust: TrustHistory,
    nodes: list[WatchedNode],
    path: Path,
    witnesses: int,
    stamper: TimeStamper | None,
    evidence_folder: Path,
) -> ExitCode:
    """Look once: keep what is good, write what is evidence, show both."""
    held = _held(path, trust, nodes)
    report = Watch(trust, nodes, held, witnesses).look()
    newest = report.newest
    if newest is not None and newest != held:
        replace_file(path, encode_checkpoint(newest, trust))
    files = [_write_evidence(evidence_folder, item.member, item.size, item.content) for item in report.convictions]
    stamped, failure = _stamp(stamper if newest is not None else None, path)
    value = _described(report, newest, trust)
    value |= {"evidence": list(map(str, files)), "time_stamp": stamped}
    value |= {"time_stamp_error": None if failure is None else describe(failure)}
    emit(value, *_shown(report, newest, trust, files, stamped, failure))
    if report.alarms:
        return ExitCode.FALSE
    is_known = newest is not None and any(view.checkpoint is not None for view in report.views)
    return ExitCode.GOOD if is_known and failure is None else ExitCode.CANNOT


def _held(path: Path, trust: TrustHistory, nodes: list[WatchedNode]) -> Checkpoint | None:
    """The auditor's checkpoint. The validators that have cosigned it may be known by hand-overs alone.

    Raises:
        PoolError: code ``bad_checkpoint`` for a file that is none of this chain.
    """
    if not path.exists():
        return None
    try:
        return _read(path, trust)
    except PoolError:
        if not any(node.learn_handovers() for node in nodes):
            raise
    return _read(path, trust)


def _read(path: Path, trust: TrustHistory) -> Checkpoint:
    try:
        held = parse_checkpoint(path.read_bytes(), trust)
        verify_quorum(held, trust)
    except PoolError as error:
        raise PoolError(error.code, f"{path}: {error.detail}") from None
    return held


def _stamp(stamper: TimeStamper | None, path: Path) -> tuple[str | None, PoolError | None]:
    """When the service saw the file; or why that is not known."""
    if stamper is None:
        return None, None
    try:
        return stamper.ensure(path).isoformat(sep=" "), None
    except PoolError as error:
        return None, error


def _write_evidence(folder: Path, member: str, size: int, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{member}.checkpoints.{size}.json"
    replace_file(path, content)
    return path


# What is shown


def _described(report: Report, newest: Checkpoint | None, trust: TrustHistory) -> dict[str, Any]:
    """A look for programs."""
    return {
        "alarms": report.alarms,
        "checkpoint": None if newest is None else _facts(newest, trust),
        "nodes": [
            {
                "url": view.url,
                "state": view.state,
                "size": None if view.checkpoint is None else view.checkpoint.head.size,
                "detail": view.detail,
            }
            for view in report.views
        ],
    }


def _facts(checkpoint: Checkpoint, trust: TrustHistory) -> dict[str, Any]:
    signers = trust.signers_of(checkpoint.head.size)
    return {
        "size": checkpoint.head.size,
        "root": checkpoint.head.root.hex(),
        "time_ms": quorum_time_s(checkpoint, trust) * 1000,
        "validators": list(checkpoint.cosigners(signers.names)),
        "witnesses": list(checkpoint.cosigners(signers.witnesses)),
    }


def _shown(
    report: Report,
    newest: Checkpoint | None,
    trust: TrustHistory,
    files: list[Path],
    stamped: str | None,
    failure: PoolError | None,
) -> list[RenderableType]:
    """A look for people."""
    table = grid("node", "state", "blocks", "", right=frozenset({"blocks"}))
    for view in report.views:
        table.add_row(view.url, Text(view.state, style=_STYLES[view.state]), _size(view), printable(view.detail))
    shown: list[RenderableType] = [table, ""]
    if newest is not None:
        known = _facts(newest, trust)
        rows: dict[str, object] = {
            "blocks": f"{known['size']:,}",
            "root": known["root"],
            "cosigned": f"{time_text(known['time_ms'])} by {', '.join(known['validators'] + known['witnesses'])}",
        }
        if stamped is not None:
            rows["time stamp"] = stamped
        shown.append(facts(rows))
    for alarm in report.alarms:
        shown.append(Text(f"ALARM: {printable(alarm)}", style="bold red"))
    if report.alarms:
        shown.append("Your checkpoint stays as it is.")
    shown += [Text(f"Evidence: {path}. Check it: blockpool verify {path}") for path in files]
    if failure is not None:
        shown.append(Text(f"No time stamp: {printable(failure.detail)}", style="yellow"))
    return shown


def _size(view: NodeView) -> str:
    return "" if view.checkpoint is None else f"{view.checkpoint.head.size:,}"
