"""What an audit keeps of the blocks behind it: the state, the index of transactions, the history tree, its counts.

All of it is in one database, and what has been verified since the last ``save`` is in memory. ``save`` writes it as one
synced batch together with the place that the audit has reached, so a crash or an interruption loses the blocks since
then and leaves the rest intact: the audit goes on from there. Without a database everything stays in memory.

| key                   | value                                              |
|-----------------------|----------------------------------------------------|
| ``a`` ``version``     | layout version                                     |
| ``a`` ``chain``       | chain id                                           |
| ``a`` ``progress``    | ``AuditProgress``                                  |
| ``b`` key             | of the block store; its index and history only     |
| ``s`` key             | of the state store                                 |
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from chain.blocks import Block, Certificate
from chain.errors import ErrorCode, PoolError
from chain.primitives.encoding import EncodingError, Wire, decode, encode
from chain.proofs.handover import HandOver
from chain.storage.blocks import BlockStore, Location, handover_writes, index_write
from chain.storage.database import Database, MemoryDatabase, Write
from chain.transactions.base import CheckedTransaction, DroppedPayload, ErasedPayload

LAYOUT_VERSION = b"3"
_UNREAD = object()
"""Stands for a key that is not among the unsaved ones, where None stands for one that was deleted."""


class AuditProgress(Wire, frozen=True):
    """The place that an audit has reached."""

    report: bytes
    """Encoded ``audit.chain.AuditReport``."""
    header: bytes
    """Bytes of the last verified block's header."""
    certificate: Certificate | None
    """That block's; None for genesis."""


class AuditStore:
    """See the module. Not thread-safe.

    Args:
        chain_id: of the chain that is audited.
        database: keeps what is saved; None to keep everything in memory.

    Attributes:
        blocks: database for the block store.
        states: database for the state store.
        unsaved_bytes: what ``save`` would write, roughly.

    Raises:
        PoolError: codes ``wrong_data_folder`` for another chain's, ``database_version``, ``database_damaged``.
    """

    def __init__(self, chain_id: bytes, database: Database | None = None) -> None:
        self._database: Database = database if database is not None else MemoryDatabase()
        self._chain_id = chain_id
        self._unsaved: dict[bytes, bytes | None] = {}
        self.unsaved_bytes = 0
        self.blocks: Database = _Part(self, b"b")
        self.states: Database = _Part(self, b"s")
        self._verify_owner()

    def _verify_owner(self) -> None:
        version, chain = self._database.get(b"aversion"), self._database.get(b"achain")
        if version is None and chain is None:
            if any(True for _ in self._database.scan(b"", b"\xff")):
                raise PoolError(ErrorCode.WRONG_DATA_FOLDER, "it holds something else than an audit")
            return
        if version != LAYOUT_VERSION:
            detail = f"an audit's layout {version!r}, this program writes {LAYOUT_VERSION!r}: begin a new one"
            raise PoolError(ErrorCode.DATABASE_VERSION, detail)
        if chain != self._chain_id:
            found = chain.hex()[:16] if chain else "nothing"
            detail = f"it holds an audit of chain {found}, the genesis is {self._chain_id.hex()[:16]}"
            raise PoolError(ErrorCode.WRONG_DATA_FOLDER, detail)

    def progress(self) -> AuditProgress | None:
        """The place that was saved last; None at the beginning."""
        data = self._database.get(b"aprogress")
        try:
            return None if data is None else decode(AuditProgress, data)
        except EncodingError as error:
            raise PoolError(ErrorCode.DATABASE_DAMAGED, f"the audit's progress: {error.detail}") from None

    def save(self, progress: AuditProgress) -> None:
        """Make everything up to ``progress`` durable: all of it or nothing."""
        marks = [(b"aversion", LAYOUT_VERSION), (b"achain", self._chain_id), (b"aprogress", encode(progress))]
        self._database.write([*self._unsaved.items(), *marks], sync=True)
        self._unsaved.clear()
        self.unsaved_bytes = 0

    def get(self, key: bytes) -> bytes | None:
        """Value of a key of the database, saved or not."""
        found = self._unsaved.get(key, _UNREAD)
        return self._database.get(key) if found is _UNREAD else found  # type: ignore[return-value]

    def put(self, key: bytes, value: bytes | None) -> None:
        """Set a key, or delete it with None."""
        self._unsaved[key] = value
        self.unsaved_bytes += len(key) + len(value or b"")

    def scan(self, start: bytes, stop: bytes) -> list[tuple[bytes, bytes]]:
        """Entries with ``start <= key < stop`` in key order, saved or not, merged."""
        found: dict[bytes, bytes | None] = dict(self._database.scan(start, stop))
        found.update((key, value) for key, value in self._unsaved.items() if start <= key < stop)
        return [(key, value) for key, value in sorted(found.items()) if value is not None]


class _Part:
    """A part of the store as a database: the keys that begin with ``prefix``."""

    def __init__(self, store: AuditStore, prefix: bytes) -> None:
        self._store = store
        self._prefix = prefix

    def get(self, key: bytes) -> bytes | None:
        return self._store.get(self._prefix + key)

    def write(self, batch: Sequence[Write], *, sync: bool) -> None:
        """Kept for the next ``save``, whatever ``sync`` says."""
        put, prefix = self._store.put, self._prefix
        for key, value in batch:
            put(prefix + key, value)

    def sync(self) -> None:
        """``save`` does that."""

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        found = self._store.scan(self._prefix + start, self._prefix + stop)
        for key, value in reversed(found) if reverse else found:
            yield key[len(self._prefix) :], value

    def purge(self, keys: Sequence[bytes]) -> bool:
        """Nothing to rid of anything: no payload is ever kept."""
        return True

    def compact(self, start: bytes, stop: bytes) -> None:
        """Nothing moves here."""

    def clear(self) -> None:
        """Delete everything in this part."""
        self.write([(key, None) for key, _ in self.scan(b"", b"\xff")], sync=False)

    def close(self) -> None:
        """The database is its owner's to close."""


class IndexStore(BlockStore):
    """A block store that keeps what later checks ask for: where each transaction stands, and the history tree."""

    def append(
        self,
        height: int,
        block: Block,
        transactions: Sequence[CheckedTransaction],
        history: Sequence[Write],
        erased: Sequence[tuple[Location, ErasedPayload | DroppedPayload, int]] = (),
        handover: HandOver | None = None,
        changes: Mapping[bytes, bytes] | None = MappingProxyType({}),
        *,
        sync: bool = True,
    ) -> None:
        """As ``BlockStore.append``, without blocks, changes, headers and payloads."""
        placed = enumerate(zip(transactions, block.outcomes, strict=True))
        index = [
            index_write(Location(height, place), checked, checked.type.index(checked.header), is_accepted=outcome.is_ok)
            for place, (checked, outcome) in placed
        ]
        self._database.write([*history, *index, *handover_writes(height, handover)], sync=sync)
