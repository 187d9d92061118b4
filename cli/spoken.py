"""Commands whose help is in the reader's language."""

import copy
import inspect
from typing import TypeVar

import click

from cli.help_chinese import COMMANDS, OPTIONS

AnyCommand = TypeVar("AnyCommand", bound=click.Command)
_VERBATIM = "\b\n"
"""Begins what click shows as it stands: examples, which are the same in every language."""


def in_chinese(command: AnyCommand, path: str) -> AnyCommand:
    """A command, with all below it, that says what it is for in Chinese. What has no Chinese stays as it is.

    Args:
        command: is left as it is.
        path: its name after ``blockpool``, with those above it.
    """
    shown = copy.copy(command)
    shown.params = [_spoken(parameter, path) for parameter in command.params]
    if path in COMMANDS:
        shown.help = _with_examples(COMMANDS[path], command.help or "")
        shown.short_help = None
    if isinstance(shown, click.Group):
        below = {name: in_chinese(member, f"{path} {name}".strip()) for name, member in shown.commands.items()}
        shown.commands = below
    return shown


def key_of(option: click.Option) -> str:
    """What an option is called in the catalogue: its longest name."""
    return max(option.opts, key=len)


def _spoken(parameter: click.Parameter, path: str) -> click.Parameter:
    if not isinstance(parameter, click.Option):
        return parameter
    key = key_of(parameter)
    text = OPTIONS.get(f"{path} {key}") or OPTIONS.get(key)
    if text is None:
        return parameter
    shown = copy.copy(parameter)
    shown.help = text
    return shown


def _with_examples(text: str, english: str) -> str:
    cleaned = inspect.cleandoc(english)
    blocks = [block for block in cleaned.split("\n\n") if block.startswith(_VERBATIM)]
    return "\n\n".join([inspect.cleandoc(text), *blocks])
