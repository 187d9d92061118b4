"""What a ledger knows: its newest block, the state after it, the stored blocks, and what the next block follows."""

from dataclasses import dataclass

from chain.blocks import Block, BlockHeader, FinalHeader, LedgerTip, Outcome, decode_header
from chain.errors import ErrorCode, InvariantBroken, PoolError
from chain.genesis import Genesis
from chain.primitives.encoding import Value, decode
from chain.proofs.receipts import ReceiptMaker
from chain.proofs.trust import TrustHistory
from chain.proofs.validators import ValidatorSet
from chain.protocol import Rules
from chain.recovery import stored_block, stored_header
from chain.state.decoded import DecodedState
from chain.state.entries import (
    PROTOCOL_KEY,
    DatasetEntry,
    DatasetTotals,
    ProtocolEntry,
    dataset_key,
    dataset_totals_key,
    member_key,
)
from chain.state.members import Member, MemberKey, registered_key, signing_key
from chain.state.tree import EMPTY, StateProof, StateTree
from chain.state_history import StateHistory, StateView
from chain.storage.blocks import BlockStore, Location, StoredHead
from chain.storage.database import Database
from chain.storage.state import StateStore
from chain.transactions.base import CheckedTransaction, Header, verify_signed_by


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the chain knew after one block, for any thread: whatever is committed meanwhile, it stays the same."""

    height: int
    state: StateView

    def entry(self, key: bytes, type_: type[Value]) -> Value | None:
        """A decoded state entry, or None."""
        value = self.state.get(key)
        return None if value is None else decode(type_, value)


class LedgerView:
    """Reads a ledger. Readers in other threads use the stores, whose reads are thread-safe.

    Args:
        genesis: of the chain.
        blocks: database of the block store.
        states: database of the state store.
    """

    def __init__(self, genesis: Genesis, blocks: Database, states: Database) -> None:
        self.genesis = genesis
        self.chain_id = genesis.chain_id
        self.blocks = BlockStore(blocks)
        self.states = StateStore(states, self.chain_id)
        self._history = StateHistory(self.chain_id, self.blocks, self.states)
        self.tip = LedgerTip(0, genesis.block_hash, decode_header(genesis.header), None)
        self.trust = TrustHistory(genesis)
        """Every hand-over up to the tip."""
        self._decoded = DecodedState(self._open_tree, EMPTY)
        self._judged: tuple[LedgerTip | None, str | None] = None, None
        """The tip that ``unknown_rules`` was last asked at, and its answer: every message asks."""

    # What the next block follows

    @property
    def validators(self) -> ValidatorSet:
        """Who votes on the block after the tip."""
        return self.trust.validators_at(self.tip.height + 1)

    @property
    def rules(self) -> Rules:
        """The rules that the block after the tip follows; raises ``unknown_protocol``."""
        return self.trust.rules_at(self.tip.height + 1)

    @property
    def unknown_rules(self) -> str | None:
        """Why this program must stop before the next block: it does not know the rules of it. None if it does."""
        tip, unknown = self._judged
        if tip is not self.tip:
            tip, unknown = self.tip, None
            try:
                _ = self.rules
            except PoolError as error:
                unknown = error.detail
            self._judged = tip, unknown
        return unknown

    @property
    def protocol(self) -> ProtocolEntry:
        """What the block after the tip follows, as the state has it."""
        return present(self.entry(PROTOCOL_KEY, ProtocolEntry))

    # Reading

    def state_value(self, key: bytes) -> bytes | None:
        """Value of a state key at the tip."""
        return self._open_tree().get(self.tip.state, key)

    def state_at(self, height: int) -> StateView:
        """The state after the block at ``height``, for any thread. An old one takes some 10 ms to be had again.

        Raises:
            PoolError: code ``not_found`` for a height that is not there; ``not_here_yet`` for one before the state that
                this node has taken from others.
        """
        root = self.header_at(height).state_root
        if height < self.blocks.anchor_height:
            raise _not_here_yet(f"the state after block {height}", height)
        return self._history.at(height, root)

    def snapshot(self) -> Snapshot:
        """The state at the tip. It is for one use, which takes less than the time of ``KEPT_BLOCKS`` blocks."""
        tip, nodes = self.tip, self.states.view()
        return Snapshot(tip.height, StateView(nodes, StateTree(self.chain_id, nodes), tip.state))

    def header_bytes_at(self, height: int) -> bytes:
        """Header of the block at ``height``, encoded; raises as ``block_at``."""
        self._verify_height(height)
        header = self.blocks.header_bytes(height)
        if header is None:
            raise PoolError(ErrorCode.DATABASE_DAMAGED, f"block {height} is missing")
        return header

    def _open_tree(self) -> StateTree:
        """The trees that can be read now."""
        return StateTree(self.chain_id, self.states.view())

    def state_proof(self, key: bytes, height: int | None = None) -> tuple[bytes | None, StateProof]:
        """Value of a state key after the block at ``height`` (the tip by default), and the proof for it.

        Raises:
            PoolError: code ``not_found`` for a height that is not there.
        """
        state = self.state_at(self.tip.height if height is None else height)
        return state.get(key), state.prove(key)

    def header_at(self, height: int) -> BlockHeader:
        """Header of the block at ``height``; raises ``not_found``."""
        return decode_header(self.header_bytes_at(height))

    def final_header_at(self, height: int) -> FinalHeader:
        """Header and certificate of the block at ``height``; raises as ``block_at``."""
        self.verify_here(height)
        return stored_header(self.blocks, height)

    def block_at(self, height: int) -> Block:
        """The block at ``height``; raises ``not_found``, ``not_here_yet``, or ``database_damaged`` if it should be
        there and is not.
        """
        self.verify_here(height)
        return stored_block(self.blocks, height)

    def head_at(self, location: Location) -> StoredHead:
        """Header and signature of a transaction that the index names; raises as ``block_at``."""
        self.verify_here(location.height)
        head = self.blocks.transaction_head(location)
        if head is None:
            raise PoolError(ErrorCode.DATABASE_DAMAGED, f"there is no transaction {location}, which the index names")
        return head

    def outcome_at(self, location: Location) -> Outcome:
        """What became of a transaction; raises ``not_found``, ``database_damaged``."""
        self._verify_height(location.height)
        return self.blocks.outcome(location)

    def receipts_of(self, height: int) -> ReceiptMaker:
        """Makes receipts of the block at ``height``; raises as ``block_at``, and ``not_found`` for genesis."""
        block = self.final_header_at(height)
        return ReceiptMaker(block.header, block.certificate, self.blocks.outcomes(height))

    def verify_here(self, height: int) -> None:
        """Check that a block is here with all that belongs to it; raises ``not_found``, ``not_here_yet``."""
        self._verify_height(height)
        if 0 < height <= self.blocks.past_height:
            raise _not_here_yet(f"block {height}", height)

    def _verify_height(self, height: int) -> None:
        if not 0 <= height <= self.tip.height:
            raise PoolError(ErrorCode.NOT_FOUND, f"no block at height {height}; the newest is {self.tip.height}")

    def member(self, name: str) -> Member | None:
        """A member at the tip."""
        return self.entry(member_key(name), Member)

    def member_at(self, name: str, height: int) -> Member | None:
        """A member after the block at ``height``; raises ``not_found`` for a height that is not there."""
        value = self.state_at(height).get(member_key(name))
        return None if value is None else decode(Member, value)

    def members(self) -> list[Member]:
        """All members at the tip, in order of their names."""
        return [decode(Member, value) for value in self.entries(member_key("")).values()]

    def dataset(self, dataset: str) -> DatasetEntry | None:
        """A catalogue entry at the tip."""
        return self.entry(dataset_key(dataset), DatasetEntry)

    def dataset_totals(self, dataset: str) -> DatasetTotals | None:
        """A dataset's counters at the tip."""
        return self.entry(dataset_totals_key(dataset), DatasetTotals)

    def entry(self, key: bytes, type_: type[Value]) -> Value | None:
        """A decoded state entry at the tip, or None."""
        return self._decoded.reader(self.tip.state)(key, type_)

    def entries(self, prefix: bytes) -> dict[bytes, bytes]:
        """All state entries at the tip whose keys begin with ``prefix``, encoded, in key order."""
        values = ((key, self.state_value(key)) for key in self.states.keys(prefix))
        return {key: value for key, value in values if value is not None}

    def verify_sender(self, checked: CheckedTransaction) -> None:
        """Check that a transaction is signed by a key that may sign in the next block. Nothing else is admitted.

        Raises:
            PoolError: codes ``unknown_member``, ``unknown_key``, ``revoked_key``, ``bad_signature``,
                ``unknown_protocol``; ``malformed`` for a type that the next block's rules do not have.
        """
        self.rules.verify_type(checked)
        header = checked.header
        member = self.member(header.member)
        verify_signed_by(checked, signing_key(member, header.member, header.key_id, self.tip.height + 1))

    def verify_signature(self, checked: CheckedTransaction) -> None:
        """Check that a transaction of a block is signed by a key of its member. Whether that key may still sign is a
        rule of execution: it may have ended while the transaction waited, and then the block holds that outcome.

        Raises:
            PoolError: codes ``unknown_member``, ``unknown_key``, ``bad_signature``.
        """
        verify_signed_by(checked, self.registered_key(checked.header).public_key)

    def registered_key(self, header: Header) -> MemberKey:
        """The key that a transaction names, as the state at the tip has it; raises ``unknown_member``,
        ``unknown_key``.
        """
        return registered_key(self.member(header.member), header.member, header.key_id)


def _not_here_yet(what: str, height: int) -> PoolError:
    return PoolError(ErrorCode.NOT_HERE_YET, f"{what} is not here yet", height=height)


def present(entry: Value | None) -> Value:
    """An entry that genesis has written and nothing removes."""
    if entry is None:
        raise InvariantBroken("the state has lost what the next block follows")
    return entry
