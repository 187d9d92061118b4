"""``python -m tests.mutants [--only NAME] [--jobs N]``: switches each defence off in turn and runs the tests that must
notice. Exit code 1 if one survives.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.catalogue import MUTANTS
from tests.mutants.definition import BadMutant
from tests.mutants.runner import TestsBroken, Verdict, judge

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Judge the mutants asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="mutants with this in their name")
    parser.add_argument("--jobs", type=int, default=1, help="how many to run at once")
    arguments = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if (arguments.only or "") in mutant.name]
    if not chosen:
        parser.error(f"no mutant is named {arguments.only}")
    started_s = time.monotonic()
    try:
        verdicts = judge(chosen, ROOT, arguments.jobs, show_progress)
    except (BadMutant, TestsBroken) as error:
        print(error, file=sys.stderr)
        return 2
    show_table(verdicts)
    survivors = [verdict.mutant.name for verdict in verdicts if verdict.caught_by is None]
    seconds = time.monotonic() - started_s
    print(f"{len(verdicts)} mutants, {len(verdicts) - len(survivors)} caught, in {seconds:.0f} s")
    return 1 if survivors else 0


def show_progress(verdict: Verdict) -> None:
    """One line to stderr, as it comes."""
    what = f"caught by {verdict.caught_by}" if verdict.caught_by else "SURVIVED"
    print(f"{verdict.mutant.name}: {what} ({verdict.duration_s:.1f} s)", file=sys.stderr, flush=True)


def show_table(verdicts: Sequence[Verdict]) -> None:
    """A Markdown table, in the catalogue's order."""
    print("| scenario | switched off | in | caught by |")
    print("|---|---|---|---|")
    for verdict in verdicts:
        mutant = verdict.mutant
        functions = ", ".join(f"`{name}`" for name in dict.fromkeys(edit.function for edit in mutant.edits))
        caught_by = f"`{verdict.caught_by}`" if verdict.caught_by else "**SURVIVED**"
        print(f"| {mutant.scenario} | {mutant.name} | {functions} | {caught_by} |")


if __name__ == "__main__":
    sys.exit(main())
