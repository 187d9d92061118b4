"""``docs/reliability.md``, ``docs/threats.md`` and the tests agree: every scenario has its row and a test with its
number, every test that a document names is there, no test has a number without a row, and the code that a row names as
the defence is there too.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.mutants.catalogue import MUTANTS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
_TEST = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)
_NUMBERED = re.compile(r"test((?:_s\d\d+)+)_")
_CODE = re.compile(r"`([\w/]+\.py)(?::(\w+))?`")


class Row(NamedTuple):
    """A row of one of the tables."""

    number: int
    threat: str
    defence: str
    tests: list[str]
    source: str


def numbered_lines(width: int) -> list[list[str]]:
    """Cells of the lines of tables with this many columns, of which the first is a number."""
    lines = [line for line in DOCUMENT.splitlines() if re.match(r"\| \d+ \|", line)]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [line for line in cells if len(line) == width]


def rows() -> list[Row]:
    """All scenarios in the order of the document."""
    return [
        Row(int(number), threat, defence, re.findall(r"`(test_\w+)`", tests), source)
        for number, threat, defence, tests, source in numbered_lines(len(Row._fields))
    ]


def defined_tests() -> set[str]:
    """Names of all test functions."""
    return {name for path in (ROOT / "tests").rglob("test_*.py") for name in _TEST.findall(path.read_text("utf-8"))}


def numbers_of(test: str) -> set[int]:
    """The scenarios that a test's name says it is about."""
    match = _NUMBERED.match(test)
    return {int(number) for number in re.findall(r"\d+", match[1])} if match else set()


def test_every_scenario_has_its_row() -> None:
    numbers = [row.number for row in rows()]
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 60
    assert all(row.threat and row.defence and row.source for row in rows())


def test_every_number_in_a_tests_name_is_explained() -> None:
    numbers = {number for test in defined_tests() for number in numbers_of(test)}
    assert numbers == {row.number for row in rows()}


@pytest.mark.parametrize("row", rows(), ids=lambda row: str(row.number))
def test_every_scenario_is_shown_by_tests_that_are_there(row: Row) -> None:
    assert set(row.tests) - defined_tests() == set()
    assert any(row.number in numbers_of(test) for test in row.tests), "no test that is named carries the number"


@pytest.mark.parametrize("row", rows(), ids=lambda row: str(row.number))
def test_every_defence_is_where_the_row_says(row: Row) -> None:
    places = _CODE.findall(row.defence)
    assert places
    for path, name in places:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert not name or re.search(rf"^ *(?:async )?(?:def|class) {name}\b", source, re.MULTILINE), f"{path}:{name}"


def test_every_defence_that_is_said_to_be_switched_off_is() -> None:
    listed = {(int(number), name) for number, name, _ in numbered_lines(3)}
    assert listed - {(mutant.scenario, mutant.name) for mutant in MUTANTS} == set()
    assert set(range(1, 18)) <= {number for number, _ in listed}


def test_every_defence_of_reading_is_shown_by_tests_that_are_there() -> None:
    threats = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
    lines = [line for line in threats.splitlines() if line.startswith("| ") and not line.startswith("| attack")]
    shown = [re.findall(r"`(test_\w+)`", line.rsplit("|", 2)[1]) for line in lines]
    assert len(lines) > 20
    assert all(shown)
    assert {name for names in shown for name in names} - defined_tests() == set()
