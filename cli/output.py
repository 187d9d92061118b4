"""Where words go: payload to standard output, talk and progress to standard error, JSON for programs on request."""

import re
import sys
from collections.abc import Iterable
from typing import Any

import click
import msgspec
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

from chain.messages.phrases import phrase, table_word

JSON_KEY = "blockpool.json"
_PIPE_WIDTH = 200
"""Columns when there is no terminal, so that hashes are not broken."""
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and Unicode's marks of direction (UAX #9) and of lines."""


def is_json() -> bool:
    """Whether ``--json`` was given to the running command."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(JSON_KEY))


def verify_can_ask(*, must_ask: bool) -> None:
    """Check that somebody can be asked before a command acts, where it must; raises ``click.UsageError``."""
    if must_ask and is_json():
        raise click.UsageError(phrase("Say --yes: with --json nobody is asked."))


def is_agreed(question: str, refused: str) -> bool:
    """Whether whoever runs the command says yes; otherwise says ``refused``, that nothing was done."""
    if click.confirm(question, err=True):
        return True
    talk().print(refused)
    return False


class SanitizingConsole(Console):
    """Shows what members have written, purposes and reasons among it, with nothing in it that the terminal would obey
    or that changes the direction of reading: such characters are shown as U+FFFD.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """All that is printed comes through here; the terminal codes that rich adds itself are apart from the text."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control or not _OBEYED.search(text) else Segment(sanitize(text), style)


def sanitize(text: str) -> str:
    """Somebody else's text without what a terminal would obey, or what changes the direction of reading."""
    return _OBEYED.sub("\ufffd", text)


def talk() -> Console:
    """The console for people, on standard error."""
    return SanitizingConsole(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _PIPE_WIDTH)


def emit(value: Any, *shown: RenderableType) -> None:
    """Give the payload: ``value`` as JSON for programs, ``shown`` for people."""
    if is_json():
        print_json(value)
        return
    console = SanitizingConsole(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    for item in shown:
        console.print(item)


def print_json(value: Any) -> None:
    """Print JSON to standard output. Texts that are none in Unicode, such as names of files, are shown with escapes."""
    try:
        encoded = msgspec.json.encode(value)
    except UnicodeEncodeError:
        encoded = msgspec.json.encode(_escaped(msgspec.to_builtins(value)))
    click.echo(msgspec.json.format(encoded, indent=2).decode())


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_escaped(name): _escaped(item) for name, item in value.items()}
    return [_escaped(item) for item in value] if isinstance(value, list | tuple) else value


def facts(rows: dict[str, object], title: str | None = None) -> Table:
    """A table of names and values."""
    table = Table(show_header=False, box=None, title=title, title_justify="left", title_style="bold", pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(table_word(name), value if isinstance(value, Text) else Text(str(value)))
    return table


class PlainTable(Table):
    """A table whose cells show text as it is; a cell with a style is a ``Text``. Brackets that a member has written are
    no markup.
    """

    def add_row(
        self, *renderables: RenderableType | None, style: StyleType | None = None, end_section: bool = False
    ) -> None:
        """As ``Table.add_row``."""
        cells = (Text(cell) if isinstance(cell, str) else cell for cell in renderables)
        super().add_row(*cells, style=style, end_section=end_section)


def grid(*columns: str, title: str | None = None, right: frozenset[str] = frozenset()) -> Table:
    """An empty table with these column heads; those in ``right`` are aligned right."""
    table = PlainTable(
        title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False
    )
    for column in columns:
        table.add_column(table_word(column), justify="right" if column in right else "left", overflow="fold")
    return table


class RateColumn(ProgressColumn):
    """Things done a second."""

    def render(self, task: Task) -> Text:
        """The rate, once there is one."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="dim")


def progress() -> Progress:
    """A progress bar on standard error: done of total, rate and time left. Silent when nobody watches."""
    console = talk()
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
