"""A compact sparse Merkle tree over the state, with proofs of presence and absence under any root still held.

A key's place is given by the bits of its hash. A subtree that holds one entry is that entry's leaf, whatever its
depth; an empty subtree is the zero hash; so the shape depends on the entries alone, never on their history (the
compaction of Dahlberg, Pulls and Peeters, "Efficient Sparse Merkle Trees", 2016, as Jellyfish trees use it).

Leaf: ``SHA-256(0x00 | path | value hash)``; node: ``SHA-256(0x01 | left | right)``. Nodes are kept by their hash,
so roots share what they have in common and an old root stays readable as long as its nodes are kept.
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from chain.errors import ErrorCode, InvariantBroken, PoolError
from chain.primitives.crypto import HASH_SIZE, ZERO_HASH, Hash, hash_tagged, sha256
from chain.primitives.encoding import Wire
from chain.primitives.types import Hash32

EMPTY: Hash = ZERO_HASH
_LEAF = 0
_MAX_DEPTH = 256


class NodeReader(Protocol):
    """Where tree nodes and values are read from: by hash."""

    def node(self, hash_: Hash) -> bytes | None:
        """Bytes of a tree node."""
        ...

    def value(self, hash_: Hash) -> bytes | None:
        """A value by its hash."""
        ...


class MemoryNodes:
    """Nodes and values in two dictionaries."""

    def __init__(self) -> None:
        self.nodes: dict[Hash, bytes] = {}
        self.values: dict[Hash, bytes] = {}

    def node(self, hash_: Hash) -> bytes | None:
        """Bytes of a tree node."""
        return self.nodes.get(hash_)

    def value(self, hash_: Hash) -> bytes | None:
        """A value by its hash."""
        return self.values.get(hash_)

    def add(self, update: "TreeUpdate") -> None:
        """Keep what an update made."""
        self.nodes.update(update.nodes)
        self.values.update(update.values)


class TreeUpdate(NamedTuple):
    """What an update made: the new root, the nodes and values to keep, and the keys that changed."""

    root: Hash
    nodes: dict[Hash, bytes]
    values: dict[Hash, bytes]
    keys: frozenset[bytes]


class StateProof(Wire, frozen=True):
    """Proof about one key under one state root."""

    siblings: tuple[Hash32, ...]
    """Sibling hashes from the root downwards."""
    leaf_path: bytes
    """Path of the leaf where the search ends; empty if it ends in an empty subtree."""
    leaf_value_hash: bytes
    """That leaf's value hash; empty if there is none."""

    def __post_init__(self) -> None:
        lengths = len(self.leaf_path), len(self.leaf_value_hash)
        if len(self.siblings) > _MAX_DEPTH or lengths not in ((0, 0), (HASH_SIZE, HASH_SIZE)):
            raise ValueError("no state proof has this shape")


_Change = tuple[int, bytes, Hash | None]
"""(path as an integer, path, value hash or None to delete)."""


class StateTree:
    """Reads, updates and proofs over a node store. Holds no root: every call names the one it means."""

    def __init__(self, chain_id: bytes, nodes: NodeReader) -> None:
        self._chain_id = chain_id
        self._nodes = nodes

    def path(self, key: bytes) -> bytes:
        """Place of ``key``: 32 bytes whose bits choose left (0) or right (1) from the root down."""
        return hash_tagged("state-key", self._chain_id, key)

    def get(self, root: Hash, key: bytes) -> bytes | None:
        """Value of ``key`` under ``root``, or None."""
        path = self.path(key)
        bits, side = int.from_bytes(path, "big"), 1 << _MAX_DEPTH - 1
        current, read = root, self._nodes.node
        while current != EMPTY:
            node = read(current)
            if node is None:
                raise InvariantBroken(f"state tree node {current.hex()} is missing")
            if node[0] == _LEAF:
                return self._value(node[33:]) if node[1:33] == path else None
            current = node[33:] if bits & side else node[1:33]
            side >>= 1
        return None

    def prove(self, root: Hash, key: bytes) -> StateProof:
        """Proof that ``key`` has its value, or none, under ``root``."""
        siblings, leaf_path, value_hash = self._descend(root, self.path(key))
        return StateProof(tuple(siblings), leaf_path, value_hash)

    def update(self, root: Hash, changes: Mapping[bytes, bytes | None]) -> TreeUpdate:
        """The tree after ``changes`` (None deletes a key); nothing is written here."""
        made = TreeUpdate(EMPTY, {}, {}, frozenset(changes))
        entries: list[_Change] = []
        for key, value in changes.items():
            path = self.path(key)
            value_hash = None
            if value is not None:
                value_hash = hash_tagged("state-value", self._chain_id, value)
                made.values[value_hash] = value
            entries.append((int.from_bytes(path, "big"), path, value_hash))
        entries.sort()
        new_root = self._apply(root, 0, entries, made.nodes) if entries else root
        return made._replace(root=new_root)

    def is_complete(self, root: Hash) -> bool:
        """Whether every node and value under ``root`` is there with the right bytes; reads the whole tree."""
        pending = [] if root == EMPTY else [root]
        while pending:
            hash_ = pending.pop()
            node = self._nodes.node(hash_)
            if node is None or sha256(node) != hash_:
                return False
            if node[0] == _LEAF:
                value = self._nodes.value(node[33:])
                if value is None or hash_tagged("state-value", self._chain_id, value) != node[33:]:
                    return False
            else:
                pending += [child for child in (node[1:33], node[33:]) if child != EMPTY]
        return True

    def _value(self, hash_: Hash) -> bytes:
        value = self._nodes.value(hash_)
        if value is None:
            raise InvariantBroken(f"state value {hash_.hex()} is missing")
        return value

    def _descend(self, root: Hash, path: bytes) -> tuple[list[Hash], bytes, bytes]:
        siblings: list[Hash] = []
        bits = int.from_bytes(path, "big")
        current = root
        while current != EMPTY:
            node = self._read(current, {})
            if node[0] == _LEAF:
                return siblings, node[1:33], node[33:]
            left, right = node[1:33], node[33:]
            if bits >> (_MAX_DEPTH - 1 - len(siblings)) & 1:
                siblings.append(left)
                current = right
            else:
                siblings.append(right)
                current = left
        return siblings, b"", b""

    def _apply(self, root: Hash, depth: int, changes: list[_Change], made: dict[Hash, bytes]) -> Hash:
        """The subtree at ``depth`` after sorted ``changes``, of which there is at least one."""
        if root == EMPTY:
            return _build(depth, [change for change in changes if change[2] is not None], made)
        node = self._read(root, made)
        if node[0] == _LEAF:
            path, value_hash = node[1:33], node[33:]
            kept = [change for change in changes if change[2] is not None]
            if all(change[1] != path for change in changes):
                kept.append((int.from_bytes(path, "big"), path, value_hash))
                kept.sort()
            return _build(depth, kept, made)
        left, right, split = node[1:33], node[33:], _split(changes, depth)
        if split:
            left = self._apply(left, depth + 1, changes[:split], made)
        if split < len(changes):
            right = self._apply(right, depth + 1, changes[split:], made)
        return self._join(left, right, made)

    def _join(self, left: Hash, right: Hash, made: dict[Hash, bytes]) -> Hash:
        if left == EMPTY and (right == EMPTY or self._read(right, made)[0] == _LEAF):
            return right
        if right == EMPTY and self._read(left, made)[0] == _LEAF:
            return left
        return _keep(b"\x01" + left + right, made)

    def _read(self, hash_: Hash, made: dict[Hash, bytes]) -> bytes:
        node = made.get(hash_) or self._nodes.node(hash_)
        if node is None:
            raise InvariantBroken(f"state tree node {hash_.hex()} is missing")
        return node


def verify_state_proof(chain_id: bytes, root: Hash, key: bytes, value: bytes | None, proof: StateProof) -> None:
    """Check that ``key`` has ``value`` under the state root ``root``, or has none if ``value`` is None.

    Raises:
        PoolError: code ``bad_proof``.
    """
    path = hash_tagged("state-key", chain_id, key)
    if value is None:
        if proof.leaf_path == path:
            raise PoolError(ErrorCode.BAD_PROOF, "the state proof shows that the key is present")
    elif proof.leaf_path != path or proof.leaf_value_hash != hash_tagged("state-value", chain_id, value):
        raise PoolError(ErrorCode.BAD_PROOF, "the state proof is for another key or value")
    _verify_path(path, root, proof)


def verify_presence(chain_id: bytes, root: Hash, key: bytes, proof: StateProof) -> None:
    """Check that ``key`` has some value under the state root ``root``, whichever it is.

    Raises:
        PoolError: code ``bad_proof``.
    """
    path = hash_tagged("state-key", chain_id, key)
    if proof.leaf_path != path:
        raise PoolError(ErrorCode.BAD_PROOF, "the state proof does not show that the key is present")
    _verify_path(path, root, proof)


def _verify_path(path: bytes, root: Hash, proof: StateProof) -> None:
    """Check that a proof for a place in the tree leads to ``root``."""
    bits = int.from_bytes(path, "big")
    depth = len(proof.siblings)
    current = EMPTY
    if proof.leaf_path:
        if depth and (int.from_bytes(proof.leaf_path, "big") ^ bits) >> (_MAX_DEPTH - depth):
            raise PoolError(ErrorCode.BAD_PROOF, "the leaf of the state proof lies elsewhere in the tree")
        current = sha256(b"\x00" + proof.leaf_path + proof.leaf_value_hash)
    for level in range(depth - 1, -1, -1):
        sibling = proof.siblings[level]
        pair = sibling + current if bits >> (_MAX_DEPTH - 1 - level) & 1 else current + sibling
        current = sha256(b"\x01" + pair)
    if current != root:
        raise PoolError(ErrorCode.BAD_PROOF, "the state proof leads to another root")


def _build(depth: int, entries: list[_Change], made: dict[Hash, bytes]) -> Hash:
    """Subtree at ``depth`` over sorted ``entries``, all of which have a value."""
    if not entries:
        return EMPTY
    if len(entries) == 1:
        _, path, value_hash = entries[0]
        return _keep(b"\x00" + path + (value_hash or b""), made)
    split = _split(entries, depth)
    left = _build(depth + 1, entries[:split], made)
    right = _build(depth + 1, entries[split:], made)
    return _keep(b"\x01" + left + right, made)


def _split(changes: list[_Change], depth: int) -> int:
    """How many of the sorted ``changes``, which agree in all bits before ``depth``, go left there."""
    below = _MAX_DEPTH - 1 - depth
    first_right = (changes[0][0] >> below | 1) << below
    return bisect_left(changes, (first_right,))


def _keep(node: bytes, made: dict[Hash, bytes]) -> Hash:
    hash_ = sha256(node)
    made[hash_] = node
    return hash_
