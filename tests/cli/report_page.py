"""Reading a report back, strictly: what is not well formed, or not a report's, fails."""

import base64
import hashlib
from collections.abc import Sequence
from html.parser import HTMLParser

VOID = {"br", "meta", "wbr"}


class ReportPage(HTMLParser):
    """Numbers, tables and text of a page.

    Attributes:
        text: all of it, each element's on a line of its own.
        figures: numbers by the id that they have in the page.
        tables: texts of the cells of a table's body, row by row, by the table's id.
        tags: elements that occur.
        attributes: names of attributes that occur.
        classes: values of ``class`` that occur.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.content = content
        self.figures: dict[str, int] = {}
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.classes: set[str] = set()
        self.ids: list[str] = []
        self.policy = ""
        self.style = ""
        self._texts: list[str] = []
        self._open: list[str] = []
        self._rows: list[list[str]] | None = None
        self.feed(content.decode())
        self.close()
        assert not self._open, f"never closed: {self._open}"
        assert len(set(self.ids)) == len(self.ids), "an id occurs twice"
        digest = base64.b64encode(hashlib.sha256(self.style.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in self.policy, "the style sheet is not the one that is allowed"

    @property
    def text(self) -> str:
        return "\n".join(self._texts)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert len(found) == len(attrs), "an attribute occurs twice"
        self.tags.add(tag)
        self.attributes |= set(found)
        self.classes |= set((found.get("class") or "").split())
        if found.get("id"):
            self.ids.append(found["id"] or "")
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found.get("content") or ""
        if tag not in VOID:
            self._open.append(tag)
        if tag == "data":
            self.figures[(found.get("id") or "").removeprefix("figure-")] = int(found.get("value") or "")
        elif tag == "table":
            self._rows = self.tables.setdefault(found.get("id") or "", [])
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag in ("td", "th") and self._rows:
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> of nothing"
        assert self._open.pop() == tag
        if tag == "table":
            self._rows = None
        elif tag == "thead" and self._rows is not None:
            self._rows.clear()

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.style += data
        elif data.strip():
            self._texts.append(data)
            if self._rows and self._rows[-1]:
                self._rows[-1][-1] += data

    def table(self, table_id: str) -> dict[str, list[str]]:
        """A table's rows by their first cell."""
        return {row[0]: row[1:] for row in self.tables[table_id]}
