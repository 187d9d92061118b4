"""Shamir's secret sharing over GF(2^128), by PyCryptodome.

Share ``position`` (from 0) is the value of a random polynomial at ``position + 1``; its value at 0 is the secret. With
fewer shares than the threshold every secret is still equally likely.
"""

from __future__ import annotations

from collections.abc import Mapping

from Crypto.Protocol.SecretSharing import Shamir

from chain.errors import ErrorCode, PoolError


def split(secret: bytes, threshold: int, count: int) -> list[bytes]:
    """``count`` shares of 16 bytes of a 16-byte secret, ``threshold`` of which recover it."""
    return [share for _, share in Shamir.split(threshold, count, secret)]


def value_at(point: int, shares: Mapping[int, bytes]) -> bytes:
    """The value at ``point`` of the polynomial of lowest degree through ``shares`` (by position): 16 bytes.

    Point 0 is the secret, ``position + 1`` a share. Addition in the field is XOR, so moving every coordinate by
    ``point`` makes it the secret of a shifted polynomial.

    Raises:
        PoolError: code ``not_enough_shares`` if there is none.
    """
    if not shares:
        raise PoolError(ErrorCode.NOT_ENOUGH_SHARES, "no share, no value")
    if point - 1 in shares:
        return shares[point - 1]
    return Shamir.combine([((position + 1) ^ point, share) for position, share in shares.items()])
