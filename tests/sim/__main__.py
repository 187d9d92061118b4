"""``python -m tests.sim --seeds N --size 4``: many seeds, and what happened in them. A failing seed replays exactly."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter

from tests.sim.cluster import Cluster


def main() -> int:
    """Run the seeds asked for; exit code 1 if any of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--size", type=int, default=4, help="validators")
    parser.add_argument("--access", action="store_true", help="with contracts, requests, answers and receipts")
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    failed: list[int] = []
    events = healing_max = 0
    started = time.monotonic()
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        try:
            result = Cluster(seed, arguments.size, access=arguments.access).run()
        except Exception:
            traceback.print_exc()
            access = " --access" if arguments.access else ""
            print(f"FAILED: python -m tests.sim --size {arguments.size} --seeds 1 --first {seed}{access}", flush=True)
            failed.append(seed)
            continue
        counts += result.counts
        counts["blocks"] += result.height
        counts["transactions"] += result.transactions
        kinds.update(result.byzantine)
        events += result.events
        healing_max = max(healing_max, result.healing_ticks)
    seconds = time.monotonic() - started
    print(f"{arguments.seeds} schedules of {arguments.size} validators, {events} events, {seconds:.1f} s")
    print(f"slowest healing: {healing_max} ticks")
    for name, count in sorted(counts.items()):
        print(f"  {name:32} {count}")
    for name, count in sorted(kinds.items()):
        print(f"  byzantine {name:22} {count}")
    print(f"failed seeds: {failed or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
