"""JSON from outside as typed values: whatever the text is, it has exactly the members of its type, or is refused."""

from __future__ import annotations

import json
from typing import TypeVar

import msgspec

from chain.errors import ErrorCode, PoolError

Value = TypeVar("Value")


def decode_json(type_: type[Value], text: bytes, code: ErrorCode, what: str = "") -> Value:
    """The value of ``type_`` that ``text`` stands for.

    Args:
        type_: a msgspec type, without members of any kind.
        text: as it came.
        code: of the refusal.
        what: begins the refusal's sentence.

    Raises:
        PoolError: with ``code``.
    """
    try:
        return msgspec.json.decode(text, type=type_)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:  # bytes that are no UTF-8 are a ValueError
        raise PoolError(code, f"{what}: {error}" if what else str(error)) from None


def decode_json_file(type_: type[Value], text: bytes, code: ErrorCode, what: str = "") -> Value:
    """The same for files that people hand to each other. A key that appears twice in an object is refused: one reader
    would take the first, another the last, and the file's hash would be the same for both.

    Raises:
        PoolError: with ``code``.
    """

    def refuse_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise PoolError(code, f"{what}: a key appears twice in one object" if what else "a key appears twice")
        return members

    value = decode_json(type_, text, code, what)
    # The type has bounded the depth. Numbers stay text: only the keys matter here.
    json.loads(text, object_pairs_hook=refuse_duplicates, parse_int=str, parse_float=str)
    return value
