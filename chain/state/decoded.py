"""The state's entries as values, decoded once: blocks have much in common with the ones before them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice

from chain.primitives.encoding import Value, decode
from chain.state.entries import RECORD_KEYS
from chain.state.tree import Reference, StateTree
from chain.state.working import StateReader

KEPT_ENTRIES = 4096
"""Entries that are kept, absent ones included."""
SMALL_ENTRY_SIZE_BYTES = 4096
"""Encoded size up to which an entry is kept as it is written; a larger one once it is read."""


def is_worth_keeping(key: bytes, data: bytes) -> bool:
    """Whether an entry is kept as it is written."""
    return len(data) <= SMALL_ENTRY_SIZE_BYTES and not key.startswith(RECORD_KEYS)


class _Entries:
    """The entries under one root, as far as they have been decoded."""

    __slots__ = ("_open_tree", "_tree", "decoded", "root")

    def __init__(self, open_tree: Callable[[], StateTree], root: Reference, decoded: dict[bytes, object]) -> None:
        self._open_tree = open_tree
        self._tree: StateTree | None = None
        self.root = root
        self.decoded = decoded

    def read(self, key: bytes, type_: type[Value]) -> Value | None:
        decoded = self.decoded
        try:
            return decoded[key]  # type: ignore[return-value]  # a key's kind decides its type
        except KeyError:
            pass
        if self._tree is None:
            self._tree = self._open_tree()
        data = self._tree.get(self.root, key)
        if key.startswith(RECORD_KEYS):
            return None if data is None else decode(type_, data)
        if len(decoded) >= KEPT_ENTRIES:
            decoded.clear()
        found = decoded[key] = None if data is None else decode(type_, data)
        return found


class DecodedState:
    """Reads the state under one root, the newest block's, and keeps what it has decoded.

    Args:
        open_tree: gives the trees as they can be read at that moment.
        root: of the newest block.

    Any thread may read. What is kept is replaced when the state moves on, and not changed: an execution that was given
    up on and still reads, under a root that is the newest no more, reads into entries that nobody else uses.
    """

    def __init__(self, open_tree: Callable[[], StateTree], root: Reference) -> None:
        self._open_tree = open_tree
        self._kept = _Entries(open_tree, root, {})

    def reader(self, root: Reference) -> StateReader:
        """Reads entries under ``root``: those of the newest block are kept."""
        kept = self._kept
        return (kept if kept.root == root else _Entries(self._open_tree, root, {})).read

    def move_on(
        self, parent: Reference, root: Reference, keys: Iterable[bytes], entries: Mapping[bytes, object]
    ) -> None:
        """The newest block's root is ``root`` now.

        Args:
            parent: root of the block before it.
            root: of the newest block.
            keys: of the entries in which they differ.
            entries: those of them that shall be kept, as they are under ``root``.
        """
        kept = self._kept.decoded.copy() if self._kept.root == parent else {}
        for key in keys:
            kept.pop(key, None)
        kept.update(entries)
        for key in tuple(islice(kept, max(0, len(kept) - KEPT_ENTRIES))):
            del kept[key]
        self._kept = _Entries(self._open_tree, root, kept)

    def start_at(self, root: Reference) -> None:
        """The newest block's root is ``root``, whatever it was before."""
        self._kept = _Entries(self._open_tree, root, {})
