"""Ways to spoil a valid encoding, reproducible from a seeded generator."""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from tests.edge.messagepack import not_shortest, with_foreign_item, with_wrong_length

_TELLING = bytes.fromhex("00017f808f909fa0bfc0c1c4c6c7c9cacbcccfd3d4d9dbdcdddedfe0ff")
"""Bytes that begin something in MessagePack, and bounds of integers."""
_JSON_VALUES: tuple[str, ...] = (
    "NaN",
    "-Infinity",
    "1e999",
    "-1",
    "1.0",
    "18446744073709551616",
    "9" * 5000,
    "null",
    '"\\ud800"',
    '"\\u0000"',
    '""',
    '"' + "x" * 100_000 + '"',
    '"=="',
    "[]",
    "{}",
    "[" * 100_000 + "]" * 100_000,
    '{"a":' * 50_000 + "1" + "}" * 50_000,
    '{"a":1,"a":2}',
    "[1,]",
)


def spoiled(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """``data`` after one to four accidents; ``others`` are valid encodings to splice with."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        data = random.choice(_ACCIDENTS)(data, random, others)
    return data


def spoiled_messagepack(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """Valid MessagePack with one item in another form, of another type or of a false length, or any accident."""
    kind = random.randrange(6)
    if kind == 0:
        return not_shortest(data, random) or data
    if kind == 1:
        return with_foreign_item(data, random)
    if kind == 2:
        return with_wrong_length(data, random)
    return spoiled(data, random, others)


def spoiled_json(data: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """Valid JSON with one value replaced, one member left out, doubled or added, or any accident."""
    if random.randrange(3) == 0:
        return spoiled(data, random, others)
    value = json.loads(data)
    if isinstance(value, dict | list) and value:
        container: Any = value
        while isinstance(container, dict | list) and container:
            keys = list(container) if isinstance(container, dict) else range(len(container))
            parent, key = container, random.choice(list(keys))
            container = container[key]
            if random.randrange(4) == 0:
                break
        _change(parent, key, random)
    text = json.dumps(value)
    return text.replace('"<here>"', random.choice(_JSON_VALUES), 1).encode("utf-8", "surrogatepass")


def _change(parent: Any, key: Any, random: Random) -> None:
    kind = random.randrange(4)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent["unknown"] = "<here>"
    elif kind == 2 and isinstance(parent, list):
        parent *= random.choice((2, 300))
    else:
        parent[key] = "<here>"


Accident = Callable[[bytes, Random, Sequence[bytes]], bytes]


def _flip(data: bytes, random: Random, _others: Sequence[bytes]) -> bytes:
    if not data:
        return b"\x00"
    place = random.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1 :]


def _overwrite(data: bytes, random: Random, _others: Sequence[bytes]) -> bytes:
    place = random.randrange(len(data) + 1)
    return data[:place] + bytes([random.choice(_TELLING)]) + data[place + 1 :]


def _cut(data: bytes, random: Random, _others: Sequence[bytes]) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _remove(data: bytes, random: Random, _others: Sequence[bytes]) -> bytes:
    place = random.randrange(len(data) + 1)
    return data[:place] + data[place + random.choice((1, 2, 5, 33)) :]


def _insert(data: bytes, random: Random, _others: Sequence[bytes]) -> bytes:
    place = random.randrange(len(data) + 1)
    return data[:place] + random.randbytes(random.choice((1, 2, 5, 33))) + data[place:]


def _repeat(data: bytes, random: Random, _others: Sequence[bytes]) -> bytes:
    place = random.randrange(len(data) + 1)
    return data[:place] + data[max(0, place - random.choice((1, 9, 65))) :]


def _append(data: bytes, random: Random, _others: Sequence[bytes]) -> bytes:
    return data + random.choice((b"\x00", b"\xc0", b"\n", random.randbytes(9)))


def _splice(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    other = random.choice(others) if others else data
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


_ACCIDENTS: tuple[Accident, ...] = (_flip, _flip, _flip, _overwrite, _cut, _remove, _insert, _repeat, _append, _splice)

SPOIL = {"messagepack": spoiled_messagepack, "json": spoiled_json, "other": spoiled}
"""How to spoil an encoding, by its form."""
