"""A chain that arrives from others instead of being executed: its state at an anchor, and what can be looked up before.

Everything is verified before it is written (``chain.proofs.past``, ``chain.state.chunks``), in whatever order and from
whomever it comes, and needs no more memory than one piece of it. It is written into databases of its own. They become a
ledger's once all is there: ``finish`` says so durably, and ``chain.ledger`` opens them like any other.

What survives a crash: what was written, up to some piece. Each piece is one batch with the note of how far it leads, so
the same pieces are missing afterwards as are named missing. The anchor stays the same.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from chain.blocks import Block, LedgerTip, block_hash, decode_header
from chain.erasure import ErasedAt, payload_erased, payloads_rejected, records_erased
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.packages import BlockPackage, open_package, verify_erased
from chain.primitives.crypto import Hash
from chain.primitives.encoding import Value, decode, encode
from chain.proofs import history
from chain.proofs.handover import HandOver
from chain.proofs.merkle import leaf_hash, leaf_hashes, node_hash, root_of_leaves
from chain.proofs.past import SPAN_BLOCKS, SPAN_LEVEL, Anchor, Span, span_nodes, verify_span
from chain.proofs.trust import TrustHistory
from chain.proofs.validators import ValidatorsEntry
from chain.recovery import damaged, stored_trust
from chain.state.chunks import StateChunk, place_after, verify_chunk
from chain.state.entries import VALIDATORS_KEY, RecordPlaces, erased_records_key, erasure_key, member_key
from chain.state.members import Member, registered_key
from chain.state.tree import EMPTY, StateTree, hash_of
from chain.storage.blocks import BlockStore, Location, handover_writes, past_mark, past_writes
from chain.storage.database import Database, Write
from chain.storage.head import Head, HeadAnchor
from chain.storage.state import Arriving, StateStore
from chain.transactions.base import CheckedTransaction, ErasedPayload, verify_signed_by

PARTS = 16
"""Of the state's places, by their first four bits: so many chunks can be asked for at once."""
_PART_BITS = 252
_ARRIVING = b"marriving"

ReadEntry = Callable[[bytes], bytes | None]
"""Value of a state key."""


class Stretch(NamedTuple):
    """A stretch of the state that is missing."""

    part: int
    first: bytes
    """Place of its beginning."""
    until: bytes
    """Place of its end."""


class Arrival:
    """See the module. Not thread-safe.

    Args:
        genesis: of the chain.
        blocks: database of the block store to be.
        states: database of the state store to be.
    """

    def __init__(self, genesis: Genesis, blocks: Database, states: Database) -> None:
        self._genesis = genesis
        self._chain_id = genesis.chain_id
        self._databases = blocks, states
        self.blocks = BlockStore(blocks)
        self.states = StateStore(states, self._chain_id)
        self.anchor: Anchor | None = None
        """What all is verified against; None before ``begin``."""
        self.height = 0
        """Of the anchor."""
        self.trust = TrustHistory(genesis)
        self._missing_spans: dict[int, int] = {}
        """By height of the first block, the place in the span of the first block that is missing."""

    def open(self) -> None:
        """Go on where it was left, or with nothing.

        Raises:
            PoolError: codes ``wrong_data_folder``, ``database_version``, ``database_damaged``.
        """
        self.blocks.open(self._chain_id)
        data = self._databases[0].get(_ARRIVING)
        if data is not None:
            self.anchor, self.trust = decode(Anchor, data), stored_trust(self.blocks, self._genesis)
            self.height = decode_header(self.anchor.header).height
            self._missing_spans = {first: 0 for first in range(0, self.height, SPAN_BLOCKS) if not self._has(first)}
            self._end_state()  # a crash may have come between the last chunk and this

    def begin(self, anchor: Anchor, trust: TrustHistory) -> None:
        """Forget all that is here, and begin with an anchor.

        Args:
            anchor: verified.
            trust: the history that it was verified with.
        """
        for database in self._databases:
            database.clear()
        self.blocks.open(self._chain_id)
        self.states.clear()
        self.states.arrive(None, Arriving(EMPTY, 0, tuple(_stretch(part)[0] for part in range(PARTS))))
        self.height = decode_header(anchor.header).height
        batch: list[Write] = []
        for handover in trust.handovers_until(self.height):
            batch += handover_writes(decode_header(handover.header).height, handover)
        kept = Anchor((), anchor.header, anchor.certificate, anchor.peaks)
        self._databases[0].write([*batch, (_ARRIVING, encode(kept))], sync=True)
        self.open()

    # What is missing

    def missing_state(self) -> list[Stretch]:
        """The stretches of the state that are missing, at most one a part."""
        arriving = self.states.arriving()
        following = () if arriving is None else arriving.following
        return [Stretch(part, first, _stretch(part)[1]) for part, first in enumerate(following) if first]

    def missing_spans(self) -> list[tuple[int, int]]:
        """The spans that are missing: height of the first block, and place of the first one that is."""
        return list(self._missing_spans.items())

    def next_span(self) -> tuple[int, int] | None:
        """One of them; None if none is."""
        return next(iter(self._missing_spans.items()), None)

    @property
    def has_everything(self) -> bool:
        """Whether all but the anchor's own block is here."""
        return self.anchor is not None and not self._missing_spans and not self.missing_state()

    @property
    def share_done(self) -> float:
        """How much is here, from 0 to 1: half of it is the state, half the past."""
        if self.anchor is None:
            return 0.0
        left = sum(
            int.from_bytes(until, "big") - int.from_bytes(first, "big") for _, first, until in self.missing_state()
        )
        spans = len(self._missing_spans) * SPAN_BLOCKS / self.height
        return 1 - left / (1 << _PART_BITS) / PARTS / 2 - spans / 2

    # Taking pieces

    def take_chunk(self, stretch: Stretch, chunk: StateChunk) -> None:
        """Verify a chunk that begins where a missing stretch does, and write it.

        Raises:
            PoolError: code ``bad_proof``.
        """
        anchor, arriving = self._expect(), self.states.arriving()
        root = decode_header(anchor.header).state_root
        verify_chunk(self._chain_id, root, stretch.first, stretch.until, chunk)
        if arriving is None or arriving.following[stretch.part] != stretch.first:
            return  # another peer was faster
        update = self._tree.update(arriving.root, dict(chunk.entries), self.height, arriving.nodes)
        following = list(arriving.following)
        following[stretch.part] = b"" if chunk.until == stretch.until else place_after(chunk.until)
        made = arriving.nodes + len(update.nodes)
        self.states.arrive(update, Arriving(update.root, made, tuple(following)))
        self._end_state()

    def _end_state(self) -> None:
        """Once all chunks are here, the tree that they make is the state."""
        arriving = self.states.arriving()
        if arriving is not None and not any(arriving.following):
            if hash_of(arriving.root) != decode_header(self._expect().header).state_root:
                raise damaged("the chunks of the state, each verified, make another state")
            self.states.arrive_whole(self.height, arriving.root)

    def take_span(self, first: int, offset: int, span: Span) -> None:
        """Verify a span, and write what came of it.

        Raises:
            PoolError: codes of ``verify_span``.
        """
        found = verify_span(self._chain_id, self._expect(), self.height, first, offset, span)
        if self._missing_spans.get(first) != offset:
            return
        batch: list[Write] = []
        for block in found:
            transactions = zip(block.transactions, block.accepted, strict=True)
            batch += past_writes(block.height, block.header, block.outcomes, transactions)
        end = offset + len(found)
        if end == SPAN_BLOCKS:
            hashes = [block_hash(self._chain_id, header) for header in span.headers]
            batch += [self.blocks.history_write(*node) for node in span_nodes(first, hashes)]
        self._databases[0].write(batch, sync=False)
        if end == SPAN_BLOCKS:
            del self._missing_spans[first]
        else:
            self._missing_spans[first] = end

    def finish(self, package: BlockPackage, anchor: HeadAnchor) -> LedgerTip:
        """Take the anchor's own block, whole, and make all of it durable, HEAD last.

        Raises:
            PoolError: what does not hold of the block.
        """
        head = self.states.head
        if head is None or not self.has_everything:
            raise PoolError(ErrorCode.NOT_READY, "there is more to come")
        tree, root = self._tree, head.reference

        def read(key: bytes) -> bytes | None:
            return tree.get(root, key)

        past = open_past(self.trust, read, package, self.height)
        header = decode_header(past.block.header)
        handover = None
        named = header.next_validators_hash, header.next_version
        if past.block.certificate is not None and named != (header.validators_hash, header.version):
            next_set = decode(ValidatorsEntry, read(VALIDATORS_KEY) or b"")
            handover = HandOver(past.block.header, past.block.certificate, next_set)
        hash_ = block_hash(self._chain_id, past.block.header)
        nodes = [*self._upper_nodes(), *history.nodes_completed_by(self.height, leaf_hash(hash_), self._node)]
        writes = [self.blocks.history_write(*node) for node in nodes]
        self.blocks.append(
            self.height, past.block, past.transactions, writes, past.erased(read), handover, None, sync=False
        )
        self.blocks.sync()
        marks = [(b"manchor", self.height.to_bytes(8, "big")), past_mark(self.height - 1)]
        self._databases[0].write(marks, sync=True)
        anchor.write(Head(self.height, hash_))
        return LedgerTip(self.height, hash_, header, past.block.certificate)

    @property
    def _tree(self) -> StateTree:
        return StateTree(self._chain_id, self.states.view())

    def _expect(self) -> Anchor:
        if self.anchor is None:
            raise PoolError(ErrorCode.NOT_READY, "there is no anchor yet")
        return self.anchor

    def _has(self, first: int) -> bool:
        data = self._databases[0].get(self.blocks.history_write(SPAN_LEVEL, first >> SPAN_LEVEL, b"")[0])
        return data is not None

    def _node(self, level: int, index: int) -> Hash:
        """A history node that is written, or above one."""
        if level <= SPAN_LEVEL:
            return self.blocks.history_node(level, index)
        return node_hash(self._node(level - 1, 2 * index), self._node(level - 1, 2 * index + 1))

    def _upper_nodes(self) -> Iterator[tuple[int, int, Hash]]:
        """The nodes over more than one span."""
        level = SPAN_LEVEL
        nodes = [self.blocks.history_node(level, index) for index in range(self.height >> level)]
        while len(nodes) > 1:
            nodes = [node_hash(left, right) for left, right in zip(nodes[::2], nodes[1::2], strict=False)]
            level += 1
            yield from ((level, index, node) for index, node in enumerate(nodes))


class WholeBlock(NamedTuple):
    """A block of the past with all that belongs to it, verified."""

    height: int
    block: Block
    transactions: list[CheckedTransaction]

    def erased(self, read: ReadEntry) -> list[ErasedAt]:
        """What stays of payloads that came though their parcels, or records of them, are erased in the newest state, or
        rejected.
        """
        erased = payloads_rejected(self.height, self.transactions, self.block.outcomes)
        for index, (checked, outcome) in enumerate(zip(self.transactions, self.block.outcomes, strict=True)):
            if not outcome.is_ok or not _has_more_than_leaves(checked):
                continue
            records = _entry(read, erased_records_key(checked.id), RecordPlaces)
            if read(erasure_key(checked.id)) is not None:
                erased.append(ErasedAt(Location(self.height, index), payload_erased(checked)))
            elif records is not None:
                erased.append(ErasedAt(Location(self.height, index), records_erased(checked, records.places)))
        return erased


def open_past(trust: TrustHistory, read: ReadEntry, package: BlockPackage, height: int) -> WholeBlock:
    """Check a block of the past that is not executed here: certificate, transactions and outcomes under the header's
    roots, payloads, erasures, and every signature.

    Args:
        trust: up to a later block.
        read: reads the state after a later block, which has all members' keys: they stay listed.
        package: the block as it came.
        height: that was asked for.

    Raises:
        PoolError: what does not hold.
    """
    block, transactions = open_package(trust.chain_id, package)
    header = trust.verify_header(block.header, block.certificate)
    if header.height != height:
        raise PoolError(ErrorCode.BAD_BLOCK, f"block {header.height} came instead of block {height}")
    if root_of_leaves(leaf_hashes([encode(outcome) for outcome in block.outcomes])) != header.result_root:
        raise PoolError(ErrorCode.BAD_BLOCK, f"block {height} came with other outcomes")
    if root_of_leaves(leaf_hashes([checked.id for checked in transactions])) != header.tx_root:
        raise PoolError(ErrorCode.BAD_BLOCK, f"block {height} came with other transactions")
    verify_erased(trust, package, block, transactions)
    for checked in transactions:
        sender = checked.header
        member = _entry(read, member_key(sender.member), Member)
        verify_signed_by(checked, registered_key(member, sender.member, sender.key_id).public_key)
    return WholeBlock(height, block, transactions)


def _has_more_than_leaves(checked: CheckedTransaction) -> bool:
    """Whether a parcel came with its payload, or with some records, or with what is kept of a dropped one."""
    kept = None if checked.absent is None else checked.absent.kept
    return checked.type.payload is not None and not (isinstance(kept, ErasedPayload) and not kept.places)


def _entry(read: ReadEntry, key: bytes, type_: type[Value]) -> Value | None:
    value = read(key)
    return None if value is None else decode(type_, value)


def _stretch(part: int) -> tuple[bytes, bytes]:
    """First and last place of a part."""
    return (part << _PART_BITS).to_bytes(32, "big"), ((part + 1 << _PART_BITS) - 1).to_bytes(32, "big")
