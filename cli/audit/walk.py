"""Taking an audit through a chain, block by block, to its end or to the first that does not hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from rich.progress import Progress, TaskID

from audit.chain import AuditReport
from blockpool import ErrorCode, PoolError
from chain.packages import BlockPackage
from cli.audit.sources import Packages

Step = TypeVar("Step")
_SHOWN_EVERY_S = 0.2


class Auditor(Protocol):
    """``audit.chain.ChainAudit``, or ``audit.replay.Replay``."""

    @property
    def report(self) -> AuditReport:
        """What has been verified so far."""
        ...

    @property
    def next_height(self) -> int:
        """Height of the block to be added next."""
        ...

    def add(self, package: BlockPackage) -> None:
        """Verify the next block."""
        ...


def walk(auditor: Auditor, packages: Packages, bar: Progress, title: str) -> PoolError | None:
    """Verify a chain to its end.

    Args:
        auditor: takes the blocks.
        packages: the chain.
        bar: shows how far it is.
        title: of the bar.

    Returns:
        What does not hold, with ``height`` in its context; None if everything does.

    Raises:
        PoolError: if the blocks cannot be had, such as ``unreachable``, or if this machine cannot run the contracts or
            write what the audit keeps: then nothing is known about the chain.
    """
    return follow(auditor, auditor.add, packages.blocks(auditor.next_height), Milestones(bar, title, packages.newest))


class Milestones:
    """Shows how far an audit is: blocks done of all, records in a second, time left.

    Args:
        bar: shows it.
        title: what is being done.
        newest: height of the chain's newest block.
    """

    def __init__(self, bar: Progress, title: str, newest: int) -> None:
        self.newest = newest
        self._bar = bar
        self._title = title
        self._task: TaskID | None = None
        self._started_s = self._shown_s = 0.0
        self._first_records = 0

    def show(self, auditor: Auditor) -> None:
        """Show where ``auditor`` is now, if it is time to."""
        now_s = time.monotonic()
        if self._task is None:
            self._started_s, self._first_records = now_s, auditor.report.records
            self._task = self._bar.add_task(self._title, total=self.newest + 1, completed=auditor.next_height)
        elif now_s - self._shown_s >= _SHOWN_EVERY_S or auditor.next_height > self.newest:
            rate = (auditor.report.records - self._first_records) / max(now_s - self._started_s, _SHOWN_EVERY_S)
            text = f"{self._title}, {rate:,.0f} records/s"
            self._bar.update(self._task, completed=auditor.next_height, description=text)
        else:
            return
        self._shown_s = now_s


def follow(
    auditor: Auditor, add: Callable[[Step], None], steps: Iterable[Step], milestones: Milestones
) -> PoolError | None:
    """Verify a chain whose blocks come in the shape that ``add`` takes. Returns and raises as ``walk``."""
    milestones.show(auditor)
    for step in steps:
        try:
            add(step)
        except PoolError as error:
            if error.code.is_engine or error.code.is_storage:
                raise
            return error
        milestones.show(auditor)
    report, newest = auditor.report, milestones.newest
    if report.height < newest or not report.blocks:
        detail = f"the chain ends at height {report.height}, but {newest} was acknowledged: blocks were lost"
        return PoolError(ErrorCode.DATABASE_DAMAGED, detail, height=auditor.next_height)
    return None
