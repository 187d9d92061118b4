"""What the benchmark makes of the answers it gets."""

from collections.abc import Callable

import pytest

from bench.figures import TARGETS, Figure, Target
from bench.load import FAILED, Answer, LoadPlan, LoadResult
from bench.records import flight_records, flight_schema, mean_size_bytes, record_groups
from bench.statistics import kept_up, longest_gap_s, percentile, summarise
from chain.schema import compile_schema

RATE, SECONDS, RECORDS = 100, 10, 5


def result_of(latency_s: Callable[[float], float], status: Callable[[int], int] = lambda number: 200) -> LoadResult:
    """A run in which the answer to what is due at ``t`` comes after ``latency_s(t)``."""
    plan = LoadPlan(chain_id=bytes(32), senders=(), dataset="plain", records=RECORDS, rate=RATE, duration_s=SECONDS)
    due = [number / RATE for number in range(RATE * SECONDS)]
    answers = tuple(Answer(t, t + latency_s(t), status(number)) for number, t in enumerate(due))
    return LoadResult(plan, answers, 0.0, 2.0, 3.0, ())


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 50.0), (95, 95.0), (99, 99.0), (99.5, 100.0), (100, 100.0), (1, 1.0), (0.1, 1.0)]
)
def test_percentiles_are_values_that_occurred(percent: float, expected: float) -> None:
    assert percentile([float(value) for value in range(1, 101)], percent) == expected


def test_percentile_of_nothing() -> None:
    assert percentile([], 99) == 0.0


def test_a_steady_run_is_kept_up_with() -> None:
    summary = summarise(result_of(lambda t: 0.02))
    assert summary.kept_up == pytest.approx(1)
    assert summary.offered_per_s == RATE * RECORDS
    assert summary.committed_per_s == pytest.approx(RATE * RECORDS, rel=0.01)
    assert (summary.p50_ms, summary.p99_ms, summary.max_ms) == pytest.approx((20, 20, 20))
    assert (summary.committed, summary.refused) == (RATE * SECONDS * RECORDS, {})
    assert summary.load_cpu_share == pytest.approx(0.2)


@pytest.mark.parametrize("growth", [0.1, 0.25, 1.0])
def test_growing_latency_shows_that_a_rate_is_not_kept_up_with(growth: float) -> None:
    summary = summarise(result_of(lambda t: 0.02 + growth * t))
    assert summary.kept_up == pytest.approx(1 / (1 + growth), rel=0.02)


def test_one_stall_in_a_run_is_not_taken_for_overload_but_seen_in_the_latency() -> None:
    """A second without answers: everything that was due in it waits for its end, on the clock."""
    summary = summarise(result_of(lambda t: 0.02 + max(0.0, 6 - t) if t >= 5 and t < 6 else 0.02))
    assert summary.kept_up == pytest.approx(1)
    assert summary.p99_ms > 800


def test_what_is_refused_is_not_committed() -> None:
    summary = summarise(result_of(lambda t: 0.02, lambda number: 429 if number % 4 == 0 else 200))
    assert summary.kept_up == pytest.approx(0.75, rel=0.01)
    assert summary.refused == {"429": RATE * SECONDS // 4}


def test_too_few_answers_say_nothing() -> None:
    assert kept_up([Answer(0, 1, 200)]) == 0.0


def test_the_gap_is_the_longest_time_without_a_commit() -> None:
    result = result_of(lambda t: 0.02, lambda number: FAILED if 400 <= number < 620 else 200)
    assert longest_gap_s(result, 3.0) == pytest.approx(2.21, abs=0.011)
    assert longest_gap_s(result, 7.0) == pytest.approx(0.01, abs=0.001)
    assert longest_gap_s(result, 4.5) == pytest.approx(1.72, abs=0.011)


def test_a_service_that_does_not_come_back_is_a_gap_until_the_end() -> None:
    result = result_of(lambda t: 0.02, lambda number: FAILED if number >= 600 else 200)
    assert longest_gap_s(result, 3.0) == pytest.approx(4, abs=0.03)


def test_no_commit_at_all_is_an_endless_gap() -> None:
    assert longest_gap_s(result_of(lambda t: 0.02, lambda number: FAILED), 1.0) == float("inf")


@pytest.mark.parametrize(
    ("target", "value", "verdict"),
    [
        (Target(10, 20), 9, "missed"),
        (Target(10, 20), 10, "reached"),
        (Target(10, 20), 20, "aim reached"),
        (Target(20, 10, is_ceiling=True), 21, "missed"),
        (Target(20, 10, is_ceiling=True), 20, "reached"),
        (Target(20, 10, is_ceiling=True), 10, "aim reached"),
    ],
)
def test_verdicts(target: Target, value: float, verdict: str) -> None:
    assert target.verdict(value) == verdict


def test_a_figure_without_a_target_has_no_verdict() -> None:
    assert Figure("unknown", "", 1, "").verdict == ""
    assert Figure("memory", "", 150, "MB").verdict == TARGETS["memory"].verdict(150) == "aim reached"


def test_the_records_are_real_flights_that_satisfy_their_schema() -> None:
    records = flight_records()
    assert len(records) > 4096
    assert compile_schema(flight_schema()).check(records[:500]) is None
    assert 250 <= mean_size_bytes() <= 350


def test_groups_of_records_have_their_size_and_differ() -> None:
    groups = record_groups(500, 64)
    assert {len(group) for group in groups} == {500}
    assert len({tuple(group) for group in groups}) == 64
