"""The shipped records are what their README says, and conform to the schemas that the demonstration registers."""

import csv
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from chain.errors import ErrorCode
from chain.schema import compile_schema

DATA = Path(__file__).resolve().parent.parent / "examples" / "data"
ROWS = {"flights": 6099, "weather": 498, "planes": 3322, "airports": 1458}


def schema_of(table: str) -> dict[str, Any]:
    return json.loads((DATA / "schemas" / f"{table}.json").read_bytes())


def typed(text: str, types: list[str]) -> Any:
    if text in ("", "NA") and "null" in types:
        return None
    if "integer" in types:
        return int(text)
    return float(text) if "number" in types else text


def records_of(table: str) -> list[bytes]:
    rules = schema_of(table)["properties"]
    types = {name: [rule["type"]] if isinstance(rule["type"], str) else rule["type"] for name, rule in rules.items()}
    with (DATA / f"{table}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [orjson.dumps({name: typed(text, types[name]) for name, text in row.items()}) for row in rows]


@pytest.mark.parametrize("table", ROWS)
def test_every_row_conforms_to_its_schema(table: str) -> None:
    records = records_of(table)
    assert compile_schema((DATA / "schemas" / f"{table}.json").read_text()).check(records) is None
    assert len(records) == ROWS[table]


@pytest.mark.parametrize("table", ROWS)
def test_schemas_are_closed_and_bilingual(table: str) -> None:
    schema = schema_of(table)
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"])
    for described in (schema, *schema["properties"].values()):
        english, chinese = described["description"].split(" / ", 1)
        assert english.isascii()
        assert any("\u4e00" <= character <= "\u9fff" for character in chinese)


def test_known_error_of_the_source_is_refused() -> None:
    records = records_of("weather")
    broken = orjson.dumps(orjson.loads(records[3]) | {"wind_speed": 1048.36058})
    violation = compile_schema((DATA / "schemas" / "weather.json").read_text()).check(
        [*records[:3], broken, *records[4:]]
    )
    assert violation is not None
    assert violation.code == ErrorCode.SCHEMA_VIOLATION
    assert violation.context["record_index"] == 3
