"""The parts of a report: counts over time that stay few, tables that stay short, text that stays text."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.series import BUCKETS_MAX, TimeSeries
from cli.audit.reporting.html import Words, document, element
from cli.audit.reporting.parts import ROWS_MAX, Column, table
from cli.audit.reporting.plots import SERIES_MAX, stacked_bars
from cli.audit.reporting.words import code_words, width_words
from cli.output import sanitize
from tests.cli.report_page import ReportPage

DAY_MS = 24 * 3_600_000
MONDAY_MS = 1_700_438_400_000
"""2023-11-20 00:00 UTC."""


def page_of(*content: object) -> ReportPage:
    return ReportPage(document(Words("题", "Title"), "p { color: red; }", [element("main", *content)]))  # type: ignore[arg-type]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 2**63 - 1) | st.integers(0, 10**6), st.integers(1, 10)),
        min_size=1,
        max_size=40,
    )
)
def test_nothing_is_lost_however_long_the_time_and_in_whatever_order(events: list[tuple[str, int, int]]) -> None:
    series = TimeSeries()
    for name, time_ms, count in events:
        series.add(name, time_ms, count)
    buckets = series.buckets()
    assert 0 < len(buckets) <= BUCKETS_MAX
    assert all(later.start_ms - earlier.start_ms == series.width_ms for earlier, later in pairwise(buckets))
    for bucket in buckets:
        inside = [event for event in events if 0 <= event[1] - bucket.start_ms < series.width_ms]
        for name in "abc":
            assert bucket.counts[name] == sum(count for of, _, count in inside if of == name)


@pytest.mark.parametrize(
    ("span_ms", "zh", "en"),
    [
        (10_000, "1 秒", "1 second"),
        (20 * 60_000, "1 分钟", "1 minute"),
        (2 * 3_600_000, "10 分钟", "10 minutes"),
        (5 * DAY_MS, "6 小时", "6 hours"),
        (30 * DAY_MS, "1 天", "1 day"),
        (365 * DAY_MS, "1 周", "1 week"),
        (1000 * DAY_MS, "4 周", "4 weeks"),
    ],
)
def test_stretches_have_a_length_that_people_use(span_ms: int, zh: str, en: str) -> None:
    series = TimeSeries()
    series.add("a", MONDAY_MS)
    series.add("a", MONDAY_MS + span_ms)
    assert width_words(series.width_ms) == Words(zh, en)


def test_a_plot_says_in_words_what_it_shows() -> None:
    series = TimeSeries()
    for number in range(SERIES_MAX + 3):
        series.add(f"d.{number}", MONDAY_MS + number * DAY_MS, 100 - number)
    content = document(Words("题", "Title"), "", [stacked_bars("plot", Words("记录", "Records"), series, {})]).decode()
    (label,) = re.findall(r'role="img" aria-label="([^"]+)"', content)
    assert label.startswith("记录 Records. 2023-11-20")
    assert "d.0 100; d.1 99;" in label
    assert label.endswith("其他 others 279")
    assert content.count("<pattern ") == SERIES_MAX + 1
    heights = [float(height) for height in re.findall(r'<rect fill="[^"]+" x="[^>]+ height="([^"]+)"', content)]
    assert len(heights) == SERIES_MAX + 3
    assert heights == sorted(heights, reverse=True), "as tall as what they count"


def test_a_plot_of_nothing_says_so() -> None:
    assert "None" in page_of(stacked_bars("plot", Words("记录", "Records"), TimeSeries(), {})).text


@pytest.mark.parametrize(
    ("rows", "shown", "said"), [(0, 0, "None"), (ROWS_MAX, ROWS_MAX, ""), (ROWS_MAX + 7, ROWS_MAX, "7 more rows")]
)
def test_a_table_stays_short_and_says_what_it_leaves_out(rows: int, shown: int, said: str) -> None:
    columns = (Column(Words("甲", "one")), Column(Words("乙", "two"), is_number=True))
    page = page_of(
        table("list", Words("表", "List"), columns, [(f"row {number}", str(number)) for number in range(rows)])
    )
    assert len(page.tables.get("list", [])) == shown
    assert said in page.text
    assert ("more rows" in page.text) == (rows > ROWS_MAX)


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["</p><b>", "&lt;", "' onload='x", '"']))
def test_any_text_stays_text(text: str) -> None:
    page = page_of(element("p", text, title=text), element("p", Words(text, text + "!")))
    assert page.tags == {"html", "head", "meta", "title", "style", "body", "main", "p", "span"}
    assert page.attributes == {"lang", "charset", "http-equiv", "content", "name", "title"}
    assert page.text.count(sanitize(text)) >= (3 if text.strip() else 0)


def test_a_code_that_is_not_known_is_shown_as_it_is() -> None:
    assert code_words("from_the_future") == Words("from_the_future", "from_the_future")
    assert code_words("ok").zh == "已接受"
