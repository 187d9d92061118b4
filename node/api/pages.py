"""Lists in pages: bounded in items, bytes and time, in the order that things came in or the newest first.

``next`` of a page, given back as ``after``, is where the list goes on; it names the last line that was given, so it
stays right whatever is committed meanwhile. A page may be shorter than ``limit`` and still not be the last: that one
alone has no ``next``.
"""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Annotated, Literal, NamedTuple

import orjson
from fastapi import Query

from chain.ledger import Ledger
from chain.limits import LIMITS, MIB
from chain.storage.blocks import Location
from node.api.problems import bad_request, parse_number
from node.api.views import Json
from node.pool import CommittedBlock

PAGE_BYTES = MIB
PAGE_S = 0.05
"""Of processor time, after which a page ends with what it has."""
_PLACES = 200
"""Places looked up at a time."""

Limit = Annotated[int, Query(ge=1, le=1000, description="How many lines are wanted at most")]
After = Annotated[str | None, Query(max_length=LIMITS.name_length * 2 + 24, description="`next` of the page before")]
Order = Annotated[Literal["oldest", "newest"], Query(description="What comes first")]


class Line(NamedTuple):
    """A place in a list, and what is shown of what is there."""

    place: str
    view: Json | None
    """None for what was looked at and does not belong to the list."""


class PageQuery(NamedTuple):
    """Which page."""

    after: str | None
    limit: int
    is_newest_first: bool

    @classmethod
    def of_chain(cls, after: str | None, limit: int, order: str) -> "PageQuery":
        """A page of a list that follows the chain; raises as ``parse_place``."""
        parse_place(after)
        return cls(after, limit, order == "newest")


def make_page(name: str, lines: Iterator[Line], limit: int) -> bytes:
    """A page as JSON: ``{NAME: [...], "next": place or null}``. It has at least one line if there is one within the
    time that a page may take.
    """
    ends_s = time.thread_time() + PAGE_S
    found, size_bytes, last, following = list[bytes](), 0, "", None
    for line in lines:
        is_late = time.thread_time() > ends_s
        if last and (size_bytes >= PAGE_BYTES or len(found) == limit or is_late):
            following = last
            break
        last = line.place
        if line.view is not None:
            found.append(orjson.dumps(line.view))
            size_bytes += len(found[-1])
    return b'{"%b":[%b],"next":%b}' % (name.encode(), b",".join(found), orjson.dumps(following))


Places = Callable[[Location | None, int, bool], list[Location]]
"""(after, how many, newest first) -> places in the chain."""


def lines_at(places: Places, wanted: PageQuery, view: Callable[[Location], Json | None]) -> Iterator[Line]:
    """The lines of a list that follows the chain."""
    after = parse_place(wanted.after)
    while found := places(after, min(_PLACES, wanted.limit + 1), wanted.is_newest_first):
        for after in found:
            yield Line(place_text(after), view(after))


def parse_place(text: str | None) -> Location | None:
    """The place that a list goes on after, ``HEIGHT.INDEX``; none for its beginning.

    Raises:
        PoolError: code ``bad_request``.
    """
    if not text:
        return None
    height, _, position = text.partition(".")
    refusal = "after has the form HEIGHT.INDEX"
    index = parse_number(position, refusal)
    if index >= LIMITS.block_transactions:
        raise bad_request(refusal)
    return Location(parse_number(height, refusal), index)


def place_text(location: Location) -> str:
    """A place as ``parse_place`` reads it."""
    return f"{location.height}.{location.position}"


def block_heights(ledger: Ledger, wanted: PageQuery) -> range:
    """Heights of a page of blocks and beyond.

    Raises:
        PoolError: code ``bad_request`` for an ``after`` that is none.
    """
    newest = ledger.tip.height
    after = None if not wanted.after else parse_number(wanted.after, "after is a height")
    if wanted.is_newest_first:
        return range(newest if after is None else min(after - 1, newest), -1, -1)
    return range(0 if after is None else after + 1, newest + 1)


class Register:
    """What is entered in the state under one prefix, by age: height of the first entry, then name.

    Names alone are kept; it is made of the state when it is first asked for, in a reader's thread, and follows what is
    committed from then on.

    Args:
        ledger: whose state.
        prefix: of the keys.
        height_of: height at which an encoded entry was first made.
    """

    def __init__(self, ledger: Ledger, prefix: bytes, height_of: Callable[[bytes], int]) -> None:
        self._ledger = ledger
        self._prefix = prefix
        self._height_of = height_of
        self._heights: dict[str, int] = {}
        self._sorted: list[tuple[int, str]] = []
        self._anchor_height: int | None = None
        """Of the ledger when this was made: another state that came from others since is read anew."""

    def lines(self, wanted: PageQuery, view: Callable[[str], Json | None]) -> Iterator[Line]:
        """Lines of the list; ``after`` is HEIGHT.NAME. Raises ``bad_request`` for one that is none. For any thread."""
        after = _parse_entry(wanted.after)
        entries = self._entries()
        if wanted.is_newest_first:
            start = len(entries) if after is None else bisect_left(entries, after)
            chosen: Iterator[tuple[int, str]] = reversed(entries[:start])
        else:
            chosen = islice(entries, 0 if after is None else bisect_right(entries, after), None)
        for height, name in chosen:
            yield Line(f"{height}.{name}", view(name))

    def on_committed(self, block: CommittedBlock) -> None:
        """Enter what a block has made."""
        for key, value in block.executed.changes.items():
            if key.startswith(self._prefix):
                self._enter(key, value)

    def _entries(self) -> list[tuple[int, str]]:
        anchor_height = self._ledger.blocks.anchor_height
        if anchor_height != self._anchor_height:
            snapshot = self._ledger.snapshot()
            for key in self._ledger.states.keys(self._prefix):
                if (value := snapshot.state.get(key)) is not None:
                    self._enter(key, value)
            self._anchor_height = anchor_height
        if len(self._sorted) != len(self._heights):  # entries change, and never go
            self._sorted = sorted((height, name) for name, height in tuple(self._heights.items()))
        return self._sorted

    def _enter(self, key: bytes, value: bytes) -> None:
        name = key[len(self._prefix) :].decode()
        if name not in self._heights:
            self._heights[name] = self._height_of(value)


def _parse_entry(text: str | None) -> tuple[int, str] | None:
    if not text:
        return None
    height, _, name = text.partition(".")
    return parse_number(height, "after has the form HEIGHT.NAME"), name
