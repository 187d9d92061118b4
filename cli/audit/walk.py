"""Taking an audit through a chain, block by block, to its end or to the first that does not hold."""

from __future__ import annotations

from typing import Protocol

from rich.progress import Progress

from blockpool import ErrorCode, PoolError
from chain.audit import AuditReport
from chain.packages import BlockPackage
from cli.audit.sources import Packages


class Auditor(Protocol):
    """``chain.audit.ChainAudit``, or ``contracts.replay.Replay``."""

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
        PoolError: if the blocks cannot be had, such as ``unreachable``, or if this machine cannot run the contracts:
            then nothing is known about the chain.
    """
    newest, blocks = packages
    task = bar.add_task(title, total=newest + 1)
    for package in blocks:
        try:
            auditor.add(package)
        except PoolError as error:
            if error.code.is_engine:
                raise
            return error
        bar.advance(task)
    report = auditor.report
    if report.height < newest or not report.blocks:
        detail = f"the chain ends at height {report.height}, but {newest} was acknowledged: blocks were lost"
        return PoolError(ErrorCode.DATABASE_DAMAGED, detail, height=auditor.next_height)
    return None
