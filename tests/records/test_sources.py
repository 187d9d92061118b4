"""How files become records: CSV, NDJSON and JSON arrays."""

import csv
import io
import json
import tempfile
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.errors import ErrorCode
from chain.schema import compile_schema
from cli.demo.data import load_files
from records.sources import (
    CompactSource,
    CsvSource,
    JsonArraySource,
    NdjsonSource,
    Problem,
    SourceOptions,
    open_source,
    record_bodies,
)
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
    source = CsvSource(path, schema, SourceOptions())
    return [(item.line, orjson.loads(item.body)) for item in source if not isinstance(item, Problem)]


def problems(tmp_path: Path, text: str, schema: str = SCHEMA) -> list[tuple[int, str, str]]:
    path = tmp_path / "f.csv"
    path.write_bytes(text.encode())
    source = CsvSource(path, schema, SourceOptions())
    return [(item.line, item.column, item.reason) for item in source if isinstance(item, Problem)]


def test_fields_become_what_the_schema_says(tmp_path: Path) -> None:
    rows = read(tmp_path, "id,x,name,note,ok,other\n1,2.5,NA,NA,true,7\n-2,,,,false,\n")
    assert rows == [
        (2, {"id": 1, "x": 2.5, "name": "NA", "note": "NA", "ok": True, "other": "7"}),
        (3, {"id": -2, "x": None, "name": "", "note": None, "ok": False, "other": ""}),
    ]


def test_every_bad_row_is_named_and_the_good_ones_are_given(tmp_path: Path) -> None:
    text = 'id,name\n1,a\nx,b\n2\n3,"c\nd"\ny,e\n'
    assert [line for line, _ in read(tmp_path, text)] == [2, 5]
    assert problems(tmp_path, text) == [
        (3, "id", "'x' is not integer"),
        (4, "", "1 cells, but the first line names 2 columns"),
        (7, "id", "'y' is not integer"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("id,id\n1,1\n", 1, "a name of its own"),
        ("id,\n1,1\n", 1, "name every column"),
        ("", 1, "name every column"),
        ('id,name\n1,"a"b\n', 2, "expected"),
    ],
)
def test_what_makes_the_rest_unreadable_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, reason: str
) -> None:
    with refuses(ErrorCode.MALFORMED, reason, line=line):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("content", "description", "first"),
    [
        ("姓名,编号\n王芳,0012\n".encode("gb18030"), "CSV, GB18030, comma", {"姓名": "王芳", "编号": "0012"}),
        ("姓名,编号\n王芳,0012\n".encode("utf-16"), "CSV, UTF-16, comma", {"姓名": "王芳", "编号": "0012"}),
        ("姓名,编号\r\n王芳,0012\r\n".encode("utf-8-sig"), "CSV, UTF-8, comma", {"姓名": "王芳", "编号": "0012"}),
        (b"name;amount\nA;1,5\n", "CSV, UTF-8, semicolon", {"name": "A", "amount": "1,5"}),
        (b"name\tamount\nA\t007\n", "CSV, UTF-8, tab", {"name": "A", "amount": "007"}),
        ('name,note\n"王, 芳","line one\nline two ""quoted"""\n'.encode(), "CSV, UTF-8, comma",
         {"name": "王, 芳", "note": 'line one\nline two "quoted"'}),
    ],
)  # fmt: skip
def test_what_a_file_is_written_in_is_recognised_and_said(
    tmp_path: Path, content: bytes, description: str, first: dict[str, str]
) -> None:
    (tmp_path / "f.csv").write_bytes(content)
    source = open_source(tmp_path / "f.csv", "")
    assert source.description == description
    assert orjson.loads(next(record_bodies(source))) == first


def test_what_is_said_of_a_file_goes_before_what_it_looks_like(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_bytes("é|x,y\n1|2\n".encode("latin-1"))
    source = open_source(tmp_path / "f.csv", "", SourceOptions(encoding="latin-1", delimiter="|"))
    assert orjson.loads(next(record_bodies(source))) == {"é": "1", "x,y": "2"}
    with refuses(ErrorCode.MALFORMED, "not utf-8", line=1):
        open_source(tmp_path / "f.csv", "", SourceOptions(encoding="utf-8"))
    with refuses(ErrorCode.BAD_REQUEST, "no encoding"):
        open_source(tmp_path / "f.csv", "", SourceOptions(encoding="klingon"))


@pytest.mark.parametrize(
    ("content", "line"), [(b"name\na\n\xff\xff\n", 3), (b"n\x00a\x00", 1), (b"a\n" * 400_000 + b"\xff\xff\n", 400_001)]
)
def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path, content: bytes, line: int) -> None:
    (tmp_path / "f.csv").write_bytes(content)
    with refuses(ErrorCode.MALFORMED, "--encoding", line=line):
        open_source(tmp_path / "f.csv", "")


def test_an_empty_line_is_a_row_where_there_is_one_column(tmp_path: Path) -> None:
    assert read(tmp_path, "name\na\n\nb\n") == [(2, {"name": "a"}), (3, {"name": ""}), (4, {"name": "b"})]


def test_named_texts_are_null_where_null_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("x,name,note\nNA,NA,NA\n")
    source = CsvSource(tmp_path / "f.csv", SCHEMA, SourceOptions(nulls=("NA",)))
    assert list(record_bodies(source)) == [b'{"x":null,"name":"NA","note":null}']


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
        records = [orjson.loads(body) for body in record_bodies(CsvSource(path, SCHEMA, SourceOptions()))]
    assert records == [{"id": number, "name": name} for number, name in rows]


def test_ndjson_is_taken_verbatim(tmp_path: Path) -> None:
    path = tmp_path / "f.ndjson"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1.0}\n\n  [1, 2]  \r\n"x"')
    found = [tuple(record) for record in NdjsonSource(path, SourceOptions())]
    assert found == [(1, b'{"a": 1.0}'), (3, b"[1, 2]"), (4, b'"x"')]


def test_an_arrays_elements_are_taken_verbatim(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_bytes(b'[\n{"a" : 1.00, "b": "],[\\"{"},\n\n "x\\\\" , [1,[2],\n 3]\n, 1e400]\n')
    assert [tuple(record) for record in JsonArraySource(path)] == [
        (2, b'{"a" : 1.00, "b": "],[\\"{"}'),
        (4, b'"x\\\\"'),
        (4, b"[1,[2],\n 3]"),
        (6, b"1e400"),
    ]
    path.write_bytes(b" [ ] ")
    assert list(JsonArraySource(path)) == []


def test_an_array_is_read_alike_however_it_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.json"
    values = ['"é\\"]"', '{"a":[1,{"b":"\\\\"}]}', "-1.50e3", '""', "[[],{}]"]
    path.write_text("[" + " ,\n".join(values) + "]")
    for size in range(1, 40):
        monkeypatch.setattr("records.sources._CHUNK_SIZE_BYTES", size)
        assert list(record_bodies(JsonArraySource(path))) == [value.encode() for value in values]


@pytest.mark.parametrize(
    "text", ["", "{}", "[1", "[1,]", "[,1]", "[1] 2", "[1][2]", '"[1]"', "x[1]", '["a]', "[1}", "1"]
)
def test_what_is_not_one_array_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "f.json"
    path.write_text(text)
    with refuses(ErrorCode.MALFORMED, line=1):
        list(JsonArraySource(path))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with refuses(ErrorCode.BAD_REQUEST, ".xlsx"):
        open_source(tmp_path / "f.xls", "")


def test_the_shipped_files_satisfy_their_schemas() -> None:
    for file in load_files():
        bodies = list(record_bodies(file.source))
        assert len(bodies) > 400
        assert compile_schema(file.definition.schema).check(bodies) is None


def test_compact_records_lose_only_the_white_space_between_tokens(tmp_path: Path) -> None:
    (tmp_path / "f.ndjson").write_text('{"a" : 1.00, "b": "x  y\\u0041", "c":[1, 2]}\n\n{"a":1}\n')
    records = list(CompactSource(NdjsonSource(tmp_path / "f.ndjson", SourceOptions())))
    assert records == [(1, b'{"a":1.00,"b":"x  y\\u0041","c":[1,2]}'), (3, b'{"a":1}')]
