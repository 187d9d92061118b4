"""MessagePack seen from outside, to break it at its joints: where items begin, and other ways to write them.

Knows the format from its specification alone and shares nothing with the encoder that is tested.
"""

import struct
from random import Random
from typing import NamedTuple

_SIZED: dict[int, tuple[str, int]] = {
    0xC4: ("bin", 1),
    0xC5: ("bin", 2),
    0xC6: ("bin", 4),
    0xD9: ("str", 1),
    0xDA: ("str", 2),
    0xDB: ("str", 4),
    0xDC: ("array", 2),
    0xDD: ("array", 4),
    0xDE: ("map", 2),
    0xDF: ("map", 4),
}
_NUMBERS = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8, 0xCA: 4, 0xCB: 8}
_LONGER = {
    "bin": (b"\xc4", b"\xc5", b"\xc6"),
    "str": (None, b"\xd9", b"\xda", b"\xdb"),
    "array": (None, b"\xdc", b"\xdd"),
    "map": (None, b"\xde", b"\xdf"),
}

FOREIGN = {
    "NaN": b"\xcb\x7f\xf8" + bytes(6),
    "infinity": b"\xca\x7f\x80\x00\x00",
    "a float for an integer": b"\xcb\x3f\xf0" + bytes(6),
    "the greatest integer": b"\xcf" + b"\xff" * 8,
    "the least integer": b"\xd3\x80" + bytes(7),
    "a key twice": b"\x82\xa1a\x01\xa1a\x02",
    "an extension": b"\xd4\x01\x00",
    "a time": b"\xd6\xff" + bytes(4),
    "a code that is never used": b"\xc1",
    "text that is no UTF-8": b"\xa2\xff\xfe",
    "half a surrogate": b"\xa3\xed\xa0\x80",
    "an array of 4 milliards": b"\xdd\xff\xff\xff\xff",
    "a map of 4 milliards": b"\xdf\xff\xff\xff\xff",
    "a byte string of 4 GiB": b"\xc6\xff\xff\xff\xff",
    "a text of 4 GiB": b"\xdb\xff\xff\xff\xff",
    "an extension of 4 GiB": b"\xc9\xff\xff\xff\xff\x01",
    "arrays in arrays": b"\x91" * 100_000 + b"\xc0",
    "maps in maps": b"\x81\xa1a" * 50_000 + b"\xc0",
}
"""Items that stand nowhere in a valid encoding of this protocol, or would cost much to believe."""


class Item(NamedTuple):
    """Where an item stands: its first byte, and the first byte of its content."""

    start: int
    content: int
    kind: str
    """``bin``, ``str``, ``array``, ``map``, ``int`` or ``other``."""
    size: int
    """Length as its head says; an integer's value."""


def items(data: bytes) -> list[Item]:
    """All items of a valid encoding, outer before inner."""
    found, position = [], 0
    while position < len(data):
        item = _item(data, position)
        found.append(item)
        position = item.content + (item.size if item.kind in ("bin", "str") else 0)
    return found


def _item(data: bytes, start: int) -> Item:
    code = data[start]
    if code in _SIZED:
        kind, width = _SIZED[code]
        return Item(start, start + 1 + width, kind, int.from_bytes(data[start + 1 : start + 1 + width], "big"))
    if code in _NUMBERS:
        end = start + 1 + _NUMBERS[code]
        return Item(start, end, "int", int.from_bytes(data[start + 1 : end], "big", signed=code >= 0xD0))
    for kind, low, mask in (("map", 0x80, 0x0F), ("array", 0x90, 0x0F), ("str", 0xA0, 0x1F)):
        if code & ~mask == low:
            return Item(start, start + 1, kind, code & mask)
    if code < 0x80 or code >= 0xE0:
        return Item(start, start + 1, "int", code if code < 0x80 else code - 0x100)
    return Item(start, start + 1, "other", 0)


def longer_forms(item: Item, head: bytes) -> list[bytes]:
    """Heads that say the same as ``head`` in more bytes."""
    if item.kind == "int":
        wider = [struct.pack(">BB", 0xCC, item.size)] if 0 <= item.size < 2**8 else []
        for code, form, bits in ((0xCD, "H", 16), (0xCE, "I", 32), (0xCF, "Q", 64)):
            wider += [struct.pack(f">B{form}", code, item.size)] if 0 <= item.size < 2**bits else []
        for code, form, bits in ((0xD0, "b", 7), (0xD1, "h", 15), (0xD2, "i", 31), (0xD3, "q", 63)):
            wider += [struct.pack(f">B{form}", code, item.size)] if -(2**bits) <= item.size < 2**bits else []
        return [form for form in wider if len(form) >= len(head) and form != head]
    codes = _LONGER.get(item.kind, ())
    wider = [code + item.size.to_bytes(_SIZED[code[0]][1], "big") for code in codes if code and _fits(code, item.size)]
    return [form for form in wider if len(form) > len(head)]


def _fits(code: bytes, size: int) -> bool:
    return size < 256 ** _SIZED[code[0]][1]


def not_shortest(data: bytes, random: Random) -> bytes | None:
    """The same value with one item's head in a longer form; None if nothing in it has one."""
    candidates = items(data)
    random.shuffle(candidates)
    for item in candidates:
        head = data[item.start : item.content]
        forms = longer_forms(item, head)
        if forms:
            return data[: item.start] + random.choice(forms) + data[item.content :]
    return None


def with_foreign_item(data: bytes, random: Random) -> bytes:
    """One item replaced by one that does not belong there; what followed it still does."""
    item = random.choice(items(data))
    end = item.content + (item.size if item.kind in ("bin", "str") else 0)
    return data[: item.start] + random.choice(list(FOREIGN.values())) + data[end:]


def with_wrong_length(data: bytes, random: Random) -> bytes:
    """One item whose head lies about its length or value: by one, by much, or beyond all bounds."""
    item = random.choice(items(data))
    if item.kind not in _LONGER:
        return (
            data[: item.start] + random.choice((b"\xcf" + b"\xff" * 8, b"\xd3\x80" + bytes(7))) + data[item.content :]
        )
    code = [code for code in _LONGER[item.kind] if code][-1]
    size = random.choice((item.size + 1, max(0, item.size - 1), item.size * 2 + 7, 2**31, 2**32 - 1))
    return data[: item.start] + code + size.to_bytes(4, "big") + data[item.content :]
