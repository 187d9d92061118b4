"""Shamir's secret sharing over GF(2^128) modulo x^128 + x^7 + x^2 + x + 1, elements as 16 bytes, big endian.

Share ``position`` (from 0) is the value of a random polynomial at ``position + 1``; its value at 0 is the secret. With
fewer shares than the threshold every secret is still equally likely.

PyCryptodome splits. Interpolation is done here: the weights of the shares depend on their positions alone, which are
public and the same from parcel to parcel, so they are computed once; its ``combine`` starts anew each time and takes
some twenty times as long.
"""

from collections.abc import Mapping
from functools import lru_cache

from Crypto.Protocol.SecretSharing import Shamir

from chain.errors import ErrorCode, PoolError
from chain.transactions.sealed import SHARE_SIZE

_BITS = 8 * SHARE_SIZE
_MODULUS = 1 << _BITS | 0b10000111


def split(secret: bytes, threshold: int, count: int) -> list[bytes]:
    """``count`` shares of 16 bytes of a 16-byte secret, ``threshold`` of which recover it."""
    return [share for _, share in Shamir.split(threshold, count, secret)]


def value_at(point: int, shares: Mapping[int, bytes]) -> bytes:
    """The value at ``point`` of the polynomial of lowest degree through ``shares`` (by position): 16 bytes.

    Point 0 is the secret, ``position + 1`` a share.

    Raises:
        PoolError: code ``not_enough_shares`` if there is none.
    """
    if not shares:
        raise PoolError(ErrorCode.NOT_ENOUGH_SHARES, "no share, no value")
    if point - 1 in shares:
        return shares[point - 1]
    value = 0
    for weight, share in zip(_weights(point, tuple(shares)), shares.values(), strict=True):
        value ^= _multiply(weight, int.from_bytes(share, "big"))
    return value.to_bytes(SHARE_SIZE, "big")


@lru_cache(maxsize=1024)
def _weights(point: int, positions: tuple[int, ...]) -> tuple[int, ...]:
    """Lagrange's weights: what each share is multiplied with so that their sum is the value at ``point``.

    Addition in the field is XOR, so moving every coordinate by ``point`` makes it the value at 0.
    """
    places = [(position + 1) ^ point for position in positions]
    above, below = [], []
    for place in places:
        numerator = denominator = 1
        for other in places:
            if other != place:
                numerator = _multiply(other, numerator)
                denominator = _multiply(other ^ place, denominator)
        above.append(numerator)
        below.append(denominator)
    return tuple(_multiply(numerator, inverse) for numerator, inverse in zip(above, _inverses(below), strict=True))


def _inverses(values: list[int]) -> list[int]:
    """Inverses of all values with one exponentiation (Montgomery's trick)."""
    products = [1]
    for value in values:
        products.append(_multiply(value, products[-1]))
    inverse = _inverse(products[-1])
    found = []
    for value, before in zip(reversed(values), reversed(products[:-1]), strict=True):
        found.append(_multiply(inverse, before))
        inverse = _multiply(inverse, value)
    return found[::-1]


def _inverse(value: int) -> int:
    """``value`` to the power of 2^128 - 2 (Fermat)."""
    result, power = 1, value
    for _ in range(_BITS - 1):
        power = _multiply(power, power)
        result = _multiply(result, power)
    return result


def _multiply(factor: int, value: int) -> int:
    """The product in the field. Its time depends on ``factor``, so that is the public one."""
    product = 0
    while factor:
        if factor & 1:
            product ^= value
        value <<= 1
        if value >> _BITS:
            value ^= _MODULUS
        factor >>= 1
    return product
