"""What a mutant is: one defence of ours switched off in the text of its source, and the tests that must notice."""

import ast
import contextlib
import io
import textwrap
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("audit", "sealing", "blockpool", "chain", "cli", "consensus", "contracts", "evidence", "node", "records")
"""Where defences stand."""
_LAYOUT = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENDMARKER}


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement in one function, in whatever file that stands."""

    function: str
    """The end of its dotted name: ``function``, ``Class.method`` or ``module.function``."""
    old: str
    """Code that stands exactly once in functions of this name, so that an edit cannot miss its place unnoticed. Line
    breaks, indentation, comments and trailing commas do not count.
    """
    new: str
    """Its lines are indented as the replaced code is."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A source tree without one of its defences."""

    name: str
    """Says what is switched off."""
    scenario: int
    """Which scenario the defence is for."""
    edits: tuple[Edit, ...]
    """More than one where several lines of defence stop the same attack: it takes all of them off."""
    tests: tuple[str, ...]
    """Which tests must catch it, as pytest takes them: ``tests/file.py::test_name``."""


def mutant(title: str, tests: tuple[str, ...], *edits: Edit) -> Mutant:
    """A mutant as the catalogue writes it; its title is ``s``, the scenario's number in two digits, and its name."""
    scenario, _, name = title.removeprefix("s").partition(" ")
    return Mutant(name, int(scenario), edits, tests)


class BadMutant(Exception):
    """A mutant that does not fit the sources."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a source some code stands: rows count from 1, columns from 0."""

    path: Path
    start: tuple[int, int]
    end: tuple[int, int]


def mutated_sources(mutant: Mutant, root: Path) -> dict[Path, str]:
    """The mutant's files as they are to be, by their paths from the root.

    Raises:
        BadMutant: an edit's code does not stand exactly once in the functions of its name.
    """
    paths = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    sources = {path.relative_to(root): path.read_text(encoding="utf-8") for path in paths}
    changed: set[Path] = set()
    for edit in mutant.edits:
        places = list(_places(edit, sources))
        if len(places) != 1:
            raise BadMutant(f"{mutant.name}: stands {len(places)} times in {edit.function}: {edit.old!r}")
        (place,) = places
        sources[place.path] = _replaced(sources[place.path], place, edit.new)
        changed.add(place.path)
    return {path: sources[path] for path in sorted(changed)}


def _places(edit: Edit, sources: dict[Path, str]) -> Iterator[_Place]:
    """Every place of an edit's code in functions of its name."""
    sought = [token.string for token in _tokens(edit.old)]
    name = edit.function.rpartition(".")[2]
    for path, source in sources.items():
        if f"def {name}(" not in source and f"def {name}[" not in source:
            continue
        for node in _functions(ast.parse(source), ".".join(path.with_suffix("").parts), edit.function):
            last = node.end_lineno or node.lineno
            tokens = _tokens("".join(source.splitlines(keepends=True)[node.lineno - 1 : last]))
            strings = [token.string for token in tokens]
            for at in range(len(strings) - len(sought) + 1):
                if strings[at : at + len(sought)] == sought:
                    (first, start), (row, end) = tokens[at].start, tokens[at + len(sought) - 1].end
                    yield _Place(path, (node.lineno - 1 + first, start), (node.lineno - 1 + row, end))


def _functions(parent: ast.AST, prefix: str, wanted: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions of a syntax tree whose dotted names end as wanted."""
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}.{node.name}"
            if not isinstance(node, ast.ClassDef) and f".{name}".endswith(f".{wanted}"):
                yield node
            yield from _functions(node, name, wanted)


def _tokens(code: str) -> Sequence[tokenize.TokenInfo]:
    """What counts of a piece of code."""
    tokens: list[tokenize.TokenInfo] = []
    # A snippet may open a bracket that it does not close.
    with contextlib.suppress(tokenize.TokenError):
        tokens.extend(tokenize.generate_tokens(io.StringIO(code).readline))
    tokens = [token for token in tokens if token.type not in _LAYOUT]
    is_closed = [token.string in (")", "]", "}") for token in tokens[1:]] + [False]
    return [token for token, is_last in zip(tokens, is_closed, strict=False) if not (is_last and token.string == ",")]


def _replaced(source: str, place: _Place, new: str) -> str:
    """A source with other code in a place."""
    lines = source.splitlines(keepends=True)
    (first, start), (last, end) = place.start, place.end
    before, after = lines[first - 1][:start], lines[last - 1][end:]
    indent = before[: len(before) - len(before.lstrip())]
    code = textwrap.indent(new, indent).removeprefix(indent)
    return "".join([*lines[: first - 1], before + code + after, *lines[last:]])


def selection_of(mutants: Iterable[Mutant]) -> list[str]:
    """Every test that catches one of these, each once."""
    return sorted({test for mutant in mutants for test in mutant.tests})
