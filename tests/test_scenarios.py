"""``docs/scenarios.md``, ``docs/threats.md`` and the tests agree: no test has a number that the list does not explain,
every scenario has a test with its number, a file where its tests are, or says that it is open; and the tests that show
the defences are there.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
_ENTRY = re.compile(r"^(\d+)\. (.*?)(?=^\d+\. |^#|\Z)", re.MULTILINE | re.DOTALL)
_TEST = re.compile(r"^ *(?:async )?def test((?:_s\d+)+)_", re.MULTILINE)


def scenarios() -> dict[int, str]:
    """Number and text of every entry of the list."""
    return {int(number): text for number, text in _ENTRY.findall(DOCUMENT)}


def numbers_in_tests() -> set[int]:
    """The numbers that tests carry in their names."""
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    numbered = (names for source in sources for names in _TEST.findall(source))
    return {int(number) for names in numbered for number in re.findall(r"\d+", names)}


def test_the_list_is_numbered_without_gaps() -> None:
    assert list(scenarios()) == list(range(1, len(scenarios()) + 1))


def test_every_number_is_explained() -> None:
    assert numbers_in_tests() <= set(scenarios())


def test_every_scenario_says_how_it_is_held() -> None:
    for number in sorted(set(scenarios()) - numbers_in_tests()):
        files = re.findall(r"`(tests/[\w/]+\.py)`", scenarios()[number])
        assert files or "open" in scenarios()[number], f"scenario {number} has no test and does not say so"
        assert all((ROOT / file).is_file() for file in files), f"scenario {number} names a file that is not there"


def test_every_defence_is_shown_by_tests_that_are_there() -> None:
    threats = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
    rows = [line for line in threats.splitlines() if line.startswith("| ") and not line.startswith("| attack")]
    shown = [re.findall(r"`(test_\w+)`", row.rsplit("|", 2)[1]) for row in rows]
    assert len(rows) > 20
    assert all(shown)
    assert {name for names in shown for name in names} - defined_tests() == set()


def defined_tests() -> set[str]:
    """Names of all test functions."""
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return {name for source in sources for name in re.findall(r"^ *(?:async )?def (test_\w+)", source, re.MULTILINE)}
