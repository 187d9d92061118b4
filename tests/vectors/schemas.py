"""Vectors of JSON texts and schemas: which records are refused or break a schema, where, and by what."""

from json.encoder import encode_basestring as json_string
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
MULTIPLES = _words("""
{"multipleOf":0.01} {"multipleOf":1} {"multipleOf":1e-63} {"multipleOf":100,"minimum":-1000} {"multipleOf":10e62}
""")
FORMATTED = {
    "date": "2026-03-01 2024-02-29 2026-02-29 1900-02-29 2000-02-29 0000-01-01 0001-01-01 2026-3-1 "
    "２０２６-03-01 2026-13-01",
    "date-time": "2026-03-01T08:00:00+08:00 2026-03-01T08:00:00.123456789Z 2026-03-01T08:00:60Z 2026-03-01T08:00:00 "
    "2026-03-01T24:00:00Z 2026-02-29T08:00:00Z 2026-03-01T08:00:00.Z 2026-03-01T08:00:00-23:59 2026-03-01t08:00:00Z",
    "cn-identity-number": "11010519491231002X 440524188001010014 110105194912310021 11010520230229001X "
    "11010519491231002x 110105194912310038 010105194912310021 11010517991231002X 1101051949123100２X 110105491231002",
    "cn-credit-code": "91350100M000100Y43 91110000600037341L 9144030071526726XG 91350100M000100Y44 9135010OM000100Y43 "
    "91350100m000100y43 913501A0M000100Y43 91350100M000100Y4",
    "phone": "13800138000 12800138000 010-62345678 0755-26123456-801 010-12345678 62345678 +8613800138000 +123456 "
    "+0123456789 010-62345678- １3800138000",
}
"""Texts that have a format, and texts that have not."""
MATCHED = {
    r"^\d{17}[\dX]$": "11010519491231002X 1101051949123100２X 11010519491231002",
    "^[京津沪渝冀-龥][A-Z][A-Z0-9]{5,6}$": "京A12345 沪AD12345 京a12345 京A1234",
    "^(a|b)*a(a|b){4}$": "aaaaa bbbbb abbbb babbbb",
    "^(?:ab?){2,}c{0,2}$": "aa ababc aacc aaccc a",
    "a|bc": "xbcx b \U0001f600a",
    r"^[^\w\-]+$": "é龥 a - \U0001f600 a-",
    "^.{2}$": "ab \U0001f600\U0001f600 a abc",
    "(x+x+)+y": "xxxxxxxxxxxxxxxxxxxxxxxxxxxx xxxy",
    r"^\$\{\}\/$": "${}/ {}",
}
"""Patterns, and strings."""
UNDER_SCHEMAS = {
    MEMBERS: OF_MEMBERS,
    CHOICE: ['"a"', '"b"', "null", '"c"', "1", "false", '"\\u0061"'],
    LIMITED: ["0", "1", "1.0000000000000000000001", "3", "3.5", '""', "[]", "{}", "null"],
    **dict.fromkeys((*OF_NUMBERS, *MULTIPLES), NUMBERS),
    **{f'{{"format":"{name}"}}': list(map(json_string, texts.split())) for name, texts in FORMATTED.items()},
    **{
        f'{{"pattern":{json_string(pattern)}}}': list(map(json_string, ["", "\n", *texts.split()]))
        for pattern, texts in MATCHED.items()
    },
    '{"pattern":"^a","format":"date","minLength":3,"type":["string","null"]}': ['"a"', '"abc"', '"xyz"', "null", "1"],
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
{"properties":{"a":{"pattern":"("}}} {"format":"date","personal":true,"titleEn":""} {"format":"email"} {"personal":1}
{"titleEn":1} {"multipleOf":0.1e-62}
{"multipleOf":0.1e-63} {"multipleOf":1e64} {"multipleOf":0} {"multipleOf":0.05} {"multipleOf":-1}
{"$ref":"#"} {"title":1} {"title":"\ud83e"} {"required":["a","a"]}
{"$schema":"http://json-schema.org/draft-07/schema#"} {"items":{"items":{"\u5e74":1}}}
    """),
]
"""Good ones and bad ones."""


PATTERNS = [
    *_words(r"""
a ^a$ a|b ^a|b a|b$ ^(a|b)$ ^ $ ^$ a^b a$b ^^a a| () (|a) (a (?:a) (?=a) (?i)a a** a+? a{0} a{1} a{0,0} a{0,1} a{2,1}
a{1,} a{,1} a{10000} a{} a{1}{2} [a] [] [^] [-a] [a-] [a-b-c] [b-a] [a-a] [\d-a] [\w\d] [[] [\[] [a^] [^^] [\^] \d \w
\s \b \1 \/ / \- [\-] \u0041 \p{L} ] } { . [^\w] ^[\d\-]+$ a{2048} a{2049} (a?){2048} (a?){100} (a?){200}
^.{0,1000}$ ^.{0,1100}$ (a|b)*a(a|b){8}
(a|b)*a(a|b){9} ^(\d{4}){512}$
    """),
    *("(" * 32 + "a" + ")" * 32, "(" * 33 + "a" + ")" * 33, "[^\\w\x00-/:-@\\[-\\^`{-\U0010ffff]"),
]
"""Patterns that are taken and others, with the bounds on both sides."""


def make_schemas() -> dict[str, Any]:
    """Texts (hexadecimal, since not all are UTF-8), records under schemas, and schemas."""
    return {
        "texts": [{"text": text.hex(), **_violation("{}", text)} for text in (*GOOD, *BAD) if len(text) < 1000],
        "records": [
            {"schema": schema, "record": record, **_violation(schema, record.encode())}
            for schema, records in UNDER_SCHEMAS.items()
            for record in records
        ],
        "schemas": [{"schema": schema, "bad_at": _bad_place(schema)} for schema in _all_schemas()],
    }


def _all_schemas() -> list[str]:
    many = ",".join(f'"{name}":{{"pattern":"^[0-9]{{17}}[0-9X]$"}}' for name in range(120))
    return [
        *SCHEMAS,
        *(f'{{"pattern":{json_string(pattern)}}}' for pattern in PATTERNS),
        f'{{"properties":{{{many}}}}}',
    ]


def _bad_place(schema: str) -> str | None:
    try:
        compile_schema(schema)
    except PoolError as error:
        return str(error.context["pointer"])
    return None


def _violation(schema: str, record: bytes) -> dict[str, str | None]:
    found = compile_schema(schema).check([record])
    return {"keyword": None} if found is None else {key: str(found.context[key]) for key in ("keyword", "pointer")}
