"""Values of any type of the wire, made from what the type itself says: bounds, lengths, patterns, alternatives."""

import re
from random import Random
from typing import Any

from msgspec import inspect

from chain.facts import TABLE, Facts, FactValue, pack
from chain.primitives.crypto import HASH_SIZE
from chain.state.tree import StateProof

_TEXTS = (
    "a",
    "",
    "aviation",
    "x-9",
    "a.flights",
    "过境航班",
    "é\u0000\U0001f6eb",
    "127.0.0.1:9000",
    "0" * 64,
    "z" * 32,
)
_ITEMS_MAX = 3
_BYTES_MAX = 40


def value_of(type_: Any, random: Random) -> Any:
    """A value of ``type_`` that decodes: small, but at the bounds of its numbers now and then."""
    return _value(inspect.type_info(type_), random)


def _value(kind: inspect.Type, random: Random) -> Any:
    """By the cases that the types of the wire have; another one is an error, so that none is left out unseen."""
    match kind:
        case inspect.Metadata(type=inner):
            return _value(inner, random)
        case inspect.StructType(cls=cls) if cls is StateProof:
            length = random.choice((0, HASH_SIZE))  # of both: what its type does not say
            siblings = tuple(random.randbytes(HASH_SIZE) for _ in range(random.randrange(_ITEMS_MAX)))
            return StateProof(siblings, random.randbytes(length), random.randbytes(length))
        case inspect.StructType(cls=cls, fields=fields):
            made = {field.name: _value(field.type, random) for field in fields if field.name != "facts"}
            return cls(**made, facts=_facts(random)) if len(made) < len(fields) else cls(**made)
        case inspect.UnionType(types=types):
            return _value(random.choice(types), random)
        case inspect.NoneType():
            return None
        case inspect.BoolType():
            return random.random() < 0.5
        case inspect.IntType():
            return _integer(kind, random)
        case inspect.EnumType(cls=cls):
            return random.choice(list(cls))
        case inspect.LiteralType(values=values):
            return random.choice(values)
        case inspect.BytesType():
            return random.randbytes(_length(kind, random, _BYTES_MAX))
        case inspect.StrType():
            return _text(kind, random)
        case inspect.VarTupleType(item_type=item):
            return tuple(_value(item, random) for _ in range(_length(kind, random, _ITEMS_MAX)))
        case inspect.TupleType(item_types=types):
            return tuple(_value(item, random) for item in types)
        case _:
            raise NotImplementedError(f"no values of {kind}")


def _facts(random: Random) -> Facts:
    """What an outcome may say, whose types only ``chain.facts`` knows."""
    values: dict[str, FactValue] = {}
    for fact in random.sample(TABLE, random.randrange(_ITEMS_MAX)):
        if fact.type is int:
            values[fact.name] = random.choice((0, 1, fact.bound))
        elif fact.type is bytes:
            values[fact.name] = random.randbytes(fact.bound)
        else:
            values[fact.name] = random.choice([text for text in _TEXTS if len(text) <= fact.bound])
    return pack(values)


def _integer(kind: inspect.IntType, random: Random) -> int:
    low = -(2**63) if kind.ge is None else kind.ge
    high = 2**63 - 1 if kind.le is None else kind.le
    return random.choice(
        (low, high, min(high, low + 1), random.randint(low, high), min(high, random.randrange(1, 300)))
    )


def _length(kind: inspect.BytesType | inspect.VarTupleType, random: Random, usual: int) -> int:
    low = kind.min_length or 0
    high = low + usual if kind.max_length is None else min(kind.max_length, low + usual)
    return random.randint(low, high)


def _text(kind: inspect.StrType, random: Random) -> str:
    fitting = [
        text
        for text in _TEXTS
        if (kind.pattern is None or re.search(kind.pattern, text))
        and (kind.min_length or 0) <= len(text)
        and (kind.max_length is None or len(text) <= kind.max_length)
    ]
    return random.choice(fitting)
