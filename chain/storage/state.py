"""The state store: tree nodes and values by their hash, and which block the newest state belongs to.

| key                | value                                         |
|--------------------|-----------------------------------------------|
| ``m`` ``head``     | height(8) state root(32) of the newest state  |
| ``k`` state key    | empty: a key that has or had a value          |
| ``n`` hash(32)     | tree node                                     |
| ``v`` hash(32)     | value                                         |

Writes are not synced: after a crash the missing blocks are executed again from the block store.
"""

from typing import NamedTuple

from chain.primitives.crypto import HASH_SIZE, Hash
from chain.state.tree import TreeUpdate
from chain.storage.database import Database, Write

_HEAD = b"mhead"
_CACHED_NODES = 32768


class StateHead(NamedTuple):
    """Which block's state is the newest."""

    height: int
    root: Hash


class StateStore:
    """Implements ``chain.state.tree.NodeReader`` over a database, with a bounded cache."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: dict[Hash, bytes] = {}

    def node(self, hash_: Hash) -> bytes | None:
        """Bytes of a tree node."""
        cached = self._cache.get(hash_)
        if cached is not None:
            return cached
        node = self._database.get(b"n" + hash_)
        if node is not None:
            self._remember(hash_, node)
        return node

    def value(self, hash_: Hash) -> bytes | None:
        """A value by its hash."""
        return self._database.get(b"v" + hash_)

    def head(self) -> StateHead | None:
        """Which block the newest state belongs to; None for an empty database."""
        data = self._database.get(_HEAD)
        if data is None or len(data) != 8 + HASH_SIZE:
            return None
        return StateHead(int.from_bytes(data[:8], "big"), data[8:])

    def commit(self, height: int, update: TreeUpdate) -> None:
        """Keep what the block at ``height`` changed. Not synced."""
        batch: list[Write] = [(b"n" + hash_, node) for hash_, node in update.nodes.items()]
        batch += [(b"v" + hash_, value) for hash_, value in update.values.items()]
        batch += [(b"k" + key, b"") for key in update.keys]
        batch.append((_HEAD, height.to_bytes(8, "big") + update.root))
        self._database.write(batch, sync=False)
        for hash_, node in update.nodes.items():
            self._remember(hash_, node)

    def keys(self, prefix: bytes) -> list[bytes]:
        """State keys beginning with ``prefix`` that have or had a value, in order. A convenience that nothing
        proves.
        """
        return [key[1:] for key, _ in self._database.scan(b"k" + prefix, b"k" + prefix + b"\xff")]

    def close(self) -> None:
        """Release the database."""
        self._database.close()

    def _remember(self, hash_: Hash, node: bytes) -> None:
        if len(self._cache) >= _CACHED_NODES:
            self._cache.clear()
        self._cache[hash_] = node
