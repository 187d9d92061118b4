"""Cards and arrows as SVG text. Sizes are in pixels; text is measured by rule, since there is no font to ask."""

import html
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cli.provenance.layout import Drawing, Edge, Key, Spacing, draw

CardKind = Literal["record", "parcel", "erased", "use", "gap", "more"]
LineStyle = Literal["title", "plain", "dim", "id", "good", "warn", "bad", "gone"]

_CARD_WIDTH = 256.0
_SPACING = Spacing(node_width=_CARD_WIDTH, column_gap=112, row_gap=24, bend_height=14)
_PADDING = 12.0
_ROOM = _CARD_WIDTH - 2 * _PADDING
_LINE_HEIGHT = 18.0
_MARGIN = 28.0
_HEAD_HEIGHT = 88.0
_LEGEND_HEIGHT = 56.0
_SIZES: dict[LineStyle, float] = {"title": 14, "id": 10}
_SIZE = 12.0
_WIDE, _NARROW = 1.0, 0.55
"""Advance of an ideograph and of a Latin letter in parts of the size; the latter with some to spare."""
_BROKEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""What XML 1.0 cannot hold, and what changes the direction of reading."""

_LEGEND: tuple[tuple[CardKind, str], ...] = (
    ("record", "the record 该记录"),
    ("parcel", "parcel 数据包"),
    ("use", "used by 使用者"),
    ("erased", "erased 已删除"),
    ("gap", "not verifiable 无法验证"),
    ("more", "not followed 未展开"),
)

_STYLE = """
text{font-family:system-ui,"Noto Sans CJK SC","Source Han Sans SC","Microsoft YaHei","PingFang SC",sans-serif;
font-size:12px;fill:#1c2733}
.head{font-size:19px;font-weight:600}.title{font-size:14px;font-weight:600}.dim{fill:#5b6b7b}
.id{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:10px;fill:#5b6b7b}
.good{fill:#2f6b1f}.warn{fill:#8a5a00}.bad{fill:#a3221b}.gone{fill:#7a2f92;font-weight:600}
.card{stroke-width:1.3}.card-record{fill:#e8f1ff;stroke:#1f5fbf}.start{stroke-width:2.8}
.card-parcel{fill:#fff;stroke:#4a6078}.card-use{fill:#f2f8ec;stroke:#5b8a3a}
.card-erased{fill:#f8f1fb;stroke:#7a2f92;stroke-dasharray:6 4}
.card-gap{fill:#fff2f1;stroke:#a3221b;stroke-dasharray:3 3}.card-more{fill:#f6f7f8;stroke:#8795a3;stroke-dasharray:3 3}
.edge{fill:none;stroke:#8795a3;stroke-width:1.4}
.note{font-size:11px;fill:#5b6b7b;text-anchor:middle;paint-order:stroke;stroke:#fff;stroke-width:4px}
"""


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text on a card; cut off where it would leave it."""

    text: str
    style: LineStyle = "plain"


@dataclass(frozen=True, slots=True)
class Card:
    """A node of the picture."""

    key: Key
    kind: CardKind
    place: tuple[int, int, int, str]
    """Orders the cards: those that lead to it come before it."""
    lines: tuple[TextLine, ...]
    tip: str
    """Shown while somebody points at it; what has no room on the card."""
    is_start: bool = False
    """Whether the record is in it."""

    @property
    def height(self) -> float:
        """Of the whole card."""
        return 2 * _PADDING + _LINE_HEIGHT * len(self.lines) - 4


def picture(
    heads: Sequence[str], cards: Mapping[Key, Card], columns: Mapping[Key, int], edges: Mapping[Edge, str]
) -> str:
    """The SVG file.

    Args:
        heads: title and lines under it.
        cards: the nodes by their keys, in an order in which none comes before what leads to it.
        columns: which column each stands in.
        edges: arrows, with what is written at them.
    """
    drawing = draw({key: card.height for key, card in cards.items()}, columns, list(edges), _SPACING)
    head_width = max(_width(head, 19 if number == 0 else 12) for number, head in enumerate(heads))
    legend_width = sum(_legend_width(text) for _, text in _LEGEND)
    width = math.ceil(max(drawing.width, head_width, legend_width) + 2 * _MARGIN)
    height = math.ceil(_HEAD_HEIGHT + drawing.height + _LEGEND_HEIGHT + 2 * _MARGIN)
    top = _MARGIN + _HEAD_HEIGHT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img">',
            f"<title>{_escaped(heads[0])}</title>",
            f"<style>{_STYLE}</style>",
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" '
            'orient="auto"><path d="M0,0.5 L7.5,4 L0,7.5 z" fill="#8795a3"/></marker></defs>',
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            *_head(heads),
            f'<g transform="translate({_MARGIN:g},{top:g})">',
            *_edges(drawing, edges),
            *(_card(card, *drawing.places[key]) for key, card in cards.items()),
            "</g>",
            *_legend(height - _MARGIN - 16),
            "</svg>",
            "",
        ]
    )


def _head(heads: Sequence[str]) -> Iterator[str]:
    for number, head in enumerate(heads):
        style = "head" if number == 0 else "dim"
        yield f'<text class="{style}" x="{_MARGIN:g}" y="{_MARGIN + 18 + 24 * number:g}">{_escaped(head)}</text>'


def _edges(drawing: Drawing, edges: Mapping[Edge, str]) -> Iterator[str]:
    for edge, note in edges.items():
        points = drawing.routes[edge]
        yield f'<path class="edge" marker-end="url(#arrow)" d="{_curve(points)}"/>'
        if note:
            (left, upper), (right, lower) = points[-2:]
            middle = f'x="{(left + right) / 2:.1f}" y="{(upper + lower) / 2 - 4:.1f}"'
            yield f'<text class="note" {middle}>{_escaped(_cut(note, 11, _SPACING.column_gap))}</text>'


def _curve(points: Sequence[tuple[float, float]]) -> str:
    """A path that leaves and enters every point horizontally."""
    (x, y), *rest = points
    parts = [f"M{x:.1f},{y:.1f}"]
    for next_x, next_y in rest:
        middle = (x + next_x) / 2
        parts.append(f"C{middle:.1f},{y:.1f} {middle:.1f},{next_y:.1f} {next_x:.1f},{next_y:.1f}")
        x, y = next_x, next_y
    return " ".join(parts)


def _card(card: Card, x: float, y: float) -> str:
    corner = 20 if card.kind == "use" else 6
    style = f"card card-{card.kind}" + (" start" if card.is_start else "")
    lines = "".join(
        f'<text class="{line.style}" x="{_PADDING:g}" y="{_PADDING + 11 + _LINE_HEIGHT * number:g}">'
        f"{_escaped(_cut(line.text, _SIZES.get(line.style, _SIZE), _ROOM))}</text>"
        for number, line in enumerate(card.lines)
    )
    return (
        f'<g transform="translate({x:.1f},{y:.1f})"><title>{_escaped(card.tip)}</title>'
        f'<rect class="{style}" width="{_CARD_WIDTH:g}" height="{card.height:g}" rx="{corner}"/>'
        f"{lines}</g>"
    )


def _legend(y: float) -> Iterator[str]:
    x = _MARGIN
    for kind, text in _LEGEND:
        corner = 8 if kind == "use" else 3
        yield f'<rect class="card card-{kind}" x="{x:.1f}" y="{y:g}" width="26" height="16" rx="{corner}"/>'
        yield f'<text class="dim" x="{x + 34:.1f}" y="{y + 12:g}">{_escaped(text)}</text>'
        x += _legend_width(text)


def _legend_width(text: str) -> float:
    return 34 + _width(text, _SIZE) + 24


def two_lines(text: str) -> tuple[TextLine, ...]:
    """A text that may take two lines of a card; broken between words where that does not waste much."""
    end = _fitting(text, _SIZE, _ROOM)
    if end == len(text):
        return (TextLine(text),)
    space = text.rfind(" ", end // 2, end + 1)
    end = end if space < 0 else space
    return TextLine(text[:end]), TextLine(text[end:].lstrip())


def _cut(text: str, size: float, room: float) -> str:
    """The text, cut off where it would take more room."""
    if _fitting(text, size, room) == len(text):
        return text
    return text[: _fitting(text, size, room - size)] + "…"


def _fitting(text: str, size: float, room: float) -> int:
    """How many characters fit."""
    end = 0
    while end < len(text) and _width(text[: end + 1], size) <= room:
        end += 1
    return end


def _width(text: str, size: float) -> float:
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return size * (wide * _WIDE + (len(text) - wide) * _NARROW)


def _escaped(text: str) -> str:
    return html.escape(_BROKEN.sub("\ufffd", text))
