"""What a run of the load generator says: rates, percentiles, gaps."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from bench.load import Answer, LoadResult

WARM_UP_SHARE = 0.2
"""Part of a run at its beginning that does not count for rates and percentiles."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One run. Rates are of records; latencies of transactions, from when they were due to the receipt, in ms."""

    offered_per_s: float
    committed_per_s: float
    """Records whose receipts came within the measured part of the run, a second."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    kept_up: float
    """Part of the offered rate that was kept up with: 1 if latencies do not grow and everything is committed."""
    committed: int
    """Records committed in the whole run."""
    refused: dict[str, int]
    """Transactions by what else was answered."""
    load_cpu_share: float
    """Part of one core that the load generator used while it sent."""
    other_cpu_share: float
    """Part of one core that programs outside the benchmark used: what disturbed the run."""

    def as_json(self) -> dict[str, Any]:
        """For the results file."""
        return asdict(self)


def summarise(result: LoadResult, other_cpu_share: float = 0.0) -> Summary:
    """Rates and percentiles of one run."""
    plan = result.plan
    start, end = plan.duration_s * WARM_UP_SHARE, plan.duration_s
    good = [answer for answer in result.answers if answer.status == 200]
    in_time = sum(start <= answer.done_s < end for answer in good)
    due = [answer for answer in result.answers if answer.due_s >= start]
    measured = sorted(answer.latency_ms for answer in due)
    bad = Counter(str(answer.status) for answer in result.answers if answer.status != 200)
    return Summary(
        offered_per_s=plan.rate * plan.records,
        committed_per_s=in_time * plan.records / (end - start),
        p50_ms=percentile(measured, 50),
        p95_ms=percentile(measured, 95),
        p99_ms=percentile(measured, 99),
        max_ms=percentile(measured, 100),
        kept_up=kept_up(due),
        committed=len(good) * plan.records,
        refused=dict(bad),
        load_cpu_share=result.cpu_seconds / plan.duration_s,
        other_cpu_share=other_cpu_share,
    )


def kept_up(answers: Sequence[Answer]) -> float:
    """Part of the offered rate that was kept up with, for answers in the order in which their requests were due.

    If only the part 1 / (1 + x) of a rate is served, latency grows by x seconds a second. Medians of the first and the
    last third show that growth; counting the commits within a short run would be off by those on the way at its ends.
    """
    third = len(answers) // 3
    if not third:
        return 0.0
    first, last = answers[:third], answers[-third:]
    seconds = (last[0].due_s - first[0].due_s) or 1.0
    growth = (_median_latency_ms(last) - _median_latency_ms(first)) / 1000 / seconds
    committed = sum(answer.status == 200 for answer in answers) / len(answers)
    return committed / (1 + max(0.0, growth))


def _median_latency_ms(answers: Sequence[Answer]) -> float:
    return percentile(sorted(answer.latency_ms for answer in answers), 50)


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` % of the values do not exceed; 0 for no values."""
    if not ascending:
        return 0.0
    rank = max(1, -(-len(ascending) * percent // 100))
    return ascending[int(rank) - 1]


def longest_gap_s(result: LoadResult, from_s: float) -> float:
    """The longest time without a commit, as all clients together saw it, from ``from_s`` until sending ended.

    Endless if nothing was committed any more.
    """
    done = sorted(answer.done_s for answer in result.answers if answer.status == 200 and answer.done_s > from_s)
    if not done:
        return float("inf")
    moments = [from_s, *done, max(done[-1], result.plan.duration_s)]
    return max(later - earlier for earlier, later in pairwise(moments))
