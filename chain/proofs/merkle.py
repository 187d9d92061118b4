"""Merkle trees of RFC 6962 (section 2.1): roots, inclusion proofs, consistency proofs.

Leaf: ``SHA-256(0x00 | data)``; node: ``SHA-256(0x01 | left | right)``; the empty tree: SHA-256 of nothing. The
verifiers follow RFC 9162, sections 2.1.3.2 and 2.1.4.2, which restate the algorithms with every bound check spelled
out.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256 as _sha256

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import HASH_SIZE, Hash

EMPTY_ROOT: Hash = _sha256(b"").digest()
MAX_PROOF_LENGTH = 64


def leaf_hash(data: bytes) -> Hash:
    """Hash of one leaf's data."""
    return _sha256(b"\x00" + data).digest()


def node_hash(left: Hash, right: Hash) -> Hash:
    """Hash of an inner node."""
    return _sha256(b"\x01" + left + right).digest()


def leaf_hashes(items: Iterable[bytes]) -> list[Hash]:
    """Leaf hashes of many items; the loop that bulk hashing spends its time in."""
    sha = _sha256
    return [sha(b"\x00" + item).digest() for item in items]


def root_of_leaves(leaves: Sequence[Hash]) -> Hash:
    """Root of a tree with these leaf hashes.

    Works level by level: an odd last node moves up unchanged, which gives the same tree as the RFC's recursive split at
    the largest power of two.
    """
    if not leaves:
        return EMPTY_ROOT
    level = leaves
    sha = _sha256
    while len(level) > 1:
        odd = [level[-1]] if len(level) & 1 else []
        level = [sha(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        level += odd
    return level[0]


def root(items: Iterable[bytes]) -> Hash:
    """Root of the tree whose leaves hold ``items``."""
    return root_of_leaves(leaf_hashes(items))


class MerkleTree:
    """A tree kept whole in memory, for many proofs over the same leaves."""

    __slots__ = ("_levels",)

    def __init__(self, leaves: Sequence[Hash]) -> None:
        self._levels: list[Sequence[Hash]] = [leaves]
        level = leaves
        while len(level) > 1:
            above = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
            if len(level) & 1:
                above.append(level[-1])
            self._levels.append(above)
            level = above

    @property
    def root(self) -> Hash:
        """The tree's root."""
        return self._levels[-1][0] if self._levels[0] else EMPTY_ROOT

    def inclusion_proof(self, index: int) -> list[Hash]:
        """Sibling hashes from leaf ``index`` up to the root (RFC 6962, section 2.1.1)."""
        if not 0 <= index < len(self._levels[0]):
            raise IndexError(f"leaf {index} of a tree with {len(self._levels[0])} leaves")
        proof = []
        for level in self._levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                proof.append(level[sibling])
            index >>= 1
        return proof


def inclusion_proof(leaves: Sequence[Hash], index: int) -> list[Hash]:
    """Sibling hashes that prove leaf ``index``."""
    return MerkleTree(leaves).inclusion_proof(index)


def root_from_inclusion_proof(leaf: Hash, index: int, tree_size: int, proof: Sequence[Hash]) -> Hash:
    """The root that ``proof`` implies for ``leaf`` at ``index`` of ``tree_size`` leaves (RFC 9162, section 2.1.3.2).

    Raises:
        PoolError: code ``bad_proof`` if index, size and length of the proof do not fit together.
    """
    if not 0 <= index < tree_size:
        raise PoolError(ErrorCode.BAD_PROOF, f"leaf {index} lies outside a tree of {tree_size}")
    _check_hashes([leaf, *proof])
    position, last = index, tree_size - 1
    result = leaf
    for sibling in proof:
        if last == 0:
            raise PoolError(ErrorCode.BAD_PROOF, "inclusion proof is too long")
        if position & 1 or position == last:
            result = node_hash(sibling, result)
            if not position & 1:
                while position and not position & 1:
                    position >>= 1
                    last >>= 1
        else:
            result = node_hash(result, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise PoolError(ErrorCode.BAD_PROOF, "inclusion proof is too short")
    return result


def verify_inclusion(leaf: Hash, index: int, tree_size: int, proof: Sequence[Hash], expected_root: Hash) -> None:
    """Check that ``leaf`` is leaf ``index`` of the tree with ``expected_root``.

    Raises:
        PoolError: code ``bad_proof``.
    """
    if root_from_inclusion_proof(leaf, index, tree_size, proof) != expected_root:
        raise PoolError(ErrorCode.BAD_PROOF, "inclusion proof leads to another root")


def verify_consistency(old_size: int, new_size: int, old_root: Hash, new_root: Hash, proof: Sequence[Hash]) -> None:
    """Check that the tree of ``old_size`` leaves is a prefix of that of ``new_size`` (RFC 9162, section 2.1.4.2).

    Raises:
        PoolError: code ``bad_proof``.
    """
    _check_hashes([old_root, new_root, *proof])
    if old_size == new_size and new_size >= 0:
        if proof or old_root != new_root or (new_size == 0 and new_root != EMPTY_ROOT):
            raise PoolError(ErrorCode.BAD_PROOF, "trees of one size need an empty proof and equal roots")
        return
    if not 0 < old_size < new_size:
        # The empty tree precedes every tree: a proof from it would say nothing about the new root.
        raise PoolError(ErrorCode.BAD_PROOF, f"no proof leads from a tree of {old_size} to one of {new_size}")
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise PoolError(ErrorCode.BAD_PROOF, "consistency proof is empty")
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old_result = new_result = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise PoolError(ErrorCode.BAD_PROOF, "consistency proof is too long")
        if position & 1 or position == last:
            old_result = node_hash(sibling, old_result)
            new_result = node_hash(sibling, new_result)
            while position and not position & 1:
                position >>= 1
                last >>= 1
        else:
            new_result = node_hash(new_result, sibling)
        position >>= 1
        last >>= 1
    if last != 0 or old_result != old_root or new_result != new_root:
        raise PoolError(ErrorCode.BAD_PROOF, "consistency proof leads to other roots")


def _check_hashes(hashes: Sequence[Hash]) -> None:
    if len(hashes) > MAX_PROOF_LENGTH + 2 or any(len(item) != HASH_SIZE for item in hashes):
        raise PoolError(ErrorCode.BAD_PROOF, f"a proof is at most {MAX_PROOF_LENGTH} hashes of {HASH_SIZE} bytes")


def largest_power_of_two_below(size: int) -> int:
    """The largest power of two smaller than ``size`` (``size`` at least 2): where RFC 6962 splits a tree."""
    return 1 << ((size - 1).bit_length() - 1)
