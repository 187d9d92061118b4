"""Where two states differ, and where a state that is kept is not what its root says.

Trees are compared from their roots down, and what two of them have in common is not visited (``chain.state.tree``: a
hash stands for everything below it). Looking for damage visits everything.
"""

from collections.abc import Iterator
from typing import NamedTuple

from chain.errors import PoolError
from chain.state.tree import (
    EMPTY,
    NodeReader,
    Reference,
    children_of,
    hash_of,
    is_leaf,
    leaf_of,
    verify_node,
)

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


class EntryDifference(NamedTuple):
    """An entry in which two states differ."""

    key: bytes
    first: bytes | None
    """Its value in the first state; None if it is not there."""
    second: bytes | None


ROOT = Subtree(0, 0)


def damage(chain_id: bytes, reader: NodeReader, root: Reference) -> Iterator[Damage]:
    """Everything under ``root`` that is missing or has other bytes, from left to right."""
    pending = [(ROOT, root)]
    while pending:
        place, reference = pending.pop()
        if reference == EMPTY:
            continue
        try:
            node = reader.node(reference)
            verify_node(chain_id, reference, node)
        except PoolError as error:
            yield Damage(place, error.detail)
            continue
        if not is_leaf(node):
            left, right = children_of(node)
            pending += [(place.right, right), (place.left, left)]


def differences(
    chain_id: bytes, first: NodeReader, first_root: Reference, second: NodeReader, second_root: Reference
) -> Iterator[EntryDifference]:
    """Entries in which the states under two roots differ. What ``damage`` names in either is passed over."""
    one, other = _Sound(chain_id, first), _Sound(chain_id, second)
    pending = [(first_root, second_root)]
    while pending:
        references = pending.pop()
        if hash_of(references[0]) == hash_of(references[1]):
            continue
        nodes = one.node(references[0]), other.node(references[1])
        if nodes[0] is not None and nodes[1] is not None and not is_leaf(nodes[0]) and not is_leaf(nodes[1]):
            pending += reversed(list(zip(children_of(nodes[0]), children_of(nodes[1]), strict=True)))
            continue
        entries = one.entries(references[0]), other.entries(references[1])
        for key in sorted(entries[0].keys() | entries[1].keys()):
            values = entries[0].get(key), entries[1].get(key)
            if values[0] != values[1]:
                yield EntryDifference(key, *values)


class _Sound:
    """Reads what is whole of a tree."""

    def __init__(self, chain_id: bytes, reader: NodeReader) -> None:
        self._chain_id = chain_id
        self._reader = reader

    def node(self, reference: Reference) -> bytes | None:
        if reference == EMPTY:
            return None
        try:
            node = self._reader.node(reference)
            verify_node(self._chain_id, reference, node)
        except PoolError:
            return None
        return node

    def entries(self, root: Reference) -> dict[bytes, bytes]:
        found, pending = {}, [root]
        while pending:
            node = self.node(pending.pop())
            if node is not None and is_leaf(node):
                leaf = leaf_of(node)
                found[leaf.key] = leaf.value
            elif node is not None:
                pending += children_of(node)
        return found
