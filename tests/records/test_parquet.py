"""Parquet: what a column's type says is what comes out, exactly, or it is refused with its place."""

import datetime
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chain.errors import ErrorCode, PoolError
from records.checking import RecordRules, check_records
from records.inference import infer
from records.parquet import ParquetSource
from records.sources import Problem, SourceOptions, SourceRecord, open_source
from records.writers import open_writer
from tests.refusals import refuses


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def bodies(path: Path) -> list[str]:
    return [item.body.decode() if isinstance(item, SourceRecord) else item.reason for item in ParquetSource(path)]


def outcome(path: Path) -> str | list[str]:
    try:
        return bodies(path)
    except PoolError as error:
        return error.code.value


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array([2**63 - 1, -(2**63), None]), [str(2**63 - 1), str(-(2**63)), "null"]),
        (pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)]),
        (
            pa.array([Decimal("0.10"), Decimal("-12345678901234567890.12"), None]),
            ["0.10", "-12345678901234567890.12", "null"],
        ),
        (pa.array([Decimal("1E+3")], pa.decimal128(10, 0)), ["1000"]),
        (pa.array([0.1, 1e300, None]), ["0.1", "1e+300", "null"]),
        (pa.array([True, False, None]), ["true", "false", "null"]),
        (pa.array(["001", "", 'a"\n名', None]), ['"001"', '""', '"a\\"\\n名"', "null"]),
        (pa.array(["x", "y", "x"]).dictionary_encode(), ['"x"', '"y"', '"x"']),
        (pa.array(["x"], pa.large_string()), ['"x"']),
        (pa.array([datetime.date(2026, 3, 1), None]), ['"2026-03-01"', "null"]),
        (pa.array([1], pa.timestamp("ns")), ['"1970-01-01T00:00:00.000000001"']),
        (pa.array([-1], pa.timestamp("us", "Asia/Shanghai")), ['"1969-12-31T23:59:59.999999Z"']),
        (pa.array([1_500], pa.timestamp("ms", "UTC")), ['"1970-01-01T00:00:01.5Z"']),
        (pa.array([3_600_000_001], pa.time64("us")), ['"01:00:00.000001"']),
        (pa.array([60], pa.time32("s")), ['"00:01:00"']),
        (pa.array([[1, None], [], None], pa.list_(pa.int64())), ["[1,null]", "[]", "null"]),
        (pa.array([{"a": 1, "b": ["x"]}, None]), ['{"a":1,"b":["x"]}', "null"]),
        (pa.array([None, None], pa.null()), ["null", "null"]),
        (pa.array([None], pa.binary()), ["null"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_every_digit_comes_out(tmp_path: Path, array: pa.Array, texts: list[str]) -> None:
    assert bodies(parquet(tmp_path / "f.parquet", v=array)) == [f'{{"v":{text}}}' for text in texts]


@pytest.mark.parametrize(
    ("array", "line", "reason"),
    [
        (pa.array([None, b"\x00"], pa.binary()), 2, "binary has no JSON"),
        (pa.array([1.0, float("nan")]), 2, "nan is no number of JSON"),
        (pa.array([1.0, float("-inf")]), 2, "-inf is no number of JSON"),
        (pa.array([0, 1], pa.duration("s")), 1, "duration[s] has no JSON"),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), 1, "has no JSON"),
        (pa.array([0, 2**62], pa.timestamp("ms")), 2, "out of range"),
        (pa.array([[b"x"]], pa.list_(pa.binary())), 1, "binary has no JSON"),
        (pa.array([{"a": float("inf")}]), 1, "inf is no number of JSON"),
    ],
)
def test_what_has_no_json_is_refused_with_row_and_column(
    tmp_path: Path, array: pa.Array, line: int, reason: str
) -> None:
    path = parquet(tmp_path / "f.parquet", a=pa.array(range(len(array))), v=array)
    first = next(item for item in ParquetSource(path) if isinstance(item, Problem))
    assert (first.line, first.column) == (line, "v")
    assert reason in first.reason


def test_a_column_of_json_is_the_json_itself_and_nothing_else(tmp_path: Path) -> None:
    texts = pa.array(['{"n":1.10}', '1,"x":2', None])
    path = parquet(tmp_path / "f.parquet", v=pa.ExtensionArray.from_storage(pa.json_(), texts))
    good, bad, nothing = ParquetSource(path)
    assert (good, nothing) == (SourceRecord(1, b'{"v":{"n":1.10}}'), SourceRecord(3, b'{"v":null}'))
    assert isinstance(bad, Problem)
    assert (bad.line, bad.column) == (2, "v")


def test_types_meet_the_schema_with_their_place(tmp_path: Path) -> None:
    schema = '{"type":"object","properties":{"n":{"type":"string"},"x":{"type":"number"}}}'
    path = parquet(
        tmp_path / "f.parquet", n=pa.array([1, 2]), x=pa.array([Decimal(10) ** 70, None], pa.decimal256(76, 0))
    )
    check = check_records(open_source(path, schema), RecordRules.of(schema, is_sealed=False))
    assert [(problem.line, problem.column) for problem in check.problems] == [(1, "x"), (2, "n")]


def test_rows_are_counted_over_pieces_and_row_groups(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": list(range(10_001))}), tmp_path / "f.parquet", row_group_size=5_000)
    source = ParquetSource(tmp_path / "f.parquet")
    assert source.description == "Parquet, 10,001 rows"
    last = list(source)[-1]
    assert last == SourceRecord(10_001, b'{"n":10000}')


def test_other_files_and_damaged_ones_are_said_so(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    for content in (b"", b"PAR1", b"a,b\n1,2\n", b"PAR1" + bytes(64) + b"PAR1"):
        path.write_bytes(content)
        with refuses(ErrorCode.MALFORMED, "not a readable Parquet file"):
            ParquetSource(path)
    texts = pa.table({"v": [f"text {number}" for number in range(1000)]})
    pq.write_table(texts, path, write_page_checksum=True)
    whole = path.read_bytes()
    right = bodies(path)
    for place in range(4, len(whole) - 8 - int.from_bytes(whole[-8:-4], "little"), 7):  # what pages hold
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        assert outcome(path) in ("malformed", right)
    for place in range(len(whole) - 200, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        outcome(path)  # without a traceback: what says how to read the pages has no checksum
    with refuses(ErrorCode.MALFORMED, "a name of its own"):
        pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
        ParquetSource(path)


def test_fields_are_proposed_from_it(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "f.parquet",
        n=pa.array([7, 12]),
        amount=pa.array([Decimal("1.20"), None]),
        day=pa.array([datetime.date(2026, 3, 1), datetime.date(2026, 3, 2)]),
    )
    fields = {field.name: (field.type, field.format) for field in infer(path, SourceOptions()).fields}
    assert fields == {"n": ("integer", ""), "amount": ("number", "2 decimals"), "day": ("string", "date")}


class Row:
    id = "r"

    def __init__(self, body: str) -> None:
        self.body = body.encode()


SCHEMA = json.dumps(
    {
        "properties": {
            "id": {"type": "integer"},
            "amount": {"type": ["number", "null"], "multipleOf": 0.01},
            "x": {"type": "number"},
            "day": {"type": "string", "format": "date"},
            "ok": {"type": "boolean"},
            "any": {"type": ["string", "integer"]},
        }
    }
)


def written(*rows: str, schema: str = SCHEMA) -> bytes:
    stream = io.BytesIO()
    writer = open_writer(stream, "parquet", schema)
    for row in rows:
        writer.write(Row(row))
    writer.close()
    return stream.getvalue()


def test_what_is_written_has_the_schema_s_types_and_is_read_back(tmp_path: Path) -> None:
    rows = [
        '{"id":9007199254740993,"amount":0.10,"x":0.1,"day":"2026-03-01","ok":true,"any":"1","more":{"k":[1.0]}}',
        '{"id":-1,"amount":null,"x":-2.5,"day":"0001-01-01","ok":false,"any":1}',
    ]
    path = tmp_path / "f.parquet"
    path.write_bytes(written(*rows))
    table = pq.read_table(path)
    assert [str(kind) for kind in table.schema.types] == [
        "int64", "decimal128(38, 2)", "double", "date32[day]", "bool", "extension<arrow.json>", "extension<arrow.json>",
    ]  # fmt: skip
    assert bodies(path) == [rows[0], rows[1][:-1] + ',"more":null}']


def test_a_table_without_records_has_its_columns(tmp_path: Path) -> None:
    (tmp_path / "f.parquet").write_bytes(written())
    assert pq.read_schema(tmp_path / "f.parquet").names == ["id", "amount", "x", "day", "ok", "any"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "9223372036854775808"),
        ("id", "1.5"),
        ("id", "1e400"),
        ("id", '"1"'),
        ("amount", "0.001"),
        ("amount", "1" + "0" * 37),
        ("x", "12345678901234567890.5"),
        ("x", "0.1000000000000000000001"),
        ("day", '"2026-02-30"'),
        ("day", '"20260301"'),
        ("ok", "1"),
        ("another", "1"),
    ],
)
def test_what_a_column_would_change_is_refused_with_its_record(field: str, value: str) -> None:
    with refuses(ErrorCode.MALFORMED, field):
        written('{"id":1}', f'{{"{field}":{value}}}')


def test_many_records_are_many_row_groups(tmp_path: Path) -> None:
    (tmp_path / "f.parquet").write_bytes(written(*(f'{{"id":{number}}}' for number in range(70_000))))
    metadata = pq.ParquetFile(tmp_path / "f.parquet").metadata
    assert (metadata.num_rows, metadata.num_row_groups) == (70_000, 2)
