"""``blockpool evidence misbehaviour``: fetch what convicts members from the nodes that have seen it."""

from pathlib import Path

import click

from blockpool import PoolError, load_genesis
from blockpool.operations.checkpoints import MisbehaviourEntry
from blockpool.watched_node import WatchedNode
from chain.genesis import Genesis
from chain.messages import printable
from chain.proofs.trust import TrustHistory
from cli.failures import ExitCode
from cli.options import genesis_option, json_option, node_option, node_urls
from cli.output import emit, grid, talk


@click.command()
@click.option(
    "-o",
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the files; made if it is not there.",
)
@genesis_option
@node_option
@json_option
@click.pass_context
def misbehaviour(context: click.Context, folder: Path, genesis_file: Path, nodes: tuple[str, ...]) -> None:
    """All files that convict members of what they have signed: contradicting votes, checkpoints of two histories. Every
    node is asked, since each keeps what it has seen itself.

    \b
    Example: blockpool evidence misbehaviour -o misbehaviour --genesis genesis.json
    """
    genesis = load_genesis(genesis_file)
    urls = node_urls(nodes, genesis)
    found: dict[str, tuple[MisbehaviourEntry, bytes]] = {}
    failures = {url: failure for url in urls if (failure := _ask(url, genesis, found)) is not None}
    folder.mkdir(parents=True, exist_ok=True)
    table = grid("member", "signed two", "at", "file", right=frozenset({"at"}))
    for name, (entry, content) in sorted(found.items()):
        (folder / name).write_bytes(content)
        table.add_row(entry.member, entry.kind, f"{entry.place:,}", str(folder / name))
    files = [{**_described(entry), "file": str(folder / name)} for name, (entry, _) in sorted(found.items())]
    unanswered = {url: failure.detail for url, failure in failures.items()}
    none = f"{len(urls) - len(failures)} of {len(urls)} nodes answered, and none holds evidence of misbehaviour."
    emit({"misbehaviour": files, "unanswered": unanswered}, table if found else none)
    for url, detail in unanswered.items():
        talk().print(f"{url}: {printable(detail)}", markup=False)
    if len(failures) == len(urls):
        context.exit(ExitCode.CANNOT)


def _ask(url: str, genesis: Genesis, found: dict[str, tuple[MisbehaviourEntry, bytes]]) -> PoolError | None:
    """Take what a node holds and is not found yet; what went wrong, if something did."""
    node = WatchedNode(url, TrustHistory(genesis))
    try:
        for entry in node.misbehaviour():
            if entry.file_name not in found:
                found[entry.file_name] = entry, node.misbehaviour_file(entry)
    except PoolError as error:
        return error
    finally:
        node.close()
    return None


def _described(entry: MisbehaviourEntry) -> dict[str, object]:
    return {"member": entry.member, "kind": entry.kind, "place": entry.place}
