"""Texts that attack whoever looks at them: a reader's purpose is shown to the approver, a contract's reason to the
reader, a dataset's title to everybody. On a terminal, control characters would be commands and text that runs backwards
a lie; to the table's layout, brackets would be markup. What was signed stays as it is, and is shown harmless.
"""

import itertools

import pytest

from blockpool import DatasetDefinition, access_signing, load_kem_key
from chain.errors import ErrorCode, PoolError
from chain.messages import printable
from cli.failures import report
from cli.homes import READER_KEY
from cli.output import emit, facts, grid
from tests.attacks.world import contract
from tests.cli.commands import run
from tests.processes import RunningNetwork
from tests.signing import DESCRIPTION

MARKUP = "[/red] [bold]x[/bold] [link=http://x]y[/link] [/]"
HOSTILE = MARKUP + " \x1b[2J\x1b]0;owned\x07\x9b31m \u202eedeined\u202c\u2066 \r\x08"
_numbers = itertools.count()


def is_sanitized(text: str) -> bool:
    """Nothing that a terminal takes for a command or for a change of direction."""
    return all(character.isprintable() or character in "\n" for character in text)


def test_the_text_is_what_it_is_meant_to_be() -> None:
    assert not is_sanitized(HOSTILE)
    assert is_sanitized("航班 [red] é\n")


def test_s55_tables_show_texts_sanitized(capsys: pytest.CaptureFixture[str]) -> None:
    table = grid("purpose")
    table.add_row(HOSTILE)
    emit({}, facts({"purpose": HOSTILE, "reason": HOSTILE}, title="Request"), table)
    shown = capsys.readouterr().out
    assert is_sanitized(shown)
    assert "[bold]x[/bold]" in shown


def test_s55_errors_show_texts_sanitized(capsys: pytest.CaptureFixture[str]) -> None:
    report(PoolError(ErrorCode.ACCESS_DENIED, HOSTILE))
    shown = capsys.readouterr().err
    assert is_sanitized(shown)
    assert "[bold]x[/bold]" in shown


@pytest.fixture(scope="module")
def hostile(running_network: RunningNetwork) -> tuple[str, bytes, bytes]:
    """Dataset, and two requests whose every text attacks: one waits for an answer, one was denied. Who attacks uses a
    client that normalises nothing.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(access_signing, "typed", lambda text: text)
        return share_hostile(running_network)


def share_hostile(running_network: RunningNetwork) -> tuple[str, bytes, bytes]:
    name = f"aviation.hostile-{next(_numbers)}"
    decide = "return ask([ctx.owner.name], note=text) if request.case_number else deny(text)"
    rule = contract(f"# {HOSTILE.replace(chr(13), '')}\ntext = request.legal_basis\n{decide}")
    with running_network.client("aviation") as owner:
        owner.deploy(name, rule)
        owner.define(
            DatasetDefinition(
                name,
                HOSTILE,
                HOSTILE,
                sharing="conditional",
                contract=name,
                description=DESCRIPTION,
                legal_basis=HOSTILE,
            )
        )
        owner.submit([{"n": 1}], name)
    key = load_kem_key(running_network.network.folder / "meteorology" / READER_KEY)
    with running_network.client("meteorology") as reader:
        waiting = reader.request(name, HOSTILE, key, legal_basis=HOSTILE, case_number=HOSTILE, person=HOSTILE).id
        denied = reader.request(name, HOSTILE, key, legal_basis=HOSTILE, person=HOSTILE)
    assert denied.reason == printable(HOSTILE)
    with running_network.client("aviation") as owner:
        owner.answer(waiting, name, "refuse", HOSTILE)
    running_network.network.settle()
    return name, waiting, denied.id


@pytest.mark.integration
def test_s55_every_command_shows_texts_sanitized(
    running_network: RunningNetwork, hostile: tuple[str, bytes, bytes]
) -> None:
    dataset, *requests = hostile
    node = ["--node", running_network.network.urls[0], "--genesis", running_network.genesis_file]
    commands: list[list[object]] = [
        ["request", "list", *node],
        ["dataset", "list", *node],
        ["dataset", "show", dataset, *node],
        ["contract", "show", dataset, *node],
        ["audit", "reads", running_network.network.urls[0], *node[2:], "--dataset", dataset, "--proof"],
    ]
    for request in requests:
        commands += [["request", "show", request.hex(), *node], ["show", "transaction", request.hex(), *node]]
        location = height_of(running_network, request)
        commands.append(["show", "block", location, *node])
    for command in commands:
        done = run(*command)
        assert done.code == 0, (command, done.err)
        assert is_sanitized(done.out), (command, done.out)
        assert is_sanitized(done.err), (command, done.err)


@pytest.mark.integration
def test_what_was_signed_is_given_to_programs_as_it_is(
    running_network: RunningNetwork, hostile: tuple[str, bytes, bytes]
) -> None:
    node = ["--node", running_network.network.urls[0], "--genesis", running_network.genesis_file]
    assert run("request", "show", hostile[1].hex(), *node, "--json").json["purpose"] == HOSTILE


def height_of(running_network: RunningNetwork, request: bytes) -> int:
    with running_network.client() as client:
        return client.receipt(request).height
