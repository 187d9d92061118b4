"""Dataset schemas: which are taken, and that records are judged alike on every path (scenario 47)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.schema import DRAFT, KEYWORDS, compile_schema, depth_of, record_index_of

FLIGHT = {
    "$schema": DRAFT,
    "type": "object",
    "properties": {
        "carrier": {"type": "string", "minLength": 2, "maxLength": 3},
        "delay": {"type": ["integer", "null"], "minimum": -100, "maximum": 2000},
        "origin": {"enum": ["EWR", "JFK", "LGA"]},
        "legs": {"type": "array", "items": {"type": "number"}, "maxItems": 3},
    },
    "required": ["carrier"],
    "additionalProperties": False,
}
FLIGHT_TEXT = json.dumps(FLIGHT)


def nested(depth: int, inner: str = "1") -> str:
    return "[" * depth + inner + "]" * depth


def refusal(schema: str) -> PoolError:
    with pytest.raises(PoolError) as caught:
        compile_schema(schema)
    assert caught.value.code is ErrorCode.BAD_SCHEMA
    return caught.value


@pytest.mark.parametrize(
    "schema",
    [
        "{}",
        FLIGHT_TEXT,
        '{"type":["string","null"]}',
        '{"items":false}',
        '{"additionalProperties":{"type":"integer"}}',
        '{"const":null}',
        '{"enum":[1,"a",true,null]}',
        '{"minimum":-1.5,"exclusiveMaximum":9007199254740991}',
        '{"title":"t","description":"d","$comment":"c"}',
        '{"properties":{"pattern":{"type":"string"}}}',  # a property may have any name
        '{"minProperties":1,"maxProperties":2,"minItems":0,"maxItems":3,"minLength":0,"maxLength":9}',
    ],
)
def test_accepted_schemas(schema: str) -> None:
    compile_schema(schema)


@pytest.mark.parametrize(
    "keyword",
    ["pattern", "format", "$ref", "multipleOf", "allOf", "anyOf", "oneOf", "not", "if", "uniqueItems", "prefixItems",
     "patternProperties", "propertyNames", "contains", "dependentRequired", "$defs", "$id", "default", "x"],
)  # fmt: skip
def test_keywords_whose_verdict_could_differ_are_refused_everywhere(keyword: str) -> None:
    assert keyword not in KEYWORDS
    for place in ("{%s}", '{"items":{%s}}', '{"properties":{"a":{%s}}}', '{"additionalProperties":{"items":{%s}}}'):
        assert keyword in refusal(place % f'"{keyword}":true').detail


@pytest.mark.parametrize(
    "schema",
    [
        "",
        "[]",
        "true",
        "1",
        '"x"',
        "{",
        '{"type":"object","type":"object"}',  # duplicate key
        '{"properties":{"a":{},"a":{}}}',
        '{"minimum":NaN}',
        '{"minimum":Infinity}',
        '{"minimum":"1"}',
        '{"minimum":true}',
        '{"minimum":9007199254740993}',
        '{"maximum":1e300}',
        '{"minLength":-1}',
        '{"minLength":1.0}',
        '{"maxItems":99999999999}',
        '{"type":"text"}',
        '{"type":[]}',
        '{"type":["string","string"]}',
        '{"type":1}',
        '{"required":"a"}',
        '{"required":["a","a"]}',
        '{"required":[1]}',
        '{"enum":[]}',
        '{"enum":[1.5]}',
        '{"enum":[[1]]}',
        '{"const":{"a":1}}',
        '{"const":1.0}',
        '{"const":9007199254740993}',
        '{"items":[{}]}',
        '{"items":1}',
        '{"properties":[]}',
        '{"title":1}',
        '{"$schema":"http://json-schema.org/draft-07/schema#"}',
        '{"items":' * 33 + "{}" + "}" * 33,
        '{"items":' * 5000 + "{}" + "}" * 5000,
        json.dumps({"description": "x" * LIMITS.schema_size_bytes}),
    ],
)
def test_refused_schemas(schema: str) -> None:
    refusal(schema)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b'{"delay":1}', "/ breaks 'required'"),
        (b'{"carrier":"U"}', "/carrier breaks 'minLength'"),
        (b'{"carrier":1}', "/carrier breaks 'type'"),
        (b'{"carrier":"UA","delay":2001}', "/delay breaks 'maximum'"),
        (b'{"carrier":"UA","delay":1.5}', "/delay breaks 'type'"),
        (b'{"carrier":"UA","origin":"LAX"}', "/origin breaks 'enum'"),
        (b'{"carrier":"UA","legs":[1,"2"]}', "/legs/1 breaks 'type'"),
        (b'{"carrier":"UA","legs":[1,2,3,4]}', "/legs breaks 'maxItems'"),
        (b'{"carrier":"UA","other":1}', "/ breaks 'additionalProperties'"),
        (b"[]", "/ breaks 'type'"),
        (b'{"carrier":"UA","carrier":"AA"}', "a key appears twice in one object"),
        (b'{"carrier":"UA"', "not strict JSON"),
        (b'{"carrier":"UA"}{}', "not strict JSON"),
        (b'{"carrier":"UA"},{"carrier":"UA"}', "not strict JSON"),
        (b'{"carrier":"UA","delay":NaN}', "not strict JSON"),
        (b'{"carrier":"UA","delay":Infinity}', "not strict JSON"),
        (b'{"carrier":"UA","delay":-Infinity}', "not strict JSON"),
        (b'{"carrier":"\xff\xfe"}', "not strict JSON"),
        (b"\xef\xbb\xbf{}", "not strict JSON"),
        (b"", "not strict JSON"),
        (b'{"carrier":"U\nA"}', "not strict JSON"),
        (b"{'carrier':'UA'}", "not strict JSON"),
    ],
)
def test_s47_the_reason_names_record_place_and_keyword(record: bytes, reason: str) -> None:
    offence = compile_schema(FLIGHT_TEXT).check([b'{"carrier":"UA"}', record, b"also wrong"])
    assert offence is not None
    assert offence.code is ErrorCode.SCHEMA_VIOLATION
    assert offence.detail == f"record 1: {reason}"
    assert offence.context == {"record_index": 1}


@pytest.mark.parametrize(
    "record",
    [
        b'{"carrier":"UA","delay":null,"origin":"JFK","legs":[1,2.5,-3e2]}',
        b' { "carrier" : "UA" } ',  # spaces are no offence
        '{"carrier":"联航"}'.encode(),
        b'{"carrier":"\\u0055A"}',  # an escape that orjson would write otherwise
        b'{"carrier":"UA","delay":1.0}',  # an integer by the rules of draft 2020-12
    ],
)
def test_accepted_records(record: bytes) -> None:
    schema = compile_schema(FLIGHT_TEXT)
    assert schema.check([record]) is None
    assert schema.check([record, b'{"carrier":"UA"}', record]) is None


def test_s47_depth_is_bounded() -> None:
    schema = compile_schema("{}")
    assert schema.check([nested(LIMITS.json_depth).encode()]) is None
    for depth in (LIMITS.json_depth + 1, 100, 300, 980, 1_020):
        offence = schema.check([b"1", nested(depth).encode()])
        assert offence is not None
        assert offence.detail == f"record 1: nested deeper than {LIMITS.json_depth}"
    for depth in (1_100, 100_000):
        offence = schema.check([b"1", nested(depth).encode()])
        assert offence is not None
        assert offence.detail == "record 1: not strict JSON"


def test_s47_the_verdict_does_not_depend_on_the_callers_stack() -> None:
    """Validators reach the schema check through different calls; the reason must be the same for all of them."""
    schema, record = compile_schema("{}"), nested(900).encode()

    def from_depth(frames: int) -> PoolError | None:
        return from_depth(frames - 1) if frames else schema.check([record])

    shallow, deep = from_depth(0), from_depth(400)
    assert shallow is not None
    assert deep is not None
    assert shallow.detail == deep.detail


def test_s47_many_brackets_inside_strings_are_not_depth() -> None:
    assert compile_schema("{}").check([b'["' + b"[" * 100 + b'"]']) is None


@pytest.mark.parametrize(
    "digits", ["1" + "0" * 30, "9" * 400, "-" + "9" * 5000, "1e400", "1e-400", "18446744073709551616"]
)
def test_s47_huge_numbers_are_judged_alike_alone_and_in_bulk(digits: str) -> None:
    schema = compile_schema('{"type":"array","items":{"type":"number","maximum":1000}}')
    record = f"[{digits}]".encode()
    alone, bulk = schema.check([record]), schema.check([b"[1]", record])
    assert (alone is None) == (bulk is None)
    if alone is not None and bulk is not None:
        assert alone.detail.removeprefix("record 0: ") == bulk.detail.removeprefix("record 1: ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3000, 3000) | st.floats(-5, 5) | st.text("aUA", max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(list(FLIGHT["properties"])), inner),  # type: ignore[call-overload]
    max_leaves=8,
)
flights = st.fixed_dictionaries(
    {"carrier": st.sampled_from(["UA", "DL", "U", 1])},
    optional={
        "delay": st.none() | st.integers(-200, 3000),
        "legs": st.lists(st.integers(), max_size=4),
        "x": st.none(),
    },
)
written = st.builds(
    lambda value, compact: json.dumps(value, separators=(",", ":") if compact else None).encode(),
    flights | json_values,
    st.booleans(),
)
odd = st.sampled_from(
    [b"", b"{", b"[1,]", b'{"carrier":"UA","carrier":"UA"}', b"NaN", b"1", b"]", b"[", b"1,1", b'"', b"\xff"]
)


@given(st.lists(written | odd, min_size=1, max_size=6))
def test_bulk_and_single_checks_agree(records: list[bytes]) -> None:
    schema = compile_schema(FLIGHT_TEXT)
    first = None
    for index, record in enumerate(records):
        single = schema.check([record])
        if single is not None:
            first = single.detail.replace("record 0", f"record {index}", 1)
            break
    bulk = schema.check(records)
    assert (bulk.detail if bulk else None) == first


@given(json_values)
def test_depth(value: object) -> None:
    def naive(item: object) -> int:
        children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else None
        return 0 if children is None else 1 + max(map(naive, children), default=0)

    assert depth_of(value) == naive(value)


def test_a_long_path_is_cut_to_the_reasons_bound() -> None:
    name = "n" * 1000
    schema = compile_schema(json.dumps({"properties": {name: {"type": "null"}}}))
    offence = schema.check([json.dumps({name: 1}).encode()])
    assert offence is not None
    assert len(offence.detail) <= LIMITS.reason_length


@pytest.mark.parametrize(
    ("reason", "index"),
    [
        ("record 17: /n breaks 'maximum'", 17),
        ("record 0: not strict JSON", 0),
        ("a.flights is not here", None),
        ("", None),
    ],
)
def test_a_reason_tells_which_record_it_names(reason: str, index: int | None) -> None:
    assert record_index_of(reason) == index
