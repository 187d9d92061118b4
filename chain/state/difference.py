"""Where two states differ, and where a state that is kept is not what its root says.

Trees are compared from their roots down, and what two of them have in common is not visited (``chain.state.tree``: a
hash stands for everything below it). Looking for damage visits everything.
"""

from collections.abc import Iterator
from typing import NamedTuple

from chain.primitives.crypto import Hash, hash_tagged, sha256
from chain.state.tree import EMPTY, NodeReader

_LEAF = 0
_PATH_BITS = 256


class Subtree(NamedTuple):
    """A subtree: all paths that begin with these bits."""

    depth: int
    """How many bits."""
    bits: int
    """Their value."""

    def covers(self, path: bytes) -> bool:
        """Whether the entry with this path belongs to the subtree."""
        return int.from_bytes(path, "big") >> (_PATH_BITS - self.depth) == self.bits

    @property
    def left(self) -> "Subtree":
        """The half below a 0."""
        return Subtree(self.depth + 1, self.bits << 1)

    @property
    def right(self) -> "Subtree":
        """The half below a 1."""
        return Subtree(self.depth + 1, self.bits << 1 | 1)


class Damage(NamedTuple):
    """Something that a root stands for and that is not there as it should be."""

    place: Subtree
    """Of the subtree that cannot be read, or of the one entry."""
    what: str


class LeafDifference(NamedTuple):
    """An entry in which two states differ."""

    path: bytes
    first: Hash | None
    """Hash of its value in the first state; None if it is not there."""
    second: Hash | None


ROOT = Subtree(0, 0)


def damage(chain_id: bytes, reader: NodeReader, root: Hash) -> Iterator[Damage]:
    """Everything under ``root`` that is missing or has other bytes, from left to right."""
    pending = [(ROOT, root)]
    while pending:
        place, hash_ = pending.pop()
        if hash_ == EMPTY:
            continue
        node = reader.node(hash_)
        if node is None or sha256(node) != hash_:
            yield Damage(place, "a tree node is missing" if node is None else "a tree node has other bytes")
        elif node[0] == _LEAF:
            value = reader.value(node[33:])
            if value is None or hash_tagged("state-value", chain_id, value) != node[33:]:
                what = "its value is missing" if value is None else "its value has other bytes"
                yield Damage(Subtree(_PATH_BITS, int.from_bytes(node[1:33], "big")), what)
        else:
            pending += [(place.right, node[33:]), (place.left, node[1:33])]


def differences(first: NodeReader, first_root: Hash, second: NodeReader, second_root: Hash) -> Iterator[LeafDifference]:
    """Entries in which the states under two roots differ. What ``damage`` names in either is passed over."""
    pending = [(first_root, second_root)]
    while pending:
        hashes = pending.pop()
        if hashes[0] == hashes[1]:
            continue
        one, other = _sound(first, hashes[0]), _sound(second, hashes[1])
        if one is not None and other is not None and _LEAF not in (one[0], other[0]):
            pending += [(one[33:], other[33:]), (one[1:33], other[1:33])]
            continue
        leaves = dict(_leaves(first, hashes[0])), dict(_leaves(second, hashes[1]))
        for path in sorted(leaves[0].keys() | leaves[1].keys()):
            values = leaves[0].get(path), leaves[1].get(path)
            if values[0] != values[1]:
                yield LeafDifference(path, *values)


def _leaves(reader: NodeReader, root: Hash) -> Iterator[tuple[bytes, Hash]]:
    pending = [root]
    while pending:
        node = _sound(reader, pending.pop())
        if node is None:
            continue
        if node[0] == _LEAF:
            yield node[1:33], node[33:]
        else:
            pending += [child for child in (node[1:33], node[33:]) if child != EMPTY]


def _sound(reader: NodeReader, hash_: Hash) -> bytes | None:
    node = reader.node(hash_)
    return node if node is not None and sha256(node) == hash_ else None
