"""Storage that fails at one chosen step: engines and slot files as they are, with a fault let in between.

All mutating steps of a run are counted in one row: batches and syncs of both databases, and ``pwrite``, ``fdatasync``
and ``fsync`` of HEAD, VOTES and their folder. A dry run names them; then each is broken in each way.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from unittest import mock

from chain.errors import ErrorCode, PoolError
from chain.storage import bodies, slots
from chain.storage.database import Database, Write

Way = Literal["not persisted", "persisted", "torn"]
"""``torn``: half of a slot's bytes reached the disk. A batch of LevelDB cannot be: it is whole or dropped."""

CODES = {errno.ENOSPC: ErrorCode.DISK_FULL, errno.EIO: ErrorCode.STORAGE_FAILED}


@dataclass
class FaultPlan:
    """Counts the steps, and breaks one.

    Args:
        step: which one, from 0; None breaks none.
        way: what reached the disk although the step failed.
        error_number: what the system says.
        target: name of a step that is broken when it comes next, instead of a number.
        within: only slot files in this folder are concerned.
    """

    step: int | None = None
    way: Way = "not persisted"
    error_number: int = errno.EIO
    target: str = ""
    within: Path = Path("/")
    names: list[str] = field(default_factory=list)
    """Every step so far."""

    @property
    def later_steps(self) -> int:
        """Steps that were tried after the fault: a process that has lost trust in its disk takes none."""
        return 0 if self.step is None else max(0, len(self.names) - self.step - 1)

    @property
    def code(self) -> ErrorCode:
        """What the stores must report."""
        return CODES[self.error_number]

    def strikes(self, name: str) -> bool:
        """Count a step; whether it is the one to break."""
        self.names.append(name)
        if name == self.target:
            self.step, self.target = len(self.names) - 1, ""
        return self.step == len(self.names) - 1


class FaultyDatabase:
    """An engine behind the same port whose writes and syncs are steps of a plan."""

    def __init__(self, engine: Database, name: str, plan: FaultPlan) -> None:
        self._engine = engine
        self._name = name
        self._plan = plan
        self.get = engine.get
        self.scan = engine.scan
        self.purge = engine.purge
        self.compact = engine.compact
        self.close = engine.close

    def write(self, batch: Sequence[Write], *, sync: bool) -> None:
        """As the engine; with the fault before or after it."""
        self._step(
            f"{self._name} {'synced' if sync else 'unsynced'} batch", lambda: self._engine.write(batch, sync=sync)
        )

    def sync(self) -> None:
        """As the engine."""
        self._step(f"{self._name} sync", self._engine.sync)

    def clear(self) -> None:
        """As the engine."""
        self._step(f"{self._name} clear", self._engine.clear)

    def _step(self, name: str, work: Callable[[], None]) -> None:
        is_struck = self._plan.strikes(name)
        if not is_struck or self._plan.way == "persisted":
            work()
        if is_struck:
            raise PoolError(self._plan.code, f"{name}: made to fail")


class FaultyOs:
    """Stands for ``os`` in ``chain.storage.slots`` and ``chain.storage.bodies``."""

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan
        self._before: tuple[Path, int, bytes] | None = None
        """(file, offset, bytes) that the last ``pwrite`` overwrote."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def pwrite(self, descriptor: int, content: bytes, offset: int) -> int:
        """With a fault: nothing is written, half of it, or all."""
        path = _path_of(descriptor)
        if not path.is_relative_to(self._plan.within):
            return os.pwrite(descriptor, content, offset)
        is_struck = self._plan.strikes(f"{path.name} pwrite")
        self._before = path, offset, os.pread(descriptor, len(content), offset)
        if not is_struck:
            return os.pwrite(descriptor, content, offset)
        written = {"not persisted": 0, "torn": len(content) // 2, "persisted": len(content)}[self._plan.way]
        os.pwrite(descriptor, content[:written], offset)
        raise self._error()

    def fdatasync(self, descriptor: int) -> None:
        """With a fault: what was written before it is lost, half of it, or it is on disk all the same."""
        self._sync(descriptor, os.fdatasync)

    def fsync(self, descriptor: int) -> None:
        """Likewise."""
        self._sync(descriptor, os.fsync)

    def _sync(self, descriptor: int, sync: Callable[[int], None]) -> None:
        path = _path_of(descriptor)
        is_concerned = path.is_relative_to(self._plan.within)
        if not is_concerned or not self._plan.strikes(f"{'folder' if path.is_dir() else path.name} sync"):
            sync(descriptor)
            return
        if self._before is not None and self._plan.way != "persisted":
            written, offset, overwritten = self._before
            if path.is_dir():
                written.with_name(written.name.removesuffix(".new")).unlink()  # the file was renamed: that is lost
            else:
                kept = len(overwritten) // 2 if self._plan.way == "torn" else 0
                os.pwrite(descriptor, overwritten[kept:], offset + kept)
        raise self._error()

    def _error(self) -> OSError:
        number = self._plan.error_number
        return OSError(number, os.strerror(number))


def _path_of(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}").readlink()


@contextmanager
def faulty_slots(plan: FaultPlan) -> Iterator[None]:
    """HEAD, VOTES and the bodies beside it written under a plan while the context lasts."""
    faulty = FaultyOs(plan)
    with mock.patch.object(slots, "os", faulty), mock.patch.object(bodies, "os", faulty):
        yield
