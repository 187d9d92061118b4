"""How the demo tells its story: numbered stages with their times, and claims that are checked, not just printed."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.rule import Rule


@dataclass(frozen=True, slots=True)
class Claim:
    """Something the demo says is so, and whether it is."""

    stage: int
    text: str
    holds: bool


class Narrator:
    """Prints to ``console`` and remembers what was claimed."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.claims: list[Claim] = []
        self.stage_seconds: dict[str, float] = {}
        self._stage = 0

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """One numbered stage of the story."""
        self._stage += 1
        self.console.print(Rule(f"[bold]{self._stage}. {title}[/]", align="left", style="blue"))
        started_s = time.monotonic()
        yield
        self.stage_seconds[title] = round(time.monotonic() - started_s, 3)
        self.console.print(f"  [dim]{self.stage_seconds[title]:.1f} s[/]\n")

    def say(self, text: str) -> None:
        """A sentence."""
        self.console.print(f"  {text}")

    def show(self, *items: RenderableType) -> None:
        """A table or another block."""
        for item in items:
            self.console.print(Padding(item, (0, 0, 0, 2)))

    def claim(self, text: str, holds: bool) -> None:
        """Say that ``text`` is so, and whether it was found to hold."""
        self.claims.append(Claim(self._stage, text, holds))
        mark = "[green]✓[/]" if holds else "[bold red]✗ NOT SO:[/]"
        self.console.print(f"  {mark} {escape(text)}")

    @property
    def failed(self) -> list[Claim]:
        """Claims that did not hold."""
        return [claim for claim in self.claims if not claim.holds]


def story_console(as_json: bool) -> Console:
    """Where the story is told: standard output, or standard error when that is for programs."""
    stream = sys.stderr if as_json else sys.stdout
    return Console(stderr=as_json, highlight=False, width=None if stream.isatty() else 110)
