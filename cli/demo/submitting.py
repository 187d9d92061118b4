"""The demo's stream: everybody shares everything at once, and the primary is killed in the middle of it."""

import asyncio
import time
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import pairwise

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn

from blockpool import AsyncClient, Identity, RecordId, VerifiedReceipt
from cli.demo.data import SharedFile
from cli.demo.narrator import Narrator
from cli.homes import SYSTEM_KEY
from cli.output import RateColumn
from cli.processes import LocalNetwork, NodeProcess
from records.sources import record_bodies

PARCEL_RECORDS = 100
_PARCELS_IN_FLIGHT = 4
_KILL_AFTER = 0.4
"""Share of all records that is committed when the primary is killed."""


@dataclass
class SubmissionResult:
    """What happened while sharing."""

    committed: Counter[str] = field(default_factory=Counter)
    """Records by dataset, each with a receipt that was verified here."""
    records: dict[str, RecordId] = field(default_factory=dict)
    """A record of each dataset."""
    commit_times_s: list[float] = field(default_factory=list)
    """When each parcel's receipt came (monotonic clock)."""
    killed_s: float | None = None
    """When the primary was killed, if it was."""
    committed_at_kill: int = 0

    @property
    def gap_s(self) -> float:
        """The service gap: the longest time without a commit anywhere, from the last one before the kill on."""
        if self.killed_s is None:
            return 0.0
        before = [time_s for time_s in self.commit_times_s if time_s <= self.killed_s]
        times_s = [*before[-1:], *(time_s for time_s in self.commit_times_s if time_s > self.killed_s)]
        return max((later - earlier for earlier, later in pairwise(times_s)), default=0.0)


class ConcurrentSubmission:
    """Everybody shares everything at once, each signing with its own key and asking its own node first."""

    def __init__(self, narrator: Narrator, network: LocalNetwork, totals: dict[str, int], victim: NodeProcess) -> None:
        self._network = network
        self._totals = totals
        self._victim = victim
        self._kill_at = int(_KILL_AFTER * sum(totals.values()))
        self._bar = Progress(
            TextColumn("  {task.description:<22}"),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            RateColumn(),
            console=narrator.console,
        )
        self.result = SubmissionResult()

    def run(self, files: list[SharedFile]) -> SubmissionResult:
        """Share all files; the victim is killed in mid-stream."""
        try:
            with self._bar:
                asyncio.run(self._share_all(files))
        except ExceptionGroup as failures:  # of the task group: the first is what went wrong, the rest was cancelled
            raise failures.exceptions[0] from None
        return self.result

    async def _share_all(self, files: list[SharedFile]) -> None:
        async with asyncio.TaskGroup() as group:
            for file in files:
                group.create_task(self._share(file))

    async def _share(self, file: SharedFile) -> None:
        network = self._network
        task = self._bar.add_task(file.dataset, total=self._totals[file.dataset])
        identity = Identity.load(network.folder / file.member / SYSTEM_KEY, network.genesis)
        async with AsyncClient(network.urls_from(file.member), network.genesis, identity) as client:
            stream = client.submit_stream(
                record_bodies(file.source),
                file.dataset,
                parcel_records=PARCEL_RECORDS,
                commitments=file.commitments,
                in_flight=_PARCELS_IN_FLIGHT,
            )
            async with aclosing(stream) as receipts:
                async for receipt in receipts:
                    self._bar.advance(task, receipt.record_count)
                    self._note(file.dataset, receipt)

    def _note(self, dataset: str, receipt: VerifiedReceipt) -> None:
        result = self.result
        result.commit_times_s.append(time.monotonic())
        result.committed[dataset] += receipt.record_count
        result.records.setdefault(dataset, receipt.record_ids[0])
        if result.killed_s is None and result.committed.total() >= self._kill_at:
            result.killed_s, result.committed_at_kill = time.monotonic(), result.committed.total()
            self._victim.kill()
            self._bar.console.print(f"  [bold red]SIGKILL[/] to the primary, {self._victim.member}")
