"""The state store: the state tree after some of the blocks. It holds nothing that the block store cannot give again.

| key               | value                                                            |
|-------------------|------------------------------------------------------------------|
| ``k`` state key   | empty: a key that has or had a value; not of ``key/``            |
| ``m`` ``version`` | layout version                                                   |
| ``m`` ``arriving`` | ``Arriving``: what is here of a state that is taken from others |
| ``n`` place(12)   | tree node (``chain.state.tree``)                                 |
| ``r`` height(8)   | reference(44) to the root of a tree; ``0x01`` if it is permanent |
| ``s`` height(8)   | heights(8) of the tree before it and of the last permanent one, then |
|                   | the places(12) of the nodes that it has superseded               |

What blocks make stays in memory and is written every ``FLUSHED_BLOCKS`` blocks or ``FLUSHED_BYTES``, without what was
superseded meanwhile: most nodes of most blocks are never written. Nothing is synced. A state that is behind after a
crash is brought up by the changes that the block store keeps of every block (``chain.state_history``).

A superseded node goes with a write at least ``KEPT_BLOCKS`` later, unless a permanent tree has it. One is permanent
every ``PERMANENT_BLOCKS`` blocks or ``PERMANENT_CHANGES`` changes: so much is to be done at most to have the state at
any old height again.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Hash
from chain.primitives.encoding import EncodingError, Wire, decode, encode
from chain.state.entries import RECORD_KEYS
from chain.state.tree import (
    PLACE_SIZE,
    REFERENCE_SIZE,
    NodeReader,
    Reference,
    TreeUpdate,
    children_of,
    hash_of,
    is_leaf,
    missing_node,
    place_of,
    verify_node,
)
from chain.storage.database import Database, Write

LAYOUT_VERSION = b"6"
FLUSHED_BLOCKS = 256
FLUSHED_BYTES = 8 * 1024 * 1024
KEPT_BLOCKS = 4096
PERMANENT_BLOCKS = 512
PERMANENT_CHANGES = 2048
CACHED_NODES = 32768
"""Nodes that were read and are kept in memory, and as many again that were read before these: what a large block of
keys reads to execute is still there when it makes the new tree. About 20 MB, where so much is read.
"""
_MAX_HEIGHT = 2**64 - 2
_PERMANENT = b"\x01"


class StateHead(NamedTuple):
    """A tree and the block that it belongs to."""

    height: int
    reference: Reference

    @property
    def root(self) -> Hash:
        """The block's state root."""
        return hash_of(self.reference)


class Arriving(Wire, frozen=True):
    """A state of which some chunks are here."""

    root: bytes
    """Reference to the tree of the entries that are here."""
    nodes: int
    """How many nodes were made."""
    following: tuple[bytes, ...]
    """Of each part of the tree the place where it goes on; empty for one that is complete."""


class _Written(NamedTuple):
    """A tree that is written."""

    height: int
    reference: Reference
    is_permanent: bool


class _Fresh:
    """What was made since the last write."""

    def __init__(self) -> None:
        self.nodes: dict[Reference, bytes] = {}
        self.roots: dict[int, Reference] = {}
        self.superseded: list[Reference] = []
        """Nodes that are written."""
        self.keys: set[bytes] = set()
        self.size_bytes = 0


class StateStore:
    """See the module. Only one thread adds and writes; any may read through ``view``.

    Args:
        database: holds what is written.
        chain_id: of the chain; nodes that are read are verified with it.
    """

    def __init__(self, database: Database, chain_id: bytes) -> None:
        self._database = database
        self._chain_id = chain_id
        self._layers = (_Fresh(), _Fresh())
        """What was made since the last write, and between that and the one before, which recent heights still need."""
        self._cache: dict[Reference, bytes] = {}
        self._older_cache: dict[Reference, bytes] = {}
        self._written: StateHead | None = None
        self._permanent_height = 0
        self._changes = 0
        """Since the last permanent tree, those before the last start left out."""
        self._look()

    @property
    def head(self) -> StateHead | None:
        """The newest tree; None for an empty store."""
        fresh = self._layers[0].roots
        return StateHead(*next(reversed(fresh.items()))) if fresh else self._written

    def at_or_below(self, height: int) -> StateHead | None:
        """The newest tree that can be read now and for the next ``KEPT_BLOCKS / 2`` blocks, and that is not newer than
        the block at ``height``. None if there is none.
        """
        for layer in self._layers:
            found = max((at for at in tuple(layer.roots) if at <= height), default=None)
            if found is not None:
                return StateHead(found, layer.roots[found])
        newest = self.head.height if self.head is not None else 0
        for tree in self._written_until(height):
            if tree.is_permanent or tree.height > newest - KEPT_BLOCKS // 2:
                return StateHead(tree.height, tree.reference)
        return None

    def view(self) -> NodeReader:
        """Reads every tree that can be read now; for one use, since it keeps what is in memory now."""
        return _View(self, self._layers)

    def add(self, height: int, update: TreeUpdate) -> None:
        """Take the tree after the block at ``height``, made from the newest one, into memory."""
        fresh = self._layers[0]
        fresh.superseded += [reference for reference in update.superseded if reference not in fresh.nodes]
        fresh.nodes.update(update.nodes)
        fresh.size_bytes += sum(map(len, update.nodes.values()))
        fresh.keys.update(key for key in update.changes if not key.startswith(RECORD_KEYS))
        fresh.roots[height] = update.root
        self._changes += len(update.changes)

    @property
    def is_due(self) -> bool:
        """Whether so much is in memory that it should be written."""
        fresh, head, written = self._layers[0], self.head, self._written
        is_long_ago = head is not None and written is not None and head.height - written.height >= FLUSHED_BLOCKS
        return is_long_ago or fresh.size_bytes >= FLUSHED_BYTES

    def flush(self) -> None:
        """Write the newest tree, and what is to go. Not synced; the block store must hold its block by then."""
        fresh, head = self._layers[0], self.head
        if head is None or not fresh.roots:
            return
        height, root = head
        batch: list[Write] = [(b"n" + place_of(reference), node) for reference, node in _live(root, fresh.nodes)]
        batch += [(b"k" + key, b"") for key in fresh.keys]
        if self._written is None:
            batch.append((b"mversion", LAYOUT_VERSION))
        else:
            marks = self._written.height.to_bytes(8, "big") + self._permanent_height.to_bytes(8, "big")
            superseded = b"".join(map(place_of, fresh.superseded))
            batch.append((b"s" + height.to_bytes(8, "big"), marks + superseded))
        batch += self._collect(height - KEPT_BLOCKS)
        is_permanent = height - self._permanent_height >= PERMANENT_BLOCKS or self._changes >= PERMANENT_CHANGES
        if is_permanent or self._written is None:
            is_permanent, self._permanent_height, self._changes = True, height, 0
        batch.append((b"r" + height.to_bytes(8, "big"), root + (_PERMANENT if is_permanent else b"")))
        self._database.write(batch, sync=False)
        self._written = head
        self._layers = (_Fresh(), fresh)

    def _collect(self, until: int) -> Iterator[Write]:
        """The writes that delete what the trees up to a height have superseded and no permanent tree has."""
        if until < 0:
            return
        for key, value in self._database.scan(b"s", b"s" + (until + 1).to_bytes(8, "big")):
            before, permanent = value[:8], value[8:16]
            for start in range(16, len(value), PLACE_SIZE):
                place = value[start : start + PLACE_SIZE]
                if place[:8] > permanent:
                    yield b"n" + place, None
            if before != permanent:
                yield b"r" + before, None
            yield key, None

    # A state that is taken from others

    def arriving(self) -> Arriving | None:
        """How far it is; None if there is none."""
        data = self._database.get(b"marriving")
        try:
            return None if data is None else decode(Arriving, data)
        except EncodingError as error:
            raise PoolError(ErrorCode.DATABASE_DAMAGED, error.detail) from None

    def arrive(self, update: TreeUpdate | None, arriving: Arriving) -> None:
        """Write what a chunk brought, and how far that leads, as one batch. Not synced."""
        batch: list[Write] = [(b"marriving", encode(arriving))]
        if update is not None:
            batch += [(b"n" + place_of(reference), node) for reference, node in update.nodes.items()]
            batch += [(b"n" + place_of(reference), None) for reference in update.superseded]
            batch += [(b"k" + key, b"") for key in update.changes if not key.startswith(RECORD_KEYS)]
        self._database.write(batch, sync=False)

    def arrive_whole(self, height: int, root: Reference) -> None:
        """All of it is here: the tree after the block at ``height``, which stays. Durable."""
        mark = (b"r" + height.to_bytes(8, "big"), root + _PERMANENT)
        self._database.sync()
        self._database.write([(b"mversion", LAYOUT_VERSION), (b"marriving", None), mark], sync=True)
        self._look()

    def go_back_to(self, height: int) -> None:
        """Forget every tree after the one of a block: the chain is shorter than this store has seen it."""
        start = (height + 1).to_bytes(8, "big")
        later = [key for kind, end in ((b"r", b"s"), (b"s", b"t")) for key, _ in self._database.scan(kind + start, end)]
        if later:
            self._database.write([(key, None) for key in later], sync=False)
        self._layers = (_Fresh(), _Fresh())
        self._look()

    def clear(self) -> None:
        """Forget everything."""
        self._database.clear()
        self._layers, self._cache, self._older_cache = (_Fresh(), _Fresh()), {}, {}
        self._written, self._permanent_height, self._changes = None, 0, 0

    @property
    def has_layout(self) -> bool:
        """Whether what is there, if anything, was written as this program writes."""
        version = self._database.get(b"mversion")
        return version == LAYOUT_VERSION or (version is None and not any(self._database.scan(b"", b"\xff")))

    def keys(self, prefix: bytes) -> list[bytes]:
        """State keys beginning with ``prefix`` that have or had a value, in order. A convenience that nothing
        proves.
        """
        written = {key[1:] for key, _ in self._database.scan(b"k" + prefix, b"k" + prefix + b"\xff")}
        return sorted(written | {key for layer in self._layers for key in tuple(layer.keys) if key.startswith(prefix)})

    def close(self) -> None:
        """Release the database."""
        self._database.close()

    def read(self, reference: Reference) -> bytes:
        """Bytes of a node that is written; raises ``database_damaged``."""
        node = self._cache.get(reference)
        if node is None:
            node = self._older_cache.get(reference)
            if node is None:
                node = self._database.get(b"n" + place_of(reference))
                if node is None:
                    raise missing_node(reference)
                verify_node(self._chain_id, reference, node)
            if len(self._cache) >= CACHED_NODES:
                self._older_cache, self._cache = self._cache, {}
            self._cache[reference] = node
        return node

    def _written_until(self, height: int) -> Iterator[_Written]:
        """Written trees from the newest one at or below a height on, downwards."""
        for key, value in self._database.scan(b"r", b"r" + (height + 1).to_bytes(8, "big"), reverse=True):
            yield _Written(int.from_bytes(key[1:], "big"), value[:REFERENCE_SIZE], value[REFERENCE_SIZE:] == _PERMANENT)

    def _look(self) -> None:
        """Find out what is written."""
        trees = self._written_until(_MAX_HEIGHT)
        newest = next(trees, None)
        self._written = None if newest is None else StateHead(newest.height, newest.reference)
        permanent = next((tree for tree in self._written_until(_MAX_HEIGHT) if tree.is_permanent), None)
        self._permanent_height = 0 if permanent is None else permanent.height


class _View:
    """Reads nodes in memory, as it was when this was made, and those that are written."""

    def __init__(self, store: StateStore, layers: tuple[_Fresh, _Fresh]) -> None:
        self._newer, self._older = (layer.nodes for layer in layers)
        self._read = store.read

    def node(self, reference: Reference) -> bytes:
        return self._newer.get(reference) or self._older.get(reference) or self._read(reference)


def _live(root: Reference, fresh: Mapping[Reference, bytes]) -> Iterator[tuple[Reference, bytes]]:
    """Those of the fresh nodes that a tree has: below one that is written, all are."""
    pending = [root]
    while pending:
        node = fresh.get(reference := pending.pop())
        if node is not None:
            yield reference, node
            if not is_leaf(node):
                pending += children_of(node)
