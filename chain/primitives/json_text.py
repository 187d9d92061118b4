"""JSON from outside as typed values: whatever the text is, it has exactly the members of its type, or is refused."""

from typing import Any, TypeVar

import msgspec

from chain.errors import ErrorCode, PoolError
from chain.primitives.decoders import Decoders
from chain.primitives.json_reader import BadJson, read_json

Value = TypeVar("Value")

_decoders: Decoders[msgspec.json.Decoder[Any]] = Decoders(msgspec.json.Decoder)


def json_decoder(type_: type[Value]) -> msgspec.json.Decoder[Value]:
    """The decoder of a type, for any thread."""
    return _decoders(type_)


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
        return json_decoder(type_).decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:  # bytes that are no UTF-8 are a ValueError
        raise PoolError(code, f"{what}: {error}" if what else str(error)) from None


def decode_json_file(type_: type[Value], text: bytes, code: ErrorCode, what: str = "") -> Value:
    """The same for files that people hand to each other, which are read as strictly as records: one reader would take
    the first of two equal keys, another the last, and the file's hash would be the same for both.

    Raises:
        PoolError: with ``code``.
    """
    value = decode_json(type_, text, code, what)
    try:
        read_json(text)
    except BadJson as bad:
        detail = f"{bad.fault} at {bad.pointer or 'the top level'}"
        raise PoolError(code, f"{what}: {detail}" if what else detail) from None
    return value
