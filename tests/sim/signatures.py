"""Real Ed25519 signatures, each verified once.

Signing and the decision are libsodium's. What is remembered is that decision, for the same key, message and signature:
in one process every validator would verify every other's votes again, and that alone would cost more than all else.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import nacl.bindings
import nacl.exceptions

_REMEMBERED = 100_000
_open = nacl.bindings.crypto_sign_open
_good: dict[tuple[bytes, bytes], bytes] = {}
_bad: set[tuple[bytes, bytes]] = set()


def _open_once(signed: bytes, public_key: bytes) -> bytes:
    key = signed, public_key
    message = _good.get(key)
    if message is not None:
        return message
    if key in _bad:
        raise nacl.exceptions.BadSignatureError("known to be forged")
    if len(_good) + len(_bad) > _REMEMBERED:
        _good.clear()
        _bad.clear()
    try:
        message = _good[key] = _open(signed, public_key)
    except nacl.exceptions.BadSignatureError:
        _bad.add(key)
        raise
    return message


@contextmanager
def verified_once() -> Iterator[None]:
    """Remember verdicts while a schedule runs."""
    nacl.bindings.crypto_sign_open = _open_once
    try:
        yield
    finally:
        nacl.bindings.crypto_sign_open = _open
