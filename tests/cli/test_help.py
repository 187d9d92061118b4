"""Every command explains itself, offers JSON, and is in the documentation."""

import re
from collections.abc import Iterator

import click
import pytest

from blockpool.version import VERSION
from cli.main import blockpool
from tests.cli.commands import run


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = list(commands(blockpool))
PATHS = [path for path, _ in COMMANDS]


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_has_an_example_of_that_command(path: tuple[str, ...]) -> None:
    done = run(*path, "--help")
    assert done.code == 0
    assert re.search(rf"Example: blockpool {' '.join(path)}\b", done.out)


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=map(" ".join, PATHS))
def test_every_option_is_explained_and_json_is_one(path: tuple[str, ...], command: click.Command) -> None:
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert "--json" in {name for option in options for name in option.opts}
    assert [option.name for option in options if not option.help] == [], path


def test_groups_and_root_show_their_help() -> None:
    assert "Exit codes: 0 good" in run("--help").out
    assert "blockpool keys" in run("keys", "--help").out


def test_version() -> None:
    done = run("--version")
    assert (done.code, done.out) == (0, f"blockpool, version {VERSION}\n")


@pytest.mark.parametrize("arguments", [["nonsense"], ["submit"], ["show", "record"], ["keys", "new"]])
def test_wrong_usage_has_exit_code_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert "Usage:" in done.err
