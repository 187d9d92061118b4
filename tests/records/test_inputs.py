"""Small files that went wrong once: each is read as meant and said, or refused with its place. They lie beside the
checkout; without them the tests are skipped.
"""

import json
import time
from pathlib import Path

import pytest

from chain.errors import PoolError
from chain.schema import compile_schema
from records.checking import Check, RecordRules, check_records
from records.sources import open_source

INPUTS = Path(__file__).resolve().parents[2].parent / "shared" / "inputs"
pytestmark = pytest.mark.skipif(not INPUTS.is_dir(), reason="the inputs are not there")


def checked(name: str, schema: str = "") -> tuple[str, list[object], Check]:
    """What a file was recognised as, its records, and its check."""
    source = open_source(INPUTS / name, schema)
    check = check_records(source, RecordRules.of(schema, is_sealed=False))
    return source.description, [json.loads(item.body) for item in source if hasattr(item, "body")], check


@pytest.mark.parametrize(
    ("name", "description", "first"),
    [
        ("gb18030.csv", "CSV, GB18030, comma", {"姓名": "王芳", "编号": "000123", "城市": "北京"}),
        ("utf16.csv", "CSV, UTF-16, comma", {"姓名": "王芳", "编号": "000123"}),
        ("bom_crlf.csv", "CSV, UTF-8, comma", {"姓名": "王芳", "编号": "000123"}),
        ("semicolon.csv", "CSV, UTF-8, semicolon", {"name": "A", "amount": "1,5"}),
        ("tab.tsv", "CSV, UTF-8, tab", {"name": "A", "amount": "1.5"}),
        ("quoted.csv", "CSV, UTF-8, comma", {"name": "王, 芳", "note": 'line one\nline two "quoted"'}),
    ],
)
def test_read_as_meant_and_said(name: str, description: str, first: dict[str, str]) -> None:
    said, records, check = checked(name)
    assert (said, check.problems) == (description, [])
    assert records[0] == first


def test_a_head_alone_holds_no_records() -> None:
    _, records, check = checked("header_only.csv")
    assert (records, check.records, check.problems) == ([], 0, [])


def test_a_column_twice_is_refused_with_its_name() -> None:
    with pytest.raises(PoolError, match="line 1, column name"):
        checked("duplicate_header.csv")


def test_a_short_row_is_named_and_the_rest_read() -> None:
    _, records, check = checked("short_row.csv")
    assert [(problem.line, problem.reason[:7]) for problem in check.problems] == [(3, "2 cells")]
    assert len(records) == 2


def test_digits_are_exact_or_refused_with_line_and_column() -> None:
    schema = (INPUTS / "numbers.schema.json").read_text(encoding="utf-8")
    source = open_source(INPUTS / "numbers.csv", schema)
    check = check_records(source, RecordRules.of(schema, is_sealed=False))
    refused = {problem.line: problem.column for problem in check.problems}
    assert refused == {3: "integer", 10: "integer", 11: "integer", 12: "integer", 13: "integer", 14: "integer"}
    bodies = {item.line: item.body.decode() for item in source if hasattr(item, "body")}
    for line, text in {2: "9007199254740993", 4: "1234567890123456789012", 5: "12345678901234567890.123456789",
                       6: ":1e400,", 7: ":-1e400,", 8: ":1e-400,", 9: ":0.10,"}.items():  # fmt: skip
        assert text in bodies[line]


def test_an_enum_of_thousands_is_refused_in_milliseconds() -> None:
    compiled = compile_schema((INPUTS / "enum.schema.json").read_text(encoding="utf-8"))
    record = (INPUTS / "enum.record.json").read_bytes()
    started_s = time.process_time()
    violation = compiled.check([record])
    assert time.process_time() - started_s < 0.05
    assert violation is not None
    assert violation.context["keyword"] == "enum"
