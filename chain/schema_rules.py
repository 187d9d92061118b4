"""What a schema asks of values, and whether values keep it: exact, bounded, and the same on every machine.

Each schema becomes a ``Rule``. It judges in two ways that agree: ``first_violation`` walks through one value in the
order that the protocol defines, ``accepts`` judges many values at once by columns (types, extremes, lengths), which is
what a parcel of good records needs and is several times as fast.

Numbers are compared, never hashed: whoever writes a schema can choose numbers that Python hashes alike. Texts are
hashed with a secret of the process.
"""

from __future__ import annotations

import operator
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from typing import Any

from chain.limits import LIMITS
from chain.primitives.json_reader import JsonValue, is_integer

Number = int | Decimal

NUMBERS: frozenset[type] = frozenset({int, Decimal})
JSON_TYPES: dict[str, frozenset[type]] = {
    "null": frozenset({type(None)}),
    "boolean": frozenset({bool}),
    "object": frozenset({dict}),
    "array": frozenset({list}),
    "number": NUMBERS,
    "integer": NUMBERS,
    "string": frozenset({str}),
}
"""What values of each JSON Schema type are when they have been read. Integers must be without fraction besides."""
ALL_TYPES = frozenset().union(*JSON_TYPES.values())
_BEYOND = 10**LIMITS.number_digits
"""No integer that is written without exponent is as great."""
_FEW = 4
"""So many values are judged faster one by one than by columns."""

Limit = tuple[str, Callable[[Number, Number], bool], Number]
"""A keyword, the comparison that is true of what breaks it, and its argument."""
BREAKS: dict[str, Callable[[Number, Number], bool]] = {
    "minimum": operator.lt,
    "maximum": operator.gt,
    "exclusiveMinimum": operator.le,
    "exclusiveMaximum": operator.ge,
    "minLength": operator.lt,
    "maxLength": operator.gt,
    "minItems": operator.lt,
    "maxItems": operator.gt,
    "minProperties": operator.lt,
    "maxProperties": operator.gt,
}
"""The comparison of each keyword that limits a number, a length or a count, in their order."""
Test = tuple[str, Callable[[Any], bool]]
"""A keyword, and what is true of the values that keep it."""
Violation = tuple[str, list[str | int]]
"""A keyword that is broken, and the place: names and indexes from the innermost outwards."""


class Choices:
    """The values that ``enum`` or ``const`` allows; numbers are equal if their values are.

    Attributes:
        texts: the strings among them.
    """

    def __init__(self, values: Iterable[JsonValue]) -> None:
        values = list(values)
        self._constants = [value for value in values if value is None or isinstance(value, bool)]
        self._numbers = sorted(v for v in values if isinstance(v, int | Decimal) and not isinstance(v, bool))
        self.texts = frozenset(value for value in values if isinstance(value, str))

    def allow(self, value: JsonValue) -> bool:
        """Whether the value is one of them."""
        if isinstance(value, str):
            return value in self.texts
        if value is None or isinstance(value, bool):
            return any(value is constant for constant in self._constants)
        if not isinstance(value, int | Decimal):
            return False
        place = bisect_left(self._numbers, value)
        return place < len(self._numbers) and self._numbers[place] == value

    def allow_all(self, values: Sequence[JsonValue], types: set[type]) -> bool:
        """Whether all values are among them, whose types these are."""
        if types == {str}:
            return self.texts.issuperset(values)
        return all(map(self.allow, values))


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled schema. Its fields stand in the order in which they are looked at."""

    types: frozenset[type] = ALL_TYPES
    """Python types of the values that are allowed."""
    types_keyword: str = "type"
    """What a value of another type breaks; of a schema ``false``, the keyword that it stands under."""
    integers_only: bool = False
    """Whether numbers must be without fraction."""
    choices: tuple[tuple[str, Choices], ...] = ()
    """``const`` and ``enum``, as far as they are there."""
    bounds: tuple[Limit, ...] = ()
    """Of numbers."""
    number_tests: tuple[Test, ...] = ()
    """Of numbers, besides."""
    lengths: tuple[Limit, ...] = ()
    """Of strings, in code points."""
    text_tests: tuple[Test, ...] = ()
    """Of strings, besides."""
    sizes: tuple[Limit, ...] = ()
    """Of arrays, in items."""
    items: Rule | None = None
    """Of each item of an array; None if any will do."""
    counts: tuple[Limit, ...] = ()
    """Of objects, in members."""
    required: tuple[str, ...] = ()
    """Names that objects must have."""
    properties: dict[str, Rule | None] = field(default_factory=dict)
    """Of members, by name; None if any value will do."""
    additional: Rule | None = None
    """Of members of other names; None if any value will do."""
    quick_test: Callable[[JsonValue], bool] = field(init=False)
    """True only of values that break nothing, and of most of those: saves the way through the fields."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "quick_test", _quick_test(self))

    def first_violation(self, value: JsonValue) -> Violation | None:
        """What one value breaks first, in the protocol's order."""
        kind = type(value)
        if kind not in self.types or (self.integers_only and kind is Decimal and not is_integer(value)):
            return self.types_keyword, []
        for keyword, choices in self.choices:
            if not choices.allow(value):
                return keyword, []
        if kind is int or kind is Decimal:
            return _outside(self.bounds, value) or _failed(self.number_tests, value)  # type: ignore[arg-type]
        if kind is str:
            return _outside(self.lengths, len(value)) or _failed(self.text_tests, value)  # type: ignore[arg-type]
        if kind is list:
            return _outside(self.sizes, len(value)) or self._violation_in_items(value)  # type: ignore[arg-type]
        if kind is dict:
            return _outside(self.counts, len(value)) or self._violation_in_members(value)  # type: ignore[arg-type]
        return None

    def _violation_in_items(self, values: list[JsonValue]) -> Violation | None:
        if self.items is not None:
            for index, value in enumerate(values):
                violation = self.items.first_violation(value)
                if violation is not None:
                    violation[1].append(index)
                    return violation
        return None

    def _violation_in_members(self, members: dict[str, JsonValue]) -> Violation | None:
        for name in self.required:
            if name not in members:
                return "required", [name]
        properties, additional = self.properties, self.additional
        for name, value in members.items():
            rule = properties.get(name, additional)
            if rule is not None and not rule.quick_test(value):
                violation = rule.first_violation(value)
                if violation is not None:
                    violation[1].append(name)
                    return violation
        return None

    def accepts(self, values: Sequence[JsonValue]) -> bool:
        """Whether no value breaks anything."""
        if len(values) < _FEW:
            return all(self.first_violation(value) is None for value in values)
        types = set(map(type, values))
        if not types <= self.types or (
            self.integers_only and Decimal in types and not all(map(_is_no_fraction, values))
        ):
            return False
        if not all(choices.allow_all(values, types) for _, choices in self.choices):
            return False
        return (
            self._accepts_numbers(values, types)
            and self._accepts_texts(values, types)
            and self._accepts_arrays(values, types)
            and self._accepts_objects(values, types)
        )

    def _accepts_numbers(self, values: Sequence[JsonValue], types: set[type]) -> bool:
        if not self.bounds and not self.number_tests:
            return True
        numbers = _only(values, types, NUMBERS)
        return _are_within(self.bounds, numbers) and all(  # type: ignore[arg-type]
            all(map(test, numbers)) for _, test in self.number_tests
        )

    def _accepts_texts(self, values: Sequence[JsonValue], types: set[type]) -> bool:
        if not self.lengths and not self.text_tests:
            return True
        texts = _only(values, types, JSON_TYPES["string"])
        if self.lengths and not _are_within(self.lengths, _lengths(texts)):
            return False
        return all(all(map(test, texts)) for _, test in self.text_tests)

    def _accepts_arrays(self, values: Sequence[JsonValue], types: set[type]) -> bool:
        if list not in types:
            return True
        arrays: Sequence[list[JsonValue]] = _only(values, types, JSON_TYPES["array"])  # type: ignore[assignment]
        if self.sizes and not _are_within(self.sizes, _lengths(arrays)):
            return False
        return self.items is None or self.items.accepts(list(chain.from_iterable(arrays)))

    def _accepts_objects(self, values: Sequence[JsonValue], types: set[type]) -> bool:
        """Objects with the same names in the same order are judged together, member by member."""
        if dict not in types:
            return True
        objects: Sequence[dict[str, JsonValue]] = _only(values, types, JSON_TYPES["object"])  # type: ignore[assignment]
        forms: list[tuple[str, ...]] = list(map(tuple, objects))
        if len(set(forms)) == 1:
            return self._accepts_alike(forms[0], objects)
        groups: dict[tuple[str, ...], list[dict[str, JsonValue]]] = {}
        for names, members in zip(forms, objects, strict=True):
            groups.setdefault(names, []).append(members)
        return all(self._accepts_alike(names, group) for names, group in groups.items())

    def _accepts_alike(self, names: tuple[str, ...], group: Sequence[dict[str, JsonValue]]) -> bool:
        if len(group) < _FEW:
            return all(
                _outside(self.counts, len(members)) is None and self._violation_in_members(members) is None
                for members in group
            )
        if _outside(self.counts, len(names)) or not all(map(group[0].__contains__, self.required)):
            return False
        rules = [self.properties.get(name, self.additional) for name in names]
        columns = zip(*map(dict.values, group), strict=True)
        return all(rule is None or rule.accepts(column) for rule, column in zip(rules, columns, strict=True))


def _quick_test(rule: Rule) -> Callable[[JsonValue], bool]:
    if str in rule.types and len(rule.text_tests) == 1 and not rule.choices and not rule.lengths:
        test = rule.text_tests[0][1]
        return lambda value: type(value) is str and test(value)
    if str in rule.types and not rule.text_tests:
        if not rule.choices and not rule.lengths:
            return lambda value: type(value) is str
        if not rule.choices:
            shortest, longest = _between(rule.lengths, 0)
            return lambda value: type(value) is str and shortest <= len(value) <= longest
        if len(rule.choices) == 1 and not rule.lengths:
            texts = rule.choices[0][1].texts
            return lambda value: type(value) is str and value in texts
    if (
        int in rule.types
        and not rule.choices
        and not rule.number_tests
        and all(keyword in ("minimum", "maximum") for keyword, _, _ in rule.bounds)
    ):
        least, greatest = _between(rule.bounds, -_BEYOND)
        return lambda value: type(value) is int and least <= value <= greatest
    return lambda value: False


def _between(limits: tuple[Limit, ...], low: Number, high: Number = _BEYOND) -> tuple[Number, Number]:
    """Two inclusive limits, one of which may be missing."""
    for _, breaks, argument in limits:
        low, high = (argument, high) if breaks is operator.lt else (low, argument)
    return low, high


def _outside(limits: tuple[Limit, ...], value: Number) -> Violation | None:
    for keyword, breaks, bound in limits:
        if breaks(value, bound):
            return keyword, []
    return None


def _failed(tests: tuple[Test, ...], value: JsonValue) -> Violation | None:
    for keyword, test in tests:
        if not test(value):
            return keyword, []
    return None


def is_multiple_of(exponent: int) -> Callable[[Number], bool]:
    """Whether a number is a multiple of ten to this power: it has no other digits than zeros below that place."""

    def test(value: Number) -> bool:
        if type(value) is int and exponent <= 0:
            return True
        _, digits, lowest = Decimal(value).as_tuple()
        below = exponent - int(lowest)
        return below <= 0 or not any(digits[-below:])

    return test


def _are_within(limits: tuple[Limit, ...], values: Sequence[Number]) -> bool:
    """Whether all values are: if the least and the greatest are, all are."""
    return not values or (_outside(limits, min(values)) is None and _outside(limits, max(values)) is None)


def _is_no_fraction(value: JsonValue) -> bool:
    return type(value) is not Decimal or is_integer(value)


def _lengths(values: Sequence[Any]) -> list[int]:
    return list(map(len, values))


def _only(values: Sequence[JsonValue], types: set[type], wanted: frozenset[type]) -> Sequence[JsonValue]:
    """The values of the wanted types."""
    if types <= wanted:
        return values
    if types - wanted == JSON_TYPES["null"]:
        return [value for value in values if value is not None]
    return [value for value in values if type(value) in wanted]
