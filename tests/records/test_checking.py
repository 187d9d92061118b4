"""A whole file is checked, and every problem has its place."""

from pathlib import Path

import pytest

from chain.errors import ErrorCode
from records.checking import PROBLEMS_MAX, RecordRules, check_records
from records.sources import Problem, SourceOptions, open_source

SCHEMA = '{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}'
OPEN = RecordRules.of(SCHEMA, is_sealed=False)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_problems_of_reading_and_of_the_schema_are_in_order(tmp_path: Path) -> None:
    lines = ["n,m", *(f"{number},x" for number in range(700)), "y,x", "1", "2,x"]
    seen: list[int] = []
    path = write(tmp_path / "f.csv", "\n".join(lines))
    check = check_records(open_source(path, SCHEMA), OPEN, seen.append)
    assert check.records == 701
    assert [(problem.line, problem.column) for problem in check.problems] == [(702, "n"), (703, "")]
    assert seen == [500, 703]


def test_each_rule_is_named_by_line_and_field(tmp_path: Path) -> None:
    texts = ['{"n":1}', '{"n":"a"}', "{}", "{", '{"n":1,"n":1}', "[1]", '{"n":2}']
    path = write(tmp_path / "f.ndjson", "\n".join(texts))
    check = check_records(open_source(path, SCHEMA), OPEN)
    found = [(problem.line, problem.column, problem.reason) for problem in check.problems]
    assert check.records == 2
    assert [line for line, _, _ in found] == [2, 3, 4, 5, 6]
    assert found[0][1:] == ("n", "/n breaks type")
    assert {problem.code for problem in check.problems} == {ErrorCode.SCHEMA_VIOLATION}


def test_without_a_schema_records_are_json_all_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "f.ndjson", '{"a":1}\nx\n' + '{"a":' + "9" * 65 + "}\n")
    check = check_records(open_source(path, ""), RecordRules.of("", is_sealed=False))
    assert [problem.line for problem in check.problems] == [2, 3]


def test_many_problems_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", "n\n" + "x\n" * 1234)
    check = check_records(open_source(path, SCHEMA), OPEN)
    assert (check.records, len(check.problems), check.problem_count) == (0, PROBLEMS_MAX, 1234)
    assert check.counts == {(ErrorCode.MALFORMED, "n"): 1234}


@pytest.mark.parametrize("is_sealed", [False, True])
def test_size_and_fields(tmp_path: Path, *, is_sealed: bool) -> None:
    rules = RecordRules.of("", is_sealed=is_sealed, by_fields=is_sealed)
    path = write(tmp_path / "f.ndjson", '{"a":"' + "x" * rules.size_max_bytes + '"}\n[1]\n')
    codes = [problem.code for problem in check_records(open_source(path, ""), rules).problems]
    assert codes == [ErrorCode.TOO_LARGE] + [ErrorCode.BAD_SEALING] * is_sealed


def test_a_table_without_rows_holds_nothing(tmp_path: Path) -> None:
    check = check_records(open_source(write(tmp_path / "f.csv", "n,m\n"), SCHEMA, SourceOptions()), OPEN)
    assert (check.records, check.problems) == (0, [])


def test_a_problem_is_an_error_with_its_place() -> None:
    error = Problem(3, "n", ErrorCode.MALFORMED, "bad").error()
    assert (error.code, error.detail, error.context) == (
        ErrorCode.MALFORMED,
        "line 3, column n: bad",
        {"line": 3, "column": "n"},
    )
