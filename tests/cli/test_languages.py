"""Help and errors are in the reader's language: every text of the help has its Chinese."""

from collections.abc import Iterator
from contextvars import copy_context

import click
import pytest
from click.testing import CliRunner

from chain.messages.languages import of_environment, of_header
from cli.help_chinese import COMMANDS, OPTIONS
from cli.main import blockpool
from cli.spoken import key_of


def run(*arguments: str, **environment: str) -> str:
    variables = {"LC_ALL": "C", "BLOCKPOOL_LANG": ""} | environment
    done = copy_context().run(CliRunner().invoke, blockpool, arguments, env=variables)
    return done.output


def commands(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            member = command.get_command(context, name)
            assert member is not None
            yield from commands(member, f"{path} {name}".strip())


def test_every_help_has_its_chinese() -> None:
    """An option that says different things at different commands has an entry for all of them but one."""
    run("--help")  # in English
    missing, used = set[str](), set[str]()
    english: dict[str, set[str]] = {}
    for path, command in commands(blockpool):
        used.add(path)
        if path not in COMMANDS:
            missing.add(path)
        for option in command.params:
            if isinstance(option, click.Option) and option.help:
                key = key_of(option)
                own = f"{path} {key}"
                used.add(own if own in OPTIONS else key)
                english.setdefault(own if own in OPTIONS else key, set()).add(option.help)
                if not {own, key} & OPTIONS.keys():
                    missing.add(own)
    assert missing == set()
    assert {key for key, texts in english.items() if len(texts) > 1} <= {"--genesis"}, "one entry says two things"
    assert (COMMANDS.keys() | OPTIONS.keys()) - used <= {"--help"}, "entries of what is not there"


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(("--lang", "zh"), {}), ((), {"LC_ALL": "zh_CN.UTF-8"}), ((), {"BLOCKPOOL_LANG": "zh"})],
)
def test_help_is_in_the_language_that_was_asked_for(arguments: tuple[str, ...], environment: dict[str, str]) -> None:
    shown = run(*arguments, "submit", "--help", **environment)
    assert "记录所属的数据集" in shown
    assert "Example: blockpool submit flights.csv" in shown
    assert "块数据池" in run(*arguments, "--help", **environment)
    assert "核验整条链" in run(*arguments, "--help", **environment)
    assert "数据包" not in run("submit", "--help"), "and the next one is in English again"


def test_errors_are_in_that_language() -> None:
    arguments = ("keys", "show", __file__)
    assert "密钥" in run("--lang", "zh", *arguments)
    assert "密钥" not in run(*arguments)


def test_the_locale_says_which() -> None:
    assert of_environment({"LANG": "zh_CN.UTF-8"}) == "zh"
    assert of_environment({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_US.UTF-8"}) == "en"
    assert of_environment({"LC_ALL": "", "LC_MESSAGES": "zh"}) == "zh"
    assert of_environment({}) == "en"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,zh;q=0.9", "en"),
        ("en;q=0.2, zh;q=0.5", "zh"),
        ("fr, zh;q=0.1", "zh"),
        ("zh;q=0", "en"),
        ("zh;q=nan", "en"),
        ("zh;x=1", "en"),
        ("", "en"),
        ("*", "en"),
        ("," * 100_000 + "zh", "en"),
    ],
)
def test_a_header_says_which(header: str, language: str) -> None:
    assert of_header(header) == language
