"""RFC 6962's definitions (section 2.1) word for word: slow, recursive, and independent of ``chain.proofs.merkle``."""

import hashlib
from collections.abc import Sequence


def split_at(size: int) -> int:
    """The largest power of two smaller than ``size``."""
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def naive_root(items: Sequence[bytes]) -> bytes:
    """MTH(D[n])."""
    if not items:
        return hashlib.sha256().digest()
    if len(items) == 1:
        return hashlib.sha256(b"\x00" + items[0]).digest()
    k = split_at(len(items))
    return hashlib.sha256(b"\x01" + naive_root(items[:k]) + naive_root(items[k:])).digest()


def naive_inclusion(index: int, items: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(items) == 1:
        return []
    k = split_at(len(items))
    if index < k:
        return [*naive_inclusion(index, items[:k]), naive_root(items[k:])]
    return [*naive_inclusion(index - k, items[k:]), naive_root(items[:k])]


def naive_consistency(old_size: int, items: Sequence[bytes]) -> list[bytes]:
    """PROOF(m, D[n]); empty for an empty old tree."""
    return _subproof(old_size, items, True) if 0 < old_size < len(items) else []


def _subproof(old_size: int, items: Sequence[bytes], whole: bool) -> list[bytes]:
    if old_size == len(items):
        return [] if whole else [naive_root(items)]
    k = split_at(len(items))
    if old_size <= k:
        return [*_subproof(old_size, items[:k], whole), naive_root(items[k:])]
    return [*_subproof(old_size - k, items[k:], False), naive_root(items[:k])]
