"""The list of defects, and what many of them need."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
        spoils: make it, one after the other.
        needs_checkpoint: whether only somebody who has the checkpoint refuses it.
    """

    name: str
    good: str
    code: str
    step: str
    why: str
    spoils: tuple[Spoil, ...]
    needs_checkpoint: bool = False

    def content(self, world: EvidenceWorld) -> bytes:
        """The bad file."""
        good = world.good_files[self.good].content
        file = json.loads(good)
        made = [spoil(file, world) for spoil in self.spoils]
        content = made[-1] or (json.dumps(file, indent=1, ensure_ascii=False) + "\n").encode()
        if content == good:
            raise ValueError(f"{self.name} spoils nothing")
        return content


DEFECTS: dict[str, Defect] = {}


@dataclass(frozen=True)
class Refused:
    """Bad files made from one good one, which are refused with one code at one step. A call with a name, what is wrong
    and what spoils the file enters a defect into the list.
    """

    good: str
    code: str
    step: str
    needs_checkpoint: bool = False

    def __call__(self, name: str, why: str, *spoils: Spoil) -> None:
        name = f"{self.good}_{name}"
        if name in DEFECTS or not why:
            raise ValueError(f"{name} is there already, or nothing says why")
        DEFECTS[name] = Defect(name, self.good, self.code, self.step, why, spoils, self.needs_checkpoint)

    def by(self, spoil: Spoil) -> Spoil:
        """Enter a function: its name is the defect's, its docstring says what is wrong."""
        self(spoil.__name__, spoil.__doc__ or "", spoil)
        return spoil


# What spoils a file at one place, which a dotted path names


def _place(file: Json, path: str) -> tuple[Any, Any]:
    """What holds the path's last key, and that key."""
    holder: Any = file
    *keys, last = (int(key) if key.lstrip("-").isdigit() else key for key in path.split("."))
    for key in keys:
        holder = holder[key]
    return holder, last


def change(path: str, how: Callable[[Any], Any]) -> Spoil:
    """The value becomes what a function makes of it."""

    def spoil(file: Json, world: EvidenceWorld) -> None:
        holder, key = _place(file, path)
        holder[key] = how(holder[key])

    return spoil


def put(path: str, value: Any) -> Spoil:
    """The value becomes another, or what a function of the world gives."""

    def spoil(file: Json, world: EvidenceWorld) -> None:
        holder, key = _place(file, path)
        holder[key] = value(world) if callable(value) else value

    return spoil


def copy(source: str, path: str) -> Spoil:
    """The value becomes that of another place of the file."""

    def spoil(file: Json, world: EvidenceWorld) -> None:
        (holder, key), (other, other_key) = _place(file, path), _place(file, source)
        holder[key] = other[other_key]

    return spoil


def drop(path: str) -> Spoil:
    """The value goes."""

    def spoil(file: Json, world: EvidenceWorld) -> None:
        holder, key = _place(file, path)
        del holder[key]

    return spoil


def append(path: str, value: Any) -> Spoil:
    """The list gets one more."""
    return change(path, lambda listed: [*listed, value])


def reverse(path: str) -> Spoil:
    """The list is in the other order."""
    return change(path, lambda listed: listed[::-1])


def recode(path: str, how: Callable[[bytes], bytes]) -> Spoil:
    """The bytes become what a function makes of them."""
    return change(path, lambda text: to_base64(how(unbase64(text))))


def flip(path: str, position: int = 0) -> Spoil:
    """In one of the bytes a bit is changed."""
    return change(path, lambda text: flipped(text, position))


def entry(path: str, key: bytes | Callable[[EvidenceWorld], bytes], height: int | None = None) -> Spoil:
    """A state entry, or its absence, after another block than it was or of another key."""
    return put(path, lambda world: world.entry_part(key(world) if callable(key) else key, height))


# Bytes


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


def other_unused_bits(spelled: str) -> str:
    """Base64 that spells the same bytes with one of the bits changed that say nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    text = spelled.rstrip("=")
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1] + "=" * (len(spelled) - len(text))
