"""The worst schema and record are legal and bounded. A busy machine takes a multiple of what ``make bench`` shows."""

from bench.worst_schema import RECORDS, SCHEMAS, worst_figures
from chain.limits import LIMITS


def test_s47_s103_the_worst_schema_and_record_are_bounded() -> None:
    schema, record = worst_figures()
    assert (schema.key, record.key) == ("schema_worst", "record_worst")
    assert 0 < schema.value < 250
    assert 0 < record.value < 5000


def test_they_are_at_the_limits() -> None:
    assert all(0 < len(text) <= LIMITS.schema_size_bytes for text in SCHEMAS.values())
    sizes = [len(record) for _, record in RECORDS.values()]
    assert all(0.99 * LIMITS.record_size_bytes < size <= LIMITS.record_size_bytes for size in sizes)
