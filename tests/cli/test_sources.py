"""How CSV and NDJSON files become records."""

import csv
import io
import json
import tempfile
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.errors import ErrorCode, PoolError
from chain.schema import compile_schema
from cli.demo.data import load_files
from cli.sources import CompactSource, CsvSource, NdjsonSource, converter, open_source
from tests.refusals import refuses

SCHEMA = json.dumps(
    {
        "properties": {
            "id": {"type": "integer"},
            "x": {"type": ["number", "null"]},
            "name": {"type": "string"},
            "note": {"type": ["string", "null"]},
            "ok": {"type": "boolean"},
        }
    }
)


def read(tmp_path: Path, text: str, schema: str = SCHEMA) -> list[tuple[int, object]]:
    path = tmp_path / "f.csv"
    path.write_bytes(text.encode())
    return [(record.line, orjson.loads(record.body)) for record in CsvSource(path, schema)]


def test_fields_become_what_the_schema_says(tmp_path: Path) -> None:
    rows = read(tmp_path, "id,x,name,note,ok,other\n1,2.5,NA,NA,true,7\n-2,,,x,false,\n")
    assert rows == [
        (2, {"id": 1, "x": 2.5, "name": "NA", "note": None, "ok": True, "other": "7"}),
        (3, {"id": -2, "x": None, "name": "", "note": "x", "ok": False, "other": ""}),
    ]


@pytest.mark.parametrize(
    ("types", "text", "value"),
    [
        ("integer", "007", 7),
        ("integer", "+7", 7),
        ("number", "7", 7),
        ("number", "-1e3", -1000.0),
        ("number", ".5", 0.5),
        (["integer", "null"], "NA", None),
        (["integer", "null"], "", None),
        (["integer", "string"], "7", 7),
        (["integer", "string"], "7a", "7a"),
        ("string", "007", "007"),
        (["string", "null"], " ", " "),
    ],
)
def test_values(types: object, text: str, value: object) -> None:
    converted = converter({"type": types})(text)
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    ("types", "text"),
    [
        ("integer", ""),
        ("integer", "NA"),
        ("integer", "1.0"),
        ("integer", "1_000"),
        ("integer", "１"),
        ("integer", "9" * 19),
        ("number", "nan"),
        ("number", "inf"),
        ("number", "0x10"),
        ("boolean", "yes"),
        (["integer", "null"], "x"),
    ],
)
def test_values_that_do_not_fit(types: object, text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        converter({"type": types})(text)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("id\n1\nx\n", 3, "column id: 'x' is not integer"),
        ("id,name\n1,a\n2\n", 3, "1 fields, but the first line names 2"),
        ('id,name\n1,"a\nb"\nx,c\n', 4, "column id"),
        ("id,id\n1,1\n", 1, "each once"),
        ("id,\n1,1\n", 1, "name every column"),
        ("", 1, "name every column"),
        ('id,name\n1,"a"b\n', 2, "expected"),
    ],
)
def test_bad_files_are_refused_with_their_line(tmp_path: Path, text: str, line: int, reason: str) -> None:
    with refuses(ErrorCode.MALFORMED, reason, line=line):
        read(tmp_path, text)


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(b"name\n\xff\n")
    with pytest.raises(PoolError, match="utf-8"):
        list(CsvSource(path, SCHEMA))


def test_a_byte_order_mark_and_line_ends_of_windows_are_fine(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeffid,name\r\n1,a\r\n") == [(2, {"id": 1, "name": "a"})]


def test_lines_are_those_of_the_file_where_fields_span_several(tmp_path: Path) -> None:
    assert [line for line, _ in read(tmp_path, 'id,name\n1,"a\nb"\n\n2,c\n')] == [2, 5]


@given(
    st.lists(
        st.tuples(
            st.integers(-(10**17), 10**17), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
        )
    )
)
def test_what_csv_writes_is_read_back(rows: list[tuple[int, str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", "name"])
    writer.writerows(rows)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.csv"
        path.write_bytes(text.getvalue().encode())
        records = [orjson.loads(record.body) for record in CsvSource(path, SCHEMA)]
    assert records == [{"id": number, "name": name} for number, name in rows]


def test_ndjson_is_taken_verbatim(tmp_path: Path) -> None:
    path = tmp_path / "f.ndjson"
    path.write_bytes(b'{"a": 1.0}\n\n  [1, 2]  \r\n"x"')
    assert [tuple(record) for record in NdjsonSource(path)] == [(1, b'{"a": 1.0}'), (3, b"[1, 2]"), (4, b'"x"')]


def test_ndjson_that_is_no_json_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "f.ndjson"
    path.write_bytes(b"{}\n{\n")
    with pytest.raises(PoolError, match="line 2: not JSON"):
        list(NdjsonSource(path))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with refuses(ErrorCode.BAD_REQUEST):
        open_source(tmp_path / "f.xlsx", "")


def test_the_shipped_files_satisfy_their_schemas() -> None:
    for file in load_files():
        bodies = [record.body for record in file.source]
        assert len(bodies) > 400
        assert compile_schema(file.definition.schema).check(bodies) is None


def test_compact_records_lose_only_the_white_space_between_tokens(tmp_path: Path) -> None:
    (tmp_path / "f.ndjson").write_text('{"a" : 1.00, "b": "x  y\\u0041", "c":[1, 2]}\n\n{"a":1}\n')
    records = list(CompactSource(NdjsonSource(tmp_path / "f.ndjson")))
    assert records == [(1, b'{"a":1.00,"b":"x  y\\u0041","c":[1,2]}'), (3, b'{"a":1}')]
