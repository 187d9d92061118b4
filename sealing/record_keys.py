"""Blinded keys of sealed records: without the owner's secret nobody learns a key's values, or tries whether they are
right.
"""

import hashlib
import hmac
from collections.abc import Sequence

from chain.errors import ErrorCode, PoolError
from chain.record_keys import KEY_SIZE, KeyValues, key_content

SECRET_SIZE = 32


def blinded_key(secret: bytes, dataset: str, names: Sequence[str], values: KeyValues) -> bytes:
    """Key of a sealed record: HMAC-SHA256 (RFC 2104) of its values under the owner's secret, its first 24 bytes.

    Raises:
        PoolError: code ``bad_key`` for a secret of another length than 32 bytes.
    """
    if len(secret) != SECRET_SIZE:
        raise PoolError(ErrorCode.BAD_KEY, f"a secret for record keys has {SECRET_SIZE} bytes, this one {len(secret)}")
    return hmac.digest(secret, key_content(dataset, names, values), hashlib.sha256)[:KEY_SIZE]
