"""``blockpool``: the root of all commands."""

import importlib

import click

from blockpool.version import VERSION
from cli.failures import PoolGroup

COMMANDS = {
    "audit": "cli.audit",
    "contract": "cli.contracts",
    "correct": "cli.correct",
    "dataset": "cli.datasets",
    "demo": "cli.demo.command",
    "disclose": "cli.disclose",
    "erase": "cli.erase",
    "evidence": "cli.evidence",
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
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, prog_name="blockpool")
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
    """Entry point of the installed command."""
    blockpool(prog_name="blockpool")


if __name__ == "__main__":
    main()
