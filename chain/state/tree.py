"""A compact sparse Merkle tree over the state, with proofs of presence and absence under any root still held.

A key's place is given by the bits of its hash. A subtree that holds one entry is that entry's leaf, whatever its
depth; an empty subtree is the zero hash; so the shape depends on the entries alone, never on their history (the
compaction of Dahlberg, Pulls and Peeters, "Efficient Sparse Merkle Trees", 2016, as Jellyfish trees use it).

Leaf: ``SHA-256(0x00 | path | value hash)``; node: ``SHA-256(0x01 | left | right)``. Nodes are kept by where they were
made, the height of a block and a number in it: what a block makes lies side by side in a database, and each node has
one parent, so that it can go when its last tree goes (as versions do in Jellyfish trees). A *reference* names a node by
its hash, which stands under the root, and by where it is kept, which does not.

| kept node | bytes                                                                     |
|-----------|---------------------------------------------------------------------------|
| leaf      | ``0x00`` path(32) value hash(32) length of the key(2) key value           |
| inner     | ``0x01`` left reference(44) right reference(44)                           |
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import HASH_SIZE, ZERO_HASH, Hash, hash_tagged, sha256
from chain.primitives.encoding import Wire
from chain.primitives.types import Hash32

Reference = bytes
"""Hash(32), then the place: height(8) of the block that made the node, and its number(4) in that block."""
PLACE_SIZE = 12
REFERENCE_SIZE = HASH_SIZE + PLACE_SIZE
EMPTY: Reference = bytes(REFERENCE_SIZE)
"""Of an empty subtree, whose hash is zeros."""
_LEAF = 0
_KEY_LENGTH_SIZE = 2
_KEY_OFFSET = 1 + 2 * HASH_SIZE + _KEY_LENGTH_SIZE
_MAX_DEPTH = 256


class Leaf(NamedTuple):
    """An entry of the state, as its leaf has it."""

    path: bytes
    value_hash: Hash
    key: bytes
    value: bytes


class NodeReader(Protocol):
    """Where tree nodes are read from."""

    def node(self, reference: Reference) -> bytes:
        """Bytes of a tree node; raises ``database_damaged`` if it is not there, or not what its hash says."""
        ...


class MemoryNodes:
    """Nodes in a dictionary, over another reader if there is one."""

    def __init__(self, below: NodeReader | None = None) -> None:
        self.nodes: dict[Reference, bytes] = {}
        self._below = below

    def node(self, reference: Reference) -> bytes:
        """Bytes of a tree node."""
        node = self.nodes.get(reference)
        if node is not None:
            return node
        if self._below is None:
            raise missing_node(reference)
        return self._below.node(reference)

    def add(self, update: "TreeUpdate") -> None:
        """Keep what an update made."""
        self.nodes.update(update.nodes)


class TreeUpdate(NamedTuple):
    """What an update made of a tree."""

    root: Reference
    nodes: dict[Reference, bytes]
    """The new nodes, in the order of their places."""
    superseded: list[Reference]
    """Nodes of the old tree that the new one does not have."""
    changes: Mapping[bytes, bytes | None]
    """What was changed."""


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


class _Change(NamedTuple):
    """What becomes of an entry."""

    bits: int
    """Its path as a number."""
    leaf: bytes | None
    """The new leaf's bytes; None to delete it."""
    reference: Reference | None = None
    """Where that leaf is kept already."""


class _Made:
    """The nodes that an update makes, and those whose place they take."""

    def __init__(self, height: int, number: int) -> None:
        self._height = height.to_bytes(8, "big")
        self._number = number
        self.nodes: dict[Reference, bytes] = {}
        self.superseded: list[Reference] = []

    def keep(self, hash_: Hash, node: bytes) -> Reference:
        reference = hash_ + self._height + (self._number + len(self.nodes)).to_bytes(4, "big")
        self.nodes[reference] = node
        return reference


class StateTree:
    """Reads, updates and proofs over a node store. Holds no root: every call names the one it means."""

    def __init__(self, chain_id: bytes, nodes: NodeReader) -> None:
        self._chain_id = chain_id
        self._nodes = nodes

    def path(self, key: bytes) -> bytes:
        """Place of ``key``: 32 bytes whose bits choose left (0) or right (1) from the root down."""
        return hash_tagged("state-key", self._chain_id, key)

    def get(self, root: Reference, key: bytes) -> bytes | None:
        """Value of ``key`` under ``root``, or None."""
        path = self.path(key)
        bits, side = int.from_bytes(path, "big"), 1 << _MAX_DEPTH - 1
        current, read = root, self._nodes.node
        while current != EMPTY:
            node = read(current)
            if node[0] == _LEAF:
                return leaf_of(node).value if node[1:33] == path else None
            current = node[45:] if bits & side else node[1:45]
            side >>= 1
        return None

    def prove(self, root: Reference, key: bytes) -> StateProof:
        """Proof that ``key`` has its value, or none, under ``root``."""
        siblings: list[Hash] = []
        bits = int.from_bytes(self.path(key), "big")
        current = root
        while current != EMPTY:
            node = self._nodes.node(current)
            if node[0] == _LEAF:
                return StateProof(tuple(siblings), node[1:33], node[33:65])
            left, right = children_of(node)
            if bits >> (_MAX_DEPTH - 1 - len(siblings)) & 1:
                siblings.append(hash_of(left))
                current = right
            else:
                siblings.append(hash_of(right))
                current = left
        return StateProof(tuple(siblings), b"", b"")

    def update(
        self, root: Reference, changes: Mapping[bytes, bytes | None], height: int = 0, number: int = 0
    ) -> TreeUpdate:
        """The tree after ``changes`` (None deletes a key), made by the block at ``height``, its nodes numbered from
        ``number`` on; nothing is written here.
        """
        made, entries = _Made(height, number), []
        for key, value in changes.items():
            path, leaf = self.path(key), None
            if value is not None:
                value_hash = hash_tagged("state-value", self._chain_id, value)
                leaf = b"".join((b"\x00", path, value_hash, len(key).to_bytes(_KEY_LENGTH_SIZE, "big"), key, value))
            entries.append(_Change(int.from_bytes(path, "big"), leaf))
        entries.sort()
        new_root = self._apply(root, 0, entries, made) if entries else root
        return TreeUpdate(new_root, made.nodes, made.superseded, changes)

    def _apply(self, root: Reference, depth: int, changes: list[_Change], made: _Made) -> Reference:
        """The subtree at ``depth`` after sorted ``changes``, of which there is at least one."""
        if root == EMPTY:
            return _build(depth, [change for change in changes if change.leaf is not None], made)
        node = self._nodes.node(root)
        if node[0] == _LEAF:
            return _build(depth, _beside(root, node, changes, made), made)
        left, right = children_of(node)
        split = _split(changes, depth)
        new_left = self._apply(left, depth + 1, changes[:split], made) if split else left
        new_right = self._apply(right, depth + 1, changes[split:], made) if split < len(changes) else right
        if new_left == left and new_right == right:
            return root
        made.superseded.append(root)
        return self._join(new_left, new_right, made)

    def _join(self, left: Reference, right: Reference, made: _Made) -> Reference:
        if left == EMPTY and (right == EMPTY or self._is_leaf(right, made)):
            return right
        if right == EMPTY and self._is_leaf(left, made):
            return left
        return _keep_inner(left, right, made)

    def _is_leaf(self, reference: Reference, made: _Made) -> bool:
        return (made.nodes.get(reference) or self._nodes.node(reference))[0] == _LEAF


def hash_of(reference: Reference) -> Hash:
    """The hash in a reference: of a root, the state root."""
    return reference[:HASH_SIZE]


def place_of(reference: Reference) -> bytes:
    """Where the node is kept."""
    return reference[HASH_SIZE:]


def children_of(node: bytes) -> tuple[Reference, Reference]:
    """References of an inner node's two halves."""
    return node[1:45], node[45:]


def leaf_of(node: bytes) -> Leaf:
    """What a leaf's bytes hold."""
    value_offset = _KEY_OFFSET + _key_length(node)
    return Leaf(node[1:33], node[33:65], node[_KEY_OFFSET:value_offset], node[value_offset:])


def _key_length(node: bytes) -> int:
    return int.from_bytes(node[_KEY_OFFSET - _KEY_LENGTH_SIZE : _KEY_OFFSET], "big")


def is_leaf(node: bytes) -> bool:
    """Whether a node is an entry's leaf, not an inner node."""
    return node[0] == _LEAF


def verify_node(chain_id: bytes, reference: Reference, node: bytes) -> None:
    """Check that ``node`` is what the hash in ``reference`` stands for; raises ``database_damaged``."""
    if node[:1] == b"\x01" and len(node) == 1 + 2 * REFERENCE_SIZE:
        found = sha256(node[:33] + node[45:77])  # the tag, and the hashes of both references
    elif node[:1] == b"\x00" and len(node) >= _KEY_OFFSET:
        leaf = leaf_of(node)
        path, value_hash = (
            hash_tagged("state-key", chain_id, leaf.key),
            hash_tagged("state-value", chain_id, leaf.value),
        )
        is_right = len(leaf.key) == _key_length(node) and (path, value_hash) == (leaf.path, leaf.value_hash)
        found = sha256(b"\x00" + path + value_hash) if is_right else ZERO_HASH
    else:
        found = ZERO_HASH
    if found != hash_of(reference):
        raise PoolError(ErrorCode.DATABASE_DAMAGED, "a node of the state tree has other bytes")


def missing_node(reference: Reference) -> PoolError:
    """A node that should be there."""
    return PoolError(ErrorCode.DATABASE_DAMAGED, f"node {hash_of(reference).hex()} of the state tree is missing")


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
    current = ZERO_HASH
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


def _beside(root: Reference, node: bytes, changes: list[_Change], made: _Made) -> list[_Change]:
    """The entries of a subtree that was one leaf, after ``changes``."""
    bits = int.from_bytes(node[1:33], "big")
    kept = [change for change in changes if change.leaf is not None and change.bits != bits]
    change = next((change for change in changes if change.bits == bits), None)
    if change is None or change.leaf == node:
        change = _Change(bits, node, root)
    else:
        made.superseded.append(root)
    return sorted([*kept, change]) if change.leaf is not None else kept


def _build(depth: int, entries: list[_Change], made: _Made) -> Reference:
    """Subtree at ``depth`` over sorted ``entries``, all of which have a value."""
    if not entries:
        return EMPTY
    if len(entries) == 1:
        _, leaf, reference = entries[0]
        return reference or made.keep(sha256((leaf or b"")[:65]), leaf or b"")
    split = _split(entries, depth)
    left = _build(depth + 1, entries[:split], made)
    right = _build(depth + 1, entries[split:], made)
    return _keep_inner(left, right, made)


def _split(changes: list[_Change], depth: int) -> int:
    """How many of the sorted ``changes``, which agree in all bits before ``depth``, go left there."""
    below = _MAX_DEPTH - 1 - depth
    return bisect_left(changes, ((changes[0].bits >> below | 1) << below,))


def _keep_inner(left: Reference, right: Reference, made: _Made) -> Reference:
    return made.keep(sha256(b"\x01" + left[:HASH_SIZE] + right[:HASH_SIZE]), b"\x01" + left + right)
