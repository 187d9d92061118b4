"""The ``demo`` command: sets the scene, runs the story, and leaves nothing behind unless asked to."""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule

from blockpool import PoolError
from cli.demo.data import COMPANY, MEMBERS, load_files
from cli.demo.narrator import Narrator, story_console
from cli.demo.story import EVIDENCE_FILE, Story
from cli.failures import ExitCode
from cli.homes import GENESIS_FILE, SYSTEM_KEY
from cli.options import json_option
from cli.output import emit, is_json
from cli.processes import LocalNetwork, interruptible


@click.command()
@click.option("--keep", is_flag=True, help="Leave the network running, and say what to try next.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the network, new or empty; it stays. [default: a temporary one that is removed]",
)
@json_option
@click.pass_context
def demo(context: click.Context, keep: bool, folder: Path | None) -> None:
    """Watch four departments share a week of real flights, weather, aircraft and airports through a pool.

    The flights are sealed. The primary is killed in mid-stream; nothing is lost; the chain is audited; one record's
    origin is proven offline. Then the flights are read: under a contract, with a purpose, after an approval, or not at
    all; and every read is audited. At last a record is traced, the nodes are watched, a parcel is erased, and a report
    is written. Everything claimed is checked: exit code 1 if anything does not hold. Needs the
    source tree (examples).

    \b
    Example: blockpool demo --keep
    """
    started_s = time.monotonic()
    files = load_files()
    narrator = Narrator(story_console(is_json()))
    with interruptible(), _folder(folder, keep) as home:
        network = LocalNetwork(home / "pool", MEMBERS, "Demonstration pool 演示数据池", [COMPANY])
        with network:
            totals = {file.dataset: sum(1 for _ in file.source) for file in files}
            story = Story(narrator, network, files, totals)
            try:
                story.run()
            except PoolError:
                _show_logs(narrator, network)
                raise
            if narrator.failed:
                _show_logs(narrator, network)
            network.keep = keep
        seconds = time.monotonic() - started_s
        _conclude(narrator, story, seconds)
        if keep:
            _what_next(narrator.console, network)
    if narrator.failed:
        context.exit(ExitCode.FALSE)


@contextmanager
def _folder(folder: Path | None, keep: bool) -> Iterator[Path]:
    """Where the network lives: the folder asked for, or a temporary one."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    temporary = Path(tempfile.mkdtemp(prefix="blockpool-demo-"))
    finished = False
    try:
        yield temporary
        finished = True
    finally:
        if not (keep and finished):
            shutil.rmtree(temporary, ignore_errors=True)


def _conclude(narrator: Narrator, story: Story, seconds: float) -> None:
    held = len(narrator.claims) - len(narrator.failed)
    summary = f"{held} of {len(narrator.claims)} claims were checked and hold. {seconds:.0f} s."
    style = "red" if narrator.failed else "green"
    for claim in narrator.failed:
        summary += f"\nNOT SO (stage {claim.stage}): {claim.text}"
    narrator.console.print(Panel(summary, border_style=style))
    if is_json():
        emit(
            {
                "holds": not narrator.failed,
                "claims": [
                    {"stage": claim.stage, "text": claim.text, "holds": claim.holds} for claim in narrator.claims
                ],
                "records": story.totals,
                "measured": story.measured,
                "stage_seconds": narrator.stage_seconds,
                "seconds": round(seconds, 3),
            }
        )


def _show_logs(narrator: Narrator, network: LocalNetwork) -> None:
    for node in network.nodes.values():
        if tail := node.log_tail():
            narrator.console.print(
                Panel(tail, title=f"end of the log of {node.member}", border_style="red"), markup=False
            )


def _what_next(console: Console, network: LocalNetwork) -> None:
    """Say what to try, in lines that can be copied."""
    program = sys.argv[0] if Path(sys.argv[0]).name == "blockpool" else f"{sys.executable} -m cli.main"
    genesis, key = network.folder / GENESIS_FILE, network.folder / "aviation" / SYSTEM_KEY
    pids = " ".join(str(node.pid) for node in network.nodes.values())
    console.print(Rule("[bold]The network is running. What next?[/]", align="left", style="blue"))
    for line in (
        f"export BLOCKPOOL_GENESIS={genesis} BLOCKPOOL_KEY={key}",
        f"{program} network status",
        f"{program} dataset list",
        f"{program} show block",
        f"{program} verify {network.folder / EVIDENCE_FILE}",
        f"{program} audit chain {network.nodes['airports'].url}",
        f"{program} request list",
        f"{program} audit reads {network.nodes['airports'].url}",
        "",
        f"# the API of aviation's node: {network.nodes['aviation'].url}/openapi.json",
        f"# logs: {network.folder}/*.log",
        f"# stop it:   kill {pids}",
        f"# remove it: rm -r {network.folder}",
    ):
        console.print(line, soft_wrap=True, markup=False)
