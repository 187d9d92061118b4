"""The catalogue fits the sources and the tests, and the runner tells a caught mutant from a survivor.

``make mutants`` runs the mutants themselves.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.definition import BadMutant, Edit, Mutant, mutated_sources, selection_of
from tests.mutants.runner import TestsBroken, judge

ROOT = Path(__file__).resolve().parents[2]
NAMES = [mutant.name for mutant in MUTANTS]


@pytest.mark.parametrize("mutant", MUTANTS, ids=NAMES)
def test_a_mutant_changes_source_that_is_there(mutant: Mutant) -> None:
    for path, source in mutated_sources(mutant, ROOT).items():
        assert source != path.read_text(encoding="utf-8")
        ast.parse(source, filename=str(path))


@pytest.mark.parametrize("test", selection_of(MUTANTS))
def test_the_tests_that_must_catch_are_there(test: str) -> None:
    path, *_, name = test.split("::")
    assert re.search(rf"^ *(?:async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_safety_scenario_has_mutants_of_different_names() -> None:
    assert set(range(1, 18)) <= {mutant.scenario for mutant in MUTANTS}
    assert len(set(NAMES)) == len(NAMES)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree with one rule and two tests of it, the second of which sees little."""
    (tmp_path / "chain").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "chain" / "__init__.py").touch()
    (tmp_path / "chain" / "rule.py").write_text("def is_even(n: int) -> bool:\n    return n % 2 == 0\n")
    (tmp_path / "tests" / "test_rule.py").write_text(
        "from chain.rule import is_even\n\n\ndef test_odd() -> None:\n    assert not is_even(3)\n\n\n"
        "def test_even() -> None:\n    assert is_even(4)\n"
    )
    return tmp_path


ALWAYS = Edit("chain/rule.py", "n % 2 == 0", "True")
NEVER_ENDS = Edit("chain/rule.py", "return", "while True:\n        pass\n    return")
ODD, EVEN = ("tests/test_rule.py::test_odd",), ("tests/test_rule.py::test_even",)


def test_a_survivor_is_told_from_what_is_caught(tree: Path) -> None:
    mutants = [Mutant("caught", 1, (ALWAYS,), ODD), Mutant("survives", 1, (ALWAYS,), EVEN)]
    reported: list[str] = []
    verdicts = judge(mutants, tree, 2, lambda verdict: reported.append(verdict.mutant.name))
    assert [verdict.caught_by for verdict in verdicts] == ["test_odd", None]
    assert sorted(reported) == ["caught", "survives"]
    assert (tree / "chain" / "rule.py").read_text().count("n % 2 == 0") == 1


def test_tests_that_hang_have_caught_a_mutant(tree: Path) -> None:
    (verdict,) = judge([Mutant("hangs", 1, (NEVER_ENDS,), EVEN)], tree, 1, lambda verdict: None, timeout_s=10)
    assert verdict.caught_by == "the time limit"


@pytest.mark.parametrize(
    ("edit", "tests"),
    [
        (ALWAYS, ("tests/test_rule.py::test_of_nothing",)),
        (Edit("chain/rule.py", "def is_even", "def is_odd"), ODD),
        (Edit("tests/test_rule.py", "not is_even(3)", "is_even(3)"), ODD),
    ],
    ids=["no such test", "nothing can be imported", "another line fails"],
)
def test_what_cannot_be_run_is_no_catch(tree: Path, edit: Edit, tests: tuple[str, ...]) -> None:
    if edit.path.startswith("tests/"):
        path = tree / edit.path
        path.write_text(path.read_text().replace(edit.old, edit.new))
        edit = ALWAYS
    with pytest.raises(TestsBroken):
        judge([Mutant("broken", 1, (edit,), tests)], tree, 1, print, timeout_s=20)


@pytest.mark.parametrize("old", ["n % 3", "n"])
def test_a_text_that_is_not_there_once_is_refused(tree: Path, old: str) -> None:
    with pytest.raises(BadMutant):
        mutated_sources(Mutant("rotten", 1, (Edit("chain/rule.py", old, "1"),), ODD), tree)
