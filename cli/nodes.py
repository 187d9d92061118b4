"""``blockpool node``: the daemon."""

import os
import time
from pathlib import Path

import click
from rich.console import RenderableType

from blockpool import NodeStatus
from chain.extras import extra
from cli.options import reading_client, reading_options
from cli.output import emit, facts, grid


@click.group()
def node() -> None:
    """Run a node; ask one how it is."""


@node.command()
@click.argument("home", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--resync", is_flag=True, help="Set the databases aside and fetch everything from the peers again.")
@click.option("--json", "as_json", is_flag=True, help="Write the log as JSON, one object a line.")
@click.pass_context
def run(context: click.Context, home: Path, resync: bool, as_json: bool) -> None:
    """Run the node whose home is HOME until SIGTERM or Ctrl-C. Logs go to standard error.

    \b
    Example: blockpool node run pool/aviation/node
    """
    with extra("node"):  # here, so that other commands start fast and need no server libraries
        from node.daemon import run as run_daemon

    if as_json:
        os.environ["BLOCKPOOL_LOG_FORMAT"] = "json"
    context.exit(run_daemon(home, resync=resync))


@node.command()
@click.argument("url", required=False)
@reading_options
def status(url: str | None, nodes: tuple[str, ...], genesis_file: Path | None) -> None:
    """Show the health of the node at URL: height, view, primary, peers, queue.

    \b
    Example: blockpool node status http://127.0.0.1:8001
    """
    with reading_client((url,) if url else nodes, genesis_file) as client:
        answer = client.status()
    emit(answer, _facts(answer), "", _peers(answer))


def off_by(answer: NodeStatus) -> str:
    """How far a node's clock is from this machine's, just after it has answered."""
    return f"{answer.clock_ms / 1000 - time.time():+.1f} s"


def _facts(answer: NodeStatus) -> RenderableType:
    return facts(
        {
            "node": f"{answer.member} ({answer.role}), version {answer.version}",
            "network": answer.network,
            "chain id": answer.chain_id,
            "state": "ready" if answer.is_ready else f"not ready: {answer.unready_reason}",
            "height": f"{answer.height:,}",
            "block": answer.block_hash,
            "clock": f"{off_by(answer)} to this machine's",
            "view": f"{answer.view}, primary {answer.primary}",
            "waiting": f"{answer.mempool.transactions} transactions, {answer.mempool.size_bytes:,} bytes",
        }
    )


def _peers(answer: NodeStatus) -> RenderableType:
    right = frozenset({"round trip", "clock", "height"})
    table = grid("peer", "link", "round trip", "clock", "height", right=right)
    for peer in answer.peers:
        rtt = f"{peer.rtt_ms:.1f} ms" if peer.rtt_ms is not None else ""
        clock = f"{peer.clock_offset_ms / 1000:+,.1f} s" if peer.clock_offset_ms is not None else ""
        height = f"{peer.height:,}" if peer.height is not None else ""
        table.add_row(peer.member, "up" if peer.connected else "down", rtt, clock, height)
    return table
