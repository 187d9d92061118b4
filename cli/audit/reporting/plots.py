"""Stacked bars as inline SVG. Series differ by pattern as well as by colour, so that a grey print can be read."""

import datetime
from collections.abc import Mapping, Sequence
from itertools import count

from audit.series import Bucket, TimeSeries
from cli.audit.reporting.html import Element, Words, element
from cli.audit.reporting.words import width_words

SERIES_MAX = 6
"""Named series; what is over goes into one called others."""
OTHERS = Words("其他", "others")

_WIDTH, _HEIGHT = 720, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 8, 12, 34
_TICKS_MAX = 5
_LABELS_MAX = 5
_LABEL_WIDTH = 110
_COLOURS = ("#1f5a94", "#b5530c", "#2e7031", "#7a2d5d", "#0f6670", "#7d6200", "#5c5c5c")
_HATCHES = (
    "",
    "M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2",
    "M0,3 h6",
    "M-1,5 l2,2 M0,0 l6,6 M5,-1 l2,2",
    "M3,0 v6",
    "M0,3 h6 M3,0 v6",
    "M0,0 l6,6 M0,6 l6,-6",
)
"""White lines on a tile of 6 by 6, one for each colour."""


def stacked_bars(plot_id: str, title: Words, series: TimeSeries, names: Mapping[str, Words]) -> Element:
    """A figure of counts over time.

    Args:
        plot_id: unique in the page.
        title: what is counted.
        series: the counts.
        names: what the series are called, in their order; without any, the largest ones are shown under their keys.
    """
    buckets = series.buckets()
    if not buckets:
        return element("figure", element("figcaption", title), element("p", Words("无", "None"), class_="none"))
    keys = [key for key in names if series.totals[key]] or [key for key, _ in series.totals.most_common(SERIES_MAX)]
    shown = {key: names.get(key, Words(key, key)) for key in keys}
    legend = [(name, series.totals[key]) for key, name in shown.items()]
    if folded := series.totals.total() - sum(total for _, total in legend):
        legend.append((OTHERS, folded))
    drawing = _Drawing(plot_id, buckets, series.width_ms, shown)
    stretch = width_words(series.width_ms)
    width = Words(f"每格 {stretch.zh}，UTC", f"per {stretch.en}, UTC")
    return element(
        "figure",
        element("figcaption", title, element("span", width, class_="unit")),
        drawing.element(_summary(title, buckets, legend)),
        element("ul", (_legend_item(plot_id, index, *item) for index, item in enumerate(legend)), class_="legend"),
    )


def _summary(title: Words, buckets: Sequence[Bucket], legend: Sequence[tuple[Words, int]]) -> str:
    """What the picture says, for who cannot see it."""
    first, last = _day_text(buckets[0].start_ms), _day_text(buckets[-1].start_ms)
    totals = "; ".join(f"{name.text} {total:,}" for name, total in legend)
    return f"{title.text}. {first} – {last}. {totals}"


def _legend_item(plot_id: str, index: int, name: Words, total: int) -> Element:
    swatch = element(
        "svg",
        element("rect", width=14, height=14, fill=f"url(#{plot_id}-{index})"),
        width=14,
        height=14,
        aria_hidden="true",
    )
    return element("li", swatch, " ", name, f" {total:,}")


class _Drawing:
    """One plot's coordinates and shapes."""

    def __init__(self, plot_id: str, buckets: Sequence[Bucket], width_ms: int, shown: Mapping[str, Words]) -> None:
        self._id = plot_id
        self._buckets = buckets
        self._width_ms = width_ms
        self._shown = shown
        self._step = _tick_step(max(sum(bucket.counts.values()) for bucket in buckets))
        top = max(sum(bucket.counts.values()) for bucket in buckets)
        self._ticks = range(0, -(-top // self._step) * self._step + 1, self._step)
        self._bar = (_WIDTH - _LEFT - _RIGHT) / len(buckets)

    def element(self, summary: str) -> Element:
        return element(
            "svg",
            element("defs", (_pattern(f"{self._id}-{index}", index) for index in range(SERIES_MAX + 1))),
            *self._grid(),
            *(self._stack(index, bucket) for index, bucket in enumerate(self._buckets)),
            *self._time_labels(),
            viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
            role="img",
            aria_label=summary,
        )

    def _y(self, value: int) -> float:
        return _HEIGHT - _BOTTOM - value / self._ticks[-1] * (_HEIGHT - _TOP - _BOTTOM)

    def _grid(self) -> list[Element]:
        shapes = []
        for tick in self._ticks:
            y = f"{self._y(tick):.1f}"
            shapes.append(element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
            label = element("text", f"{tick:,}", x=_LEFT - 6, y=y, text_anchor="end", dominant_baseline="middle")
            shapes.append(label)
        return shapes

    def _stack(self, index: int, bucket: Bucket) -> Element:
        """A bar of all series, with what it counts as its tooltip."""
        counts = [bucket.counts[name] for name in self._shown]
        counts.append(sum(bucket.counts.values()) - sum(counts))
        x, width = _LEFT + index * self._bar + self._bar * 0.08, self._bar * 0.84
        bottom, rects = 0, []
        for number, value in zip(count(), counts, strict=False):
            if value:
                top, height = self._y(bottom + value), self._y(bottom) - self._y(bottom + value)
                fill = f"url(#{self._id}-{number})"
                size = {"x": f"{x:.1f}", "y": f"{top:.1f}", "width": f"{width:.1f}", "height": f"{height:.1f}"}
                rects.append(element("rect", fill=fill, **size))
                bottom += value
        labels = (*self._shown.values(), OTHERS)
        said = "; ".join(f"{name.text} {value:,}" for name, value in zip(labels, counts, strict=True) if value)
        return element("g", element("title", f"{_time_text(bucket.start_ms, self._width_ms)}: {said}"), *rects)

    def _time_labels(self) -> list[Element]:
        every = max(1, -(-len(self._buckets) // _LABELS_MAX))
        labels = []
        for index in range(0, len(self._buckets), every):
            x = _LEFT + index * self._bar
            if x + _LABEL_WIDTH > _WIDTH:
                break
            y = _HEIGHT - _BOTTOM
            labels.append(element("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=y, y2=y + 5, class_="tick"))
            text = _time_text(self._buckets[index].start_ms, self._width_ms)
            labels.append(element("text", text, x=f"{x:.1f}", y=y + 18))
        return labels


def _pattern(pattern_id: str, index: int) -> Element:
    tile = [element("rect", width=6, height=6, fill=_COLOURS[index])]
    if _HATCHES[index]:
        tile.append(element("path", d=_HATCHES[index], stroke="#fff", stroke_width=1.2))
    return element("pattern", *tile, id=pattern_id, width=6, height=6, patternUnits="userSpaceOnUse")


def _tick_step(top: int) -> int:
    """A round distance of the lines, so that there are few: 1, 2 or 5 times a power of ten."""
    scale = 1
    while True:
        for factor in (1, 2, 5):
            if top <= factor * scale * _TICKS_MAX:
                return factor * scale
        scale *= 10


def _day_text(time_ms: int) -> str:
    return _time_text(time_ms, 24 * 60 * 60 * 1000)


def _time_text(time_ms: int, width_ms: int) -> str:
    """The start of a stretch, no more exactly than the stretch is long."""
    try:
        time = datetime.datetime.fromtimestamp(time_ms / 1000, datetime.UTC)
    except (OverflowError, ValueError, OSError):
        return "> 9999"
    if width_ms >= 24 * 60 * 60 * 1000:
        return time.strftime("%Y-%m-%d")
    return time.strftime("%Y-%m-%d %H:%M" if width_ms >= 60 * 1000 else "%m-%d %H:%M:%S")
