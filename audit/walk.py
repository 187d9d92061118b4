"""Taking an auditor through a chain, block by block, to its end or to the first that does not hold."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from audit.chain import AuditReport
from chain.errors import ErrorCode, PoolError

Step = TypeVar("Step")
StepTaken = TypeVar("StepTaken", contravariant=True)

OnProgress = Callable[[AuditReport], None]
"""Told what has been verified: at the beginning, and after every block."""


def silent(report: AuditReport) -> None:
    """Shows nothing."""


class Auditor(Protocol[StepTaken]):
    """``audit.chain.ChainAudit``, ``audit.replay.Replay`` or ``audit.parallel.ParallelAudit``."""

    @property
    def report(self) -> AuditReport:
        """What has been verified so far."""
        ...

    @property
    def next_height(self) -> int:
        """Height of the block to be added next."""
        ...

    def add(self, step: StepTaken, /) -> None:
        """Verify the next block."""
        ...


def walk(
    auditor: Auditor[Step], steps: Iterable[Step], newest: int, on_progress: OnProgress = silent
) -> PoolError | None:
    """Verify a chain to its end.

    Args:
        auditor: takes the blocks.
        steps: the blocks from the auditor's next height on, in the shape that it takes.
        newest: height up to which the chain was acknowledged.
        on_progress: shows how far it is.

    Returns:
        What does not hold, with ``height`` in its context; None if everything does.

    Raises:
        PoolError: if the blocks cannot be had, such as ``unreachable``, or if this machine cannot run the contracts or
            write what the audit keeps: then nothing is known about the chain.
    """
    on_progress(auditor.report)
    upcoming = iter(steps)
    while True:
        try:
            step = next(upcoming, None)
        except PoolError as error:
            if error.code is not ErrorCode.DATABASE_DAMAGED:
                raise
            return PoolError(error.code, error.detail, height=auditor.next_height)
        if step is None:
            break
        try:
            auditor.add(step)
        except PoolError as error:
            if error.code.is_engine or error.code.is_storage:
                raise
            return error
        on_progress(auditor.report)
    report = auditor.report
    if report.height < newest or not report.blocks:
        detail = f"the chain ends at height {report.height}, but {newest} was acknowledged: blocks were lost"
        return PoolError(ErrorCode.DATABASE_DAMAGED, detail, height=auditor.next_height)
    return None
