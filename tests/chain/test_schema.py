"""Dataset schemas: which are taken, and that records are judged alike on every path (scenario 47)."""

import json
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chain.schema
from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.json_reader import read_records
from chain.schema import DRAFT, KEYWORDS, compile_schema
from chain.schema_rules import JSON_TYPES

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
SCHEMA_CODES = (
    ErrorCode.BAD_SCHEMA,
    ErrorCode.SCHEMA_TOO_LARGE,
    ErrorCode.SCHEMA_NOT_JSON,
    ErrorCode.SCHEMA_KEYWORD,
    ErrorCode.SCHEMA_ARGUMENT,
)


def nested(depth: int, inner: str = "1") -> str:
    return "[" * depth + inner + "]" * depth


def refusal(schema: str) -> PoolError:
    with pytest.raises(PoolError) as caught:
        compile_schema(schema)
    assert caught.value.code in SCHEMA_CODES
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
        '{"minimum":-1.5,"exclusiveMaximum":9007199254740993}',
        '{"minimum":-1e-400,"maximum":1e400}',
        '{"enum":[0.1,1.0000000000000000000001,9007199254740993],"const":1.0}',
        '{"minLength":1.0,"maxLength":1e2}',
        '{"title":"t","description":"d","$comment":"c"}',
        '{"properties":{"pattern":{"type":"string"}}}',  # a property may have any name
        '{"minProperties":1,"maxProperties":2,"minItems":0,"maxItems":3,"minLength":0,"maxLength":9}',
        '{"pattern":"^\\\\d{17}[\\\\dX]$","format":"cn-identity-number","personal":true,"titleEn":"identity number"}',
        '{"multipleOf":0.01}',
        '{"multipleOf":1}',
        '{"multipleOf":1e-63,"items":{"multipleOf":1000}}',
        '{"multipleOf":0.10e1}',
    ],
)
def test_accepted_schemas(schema: str) -> None:
    compile_schema(schema)


@pytest.mark.parametrize(
    "keyword",
    ["$ref", "allOf", "anyOf", "oneOf", "not", "if", "uniqueItems", "prefixItems",
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
        '{"minimum":1e1000}',
        '{"maximum":null}',
        '{"minLength":-1}',
        '{"minLength":1.5}',
        '{"maxItems":99999999999}',
        '{"type":"text"}',
        '{"type":[]}',
        '{"type":["string","string"]}',
        '{"type":1}',
        '{"required":"a"}',
        '{"required":["a","a"]}',
        '{"required":[1]}',
        '{"enum":[]}',
        '{"enum":[[1]]}',
        '{"const":{"a":1}}',
        '{"const":"\\ud800"}',
        '{"items":[{}]}',
        '{"items":1}',
        '{"properties":[]}',
        '{"title":1}',
        '{"titleEn":1}',
        '{"personal":1}',
        '{"multipleOf":0}',
        '{"multipleOf":0.05}',
        '{"multipleOf":-0.1}',
        '{"multipleOf":1e64}',
        '{"multipleOf":1e-64}',
        '{"multipleOf":true}',
        '{"multipleOf":"0.1"}',
        '{"format":"email"}',
        '{"format":["date"]}',
        '{"pattern":1}',
        '{"pattern":"("}',
        '{"pattern":"(a|b)*a(a|b){20}"}',
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
        (b'{"delay":1}', "/carrier breaks required"),
        (b'{"carrier":"U"}', "/carrier breaks minLength"),
        (b'{"carrier":1}', "/carrier breaks type"),
        (b'{"carrier":"UA","delay":2001}', "/delay breaks maximum"),
        (b'{"carrier":"UA","delay":1.5}', "/delay breaks type"),
        (b'{"carrier":"UA","delay":1.0000000000000000000001}', "/delay breaks type"),
        (b'{"carrier":"UA","origin":"LAX"}', "/origin breaks enum"),
        (b'{"carrier":"UA","legs":[1,"2"]}', "/legs/1 breaks type"),
        (b'{"carrier":"UA","legs":[1,2,3,4]}', "/legs breaks maxItems"),
        (b'{"carrier":"UA","a/~b":1}', "/a~1~0b breaks additionalProperties"),
        (b"[]", "the top level breaks type"),
        (b'{"origin":"LAX","delay":1.5}', "/carrier breaks required"),
        (b'{"origin":"LAX","carrier":1}', "/origin breaks enum"),
        (b'{"carrier":1,"origin":"LAX"}', "/carrier breaks type"),
        (b'{"carrier":"UA","carrier":"AA"}', "/carrier breaks the rule that a key appears once"),
        (b'{"carrier":1,"delay":1e1000}', "/delay breaks the bound on digits"),
        (b'{"carrier":1,"legs":["\\udead"]}', "/legs/0 breaks the rule that surrogates come in pairs"),
        (b'{"carrier":"UA"', "the top level breaks the grammar of JSON"),
        (b'{"carrier":"UA","delay":NaN}', "the top level breaks the grammar of JSON"),
        (b'{"carrier":"\xff\xfe"}', "the top level breaks the grammar of JSON"),
        (b"[" * 33 + b"]" * 33, "the top level breaks the bound on nesting"),
        (b"[" * 100_000, "the top level breaks the bound on nesting"),
    ],
)
def test_s47_the_reason_names_record_place_and_keyword(record: bytes, reason: str) -> None:
    for good in (b'{"carrier":"UA"}', b'{"carrier": "UA"}'):
        violation = compile_schema(FLIGHT_TEXT).check([good] * 5 + [record, b"also wrong", b'{"carrier":1}'])
        assert violation is not None
        assert violation.code is ErrorCode.SCHEMA_VIOLATION
        assert violation.detail == f"record 5: {reason}"
        assert violation.context["record_index"] == 5


def test_what_is_wrong_in_an_earlier_record_comes_first() -> None:
    violation = compile_schema(FLIGHT_TEXT).check([b'{"carrier":"UA"}', b'{"carrier":1}', b"", b'{"carrier":1}'])
    assert violation is not None
    assert violation.detail == "record 1: /carrier breaks type"


@pytest.mark.parametrize(
    ("schema", "record", "keyword"),
    [
        ('{"minimum":0}', "-1e-400", "minimum"),
        ('{"maximum":0}', "1e-400", "maximum"),
        ('{"exclusiveMinimum":0}', "0.0", "exclusiveMinimum"),
        ('{"exclusiveMaximum":1e2}', "100.00", "exclusiveMaximum"),
        ('{"maximum":9007199254740993}', "9007199254740994", "maximum"),
        ('{"maximum":9007199254740993}', "9007199254740993.0000000000000001", "maximum"),
        ('{"maximum":1e400}', "1.0000000001e400", "maximum"),
        ('{"type":"integer"}', "1.0000000000000000000001", "type"),
        ('{"type":"integer"}', "1e-1", "type"),
        ('{"type":"number"}', "true", "type"),
        ('{"const":0.1}', "0.1000000000000000055511151231257827", "const"),
        ('{"enum":[9007199254740992]}', "9007199254740993", "enum"),
        ('{"enum":[1]}', "true", "enum"),
        ('{"enum":[false]}', "0", "enum"),
        ('{"type":"string","const":"a","enum":["b"]}', '"b"', "const"),
        ('{"type":["string","null"],"enum":["a"]}', "null", "enum"),
        ('{"enum":["a",null]}', "[]", "enum"),
        ('{"minimum":5,"exclusiveMinimum":7,"maximum":3}', "4", "minimum"),
        ('{"minLength":2}', '"\U0001fae8"', "minLength"),
        ('{"multipleOf":0.01}', "1.005", "multipleOf"),
        ('{"multipleOf":0.01}', "1e-3", "multipleOf"),
        ('{"multipleOf":0.01}', "-0.0100000000000000000001", "multipleOf"),
        ('{"multipleOf":100,"type":"integer"}', "150", "multipleOf"),
        ('{"multipleOf":100}', "1.5e2", "multipleOf"),
        ('{"multipleOf":1e63}', "1e62", "multipleOf"),
        ('{"multipleOf":0.1,"maximum":1}', "1.05", "maximum"),
        ('{"pattern":"^a+$"}', '"ab"', "pattern"),
        ('{"pattern":"^a+$","minLength":4}', '"ab"', "minLength"),
        ('{"pattern":"^[0-9-]+$","format":"date"}', '"2026-02-29"', "format"),
        ('{"format":"date","pattern":"^[0-9]+$"}', '"2026-02-29"', "pattern"),
        ('{"format":"cn-identity-number","type":["string","null"]}', '"110105194912310021"', "format"),
        ('{"items":{"format":"phone"}}', '["12345"]', "format"),
        ('{"items":false}', "[1]", "items"),
        ('{"properties":{"a":false}}', '{"a":null}', "properties"),
        ('{"minProperties":2,"required":["x"]}', '{"a":null}', "minProperties"),
        ('{"maxProperties":0}', '{"a":null}', "maxProperties"),
        ('{"minItems":2,"items":{"type":"string"}}', "[1]", "minItems"),
        ('{"additionalProperties":{"type":"null"},"properties":{"a":{}}}', '{"a":1,"b":1}', "type"),
    ],
)  # fmt: skip
def test_numbers_are_compared_exactly_and_keywords_in_order(schema: str, record: str, keyword: str) -> None:
    compiled = compile_schema(schema)
    for records in ([record.encode()], [b" %b " % record.encode()] * 8):
        violation = compiled.check(records)
        assert violation is not None
        assert violation.context["keyword"] == keyword


@pytest.mark.parametrize(
    "odd", ["-1", "11", "-1e-400", "10.5", '"abcd"', '""', "[1]", "[1,2,3,4]", "true", '{"a":1}', "{}"]
)
def test_one_among_many_is_found(odd: str) -> None:
    schema = compile_schema(
        '{"type":["number","string","array","object","null"],"minimum":0,"exclusiveMaximum":10.5,"minLength":1,'
        '"maxLength":3,"minItems":2,"maxItems":3,"minProperties":1,"properties":{"a":{"type":"null"}}}'
    )
    good = [
        b"0",
        b"5.5",
        b"10",
        b'"a"',
        b'"abc"',
        b'"ab"',
        b"[1,2]",
        b"[1,2,3]",
        b'{"a":null}',
        b'{"b":1}',
        b"null",
    ] * 2
    assert schema.check(good) is None
    violation = schema.check([*good, odd.encode(), *good])
    assert violation is not None
    assert violation.context["record_index"] == len(good)


@pytest.mark.parametrize(
    ("schema", "record"),
    [
        ('{"type":"integer"}', "1.0"),
        ('{"type":"integer"}', "-0.000"),
        ('{"type":"integer"}', "1.5e1"),
        ('{"type":"integer"}', "1e999"),
        ('{"type":"integer"}', "9" * 64),
        ('{"minimum":0,"maximum":0}', "-0e-999"),
        ('{"const":0.1}', "0.10"),
        ('{"enum":[100,"x"]}', "1E+2"),
        ('{"enum":[1e400]}', "10e399"),
        ('{"exclusiveMinimum":0}', "1e-400"),
        ('{"multipleOf":0.01}', "1.10"),
        ('{"multipleOf":0.01}', "-3.14000"),
        ('{"multipleOf":0.01}', "7"),
        ('{"multipleOf":0.01}', "1e999"),
        ('{"multipleOf":0.01}', "0e-999"),
        ('{"multipleOf":100}', "1.5e3"),
        ('{"multipleOf":100}', "-1500"),
        ('{"multipleOf":1e63}', "0"),
        ('{"pattern":"^a","format":"date","multipleOf":0.1}', "null"),
        ('{"pattern":"a"}', '"bab"'),
        ('{"format":"date-time"}', '"2026-03-01T08:00:00+08:00"'),
        ('{"format":"cn-credit-code","pattern":"^91","maxLength":18}', '"91350100M000100Y43"'),
        ('{"maxLength":1}', '"\U0001fae8"'),
        ('{"minLength":5,"minimum":9,"minItems":5,"required":["a"]}', "true"),
        ('{"type":["integer","string"],"minimum":5,"minLength":2}', '"ab"'),
    ],
)
def test_what_keeps_the_schema_however_it_is_written(schema: str, record: str) -> None:
    compiled = compile_schema(schema)
    for records in ([record.encode()], [b" %b " % record.encode()] * 8, [record.encode()] * 9):
        assert compiled.check(records) is None


@pytest.mark.parametrize(
    "record",
    [
        b'{"carrier":"UA","delay":null,"origin":"JFK","legs":[1,2.5,-3e2]}',
        b' { "carrier" : "UA" } ',  # spaces break nothing
        '{"carrier":"联航"}'.encode(),
        b'{"carrier":"\\u0055A"}',  # an escape that orjson would write otherwise
        b'{"carrier":"UA","delay":1.0}',  # an integer by the rules of draft 2020-12
    ],
)
def test_accepted_records(record: bytes) -> None:
    schema = compile_schema(FLIGHT_TEXT)
    assert schema.check([record]) is None
    assert schema.check([record, b'{"carrier":"UA"}', record]) is None


def test_s47_the_verdict_does_not_depend_on_the_callers_stack() -> None:
    """Validators reach the schema check through different calls; the reason must be the same for all of them."""
    schema, record = compile_schema("{}"), nested(900).encode()

    def from_depth(frames: int) -> PoolError | None:
        return from_depth(frames - 1) if frames else schema.check([record])

    shallow, deep = from_depth(0), from_depth(400)
    assert shallow is not None
    assert deep is not None
    assert shallow.detail == deep.detail


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


decimals = st.decimals(-5, 5, allow_nan=False).map(str).filter(lambda text: len(text) <= LIMITS.number_digits)
numbers = decimals | st.integers(-5, 5).map(str) | st.sampled_from(["1e400", "-1e-400"])
schemas = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.lists(st.sampled_from(list(JSON_TYPES)), min_size=1, unique=True),
            "minimum": st.integers(-3, 3),
            "exclusiveMaximum": st.integers(-3, 3),
            "maximum": st.integers(-3, 3),
            "minLength": st.integers(0, 2),
            "maxLength": st.integers(0, 3),
            "enum": st.lists(st.sampled_from([0, 1, True, False, None, "a", "UA", 2]), min_size=1),
            "maxItems": st.integers(0, 3),
            "minProperties": st.integers(0, 2),
            "required": st.lists(st.sampled_from(["carrier", "delay"]), unique=True),
            "multipleOf": st.sampled_from([0.1, 1, 10]),
            "pattern": st.sampled_from(["^U", "A$", "^(a|U)+$"]),
            "format": st.sampled_from(["date", "phone"]),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {}, optional={
            "properties": st.dictionaries(st.sampled_from(list(FLIGHT["properties"])), inner | st.booleans()),  # type: ignore[call-overload]
            "additionalProperties": inner | st.booleans(), "items": inner | st.booleans(),
        }
    ),
    max_leaves=5,
)  # fmt: skip


@given(schemas, st.lists(written | numbers.map(str.encode), min_size=1, max_size=8), st.integers(1, 5))
def test_judging_by_columns_and_one_by_one_agree(schema: object, records: list[bytes], copies: int) -> None:
    compiled = compile_schema(json.dumps(schema))
    values, bad = read_records(records * copies)
    assert bad is None
    one_by_one = [compiled.rule.first_violation(value) is None for value in values]
    assert compiled.rule.accepts(values) == all(one_by_one)
    violation = compiled.check(records * copies)
    assert (violation and violation.context["record_index"]) == (None if all(one_by_one) else one_by_one.index(False))


def test_an_enum_as_large_as_a_schema_can_have_costs_little() -> None:
    """Once 0.9 s and 1 GB a record: every violation was described with the whole enum."""
    schema = json.dumps({"properties": {"code": {"enum": [f"code-{number:05}" for number in range(3700)]}}})
    compiled = compile_schema(schema)
    records = [b'{"code":[%b]}' % b",".join([b"0"] * 4000), b'{"code":"code-x"}']
    tracemalloc.start()
    for record in records:
        started_s = time.process_time()
        assert compiled.check([record]) is not None
        assert time.process_time() - started_s < 0.05
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_s47_numbers_that_hash_alike_cost_no_more() -> None:
    alike = [str(number * (2**61 - 1)) for number in range(1, 2500)]  # all of hash 0
    compiled = compile_schema(f'{{"items":{{"enum":[{",".join(alike)}]}}}}')
    record = b"[%b]" % b",".join([b"0"] + [str(2**61 - 1).encode()] * 10_000)
    started_s = time.process_time()
    violation = compiled.check([record])
    assert time.process_time() - started_s < 0.5
    assert violation is not None
    assert violation.context["pointer"] == "/0"


def test_a_long_path_is_cut_to_the_reasons_bound() -> None:
    name = "n" * 1000
    schema = compile_schema(json.dumps({"properties": {name: {"type": "null"}}}))
    violation = schema.check([json.dumps({name: 1}).encode()])
    assert violation is not None
    assert len(violation.detail) <= LIMITS.reason_length


def test_s100_what_patterns_take_in_memory_counts() -> None:
    """Small texts with large tables would fill the memory of every validator."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    compiled = [compile_schema(f'{{"pattern":"^a.{{0,{count}}}$"}}') for count in range(650, 730)]
    for schema in compiled:
        assert schema.check([json.dumps("a" + "".join(map(chr, range(0x4E00, 0x5080)))).encode()]) is None
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before <= 60 * sum(schema.weight for schema in compiled)
    assert sum(schema.weight for schema in chain.schema._known.values()) <= chain.schema._KNOWN_SIZE
    assert compiled[0] is not compile_schema('{"pattern":"^a.{0,650}$"}')


def test_what_is_kept_compiled_is_bounded_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chain.schema._KNOWN_SIZE", 100)
    small, other = '{"const":1}', '{"const":2}'
    first = compile_schema(small)
    compile_schema(other)
    assert compile_schema(small) is first
    large = json.dumps({"title": "x" * 70})
    assert compile_schema(large) is compile_schema(large)
    assert compile_schema(small) is first
    compile_schema(json.dumps({"title": "y" * 80}))
    assert compile_schema(small) is not first
