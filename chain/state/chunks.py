"""A stretch of the state, with the proof that it is all there is of it: what a node takes that executes no past.

The entries of a state lie in the order of their paths (``chain.state.tree``). A *chunk* holds all entries between two
places. Whoever has the state root makes the hash of every subtree within from the entries alone. Of the subtrees that
reach over one of the two ends the proof says what they are; of those outside it has the hash. So a chunk is verified by
itself, and nothing can be left out of it, put in or changed.

The proof lists, from the root downwards and from left to right, for each subtree that is not wholly within:

| item             | meaning                                                        |
|------------------|----------------------------------------------------------------|
| hash(32)         | it is wholly outside                                           |
| empty            | it reaches over an end and is empty                            |
| path(32) hash(32) | it reaches over an end and is this leaf: path and value hash  |
| ``0x01``         | it reaches over an end and has two halves, which come next     |
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, NamedTuple

from msgspec import Meta

from chain.errors import ErrorCode, PoolError
from chain.limits import MIB
from chain.primitives.crypto import HASH_SIZE, ZERO_HASH, Hash, hash_tagged, sha256
from chain.primitives.encoding import Wire
from chain.primitives.types import Hash32
from chain.state.tree import EMPTY, NodeReader, Reference, children_of, hash_of, is_leaf, leaf_of

CHUNK_BYTES = MIB
"""A chunk ends with the entry that brings its keys and values to this size, or with the last one asked for."""
CHUNK_ENTRIES = 4096
"""Or with the one that brings it to this number."""
FIRST_PLACE = bytes(HASH_SIZE)
LAST_PLACE = b"\xff" * HASH_SIZE
_DEPTH = 256
_HALVES = b"\x01"
_PROOF_ITEMS = 4 * _DEPTH
"""Two ends, and at each depth what is on the way to one and what is beside it."""


class StateChunk(Wire, frozen=True):
    """All entries of a state from a place on that was asked for."""

    until: Hash32
    """The last place that it speaks of."""
    entries: Annotated[tuple[tuple[bytes, bytes], ...], Meta(max_length=CHUNK_ENTRIES)]
    """(key, value) in the order of the keys' paths."""
    proof: Annotated[tuple[Annotated[bytes, Meta(max_length=2 * HASH_SIZE)], ...], Meta(max_length=_PROOF_ITEMS)]

    @property
    def is_full(self) -> bool:
        """Whether it may end before the last entry that was asked for."""
        size = sum(len(key) + len(value) for key, value in self.entries)
        return size >= CHUNK_BYTES or len(self.entries) == CHUNK_ENTRIES


def place_after(place: bytes) -> bytes:
    """The place after one that is not the last."""
    return (int.from_bytes(place, "big") + 1).to_bytes(HASH_SIZE, "big")


def read_chunk(nodes: NodeReader, root: Reference, first: bytes, until: bytes) -> StateChunk:
    """The chunk that begins at the place ``first`` and ends at ``until``, or before that when it is full."""
    low, high = int.from_bytes(first, "big"), int.from_bytes(until, "big")
    entries: list[tuple[bytes, bytes]] = []
    size = 0
    for path, key, value in _leaves(nodes, root, low, high):
        entries.append((key, value))
        size += len(key) + len(value)
        if size >= CHUNK_BYTES or len(entries) == CHUNK_ENTRIES:
            until = path
            break
    proof = tuple(_prove(nodes, root, _Stretch(low, int.from_bytes(until, "big"))))
    return StateChunk(until, tuple(entries), proof)


def verify_chunk(chain_id: bytes, root: Hash, first: bytes, until: bytes, chunk: StateChunk) -> None:
    """Check that a chunk has all entries, and no others, of the state under ``root`` from the place ``first`` up to
    where it says that it ends: at ``until``, or before that if it is full.

    Raises:
        PoolError: code ``bad_proof``.
    """
    low, high = int.from_bytes(first, "big"), int.from_bytes(chunk.until, "big")
    if not first <= chunk.until <= until or (chunk.until < until and not chunk.is_full):
        raise _bad("a chunk ends where it was not asked to")
    leaves = [_Leaf.of(chain_id, key, value) for key, value in chunk.entries]
    if any(earlier.bits >= later.bits for earlier, later in pairwise(leaves)):
        raise _bad("the entries of a chunk are not in the order of their places, each once")
    if leaves and not low <= leaves[0].bits <= leaves[-1].bits <= high:
        raise _bad("an entry of a chunk lies outside it")
    verifier = _Verifier(_Stretch(low, high), chunk.proof)
    if verifier.rebuild(0, 0, leaves) != root or not verifier.is_spent:
        raise _bad("a chunk of the state leads to another root")


class _Stretch(NamedTuple):
    """Places, as numbers."""

    low: int
    high: int

    def has(self, start: int, end: int) -> bool:
        """Whether a subtree lies wholly within."""
        return self.low <= start and end <= self.high

    def misses(self, start: int, end: int) -> bool:
        """Whether it lies wholly outside."""
        return end < self.low or start > self.high


class _Leaf(NamedTuple):
    """An entry on its way into the tree."""

    bits: int
    content: bytes
    """Path and value hash."""

    @classmethod
    def of(cls, chain_id: bytes, key: bytes, value: bytes) -> "_Leaf":
        path = hash_tagged("state-key", chain_id, key)
        return cls(int.from_bytes(path, "big"), path + hash_tagged("state-value", chain_id, value))


class _Verifier:
    """Makes the root's hash again."""

    def __init__(self, stretch: _Stretch, proof: Sequence[bytes]) -> None:
        self._stretch = stretch
        self._proof = iter(proof)

    @property
    def is_spent(self) -> bool:
        """Whether the proof has nothing more."""
        return next(self._proof, None) is None

    def rebuild(self, depth: int, start: int, leaves: Sequence[_Leaf]) -> Hash:
        """Hash of the subtree at a depth that begins at a place; ``leaves`` are those of the chunk that lie in it."""
        end = _end_of(depth, start)
        if self._stretch.has(start, end):
            return _hash_of(depth, leaves)
        item = next(self._proof, None)
        if item is None:
            raise _bad("the proof of a chunk is too short")
        if self._stretch.misses(start, end):
            if len(item) != HASH_SIZE:
                raise _bad("the proof of a chunk lacks a hash")
            return item
        if item == _HALVES:
            middle = _middle_of(depth, start)
            split = bisect_left(leaves, (middle,))
            left = self.rebuild(depth + 1, start, leaves[:split])
            return sha256(b"\x01" + left + self.rebuild(depth + 1, middle, leaves[split:]))
        return self._single(item, start, end, leaves)

    def _single(self, item: bytes, start: int, end: int, leaves: Sequence[_Leaf]) -> Hash:
        """Hash of a subtree over an end that is empty or a leaf, which the chunk has if it lies within."""
        place = int.from_bytes(item[:HASH_SIZE], "big")
        is_leaf_item = len(item) == 2 * HASH_SIZE and start <= place <= end
        if item and not is_leaf_item:
            raise _bad("the proof of a chunk has an item of another form")
        is_within = is_leaf_item and self._stretch.has(place, place)
        if [leaf.content for leaf in leaves] != ([item] if is_within else []):
            raise _bad("a chunk has other entries at its end than its proof")
        return sha256(b"\x00" + item) if item else ZERO_HASH


def _hash_of(depth: int, leaves: Sequence[_Leaf]) -> Hash:
    """Hash of the subtree at a depth over all its leaves."""
    if len(leaves) < 2:
        return sha256(b"\x00" + leaves[0].content) if leaves else ZERO_HASH
    below = _DEPTH - 1 - depth
    split = bisect_left(leaves, ((leaves[0].bits >> below | 1) << below,))
    return sha256(b"\x01" + _hash_of(depth + 1, leaves[:split]) + _hash_of(depth + 1, leaves[split:]))


def _leaves(nodes: NodeReader, root: Reference, low: int, high: int) -> Iterator[tuple[bytes, bytes, bytes]]:
    """(path, key, value) of all leaves between two places, in their order."""
    stretch, pending = _Stretch(low, high), [(root, 0, 0)]
    while pending:
        reference, depth, start = pending.pop()
        if reference == EMPTY or stretch.misses(start, _end_of(depth, start)):
            continue
        node = nodes.node(reference)
        if is_leaf(node):
            leaf = leaf_of(node)
            if low <= int.from_bytes(leaf.path, "big") <= high:
                yield leaf.path, leaf.key, leaf.value
        else:
            left, right = children_of(node)
            pending += [(right, depth + 1, _middle_of(depth, start)), (left, depth + 1, start)]


def _prove(nodes: NodeReader, root: Reference, stretch: _Stretch) -> Iterator[bytes]:
    pending = [(root, 0, 0)]
    while pending:
        reference, depth, start = pending.pop()
        end = _end_of(depth, start)
        if stretch.has(start, end):
            continue
        if stretch.misses(start, end):
            yield hash_of(reference)
        elif reference == EMPTY:
            yield b""
        elif is_leaf(node := nodes.node(reference)):
            yield node[1 : 1 + 2 * HASH_SIZE]
        else:
            yield _HALVES
            left, right = children_of(node)
            pending += [(right, depth + 1, _middle_of(depth, start)), (left, depth + 1, start)]


def _end_of(depth: int, start: int) -> int:
    """The last place of a subtree."""
    return start | (1 << _DEPTH - depth) - 1


def _middle_of(depth: int, start: int) -> int:
    """Where the right half of a subtree begins."""
    return start | 1 << _DEPTH - 1 - depth


def _bad(detail: str) -> PoolError:
    return PoolError(ErrorCode.BAD_PROOF, detail)
