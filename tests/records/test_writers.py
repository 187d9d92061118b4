"""Records become files: exact, whole or not at all, and harmless to a spreadsheet."""

import csv
import io
import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from blockpool import ErrorCode, PoolError, Record, RecordId
from records.sources import NdjsonSource, SourceOptions, open_source, record_bodies
from records.writers import Format, format_of, open_output, open_writer
from tests.refusals import refuses

SCHEMA = '{"type":"object","properties":{"n":{"type":"integer"},"name":{"type":["string","null"]}}}'


def record(body: bytes, index: int = 0) -> Record:
    return Record(RecordId(bytes(32), index), "aviation.flights", "aviation", 7, body)


def written(format_: Format, bodies: Sequence[bytes], schema: str = "") -> bytes:
    stream = io.BytesIO()
    writer = open_writer(stream, format_, schema)
    for index, body in enumerate(bodies):
        writer.write(record(body, index))
    writer.close()
    return stream.getvalue()


def rows(*bodies: bytes, schema: str = "") -> list[list[str]]:
    return list(csv.reader(io.StringIO(written("csv", bodies, schema).decode(), newline=""), strict=True))


def test_ndjson_keeps_every_byte() -> None:
    bodies = [b'{"b": 1.00,  "a":[1e5]}', '{"名":"é"}'.encode(), b"12345678901234567890123", b'"text"']
    assert written("ndjson", bodies) == b"\n".join(bodies) + b"\n"


def test_ndjson_joins_json_of_several_lines_without_touching_its_values() -> None:
    assert written("ndjson", [b'{\r\n "a": 1.00,\n "b": "x\\ny  z" }']) == b'{"a":1.00,"b":"x\\ny  z"}\n'


@pytest.mark.parametrize("body", [b"", b"plain text", b'{"a":1', b"\xff\xfe", b'{"a":"\xff"}', b"1 2"])
def test_ndjson_refuses_what_is_not_json(body: bytes) -> None:
    with refuses(ErrorCode.MALFORMED, "not JSON", record=f"{bytes(32).hex()}/1"):
        written("ndjson", [b"1", body])


def test_the_columns_are_the_schemas_then_the_first_records() -> None:
    assert rows(b'{"more":1,"name":"a"}', b'{"n":2}', schema=SCHEMA) == [
        ["n", "name", "more"],
        ["", "a", "1"],
        ["2", "", ""],
    ]
    assert rows(b'{"z":1,"a":2}', b'{"a":3,"z":4}') == [["z", "a"], ["1", "2"], ["4", "3"]]


def test_csv_cells_say_what_the_record_says() -> None:
    body = b'{"i":12345678901234567890123,"f":1.50,"t":true,"x":null,"s":"a,\\"b\\"\\nc","e":"","l":[1, {"a":"b"}]}'
    assert rows(body)[1] == ["12345678901234567890123", "1.50", "true", "", 'a,"b"\nc', "", '[1, {"a":"b"}]']
    assert written("csv", [b'{"a":"x"}']) == b"a\r\nx\r\n"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x"])
def test_a_text_never_becomes_a_formula(text: str) -> None:
    assert rows(json.dumps({"a": text, text: "a"}).encode()) == [["a", "'" + text], ["'" + text, "a"]]


def test_numbers_and_harmless_texts_are_left_alone() -> None:
    assert rows(b'{"a":-5,"b":"1-1","c":" =x"}')[1] == ["-5", "1-1", " =x"]


def test_a_field_without_a_column_is_refused_and_not_dropped() -> None:
    with pytest.raises(PoolError, match="no column for its field b") as raised:
        written("csv", [b'{"a":1}', b'{"a":1,"b":2}'])
    assert raised.value.context["record"] == f"{bytes(32).hex()}/1"


@pytest.mark.parametrize("body", [b"[1]", b'"x"', b"1", b"null", b"x", b'{"a":"\xff"}'])
def test_csv_refuses_what_is_no_object(body: bytes) -> None:
    with pytest.raises(PoolError, match="use --format ndjson"):
        written("csv", [body])


@pytest.mark.parametrize("format_", ["ndjson", "csv", "xlsx"])
def test_what_was_written_can_be_submitted_again(tmp_path: Path, format_: Format) -> None:
    bodies = [b'{"n":1,"name":"a"}', b'{"n":-2,"name":null}']
    path = tmp_path / f"r.{format_}"
    path.write_bytes(written(format_, bodies, SCHEMA))
    assert list(record_bodies(open_source(path, SCHEMA))) == bodies


def write_half(path: Path) -> None:
    with open_output(path) as stream:
        stream.write(b"half")
        raise KeyboardInterrupt


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "r.ndjson"
    path.write_bytes(b"what was there")
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    assert path.read_bytes() == b"what was there"
    with open_output(path) as stream:
        stream.write(b'{"n":1}\n')
        assert path.read_bytes() == b"what was there"
    assert list(record_bodies(NdjsonSource(path, SourceOptions()))) == [b'{"n":1}']
    assert list(tmp_path.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("format_", ["csv", "xlsx"])
def test_digits_survive_a_table(tmp_path: Path, format_: Format) -> None:
    schema = '{"properties":{"n":{"type":"number"},"id":{"type":"string"}}}'
    numbers = ["1.50", "0.1", "-7", "123456789012345", "1e400", "12345678901234567890.5", "110101199003078515"]
    bodies = [f'{{"n":{number},"id":"00{number}"}}'.encode() for number in numbers]
    path = tmp_path / f"r.{format_}"
    path.write_bytes(written(format_, bodies, schema))
    assert list(record_bodies(open_source(path, schema))) == bodies


def test_a_table_without_records_names_its_columns() -> None:
    assert written("csv", [], SCHEMA) == b"n,name\r\n"


@pytest.mark.parametrize(("name", "format_"), [("a.csv", "csv"), ("a.XLSX", "xlsx"), ("a.jsonl", "ndjson")])
def test_the_format_is_what_the_name_ends_in(tmp_path: Path, name: str, format_: Format) -> None:
    assert format_of(tmp_path / name) == format_


@pytest.mark.parametrize("name", ["people", "people.xls", "people.txt"])
def test_another_name_is_refused(tmp_path: Path, name: str) -> None:
    with refuses(ErrorCode.BAD_REQUEST, "--format"):
        format_of(tmp_path / name)


def test_a_device_stays_a_device_and_a_link_a_link(tmp_path: Path) -> None:
    target, link, pipe = tmp_path / "far" / "r.ndjson", tmp_path / "r.ndjson", tmp_path / "pipe"
    target.parent.mkdir()
    link.symlink_to(target)
    with open_output(link) as stream:
        stream.write(b"1\n")
        assert [path.name for path in tmp_path.iterdir()] == ["far", "r.ndjson"]
    assert link.is_symlink()
    assert target.read_bytes() == b"1\n"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with open_output(pipe) as stream:
        stream.write(b"2\n")
    assert os.read(reader, 10) == b"2\n"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
