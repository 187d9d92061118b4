"""The ledger of one node: block store, state and HEAD anchor behind one door.

It executes proposals on the parent's state, checks them, commits certified blocks durably, and recovers after a crash.

What survives a crash: a block counts once ``commit`` has returned. ``commit`` writes the block with its certificate,
transactions, changes of the state and index as one synced batch, then HEAD, synced; the state tree is written now and
then, not synced. A crash before the batch leaves the parent as the tip; one between batch and HEAD leaves HEAD one
behind, which ``open`` repairs; a state that is behind is brought up by the changes. In catch-up, where others hold the
blocks, many are written and ``make_durable`` syncs them at once; a crash before that loses some of them, and HEAD is
behind what is left.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

from chain.access.policy import AccessPolicy, MissingEngine
from chain.arrival import WholeBlock, open_past
from chain.blocks import Block, BlockHeader, Certificate, LedgerTip, Outcome, Proposal, block_hash, decode_header
from chain.erasure import (
    ErasedAt,
    ErasedParcelPart,
    Erasing,
    ErasureProof,
    ErasureProofs,
    payloads_erased_by,
    payloads_rejected,
    records_erased,
)
from chain.errors import ErrorCode, InvariantBroken, PoolError
from chain.execution import Executed, Execution
from chain.genesis import Genesis
from chain.ledger_view import LedgerView, present
from chain.limits import LIMITS
from chain.packages import BlockPackage
from chain.primitives.crypto import Hash
from chain.primitives.encoding import decode, encode
from chain.primitives.places import without
from chain.proofs import history
from chain.proofs.handover import HandOver
from chain.proofs.merkle import leaf_hash, leaf_hashes, root_of_leaves
from chain.proofs.validators import ValidatorsEntry, validator_set, verify_certificate
from chain.recovery import damaged, recheck, stored_transactions, stored_trust, tip_at
from chain.state.decoded import is_worth_keeping
from chain.state.entries import (
    PROTOCOL_KEY,
    VALIDATORS_KEY,
    ProtocolEntry,
    RecordPlaces,
    erased_records_key,
    erasure_key,
)
from chain.state.tree import TreeUpdate, hash_of
from chain.state_history import Progress
from chain.storage.blocks import Location
from chain.storage.database import Database
from chain.storage.head import Head, HeadAnchor
from chain.storage.migration import Migration
from chain.transactions.base import CheckedTransaction, DroppedPayload, HeaderType, TransactionType
from chain.transactions.context import BlockSetting, ExecutionContext
from chain.transactions.erase import ERASE


@dataclass(frozen=True, slots=True)
class ExecutedBlock:
    """A block executed on the ledger's tip, not yet final."""

    header: BlockHeader
    proposal: Proposal
    block_hash: Hash
    transactions: tuple[CheckedTransaction, ...]
    outcomes: tuple[Outcome, ...]
    changes: dict[bytes, bytes]
    """New values by state key."""
    update: TreeUpdate
    entries: dict[bytes, object]
    """The small ones among the entries that it changes, decoded."""
    next_validators: ValidatorsEntry
    """Who votes on the next block."""

    def accepted(self, type_: TransactionType[HeaderType]) -> Iterator[tuple[CheckedTransaction, HeaderType]]:
        """Its transactions of a type that took effect, in order, each with its header."""
        for checked, outcome in zip(self.transactions, self.outcomes, strict=True):
            header = type_.of(checked.header)
            if header is not None and outcome.is_ok:
                yield checked, header


class Ledger(LedgerView):
    """See the module. Not thread-safe; readers in other threads use the stores, whose reads are. ``execute`` and
    the checks may run in another thread: what they give is worth something while the tip stays.

    Args:
        genesis: of the chain.
        blocks: database of the block store.
        states: database of the state store.
        anchor: HEAD.
        policy: runs the contracts; by default none can be run, which is an error once one has to be.
    """

    def __init__(
        self,
        genesis: Genesis,
        blocks: Database,
        states: Database,
        anchor: HeadAnchor,
        policy: AccessPolicy | None = None,
    ) -> None:
        super().__init__(genesis, blocks, states)
        self._policy = policy or MissingEngine("this program runs no contracts")
        self._anchor = anchor
        self._migration = Migration(blocks)

    # Opening and closing

    def open(self, progress: Progress | None = None) -> None:
        """Recover: check HEAD against the database, verify the newest blocks, bring the state up to them.

        Args:
            progress: told of blocks whose changes of the state are applied again, or that get a new layout.

        Raises:
            PoolError: codes ``wrong_data_folder``, ``database_version``, ``database_damaged``; to migrate, blocks are
                executed, so also a code that ``is_engine``.
        """
        self.blocks.open(self.chain_id, migrates=True)
        head, last = self._anchor.read(), self.blocks.last_height()
        if last is None and head is not None and head.height > 0:
            raise damaged(f"HEAD is at height {head.height}, but the database is empty")
        if last is None or (last == 0 and head is None):  # a crash at the first start leaves genesis without HEAD
            self._write_genesis()
            return
        if head is None:
            raise damaged(f"HEAD is missing, but the database holds {last + 1} blocks")
        if last < head.height:
            raise damaged(f"HEAD is at height {head.height}, but the database ends at {last}: blocks were lost")
        if self._migration.is_needed:
            self._migrate(last, progress)
        self.tip, self.trust = recheck(self.blocks, self.genesis, head, last)
        if last > head.height:
            self._anchor.write(Head(self.tip.height, self.tip.block_hash))
        self._recover_state(progress)

    def close(self) -> None:
        """Release all files."""
        self.blocks.close()
        self.states.close()
        self._anchor.close()

    # Making blocks

    def execute(self, transactions: Sequence[CheckedTransaction], time_ms: int, proposer: str) -> ExecutedBlock:
        """Make the next block of ``transactions``. Their senders and payloads must have been verified.

        Args:
            transactions: candidates in order; contract calls beyond what a block may hold are left out.
            time_ms: raised to the parent's if it is less.
            proposer: the member that proposes the block.

        Raises:
            PoolError: a code that ``is_engine`` or ``is_storage`` if this machine has failed.
        """
        return self._execute(self.tip, Execution.select, transactions, time_ms, proposer)

    def _execute(
        self,
        tip: LedgerTip,
        run: Callable[[Execution, Sequence[CheckedTransaction]], Executed],
        candidates: Sequence[CheckedTransaction],
        time_ms: int,
        proposer: str,
    ) -> ExecutedBlock:
        """Execute a block on top of ``tip``."""
        height, time_ms = tip.height + 1, max(time_ms, tip.header.time_ms)
        read = self._decoded.reader(tip.state)
        rules, validators = self.trust.rules_at(height), self.trust.validators_at(height)
        protocol = present(read(PROTOCOL_KEY, ProtocolEntry))
        setting = BlockSetting(height, time_ms, validators, protocol, rules.limits)
        contracts = None if protocol.engine is None else self._policy.open_block(protocol.engine)
        try:
            find_parcel = partial(self.blocks.parcel, until_height=tip.height)
            context = ExecutionContext(self.chain_id, read, setting, contracts, find_parcel)
            execution = rules.execution(context)
            transactions, outcomes = run(execution, candidates)
        finally:
            if contracts is not None:
                contracts.close()
        changes = execution.changes
        update = self._open_tree().update(tip.state, dict(changes), height)
        small = {key: entry for key, entry in execution.entries.items() if is_worth_keeping(key, changes[key])}
        ids = tuple(checked.id for checked in transactions)
        next_set = present(execution.read(VALIDATORS_KEY, ValidatorsEntry))
        is_same = next_set is validators.entry or next_set == validators.entry
        header = BlockHeader(
            version=rules.version,
            height=height,
            parent_hash=tip.block_hash,
            time_ms=time_ms,
            proposer=proposer,
            transaction_count=len(ids),
            tx_root=root_of_leaves(leaf_hashes(ids)),
            result_root=root_of_leaves(leaf_hashes([encode(outcome) for outcome in outcomes])),
            state_root=hash_of(update.root),
            history_root=history.root_at(height, self.blocks.history_node),
            validators_hash=validators.hash(self.chain_id),
            next_validators_hash=(validators if is_same else validator_set(next_set)).hash(self.chain_id),
            next_version=present(execution.read(PROTOCOL_KEY, ProtocolEntry)).version,
        )
        data = encode(header)
        hash_ = block_hash(self.chain_id, data)
        return ExecutedBlock(
            header, Proposal(data, ids), hash_, transactions, outcomes, changes, update, small, next_set
        )

    def check(
        self,
        proposal: Proposal,
        transactions: Sequence[CheckedTransaction],
        now_ms: int | None,
        uncommitted: Container[Hash] = frozenset(),
    ) -> ExecutedBlock:
        """Execute a proposal and compare every field with what it should be.

        Args:
            proposal: what was proposed for the height after the tip.
            transactions: its transactions in order, senders and payloads verified.
            now_ms: this node's clock, or None for a block that a quorum has vouched for already.
            uncommitted: ids that the caller knows not to be in the chain; the index is not asked for them.

        Raises:
            PoolError: code ``bad_block``; ``unknown_protocol``; a code that ``is_engine`` or ``is_storage`` if this
                machine has failed.
        """
        rules = self.rules
        limits = rules.limits
        header, tip = decode_header(proposal.header), self.tip
        if header.height != tip.height + 1 or header.parent_hash != tip.block_hash:
            raise _bad_block(f"height {header.height} does not follow {tip.height}")
        if header.time_ms < tip.header.time_ms:
            raise _bad_block("its time is before its parent's")
        if now_ms is not None:
            verify_clock(header, now_ms)
        if header.proposer not in self.validators:
            raise _bad_block(f"its proposer {header.proposer} is no validator")
        ids = proposal.transaction_ids
        if not ids:
            raise _bad_block("it holds no transaction: a primary could fill the chain with nothing")
        if len(set(ids)) != len(ids) or any(
            id_ not in uncommitted and self.blocks.location(id_) is not None for id_ in ids
        ):
            raise _bad_block("a transaction is in the chain already")
        try:
            for checked in transactions:
                rules.verify_type(checked)
        except PoolError as error:
            raise _bad_block(error.detail) from None
        if sum(checked.block_size_bytes for checked in transactions) > limits.block_size_bytes:
            raise _bad_block(f"its transactions are larger than {limits.block_size_bytes} bytes")
        executed = self._execute(tip, Execution.run, transactions, header.time_ms, header.proposer)
        if executed.proposal != proposal:
            fields = [
                name for name in header.__struct_fields__ if getattr(header, name) != getattr(executed.header, name)
            ]
            raise _bad_block(f"executing it gives another {', '.join(fields) or 'transaction list'}")
        return executed

    def commit(self, executed: ExecutedBlock, certificate: Certificate, *, durable: bool = True) -> None:
        """Make a certified block the tip. Durable when this returns, or with the next ``make_durable``.

        Raises:
            PoolError: codes ``disk_full``, ``storage_failed``. The process must stop: what is on disk is unknown.
        """
        height = executed.header.height
        if height != self.tip.height + 1 or certificate.block_hash != executed.block_hash:
            raise InvariantBroken(f"block {height} committed on top of {self.tip.height}")
        handover = handed_over(executed, certificate)
        if handover is not None:
            self.trust.extend(handover)
        block = Block(executed.proposal.header, certificate, executed.outcomes)
        nodes = history.nodes_completed_by(height, leaf_hash(executed.block_hash), self.blocks.history_node)
        writes = [self.blocks.history_write(*node) for node in nodes]
        erased = self._erased_by(executed)
        changes = executed.changes
        self.blocks.append(height, block, executed.transactions, writes, erased, handover, changes, sync=durable)
        if durable:
            self._anchor.write(Head(height, executed.block_hash))
        self._move_on(executed, certificate)
        if self.states.is_due:
            if not durable:
                self.make_durable()
            self.states.flush()

    def _move_on(self, executed: ExecutedBlock, certificate: Certificate | None) -> None:
        parent, update = self.tip, executed.update
        self.states.add(executed.header.height, update)
        self.tip = LedgerTip(executed.header.height, executed.block_hash, executed.header, certificate, update.root)
        self._decoded.move_on(parent.state, update.root, update.changes, executed.entries)

    def _erased_by(self, executed: ExecutedBlock) -> list[ErasedAt]:
        height, erasures = executed.header.height, dict[Hash, Erasing]()
        for _, header in executed.accepted(ERASE):
            before, parcel = erasures.get(header.parcel), header.parcel
            is_whole = not header.records or (before is not None and before.is_whole)
            erasures[parcel] = Erasing(self._erased_records(parcel, executed.changes), is_whole)
        rejected = payloads_rejected(height, executed.transactions, executed.outcomes)
        try:
            return rejected + payloads_erased_by(self.chain_id, self.blocks, height, executed.transactions, erasures)
        except PoolError as error:
            raise damaged(f"a payload that is to be erased: {error.detail}") from None

    def _erased_records(self, parcel: Hash, changes: Mapping[bytes, bytes] = MappingProxyType({})) -> bytes:
        """Places of a parcel's records that were erased one by one, after the tip and with some changes of it."""
        key = erased_records_key(parcel)
        value = changes.get(key) or self.state_value(key)
        return decode(RecordPlaces, value).places if value is not None else b""

    def prove_erasures(self, parts: Sequence[ErasedParcelPart]) -> ErasureProofs | None:
        """Proof that parcels, or records of them, were erased up to the tip; None if one was not. Any thread may ask
        for it.
        """
        tip, proofs = self.tip, list[ErasureProof]()
        state = self.state_at(tip.height)
        for part in parts:
            key = erased_records_key(part.parcel) if part.places else erasure_key(part.parcel)
            value = state.get(key)
            places = decode(RecordPlaces, value).places if part.places and value is not None else b""
            if tip.certificate is None or value is None or without(part.places, places):
                return None
            proofs.append(ErasureProof(places, state.prove(key)))
        return ErasureProofs(encode(tip.header), tip.certificate, tuple(proofs)) if tip.certificate else None

    def restore(self, payloads: Sequence[tuple[Location, CheckedTransaction]]) -> set[Location]:
        """Keep payloads that were dropped and have come from others, verified, but for the records that are erased by
        now. One of which more is gone than is erased here is not taken: this node may have to catch up first.

        Returns:
            The places of those that were taken.
        """
        taken = []
        for location, checked in payloads:
            kept = None if checked.absent is None else checked.absent.kept
            erased = self._erased_records(checked.id)
            if isinstance(kept, DroppedPayload) or (kept is not None and without(kept.places, erased)):
                continue
            left = records_erased(checked, erased) if erased else checked.transaction.payload
            if not isinstance(left, DroppedPayload):
                taken.append((location, left))
        self.blocks.restore(taken)
        return {location for location, _ in taken}

    def open_past(self, package: BlockPackage, height: int) -> WholeBlock:
        """Verify a block of the past that came from elsewhere. Any thread may ask.

        Args:
            package: the block as it came.
            height: that was asked for, at most ``blocks.past_height``.

        Raises:
            PoolError: what does not hold of it, codes of ``chain.arrival.open_past``.
        """
        return open_past(self.trust, self.state_at(self.tip.height).get, package, height)

    def fill(self, past: WholeBlock) -> None:
        """Make a block of the past whole. Neither synced nor counted as whole: ``end_past`` says so of many at once."""
        erased = past.erased(self.state_value)
        self.blocks.append(past.height, past.block, past.transactions, (), erased, None, None, sync=False)

    def end_past(self, height: int) -> None:
        """All blocks after the one at ``height`` have been filled: note that, durably."""
        self.blocks.sync()
        self.blocks.end_past(height)

    def make_durable(self) -> None:
        """Bring everything up to the tip to disk, HEAD last: a crash before that leaves HEAD behind, never ahead.

        Raises:
            PoolError: codes ``disk_full``, ``storage_failed``: the process must stop.
        """
        self.blocks.sync()
        self._anchor.write(Head(self.tip.height, self.tip.block_hash))

    def check_certified(
        self,
        block: Block,
        transactions: Sequence[CheckedTransaction],
        *,
        is_certified: bool = False,
        are_signed: bool = False,
    ) -> ExecutedBlock:
        """Verify a block obtained from elsewhere, certificate first, senders and execution after.

        Args:
            block: the block.
            transactions: its transactions in order, payloads verified.
            is_certified: the caller has verified the certificate for the next height and this ledger's validators.
            are_signed: the caller has verified the senders' signatures.

        Raises:
            PoolError: whatever does not hold.
        """
        hash_ = block_hash(self.chain_id, block.header)
        if block.certificate is None:
            raise PoolError(ErrorCode.BAD_CERTIFICATE, "there is none")
        if not is_certified:
            verify_certificate(self.chain_id, block.certificate, self.validators, self.tip.height + 1, hash_)
        if not are_signed:
            for checked in transactions:
                self.verify_signature(checked)
        proposal = Proposal(block.header, tuple(checked.id for checked in transactions))
        executed = self.check(proposal, transactions, None)
        if executed.outcomes != block.outcomes:
            raise _bad_block("its outcomes differ from what execution gives")
        return executed

    # Recovery

    def _write_genesis(self) -> None:
        genesis = self.genesis
        writes = [self.blocks.history_write(0, 0, leaf_hash(genesis.block_hash))]
        self.blocks.append(0, genesis.block, (), writes)
        self._anchor.write(Head(0, genesis.block_hash))
        self._recover_state(None)

    def _migrate(self, last: int, progress: Progress | None) -> None:
        """Give every block the new layout. What it changes of the state is found out by executing it."""
        self.trust = stored_trust(self.blocks, self.genesis)
        first = self._migration.begin()
        self.tip = tip_at(self.blocks, self.chain_id, first)
        self._recover_state(None)
        for height in range(first + 1, last + 1):
            block = self._migration.old_block(height)
            transactions = stored_transactions(self.blocks, self.chain_id, height, block)
            header = decode_header(block.header)
            executed = self._execute(self.tip, Execution.run, transactions, header.time_ms, header.proposer)
            if executed.proposal.header != block.header:
                raise damaged(f"executing block {height} again gives another result")
            self._migration.rewrite(height, block, executed.changes)
            self._move_on(executed, block.certificate)
            if self.states.is_due:
                self.blocks.sync()
                self.states.flush()
            if progress is not None:
                progress(height - first, last - first)
        self._migration.finish()

    def _recover_state(self, progress: Progress | None) -> None:
        self._history.recover(dict(self.genesis.entries), self.tip.height, self._state_root_at, progress)
        self._stand_on_state()

    def _state_root_at(self, height: int) -> Hash:
        """An audit keeps no headers but the genesis file's."""
        header = self.header_at(height) if height else decode_header(self.genesis.header)
        return header.state_root

    def _stand_on_state(self) -> None:
        head = self.states.head
        if head is None or head.root != self.tip.header.state_root:
            raise damaged(f"the state after block {self.tip.height} is missing")
        self.tip = replace(self.tip, state=head.reference)
        self._decoded.start_at(head.reference)


def handed_over(executed: ExecutedBlock, certificate: Certificate) -> HandOver | None:
    """The proof that the block after this one is made by another set, or under other rules; None if it is not."""
    if not executed.header.hands_over:
        return None
    return HandOver(executed.proposal.header, certificate, executed.next_validators)


def verify_clock(header: BlockHeader, now_ms: int) -> None:
    """Check a fresh proposal's time against this node's clock; raises ``bad_block``."""
    if abs(header.time_ms - now_ms) > LIMITS.clock_drift_ms:
        raise _bad_block(f"its time is {abs(header.time_ms - now_ms)} ms from this node's clock")


def _bad_block(detail: str) -> PoolError:
    return PoolError(ErrorCode.BAD_BLOCK, detail)
