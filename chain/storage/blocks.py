"""The block store: everything that makes up the chain, in one database.

| key                                        | value                                  |
|--------------------------------------------|----------------------------------------|
| ``b`` height(8)                            | ``FinalHeader``: header, certificate   |
| ``c`` height(8) index(4) dead(2)           | empty: a deleted payload, and so many of ``f``, may be in the files |
| ``d`` dataset ``0x00`` height(8) index(4)  | empty: a parcel of that dataset        |
| ``e`` height(8) index(4)                   | ``ErasedPayload``: what stays of an erased or rejected payload |
| ``f`` height(8) index(4) version(2)        | ``ErasedPayload``: what is left without so many records |
| ``h`` level(1) index(8)                    | hash of a complete subtree of history  |
| ``i`` transaction id(32)                   | height(8) index(4); of an accepted parcel: record count(4), dataset |
| ``m`` ``anchor``                           | height(8) of the block whose state was taken from others |
| ``m`` ``arriving``                         | ``Anchor`` at that block (``chain.arrival``) |
| ``m`` ``past``                             | height(8): the last of the blocks that are not whole yet |
| ``l`` height(8) index(4)                   | ``DroppedPayload``: what is kept of a payload that others keep |
| ``m`` ``version`` / ``chain``              | layout version / chain id; for others see ``chain.storage.migration`` |
| ``m`` ``reviewed``                         | ``Reviewed``: two heights(8); then the payload policy |
| ``o`` height(8)                            | ``HandOver``: the next block has another set or other rules |
| ``p`` height(8) index(4)                   | payload of an accepted parcel, unless erased or dropped |
| ``q`` dataset ``0x00`` parcel(32) height(8) index(4) | empty: an accepted request or read report that names it |
| ``r`` dataset ``0x00`` height(8) index(4)  | empty: a request, approval or read report  |
| ``r`` ``0x00`` height(8) index(4)          | empty: the same, whatever its dataset  |
| ``s`` height(8)                            | ``Changes``: the state entries that the block has changed |
| ``t`` height(8) index(4)                   | header and signature of a transaction  |
| ``u`` source parcel(32) height(8) index(4) | empty: an accepted parcel made from it |
| ``x`` height(8)                            | array of the ``Outcome`` of each transaction |

Entries of ``b``, ``p``, ``s``, ``t`` and ``x`` of old blocks lie in compressed frames (``chain.storage.frames``), and
the leaves of the history tree, ``h`` 0, are left out there, since they follow from headers.

Each erasure of some records writes what is left under a new version, and deletes the one before. So a value that has
to go never stands under a key that is alive.

Integers are big endian, so keys of one kind grow with the chain. A block and all that belongs to it is one batch,
synced at once or, in catch-up, together with those after it.

A node that has taken the state from others (``chain.arrival``) has of the blocks before it what can be looked up in
them: ``b`` without certificate, ``h``, ``i``, ``x`` and the lists. A block becomes whole when the rest of it comes.
``s`` never comes, since nothing proves it.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from chain.blocks import Block, FinalHeader, Outcome, block_hash
from chain.errors import ErrorCode, InvariantBroken, PoolError
from chain.primitives.crypto import HASH_SIZE, Hash
from chain.primitives.encoding import EncodingError, Value, Wire, decode, encode, encode_array
from chain.primitives.places import count_of
from chain.primitives.types import Signature, is_dataset_id
from chain.proofs.handover import HandOver
from chain.proofs.merkle import leaf_hash
from chain.storage.database import Database, Write
from chain.storage.frames import FramedDatabase
from chain.transactions.base import (
    CheckedTransaction,
    DroppedPayload,
    ErasedPayload,
    Index,
    Transaction,
)
from chain.transactions.context import AcceptedParcel

LAYOUT_VERSION = b"8"
FRAMELESS_VERSION = b"6"
"""The same without frames."""
OLD_LAYOUT_VERSIONS = (b"5", b"5 to 6")
"""That ``chain.storage.migration`` makes this one of; the second while it does."""
_HEIGHT = struct.Struct(">cQ")
_PLACE = struct.Struct(">cQI")
_HISTORY = struct.Struct(">cBQ")
_LOCATION = struct.Struct(">QI")
_VERSION = struct.Struct(">cQIH")
_COUNT = struct.Struct(">I")
_FRAMED = {kind: _PLACE.size - 1 if kind in b"pt" else _HEIGHT.size - 1 for kind in (b"b", b"p", b"s", b"t", b"x")}
HOT_BLOCKS = 1024
"""The newest blocks, which are not in frames."""
_HEIGHTS = struct.Struct(">QQ")
_REVIEWED = b"mreviewed"

Changes = tuple[tuple[bytes, bytes], ...]
"""(state key, encoded entry), ascending by key."""
_Outcomes = tuple[msgspec.Raw, ...]


class Location(NamedTuple):
    """Where a transaction stands."""

    height: int
    position: int
    """Place in its block, from 0."""


class Unpurged(NamedTuple):
    """A deleted payload whose bytes may still be in the files."""

    location: Location
    dead: int
    """So many versions of what was left of it may be, too."""


class _HeaderAlone(Wire, frozen=True):
    """A ``FinalHeader`` whose certificate is left as it is: decoding that takes ten times as long."""

    header: bytes
    certificate: msgspec.Raw


class Reviewed(NamedTuple):
    """How far a payload policy was carried out."""

    fetched: int
    """Up to this height, all that it keeps is there."""
    dropped: int
    """Up to this height, nothing is there that it does not keep."""


class StoredHead(Wire, frozen=True):
    """What is kept of a transaction apart from its payload."""

    header: bytes
    signature: Signature


class BlockStore:
    """Reads and writes blocks over a database. Holds no state but what the database holds."""

    def __init__(self, database: Database) -> None:
        self._database = FramedDatabase(database, _FRAMED)
        self._chain_id = b""

    def open(self, chain_id: bytes, *, migrates: bool = False) -> None:
        """Bind an empty database to ``chain_id``, or check that it is bound to it.

        Args:
            chain_id: of the chain.
            migrates: the caller migrates a database of an old layout before it reads blocks.

        Raises:
            PoolError: codes ``wrong_data_folder``, ``database_version``, ``database_damaged``.
        """
        self._chain_id = chain_id
        version, chain = self._database.get(b"mversion"), self._database.get(b"mchain")
        if version is None and chain is None:
            if self.last_height() is not None:
                raise PoolError(ErrorCode.DATABASE_DAMAGED, "the database has lost its beginning")
            self._database.write([(b"mversion", LAYOUT_VERSION), (b"mchain", chain_id)], sync=True)
            return
        if chain != chain_id:
            found = chain.hex()[:16] if chain else "nothing"
            raise PoolError(
                ErrorCode.WRONG_DATA_FOLDER, f"it holds chain {found}, the genesis is {chain_id.hex()[:16]}"
            )
        if version == FRAMELESS_VERSION:
            if migrates:
                self._database.write([(b"mversion", LAYOUT_VERSION)], sync=True)
        elif version != LAYOUT_VERSION and not (migrates and version in OLD_LAYOUT_VERSIONS):
            raise PoolError(ErrorCode.DATABASE_VERSION, f"layout {version!r}, this program writes {LAYOUT_VERSION!r}")

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
        """Write a block with its transactions, its changes of the state and index as one batch, which is durable with
        ``sync``. What stays of the payloads that it erases or rejects takes their place in the same batch. ``changes``
        are None for a block of the past that was not executed here.
        """
        batch = [*block_writes(height, block, changes), *history, *handover_writes(height, handover)]
        kept = {place for place, _, _ in erased}
        for place, payload, dead in erased:
            if place.height < height or block.outcomes[place.position].is_ok:  # a rejected one was never written
                batch += [*self._deletions(place), (_VERSION.pack(b"c", *place, dead), b"")]
            batch.append(_stays(place, payload))
        for index, checked in enumerate(transactions):
            transaction = checked.transaction
            batch.append(
                (_PLACE.pack(b"t", height, index), encode(StoredHead(transaction.header, transaction.signature)))
            )
            location = _LOCATION.pack(height, index)
            place = Location(height, index)
            if checked.absent is not None and checked.absent.kept is not None and place not in kept:
                batch.append(_stays(place, checked.absent.kept))
            elif checked.absent is None and checked.type.payload is not None and place not in kept:
                batch.append((_PLACE.pack(b"p", *place), transaction.payload))
            is_accepted, listed = block.outcomes[index].is_ok, checked.type.index(checked.header)
            batch.append(index_write(place, checked, listed, is_accepted=is_accepted))
            batch += [(prefix + location, b"") for prefix in _lists(listed, is_accepted=is_accepted)]
        self._database.write(batch, sync=sync)

    def sync(self) -> None:
        """Make everything durable that was appended without ``sync``."""
        self._database.sync()

    def block(self, height: int) -> Block | None:
        """The block at ``height``; raises ``database_damaged`` if its bytes do not decode."""
        data = self.block_bytes(height)
        return None if data is None else _decoded(Block, data)

    def block_bytes(self, height: int) -> bytes | None:
        """The encoded block at ``height``."""
        data = self._database.get(_HEIGHT.pack(b"b", height))
        return None if data is None else b"\x93" + data[1:] + self._outcomes(height)

    def header_bytes(self, height: int) -> bytes | None:
        """The header of the block at ``height``, encoded; raises as ``block``."""
        data = self._database.get(_HEIGHT.pack(b"b", height))
        return None if data is None else _decoded(_HeaderAlone, data).header

    def final_header(self, height: int) -> FinalHeader | None:
        """Header and certificate of the block at ``height``; raises as ``block``."""
        data = self._database.get(_HEIGHT.pack(b"b", height))
        return None if data is None else _decoded(FinalHeader, data)

    def outcomes(self, height: int) -> list[bytes]:
        """The encoded outcomes of the block at ``height``; raises ``database_damaged``."""
        return [bytes(outcome) for outcome in _decoded(_Outcomes, self._outcomes(height))]

    def _outcomes(self, height: int) -> bytes:
        data = self._database.get(_HEIGHT.pack(b"x", height))
        if data is None:
            raise PoolError(ErrorCode.DATABASE_DAMAGED, f"the outcomes of block {height} are missing")
        return data

    def outcome(self, location: Location) -> Outcome:
        """What became of the transaction at ``location``; raises ``database_damaged``."""
        outcomes = _decoded(_Outcomes, self._outcomes(location.height))
        if location.position >= len(outcomes):
            raise PoolError(ErrorCode.DATABASE_DAMAGED, f"there is no outcome of transaction {location}")
        return _decoded(Outcome, bytes(outcomes[location.position]))

    def changes(self, first: int, last: int) -> Iterator[tuple[int, dict[bytes, bytes]]]:
        """(height, new values by state key) of the blocks from ``first`` to ``last``."""
        for key, value in self._database.scan(_HEIGHT.pack(b"s", first), _HEIGHT.pack(b"s", last + 1)):
            yield int(_HEIGHT.unpack(key)[1]), dict(_decoded(Changes, value))

    def last_height(self) -> int | None:
        """Height of the last block in the database, or None if it is empty."""
        for key, _ in self._database.scan(b"b", b"c", reverse=True):
            return int(_HEIGHT.unpack(key)[1])
        return None

    def location(self, transaction_id: Hash) -> Location | None:
        """Where a transaction was committed, or None."""
        data = self._database.get(b"i" + transaction_id)
        return None if data is None else Location(*_LOCATION.unpack_from(data))

    def parcel(self, parcel_id: Hash, until_height: int) -> AcceptedParcel | None:
        """A parcel that a block up to ``until_height`` has accepted; None if there is none of this id. The bound counts
        where blocks are executed again: the store then holds later ones, which execution must know nothing of.
        """
        found = self._database.get(b"i" + parcel_id) or b""
        rest = found[_LOCATION.size :]
        if not rest or _LOCATION.unpack_from(found)[0] > until_height:
            return None
        return AcceptedParcel(rest[_COUNT.size :].decode(), *_COUNT.unpack_from(rest))

    def transaction(self, location: Location) -> Transaction | None:
        """The transaction at ``location`` with its payload, which is empty if it was erased or rejected, or records of
        it were erased.

        Raises:
            PoolError: code ``payload_not_kept``, with the place, if others keep the payload.
        """
        head = self.transaction_head(location)
        if head is None:
            return None
        payload = self._database.get(_PLACE.pack(b"p", *location))
        if payload is None and self.dropped_payload(location) is not None:
            raise PoolError(ErrorCode.PAYLOAD_NOT_KEPT, "this node does not keep it", **location._asdict())
        return Transaction(head.header, head.signature, payload or b"")

    def transaction_head(self, location: Location) -> StoredHead | None:
        """Header and signature of the transaction at ``location``."""
        data = self._database.get(_PLACE.pack(b"t", *location))
        return None if data is None else _decoded(StoredHead, data)

    def transactions(self, height: int) -> list[Transaction]:
        """All transactions of the block at ``height`` in order; payloads that are not there are empty."""
        start, stop = _PLACE.pack(b"p", height, 0), _PLACE.pack(b"p", height + 1, 0)
        payloads = {key[-4:]: value for key, value in self._database.scan(start, stop)}
        start, stop = _PLACE.pack(b"t", height, 0), _PLACE.pack(b"t", height + 1, 0)
        result = []
        for key, value in self._database.scan(start, stop):
            head = _decoded(StoredHead, value)
            result.append(Transaction(head.header, head.signature, payloads.get(key[-4:], b"")))
        return result

    def erased_payload(self, location: Location) -> ErasedPayload | None:
        """What stays of the payload of the parcel at ``location``; None if it was neither erased nor rejected, nor
        records of it erased.
        """
        data = self._database.get(_PLACE.pack(b"e", *location))
        found = [data] if data is not None else [value for _, value in self._left(location)]
        return _decoded(ErasedPayload, found[-1]) if found else None

    def erased_payloads(self, height: int) -> dict[int, ErasedPayload]:
        """The same for all such parcels of the block at ``height``, by their index, ascending."""
        found = {place.position: _decoded(ErasedPayload, value) for place, value in self._of(b"e", height, height)}
        for key, value in self._database.scan(_HEIGHT.pack(b"f", height), _HEIGHT.pack(b"f", height + 1)):
            found[_VERSION.unpack(key)[2]] = _decoded(ErasedPayload, value)
        return dict(sorted(found.items()))

    def _left(self, location: Location) -> Iterator[tuple[bytes, bytes]]:
        """What is left of a payload without some records: one version, or none."""
        place = _PLACE.pack(b"f", *location)
        return self._database.scan(place, place + b"\xff" * 3)

    def _deletions(self, location: Location) -> list[Write]:
        """The writes that delete whatever there is of a payload."""
        places = [_PLACE.pack(kind, *location) for kind in (b"p", b"l", b"e")]
        return [(key, None) for key in [*places, *(key for key, _ in self._left(location))]]

    def dropped_payload(self, location: Location) -> DroppedPayload | None:
        """What is kept of the payload of the parcel at ``location``; None if it was not dropped."""
        data = self._database.get(_PLACE.pack(b"l", *location))
        return None if data is None else _decoded(DroppedPayload, data)

    def dropped_payloads(self, first: int, last: int) -> Iterator[tuple[Location, DroppedPayload]]:
        """The same for all parcels of the blocks from ``first`` to ``last``, in order."""
        return ((place, _decoded(DroppedPayload, value)) for place, value in self._of(b"l", first, last))

    def payloads(self, first: int, last: int) -> Iterator[tuple[Location, bytes]]:
        """The payloads that are kept of the blocks from ``first`` to ``last``, in order."""
        return self._of(b"p", first, last)

    def _of(self, kind: bytes, first: int, last: int) -> Iterator[tuple[Location, bytes]]:
        for key, value in self._database.scan(_PLACE.pack(kind, first, 0), _PLACE.pack(kind, last + 1, 0)):
            yield Location(*_PLACE.unpack(key)[1:]), value

    def drop(self, payloads: Sequence[tuple[Location, DroppedPayload]]) -> None:
        """Keep of these payloads only that. One that is gone by now is left as it is. Not synced: a crash brings all
        of a batch back, or nothing.
        """
        batch: list[Write] = []
        for place, kept in payloads:
            if self._database.get(_PLACE.pack(b"p", *place)) is not None or any(self._left(place)):
                batch += [*self._deletions(place), _stays(place, kept)]
        self._database.write(batch, sync=False)

    def restore(self, payloads: Sequence[tuple[Location, bytes | ErasedPayload]]) -> None:
        """Keep payloads that were dropped, or what is left of them without some records, verified by the caller. One
        that was erased meanwhile stays erased. Not synced, as ``drop``.
        """
        batch: list[Write] = []
        for place, payload in payloads:
            if self._database.get(_PLACE.pack(b"l", *place)) is not None:
                whole = (_PLACE.pack(b"p", *place), payload) if isinstance(payload, bytes) else _stays(place, payload)
                batch += [(_PLACE.pack(b"l", *place), None), whole]
        self._database.write(batch, sync=False)

    def reviewed(self, policy: str) -> Reviewed:
        """How far a payload policy was carried out; not at all if it was another before."""
        found = self._database.get(_REVIEWED) or b""
        return Reviewed(*_HEIGHTS.unpack_from(found)) if found[_HEIGHTS.size :] == policy.encode() else Reviewed(0, 0)

    def review(self, policy: str, reviewed: Reviewed) -> None:
        """Note how far a payload policy was carried out. Not synced: it can be carried out again."""
        self._database.write([(_REVIEWED, _HEIGHTS.pack(*reviewed) + policy.encode())], sync=False)

    def unpurged(self, limit: int) -> list[Unpurged]:
        """Up to ``limit`` deleted payloads whose bytes may still be in the files."""
        found = []
        for key, _ in self._database.scan(b"c", b"d"):
            _, height, position, dead = _VERSION.unpack(key)
            found.append(Unpurged(Location(height, position), dead))
            if len(found) == limit:
                break
        return found

    def purge(self, deleted: Sequence[Unpurged]) -> bool:
        """Rid the files of deleted payloads. May run in a thread of its own, and take a while: what is erased meanwhile
        has marks of its own.

        Returns:
            Whether that is done. Not while a reader still holds a file that is to go: call it again then.
        """
        keys = [_PLACE.pack(b"p", *location) for location, _ in deleted]
        keys += [_VERSION.pack(b"f", *location, version) for location, dead in deleted for version in range(dead)]
        if not self._database.purge(keys):
            return False
        self._database.write([(_VERSION.pack(b"c", *location, dead), None) for location, dead in deleted], sync=True)
        return True

    # Lists: up to ``limit`` places in chain order, or the newest first, beginning after the place ``after``.

    def parcels(
        self, dataset: str, after: Location | None, limit: int, *, is_newest_first: bool = False
    ) -> list[Location]:
        """Parcels of ``dataset``, rejected ones among them."""
        return self._locations(_dataset_prefix(b"d", dataset), after, limit, is_newest_first)

    def read_transactions(
        self, dataset: str, after: Location | None, limit: int, *, is_newest_first: bool = False
    ) -> list[Location]:
        """Requests, approvals and read reports that name ``dataset`` (empty: any), rejected ones among them."""
        return self._locations(_dataset_prefix(b"r", dataset), after, limit, is_newest_first)

    def derived(
        self, parcel_id: Hash, after: Location | None, limit: int, *, is_newest_first: bool = False
    ) -> list[Location]:
        """Accepted parcels that were made from records of a parcel."""
        return self._locations(b"u" + parcel_id, after, limit, is_newest_first)

    def parcel_reads(
        self, dataset: str, parcel_id: Hash, after: Location | None, limit: int, *, is_newest_first: bool = False
    ) -> list[Location]:
        """Requests and read reports about ``dataset`` that name a parcel and took effect: those in the history under
        ``parcel-reads/DATASET/ID`` of the state.
        """
        return self._locations(_read_prefix(dataset, parcel_id), after, limit, is_newest_first)

    def _locations(self, prefix: bytes, after: Location | None, limit: int, is_newest_first: bool) -> list[Location]:
        start, stop = prefix, prefix + b"\xff" * (_LOCATION.size + 1)
        if after is not None:
            place = prefix + _LOCATION.pack(*after)
            start, stop = (start, place) if is_newest_first else (place + b"\x00", stop)
        found = []
        for key, _ in self._database.scan(start, stop, reverse=is_newest_first):
            found.append(Location(*_LOCATION.unpack(key[len(prefix) :])))
            if len(found) == limit:
                break
        return found

    def history_node(self, level: int, index: int) -> Hash:
        """Hash of a complete subtree of the history tree."""
        node = self._database.get(_HISTORY.pack(b"h", level, index))
        if node is None and level == 0 and (header := self.header_bytes(index)) is not None:
            return leaf_hash(block_hash(self._chain_id, header))
        if node is None or len(node) != HASH_SIZE:
            raise InvariantBroken(f"history node {level}/{index} is missing")
        return node

    def history_write(self, level: int, index: int, value: Hash) -> Write:
        """The write that keeps a history node."""
        return _HISTORY.pack(b"h", level, index), value

    def handovers(self, since: int) -> list[HandOver]:
        """The hand-overs of all blocks from height ``since`` on."""
        scanned = self._database.scan(_HEIGHT.pack(b"o", since), b"p")
        return [_decoded(HandOver, value) for _, value in scanned]

    # Old blocks

    def freeze(self) -> bool:
        """Move some more of the old blocks into compressed frames, unless some are still to come. May run in a thread.
        Not synced: after a crash they are here or there.

        Returns:
            Whether there is more to move.
        """
        newest = self.last_height()
        if newest is None or self.past_height:
            return False
        until = newest - HOT_BLOCKS
        return self._database.freeze(until, _leaf_deletions) < until

    @property
    def frozen_height(self) -> int:
        """Height of the last block that lies in frames."""
        return self._database.frozen_height

    def compact(self, first: int, last: int) -> None:
        """Give back the room that blocks have left which moved into frames. Takes a while."""
        self._database.compact(first, last)

    # A past that is not whole yet

    @property
    def anchor_height(self) -> int:
        """Height of the block whose state was taken from others; 0 if every block was executed here."""
        return self._number(b"manchor")

    @property
    def past_height(self) -> int:
        """Height of the last block that is not whole yet; 0 if all are. All after it are whole."""
        return self._number(b"mpast")

    def transaction_heads(self, height: int) -> list[StoredHead]:
        """Headers and signatures of a block's transactions, in order."""
        scanned = self._database.scan(_PLACE.pack(b"t", height, 0), _PLACE.pack(b"t", height + 1, 0))
        return [_decoded(StoredHead, value) for _, value in scanned]

    def end_past(self, height: int) -> None:
        """Note durably that all blocks after the one at ``height`` are whole."""
        self._database.write([past_mark(height)], sync=True)

    def _number(self, key: bytes) -> int:
        data = self._database.get(key)
        return int.from_bytes(data, "big") if data else 0

    def close(self) -> None:
        """Release the database."""
        self._database.close()


def _leaf_deletions(first: int, last: int) -> list[Write]:
    return [(_HISTORY.pack(b"h", 0, height), None) for height in range(first, last + 1)]


def past_mark(height: int) -> Write:
    """The write that says which is the last block that is not whole."""
    return b"mpast", height.to_bytes(8, "big") if height else None


def block_writes(height: int, block: Block, changes: Mapping[bytes, bytes] | None) -> list[Write]:
    """The writes that keep a block without its transactions."""
    outcomes = encode_array([encode(outcome) for outcome in block.outcomes])
    kept = [] if changes is None else [(_HEIGHT.pack(b"s", height), encode(tuple(sorted(changes.items()))))]
    return [
        (_HEIGHT.pack(b"b", height), encode(FinalHeader(block.header, block.certificate))),
        *kept,
        (_HEIGHT.pack(b"x", height), outcomes),
    ]


def past_writes(
    height: int, header: bytes, outcomes: bytes, transactions: Iterable[tuple[CheckedTransaction, bool]]
) -> list[Write]:
    """The writes by which a block of the past can be looked up, though it is not whole.

    Args:
        height: of the block.
        header: its exact bytes.
        outcomes: encoded array.
        transactions: in order, each with whether it took effect.
    """
    batch: list[Write] = [
        (_HEIGHT.pack(b"b", height), encode(FinalHeader(header, None))),
        (_HEIGHT.pack(b"x", height), outcomes),
    ]
    for index, (checked, is_accepted) in enumerate(transactions):
        place, listed = Location(height, index), checked.type.index(checked.header)
        batch.append(index_write(place, checked, listed, is_accepted=is_accepted))
        batch += [(prefix + _LOCATION.pack(*place), b"") for prefix in _lists(listed, is_accepted=is_accepted)]
    return batch


def handover_writes(height: int, handover: HandOver | None) -> list[Write]:
    """The writes that keep the hand-over of the block at ``height``, if it has one."""
    return [] if handover is None else [(_HEIGHT.pack(b"o", height), encode(handover))]


def index_write(location: Location, checked: CheckedTransaction, index: Index, *, is_accepted: bool) -> Write:
    """The write by which a transaction is found, and the dataset of an accepted parcel."""
    place = _LOCATION.pack(*location)
    if is_accepted and index.parcels_of:
        place += _COUNT.pack(checked.record_count) + index.parcels_of.encode()
    return b"i" + checked.id, place


def _stays(place: Location, kept: ErasedPayload | DroppedPayload) -> Write:
    """The write that keeps what stays of a payload."""
    if isinstance(kept, DroppedPayload):
        return _PLACE.pack(b"l", *place), encode(kept)
    if kept.places:
        return _VERSION.pack(b"f", *place, count_of(kept.places)), encode(kept)
    return _PLACE.pack(b"e", *place), encode(kept)


def _lists(index: Index, *, is_accepted: bool) -> Iterator[bytes]:
    """Prefixes of the lists that a transaction is in. A rejected one may name anything for a dataset; what is no
    dataset id is not listed, so that nobody reaches into the list of another dataset.
    """
    if is_dataset_id(index.parcels_of):
        yield _dataset_prefix(b"d", index.parcels_of)
    if is_dataset_id(index.reads_of):
        yield _dataset_prefix(b"r", index.reads_of)
        yield _dataset_prefix(b"r", "")
    if is_accepted:
        yield from (_read_prefix(index.reads_of, parcel) for parcel in index.read_parcels)
        yield from (b"u" + source for source in index.sources)


def _dataset_prefix(kind: bytes, dataset: str) -> bytes:
    return kind + dataset.encode() + b"\x00"


def _read_prefix(dataset: str, parcel_id: Hash) -> bytes:
    return _dataset_prefix(b"q", dataset) + parcel_id


def _decoded(type_: type[Value], data: bytes) -> Value:
    try:
        return decode(type_, data)
    except EncodingError as error:
        raise PoolError(ErrorCode.DATABASE_DAMAGED, error.detail) from None
