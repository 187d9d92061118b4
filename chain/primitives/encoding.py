"""Canonical MessagePack: one value has one encoding, and anything else is refused.

Values are fixed-shape arrays (``Wire`` structs). Decoding demands exact types, the exact number of elements, no
trailing bytes and the shortest form of every integer and length. The last rule is enforced by encoding the decoded
value again and comparing bytes, which also covers whatever a decoder may leave open (MessagePack specification,
"Formats").
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from chain.errors import ErrorCode, PoolError
from chain.primitives.decoders import Decoders

Value = TypeVar("Value")


class Wire(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Base of everything that is hashed, signed, stored or sent: a MessagePack array of the fields in order."""


class EncodingError(PoolError):
    """The bytes are not the canonical encoding of the expected type."""


_encoder = msgspec.msgpack.Encoder()
encode = _encoder.encode
"""``encode(value) -> bytes``: the canonical encoding of a ``Wire`` value (or of plain arrays, bytes, strings,
integers).
"""


def encode_array(items: Sequence[bytes]) -> bytes:
    """The canonical encoding of an array of fewer than 65,536 already encoded items."""
    count = len(items)
    head = bytes([0x90 | count]) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
    return head + b"".join(items)


_decoders = Decoders(lambda type_: msgspec.msgpack.Decoder(type_, strict=True))
_made = _decoders.made


def decode(type_: type[Value], data: bytes | memoryview) -> Value:
    """Decode ``data`` as ``type_``, refusing everything that ``encode`` would not have written.

    Raises:
        EncodingError: code ``malformed`` for other shapes and types, ``not_canonical`` for another encoding of the
        value.
    """
    decoder = _made.get(id(type_)) or _decoders(type_)
    try:
        value: Value = decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise EncodingError(ErrorCode.MALFORMED, f"{_name(type_)}: {error}") from None
    if _encoder.encode(value) != data:
        raise EncodingError(ErrorCode.NOT_CANONICAL, f"{_name(type_)}: not the shortest encoding of its value")
    return value


def _name(type_: Any) -> str:
    return getattr(type_, "__name__", str(type_))
