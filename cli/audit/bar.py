"""Shows how far an audit is."""

import time

from rich.progress import Progress, TaskID

from audit.chain import AuditReport

_SHOWN_EVERY_S = 0.2


class AuditBar:
    """Blocks done of all, records in a second, time left: an ``audit.walk.OnProgress``.

    Args:
        bar: shows it.
        title: what is being done.
        newest: height of the chain's newest block.
    """

    def __init__(self, bar: Progress, title: str, newest: int) -> None:
        self._bar = bar
        self._title = title
        self._total = newest + 1
        self._task: TaskID | None = None
        self._started_s = self._shown_s = 0.0
        self._first_records = 0

    def __call__(self, report: AuditReport) -> None:
        """Show how far the audit is now, if it is time to."""
        now_s = time.monotonic()
        if self._task is None:
            self._started_s, self._first_records = now_s, report.records
            self._task = self._bar.add_task(self._title, total=self._total, completed=report.blocks)
        elif now_s - self._shown_s >= _SHOWN_EVERY_S or report.blocks == self._total:
            rate = (report.records - self._first_records) / max(now_s - self._started_s, _SHOWN_EVERY_S)
            text = f"{self._title}, {rate:,.0f} records/s"
            self._bar.update(self._task, completed=report.blocks, description=text)
        else:
            return
        self._shown_s = now_s
