"""Some of a parcel's records, by their places: a set of small numbers in few bytes.

Place ``i`` is in it if bit ``i % 8`` (1 for 0) of byte ``i // 8`` is set. It ends with the last byte that is not 0, so
that a set has one form; the empty set is no bytes.
"""

from collections.abc import Iterable, Iterator, Sequence


def places_of(indexes: Iterable[int]) -> bytes:
    """The set of these places."""
    found = bytearray()
    for index in indexes:
        if len(found) <= index // 8:
            found.extend(bytes(index // 8 + 1 - len(found)))
        found[index // 8] |= 1 << index % 8
    return bytes(found)


def all_places(count: int) -> bytes:
    """The set of the first ``count`` places."""
    return ((1 << count) - 1).to_bytes((count + 7) // 8, "little")


def has_place(places: bytes, index: int) -> bool:
    """Whether a place is in the set."""
    return index // 8 < len(places) and bool(places[index // 8] >> index % 8 & 1)


def indexes_in(places: bytes) -> Iterator[int]:
    """The places in the set, ascending."""
    return (index for index in range(8 * len(places)) if has_place(places, index))


def count_of(places: bytes) -> int:
    """How many places are in the set."""
    return int.from_bytes(places, "little").bit_count()


def joined(one: bytes, other: bytes) -> bytes:
    """The places that are in either set."""
    return _of_number(int.from_bytes(one, "little") | int.from_bytes(other, "little"))


def without(places: bytes, gone: bytes) -> bytes:
    """The places that are in one set and not in the other."""
    return _of_number(int.from_bytes(places, "little") & ~int.from_bytes(gone, "little"))


def left_after(places: bytes, indexes: Sequence[int]) -> bytes:
    """The places that are left of a set once some are gone: those that ``indexes`` names, or all if it names none."""
    return without(places, places_of(indexes)) if indexes else b""


def is_canonical(places: bytes) -> bool:
    """Whether these bytes are the one form of a set."""
    return not places or places[-1] != 0


def _of_number(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "little")
