"""Finding the first difference between executions of one recording."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

_SHOWN = 300


class Result(NamedTuple):
    """What one combination of interpreter and libraries has computed."""

    name: str
    lines: Sequence[str]
    """Every root and outcome, in order; each line begins with its chain and height."""


def first_difference(results: Sequence[Result]) -> str | None:
    """The first place where a result differs from the first one, in words."""
    first, *others = results
    found = [(number, other, ours, theirs) for other in others for number, ours, theirs in _differences(first, other)]
    if not found:
        return None
    _, other, ours, theirs = min(found, key=lambda each: each[0])
    return f"DIFFERENT\n  {first.name}: {ours[:_SHOWN]}\n  {other.name}: {theirs[:_SHOWN]}"


def _differences(first: Result, other: Result) -> list[tuple[int, str, str]]:
    """The first difference, if there is one."""
    for number, (ours, theirs) in enumerate(zip_longest(first.lines, other.lines, fillvalue="nothing")):
        if ours != theirs:
            return [(number, ours, theirs)]
    return []
