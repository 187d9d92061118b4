"""Every ready contract decides as its table says, in the sandbox and under plain CPython."""

from pathlib import Path

import pytest

from chain.errors import ErrorCode, PoolError
from contracts import library
from contracts.cases import Case, read_cases
from contracts.library import NAMES, source_of, summary_of
from contracts.local import LocalContract
from contracts.sandbox import Sandbox
from tests.refusals import refuses

FOLDER = Path(library.__file__).parent
TABLE = [(name, case) for name in NAMES for case in read_cases((FOLDER / "cases" / f"{name}.json").read_text("utf-8"))]


@pytest.mark.parametrize(("name", "case"), TABLE, ids=[f"{name}: {case.name}" for name, case in TABLE])
def test_library_contract(sandbox: Sandbox, name: str, case: Case) -> None:
    session = sandbox.contract(source_of(name), case.parameters)
    inside = case.run(session)
    session.close()
    assert inside.differences == ()
    assert case.run(LocalContract(source_of(name), case.parameters)).differences == ()


def test_every_file_is_listed_documented_and_has_cases() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__"} == set(NAMES)
    assert {path.stem for path in (FOLDER / "cases").glob("*.json")} == set(NAMES)
    for name in NAMES:
        verdicts = {case.expect.verdict for case_of, case in TABLE if case_of == name}
        assert len(verdicts) > 1 or name == "open"
        assert summary_of(name).endswith(".")
        assert "Parameters:" in source_of(name)


def test_a_name_that_is_not_there() -> None:
    with refuses(ErrorCode.NOT_FOUND):
        source_of("../../chain/state")


CASE = '{"cases": [{"name": "one", "expect": {"verdict": "allow"}, "dataset": {"id": "a.b", "owner": "a"}, %s}]}'
CTX = '"ctx": {"reader": {"name": "a"}, "owner": {"name": "a"}%s}'


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("[]", "case file"),
        ('{"cases": [{"name": "one"}]}', "expect"),
        (CASE % '"ctx": {}', "case 'one'"),
        (CASE % CTX % ', "hight": 1', "hight"),
        (CASE % CTX % ', "time_ms": "2026-01-01T00:00:00"', "time zone"),
        (CASE % CTX % ', "time_ms": "noon"', "noon"),
        (CASE % (CTX % "" + ', "parameters": {"parts": [{"library": "none"}]}'), "none"),
    ],
)
def test_a_case_file_with_a_mistake_says_where(text: str, detail: str) -> None:
    with pytest.raises(PoolError, match=detail):
        read_cases(text)


def test_a_case_that_comes_out_otherwise_says_how(sandbox: Sandbox) -> None:
    expect = '"expect": {"verdict": "deny", "reason": "no", "until_ms": "2026-01-01T00:00:00Z", "fields": ["x"]}'
    case = read_cases((CASE % CTX % "").replace('"expect": {"verdict": "allow"}', expect))[0]
    session = sandbox.contract(source_of("open"), case.parameters)
    assert case.run(session).differences == (
        "verdict is 'allow', not 'deny'",
        "until_ms is 0, not 1767225600000",
        "fields is None, not ('x',)",
        "reason is '', without 'no'",
    )
    session.close()
