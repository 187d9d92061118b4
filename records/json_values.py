"""Python values as compact JSON text: exact and the same for ever, since it is hashed and signed.

Libraries write a ``float`` in ways that change with their versions, and turn NaN, infinity and other keys than texts
into something else. Here they are refused, ``int`` and ``Decimal`` keep every digit, and a ``float`` is the shortest
text that gives it back, as Python writes it (``repr``).
"""

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from json.encoder import encode_basestring as json_string

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.messages.phrases import phrase


def json_text(value: object) -> str:
    """The JSON text of a value.

    Raises:
        PoolError: code ``malformed`` for what JSON cannot express exactly.
    """
    try:
        return _write(value, LIMITS.json_depth)
    except ValueError as error:
        raise PoolError(ErrorCode.MALFORMED, phrase("a record is not JSON: {error}", error=error)) from None


def _write(value: object, depth: int) -> str:
    writer = _SCALARS.get(type(value))
    if writer is not None:
        return writer(value)
    if isinstance(value, Mapping | list | tuple) and depth == 0:
        raise ValueError(phrase("it is nested more than {json_depth} deep", json_depth=LIMITS.json_depth))
    if isinstance(value, Mapping):
        return "{" + ",".join([f"{_key(key)}:{_write(item, depth - 1)}" for key, item in value.items()]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([_write(item, depth - 1) for item in value]) + "]"
    for type_, of_type in _SCALARS.items():
        if isinstance(value, type_):  # an enumeration's member, for one
            return of_type(type_(value))
    raise ValueError(phrase("{kind} is no JSON value: give its text", kind=type(value).__name__))


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise ValueError(phrase("the key {key!r} is no text", key=key))
    return json_string(key)


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(phrase("{value} is no number of JSON", value=value))
    return repr(value)


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError(phrase("{value} is no number of JSON", value=value))
    return str(value)


_SCALARS: dict[type, Callable[..., str]] = {
    str: json_string,
    int: int.__repr__,
    float: _float,
    bool: lambda value: "true" if value else "false",
    type(None): lambda _: "null",
    Decimal: _decimal,
}
