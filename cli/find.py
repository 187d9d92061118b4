"""``blockpool find``: the present record of a key, or that there is none, proven."""

import os
from pathlib import Path

import click
from rich.console import RenderableType
from rich.syntax import Syntax

from blockpool import Client, FoundRecord, load_genesis
from chain.messages.phrases import phrase
from cli.failures import ExitCode
from cli.options import (
    genesis_option,
    json_option,
    key_secret_option,
    load_key_secret,
    node_option,
    node_urls,
)
from cli.output import emit, facts, talk


@click.command()
@click.argument("dataset", metavar="DATASET")
@click.argument("values", metavar="VALUE...", nargs=-1, required=True)
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the record's evidence there.")
@key_secret_option
@genesis_option
@node_option
@json_option
@click.pass_context
def find(
    context: click.Context,
    dataset: str,
    values: tuple[str, ...],
    out: Path | None,
    key_secret_file: Path | None,
    genesis_file: Path,
    nodes: tuple[str, ...],
) -> None:
    """Find the present record of a key of DATASET: the VALUEs of its key fields, in the order in which the schema names
    them.

    That there is no newer record, or none at all, is proven by the state after the newest block; without one the exit
    code is 1. The keys of sealed records are blinded: only who has their owner's secret finds them.

    \b
    Example: blockpool find aviation.flights CA1501 2026-03-01 --genesis pool/genesis.json
    """
    genesis, key_file = load_genesis(genesis_file), os.environ.get("BLOCKPOOL_KEY")
    secret = load_key_secret(key_secret_file, Path(key_file) if key_file else None)
    with Client(node_urls(nodes, genesis), genesis) as client:
        found = client.find(dataset, values, key_secret=secret)
    emit(_view(found), *_shown(found))
    if out is not None and found.evidence is not None:
        out.write_bytes(found.evidence)
        talk().print(phrase("Wrote {out}.", out=out), markup=False)
    if found.record is None:
        context.exit(ExitCode.FALSE)


def _view(found: FoundRecord) -> dict[str, object]:
    return {
        "dataset": found.dataset,
        "key": found.key.hex(),
        "height": found.height,
        "record": found.record and str(found.record),
        "record_height": found.record_height,
        "versions": found.versions,
        "previous": found.previous and str(found.previous),
        "body": None if found.body is None else found.body.decode("utf-8", errors="replace"),
    }


def _shown(found: FoundRecord) -> list[RenderableType]:
    rows: dict[str, object] = {"dataset": found.dataset, "key": found.key.hex()}
    if found.record is None:
        return [facts(rows | {"record": f"none: proven up to block {found.height:,}"})]
    rows |= {"present record": str(found.record), "of block": f"{found.record_height:,}"}
    rows |= {"no newer one": f"proven up to block {found.height:,}", "versions": f"{found.versions:,}"}
    if found.previous is not None:
        rows["the one before it"] = str(found.previous)
    if found.body is None:
        return [facts(rows | {"content": "erased"})]
    text = found.body.decode("utf-8", errors="replace")
    return [facts(rows), "", Syntax(text, "json", word_wrap=True, background_color="default")]
