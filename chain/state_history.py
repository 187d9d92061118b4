"""The state after any block: from a tree that is kept, and the changes that the blocks since have made.

The tree's shape depends on its entries alone (``chain.state.tree``), so the changes of many blocks are applied as one
update. Every result is compared with the state root of the block's header: what comes out is right, or the database is
damaged.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Hash
from chain.state.entries import PROTOCOL_KEY
from chain.state.tree import EMPTY, MemoryNodes, NodeReader, Reference, StateProof, StateTree, TreeUpdate, hash_of
from chain.storage.blocks import BlockStore
from chain.storage.state import FLUSHED_BYTES, KEPT_BLOCKS, PERMANENT_BLOCKS, PERMANENT_CHANGES, StateHead, StateStore

Progress = Callable[[int, int], None]
"""(blocks done, blocks in all)."""


@dataclass(frozen=True, slots=True)
class StateView:
    """The state after one block, for any thread."""

    nodes: NodeReader
    tree: StateTree
    root: Reference

    def get(self, key: bytes) -> bytes | None:
        """Value of a key, or None."""
        return self.tree.get(self.root, key)

    def prove(self, key: bytes) -> StateProof:
        """Proof that the key has that value, or none."""
        return self.tree.prove(self.root, key)


class StateHistory:
    """See the module.

    Args:
        chain_id: of the chain.
        blocks: have the changes.
        states: have trees.
    """

    def __init__(self, chain_id: bytes, blocks: BlockStore, states: StateStore) -> None:
        self._chain_id = chain_id
        self._blocks = blocks
        self._states = states
        self._last: tuple[Hash, int, StateView] | None = None
        """(state root, height of the newest block then, view) that took work: evidence asks for one more than once."""

    def at(self, height: int, root: Hash) -> StateView:
        """The state after the block at ``height``, whose header names ``root``. Any thread may ask.

        Raises:
            PoolError: code ``database_damaged``.
        """
        newest = self._states.head.height if self._states.head is not None else 0
        last = self._last
        if last is not None and last[0] == root and newest <= last[1] + KEPT_BLOCKS // 4:
            return last[2]
        base = self._states.at_or_below(height)
        if base is None:
            raise _damaged("the state store is empty")
        nodes = MemoryNodes(self._states.view())
        tree, reference = StateTree(self._chain_id, nodes), base.reference
        if base.height < height:
            changes: dict[bytes, bytes] = {}
            for _, more in self._changes(base.height, height):
                changes |= more
            update = tree.update(reference, changes, height)
            nodes.add(update)
            reference = update.root
        if hash_of(reference) != root:
            raise _damaged(f"the state after block {height} is not what its header says")
        view = StateView(nodes, tree, reference)
        if base.height < height:
            self._last = root, newest, view
        return view

    def recover(
        self, genesis: Mapping[bytes, bytes], height: int, root_at: Callable[[int], Hash], progress: Progress | None
    ) -> None:
        """Bring the state store to the block at ``height``. One of no use is emptied and made again from genesis.

        Args:
            genesis: entries of the state at genesis.
            height: of the newest block.
            root_at: state root after a block.
            progress: told of blocks whose changes were applied.

        Raises:
            PoolError: code ``database_damaged`` if the block store does not have what is needed.
        """
        try:
            if self._states.has_layout and self._bring_up(height, root_at, progress):
                return
        except PoolError as error:
            if error.code is not ErrorCode.DATABASE_DAMAGED:
                raise
        self._states.clear()
        self._states.add(0, self._update(EMPTY, genesis, 0))
        self._states.flush()
        self._bring_up(height, root_at, progress)

    def _bring_up(self, height: int, root_at: Callable[[int], Hash], progress: Progress | None) -> bool:
        """Whether there was a tree of this chain to begin with."""
        head = self._states.at_or_below(height)
        if head is None or head.root != root_at(head.height):
            return False
        self._states.go_back_to(head.height)
        reference = head.reference
        StateTree(self._chain_id, self._states.view()).get(reference, PROTOCOL_KEY)  # raises if it cannot be read
        for until, changes in self._batches(head, height):
            update = self._update(reference, changes, until)
            reference = update.root
            if hash_of(reference) != root_at(until):
                raise _damaged(f"the changes up to block {until} lead to another state than its header says")
            self._states.add(until, update)
            if self._states.is_due:
                self._states.flush()
            if progress is not None:
                progress(until - head.height, height - head.height)
        return True

    def _update(self, root: Reference, changes: Mapping[bytes, bytes], height: int) -> TreeUpdate:
        return StateTree(self._chain_id, self._states.view()).update(root, dict(changes), height)

    def _batches(self, head: StateHead, height: int) -> Iterator[tuple[int, dict[bytes, bytes]]]:
        """The changes after a tree, those of many blocks as one: (height of the last of these blocks, changes)."""
        first, size_bytes, merged = head.height, 0, dict[bytes, bytes]()
        for at, changes in self._changes(head.height, height):
            merged |= changes
            size_bytes += sum(map(len, changes.values()))
            is_full = len(merged) >= PERMANENT_CHANGES or size_bytes >= FLUSHED_BYTES
            if is_full or at == height or at - first >= PERMANENT_BLOCKS:
                yield at, merged
                first, size_bytes, merged = at, 0, {}

    def _changes(self, after: int, until: int) -> Iterator[tuple[int, dict[bytes, bytes]]]:
        """The changes of every block after one, up to another."""
        expected = after + 1
        for height, changes in self._blocks.changes(after + 1, until):
            if height != expected:
                break
            yield height, changes
            expected += 1
        if expected <= until:
            raise _damaged(f"the changes of block {expected} are missing")


def _damaged(detail: str) -> PoolError:
    return PoolError(ErrorCode.DATABASE_DAMAGED, detail)
