"""Comparing what two nodes hold: their blocks from the first on, and their states.

What may differ is passed over: the certificate of a block (each node keeps the quorum that it met), and how long each
chain is. A payload that only one of them has erased is a difference once both hold the block that erases it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from audit.sources import ChainSource, KeptStates
from chain.blocks import Block, BlockHeader, Outcome, decode_header
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.packages import BlockPackage, absent_by_index
from chain.primitives.crypto import ZERO_HASH, Hash
from chain.primitives.encoding import Wire, decode
from chain.primitives.places import all_places, has_place, joined, without
from chain.state.difference import Subtree, damage, differences
from chain.state.entries import (
    ContractEntry,
    ContractState,
    DatasetEntry,
    DatasetReads,
    DatasetTotals,
    DerivedParcels,
    MemberTotals,
    OwnerAct,
    ParcelReads,
    PresentRecord,
    ReaderEntry,
    RecordPlaces,
    RequestEntry,
    RequestTotals,
)
from chain.state.members import Member
from chain.state.tree import MemoryNodes, StateTree
from chain.state_history import StateView
from chain.storage.state import StateStore
from chain.transactions.base import Transaction
from chain.transactions.erase import EraseHeader
from chain.transactions.registry import decode_transaction_header

ABSENT = "absent"


class Difference(NamedTuple):
    """One thing that two nodes hold differently."""

    part: str
    """``header.state_root``, ``transaction 3 payload``, a state key with a field ..."""
    first: str
    second: str


class BlockDifference(NamedTuple):
    """The first block in which two chains differ."""

    height: int
    parts: list[Difference]


class ReadableBlock(NamedTuple):
    """A block that can be read."""

    package: BlockPackage
    block: Block
    header: BlockHeader


class Chain:
    """One of two chains, read block by block from genesis on."""

    def __init__(self, source: ChainSource) -> None:
        self.newest = source.newest
        self._packages = source.blocks(0)

    def next(self) -> ReadableBlock | PoolError:
        """The next block, or why it cannot be read.

        Raises:
            PoolError: if that says nothing about what the node holds, such as ``unreachable``.
        """
        try:
            package = next(self._packages, None)
            if package is None:
                return PoolError(ErrorCode.DATABASE_DAMAGED, "the block is missing")
            block = decode(Block, package.block)
            return ReadableBlock(package, block, decode_header(block.header))
        except PoolError as error:
            if error.code in (ErrorCode.UNREACHABLE, ErrorCode.TIMEOUT, ErrorCode.STORAGE_FAILED):
                raise
            return error


@dataclass
class BlockComparison:
    """Compares two chains block by block, as far as both go.

    Attributes:
        height: last block that was compared.
        found: where they differ first.
        state_height: last block that both could be read at.
        state_roots: of the two states after it.
    """

    chain_id: bytes
    first: Chain
    second: Chain
    height: int = -1
    found: BlockDifference | None = None
    state_height: int = -1
    state_roots: tuple[Hash, Hash] = (ZERO_HASH, ZERO_HASH)
    _erased_in_one: dict[bytes, tuple[int, Difference, bytes]] = field(default_factory=dict)
    """Parcels that one of them has without records that the other has: height, what differs, and the places of these
    records, by id."""

    @property
    def common(self) -> int:
        """Height of the newest block that both should hold."""
        return min(self.first.newest, self.second.newest)

    def step(self) -> bool:
        """Compare the next block. False if there is none, or a difference was found."""
        if self.found is not None or self.height == self.common:
            return False
        self.height += 1
        one, other = self.first.next(), self.second.next()
        if isinstance(one, PoolError) or isinstance(other, PoolError):
            texts = [found.detail if isinstance(found, PoolError) else "there" for found in (one, other)]
            self.found = BlockDifference(self.height, [Difference("block", *texts)])
            return False
        self.state_height, self.state_roots = self.height, (one.header.state_root, other.header.state_root)
        parts = list(_differences(one, other))
        if parts:
            self.found = BlockDifference(self.height, parts)
        else:
            self._note_erasures(one, other)
        return self.found is None

    def _note_erasures(self, one: ReadableBlock, other: ReadableBlock) -> None:
        """Note payloads that only one has erased, and what this block, which both hold, erases."""
        outcomes = one.block.outcomes
        erased = _erased(one), _erased(other)
        dropped = {parcel.index for opened in (one, other) for parcel in opened.package.dropped}
        for index in (erased[0].keys() | erased[1].keys()) - dropped:
            gone, also_gone = (places.get(index, b"") for places in erased)
            if gone == also_gone:
                continue
            texts = ("erased", "there") if without(gone, also_gone) else ("there", "erased")
            difference = Difference(f"transaction {index} payload", *texts)
            only_one = joined(without(gone, also_gone), without(also_gone, gone))
            self._erased_in_one[outcomes[index].transaction_id] = self.height, difference, only_one
        if not self._erased_in_one:
            return
        for data, outcome in zip(one.package.transactions, outcomes, strict=True):
            header = decode_transaction_header(self.chain_id, decode(Transaction, data).header)
            if isinstance(header, EraseHeader) and outcome.is_ok and header.parcel in self._erased_in_one:
                height, difference, only_one = self._erased_in_one[header.parcel]
                if not header.records or any(has_place(only_one, index) for index in header.records):
                    self.found = BlockDifference(height, [difference])
                    return


def _differences(one: ReadableBlock, other: ReadableBlock) -> Iterator[Difference]:
    """What differs in two blocks of one height."""
    yield from _fields("header", one.header, other.header)
    certificates = one.block.certificate, other.block.certificate
    if (certificates[0] is None) != (certificates[1] is None):
        yield Difference("certificate", *("there" if certificate else ABSENT for certificate in certificates))
    one_sided = absent_by_index(one.package).keys() ^ absent_by_index(other.package).keys()
    for index, (first, second) in enumerate(zip_longest(_transactions(one), _transactions(other))):
        if first is None or second is None or first.id != second.id:
            yield Difference(
                f"transaction {index}", *(found.id.hex() if found else ABSENT for found in (first, second))
            )
            continue
        yield from _fields(f"outcome {index}", first.outcome, second.outcome)
        if first.data != second.data:
            pair = [decode(Transaction, found.data) for found in (first, second)]
            if index in one_sided:  # one has the payload, the other what stays of it
                pair = [replace(transaction, payload=b"") for transaction in pair]
            yield from _fields(f"transaction {index}", *pair)


class _Placed(NamedTuple):
    outcome: Outcome
    data: bytes

    @property
    def id(self) -> Hash:
        return self.outcome.transaction_id


def _transactions(opened: ReadableBlock) -> Iterator[_Placed]:
    return map(_Placed, opened.block.outcomes, opened.package.transactions)


def _erased(opened: ReadableBlock) -> dict[int, bytes]:
    """The records that are erased, by the places of their parcels."""
    return {
        parcel.index: parcel.payload.places or all_places(len(parcel.payload.leaves))
        for parcel in opened.package.erased
    }


def _fields(name: str, one: Any, other: Any) -> Iterator[Difference]:
    """Fields in which two values of one type differ; one of them may be None."""
    if one is None or other is None:
        if one is not other:
            yield Difference(name, *(ABSENT if value is None else "there" for value in (one, other)))
        return
    for field_name in one.__struct_fields__:
        values = getattr(one, field_name), getattr(other, field_name)
        if values[0] == values[1]:
            continue
        if all(isinstance(value, Wire) for value in values):
            yield from _fields(f"{name} {field_name}", *values)
        else:
            yield Difference(f"{name} {field_name}", _text(values[0]), _text(values[1]))


_TEXT_LENGTH = 120


def _text(value: Any) -> str:
    text = value.hex() if isinstance(value, bytes) else str(msgspec.to_builtins(value))
    return text if len(text) <= _TEXT_LENGTH else f"{text[:_TEXT_LENGTH]}... ({len(value):,} in all)"


# States

_ENTRY_TYPES: dict[bytes, Any] = {
    b"member": Member,
    b"dataset": DatasetEntry,
    b"dataset-totals": DatasetTotals,
    b"member-totals": MemberTotals,
    b"contract": ContractEntry,
    b"contract-state": ContractState,
    b"request": RequestEntry,
    b"request-totals": RequestTotals,
    b"reads": DatasetReads,
    b"reader": ReaderEntry,
    b"parcel-reads": ParcelReads,
    b"derived": DerivedParcels,
    b"erasure": OwnerAct,
    b"erased-records": RecordPlaces,
    b"correction": OwnerAct,
    b"corrected-records": RecordPlaces,
    b"key": PresentRecord,
}


class KeyDifference(NamedTuple):
    """A state key at which two states differ."""

    key: str
    fields: list[Difference]


class KeyDamage(NamedTuple):
    """Something that a node's state database should hold and does not."""

    keys: list[str]
    """The keys that it may concern; one for a value."""
    what: str


def damaged_keys(chain_id: bytes, states: KeptStates, height: int, root: bytes) -> Iterator[KeyDamage]:
    """What is missing or wrong in a state database, by the keys that belong there."""
    tree = states.store.at_or_below(height)
    found = list(damage(chain_id, states.store.view(), tree.reference)) if tree is not None else []
    paths = _paths(chain_id, states.store) if found else {}
    for place, what in found:
        yield KeyDamage(sorted(_keys_at(place, paths)), what)
    if not found:
        try:
            states.history.at(height, root)
        except PoolError as error:
            yield KeyDamage([], error.detail)


def differing_keys(chain_id: bytes, first: StateView, second: StateView) -> list[KeyDifference]:
    """Keys, in order, at which two states differ."""
    found = differences(chain_id, first.nodes, first.root, second.nodes, second.root)
    return sorted(
        KeyDifference(key.decode(errors="replace"), list(_value_fields(key, one, other))) for key, one, other in found
    )


def _value_fields(key: bytes, one: bytes | None, other: bytes | None) -> Iterator[Difference]:
    type_ = _ENTRY_TYPES.get(key.split(b"/")[0])
    try:
        values = [None if value is None or type_ is None else decode(type_, value) for value in (one, other)]
    except PoolError:
        type_ = None
    if type_ is None:
        yield Difference("value", *(ABSENT if value is None else _text(value) for value in (one, other)))
        return
    yield from _fields("entry", *values)


def _paths(chain_id: bytes, store: StateStore) -> dict[bytes, bytes]:
    """All keys of a state database that have or had a value, by their path."""
    tree = StateTree(chain_id, MemoryNodes())
    return {tree.path(key): key for key in store.keys(b"")}


def _keys_at(place: Subtree, paths: dict[bytes, bytes]) -> Iterator[str]:
    return (key.decode(errors="replace") for path, key in paths.items() if place.covers(path))


# Both


@dataclass(frozen=True, slots=True)
class Holding:
    """What one of two nodes holds."""

    name: str
    chain: ChainSource
    states: KeptStates | None
    """None if it cannot be looked at."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two nodes hold, side by side."""

    sources: tuple[str, str]
    newest: tuple[int, int]
    """Height of the newest block of each."""
    height: int
    """Last block that was compared."""
    block: BlockDifference | None
    state_height: int
    """Block after which the states were compared."""
    keys: list[KeyDifference] | None
    """None if the states could not be compared: that takes two homes whose states are not damaged."""
    damage: dict[str, list[KeyDamage]]
    """By source, of those whose state database was looked at."""

    @property
    def is_same(self) -> bool:
        """Whether nothing differs, as far as both chains go and could be compared."""
        return self.block is None and not self.keys and not any(self.damage.values())


def compare(
    genesis: Genesis, first: Holding, second: Holding, on_block: Callable[[BlockComparison], None] = lambda blocks: None
) -> Comparison:
    """Compare what two nodes hold; ``on_block`` is told of every block in which nothing differs.

    Raises:
        PoolError: what cannot be had, such as ``unreachable``.
    """
    chain_id = genesis.chain_id
    blocks = BlockComparison(chain_id, Chain(first.chain), Chain(second.chain))
    while blocks.step():
        on_block(blocks)
    height = blocks.state_height
    found = [
        (holding.name, holding.states, root)
        for holding, root in zip((first, second), blocks.state_roots, strict=True)
        if holding.states is not None
    ]
    damage = {name: list(damaged_keys(chain_id, states, height, root)) for name, states, root in found}
    keys = None
    if len(found) == 2 and not any(damage.values()):
        one, other = (states.history.at(height, root) for _, states, root in found)
        keys = differing_keys(chain_id, one, other)
    newest = first.chain.newest, second.chain.newest
    return Comparison((first.name, second.name), newest, blocks.height, blocks.found, height, keys, damage)
