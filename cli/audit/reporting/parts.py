"""Building blocks of the report: sections, tables, numbers, times."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chain.messages import time_text
from chain.primitives.crypto import Hash
from cli.audit.reporting.html import Element, Node, Words, element
from cli.audit.reporting.words import NONE

ROWS_MAX = 200
"""Rows of one table. The report has to stay something that is read; ``audit reads`` lists everything."""

_NAME_LENGTH = 20
"""Names up to this stay on one line."""
_BEIJING_MS = 8 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column."""

    head: Words
    is_number: bool = False


Row = Sequence[Node]
"""A cell for each column; the first one is what the row is about."""


def section(section_id: str, title: Words, *content: Node | Iterable[Node]) -> Element:
    """A part of the report with its heading."""
    heading = element("h2", title, id=f"{section_id}-title")
    return element("section", heading, *content, id=section_id, aria_labelledby=f"{section_id}-title")


def table(table_id: str, caption: Words | None, columns: Sequence[Column], rows: Sequence[Row]) -> Element:
    """A table. A sentence instead if there are no rows, and one more if there are too many.

    Args:
        table_id: unique in the page.
        caption: what it lists; None if its section's title says so.
        columns: their heads.
        rows: the cells.
    """
    if not rows:
        named: list[Node] = [element("strong", caption), " "] if caption is not None else []
        return element("p", named, NONE, class_="none", id=table_id)
    titles = [element("caption", caption)] if caption is not None else []
    head = (element("th", column.head, scope="col", **_class_of(column)) for column in columns)
    body = element("tbody", (_row(columns, row) for row in rows[:ROWS_MAX]))
    shown = element("table", titles, element("thead", element("tr", head)), body, id=table_id)
    left_out = len(rows) - ROWS_MAX
    if left_out <= 0:
        return shown
    more = Words(f"另有 {left_out:,} 行未列出。", f"{left_out:,} more rows are not listed here.")
    return element("div", shown, element("p", more, class_="note"))


def _row(columns: Sequence[Column], row: Row) -> Element:
    cells = [element("th", row[0], scope="row", **_class_of(columns[0]))]
    cells += [element("td", cell, **_class_of(column)) for column, cell in zip(columns[1:], row[1:], strict=True)]
    return element("tr", cells)


def _class_of(column: Column) -> dict[str, str]:
    return {"class_": "number"} if column.is_number else {}


def facts(rows: Iterable[tuple[Node, Node]], facts_id: str) -> Element:
    """Names and values."""
    body = (element("tr", element("th", name, scope="row"), element("td", value)) for name, value in rows)
    return element("table", element("tbody", body), class_="facts", id=facts_id)


def figure(figure_id: str, value: int) -> Element:
    """A number that programs can find by its id."""
    return element("data", number(value), value=value, id=f"figure-{figure_id}")


def number(value: int) -> str:
    """A number with its thousands apart."""
    return f"{value:,}"


def paragraph(words: Words, class_: str = "") -> Element:
    """A paragraph for each language."""
    zh, en = element("span", words.zh, lang="zh-Hans"), element("span", words.en, lang="en")
    return element("p", zh, element("br"), en, **({"class_": class_} if class_ else {}))


def minute(time_ms: int) -> str:
    """A time to the minute, UTC."""
    text = time_text(time_ms)
    return text[:16] if text[:1].isdigit() else text


def when(time_ms: int) -> Element:
    """The same in a table."""
    return element("time", minute(time_ms))


def at_height(height: int) -> Element:
    """A place in the chain."""
    return element("span", Words(f"高度 {height:,}", f"height {height:,}"), class_="short")


def fine_print(text: str) -> Element:
    """A line of its own below what it adds to."""
    return element("small", text)


def both_clocks(time_ms: int) -> str:
    """A time by the clocks of Beijing and of Greenwich."""
    return f"{minute(time_ms + _BEIJING_MS)} (UTC+8) · {minute(time_ms)} (UTC)"


def short(hash_: Hash) -> Element:
    """The beginning of a hash: enough to find it by."""
    return element("code", hash_.hex()[:16], class_="short")


def name(text: str) -> Element:
    """The name of a member, a dataset or a contract; a long one may be broken after its dot."""
    owner, dot, rest = text.partition(".")
    parts: list[Node] = [owner + dot, element("wbr"), rest] if len(text) > _NAME_LENGTH else [text]
    return element("code", parts, class_="name")


def whole(hash_: Hash) -> Element:
    """A hash in full."""
    return element("code", hash_.hex(), class_="hash")


def titled(zh: str, en: str) -> Node:
    """A title that somebody has given in both languages, or in one."""
    return element("span", Words(zh or en, en or zh), class_="given")


def badge(words: Words, kind: str) -> Element:
    """A word that stands out. ``kind`` is ``good``, ``warning`` or ``bad``; the word says the same."""
    return element("span", words, class_=f"badge {kind}")
