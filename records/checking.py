"""Whether all of a file can be shared, and if not, every reason with its place, before anything leaves the machine."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from chain.errors import ErrorCode, Refusal
from chain.facts import unpack
from chain.granularity import WHOLE, Granularity
from chain.limits import LIMITS
from chain.messages import sentence
from chain.messages.languages import LANGUAGE
from chain.primitives.json_reader import read_records
from chain.schema import RecordSchema, compile_schema, unreadable
from chain.transactions.sealed import SEALED_OVERHEAD_SIZE
from records.sources import Problem, RecordSource, SourceRecord
from sealing import split_fields

_CHECKED_AT_ONCE = 500
PROBLEMS_MAX = 100
"""Problems that are named; further ones are counted."""


@dataclass(frozen=True, slots=True)
class RecordRules:
    """What every record of a submission must keep. Validators cannot check sealed ones: nobody does after this."""

    schema: RecordSchema | None
    size_max_bytes: int
    by_fields: bool
    """Whether fields are committed to one by one, which needs JSON objects."""
    columns: frozenset[str] = frozenset()
    """Fields that are in a column, where the dataset is opened by columns: then all are."""

    @classmethod
    def of(
        cls, schema: str, *, is_sealed: bool, by_fields: bool = False, granularity: Granularity = WHOLE
    ) -> "RecordRules":
        """The rules for a dataset with this JSON Schema as text, or none."""
        overhead_bytes = SEALED_OVERHEAD_SIZE if is_sealed else 0
        compiled = compile_schema(schema) if schema else None
        columns = frozenset(granularity.column_of()) if is_sealed else frozenset()
        return cls(compiled, LIMITS.record_size_bytes - overhead_bytes, by_fields or bool(columns), columns)

    def problems(self, chunk: Sequence[SourceRecord]) -> Iterator[Problem]:
        """At most one problem a record, in order."""
        bodies = [record.body for record in chunk]
        if self._first_refusal(bodies) is None and not self.by_fields and max(map(len, bodies)) <= self.size_max_bytes:
            return
        for record in chunk:
            refusal = self._refusal(record.body)
            if refusal is not None:
                named = unpack(refusal.facts)
                named.pop("record_index", None)
                column = str(named.get("pointer", "")).removeprefix("/").partition("/")[0]
                yield Problem(record.line, column, refusal.code, sentence(refusal.code, named, LANGUAGE.get()))

    def _first_refusal(self, bodies: Sequence[bytes]) -> Refusal | None:
        if self.schema is not None:
            return self.schema.check(bodies)
        _, bad = read_records(bodies)
        return None if bad is None else unreadable(0, bad)

    def _refusal(self, body: bytes) -> Refusal | None:
        if len(body) > self.size_max_bytes:
            return Refusal(ErrorCode.TOO_LARGE, found=len(body), limit=self.size_max_bytes)
        refusal = self._first_refusal([body])
        if refusal is None and self.by_fields:
            try:
                fields = split_fields(body)
            except Refusal as error:
                return error
            alien = next((field.name for field in fields if self.columns and field.name not in self.columns), None)
            return None if alien is None else Refusal(ErrorCode.FIELD_IN_NO_COLUMN, text=alien)
        return refusal


@dataclass(slots=True)
class Check:
    """What came of checking a file."""

    records: int = 0
    """That are as they must be."""
    problems: list[Problem] = field(default_factory=list)
    """The first ``PROBLEMS_MAX``."""
    counts: Counter[tuple[ErrorCode, str]] = field(default_factory=Counter)
    """Of all problems, by code and column."""

    @property
    def problem_count(self) -> int:
        """All of them."""
        return self.counts.total()

    def add(self, problem: Problem) -> None:
        """Count a problem, and keep it if there is room."""
        self.counts[problem.code, problem.column] += 1
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


def check_records(
    source: RecordSource, rules: RecordRules, on_progress: Callable[[int], None] = lambda _: None
) -> Check:
    """Read a whole file and check every record.

    Args:
        source: the file.
        rules: for its records.
        on_progress: is told now and then how many records have been looked at.

    Raises:
        PoolError: code ``malformed`` where the rest of the file cannot be read.
    """
    check = Check()
    items = iter(source)
    while chunk := list(islice(items, _CHECKED_AT_ONCE)):
        records = [item for item in chunk if isinstance(item, SourceRecord)]
        found = [item for item in chunk if isinstance(item, Problem)]
        refused = list(rules.problems(records)) if records else []
        for problem in sorted([*found, *refused]):
            check.add(problem)
        check.records += len(records) - len(refused)
        on_progress(check.records + check.problem_count)
    return check
