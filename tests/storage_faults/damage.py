"""Spoiled copies of a data folder: which bytes are flipped and where files are cut, and what became of it.

Small files are spoiled at every offset of a grid, large ones at offsets drawn from a seed, and all of them at the
places where their formats change hands (blocks of 32 KiB in logs and MANIFEST, slots, footers).
"""

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chain.errors import ErrorCode, InvariantBroken, PoolError
from tests.storage_faults.world import SeasonedFolder, open_files

LOG_BLOCK_BYTES = 32 * 1024
"""LevelDB's log format cuts its records at these, in logs and in the MANIFEST."""

REFUSALS = {ErrorCode.DATABASE_DAMAGED}
"""What a spoiled folder may be refused with: the daemon then sets it aside and fetches the chain from its peers."""


@dataclass(frozen=True)
class Damage:
    """One way to spoil a folder."""

    file: str
    """Relative to the data folder."""
    kind: str
    offset: int
    spoil: Callable[[Path], None]

    def __str__(self) -> str:
        return f"{self.kind} {self.file} at {self.offset}"


@dataclass
class Tally:
    """What became of the damages so far. ``wrong`` must stay empty."""

    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By (kind of file, kind of damage, outcome)."""
    wrong: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Damages tried."""
        return sum(self.outcomes.values())

    def __str__(self) -> str:
        lines = [f"{count:6} {' / '.join(key)}" for key, count in sorted(self.outcomes.items())]
        by_outcome = Counter[str]()
        for (_, _, outcome), count in self.outcomes.items():
            by_outcome[outcome] += count
        return "\n".join([*lines, f"{self.total} damages: {dict(by_outcome)}; wrong answers: {len(self.wrong)}"])


def try_damage(seasoned: SeasonedFolder, damage: Damage, scratch: Path, tally: Tally) -> None:
    """Spoil a copy, open it, and read everything: all of it as it was, or a refusal."""
    folder = seasoned.copy_to(scratch / "copy")
    try:
        damage.spoil(folder / damage.file)
        outcome = verdict(seasoned, folder)
    finally:
        shutil.rmtree(folder)
    tally.outcomes[kind_of(damage.file), damage.kind, outcome] += 1
    if outcome.startswith("WRONG"):
        tally.wrong.append(f"{damage}: {outcome}")


def verdict(seasoned: SeasonedFolder, folder: Path) -> str:
    """How a folder that should hold ``seasoned`` opens and reads."""
    is_open = False
    try:
        with open_files(seasoned.network, folder) as ledger:
            is_open = True
            found = seasoned.read(ledger)
    except InvariantBroken:
        return "refused when read" if is_open else "refused"
    except PoolError as error:
        if error.code not in REFUSALS:
            return f"WRONG code {error.code}: {error.detail}"
        return "refused when read" if is_open else "refused"
    if found == seasoned.contents:
        return "whole"
    fields = [name for name in vars(found) if getattr(found, name) != getattr(seasoned.contents, name)]
    return f"WRONG answer: {', '.join(fields)}"


def kind_of(file: str) -> str:
    """What kind of file a path of a data folder is."""
    name = Path(file).name
    return name.partition("-")[0] if "." not in name else Path(name).suffix


def files_of(folder: Path) -> list[str]:
    """Every file of both databases, and HEAD; relative paths in order."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def damages(folder: Path, samples: int, seed: int) -> Iterator[Damage]:
    """Flips and cuts of every file, about ``samples`` of each kind for each, and the loss of each.

    Args:
        folder: what is to be spoiled; it is only looked at.
        samples: more of them than a file has bytes means every byte.
        seed: chooses offsets.
    """
    rng = random.Random(seed)
    for file in files_of(folder):
        size = (folder / file).stat().st_size
        yield Damage(file, "delete", 0, Path.unlink)
        if size == 0:
            yield Damage(file, "append", 0, lambda path: _append(path, b"junk"))
            continue
        for offset in offsets(size, samples, rng):
            yield Damage(file, "flip", offset, lambda path, at=offset: flip(path, at, 1))
        for offset in offsets(size, max(1, samples // 4), rng):
            yield Damage(file, "scratch", offset, lambda path, at=offset: flip(path, at, 64))
        ends = []
        if kind_of(file) in (".log", "MANIFEST"):
            ends = record_ends((folder / file).read_bytes())
        for offset in sorted({*offsets(size, max(1, samples // 2), rng), *ends[-samples:-1]}):
            yield Damage(file, "cut", offset, lambda path, at=offset: cut(path, at))
        yield Damage(file, "append", size, lambda path: _append(path, b"\0" * 100 + b"junk"))


def offsets(size: int, samples: int, rng: random.Random) -> list[int]:
    """Where to spoil a file of ``size`` bytes: every byte if they are few, else its ends, its seams and a sample."""
    if size <= samples:
        return list(range(size))
    seams = [at + delta for at in range(LOG_BLOCK_BYTES, size, LOG_BLOCK_BYTES) for delta in (-1, 0)]
    fixed = {0, size - 1, size - 8, size - 48, *rng.sample(seams, min(len(seams), samples // 4))}
    drawn = rng.sample(range(size), samples)
    return sorted(offset for offset in {*fixed, *drawn[: max(0, samples - len(fixed))]} if 0 <= offset < size)


def record_ends(content: bytes) -> list[int]:
    """Where the records of a log or MANIFEST end: cut there, it looks as if nothing were missing.

    LevelDB's log format: checksum 4 bytes, length 2 (little endian), type 1, then the record; none crosses a block.
    """
    ends, at = [], 0
    while at + 7 <= len(content):
        left = LOG_BLOCK_BYTES - at % LOG_BLOCK_BYTES
        if left < 7:
            at += left
            continue
        at += 7 + int.from_bytes(content[at + 4 : at + 6], "little")
        ends.append(at)
    return ends


def flip(path: Path, offset: int, length: int) -> None:
    """Invert bytes; the same again restores them."""
    with path.open("r+b") as file:
        file.seek(offset)
        content = file.read(length)
        file.seek(offset)
        file.write(bytes(byte ^ 0xFF for byte in content))


def cut(path: Path, size: int) -> None:
    """Leave only the first ``size`` bytes."""
    with path.open("r+b") as file:
        file.truncate(size)


def _append(path: Path, junk: bytes) -> None:
    with path.open("ab") as file:
        file.write(junk)
