"""From the layout before to this one, in place.

Layout 5 had a block with its outcomes under ``b`` and nothing of its changes. Each block is rewritten in a batch of its
own together with ``m`` ``migrated``, the height(8) of the last one, so that a start goes on where one before it was
interrupted. While some blocks are of the old layout and some of the new, the version says so, and no program of either
takes the database for its own.
"""

from collections.abc import Mapping

from chain.blocks import Block
from chain.errors import ErrorCode, PoolError
from chain.primitives.encoding import EncodingError, decode
from chain.storage.blocks import LAYOUT_VERSION, OLD_LAYOUT_VERSIONS, block_writes
from chain.storage.database import Database, Write

_VERSION, _MIGRATED = b"mversion", b"mmigrated"


class Migration:
    """See the module.

    Args:
        database: of the block store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def is_needed(self) -> bool:
        """Whether there are blocks of the old layout."""
        return self._database.get(_VERSION) in OLD_LAYOUT_VERSIONS

    def begin(self) -> int:
        """Height of the last block that has the new layout; of genesis at first."""
        migrated = self._database.get(_MIGRATED)
        if migrated is not None:
            return int.from_bytes(migrated, "big")
        self._write(0, [(_VERSION, OLD_LAYOUT_VERSIONS[1]), *block_writes(0, self.old_block(0), {})])
        return 0

    def old_block(self, height: int) -> Block:
        """A block that still has the old layout; raises ``database_damaged``."""
        data = self._database.get(b"b" + height.to_bytes(8, "big"))
        try:
            return decode(Block, data or b"")
        except EncodingError as error:
            detail = f"block {height} is missing" if data is None else f"block {height}: {error.detail}"
            raise PoolError(ErrorCode.DATABASE_DAMAGED, detail) from None

    def rewrite(self, height: int, block: Block, changes: Mapping[bytes, bytes]) -> None:
        """Give the next block its new layout. Not synced."""
        self._write(height, block_writes(height, block, changes))

    def _write(self, height: int, writes: list[Write]) -> None:
        self._database.write([*writes, (_MIGRATED, height.to_bytes(8, "big"))], sync=False)

    def finish(self) -> None:
        """All blocks have the new layout; durable."""
        self._database.sync()
        self._database.write([(_VERSION, LAYOUT_VERSION), (_MIGRATED, None)], sync=True)
