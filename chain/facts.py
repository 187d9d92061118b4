"""What an outcome says beside its code: typed, bounded facts, and no sentence.

An outcome is a leaf under a block's root, so what it holds must be the same bytes on every machine: numbers, ids,
names, and texts that are data of the chain, cut by code points. Sentences for people are made of them at the edge
(``chain.messages``).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from chain.limits import LIMITS

FactValue = int | bytes | str
Facts = tuple[tuple[int, Any], ...]
"""(number, value), strictly ascending by number. Whoever decodes them calls ``verify``, which knows the types."""

_UNSIGNED = 2**63 - 1
_ID_LENGTH = 2 * LIMITS.name_length + 1


class Fact(NamedTuple):
    """One kind of fact. Its number never changes its meaning."""

    number: int
    name: str
    type: type[int] | type[bytes] | type[str]
    bound: int
    """Largest integer, bytes exactly, or code points at most."""
    meaning: str


TABLE = (
    Fact(1, "record_index", int, LIMITS.transaction_records - 1, "place of a record in its parcel, from 0"),
    Fact(2, "pointer", str, LIMITS.fact_length, "JSON Pointer (RFC 6901) into a record or a schema, cut"),
    Fact(3, "keyword", str, 64, "keyword of a JSON Schema, cut"),
    Fact(4, "expected", int, _UNSIGNED, "the number that would have been right"),
    Fact(5, "found", int, _UNSIGNED, "the number that was there instead"),
    Fact(6, "limit", int, _UNSIGNED, "the bound that was broken"),
    Fact(7, "height", int, _UNSIGNED, "height of a block"),
    Fact(8, "from_height", int, _UNSIGNED, "first height of a range"),
    Fact(9, "until_height", int, _UNSIGNED, "last height of a range"),
    Fact(10, "time_ms", int, _UNSIGNED, "the block's time, milliseconds since 1970"),
    Fact(11, "until_ms", int, _UNSIGNED, "when something ended, milliseconds since 1970"),
    Fact(12, "member", str, LIMITS.name_length, "a member's name"),
    Fact(13, "owner", str, LIMITS.name_length, "name of the member whose it is"),
    Fact(14, "key_id", bytes, 16, "id of a key"),
    Fact(15, "dataset", str, _ID_LENGTH, "id of a dataset"),
    Fact(16, "contract", str, _ID_LENGTH, "id of an access contract"),
    Fact(17, "parcel", bytes, 32, "transaction id of a parcel"),
    Fact(18, "request", bytes, 32, "transaction id of a request"),
    Fact(19, "sharing", str, 16, "sharing class: open, conditional, closed"),
    Fact(20, "status", str, 16, "where a request stands: asked, granted, denied, revoked"),
    Fact(21, "denial", str, 64, "error code: why a request was denied or revoked"),
    Fact(22, "line", int, _UNSIGNED, "line of a contract's source, from 1"),
    Fact(23, "part", str, 32, "part of a contract, or of its answer, that is wrong"),
    Fact(24, "text", str, LIMITS.reason_length, "words of a contract or of a member, cut"),
    Fact(25, "by", bytes, 32, "id of the transaction that has done it before"),
    Fact(26, "field", str, 32, "field of a catalogue entry"),
)
"""All facts, by number."""

BY_NAME: dict[str, Fact] = {fact.name: fact for fact in TABLE}
_BY_NUMBER: dict[int, Fact] = {fact.number: fact for fact in TABLE}


def pack(values: Mapping[str, FactValue]) -> Facts:
    """Facts given by name. Texts are cut to their bound, in code points.

    Raises:
        ValueError: a value is of another type than its fact, or out of bounds.
    """
    pairs = []
    for name, value in values.items():
        fact = BY_NAME[name]
        pairs.append((fact.number, value[: fact.bound] if isinstance(value, str) else value))
    facts = tuple(sorted(pairs))
    verify(facts)
    return facts


def unpack(facts: Facts) -> dict[str, FactValue]:
    """Facts by name."""
    return {_BY_NUMBER[number].name: value for number, value in facts}


def shown(facts: Facts) -> dict[str, str | int]:
    """Facts by name as JSON has them: bytes as hexadecimal digits."""
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in unpack(facts).items()}


def verify(facts: Facts) -> None:
    """Check facts that came from outside: known numbers, in order, each once; types and bounds.

    Raises:
        ValueError: they are not so.
    """
    last = 0
    for number, value in facts:
        fact = _BY_NUMBER.get(number)
        if fact is None or number <= last:
            raise ValueError("facts have known numbers, ascending, each once")
        if type(value) is not fact.type or not _is_bounded(fact, value):
            raise ValueError(f"fact {number} ({fact.name}) has another type, or is out of bounds")
        last = number


def _is_bounded(fact: Fact, value: FactValue) -> bool:
    if isinstance(value, int):
        return 0 <= value <= fact.bound
    return len(value) == fact.bound if isinstance(value, bytes) else len(value) <= fact.bound
