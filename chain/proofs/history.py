"""The tree over all block hashes: an append-only RFC 6962 tree that keeps the hashes of its complete subtrees.

A complete subtree of ``2**level`` leaves starting at leaf ``index * 2**level`` is the node ``(level, index)``. Once
complete it never changes, so appending writes at most ``log2(size)`` nodes, and any proof about any earlier size
can be made from stored nodes alone.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from chain.primitives.crypto import Hash
from chain.proofs.merkle import EMPTY_ROOT, largest_power_of_two_below, node_hash

NodeReader = Callable[[int, int], Hash]
"""``(level, index) -> hash`` of a complete subtree; level 0 holds leaf hashes."""


class TreeHead(NamedTuple):
    """What the tree is at one size: all blocks below the height ``size``, in their order, and no others."""

    size: int
    """Number of blocks, genesis included: the newest one's height plus 1."""
    root: Hash
    """RFC 6962 root over their hashes; the ``history_root`` of the block at the height ``size``."""


def nodes_completed_by(size: int, leaf: Hash, read: NodeReader) -> list[tuple[int, int, Hash]]:
    """Nodes that appending ``leaf`` (a leaf hash) to a tree of ``size`` leaves completes, lowest level first."""
    level, index, value = 0, size, leaf
    completed = [(level, index, value)]
    while index & 1:
        value = node_hash(read(level, index - 1), value)
        level, index = level + 1, index >> 1
        completed.append((level, index, value))
    return completed


def root_at(size: int, read: NodeReader) -> Hash:
    """Root of the first ``size`` leaves."""
    return _subtree(0, size, read) if size else EMPTY_ROOT


def peaks_of(size: int) -> list[tuple[int, int]]:
    """The complete subtrees, as large as can be, that the first ``size`` leaves consist of: (level, index), in their
    order.
    """
    found, start = [], 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            found.append((level, start >> level))
            start += 1 << level
    return found


def root_of_peaks(peaks: Sequence[Hash]) -> Hash:
    """Root of the tree whose peaks these are."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def inclusion_proof_at(index: int, size: int, read: NodeReader) -> list[Hash]:
    """Proof that leaf ``index`` is in the tree of the first ``size`` leaves (RFC 6962, section 2.1.1)."""
    if not 0 <= index < size:
        raise IndexError(f"leaf {index} of {size}")
    start, end = 0, size
    proof: list[Hash] = []
    while end - start > 1:
        middle = start + largest_power_of_two_below(end - start)
        if index < middle:
            proof.append(_subtree(middle, end, read))
            end = middle
        else:
            proof.append(_subtree(start, middle, read))
            start = middle
    return proof[::-1]


def consistency_proof(old_size: int, new_size: int, read: NodeReader) -> list[Hash]:
    """Proof that the tree of ``old_size`` leaves is a prefix of that of ``new_size`` (RFC 6962, section 2.1.2)."""
    if not 0 <= old_size <= new_size:
        raise IndexError(f"sizes {old_size} and {new_size}")
    if old_size in (0, new_size):
        return []
    start, end, whole = 0, new_size, True
    proof: list[Hash] = []
    while old_size != end:
        middle = start + largest_power_of_two_below(end - start)
        if old_size <= middle:
            proof.append(_subtree(middle, end, read))
            end = middle
        else:
            proof.append(_subtree(start, middle, read))
            start, whole = middle, False
    if not whole:
        proof.append(_subtree(start, end, read))
    return proof[::-1]


def _subtree(start: int, end: int, read: NodeReader) -> Hash:
    """Hash of the leaves ``start`` to ``end - 1``, where ``start`` is a multiple of the subtree's size."""
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return read(level, start >> level)
    middle = start + largest_power_of_two_below(size)
    return node_hash(_subtree(start, middle, read), _subtree(middle, end, read))
