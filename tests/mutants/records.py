"""Mutants of reading JSON and of judging records (scenario 47)."""

from __future__ import annotations

from tests.mutants.definition import Edit, Mutant

READER = "tests/chain/test_json_reader.py"
SCHEMA = "tests/chain/test_schema.py"
VECTORS = (f"{READER}::test_s47_the_installed_libraries_read_the_vectors",)
WITHOUT_THE_QUICK_WAY = (f"{READER}::test_s47_the_vectors_are_read_alike_without_the_quick_way",)

MUTANTS = (
    Mutant(
        "records are not compared with what the encoder writes",
        47,
        (Edit("_read_canonical", "_encode_lines(values) != lines", "False"),),
        VECTORS,
    ),
    Mutant(
        "canonical texts may have any number of digits",
        47,
        (Edit("_read_canonical", "_TOO_MANY_DIGITS in shapes", "False"),),
        VECTORS,
    ),
    Mutant(
        "other texts may have integers of any length",
        47,
        (Edit("_read_any", "_TOO_MANY_DIGITS not in text.translate(_SHAPES)", "True"),),
        WITHOUT_THE_QUICK_WAY,
    ),
    Mutant("nesting has no bound", 47, (Edit("_read_any", "not _is_shallow(text)", "False"),), WITHOUT_THE_QUICK_WAY),
    Mutant("a key may appear twice", 47, (Edit("_members", "len(members) != len(pairs)", "False"),), VECTORS),
    Mutant(
        "half a surrogate pair is a string",
        47,
        (Edit("_read_any", "not _SURROGATE_ESCAPE.search(text)", "True"),),
        VECTORS,
    ),
    Mutant(
        "a fraction is an integer where it is judged by columns",
        47,
        (Edit("Rule.accepts", "all(map(_is_no_fraction, values))", "True"),),
        (f"{SCHEMA}::test_numbers_are_compared_exactly_and_keywords_in_order",),
    ),
    Mutant(
        "only the greatest of many numbers is looked at",
        47,
        (Edit("_are_within", "_outside(limits, min(values)) is None and", ""),),
        (f"{SCHEMA}::test_one_among_many_is_found",),
    ),
    Mutant(
        "true is 1",
        47,
        (Edit("Choices.allow", "value is None or isinstance(value, bool)", "value is None"),),
        (f"{SCHEMA}::test_numbers_are_compared_exactly_and_keywords_in_order",),
    ),
)
