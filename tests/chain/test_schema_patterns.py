"""Patterns: which are taken, that they mean what regular expressions mean, and what they cost (scenario 100)."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.limits import LIMITS
from chain.schema_pattern_grammar import BadPattern
from chain.schema_patterns import Pattern, PatternBudget


def pattern(text: str) -> Pattern:
    return Pattern(text, PatternBudget())


@pytest.mark.parametrize(
    ("text", "matching", "others"),
    [
        ("a", ["a", "xax"], ["", "b"]),
        ("^a", ["a", "ax"], ["xa"]),
        ("a$", ["a", "xa"], ["ax", "a\n"]),
        ("^a$", ["a"], ["aa", "a\n", "\na"]),
        ("^(a|b)+$", ["abba"], ["", "abc"]),
        ("a|bc", ["xbcx", "a"], ["b", "c"]),
        (r"^\d{17}[\dX]$", ["11010519491231002X", "1" * 18], ["1" * 17, "1" * 19, "１" * 18, "٣" * 18]),
        (r"^[京津沪][A-Z][A-Z\d]{5,6}$", ["京A12345", "沪AD12345"], ["京A1234", "京a12345", "粤A12345"]),
        ("^[\u4e00-\u9fff·]{2,4}$", ["王芳", "古丽·米"], ["王", "王芳王芳王", "Wang"]),
        (r"^\w+\.\w+$", ["aviation.flights_2"], ["aviation", "a.b.c", "é.b"]),
        ("^.$", ["a", "\U0001f600", "\x00", "\x85"], ["", "\n", "\r", "\u2028", "ab"]),
        ("^[^a]$", ["b", "\n", "\U0010ffff"], ["a", ""]),
        (r"^[\-\]\^\\]$", ["-", "]", "^", "\\"], ["a"]),
        ("^a{2}b{0,1}c{3,}$", ["aabccc", "aacccc"], ["aabcc", "abccc", "aabbccc"]),
        ("^(?:ab){2}$", ["abab"], ["ab", "aabb"]),
        ("^(a?){3}$", ["", "a", "aaa"], ["aaaa"]),
        ("^(a*)*$", ["", "aaaa"], ["b"]),
        ("(a|ab)(c|bcd)$", ["abcd", "xac"], ["abd"]),
        (r"^\d{4}/\d{2}$", ["2026/03"], ["2026-03"]),
        ("^[0-9-][-a][a-]$", ["--a", "1a-"], ["aaa", "1b-"]),
    ],
)
def test_what_matches(text: str, matching: list[str], others: list[str]) -> None:
    compiled = pattern(text)
    assert [value for value in matching if not compiled.matches(value)] == []
    assert [value for value in others if compiled.matches(value)] == []


@pytest.mark.parametrize(
    "text",
    [
        *("", "^$", "^", "$", "a|", "|a", "()", "(", ")", "(a", "a)", "[", "[]", "[^]", "]", "[a", "[z-a]", r"[\d-z]"),
        *("[a-", "[--a]", "[a^]", "[a[b]", "[a-b-c]", "*", "+a", "?", "a**", "a+?", "a{", "a{}", "a{,3}", "a{3,2}"),
        *("a{0}", "a{0,0}", "a{12345}", "{", "}", "a{1}{2}", r"\s", r"\b", r"\1", r"\q", r"\-", "\\", r"\u0041"),
        *(r"\p{L}", "a$b", "^a|b", "a|b$", "(^a)", "(?=a)", "(?i)a", "(?P<n>a)", "a{٣}", "(" * 33 + "a" + ")" * 33),
        "[^\\w\x00-/:-@\\[-\\^`{-\U0010ffff]",
    ],
)  # fmt: skip
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(BadPattern):
        pattern(text)


def test_deep_groups_up_to_the_bound() -> None:
    assert pattern("^" + "(" * 32 + "a" + ")" * 32 + "$").matches("a")


@pytest.mark.parametrize(
    "text",
    [
        *("(a|b)*a(a|b){16}$", "^(a{64}){65}$", "(((a{16}){16}){16}){16}", "a{2049}", "(a?){2049}"),
        f"[^{''.join(map(chr, range(300, 1000, 2)))}]{{200}}",
        "".join(f"[^{chr(code)}]" for code in range(1000, 2000)),
    ],
)  # fmt: skip
def test_s100_what_would_cost_too_much_is_refused_at_once(text: str) -> None:
    started_s = time.process_time()
    with pytest.raises(BadPattern, match="cost more"):
        pattern(text)
    assert time.process_time() - started_s < 0.5


def test_s100_patterns_of_a_schema_share_its_budget() -> None:
    budget = PatternBudget()
    for _ in range(LIMITS.schema_pattern_places // 18):
        Pattern(r"^\d{17}[\dX]$", budget)
    with pytest.raises(BadPattern, match="cost more"):
        Pattern(r"^\d{17}[\dX]$", budget)


class Counted(str):
    """A string that counts how often a character is taken from it."""

    taken = 0

    def __iter__(self):  # type: ignore[no-untyped-def]
        for character in str.__iter__(self):
            Counted.taken += 1
            yield character


@pytest.mark.parametrize("text", ["^(a|a)*b$", "^(a*)*$", "(a?){30}a{30}$", "(x+x+)+y", "^(.*a){20}$", "[一-龥]*[a-z]"])
def test_s100_each_character_costs_one_step_whatever_the_pattern(text: str) -> None:
    """Backtracking would take 2^n steps for some of these. Counted, since time is not the same everywhere."""
    compiled = pattern(text)
    states: set[int] = set()
    waiting = [compiled._start]
    while waiting:
        state = waiting.pop()
        if id(state) not in states:
            states.add(id(state))
            waiting.extend(state.next)
    assert len(states) <= LIMITS.schema_pattern_steps
    for value in ("a" * 20_000, "a" * 19_999 + "!", "".join(map(chr, range(0x4E00, 0x9E00)))):
        Counted.taken = 0
        compiled.matches(Counted(value))
        assert len(value) == Counted.taken
    assert len(states) < 10_000


def test_characters_that_are_remembered_are_bounded() -> None:
    compiled = pattern("^[^a]*$")
    assert compiled.matches("".join(map(chr, range(0x4E00, 0x9E00))))
    assert len(compiled._start) <= 512
    assert not compiled.matches("丁a")
    assert not compiled.matches("\U0010ffffa")


ALPHABET = "ab-é龥\n\U0001f600"
literals = st.sampled_from(
    ["a", "b", "é", "龥", "\U0001f600", r"\d", r"\w", "[ab]", "[^a]", r"[a-é\-]", "[^\n龥]", r"[\d\w]"]
)
parts = st.recursive(
    literals,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.lists(inner, min_size=1, max_size=3).map(lambda branches: f"({'|'.join(branches)})")
        | st.tuples(inner, st.sampled_from(["?", "*", "+", "{2}", "{1,3}", "{0,2}", "{2,}", "{0,}"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        )
    ),
    max_leaves=8,
)


@given(
    st.tuples(st.sampled_from(["", "^"]), parts, st.sampled_from(["", "$"])),
    st.lists(st.text(ALPHABET, max_size=8), max_size=10),
)
def test_patterns_mean_what_they_mean_to_python(text: tuple[str, str, str], values: list[str]) -> None:
    """On what both know: there, `$` is before a last line break too, and is written `\\Z`."""
    start, part, end = text
    try:
        compiled = pattern("".join(text))
    except BadPattern as error:
        assert "cost more" in str(error)  # noqa: PT017
        return
    expected = re.compile(start + part + end.replace("$", r"\Z"), re.ASCII)
    for value in values:
        assert compiled.matches(value) == (expected.search(value) is not None), (text, value)
