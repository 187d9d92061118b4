"""``blockpool audit compare``: the first height, and the key, at which two nodes differ."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress
from rich.text import Text

from blockpool import Genesis, load_genesis
from chain.storage.state import StateStore
from cli.audit.comparison import (
    BlockComparison,
    BlockDifference,
    Chain,
    Difference,
    KeyDamage,
    KeyDifference,
    damaged_keys,
    differing_keys,
)
from cli.audit.sources import open_source, open_states
from cli.failures import ExitCode
from cli.options import genesis_option, json_option
from cli.output import emit, facts, grid, printable, progress

_KEYS_SHOWN = 20
_PARTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Compared:
    """What two nodes hold, side by side."""

    sources: tuple[str, str]
    newest: tuple[int, int]
    """Height of the newest block of each."""
    height: int
    """Last block that was compared."""
    block: BlockDifference | None
    state_height: int
    """Block after which the states were compared."""
    keys: list[KeyDifference] | None
    """None if the states could not be compared: that takes two homes whose states are of that height."""
    damage: dict[str, list[KeyDamage]] = field(default_factory=dict)
    """By source, of those whose state database was looked at."""

    @property
    def is_same(self) -> bool:
        """Whether nothing differs, as far as both chains go and could be compared."""
        return self.block is None and not self.keys and not any(self.damage.values())


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


def compare_sources(genesis: Genesis, sources: tuple[str, str], bar: Progress) -> Compared:
    """Compare what two nodes hold.

    Raises:
        PoolError: what cannot be had, such as ``unreachable`` or ``data_folder_locked``.
    """
    with ExitStack() as stack:
        packages = [stack.enter_context(open_source(source, genesis)) for source in sources]
        states = [stack.enter_context(open_states(source)) for source in sources]
        one, other = (Chain(found.newest, found.blocks(0)) for found in packages)
        comparison = BlockComparison(genesis.chain_id, one, other)
        task = bar.add_task("Comparing blocks", total=comparison.common + 1)
        while comparison.step():
            bar.advance(task)
        newest = one.newest, other.newest
        height, damage = comparison.state_height, {}
        stores = [store for store in states if store is not None and _reaches(store, height)]
        for source, store, root in zip(sources, states, comparison.state_roots, strict=True):
            if store is not None and store in stores:
                damage[source] = list(damaged_keys(genesis.chain_id, store, root))
        keys = None
        if len(stores) == len(sources):
            roots = comparison.state_roots
            keys = differing_keys(genesis.chain_id, stores[0], roots[0], stores[1], roots[1])
        return Compared(sources, newest, comparison.height, comparison.found, height, keys, damage)


def _reaches(store: StateStore, height: int) -> bool:
    """Whether a state database holds the state after the block at ``height``: it keeps all before its newest one."""
    head = store.head()
    return head is not None and head.height >= height


def describe_comparison(compared: Compared) -> dict[str, Any]:
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


def comparison_lines(compared: Compared) -> Iterator[Any]:
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


def _states_text(compared: Compared) -> str:
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
