"""Processes that look at blocks ahead of the audit, one for each core.

The audit itself stays in one process, which executes block after block. What needs no state is most of the work, and
it is done here: signatures, hashes, schemas (``audit.facts``). Blocks go to a worker through a file in memory,
because a pipe takes only as much as its reader has read and would hold up the audit; the pipe carries where they are
and what was found. Each worker has a few files, so that one group of blocks waits while it is at another. They are on
no disk, so nothing of the records stays behind.

A worker that dies (the system may kill one that it has no memory for) costs time, never a verdict: for its blocks the
audit has no facts, and looks at them itself.
"""

import itertools
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import NamedTuple

import msgspec

from audit.facts import BlockFacts, Examiner
from chain.genesis import Genesis, parse_genesis
from chain.packages import BlockPackage
from chain.primitives.encoding import encode

GROUP_SIZE_BYTES = 512 * 1024
"""Blocks are handed over in groups of about this size: large beside the cost of a hand-over, small beside memory."""
GROUP_BLOCKS = 64
_FILES_PER_WORKER = 3
_JOIN_TIMEOUT_S = 5

Facts = tuple[BlockFacts | None, ...]
Examined = tuple[BlockPackage, BlockFacts | None]
"""A block, and what a worker has found about it, if any worker has looked at it and found it in order."""


class _Task(msgspec.Struct, frozen=True, array_like=True):
    """What the pipe tells a worker."""

    slot: int
    """Which of its files holds the blocks."""
    size_bytes: int
    """How much of the file."""
    first_height: int


class _Material(msgspec.Struct, frozen=True, array_like=True):
    """What the file holds."""

    entries: dict[bytes, bytes]
    """State entries that have changed since the last task."""
    packages: tuple[BlockPackage, ...]


_task = msgspec.msgpack.Decoder(_Task)
_material = msgspec.msgpack.Decoder(_Material)
_facts = msgspec.msgpack.Decoder(Facts)
# What one process of an audit has written for another just before: nothing about it has to be checked.


class _Group(NamedTuple):
    """Blocks on their way."""

    packages: Sequence[BlockPackage]
    worker: "_AuditProcess | None"
    """None if nobody looks at them."""


@dataclass
class _AuditProcess:
    process: SpawnProcess
    pipe: Connection
    files: tuple[int, ...]
    """Descriptors."""
    slot: int = 0
    """Which file is next: they are used in turn, and there are never more tasks than files."""
    entries: dict[bytes, bytes] = field(default_factory=dict)
    """Not told yet."""
    is_alive: bool = True


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
        self._workers: deque[_AuditProcess] = deque()
        self._groups: deque[_Group] = deque()

    def __enter__(self) -> "Workers":
        self._workers.extend(self._start() for _ in range(self._count))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.pipe.close()
            for descriptor in worker.files:
                os.close(descriptor)
        for worker in self._workers:
            worker.process.join(_JOIN_TIMEOUT_S)
            if worker.process.is_alive():
                worker.process.kill()

    @property
    def process_ids(self) -> list[int]:
        """Of the workers, as the system knows them."""
        return [worker.process.pid for worker in self._workers if worker.process.pid is not None]

    def learn(self, entries: Mapping[bytes, bytes]) -> None:
        """Have the workers go by these state entries for blocks that are handed to them from now on."""
        for worker in self._workers:
            worker.entries.update(entries)

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
            self._hand_over(height, group)
            height += len(group)
            if len(self._groups) == _FILES_PER_WORKER * len(self._workers):
                yield from self._collect()
        while self._groups:
            yield from self._collect()

    def _start(self) -> _AuditProcess:
        files = tuple(os.memfd_create("blockpool-audit") for _ in range(_FILES_PER_WORKER))
        paths = [f"/proc/{os.getpid()}/fd/{descriptor}" for descriptor in files]
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self._genesis.content, paths), daemon=True)
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: an interruption is the audit's to deal with
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, handler)
        theirs.close()
        return _AuditProcess(process, ours, files)

    def _hand_over(self, first_height: int, packages: Sequence[BlockPackage]) -> None:
        worker = self._workers[0]
        self._workers.rotate(-1)
        if worker.is_alive:
            content = encode(_Material(worker.entries, tuple(packages)))
            _write(worker.files[worker.slot], content)
            self._send(worker, _Task(worker.slot, len(content), first_height))
            worker.slot = (worker.slot + 1) % _FILES_PER_WORKER
            worker.entries = {}
        self._groups.append(_Group(packages, worker if worker.is_alive else None))

    def _collect(self) -> Iterator[Examined]:
        packages, worker = self._groups.popleft()
        facts: Facts = (None,) * len(packages)
        if worker is not None and worker.is_alive:
            try:
                facts = _facts.decode(worker.pipe.recv_bytes())
            except (EOFError, OSError):
                worker.is_alive = False
        return zip(packages, facts, strict=True)

    def _send(self, worker: _AuditProcess, task: _Task) -> None:
        try:
            worker.pipe.send_bytes(encode(task))
        except OSError:
            worker.is_alive = False


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


def _write(descriptor: int, content: bytes) -> None:
    rest, offset = memoryview(content), 0
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def _work(pipe: Connection, genesis: bytes, paths: Sequence[str]) -> None:
    """A worker's life: ends when the audit closes the pipe, which it may have done before the worker was ready."""
    examiner = Examiner(parse_genesis(genesis))
    files: list[int] = []
    try:
        files.extend(os.open(path, os.O_RDONLY) for path in paths)
        while True:
            task = _task.decode(pipe.recv_bytes())
            material = _material.decode(os.pread(files[task.slot], task.size_bytes, 0))
            examiner.learn(material.entries)
            heights = itertools.count(task.first_height)
            pipe.send_bytes(encode(tuple(map(examiner.examine, heights, material.packages))))
    except (EOFError, OSError):
        return
    finally:
        for descriptor in files:
            os.close(descriptor)
