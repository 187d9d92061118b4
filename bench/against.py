"""``python -m bench.against COMMIT [SECTION ...] [--rounds N] [--quick]``: this build against another of the project.

Machines differ by a factor of two, and one machine from hour to hour, so a claim about speed is a ratio: both builds
are measured in turn, in the same hour, on the same machine. The other build is checked out and set up in a folder of
its own. Writes docs/benchmarks-compared.md.
"""

import argparse
import json
import re
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from bench.report import ROOT, machine_facts

DOCUMENT = ROOT / "docs" / "benchmarks-compared.md"
SECTIONS = ("idle", "singles", "parcels", "contracts", "catch_up", "audit")
_CPU = re.compile(r"cpu: nodes (\d+) us/record")
_NODES = 4


class Row(NamedTuple):
    """A figure that both builds have."""

    key: str
    what: str
    unit: str
    least: float
    """Ratio to the other build that is asked for."""
    is_ceiling: bool = False
    """Smaller is better."""


ROWS = (
    Row("singles_cpu", "(a) processor time a record and node, at saturation", "us", 0.75, True),
    Row("singles_rate", "(a) sustained", "records/s", 1.4),
    Row("singles_p50", "(a) p50 at half of it", "ms", 1.0, True),
    Row("singles_p99", "(a) p99 at half of it", "ms", 0.4, True),
    Row("parcels_rate", "(b) sustained", "records/s", 1.0),
    Row("parcels_p50", "(b) p50 at half of it", "ms", 1.0, True),
    Row("parcels_p99", "(b) p99 at half of it", "ms", 0.3, True),
    Row("idle_p50", "idle commit, p50", "ms", 1.0, True),
    Row("idle_p99", "idle commit, p99", "ms", 1.0, True),
    Row("catch_up_rate", "catch-up with payloads", "records/s", 1.5),
    Row("verdicts_purpose", "verdicts in bulk, purpose_bound", "verdicts/s", 1.5),
    Row("verdicts_approval", "verdicts in bulk, approval_required", "verdicts/s", 1.5),
    Row("audit_bulk_scaling", "audit on two cores against one, parcels", "times", 1.0),
    Row("audit_singles_scaling", "audit on two cores against one, single records", "times", 1.0),
)


def main() -> int:
    """Measure, print, write. Exit code 0 if all runs gave figures, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.against", description=__doc__)
    parser.add_argument("commit", help="of the other build")
    parser.add_argument("sections", nargs="*", default=SECTIONS, metavar="SECTION")
    parser.add_argument("--rounds", type=int, default=3, help="of each build, in turn; medians are given")
    parser.add_argument("--quick", action="store_true", help="short runs")
    options = parser.parse_args()
    console = Console(width=150)
    found: dict[Path, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="blockpool-against-") as folder:
        other = Path(folder) / "other"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", str(other), options.commit], check=True, capture_output=True)
        try:
            subprocess.run(["make", "-C", str(other), "setup"], check=True, capture_output=True)
            facts = machine_facts(options.quick)
            trees = [other, ROOT]
            for number in range(options.rounds):
                for tree in trees if number % 2 == 0 else trees[::-1]:
                    console.print(f"round {number + 1}: {'this build' if tree == ROOT else options.commit}")
                    figures = measure(tree, options.sections, options.quick)
                    for key, value in figures.items():
                        found.setdefault(tree, defaultdict(list))[key].append(value)
        finally:
            subprocess.run([*git, "remove", "--force", str(other)], check=False, capture_output=True)
    lines = table(options.commit, found.get(other, {}), found.get(ROOT, {}))
    console.print("\n".join(lines))
    write(options.commit, options.rounds, facts, lines)
    counts = {len(values) for values in (*found.get(other, {}).values(), *found.get(ROOT, {}).values())}
    return 0 if counts == {options.rounds} else 1


def measure(tree: Path, sections: Sequence[str], is_quick: bool) -> dict[str, float]:
    """Figures of one run of a build's own benchmark, by key; those of a section that fails are missing."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [str(tree / ".venv/bin/python"), "-m", "bench", *sections, "--json", file.name]
        run = subprocess.run(
            [*command, *(["--quick"] if is_quick else [])], cwd=tree, capture_output=True, text=True, check=False
        )
        content = json.loads(file.read() or b'{"sections": []}')
    figures = {figure["key"]: figure["value"] for section in content["sections"] for figure in section["figures"]}
    singles = run.stdout.partition("\nsingles\n")[2].partition("\nparcels\n")[0].replace("\n", " ")
    if spent := [int(us) for us in _CPU.findall(re.sub(r" +", " ", singles))]:
        figures["singles_cpu"] = min(spent) / _NODES
    return figures


def table(commit: str, before: dict[str, list[float]], now: dict[str, list[float]]) -> list[str]:
    """The rows that both have, medians, as a table in Markdown."""
    lines = [f"| figure | {commit} | this build | ratio | asked for | |", "|---|---:|---:|---:|---:|---|"]
    for row in ROWS:
        if row.key not in before or row.key not in now:
            continue
        old, new = statistics.median(before[row.key]), statistics.median(now[row.key])
        ratio = new / old
        is_reached = ratio <= row.least if row.is_ceiling else ratio >= row.least
        cells = (row.what, f"{old:,.3g} {row.unit}" if old < 1000 else f"{old:,.0f} {row.unit}")
        value = f"{new:,.3g} {row.unit}" if new < 1000 else f"{new:,.0f} {row.unit}"
        lines.append(
            "| "
            + " | ".join((*cells, value, f"{ratio:.2f} x", f"{row.least} x", "reached" if is_reached else "missed"))
            + " |"
        )
    return lines


def write(commit: str, rounds: int, facts: dict[str, str], lines: Sequence[str]) -> None:
    """Write docs/benchmarks-compared.md."""
    head = [
        "# Compared with an earlier build",
        "",
        f"Written by `make bench-compared`; do not edit. Both builds {rounds} times each in turn; medians.",
        f"Ratios are of this build to {commit}.",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        f"- ended: {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}",
        "",
    ]
    DOCUMENT.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
