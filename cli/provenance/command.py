"""``blockpool provenance``: asks for the graph, and shows it in the form that is wanted."""

from pathlib import Path

import click
import orjson
from rich.text import Text

from blockpool import Client, Provenance, ProvenanceBounds, RecordId, RetryPolicy, load_genesis
from blockpool.provenance import DEFAULT_BOUNDS
from chain.messages import time_text
from chain.messages.phrases import phrase
from cli.failures import ExitCode
from cli.options import RecordIdType, genesis_option, json_option, node_option, node_urls
from cli.output import emit, talk
from cli.provenance.grouping import counted
from cli.provenance.picture import provenance_svg
from cli.provenance.prov import prov_document
from cli.provenance.tree import ProvenanceTree
from cli.provenance.view import provenance_view

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("record", metavar="RECORD", type=RecordIdType())
@click.option(
    "--depth",
    type=click.IntRange(1, 64),
    default=DEFAULT_BOUNDS.depth,
    show_default=True,
    help="How many steps to go from the record, each way.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=DEFAULT_BOUNDS.parcels,
    show_default=True,
    help="How many parcels to look at, all in all.",
)
@click.option("--svg", "svg_file", type=_FILE, help="Also write the graph as a picture to this file.")
@click.option("--prov", "prov_file", type=_FILE, help="Also write it as W3C PROV-JSON to this file.")
@genesis_option
@node_option
@json_option
@click.pass_context
def provenance(
    context: click.Context,
    record: RecordId,
    depth: int,
    limit: int,
    svg_file: Path | None,
    prov_file: Path | None,
    genesis_file: Path,
    nodes: tuple[str, ...],
) -> None:
    """Show where RECORD (TRANSACTION/INDEX) comes from, who used it, and what they made of it.

    Every step is verified from the genesis file, and that no use is left out is proven, up to the newest block. What
    was erased says so; so does what no node can prove, and then the exit code is 1.

    \b
    Example: blockpool provenance 5f0c.../17 --svg origins.svg --prov origins.json --genesis pool/genesis.json
    """
    genesis = load_genesis(genesis_file)
    graph = _walk(Client(node_urls(nodes, genesis), genesis, retry=_RETRY), record, depth, limit)
    if svg_file is not None:
        svg_file.write_text(provenance_svg(graph, genesis), encoding="utf-8")
    if prov_file is not None:
        prov_file.write_bytes(orjson.dumps(prov_document(graph, genesis), option=orjson.OPT_INDENT_2))
    emit(provenance_view(graph), ProvenanceTree(graph, genesis).tree(), "", _summary(graph))
    for path in filter(None, (svg_file, prov_file)):
        talk().print(phrase("Wrote {path}.", path=path), markup=False)
    if graph.gaps:
        context.exit(ExitCode.FALSE)


_RETRY = RetryPolicy(attempts_max=4, total_max_s=15)
"""A person is waiting."""


def _walk(client: Client, record: RecordId, depth: int, limit: int) -> Provenance:
    with client, talk().status("Following ...") as status:
        return client.provenance(
            record,
            ProvenanceBounds(depth=depth, parcels=limit),
            lambda count: status.update(f"Following: {count:,} parcels ..."),
        )


def _summary(graph: Provenance) -> Text:
    requests = {use.request_id for uses in graph.uses.values() for use in uses.reads}
    text = Text(f"Proven up to block {graph.height:,}, {time_text(graph.time_ms)}: ")
    text.append(f"{counted(len(graph.parcels), 'parcel')}, {counted(len(requests), 'request')} about them.")
    if graph.gaps:
        text.append(f" {counted(len(graph.gaps), 'part')} could not be verified.", "bold red")
    elif not graph.is_complete:
        text.append(" Some is counted, not listed: see --limit.", "yellow")
    else:
        text.append(f" Within {counted(graph.bounds.depth, 'step')} nothing is left out.", "green")
    return text
