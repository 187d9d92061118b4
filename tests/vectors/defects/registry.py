"""The list of defects, and what many of them need."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass

from tests.vectors.evidence_world import EvidenceWorld
from tests.vectors.forgery import Json

Spoil = Callable[[Json, EvidenceWorld], bytes | None]
"""Spoils a good file: changes what was read from it, or gives the bad file's bytes."""


@dataclass(frozen=True)
class Defect:
    """One way in which a file is bad.

    Attributes:
        name: of the bad file.
        good: name of the good file that it was made from.
        code: of the refusal.
        step: title of the step that refuses it.
        why: what is wrong, in words.
        spoil: makes it.
        needs_checkpoint: whether only somebody who has the checkpoint refuses it.
    """

    name: str
    good: str
    code: str
    step: str
    why: str
    spoil: Spoil
    needs_checkpoint: bool = False

    def content(self, world: EvidenceWorld) -> bytes:
        """The bad file."""
        good = world.good_files[self.good].content
        file = json.loads(good)
        content = self.spoil(file, world) or (json.dumps(file, indent=1, ensure_ascii=False) + "\n").encode()
        if content == good:
            raise ValueError(f"{self.name} spoils nothing")
        return content


DEFECTS: dict[str, Defect] = {}


def defect(good: str, code: str, step: str, needs_checkpoint: bool = False) -> Callable[[Spoil], Spoil]:
    """Enter a function into the list: its name is the defect's, its docstring says what is wrong."""

    def enter(spoil: Spoil) -> Spoil:
        name = f"{good}_{spoil.__name__}"
        if name in DEFECTS or not spoil.__doc__:
            raise ValueError(f"{name} is there already, or has no docstring")
        DEFECTS[name] = Defect(name, good, code, step, spoil.__doc__, spoil, needs_checkpoint)
        return spoil

    return enter


def unbase64(text: str) -> bytes:
    """Bytes of a file."""
    return base64.b64decode(text)


def to_base64(data: bytes) -> str:
    """Bytes as a file has them."""
    return base64.b64encode(data).decode()


def flipped(text: str, position: int = 0) -> str:
    """Base64 of bytes in one of which a bit is changed."""
    data = bytearray(unbase64(text))
    data[position] ^= 1
    return to_base64(bytes(data))


def not_shortest(data: bytes) -> bytes:
    """MessagePack whose array has a longer header than it needs."""
    return b"\xdc\x00" + bytes([data[0] & 0x0F]) + data[1:]
