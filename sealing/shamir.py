"""Shamir's secret sharing, byte by byte over GF(2^8) modulo x^8 + x^4 + x^3 + x + 1.

Share ``position`` (from 0) is the value of a random polynomial at ``position + 1``; its value at 0 is the secret. With
fewer shares than the threshold every secret is still equally likely. Each byte of a secret has a polynomial of its own,
so a string of many secrets is split, and interpolated, as one: multiplying all of it by a weight is one translation by
a table of 256 bytes. The weights depend on the positions alone, which are public.
"""

import secrets
from collections.abc import Mapping
from functools import lru_cache

from chain.errors import ErrorCode, PoolError

_GENERATOR = 3


def _powers() -> list[int]:
    found, value = [], 1
    for _ in range(255):
        found.append(value)
        double = value << 1
        value ^= double ^ 0x11B if double > 0xFF else double  # times 3, which generates all that is not 0
    return found


_POWERS = _powers()
_LOGARITHMS = {power: exponent for exponent, power in enumerate(_POWERS)}


def split(secret: bytes, threshold: int, count: int) -> list[bytes]:
    """``count`` shares of a secret, each of its length, ``threshold`` of which recover it."""
    known = {position: secrets.token_bytes(len(secret)) for position in range(threshold - 1)} | {-1: secret}
    return [value_at(position + 1, known) for position in range(count)]


def value_at(point: int, shares: Mapping[int, bytes]) -> bytes:
    """The value at ``point`` of the polynomials of lowest degree through ``shares`` (by position).

    Point 0 is the secret, ``position + 1`` a share; points go up to 255.

    Raises:
        PoolError: code ``not_enough_shares`` if there is none.
    """
    if not shares:
        raise PoolError(ErrorCode.NOT_ENOUGH_SHARES, "no share, no value")
    if point - 1 in shares:
        return shares[point - 1]
    value = 0
    for weight, share in zip(_weights(point, tuple(shares)), shares.values(), strict=True):
        value ^= int.from_bytes(share.translate(_multiples(weight)), "big")
    return value.to_bytes(len(next(iter(shares.values()))), "big")


@lru_cache(maxsize=1024)
def _weights(point: int, positions: tuple[int, ...]) -> tuple[int, ...]:
    """Lagrange's weights: what each share is multiplied with so that their sum is the value at ``point``.

    Addition in the field is XOR, so moving every coordinate by ``point`` makes it the value at 0.
    """
    places = [(position + 1) ^ point for position in positions]
    weights = []
    for place in places:
        others = [other for other in places if other != place]
        exponent = sum(_LOGARITHMS[other] - _LOGARITHMS[other ^ place] for other in others)
        weights.append(_POWERS[exponent % 255])
    return tuple(weights)


@lru_cache(maxsize=256)
def _multiples(factor: int) -> bytes:
    """The products of ``factor``, which is not 0, with each byte."""
    exponent = _LOGARITHMS[factor]
    products = (_POWERS[(exponent + _LOGARITHMS[value]) % 255] for value in range(1, 256))
    return b"\x00" + bytes(products)
