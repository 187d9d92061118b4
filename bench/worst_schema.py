"""Section about validation at its worst: what the costliest legal schema and the costliest legal records take.

A validator checks records on its event loop, and compiles a schema there when it is met first. So these are what one
transaction can hold a node up by.
"""

import json
import time
from collections.abc import Callable, Iterator

from bench.bench import Bench
from bench.figures import Figure, Section
from chain.limits import LIMITS, MIB
from chain.schema import RecordSchema

_ROUNDS = 5
_MEMBERS = LIMITS.schema_subschemas
_NUMBERS = '{"items":{"enum":[' + ",".join(f"{number}.5" for number in range(8000)) + "]}}"


def _full(member: Callable[[int], str]) -> str:
    """A schema with as many properties as one may have, while they fit."""
    members: list[str] = []
    room = LIMITS.schema_size_bytes - len('{"properties":{}}')
    while len(members) < _MEMBERS and (room := room - len(text := f'"{len(members)}":{member(len(members))}') - 1) >= 0:
        members.append(text)
    return '{"properties":{' + ",".join(members) + "}}"


SCHEMAS = {
    "types": _full(lambda number: '{"type":"string"}'),
    "enumerations": _full(lambda number: '{"enum":[1.5,2.5,3.5,4.5,5.5,7.25,8.125,9.0625,10],"minimum":1,"maximum":9}'),
    "patterns": _full(lambda number: '{"pattern":"a|b|c"}' if number < 200 else '{"minLength":1,"maxLength":9}'),
    "one large enumeration": _NUMBERS,
    "one large pattern": json.dumps({"pattern": ".{1,2000}"}),
}
"""Each at a limit."""


def _array(item: str) -> bytes:
    """A record of about the size that one may have, of one value again and again."""
    return ("[" + ",".join([item] * ((LIMITS.record_size_bytes - 1) // (len(item) + 1))) + "]").encode()


RECORDS = {
    "decimals of an enumeration": (_NUMBERS, _array("1.5")),
    "integers with exponents": ('{"items":{"type":"integer"}}', _array("1e0")),
    "multiples": ('{"items":{"multipleOf":0.01,"minimum":0}}', _array("1.5")),
    "short strings with a pattern": ('{"items":{"pattern":"^a+$"}}', _array('"a"')),
    "dates": ('{"items":{"format":"date"}}', _array('"2024-02-29"')),
    "nested arrays": ('{"items":{"items":{"items":{"type":"array"}}}}', _array("[[[]]]")),
    "objects": ('{"items":{"properties":{"a":{"type":"integer"}},"required":["a"]}}', _array('{"a":1}')),
}
"""Schema and record, each of another costly shape."""


def worst_schema(bench: Bench) -> Section:
    """Measured in this process alone."""
    setting = "in one process, the best of five; the costliest of the shapes in `bench/worst_schema.py`"
    return Section("worst_schema", "Validation at its worst", setting, worst_figures())


def worst_figures() -> list[Figure]:
    """Of the costliest schema, and of the costliest record."""
    compiling = {name: _best_s(lambda text=text: RecordSchema(text)) for name, text in SCHEMAS.items()}  # type: ignore[misc]
    checking = dict(_checking_s())
    schema, record = max(compiling, key=compiling.__getitem__), max(checking, key=checking.__getitem__)
    block = LIMITS.schemas_block_size_bytes // LIMITS.schema_size_bytes
    return [
        Figure(
            "schema_worst",
            "compiling the costliest schema",
            compiling[schema] * 1000,
            "ms",
            f"{schema}; a block's parcels are checked by {block} of the largest at most",
        ),
        Figure(
            "record_worst",
            "checking 1 MiB of the costliest record",
            checking[record] * 1000,
            "ms",
            f"{record}; of objects with one field it takes {checking['objects'] * 1000:.0f} ms",
        ),
    ]


def _checking_s() -> Iterator[tuple[str, float]]:
    """Seconds a MiB, by shape."""
    for name, (schema, record) in RECORDS.items():
        rules = RecordSchema(schema)
        if rules.check([record]) is not None:
            raise ValueError(f"the record of {name} breaks its schema")
        yield name, _best_s(lambda rules=rules, record=record: rules.check([record])) * MIB / len(record)  # type: ignore[misc]


def _best_s(work: Callable[[], object]) -> float:
    def once() -> float:
        began_s = time.perf_counter()
        work()
        return time.perf_counter() - began_s

    return min(once() for _ in range(_ROUNDS))
