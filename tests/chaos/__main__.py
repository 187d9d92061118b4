"""``python -m tests.chaos --minutes 2 --seed 1``: real daemons, every kind of fault, under load. Exit code 1 if
anything that was promised did not hold."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from chain.limits import MIB
from cli.output import facts, grid
from cli.processes import interruptible
from tests.chaos.faults import FAULTS
from tests.chaos.run import Plan, Result, run


def main() -> int:
    """Run, and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2, help="how long faults go on")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="chooses faults, victims, times")
    parser.add_argument("--kinds", nargs="+", choices=list(FAULTS), default=list(FAULTS), help="kinds of faults")
    parser.add_argument("--hold", type=float, default=4, help="seconds that a fault lasts, more or less")
    arguments = parser.parse_args()
    console = Console(highlight=False, width=120)
    folder = Path(tempfile.mkdtemp(prefix="blockpool-chaos-"))
    console.print(f"seed {arguments.seed}; logs and data in {folder}")
    plan = Plan(folder / "pool", arguments.seed, arguments.minutes * 60, arguments.kinds, arguments.hold)
    with interruptible():
        result = run(plan, console.print)
    report(console, result)
    return 1 if result.violations else 0


def report(console: Console, result: Result) -> None:
    """Print the table."""
    console.print()
    right = frozenset({"times", "acknowledged", "longest gap", "settled after"})
    table = grid("fault", "times", "acknowledged", "longest gap", "settled after", right=right)
    for kind, count in sorted(result.faults.items()):
        stages = [stage for stage in result.stages if stage.kind == kind]
        gap_s, settling_s = max(stage.gap_s for stage in stages), max(stage.settling_s for stage in stages)
        acknowledged = sum(stage.acknowledged for stage in stages)
        table.add_row(kind, str(count), f"{acknowledged:,}", f"{gap_s:.1f} s", f"{settling_s:.1f} s")
    console.print(table)
    log, comparison = result.log, result.comparison
    passing = ", ".join(f"{count} {code}" for code, count in sorted(log.passing.items()))
    totals: dict[str, object] = {
        "faults": len(result.stages),
        "acknowledged": f"{len(log.acknowledged):,} transactions",
        "lost": comparison.lost,
        "duplicated": comparison.duplicated,
        "read back": f"{log.reads:,} records",
        "refused in passing": passing or "nothing",
        "longest gap": f"{result.gap_s:.1f} s while there was a quorum",
        "restarts": result.restarts,
        "height": f"{result.height:,}, the same blocks on every node",
        "memory": f"{result.resident_bytes_max / MIB:.0f} MiB at most for a daemon and its child",
        "duration": f"{result.seconds:.0f} s",
        "seed": result.plan.seed,
        "logs and data": result.plan.folder,
    }
    if result.violations:
        totals["height"] = f"{result.height:,}"
    console.print()
    console.print(facts(totals))
    for violation in result.violations:
        console.print(f"[bold red]VIOLATION[/] {violation}")


if __name__ == "__main__":
    sys.exit(main())
