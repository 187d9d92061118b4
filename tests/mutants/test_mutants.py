"""The catalogue fits the sources and the tests, and the runner tells a caught mutant from a survivor.

``make mutants`` runs the mutants themselves.
"""

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
        assert source != (ROOT / path).read_text(encoding="utf-8")
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


ALWAYS = Edit("rule.is_even", "n  %\n2 == 0", "True")
NEVER_ENDS = Edit("is_even", "return", "while True:\n    pass\nreturn")
ODD, EVEN = ("tests/test_rule.py::test_odd",), ("tests/test_rule.py::test_even",)


def test_a_survivor_is_told_from_what_is_caught(tree: Path) -> None:
    mutants = [Mutant("caught", 1, (ALWAYS,), ODD), Mutant("survives", 1, (ALWAYS,), EVEN)]
    reported: list[str] = []
    verdicts = judge(mutants, tree, 2, lambda verdict: reported.append(verdict.mutant.name))
    assert [verdict.caught_by for verdict in verdicts] == ["test_odd", None]
    assert sorted(reported) == ["caught", "survives"]
    assert (tree / "chain" / "rule.py").read_text().count("n % 2 == 0") == 1


def test_tests_that_hang_have_caught_a_mutant(tree: Path) -> None:
    (verdict,) = judge([Mutant("hangs", 1, (NEVER_ENDS,), EVEN)], tree, 1, lambda verdict: None, timeout_s=5)
    assert verdict.caught_by == "the time limit"


@pytest.mark.parametrize(
    ("edit", "tests", "wrong"),
    [
        (ALWAYS, ("tests/test_rule.py::test_of_nothing",), ""),
        (Edit("is_even", "def is_even", "def is_odd"), ODD, ""),
        (ALWAYS, ODD, "not "),
    ],
    ids=["no such test", "nothing can be imported", "another line fails"],
)
def test_what_cannot_be_run_is_no_catch(tree: Path, edit: Edit, tests: tuple[str, ...], wrong: str) -> None:
    path = tree / "tests" / "test_rule.py"
    path.write_text(path.read_text().replace(f"assert {wrong}", "assert "))
    with pytest.raises(TestsBroken):
        judge([Mutant("broken", 1, (edit,), tests)], tree, 1, print, timeout_s=20)


@pytest.mark.parametrize(
    ("function", "old"),
    [("is_even", "n % 3"), ("is_even", "n"), ("even", "n % 2"), ("other.is_even", "n % 2")],
    ids=["not there", "twice there", "part of a name", "another module's"],
)
def test_code_that_does_not_stand_once_in_its_function_is_refused(tree: Path, function: str, old: str) -> None:
    with pytest.raises(BadMutant):
        mutated_sources(Mutant("rotten", 1, (Edit(function, old, "1"),), ODD), tree)


def test_code_is_found_wherever_and_however_it_is_written(tree: Path) -> None:
    moved = tree / "node" / "deep.py"
    moved.parent.mkdir()
    moved.write_text(
        "class Door:\n    def opens(self):\n        if (\n            sum([1, 2,])  # three\n            and self\n"
        "        ):\n            return 1\n        return 2\n"
    )
    edit = Edit("Door.opens", "sum([1, 2]) and self", "a\nb")
    ((path, source),) = mutated_sources(Mutant("moved", 1, (edit,), ODD), tree).items()
    assert path == moved.relative_to(tree)
    assert source.splitlines()[3:6] == ["            a", "            b", "        ):"]
