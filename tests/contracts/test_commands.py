"""``blockpool contract``: what authors type."""

from collections.abc import Callable
from pathlib import Path

import pytest

from contracts import library
from contracts.library import NAMES, source_of
from tests.cli.commands import Done, run
from tests.contracts.support import ALLOW_ALL, contract

Command = Callable[..., Done]
CASES = Path(library.__file__).parent / "cases"


@pytest.fixture
def command(cache_folder: Path, tmp_path: Path) -> Command:
    """Runs ``blockpool contract ...`` with the tests' compiled engine."""
    cache = tmp_path / "cache" / "blockpool"
    cache.mkdir(parents=True)
    (cache / "engine").symlink_to(cache_folder)

    def run_contract(*arguments: object) -> Done:
        return run("contract", *arguments, environment={"XDG_CACHE_HOME": str(tmp_path / "cache")})

    return run_contract


def test_check_a_good_contract(command: Command, tmp_path: Path) -> None:
    (tmp_path / "c.py").write_text(ALLOW_ALL)
    done = command("check", tmp_path / "c.py", "--json")
    assert done.code == 0
    assert done.json["size_bytes"] == len(ALLOW_ALL)
    assert done.json["load_fuel"] > 0


def test_check_shows_the_line_at_fault(command: Command, tmp_path: Path) -> None:
    (tmp_path / "c.py").write_text("import json\nimport socket\n")
    done = command("check", tmp_path / "c.py")
    assert (done.code, done.out) == (1, "")
    assert "> " in done.err
    assert "2 import socket" in done.err
    assert "line 2: ImportError: a contract cannot import socket" in done.err


def test_check_with_parameters(command: Command, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"parts": [{"library": "open"}]}')
    (tmp_path / "c.py").write_text(source_of("all_of"))
    assert command("check", tmp_path / "c.py", "--parameters", tmp_path / "p.json").code == 0
    (tmp_path / "p.json").write_text('{"parts": [{"library": "shut"}]}')
    done = command("check", tmp_path / "c.py", "--parameters", tmp_path / "p.json")
    assert done.code == 1
    assert "no contract 'shut'" in done.err


def test_a_table_that_holds(command: Command, tmp_path: Path) -> None:
    (tmp_path / "c.py").write_text(source_of("quota"))
    done = command("test", tmp_path / "c.py", CASES / "quota.json")
    assert done.code == 0
    assert "7 of 7 cases as expected." in done.err
    assert "ten days to the moment" in done.out


def test_a_table_that_does_not_hold(command: Command, tmp_path: Path) -> None:
    (tmp_path / "c.py").write_text(contract("print('hello', ctx.reader.name)\nreturn deny('closed')"))
    done = command("test", tmp_path / "c.py", CASES / "open.json")
    assert done.code == 1
    assert "verdict is 'deny', not 'allow'" in done.out
    assert "reason: closed" in done.out
    assert "0 of 2 cases as expected." in done.err
    assert "hello meteorology" in done.err
    (first, _) = command("test", tmp_path / "c.py", CASES / "open.json", "--json").json
    assert (first["as_expected"], first["reason"], first["fuel"] > 0) == (False, "closed", True)


def test_library(command: Command) -> None:
    assert [each["name"] for each in command("library", "--json").json] == list(NAMES)
    assert command("library", "open").out == source_of("open")
    assert command("library", "none").code == 1
