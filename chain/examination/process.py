"""A process that examines blocks or transactions (``chain.examination.facts``) while its parent does something else.

What it is to look at goes through a file in memory, because a pipe takes only as much as its reader has read and would
hold up the parent; the pipe carries how large it is and what was found. Each process has a few such files, so that one
task waits while it is at another. They are on no disk, so nothing of the records stays behind.

A process that dies (the system may kill one that it has no memory for) costs time, never a verdict: for what it was
given there are no facts, and the parent looks at it itself. It ends when its parent does.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import TypeVar

import msgspec

from chain.examination.facts import BlockFacts, Examiner, TransactionFacts
from chain.genesis import Genesis, parse_genesis
from chain.packages import BlockPackage
from chain.primitives.encoding import encode

Facts = TypeVar("Facts", BlockFacts, TransactionFacts)

TASKS = 3
"""That a process may have at once, each in a file of its own."""
_JOIN_TIMEOUT_S = 5


class _Task(msgspec.Struct, frozen=True, array_like=True):
    """What the pipe tells the process."""

    file: int
    """Which of its files holds the material."""
    size_bytes: int
    """How much of the file."""


class _Blocks(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Blocks to be looked at."""

    entries: dict[bytes, bytes]
    """State entries that have changed since the last task."""
    first_height: int
    packages: tuple[BlockPackage, ...]


class _Transactions(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Transactions to be looked at."""

    entries: dict[bytes, bytes]
    transactions: tuple[bytes, ...]


_task = msgspec.msgpack.Decoder(_Task)
_material: msgspec.msgpack.Decoder[_Blocks | _Transactions] = msgspec.msgpack.Decoder(_Blocks | _Transactions)
_block_facts = msgspec.msgpack.Decoder(tuple[BlockFacts | None, ...])
_transaction_facts = msgspec.msgpack.Decoder(tuple[TransactionFacts | None, ...])
# What one process has written for another of this machine just before: nothing about it has to be checked.


class ExaminerProcess:
    """The process, as its parent sees it.

    Args:
        genesis: of the chain. It goes by the state entries in there until it is told of others.

    Attributes:
        is_alive: False once it was found dead: it takes no more tasks, and what it had is lost.
    """

    def __init__(self, genesis: Genesis) -> None:
        self._files = deque(os.memfd_create("blockpool-examined") for _ in range(TASKS))
        self._numbers = {descriptor: number for number, descriptor in enumerate(self._files)}
        self._tasks: deque[int] = deque()
        """How many things are in each task that it has."""
        self._entries: dict[bytes, bytes] = {}
        self.is_alive = True
        ours, theirs = socket.socketpair()
        with theirs, os.fdopen(os.memfd_create("blockpool-genesis"), "wb") as content:
            content.write(genesis.content)
            content.flush()
            descriptors = [theirs.fileno(), content.fileno(), *self._files]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, *map(str, descriptors)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=descriptors,
            )
        self._pipe = Connection(ours.detach())

    @property
    def process_id(self) -> int:
        """As the system knows it."""
        return self._process.pid

    @property
    def descriptor(self) -> int:
        """Can be read when it has finished a task, or died."""
        return self._pipe.fileno()

    @property
    def tasks(self) -> int:
        """How many it has."""
        return len(self._tasks)

    def learn(self, entries: Mapping[bytes, bytes]) -> None:
        """Have it go by these state entries in tasks that are handed over from now on."""
        self._entries.update(entries)

    def examine_blocks(self, first_height: int, packages: Sequence[BlockPackage]) -> None:
        """Hand over a task; ``block_facts`` gives what was found. It must have fewer than ``TASKS``."""
        self._hand_over(_Blocks(self._entries, first_height, tuple(packages)), len(packages))

    def examine_transactions(self, transactions: Sequence[bytes]) -> None:
        """Hand over a task; ``transaction_facts`` gives what was found. It must have fewer than ``TASKS``."""
        self._hand_over(_Transactions(self._entries, tuple(transactions)), len(transactions))

    def block_facts(self) -> tuple[BlockFacts | None, ...]:
        """What was found of the oldest task; waits for it. None for what the parent has to look at itself."""
        return self._collect(_block_facts)

    def transaction_facts(self) -> tuple[TransactionFacts | None, ...]:
        """The same of transactions."""
        return self._collect(_transaction_facts)

    def close(self) -> None:
        """End it."""
        self._pipe.close()
        for descriptor in self._files:
            os.close(descriptor)
        try:
            self._process.wait(_JOIN_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _hand_over(self, material: _Blocks | _Transactions, count: int) -> None:
        self._tasks.append(count)
        self._entries = {}
        if not self.is_alive:
            return
        content, descriptor = encode(material), self._files[0]
        self._files.rotate(-1)
        _write(descriptor, content)
        try:
            self._pipe.send_bytes(encode(_Task(self._numbers[descriptor], len(content))))
        except OSError:
            self.is_alive = False

    def _collect(self, decoder: "msgspec.msgpack.Decoder[tuple[Facts | None, ...]]") -> tuple[Facts | None, ...]:
        count = self._tasks.popleft()
        if self.is_alive:
            try:
                return decoder.decode(self._pipe.recv_bytes())
            except (EOFError, OSError):
                self.is_alive = False
        return (None,) * count


def _write(descriptor: int, content: bytes) -> None:
    rest, offset = memoryview(content), 0
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def _examine(examiner: Examiner, material: _Blocks | _Transactions) -> tuple[BlockFacts | TransactionFacts | None, ...]:
    examiner.learn(material.entries)
    if isinstance(material, _Transactions):
        return tuple(map(examiner.examine_transaction, material.transactions))
    heights = range(material.first_height, material.first_height + len(material.packages))
    return tuple(map(examiner.examine, heights, material.packages))


def main(pipe: Connection, genesis: int, files: Sequence[int]) -> None:
    """The process's life: ends when its parent closes the pipe."""
    for number in (signal.SIGINT, signal.SIGTERM):  # these reach the whole group; the parent decides
        signal.signal(number, signal.SIG_IGN)
    examiner = Examiner(parse_genesis(os.pread(genesis, os.fstat(genesis).st_size, 0)))
    os.close(genesis)
    with contextlib.suppress(EOFError, OSError):
        while True:
            task = _task.decode(pipe.recv_bytes())
            material = _material.decode(os.pread(files[task.file], task.size_bytes, 0))
            pipe.send_bytes(encode(_examine(examiner, material)))


if __name__ == "__main__":
    _pipe, _genesis, *_files = map(int, sys.argv[1:])
    main(Connection(_pipe), _genesis, _files)
