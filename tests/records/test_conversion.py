"""What a cell's text becomes: its digits as they stand, or a refusal that says why."""

import pytest

from records.conversion import converter


@pytest.mark.parametrize(
    ("types", "text", "json"),
    [
        ("integer", "9007199254740993", "9007199254740993"),
        ("integer", "1234567890123456789012", "1234567890123456789012"),
        ("integer", "-0", "-0"),
        ("number", "0.10", "0.10"),
        ("number", "1e400", "1e400"),
        ("number", "-1e-400", "-1e-400"),
        ("number", "12345678901234567890.123456789", "12345678901234567890.123456789"),
        (["integer", "null"], "", "null"),
        (["integer", "string"], "7", "7"),
        (["integer", "string"], "007", '"007"'),
        (["number", "string"], "NaN", '"NaN"'),
        ("boolean", "TRUE", "true"),
        ("boolean", "false", "false"),
        ("string", "007", '"007"'),
        ("string", "", '""'),
        (["string", "null"], " ", '" "'),
        (["string", "null"], "NA", '"NA"'),
        ("string", 'a"\\\n\x7f航', '"a\\"\\\\\\n\x7f航"'),
    ],
)
def test_values(types: object, text: str, json: str) -> None:
    assert converter({"type": types})(text) == json


@pytest.mark.parametrize(
    ("types", "text", "reason"),
    [
        ("integer", "", "is not integer"),
        (["integer", "null"], "NA", "'NA' is not integer"),
        ("integer", "001234", "leading zeros would be lost"),
        ("integer", "+7", "plus sign"),
        ("integer", "110101199003078515.0", "a fraction or an exponent"),
        ("integer", "1,234", "without separators"),
        ("number", "1,5", "decimal point"),
        ("integer", "１２３", "digits as 0 to 9"),
        ("integer", "9" * 65, "at most 64 digits"),
        ("number", "0." + "1" * 64, "at most 64 digits"),
        ("number", "1e99999999", "out of bounds"),
        ("number", ".5", "is not number"),
        ("number", "NaN", "is not number"),
        ("number", "Infinity", "is not number"),
        ("number", "0x10", "is not number"),
        ("boolean", "yes", "is not boolean"),
        (["integer", "boolean"], "x" * 100, "…' is not boolean or integer"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(types: object, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        converter({"type": types})(text)


def test_a_column_without_a_description_is_text() -> None:
    assert converter(None)("1") == converter({"enum": ["1"]})("1") == '"1"'
