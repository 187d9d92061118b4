"""Workbooks: what Excel has lost is refused, what it shows is read."""

import datetime
import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from chain.errors import ErrorCode
from records.excel import CELL_LENGTH_MAX, ExcelWriter
from records.sources import ExcelSource, Problem, SourceOptions, SourceRecord
from tests.refusals import refuses

SCHEMA = '{"properties":{"n":{"type":["integer","null"]},"x":{"type":"number"},"ok":{"type":"boolean"}}}'


def workbook(path: Path, rows: list[list[Any]], formats: dict[str, str] | None = None) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    for cell, number_format in (formats or {}).items():
        sheet[cell].number_format = number_format
    book.save(path)
    return path


def read(path: Path, schema: str = SCHEMA, **options: Any) -> list[tuple[Any, ...]]:
    return [tuple(item) for item in ExcelSource(path, schema, SourceOptions(**options))]


def test_rows_become_records(tmp_path: Path) -> None:
    rows = [["n", "x", "ok", "名"], [1, 0.1, True, "007"], [None, 2, False, None], [], [-5, 1.5, True, "=x"[1:]]]
    assert read(workbook(tmp_path / "f.xlsx", rows)) == [
        (2, '{"n":1,"x":0.1,"ok":true,"名":"007"}'.encode()),
        (3, '{"n":null,"x":2,"ok":false,"名":""}'.encode()),
        (5, '{"n":-5,"x":1.5,"ok":true,"名":"x"}'.encode()),
    ]


def test_dates_are_iso_texts_and_padded_numbers_are_as_shown(tmp_path: Path) -> None:
    moment = datetime.datetime(2026, 3, 1, 8, 30)  # noqa: DTZ001  (Excel knows no zones)
    rows = [["day", "moment", "code"], [moment.date(), moment, 12]]
    path = workbook(tmp_path / "f.xlsx", rows, {"C2": "000000"})
    assert read(path) == [(2, b'{"day":"2026-03-01","moment":"2026-03-01T08:30:00","code":"000012"}')]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (110101199003078515, "Excel keeps 15 digits"),
        (1e300, "Excel keeps 15 digits"),
        ("#N/A", "the error #N/A"),
        ("=1+1", "the formula has no result"),
        (datetime.timedelta(hours=30), "a duration"),
    ],
)
def test_what_is_not_known_exactly_is_refused_with_its_cell(tmp_path: Path, value: object, reason: str) -> None:
    path = workbook(tmp_path / "f.xlsx", [["a", "id"], ["x", value], ["y", "text"]])
    problem, record = ExcelSource(path, "", SourceOptions())
    assert isinstance(problem, Problem)
    assert (problem.line, problem.column) == (2, "id")
    assert reason in problem.reason
    assert record == SourceRecord(3, b'{"a":"y","id":"text"}')


def test_cells_beyond_the_columns_are_a_problem(tmp_path: Path) -> None:
    (problem,) = read(workbook(tmp_path / "f.xlsx", [["a"], ["x", None, "y"]]))
    assert problem[0] == 2
    assert "3 cells" in problem[3]


def test_the_sheet_is_named_where_there_are_several(tmp_path: Path) -> None:
    path = workbook(tmp_path / "f.xlsx", [["a"], ["1"]])
    book = openpyxl.load_workbook(path)
    book.create_sheet("empty")
    book.save(path)
    assert ExcelSource(path, "", SourceOptions()).description == "Excel, sheet Sheet"
    book.create_sheet("二月").append(["b"])
    book["二月"].append(["2"])
    book.save(path)
    with refuses(ErrorCode.BAD_REQUEST, "--sheet"):
        read(path)
    assert read(path, sheet="二月") == [(2, b'{"b":"2"}')]


def test_other_files_are_no_workbooks(tmp_path: Path) -> None:
    for content in (b"", b"PK", b"a,b\n1,2\n", b"PK\x03\x04" + bytes(40)):
        (tmp_path / "f.xlsx").write_bytes(content)
        with refuses(ErrorCode.MALFORMED, "workbook"):
            read(tmp_path / "f.xlsx")


def test_what_is_written_is_read_back_and_no_text_is_a_formula(tmp_path: Path) -> None:
    stream = io.BytesIO()
    sheet = ExcelWriter(stream)
    sheet.write(["n", "text"])
    sheet.write([5, "=1+1"])
    with pytest.raises(ValueError, match="characters"):
        sheet.write(["x" * (CELL_LENGTH_MAX + 1)])
    with pytest.raises(ValueError, match="control"):
        sheet.write(["\x00"])
    sheet.close()
    (tmp_path / "f.xlsx").write_bytes(stream.getvalue())
    assert read(tmp_path / "f.xlsx") == [(2, b'{"n":5,"text":"=1+1"}')]
