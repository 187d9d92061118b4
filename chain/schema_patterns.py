"""Patterns of strings: a small regular language whose verdict is the same everywhere, in time linear in the string.

A pattern becomes the automaton of its places (Glushkov 1961), and this a table of states before any string is looked
at, within bounds: a string then costs one look-up for each code point, whatever the pattern.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from chain.limits import LIMITS
from chain.schema_pattern_grammar import (
    LAST_POINT,
    BadPattern,
    Branches,
    CharacterSet,
    Node,
    Parsed,
    Ranges,
    Repeat,
    parse_pattern,
)

_CACHED_MAX = 512
"""Characters whose next state is remembered, of all states of a pattern together."""


@dataclass(slots=True)
class PatternBudget:
    """What all patterns of one schema may cost together."""

    places: int = LIMITS.schema_pattern_places
    steps: int = LIMITS.schema_pattern_steps
    patterns: int = 0
    """How many there are."""

    def spend(self, *, places: int = 0, steps: int = 0) -> None:
        """Take from what is left; raises ``BadPattern`` if that is too little."""
        self.places -= places
        self.steps -= steps
        if self.places < 0 or self.steps < 0:
            raise BadPattern("patterns cost more than a schema may")

    @property
    def steps_spent(self) -> int:
        """Steps so far."""
        return LIMITS.schema_pattern_steps - self.steps


class Pattern:
    """A pattern, ready to be matched.

    Args:
        text: as it stands in the schema.
        budget: of the schema; what the pattern costs is taken from it.

    Raises:
        BadPattern: ``text`` is none, or too costly.
    """

    def __init__(self, text: str, budget: PatternBudget) -> None:
        budget.patterns += 1
        parsed = parse_pattern(text)
        self._start = _table(_Places(parsed.node, budget), parsed, budget)

    def matches(self, text: str) -> bool:
        """Whether the string, or a part of it where the pattern does not say ``^`` and ``$``, is of the language."""
        state = self._start
        for character in text:
            state = state[character]
        return state.accepts


# --- Places -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Fragment:
    """The places of a part, as bits: where it may begin and end, and whether it may be empty."""

    first: int
    last: int
    can_be_empty: bool


class _Places:
    """The places of a pattern: each set of characters that is written, as often as it is repeated.

    Attributes:
        whole: where a match may begin and end.
        follow: of each place, those that may come after it, as bits.
        places_of: by set of characters, its places, as bits.
    """

    def __init__(self, node: Node, budget: PatternBudget) -> None:
        self._budget = budget
        self.follow: list[int] = []
        self.places_of: dict[Ranges, int] = {}
        self.whole = self._build(node)

    def _build(self, node: Node) -> _Fragment:
        if isinstance(node, CharacterSet):
            self._budget.spend(places=1)
            place = 1 << len(self.follow)
            self.follow.append(0)
            self.places_of[node.ranges] = self.places_of.get(node.ranges, 0) | place
            return _Fragment(place, place, can_be_empty=False)
        if isinstance(node, Repeat):
            return self._repeat(node)
        parts = [self._build(part) for part in node.parts]
        if isinstance(node, Branches):
            first = last = 0
            for part in parts:
                first |= part.first
                last |= part.last
            return _Fragment(first, last, any(part.can_be_empty for part in parts))
        whole = parts[-1]
        for part in reversed(parts[:-1]):
            whole = self._joined(part, whole)
        return whole

    def _repeat(self, node: Repeat) -> _Fragment:
        """``x{2,4}`` is ``xx(x(x)?)?``, ``x{2,}`` is ``xx+``."""
        whole: _Fragment | None = None
        copies = node.least
        if node.most is None:
            copies = max(copies - 1, 0)
            whole = self._build(node.part)
            self._link(whole.last, whole.first)
            whole = _Fragment(whole.first, whole.last, whole.can_be_empty or node.least == 0)
        else:
            for _ in range(node.most - node.least):
                part = self._build(node.part)
                joined = part if whole is None else self._joined(part, whole)
                whole = _Fragment(joined.first, joined.last, can_be_empty=True)
        for _ in range(copies):
            part = self._build(node.part)
            whole = part if whole is None else self._joined(part, whole)
        if whole is None:
            raise BadPattern("a part is repeated no time")
        return whole

    def _joined(self, one: _Fragment, other: _Fragment) -> _Fragment:
        self._link(one.last, other.first)
        return _Fragment(
            one.first | other.first if one.can_be_empty else one.first,
            one.last | other.last if other.can_be_empty else other.last,
            one.can_be_empty and other.can_be_empty,
        )

    def _link(self, last: int, first: int) -> None:
        for place in _bits(last):
            self.follow[place] |= first


def _bits(places: int) -> Iterator[int]:
    while places:
        lowest = places & -places
        yield lowest.bit_length() - 1
        places ^= lowest


# --- States -----------------------------------------------------------------------------------------------------------


class _State(dict[str, "_State"]):
    """What has been read so far, as far as it matters. Maps the next character to the next state.

    Attributes:
        accepts: whether the string may end here.
        next: the next state by segment.
    """

    __slots__ = ("_cache", "_segments", "accepts", "next")

    def __init__(self, accepts: bool, segments: list[str], cache: _Cache) -> None:
        super().__init__()
        self.accepts = accepts
        self.next: list[_State] = []
        self._segments = segments
        self._cache = cache

    def __missing__(self, character: str) -> _State:
        state = self.next[bisect_right(self._segments, character)]
        if self._cache.room:
            self._cache.room -= 1
            self[character] = state
        return state


@dataclass(slots=True)
class _Cache:
    room: int = field(default=_CACHED_MAX)


def _table(places: _Places, parsed: Parsed, budget: PatternBudget) -> _State:
    """The first state, with all that can be reached from it."""
    starts = sorted({point for ranges in places.places_of for first, last in ranges for point in (first, last + 1)})
    segments = [point for point in starts if 0 < point <= LAST_POINT]
    matching = [0] * (len(segments) + 1)
    for ranges, of_set in places.places_of.items():
        covered = [
            segment
            for first, last in ranges
            for segment in range(bisect_right(segments, first), bisect_right(segments, last) + 1)
        ]
        budget.spend(steps=len(covered) * of_set.bit_count())
        for segment in covered:
            matching[segment] |= of_set
    whole, again = places.whole, 0 if parsed.from_start else places.whole.first
    always = whole.can_be_empty and not parsed.from_start
    edges, cache = [chr(point) for point in segments], _Cache()
    states: dict[tuple[int, bool], _State] = {}
    waiting: list[tuple[int, bool]] = []

    def state_of(ready: int, accepts: bool) -> _State:
        if accepts and not parsed.to_end:
            ready = 0  # whatever follows
        key = (ready, accepts)
        if key not in states:
            states[key] = _State(accepts, edges, cache)
            waiting.append(key)
        return states[key]

    start = state_of(whole.first, whole.can_be_empty)
    while waiting:
        ready, accepts = waiting.pop()
        state = states[ready, accepts]
        for of_segment in matching:
            matched = ready & of_segment
            budget.spend(steps=1 + matched.bit_count())
            if accepts and not parsed.to_end:
                state.next.append(state)
                continue
            following = again
            for place in _bits(matched):
                following |= places.follow[place]
            state.next.append(state_of(following, always or bool(matched & whole.last)))
    return start
