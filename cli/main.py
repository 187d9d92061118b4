"""``blockpool``: the root of all commands."""

import importlib
import io
import os
import sys
from typing import Any

import click

from blockpool.version import VERSION
from chain.messages.languages import LANGUAGE, LANGUAGES, Language, of_environment
from cli.failures import ExitCode, PoolGroup
from cli.spoken import in_chinese

COMMANDS = {
    "audit": "cli.audit",
    "contract": "cli.contracts",
    "correct": "cli.correct",
    "dataset": "cli.datasets",
    "demo": "cli.demo.command",
    "disclose": "cli.disclose",
    "erase": "cli.erase",
    "evidence": "cli.evidence",
    "find": "cli.find",
    "forget": "cli.forget",
    "genesis": "cli.genesis",
    "keys": "cli.keys",
    "member": "cli.members",
    "network": "cli.networks",
    "node": "cli.nodes",
    "provenance": "cli.provenance",
    "read": "cli.read",
    "request": "cli.requests",
    "show": "cli.show",
    "submit": "cli.submit",
    "verify": "cli.evidence",
    "watch": "cli.watch",
}
"""Module of each command, where it stands under its own name."""


class Commands(PoolGroup):
    """Imports a command once it is wanted: a node starts in two thirds of the time without all others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, if there is one of this name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name]), cmd_name)
        return in_chinese(command, cmd_name) if LANGUAGE.get() == "zh" else command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Speak the locale's language until ``--lang`` says otherwise: help may be asked for before it."""
        LANGUAGE.set(of_environment(os.environ))
        return super().make_context(info_name, args, parent, **extra)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The root's own help in the reader's language."""
        shown = in_chinese(self, "") if LANGUAGE.get() == "zh" else self
        super(Commands, shown).format_help(ctx, formatter)


def _speak(context: click.Context, parameter: click.Parameter, value: Language | None) -> None:
    if value is not None:
        LANGUAGE.set(value)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, prog_name="blockpool")
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    is_eager=True,
    expose_value=False,
    callback=_speak,
    help="Language of help and errors; by default the locale's. [env: BLOCKPOOL_LANG]",
)
def blockpool() -> None:
    """Run and use a block data pool (块数据池): records that departments share, order and prove together.

    Results go to standard output, talk and progress to standard error; --json on every command is for programs.

    \b
    Exit codes: 0 good; 1 the thing checked is false, refused or not there; 2 usage; 3 cannot reach or read.

    \b
    See it work:    blockpool demo
    A local pool:   blockpool network init pool --members aviation,meteorology,registry,airports
    """


def main() -> None:
    """Entry point of the installed command. Whatever can be printed is: what the terminal's encoding has no character
    for, and names of files that are no text, are shown as escapes.
    """
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115  (closed by whoever has called)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code: Any = ExitCode.GOOD
    try:
        try:
            blockpool(prog_name="blockpool")
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()  # what is not out then would be a traceback when the interpreter ends
    except OSError as error:
        code = code or ExitCode.CANNOT
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"blockpool: standard output: {error.strerror}\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


if __name__ == "__main__":
    main()
