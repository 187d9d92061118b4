"""What a mutant is: one defence of ours switched off in the text of its source, and the tests that must notice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement in one source file."""

    path: str
    """Of the file, from the root of the tree."""
    old: str
    """Stands exactly once in the file, so that an edit cannot miss its place unnoticed."""
    new: str


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


class BadMutant(Exception):
    """A mutant that does not fit the sources."""


def mutated_sources(mutant: Mutant, root: Path) -> dict[Path, str]:
    """The mutant's files as they are to be, by their paths.

    Raises:
        BadMutant: an edit's old text does not stand exactly once in its file.
    """
    sources: dict[Path, str] = {}
    for edit in mutant.edits:
        path = root / edit.path
        source = sources[path] if path in sources else path.read_text(encoding="utf-8")
        if (count := source.count(edit.old)) != 1:
            raise BadMutant(f"{mutant.name}: the text to replace stands {count} times in {edit.path}: {edit.old!r}")
        sources[path] = source.replace(edit.old, edit.new)
    return sources


def selection_of(mutants: Iterable[Mutant]) -> list[str]:
    """Every test that catches one of these, each once."""
    return sorted({test for mutant in mutants for test in mutant.tests})
