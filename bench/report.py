"""The table on the terminal, docs/benchmarks.md, and the results as JSON."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.figures import Figure, Section
from chain.storage.level import LIBRARY

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "benchmarks.md"
DISTURBED_SHARE = 0.25
"""Part of a core from which on other programs are said to have disturbed a run."""
_LIBRARIES = (
    *("msgspec", "pynacl", LIBRARY, "uvloop", "uvicorn", "fastapi", "orjson", "cryptography"),
    *("pycryptodome", "wasmtime", "aiohttp"),
)
_STYLES = {"aim reached": "green", "reached": "cyan", "missed": "red", "": ""}


def machine_facts(is_quick: bool) -> dict[str, str]:
    """What has to be known about the machine and the versions."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": commit.strip() or "unknown",
        "processor": f"{cpu}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load average before": ", ".join(f"{value:.2f}" for value in os.getloadavg()),
        "python": sys.version.split()[0],
        "libraries": ", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
        "mode": "quick: short runs, figures are rough" if is_quick else "full",
    }


def print_table(console: Console, sections: Sequence[Section]) -> None:
    """All figures in one table."""
    table = Table(title="blockpool benchmark: four validators and the load on one machine")
    for name, justify in (("what", "left"), ("figure", "right"), ("at least", "right"), ("aim", "right"), ("", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for section in sections:
        for figure in section.figures:
            least, aim = _bounds(figure)
            style = _STYLES[figure.verdict]
            table.add_row(figure.what, _amount(figure.value, figure.unit), least, aim, figure.verdict, style=style)
        table.add_section()
    console.print(table)


def write_document(facts: dict[str, str], sections: Sequence[Section]) -> None:
    """Write docs/benchmarks.md."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`; do not edit. Four validators and the load on one machine.",
        "",
    ]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += _disturbance(sections)
    lines += ["", "| what | figure | at least | aim | | how |", "|---|---:|---:|---:|---|---|"]
    for section in sections:
        for figure in section.figures:
            least, aim = _bounds(figure)
            cells = (figure.what, _amount(figure.value, figure.unit), least, aim, figure.verdict, figure.how)
            lines.append("| " + " | ".join(cells) + " |")
    for section in sections:
        lines += ["", f"## {section.title}", "", section.setting]
        lines += _runs(section)
    lines += ["", *_METHOD]
    DOCUMENT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_json(path: Path, facts: dict[str, str], sections: Sequence[Section]) -> None:
    """Write everything that was measured."""
    content: dict[str, Any] = {"facts": facts, "sections": [section.as_json() for section in sections]}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _disturbance(sections: Sequence[Section]) -> list[str]:
    runs = [run for section in sections for run in section.runs]
    disturbed = sum(run.other_cpu_share > DISTURBED_SHARE for run in runs)
    if not disturbed:
        return []
    return [
        "",
        f"**Other programs took more than {DISTURBED_SHARE:.0%} of a core in {disturbed} of {len(runs)} runs.**",
    ]


def _runs(section: Section) -> list[str]:
    if not section.runs:
        return []
    lines = [
        "",
        "| offered/s | committed/s | kept up | p50 ms | p95 ms | p99 ms | longest ms | not committed | load | others |",
    ]
    lines.append("|---:|---:|---:|---:|---:|---:|---:|---|---:|---:|")
    for run in section.runs:
        refused = ", ".join(f"{count} x {status}" for status, count in sorted(run.refused.items())) or "none"
        lines.append(
            f"| {run.offered_per_s:,.0f} | {run.committed_per_s:,.0f} | {run.kept_up:.0%} | {run.p50_ms:.1f} "
            f"| {run.p95_ms:.1f} | {run.p99_ms:.1f} | {run.max_ms:.1f} | {refused} | {run.load_cpu_share:.0%} "
            f"| {run.other_cpu_share:.0%} |"
        )
    return lines


def _bounds(figure: Figure) -> tuple[str, str]:
    target = figure.target
    return (_amount(target.least, figure.unit), _amount(target.aim, figure.unit)) if target else ("", "")


def _amount(value: float, unit: str) -> str:
    digits = 0 if value >= 100 or value == int(value) else 2 if value < 10 else 1
    return f"{value:,.{digits}f} {unit}"


_METHOD = [
    "## Method",
    "",
    "- Open loop: requests go out at fixed times whatever the answers, and latency counts from the time a request was",
    "  due, so a stall is charged to everything that it delayed. The first fifth of each run is not counted.",
    "- A rate is *sustained* if at least 95 % of it is kept up with (latency does not grow, all is committed) and 99 %",
    "  of the transactions are answered within one second. The ramp raises the rate by a factor of 1.3 until that",
    "  fails, then tries once in between. *Peak* is the most that was committed in any run, overload included.",
    "- Committed means that the client holds a receipt: a quorum's certificate and a proof of the outcome. A sample of",
    "  the receipts of every run is verified.",
    "- *Load* and *others* say which part of one core the load generator and programs outside the benchmark",
    "  used during a run; the nodes had the rest.",
    "- Rates are of records; latencies are of transactions, as the client sees them.",
    "- The sections about sealing, reading and contracts are closed loops instead: one thing after another.",
    "- Payloads repeat: 4,096 different single records, or 64 different parcels, in turn. Every transaction is",
    "  different and signed for itself.",
]
