"""Vectors of JSON texts and schemas: which records are refused or break a schema, where, and by what."""

from typing import Any

from chain.errors import PoolError
from chain.primitives.json_self_test import BAD, GOOD
from chain.schema import compile_schema


def _words(text: str) -> list[str]:
    return text.split()


NUMBERS = [
    *_words("""
9007199254740993 0.1 110101199003078515.0 1 1234567890123456789012 12345678901234567890.123456789 1e400 -1e400
1e-400 -1e-400 0.10 001234 NA NaN Infinity -0 -0.0 1E+2 100 1.0000000000000000000001
0.1000000000000000055511151231257827 1e999 1e-999 1e0999 1e1000 1e-1000 0e1000
    """),
    *("9" * 64, "9" * 65, "0." + "0" * 63, "0." + "0" * 64),
]
"""Numbers, as they stand in records, and what is none."""
OF_NUMBERS = _words("""
{"type":"integer"} {"type":"number"} {"type":["string","integer"]} {"minimum":0} {"exclusiveMaximum":1e400}
{"maximum":9007199254740992} {"enum":[0.10,1e2,9007199254740993]} {"const":1.0}
""")
MEMBERS = (
    '{"type":"object","properties":{"a":{"type":"array","maxItems":2,"items":{"type":"string","minLength":2}},"b":false},'
    '"required":["a","c"],"additionalProperties":{"enum":[null,true,"x",1]},"maxProperties":4}'
)
OF_MEMBERS = [
    *_words("""
{"a":["ab"],"c":null} {"c":1.0,"a":[]} {"a":["ab"]} {"c":true} [] {"a":["ab","x"],"c":0} {"c":0,"a":["ab","x"]}
{"a":["ab","cd","e"],"c":1} {"a":[],"b":1,"c":1} {"a":[],"c":1,"/":1,"~":2} {"a":[],"c":"x","d":"x","e":1,"f":1}
{"a":[],"c":{}} {"a":[],"c":false}
    """),
    '{"a":["\U0001fae8"],"c":1}',
    ' {"a" :\t[\r"ab"\n] , "c":null}\n',
    f'{{"a":[],"c":1,"{"n" * 300}":2}}',
]
CHOICE = '{"const":"a","type":["string","null"],"enum":["a","b",null]}'
LIMITED = (
    '{"minimum":1,"exclusiveMinimum":1,"maximum":3,"exclusiveMaximum":3,"minLength":1,"minItems":1,"minProperties":1}'
)
UNDER_SCHEMAS = {
    MEMBERS: OF_MEMBERS,
    CHOICE: ['"a"', '"b"', "null", '"c"', "1", "false", '"\\u0061"'],
    LIMITED: ["0", "1", "1.0000000000000000000001", "3", "3.5", '""', "[]", "{}", "null"],
    **dict.fromkeys(OF_NUMBERS, NUMBERS),
}
"""Schemas and records."""
SCHEMAS = [
    "",
    *_words(r"""
{} {"minLength":1e0,"maxLength":2147483648} {"minimum":-1e400,"maximum":0.10} {"properties":{"pattern":true}}
{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"","description":"","$comment":""} [] true {
{"type":"text"} {"type":[]} {"type":["null","null"]} {"type":"null","type":"null"} {"minimum":"0"}
{"minimum":1e1000} {"enum":[]} {"enum":[[]]} {"const":{}} {"maxLength":-1} {"maxLength":0.5}
{"maxItems":2147483649} {"items":[]} {"items":1} {"properties":[]} {"properties":{"a":{"pattern":"x"}}}
{"format":"date"} {"$ref":"#"} {"title":1} {"title":"\ud83e"} {"required":["a","a"]}
{"$schema":"http://json-schema.org/draft-07/schema#"} {"items":{"items":{"\u5e74":1}}}
    """),
]
"""Good ones and bad ones."""


def make_schemas() -> dict[str, Any]:
    """Texts (hexadecimal, since not all are UTF-8), records under schemas, and schemas."""
    return {
        "texts": [{"text": text.hex(), **_violation("{}", text)} for text in (*GOOD, *BAD) if len(text) < 1000],
        "records": [
            {"schema": schema, "record": record, **_violation(schema, record.encode())}
            for schema, records in UNDER_SCHEMAS.items()
            for record in records
        ],
        "schemas": [{"schema": schema, "bad_at": _bad_place(schema)} for schema in SCHEMAS],
    }


def _bad_place(schema: str) -> str | None:
    try:
        compile_schema(schema)
    except PoolError as error:
        return str(error.context["pointer"])
    return None


def _violation(schema: str, record: bytes) -> dict[str, str | None]:
    found = compile_schema(schema).check([record])
    return {"keyword": None} if found is None else {key: str(found.context[key]) for key in ("keyword", "pointer")}
