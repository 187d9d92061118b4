"""The table form of a schema: what its cells mean, what is refused, and that a proposal takes the file it is of."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from chain.errors import PoolError
from chain.schema import compile_schema
from records.checking import RecordRules, check_records
from records.field_table import COLUMNS, FieldRow, read_fields, schema_of, write_fields
from records.inference import infer
from records.sources import open_source

INPUTS = Path(__file__).resolve().parents[2].parent / "shared" / "inputs"
HEAD = ",".join(COLUMNS.values())


def table(tmp_path: Path, *lines: str, head: str = HEAD) -> Path:
    path = tmp_path / "fields.csv"
    path.write_text("\n".join([head, *lines]), encoding="utf-8")
    return path


def properties(path: Path) -> dict[str, Any]:
    fields, check = read_fields(path)
    assert check.problems == []
    found: dict[str, Any] = json.loads(schema_of(fields))["properties"]
    return found


def test_a_table_as_an_official_writes_it(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "id_card,身份证号,identity number,身份证号,,是,是,是,,按身份证填写",
        "name,姓名,,文本,长度 2-20,是,否,是,,",
        "born,出生日期,,日期,,,,是,,",
        "sex,性别,,文本,,,,,1=男;2=女；9=未说明,",
        "amount,金额,,数值,2位小数;范围 0..1000000,是,,,,",
        "grade,等级,,整数,,,,,1;2;3,",
        'code,编码,,文本,"正则 ^[A-Z]{2};?\\d{3}$",是,,,,',
        "ok,是否有效,,是否,,,,,,",
        ",,,,,,,,,",
    )
    fields, check = read_fields(path)
    assert check.problems == []
    schema = json.loads(schema_of(fields))
    assert schema["required"] == ["id_card", "name", "amount", "code"]
    assert schema["key"] == ["id_card"]
    assert schema["additionalProperties"] is False
    assert schema["properties"] == {
        "id_card": {
            "type": "string",
            "title": "身份证号",
            "titleEn": "identity number",
            "description": "按身份证填写",
            "personal": True,
            "minLength": 1,
            "format": "cn-identity-number",
        },
        "name": {"type": "string", "title": "姓名", "personal": True, "minLength": 2, "maxLength": 20},
        "born": {"type": ["string", "null"], "title": "出生日期", "personal": True, "format": "date"},
        "sex": {"type": ["string", "null"], "title": "性别", "enum": ["1", "2", "9", None]},
        "amount": {"type": "number", "title": "金额", "multipleOf": 0.01, "minimum": 0, "maximum": 1000000},
        "grade": {"type": ["integer", "null"], "title": "等级", "enum": [1, 2, 3, None]},
        "code": {"type": "string", "title": "编码", "minLength": 1, "pattern": r"^[A-Z]{2};?\d{3}$"},
        "ok": {"type": ["boolean", "null"], "title": "是否有效"},
    }
    compile_schema(schema_of(fields))


def test_english_columns_in_any_order_with_others_between(tmp_path: Path) -> None:
    path = table(tmp_path, "x,integer,yes,flight", head="mine,Type,required,name")
    assert properties(path) == {"flight": {"type": "integer"}}


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        (",,,文本", "字段名", "needs a name"),
        (" a,,,文本", "字段名", "white space"),
        ("a,,,文字型", "类型", "none of"),
        ("a,,,文本,长度 5-2", "格式", "no format for the type string"),
        ("a,,,文本,2位小数", "格式", "no format for the type string"),
        ("a,,,整数,2位小数", "格式", "no format for the type integer"),
        ("a,,,文本,email", "格式", "no format"),
        ("a,,,文本,正则 (", "格式", "not one"),
        ("a,,,数值,范围 1.2.3..", "格式", "no number"),
        ("a,,,文本,,也许", "必填", "neither"),
        ("a,,,文本,,,是", "主键", "a key field is a required text or integer"),
        ("a,,,是否,,,,,是;否", "取值", "cannot be listed"),
        ("a,,,整数,,,,,一;二", "取值", "no number"),
        ("a,,", "", "3 cells"),
    ],
)
def test_what_cannot_be_understood_has_its_line_and_column(tmp_path: Path, line: str, column: str, reason: str) -> None:
    full = line if line == "a,," else line + "," * (9 - line.count(","))
    _, check = read_fields(table(tmp_path, "good,,,文本,,,,,,", full))
    (problem,) = check.problems
    assert (problem.line, problem.column) == (3, column)
    assert reason in problem.reason


def test_every_problem_is_named(tmp_path: Path) -> None:
    _, check = read_fields(table(tmp_path, "a,,,?,,,,,,", "b,,,文本,,,,,,", "b,,,文本,,,,,,", "c,,,文本,,,1,,,"))
    assert [problem.line for problem in check.problems] == [2, 4, 5]


@pytest.mark.parametrize("head", ["字段名,说明", "类型,说明", "a,b"])
def test_a_table_without_names_or_types_is_none(tmp_path: Path, head: str) -> None:
    with pytest.raises(PoolError, match="names no column"):
        read_fields(table(tmp_path, "x,y", head=head))


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_what_is_written_is_read_again(tmp_path: Path, suffix: str) -> None:
    fields = [
        FieldRow("编号", "编号", "", "文本", "长度 18", "是", "", "是", "", "注：1;2"),
        FieldRow("n", "", "number", "number", "2 decimals", "", "", "", "1;2.50", ""),
    ]
    path = tmp_path / f"fields{suffix}"
    with path.open("wb") as stream:
        write_fields(stream, fields, suffix)
    assert read_fields(path)[0] == fields


def test_no_cell_of_csv_becomes_a_formula() -> None:
    with pytest.raises(PoolError, match="formula"):
        write_fields(io.BytesIO(), [FieldRow("=1+1")], ".csv")
    with pytest.raises(PoolError, match="ends in"):
        write_fields(io.BytesIO(), [FieldRow("a")], ".txt")


def takes_its_own_file(path: Path) -> dict[str, Any]:
    """The proposed properties, after every record of the file has been held against them, also through the table."""
    proposal = infer(path)
    schema = schema_of(proposal.fields)
    check = check_records(open_source(path, schema), RecordRules.of(schema, is_sealed=False))
    assert check.problems == []
    assert check.records == proposal.records
    for suffix in (".xlsx", ".csv"):
        written = path.with_name(f"fields{suffix}")
        with written.open("wb") as stream:
            write_fields(stream, proposal.fields, suffix)
        fields, problems = read_fields(written)
        assert problems.problems == []
        assert schema_of(fields) == schema
    found: dict[str, Any] = json.loads(schema)["properties"]
    return found


def test_codes_stay_text_and_numbers_keep_their_digits(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(
        "zero,area,long,year,count,price,mixed,flag,day,when,empty,sign,exp,credit\n"
        "001234,110101,1234567890123456,2025,7,1.50,1,true,2026-03-01,2026-03-01T08:00:00Z,,+1,1e3,91350100M000100Y43\n"
        "000001,310115,1,2026,-12,20.125,2.5,FALSE,2024-02-29,2026-03-01T08:00:00+08:00,,2,2,91110000600037341L\n"
    )
    types = {name: found["type"] for name, found in takes_its_own_file(path).items()}
    text = dict.fromkeys(("zero", "area", "long", "day", "when", "sign", "exp", "credit"), "string")
    assert types == text | {
        "year": "integer", "count": "integer", "price": "number", "mixed": "number", "flag": "boolean",
        "empty": ["string", "null"],
    }  # fmt: skip
    found = takes_its_own_file(path)
    assert (found["price"]["multipleOf"], found["mixed"]["multipleOf"]) == (0.001, 0.1)
    formats = {name: value["format"] for name, value in found.items() if "format" in value}
    assert formats == {"day": "date", "when": "date-time", "credit": "cn-credit-code"}


def test_identity_numbers_are_recognised_and_personal(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(
        "身份证号,姓名,状态\n" + "11010519491231002X,测试甲,在册\n440524188001010014,测试乙,注销\n" * 20,
        encoding="gb18030",
    )
    found = takes_its_own_file(path)
    assert (found["身份证号"]["format"], found["身份证号"]["personal"]) == ("cn-identity-number", True)
    assert found["姓名"]["personal"] is True
    assert "personal" not in found["状态"]
    assert "enum" not in found["状态"]
    assert found["状态"]["description"] == "文件中的取值：在册; 注销"


def test_a_wrong_one_among_many_is_said_and_not_made_a_rule(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("id\n" + "11010519491231002X\n" * 30 + "110105194912310021\n")
    found = takes_its_own_file(path)["id"]
    assert "format" not in found
    assert found["personal"] is True
    assert found["description"] == "1 values are no cn-identity-number, the first in line 32"


def test_json_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "r.ndjson"
    path.write_text(
        '{"a":"01","b":1,"c":1.5,"d":true,"e":{"x":1},"f":[1],"g":null,"h":1,"i":"2026-03-01","j":1e400}\n'
        '{"a":"2","b":12345678901234567890,"c":2,"d":false,"e":{},"f":[],"h":"x","i":"2026-03-02","j":1e-400}\n'
    )
    found = takes_its_own_file(path)
    types = {name: value.get("type") for name, value in found.items()}
    assert types == {
        "a": "string", "b": "integer", "c": "number", "d": "boolean", "e": "object", "f": "array",
        "g": ["string", "null"], "h": None, "i": "string", "j": "number",
    }  # fmt: skip
    assert found["i"]["format"] == "date"
    assert "multipleOf" not in found["j"]


@pytest.mark.parametrize(
    ("text", "reason"), [("[1]", "no JSON object"), ("[]", "no records"), ('[{"a":NaN}]', "not JSON")]
)
def test_what_has_no_fields(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(PoolError, match=reason):
        infer(tmp_path / "r.json")


@pytest.mark.skipif(not INPUTS.is_dir(), reason="the inputs are not there")
@pytest.mark.parametrize(
    "name",
    ["people.csv", "gb18030.csv", "utf16.csv", "bom_crlf.csv", "semicolon.csv", "tab.tsv", "quoted.csv", "numbers.csv"],
)
def test_a_proposal_takes_the_file_that_it_is_made_from(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes((INPUTS / name).read_bytes())
    takes_its_own_file(path)


@pytest.mark.skipif(not INPUTS.is_dir(), reason="the inputs are not there")
def test_wrong_check_digits_and_days_are_named_by_line(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "身份证号,,,身份证号,,是,,是,,",
        "姓名,,,文本,,是,,是,,",
        "出生日期,,,日期,,是,,,,",
        "状态,,,文本,,,,,在册;注销,",
    )
    schema = schema_of(read_fields(path)[0])
    check = check_records(open_source(INPUTS / "people.csv", schema), RecordRules.of(schema, is_sealed=False))
    assert [(problem.line, problem.column) for problem in check.problems] == [(4, "身份证号"), (5, "身份证号")]
    assert check.records == 2
