"""What of a file of records with keys is new or changed: only that needs to be checked and shared."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from blockpool.operations.submitting import LOOKED_UP
from blockpool.record_keys import KeyMaker
from blockpool.record_memory import RecordMemory
from records.sources import Problem, RecordSource, SourceRecord


class ChangedRecords:
    """The records of another source that were not shared before as they are.

    Args:
        source: of all records.
        memory: file that remembers what was shared.
        maker: of the records' keys.
    """

    def __init__(self, source: RecordSource, memory: Path, maker: KeyMaker) -> None:
        self._source = source
        self._memory = memory
        self._maker = maker
        self.description = source.description
        self.unchanged = 0
        """Records that the last iteration has left out."""

    def __iter__(self) -> Iterator[SourceRecord | Problem]:
        self.unchanged = 0
        memory = RecordMemory(self._memory, self._maker)
        try:
            items = iter(self._source)
            while chunk := list(islice(items, LOOKED_UP)):
                bodies = [item.body for item in chunk if isinstance(item, SourceRecord)]
                changed = memory.changed(bodies)
                if len(changed) == len(chunk):
                    yield from chunk
                    continue
                self.unchanged += len(bodies) - len(changed)
                kept = set(changed)
                yield from (item for item in chunk if isinstance(item, Problem) or item.body in kept)
        finally:
            memory.close()
