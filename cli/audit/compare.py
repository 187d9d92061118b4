"""``blockpool audit compare``: the first height, and the key, at which two nodes differ."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress
from rich.text import Text

from audit import comparison
from audit.comparison import Comparison, Difference, Holding
from audit.sources import open_states
from blockpool import Genesis, load_genesis
from chain.messages import printable
from chain.messages.phrases import phrase
from cli.audit.sources import data_folder, is_url, open_source
from cli.failures import ExitCode
from cli.options import genesis_option, json_option
from cli.output import emit, facts, grid, progress

_KEYS_SHOWN = 20
_PARTS_SHOWN = 20


@click.command()
@click.argument("first", metavar="HOME_OR_URL")
@click.argument("second", metavar="HOME_OR_URL")
@genesis_option
@json_option
@click.pass_context
def compare(context: click.Context, first: str, second: str, genesis_file: Path) -> None:
    """Find the first height at which two nodes differ, and what differs there: fields of the block, transactions, their
    payloads, outcomes. Of homes the state databases are compared as well: each key and field that differs, or that a
    database has lost.

    It does not say who is right: blockpool audit chain does. A chain that is only shorter does not differ. Exit code 1
    if something differs.

    \b
    Example: blockpool audit compare http://127.0.0.1:8000 http://127.0.0.1:8001 --genesis genesis.json
             blockpool audit compare pool/aviation/node pool/registry/node --genesis genesis.json
    """
    genesis = load_genesis(genesis_file)
    with progress() as bar:
        compared = compare_sources(genesis, (first, second), bar)
    emit(describe_comparison(compared), *comparison_lines(compared))
    if not compared.is_same:
        context.exit(ExitCode.FALSE)


def compare_sources(genesis: Genesis, sources: tuple[str, str], bar: Progress) -> Comparison:
    """Compare what two nodes hold.

    Raises:
        PoolError: what cannot be had, such as ``unreachable`` or ``data_folder_locked``.
    """
    with ExitStack() as stack:
        chains = [stack.enter_context(open_source(source, genesis)) for source in sources]
        states = [
            None if is_url(source) else stack.enter_context(open_states(data_folder(Path(source)), chain, genesis))
            for source, chain in zip(sources, chains, strict=True)
        ]
        task = bar.add_task(phrase("Comparing blocks"), total=min(chain.newest for chain in chains) + 1)
        first, second = map(Holding, sources, chains, states)
        return comparison.compare(genesis, first, second, lambda blocks: bar.advance(task))


def describe_comparison(compared: Comparison) -> dict[str, Any]:
    """A comparison for programs."""
    first, second = compared.sources
    return {
        "first": {"source": first, "newest": compared.newest[0]},
        "second": {"source": second, "newest": compared.newest[1]},
        "same": compared.is_same,
        "height": compared.height,
        "block": None
        if compared.block is None
        else {"height": compared.block.height, "parts": [part._asdict() for part in compared.block.parts]},
        "state": {
            "height": compared.state_height,
            "keys": None
            if compared.keys is None
            else [{"key": key.key, "fields": [part._asdict() for part in key.fields]} for key in compared.keys],
            "damage": {source: [found._asdict() for found in damage] for source, damage in compared.damage.items()},
        },
    }


def comparison_lines(compared: Comparison) -> Iterator[Any]:
    """A comparison for people."""
    first, second = compared.sources
    yield facts(
        {
            "first": f"{first}, up to height {compared.newest[0]:,}",
            "second": f"{second}, up to height {compared.newest[1]:,}",
            "compared": f"blocks up to height {compared.height:,}; {_states_text(compared)}",
        }
    )
    yield ""
    if compared.block is not None:
        yield Text.assemble(("Differ", "bold red"), f" from height {compared.block.height:,} on:")
        yield from _table(compared.block.parts)
        yield ""
    for key in (compared.keys or [])[:_KEYS_SHOWN]:
        yield Text.assemble(("Differ", "bold red"), f" in the state after height {compared.state_height:,}: {key.key}")
        yield from _table(key.fields)
        yield ""
    if compared.keys and len(compared.keys) > _KEYS_SHOWN:
        yield f"... and {len(compared.keys) - _KEYS_SHOWN:,} more keys, all of them with --json."
    for source, damage in compared.damage.items():
        for found in damage[:_KEYS_SHOWN]:
            keys = ", ".join(found.keys[:_KEYS_SHOWN]) or "an unknown key"
            yield Text.assemble(("Damaged", "bold red"), f" state of {source}: {found.what}: {printable(keys)}")
    if compared.is_same:
        yield "Nothing differs."


def _states_text(compared: Comparison) -> str:
    if compared.keys is not None:
        return f"states after height {compared.state_height:,}"
    if compared.damage:
        return f"of the states only that of {next(iter(compared.damage))} could be looked at"
    return "no states, which takes stopped homes"


def _table(parts: list[Difference]) -> Iterator[Any]:
    table = grid("", "first", "second")
    for part in parts[:_PARTS_SHOWN]:
        table.add_row(part.part, printable(part.first), printable(part.second))
    yield table
    if len(parts) > _PARTS_SHOWN:
        yield f"... and {len(parts) - _PARTS_SHOWN:,} more, all of them with --json."
