"""Processes that look at blocks ahead of the audit, one for each core.

The audit itself stays in one process, which executes block after block. What needs no state is most of the work, and
it is done here: signatures, hashes, schemas (``chain.examination``).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple

from chain.examination.facts import BlockFacts
from chain.examination.process import TASKS, ExaminerProcess
from chain.genesis import Genesis
from chain.packages import BlockPackage

GROUP_SIZE_BYTES = 512 * 1024
"""Blocks are handed over in groups of about this size: large beside the cost of a hand-over, small beside memory."""
GROUP_BLOCKS = 64

Examined = tuple[BlockPackage, BlockFacts | None]
"""A block, and what a worker has found about it, if any worker has looked at it and found it in order."""


class _Group(NamedTuple):
    """Blocks on their way."""

    packages: Sequence[BlockPackage]
    worker: ExaminerProcess


class Workers:
    """The processes. A context manager: they are there from its beginning to its end.

    Args:
        genesis: of the chain.
        count: how many; with 0 nobody looks ahead.
        group_blocks: how many blocks are handed over at once, at most.
    """

    def __init__(self, genesis: Genesis, count: int, group_blocks: int = GROUP_BLOCKS) -> None:
        self._genesis = genesis
        self._count = count
        self._group_blocks = group_blocks
        self._workers: deque[ExaminerProcess] = deque()
        self._groups: deque[_Group] = deque()

    def __enter__(self) -> "Workers":
        self._workers.extend(ExaminerProcess(self._genesis) for _ in range(self._count))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.close()

    @property
    def process_ids(self) -> list[int]:
        """Of the workers, as the system knows them."""
        return [worker.process_id for worker in self._workers]

    def learn(self, entries: Mapping[bytes, bytes]) -> None:
        """Have the workers go by these state entries for blocks that are handed to them from now on."""
        for worker in self._workers:
            worker.learn(entries)

    def ahead(self, first_height: int, packages: Iterable[BlockPackage]) -> Iterator[Examined]:
        """Blocks with what was found about them, in order; others are being looked at meanwhile.

        Args:
            first_height: of the first block.
            packages: the blocks; read some way ahead.
        """
        if not self._workers:
            yield from ((package, None) for package in packages)
            return
        height = first_height
        for group in _groups(packages, self._group_blocks):
            worker = self._workers[0]
            self._workers.rotate(-1)
            worker.examine_blocks(height, group)
            self._groups.append(_Group(group, worker))
            height += len(group)
            if len(self._groups) == TASKS * len(self._workers):
                yield from self._collect()
        while self._groups:
            yield from self._collect()

    def _collect(self) -> Iterator[Examined]:
        packages, worker = self._groups.popleft()
        return zip(packages, worker.block_facts(), strict=True)


def _groups(packages: Iterable[BlockPackage], group_blocks: int) -> Iterator[list[BlockPackage]]:
    group: list[BlockPackage] = []
    size_bytes = 0
    for package in packages:
        group.append(package)
        size_bytes += len(package.block) + sum(map(len, package.transactions))
        if size_bytes >= GROUP_SIZE_BYTES or len(group) == group_blocks:
            yield group
            group, size_bytes = [], 0
    if group:
        yield group
