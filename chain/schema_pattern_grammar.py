"""The grammar of patterns: a part of that of ECMA-262 with its flag ``u``, where what is taken means the same."""

from __future__ import annotations

from dataclasses import dataclass

from chain.limits import LIMITS

LAST_POINT = 0x10FFFF
_DIGITS = ((ord("0"), ord("9")),)
_WORD = (*_DIGITS, (ord("A"), ord("Z")), (ord("_"), ord("_")), (ord("a"), ord("z")))
_HYPHEN = ((ord("-"), ord("-")),)
_LINE_ENDS = ((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029))
_SYNTAX = frozenset("^$\\.*+?()[]{}|/")
_REPEATS = {"?": (0, 1), "*": (0, None), "+": (1, None)}

Ranges = tuple[tuple[int, int], ...]
"""A set of code points: first and last of each range, in order, apart from each other."""


class BadPattern(ValueError):
    """The text is no pattern, or one beyond the bounds."""


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """One character, out of a set."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Sequence:
    """One part after the other."""

    parts: list[CharacterSet | Branches | Repeat]


@dataclass(frozen=True, slots=True)
class Branches:
    """Any of the parts."""

    parts: list[Sequence]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part several times; ``most`` is None for no end."""

    part: CharacterSet | Branches
    least: int
    most: int | None


Node = CharacterSet | Sequence | Branches | Repeat


@dataclass(frozen=True, slots=True)
class Parsed:
    """A pattern, and whether it must begin and end where the string does."""

    node: Branches
    from_start: bool
    to_end: bool


def parse_pattern(text: str) -> Parsed:
    """Read a pattern; raises ``BadPattern``."""
    return _Parser(text).parse()


class _Parser:
    """Reads a pattern from left to right, one character ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def parse(self) -> Parsed:
        from_start = self._takes("^")
        branches = self._branches()
        to_end = self._takes("$")
        if self._at < len(self._text):
            raise BadPattern("there is more after the pattern's end")
        if len(branches.parts) > 1 and (from_start or to_end):
            raise BadPattern("^ and $ would be of one branch only: put the branches into ( )")
        return Parsed(branches, from_start, to_end)

    def _next(self) -> str:
        if self._at == len(self._text):
            raise BadPattern("the pattern ends too soon")
        self._at += 1
        return self._text[self._at - 1]

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _takes(self, expected: str) -> bool:
        if self._text.startswith(expected, self._at):
            self._at += len(expected)
            return True
        return False

    def _branches(self) -> Branches:
        branches = [self._sequence()]
        while self._takes("|"):
            branches.append(self._sequence())
        return Branches(branches)

    def _sequence(self) -> Sequence:
        parts = []
        while self._peek() not in ("", "|", ")", "$"):
            parts.append(self._piece())
        if not parts:
            raise BadPattern("a branch is empty")
        return Sequence(parts)

    def _piece(self) -> CharacterSet | Branches | Repeat:
        atom = self._atom()
        sign = self._peek()
        if sign in _REPEATS and sign:
            self._at += 1
            return Repeat(atom, *_REPEATS[sign])
        if self._takes("{"):
            least = self._count()
            most: int | None = least
            if self._takes(","):
                most = None if self._peek() == "}" else self._count()
            if not self._takes("}") or most == 0 or (most is not None and most < least):
                raise BadPattern("{ } does not hold the counts of a repetition")
            return Repeat(atom, least, most)
        return atom

    def _count(self) -> int:
        digits = ""
        while (sign := self._peek()) and sign in "0123456789":
            digits += sign
            self._at += 1
        if not digits or len(digits) > 4:
            raise BadPattern("a count has one to four digits")
        return int(digits)

    def _atom(self) -> CharacterSet | Branches:
        sign = self._next()
        if sign == "(":
            return self._group()
        if sign == "[":
            return CharacterSet(self._class())
        if sign == ".":
            return CharacterSet(_complement(_LINE_ENDS))
        if sign == "\\":
            return CharacterSet(self._escape(_SYNTAX))
        if sign in _SYNTAX and sign != "/":
            raise BadPattern(f"{sign} needs a backslash before it here")
        return CharacterSet(((ord(sign), ord(sign)),))

    def _group(self) -> Branches:
        self._takes("?:")
        self._depth += 1
        if self._depth > LIMITS.json_depth:
            raise BadPattern("groups are nested too deep")
        node = self._branches()
        self._depth -= 1
        if not self._takes(")"):
            raise BadPattern("( is not closed")
        return node

    def _escape(self, allowed: frozenset[str]) -> Ranges:
        sign = self._next()
        if sign == "d":
            return _DIGITS
        if sign == "w":
            return _WORD
        if sign not in allowed:
            raise BadPattern(f"\\{sign} has no meaning")
        return ((ord(sign), ord(sign)),)

    def _class(self) -> Ranges:
        is_negated = self._takes("^")
        found: list[tuple[int, int]] = []
        while not self._takes("]"):
            if self._peek() == "-" and (not found or self._is_last_hyphen()):
                self._at += 1
                found.extend(_HYPHEN)
                continue
            first = self._member()
            if self._is_last_hyphen() or not self._takes("-"):
                found.extend(first)
                continue
            last = self._member()
            if len(first) > 1 or len(last) > 1 or _DIGITS in (first, last) or first > last:
                raise BadPattern("- does not stand between the ends of a range")
            found.append((first[0][0], last[0][1]))
        if not found:
            raise BadPattern("[ ] holds nothing")
        ranges = _united(found)
        if not is_negated:
            return ranges
        rest = _complement(ranges)
        if not rest:
            raise BadPattern("[^ ] leaves nothing")
        return rest

    def _is_last_hyphen(self) -> bool:
        return self._text.startswith("-]", self._at)

    def _member(self) -> Ranges:
        sign = self._next()
        if sign == "\\":
            return self._escape(_SYNTAX | {"-"})
        if sign in "[]^-":
            raise BadPattern(f"{sign} needs a backslash before it in [ ]")
        return ((ord(sign), ord(sign)),)


def _united(ranges: list[tuple[int, int]]) -> Ranges:
    united: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if united and first <= united[-1][1] + 1:
            united[-1] = (united[-1][0], max(united[-1][1], last))
        else:
            united.append((first, last))
    return tuple(united)


def _complement(ranges: Ranges) -> Ranges:
    rest, start = [], 0
    for first, last in ranges:
        if start < first:
            rest.append((start, first - 1))
        start = last + 1
    if start <= LAST_POINT:
        rest.append((start, LAST_POINT))
    return tuple(rest)
