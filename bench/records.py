"""The records that are submitted: real flights, about 300 bytes of JSON each, and the schema they satisfy."""

import csv
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from chain.catalogue import Description

SHARED = Description(scope="the members of the benchmark", use="measuring")
"""What the catalogue needs to say of a dataset that is shared conditionally."""
DATA = Path(__file__).parents[1] / "examples" / "data"


@cache
def flight_records() -> tuple[bytes, ...]:
    """One week of flights as compact JSON objects; every record satisfies ``flight_schema``."""
    schema = json.loads(flight_schema())
    numbers = {name for name, rule in schema["properties"].items() if "integer" in rule["type"]}
    with (DATA / "flights.csv").open(newline="", encoding="utf-8") as file:
        return tuple(_encode(row, numbers) for row in csv.DictReader(file))


@cache
def flight_schema() -> str:
    """The JSON Schema of flights, as text."""
    return (DATA / "schemas" / "flights.json").read_text(encoding="utf-8")


def record_groups(size: int, count: int) -> list[Sequence[bytes]]:
    """``count`` different groups of ``size`` records, cut from the week of flights in turn."""
    records = flight_records()
    doubled = records + records
    return [doubled[start : start + size] for start in (number * size % len(records) for number in range(count))]


def mean_size_bytes() -> int:
    """Mean length of a record's body."""
    records = flight_records()
    return sum(map(len, records)) // len(records)


def _encode(row: dict[str, str], numbers: set[str]) -> bytes:
    values = {
        name: None if text in ("", "NA") else int(text) if name in numbers else text for name, text in row.items()
    }
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()
