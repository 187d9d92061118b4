"""``python -m tests.sim --seeds N``: whole validators, many seeds, and what happened in them.

A failing seed prints itself and replays exactly.
"""

import argparse
import sys
import time
import traceback
from collections import Counter

from tests.sim.epochs import EpochSchedule
from tests.sim.schedule import Result, Schedule


class Summary:
    """All runs of one call."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.sizes: Counter[int] = Counter()
        self.failed: list[int] = []
        self.events = self.healing_ticks_max = 0
        self.started_s = time.monotonic()

    def add(self, outcome: Result) -> None:
        """Count a run that held."""
        self.counts += outcome.counts
        self.counts["blocks"] += outcome.height
        self.kinds.update(outcome.byzantine)
        self.sizes[outcome.size] += 1
        self.events += outcome.events
        self.healing_ticks_max = max(self.healing_ticks_max, outcome.healing_ticks)

    def show(self, seeds: int) -> None:
        """Print everything, failures last."""
        seconds = time.monotonic() - self.started_s
        rate = seeds / seconds * 60
        print(f"{seeds} schedules, {self.events} events, {seconds:.1f} s: {rate:.0f} schedules a minute")
        print("validators: " + ", ".join(f"{size} in {count}" for size, count in sorted(self.sizes.items())))
        changed = sum(count for name, count in self.counts.items() if name.startswith("view change: "))
        print(f"view changes: {changed}; slowest healing: {self.healing_ticks_max} ticks")
        for name, count in sorted(self.counts.items()):
            print(f"  {name:36} {count}")
        for kind, count in sorted(self.kinds.items()):
            print(f"  byzantine {kind:26} {count}")
        print(f"failures: {len(self.failed)}{' of seeds ' + str(self.failed) if self.failed else ''}")


def main() -> int:
    """Run the seeds asked for; exit code 1 if any of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--size", type=int, help="validators; by default the seed chooses")
    parser.add_argument("--epochs", action="store_true", help="change the set of validators and the rules")
    arguments = parser.parse_args()
    options = (f" --size {arguments.size}" if arguments.size else "") + (" --epochs" if arguments.epochs else "")
    kind = EpochSchedule if arguments.epochs else Schedule
    summary = Summary()
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        try:
            summary.add(kind(seed, arguments.size).run())
        except Exception:
            traceback.print_exc()
            print(f"FAILED: python -m tests.sim --seeds 1 --first {seed}{options}", flush=True)
            summary.failed.append(seed)
    summary.show(arguments.seeds)
    return 1 if summary.failed else 0


if __name__ == "__main__":
    sys.exit(main())
