"""Mutants of reading JSON and of judging records (scenario 47)."""

from tests.mutants.definition import Edit, mutant

READER = "tests/chain/test_json_reader.py"
SCHEMA = "tests/chain/test_schema.py"
PATTERNS = "tests/chain/test_schema_patterns.py"
BLOCK = "tests/node/test_mempool.py"
VECTORS = (f"{READER}::test_s47_the_installed_libraries_read_the_vectors",)
WITHOUT_THE_QUICK_WAY = (f"{READER}::test_s47_the_vectors_are_read_alike_without_the_quick_way",)

MUTANTS = (
    mutant(
        "s47 records are not compared with what the encoder writes",
        VECTORS,
        Edit("_read_canonical", "_encode_lines(values) != lines", "False"),
    ),
    mutant(
        "s47 canonical texts may have any number of digits",
        VECTORS,
        Edit("_read_canonical", "_TOO_MANY_DIGITS in shapes", "False"),
    ),
    mutant(
        "s47 other texts may have integers of any length",
        WITHOUT_THE_QUICK_WAY,
        Edit("_read_any", "_TOO_MANY_DIGITS not in text.translate(_SHAPES)", "True"),
    ),
    mutant("s47 nesting has no bound", WITHOUT_THE_QUICK_WAY, Edit("_read_any", "not _is_shallow(text)", "False")),
    mutant("s47 a key may appear twice", VECTORS, Edit("_members", "len(members) != len(pairs)", "False")),
    mutant(
        "s47 half a surrogate pair is a string",
        VECTORS,
        Edit("_read_any", "not _SURROGATE_ESCAPE.search(text)", "True"),
    ),
    mutant(
        "s47 a fraction is an integer where it is judged by columns",
        (f"{SCHEMA}::test_numbers_are_compared_exactly_and_keywords_in_order",),
        Edit("Rule.accepts", "all(map(_is_no_fraction, values))", "True"),
    ),
    mutant(
        "s47 only the greatest of many numbers is looked at",
        (f"{SCHEMA}::test_one_among_many_is_found",),
        Edit("_are_within", "_outside(limits, min(values)) is None and", ""),
    ),
    mutant(
        "s47 true is 1",
        (f"{SCHEMA}::test_numbers_are_compared_exactly_and_keywords_in_order",),
        Edit("Choices.allow", "value is None or isinstance(value, bool)", "value is None"),
    ),
    mutant(
        "s100 patterns may cost any number of steps",
        (f"{PATTERNS}::test_s100_what_would_cost_too_much_is_refused_at_once",),
        Edit("PatternBudget.spend", "self.places < 0 or self.steps < 0", "self.places < 0"),
    ),
    mutant(
        "s100 what patterns take in memory does not count",
        (f"{SCHEMA}::test_s100_what_patterns_take_in_memory_counts",),
        Edit("RecordSchema.__init__", "_STEP_WEIGHT * budget.steps_spent", "0"),
    ),
    mutant(
        "s100 a schema costs a block its bytes alone",
        (f"{BLOCK}::test_s100_a_schema_takes_much_of_a_block",),
        Edit("CheckedTransaction.block_size_bytes", "+ compiled", ""),
    ),
)
