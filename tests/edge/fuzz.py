"""Fuzz the readers of outside bytes for as long as wanted: ``python -m tests.edge.fuzz TARGET|all --seconds N``.

With atheris (``pip install atheris``, no dependency of the project) the search is guided by coverage, one process for
each target; without it inputs are spoiled encodings from a seeded generator. Prints for each target how many inputs
were tried and how many were taken, and stops at the first that breaks a rule, with the input in hexadecimal.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from tests.edge.damage import SPOIL
from tests.edge.targets import Target, targets
from tests.edge.verdicts import attempt


def main() -> int:
    """Run and report; exit code 1 if a rule was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.edge.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("target", nargs="?", default="all", choices=["all", *targets()], metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=60, help="for all targets together")
    parser.add_argument("--seed", type=int, default=None, help="of the generator; the time of day by default")
    parser.add_argument("--plain", action="store_true", help="do without atheris even if it is installed")
    arguments = parser.parse_args()
    names = list(targets()) if arguments.target == "all" else [arguments.target]
    seed = time.time_ns() if arguments.seed is None else arguments.seed
    seconds = arguments.seconds / len(names)
    if importlib.util.find_spec("atheris") is not None and not arguments.plain:
        return max(_guided(name, seconds, seed) for name in names)
    print(f"seed {seed}; atheris is not installed or not wanted: no guidance by coverage")
    total = Counter[bool]()
    for name in names:
        total += _spoil(targets()[name], seconds, Random(f"{seed} {name}"))
    print(f"{total.total():,} inputs, {total[True]:,} taken, no rule broken")
    return 0


def _spoil(target: Target, seconds: float, random: Random) -> Counter[bool]:
    """Spoiled encodings for a while: how many were taken and refused."""
    others = [sample for other in targets().values() if other.form == target.form for sample in other.samples[:1]]
    found, deadline_s = Counter[bool](), time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        found[attempt(target, SPOIL[target.form](random.choice(target.samples), random, others))] += 1
    print(f"{target.name:32} {found.total():10,} inputs {found[True]:8,} taken", flush=True)
    return found


def _guided(name: str, seconds: float, seed: int) -> int:
    """One target under atheris, in a process of its own, since libFuzzer ends the one that it runs in."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder)
        for number, sample in enumerate(targets()[name].samples):
            (corpus / f"{number}").write_bytes(sample)
        options = [f"-max_total_time={max(1, round(seconds))}", f"-seed={seed % 2**32}", "-max_len=65536"]
        command = [sys.executable, "-m", "tests.edge.guided", name, folder, *options, "-print_final_stats=1"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    tried = next((line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line), "0")
    print(f"{name:32} {int(tried):10,} inputs, guided", flush=True)
    if done.returncode != 0:
        print(done.stderr[-4000:], file=sys.stderr)
    return int(done.returncode != 0)


if __name__ == "__main__":
    raise SystemExit(main())
