"""``python -m tests.attacks.live [ATTACK ...] [--seconds N]``: attacks on four real daemons, by as many as the
model allows. What one client commits and waits for meanwhile is compared with what a process leaves it that burns as
much processor time and does nothing else, measured just before. An attack that takes more than that by its bound is
measured once more, burner and all: what only another user of the machine has taken is there then. Exit code 1 if it
takes too much both times.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from chain.limits import MIB
from cli.output import grid
from cli.processes import interruptible
from tests.attacks.live.contracts import CONTRACTS
from tests.attacks.live.stage import MEMBERS, OBSERVERS, TURNCOAT, Measured, Stage, in_mib

SHARE = 2 / 3
"""Of what the burner leaves, others keep at least so much."""
CALLS_SHARE, CALLS_DELAY = 1 / 2, 3.0
"""The same of one member's contract calls, which take a block's time."""
SLOWEST_MS = 2000.0
"""No commit may take longer. A block's contracts may take half a second on each node, and all are on one machine."""
GROWTH_BYTES = 150 * MIB
"""A daemon's memory may grow by so much in an attack."""
VALIDATOR = "validator's "
"""Before the name of an attack: it comes from one that votes."""
RESTART_S = 20.0
"""Two nodes that restart among strangers are back, and commit, within this."""


@dataclass(frozen=True)
class Attack:
    """Who does what."""

    name: str
    members: tuple[str, ...] = OBSERVERS
    share: float = SHARE
    delay: float = float("inf")
    """At most so many times the median latency beside the burner."""

    def is_held(self, during: Measured, burnt: Measured, share: float = SHARE) -> bool:
        """Whether what the client had keeps every bound, beside what the burner left it."""
        return (
            during.commits >= min(share, self.share) * burnt.commits
            and during.latency_ms <= self.delay * burnt.latency_ms
            and during.slowest_ms <= SLOWEST_MS
            and during.resident_bytes < burnt.resident_bytes + GROWTH_BYTES
        )

    @property
    def kind(self) -> str:
        """What the attackers do."""
        return self.name.removeprefix(VALIDATOR)


ATTACKS = (
    Attack("garbage"),
    Attack("replays"),
    *(
        Attack(VALIDATOR + kind, (TURNCOAT,))
        for kind in ("votes", "view changes", "garbage", "replays", "repeated ids", "unknown ids", "blocks", "pings")
    ),
    Attack("repeated ids"),
    Attack("unknown ids"),
    Attack("blocks"),
    Attack("pings"),
    Attack("handshakes"),
    Attack("silence"),
    Attack("readers"),
    Attack("members read"),
    Attack("followers"),
    *(Attack(f"calls {name}", OBSERVERS[:1], CALLS_SHARE, CALLS_DELAY) for name in CONTRACTS),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.live", description=__doc__)
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help="by default all of them")
    parser.add_argument("--seconds", type=float, default=6, help="how long each is measured")
    parser.add_argument("--share", type=float, default=SHARE, help="of what the burner leaves, others keep so much")
    options = parser.parse_args(arguments)
    chosen = [attack for attack in ATTACKS if not options.attacks or attack.name in options.attacks]
    console = Console(highlight=False, width=120)
    right = frozenset({"commits/s", "median ms", "slowest ms", "of the burner's", "memory"})
    table = grid("attack", "commits/s", "median ms", "slowest ms", "of the burner's", "memory", "bound", right=right)
    console.print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    failed = []
    with (
        interruptible(),
        tempfile.TemporaryDirectory(prefix="blockpool-attacks-") as folder,
        Stage(Path(folder)) as stage,
    ):
        stage.measure(options.seconds)
        calm = stage.measure(options.seconds)
        with stage.attackers("burner"):
            burnt = stage.measure(options.seconds)
        table.add_row("none", *_cells(calm, burnt), "")
        table.add_row("burner", *_cells(burnt, burnt), "")
        for attack in chosen:
            for is_last in (False, True):
                burnt, during = run(stage, attack, options.seconds)
                is_held = attack.is_held(during, burnt, options.share)
                verdict = "held" if is_held else "BROKEN" if is_last else "again"
                cells = _cells(during, burnt)
                table.add_row(attack.name, *cells, verdict)
                print(attack.name, *cells, verdict, file=sys.stderr, flush=True)
                if is_held:
                    break
            failed += [] if is_held else [attack.name]
        if any(attack.name == "silence" for attack in chosen):
            with stage.attackers("silence"):
                took_s = stage.restart(MEMBERS[2:])
            console.print(
                f"two nodes restarted among silent strangers: a commit after {took_s:.1f} s, at most {RESTART_S:g}"
            )
            failed += ["restart"] if took_s > RESTART_S else []
    console.print(table)
    return 1 if failed else 0


def run(stage: Stage, attack: Attack, seconds: float) -> tuple[Measured, Measured]:
    """What the client has beside the burner, and while an attack goes on; a validator that attacks has no daemon in
    either case.
    """
    stage.begin_anew(without=attack.members)
    with stage.attackers("burner"):
        burnt = stage.measure(seconds)
    with stage.attackers(attack.kind, attack.members):
        return burnt, stage.measure(seconds)


def _cells(measured: Measured, burnt: Measured) -> tuple[str, ...]:
    return (
        f"{measured.commits:.1f}",
        f"{measured.latency_ms:.0f}",
        f"{measured.slowest_ms:.0f}",
        f"{measured.commits / burnt.commits:.0%}",
        in_mib(measured.resident_bytes),
    )


if __name__ == "__main__":
    sys.exit(main())
