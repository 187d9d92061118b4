"""``python -m bench [SECTION ...] [--quick] [--json FILE]``: measure and print one table.

A full run of all sections also writes docs/benchmarks.md.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench import (
    audit,
    contracts,
    delays,
    evidence_files,
    faults,
    files,
    footprint,
    growth,
    own_cores,
    rates,
    reading,
    sdk,
    sealing,
    watching,
    worst_primary,
    worst_schema,
)
from bench.bench import FULL, QUICK, Bench, Durations
from bench.figures import Section
from bench.load import LoadProcess
from bench.network import running_network
from bench.report import DOCUMENT, machine_facts, print_table, write_document, write_json
from chain.errors import PoolError
from cli.processes import interruptible

SECTIONS: dict[str, Callable[[Bench], Section]] = {
    "idle": rates.idle,
    "singles": rates.singles,
    "own_cores": own_cores.own_cores,
    "memory": footprint.memory,
    "parcels": rates.parcels,
    "sdk": sdk.sdk,
    "delays": delays.delays,
    "checked": rates.checked,
    "sealing": sealing.sealing,
    "sealed": sealing.sealed,
    "access": reading.access,
    "reading": reading.reading,
    "contracts": contracts.contracts,
    "evidence": evidence_files.evidence,
    "files": files.files,
    "growth": growth.growth,
    "failover": faults.failover,
    "worst_primary": worst_primary.worst_primary,
    "worst_schema": worst_schema.worst_schema,
    "watching": watching.watching,
    "disk": footprint.disk,
    "catch_up": faults.catch_up,
    "audit": audit.audit,
}
"""In the order in which they run: later ones use the chain and the rates of earlier ones, and memory is read when the
chain has just reached its million."""

FIRST = ("sdk", "delays")
"""What a program gets stands before what the network can do."""


def main() -> int:
    """Run the sections that were asked for. Exit code 0 if all of them gave figures, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of: {', '.join(SECTIONS)} (all of them)")
    parser.add_argument("--quick", action="store_true", help="short runs, about three minutes; figures are rough")
    parser.add_argument(
        "--million", action="store_true", help="let the section growth go on to a million blocks (about ten minutes)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured to FILE")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the nodes' homes and logs in DIR")
    options = parser.parse_args()
    unknown = [name for name in options.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"no section {unknown[0]}; there are: {', '.join(SECTIONS)}")
    names = [name for name in SECTIONS if name in (options.sections or SECTIONS)]
    console = Console(width=None if sys.stdout.isatty() else 150)
    facts = machine_facts(options.quick)
    with interruptible(), tempfile.TemporaryDirectory(prefix="blockpool-bench-") as folder:
        durations = QUICK if options.quick else FULL
        if options.million:
            durations = replace(durations, growth_blocks=(*durations.growth_blocks, 1_000_000))
        sections, failed = _measure(console, names, options.keep or Path(folder) / "pool", durations)
    sections.sort(key=lambda section: section.name not in FIRST)
    print_table(console, sections)
    if options.json:
        write_json(options.json, facts, sections)
    if not (options.sections or failed or options.quick):
        write_document(facts, sections)
        console.print(f"written to {DOCUMENT}")
    return 1 if failed else 0


def _measure(console: Console, names: list[str], folder: Path, durations: Durations) -> tuple[list[Section], list[str]]:
    """Run the sections on one fresh network; a section that fails is named, and the rest still run."""
    done: list[Section] = []
    failed: list[str] = []
    load = LoadProcess()
    try:
        with running_network(folder) as network:
            bench = Bench(network, load, durations, lambda text: console.print(f"  {text}", style="dim"))
            bench.define_datasets()
            for name in names:
                started = time.monotonic()
                console.print(f"[bold]{name}[/bold]")
                try:
                    done.append(SECTIONS[name](bench))
                except (OSError, TimeoutError, PoolError) as error:
                    failed.append(name)
                    console.print(f"  [red]failed: {error}[/red]")
                console.print(f"  {time.monotonic() - started:.0f} s", style="dim")
    finally:
        load.close()
    return done, failed


if __name__ == "__main__":
    raise SystemExit(main())
