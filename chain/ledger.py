"""The ledger of one node: block store, state and HEAD anchor behind one door.

It executes proposals on the parent's state, checks them, commits certified blocks durably, and recovers after a crash.

What survives a crash: a block counts once ``commit`` has returned. ``commit`` writes the state (not synced), then
the block with its certificate, transactions and index as one synced batch, then HEAD, synced. A crash before the
batch leaves the parent as the tip; one between batch and HEAD leaves HEAD one behind, which ``open`` repairs; lost
state is executed again. In catch-up, where others hold the blocks, many are written and ``make_durable`` syncs them
at once; a crash before that loses some of them, and HEAD is behind what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence, Set
from dataclasses import dataclass

from chain.access.policy import AccessPolicy, MissingEngine
from chain.blocks import (
    BLOCK_VERSION,
    Block,
    BlockHeader,
    Certificate,
    Outcome,
    Proposal,
    block_hash,
    decode_header,
)
from chain.erasure import ErasedAt, ErasureProofs, check_stored_erased, payloads_erased_by
from chain.errors import ErrorCode, InvariantBroken, PoolError
from chain.execution import Executed, Execution
from chain.genesis import Genesis
from chain.limits import LIMITS
from chain.primitives.crypto import ZERO_HASH, Hash
from chain.primitives.encoding import Value, encode
from chain.proofs import history
from chain.proofs.merkle import leaf_hash, leaf_hashes, root_of_leaves
from chain.proofs.validators import ValidatorSet, verify_certificate
from chain.state.decoded import SMALL_ENTRY_SIZE_BYTES, DecodedState
from chain.state.entries import DatasetEntry, DatasetUsage, dataset_key, erasure_key, member_key, usage_key
from chain.state.members import Member, registered_key, signing_key
from chain.state.tree import StateProof, StateTree, TreeUpdate
from chain.storage.blocks import BlockStore
from chain.storage.database import Database
from chain.storage.head import Head, HeadAnchor
from chain.storage.state import StateStore
from chain.transactions.base import CheckedTransaction, verify_signed_by
from chain.transactions.registry import check_stored

RECHECKED_BLOCKS = 64
"""How many of the newest blocks are verified at every start."""


@dataclass(frozen=True, slots=True)
class ExecutedBlock:
    """A block executed on the ledger's tip, not yet final."""

    header: BlockHeader
    proposal: Proposal
    block_hash: Hash
    transactions: tuple[CheckedTransaction, ...]
    outcomes: tuple[Outcome, ...]
    update: TreeUpdate
    entries: dict[bytes, object]
    """The small ones among the entries that it changes, decoded."""


@dataclass(frozen=True, slots=True)
class LedgerTip:
    """The newest block. It is durable, unless it was committed without and ``make_durable`` is still to come."""

    height: int
    block_hash: Hash
    header: BlockHeader
    certificate: Certificate | None
    """None for genesis."""


Progress = Callable[[int, int], None]
"""(blocks done, blocks in all)."""


class Ledger:
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
        self.genesis = genesis
        self.chain_id = genesis.chain_id
        self._policy = policy or MissingEngine("this program runs no contracts")
        self.blocks = BlockStore(blocks)
        self.states = StateStore(states)
        self.tree = StateTree(self.chain_id, self.states)
        self._anchor = anchor
        self.tip = LedgerTip(0, genesis.block_hash, decode_header(genesis.header), None)
        self.validators: ValidatorSet = genesis.validators
        self._decoded = DecodedState(self.tree, self.tip.header.state_root)

    # Opening and closing

    def open(self, progress: Progress | None = None) -> None:
        """Recover: check HEAD against the database, verify the newest blocks, bring the state up to them.

        Args:
            progress: told of blocks that are executed again.

        Raises:
            PoolError: codes ``wrong_data_folder``, ``database_version``, ``database_damaged``.
        """
        self.blocks.open(self.chain_id)
        head, last = self._anchor.read(), self.blocks.last_height()
        if last is None and head is not None and head.height > 0:
            raise _damaged(f"HEAD is at height {head.height}, but the database is empty")
        if last is None or (last == 0 and head is None):  # a crash at the first start leaves genesis without HEAD
            self._write_genesis()
            return
        if head is None:
            raise _damaged(f"HEAD is missing, but the database holds {last + 1} blocks")
        if last < head.height:
            raise _damaged(f"HEAD is at height {head.height}, but the database ends at {last}: blocks were lost")
        if (gap := self.blocks.first_gap()) is not None:
            raise _damaged(f"block {gap} is missing")
        self._recheck(max(0, min(head.height, last - RECHECKED_BLOCKS)), last, head)
        if last > head.height:
            self._anchor.write(Head(self.tip.height, self.tip.block_hash))
        self._recover_state(progress)

    def close(self) -> None:
        """Release all files."""
        self.blocks.close()
        self.states.close()
        self._anchor.close()

    # Reading

    def state_value(self, key: bytes) -> bytes | None:
        """Value of a state key at the tip."""
        return self.tree.get(self.tip.header.state_root, key)

    def state_proof(self, key: bytes, height: int | None = None) -> tuple[bytes | None, StateProof]:
        """Value of a state key after the block at ``height`` (the tip by default), and the proof for it.

        Raises:
            PoolError: code ``not_found`` for a height that is not there.
        """
        root = self.tip.header.state_root if height is None else self.header_at(height).state_root
        return self.tree.get(root, key), self.tree.prove(root, key)

    def header_at(self, height: int) -> BlockHeader:
        """Header of the block at ``height``; raises ``not_found``."""
        return decode_header(self.block_at(height).header)

    def block_at(self, height: int) -> Block:
        """The block at ``height``; raises ``not_found``, or ``database_damaged`` if it should be there and is not."""
        if not 0 <= height <= self.tip.height:
            raise PoolError(ErrorCode.NOT_FOUND, f"no block at height {height}; the newest is {self.tip.height}")
        return self._stored_block(height)

    def member(self, name: str) -> Member | None:
        """A member at the tip."""
        return self.entry(member_key(name), Member)

    def dataset(self, dataset: str) -> DatasetEntry | None:
        """A catalogue entry at the tip."""
        return self.entry(dataset_key(dataset), DatasetEntry)

    def usage(self, dataset: str) -> DatasetUsage | None:
        """A dataset's counters at the tip."""
        return self.entry(usage_key(dataset), DatasetUsage)

    def entry(self, key: bytes, type_: type[Value]) -> Value | None:
        """A decoded state entry at the tip, or None."""
        return self._decoded.reader(self.tip.header.state_root)(key, type_)

    def entries(self, prefix: bytes) -> list[bytes]:
        """Values of all state entries at the tip whose keys begin with ``prefix``, in key order."""
        keys = self.states.keys(prefix)
        values = (self.state_value(key) for key in keys)
        return [value for value in values if value is not None]

    def verify_sender(self, checked: CheckedTransaction) -> None:
        """Check that a transaction is signed by a key that may sign in the next block: what is new is taken in so only.

        Raises:
            PoolError: codes ``unknown_member``, ``unknown_key``, ``revoked_key``, ``bad_signature``.
        """
        header = checked.header
        member = self.member(header.member)
        verify_signed_by(checked, signing_key(member, header.member, header.key_id, self.tip.height + 1))

    def verify_signature(self, checked: CheckedTransaction) -> None:
        """Check that a transaction of a block is signed by a key of its member. Whether that key may still sign is a
        rule of execution: it may have ended while the transaction waited, and then the block holds that outcome.

        Raises:
            PoolError: codes ``unknown_member``, ``unknown_key``, ``bad_signature``.
        """
        header = checked.header
        key = registered_key(self.member(header.member), header.member, header.key_id)
        verify_signed_by(checked, key.public_key)

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
        read = self._decoded.reader(tip.header.state_root)
        contracts = self._policy.open_block() if self.genesis.engine is not None else None
        try:
            execution = Execution(
                self.chain_id, read, self.validators, contracts, self.blocks.dataset_of, height, time_ms
            )
            transactions, outcomes = run(execution, candidates)
        finally:
            if contracts is not None:
                contracts.close()
        changes = execution.changes
        update = self.tree.update(tip.header.state_root, dict(changes))
        small = {key: entry for key, entry in execution.entries.items() if len(changes[key]) <= SMALL_ENTRY_SIZE_BYTES}
        ids = tuple(checked.id for checked in transactions)
        header = BlockHeader(
            version=BLOCK_VERSION,
            height=height,
            parent_hash=tip.block_hash,
            time_ms=time_ms,
            proposer=proposer,
            transaction_count=len(ids),
            tx_root=root_of_leaves(leaf_hashes(ids)),
            result_root=root_of_leaves(leaf_hashes([encode(outcome) for outcome in outcomes])),
            state_root=update.root,
            history_root=history.root_at(height, self.blocks.history_node),
            validators_hash=self.validators.hash(self.chain_id),
        )
        data = encode(header)
        hash_ = block_hash(self.chain_id, data)
        return ExecutedBlock(header, Proposal(data, ids), hash_, transactions, outcomes, update, small)

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
            PoolError: code ``bad_block``; a code that ``is_engine`` or ``is_storage`` if this machine has failed.
        """
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
        if sum(checked.size_bytes for checked in transactions) > LIMITS.block_size_bytes:
            raise _bad_block(f"its transactions are larger than {LIMITS.block_size_bytes} bytes")
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
        self.states.commit(height, executed.update)
        block = Block(executed.proposal.header, certificate, executed.outcomes)
        nodes = history.nodes_completed_by(height, leaf_hash(executed.block_hash), self.blocks.history_node)
        writes = [self.blocks.history_write(*node) for node in nodes]
        erased = self._erased_by(executed)
        self.blocks.append(height, block, executed.transactions, writes, erased, sync=durable)
        if durable:
            self._anchor.write(Head(height, executed.block_hash))
        parent_root, root = self.tip.header.state_root, executed.header.state_root
        self.tip = LedgerTip(height, executed.block_hash, executed.header, certificate)
        self._decoded.move_on(parent_root, root, executed.update.keys, executed.entries)

    def _erased_by(self, executed: ExecutedBlock) -> list[ErasedAt]:
        try:
            return payloads_erased_by(self.blocks, executed.header.height, executed.transactions, executed.outcomes)
        except PoolError as error:
            raise _damaged(f"a payload that is to be erased: {error.detail}") from None

    def prove_erasures(self, parcels: Sequence[Hash]) -> ErasureProofs | None:
        """Proof that parcels, named by their ids, were erased up to the tip; None if one was not. Any thread may ask
        for it.
        """
        tip = self.tip
        root, keys = tip.header.state_root, [erasure_key(parcel) for parcel in parcels]
        if tip.certificate is None or any(self.tree.get(root, key) is None for key in keys):
            return None
        return ErasureProofs(encode(tip.header), tip.certificate, tuple(self.tree.prove(root, key) for key in keys))

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
        verified: Set[Hash] = frozenset(),
        *,
        is_certified: bool = False,
    ) -> ExecutedBlock:
        """Verify a block obtained from elsewhere, certificate first, senders and execution after.

        Args:
            block: the block.
            transactions: its transactions in order, payloads verified.
            verified: ids of those whose senders the caller has verified before.
            is_certified: the caller has verified the certificate for the next height and this ledger's validators.

        Raises:
            PoolError: whatever does not hold.
        """
        hash_ = block_hash(self.chain_id, block.header)
        if block.certificate is None:
            raise PoolError(ErrorCode.BAD_CERTIFICATE, "there is none")
        if not is_certified:
            verify_certificate(self.chain_id, block.certificate, self.validators, self.tip.height + 1, hash_)
        for checked in transactions:
            if checked.id not in verified:
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
        self.states.commit(0, self.tree.update(ZERO_HASH, dict(genesis.entries)))
        self.blocks.append(0, genesis.block, (), writes)
        self._anchor.write(Head(0, genesis.block_hash))

    def _recheck(self, first: int, last: int, head: Head) -> None:
        """Verify the blocks ``first`` to ``last`` as far as they can be without executing them, and set the tip."""
        parent: Hash | None = None
        for height in range(first, last + 1):
            block = self.blocks.block(height)
            if block is None:
                raise _damaged(f"block {height} is missing")
            header, hash_ = decode_header(block.header), block_hash(self.chain_id, block.header)
            if header.height != height or (parent is not None and header.parent_hash != parent):
                raise _damaged(f"block {height} does not follow its parent")
            if height == head.height and hash_ != head.block_hash:
                raise _damaged(f"block {height} is not the one that HEAD names")
            try:
                self._recheck_content(height, header, block, hash_)
            except PoolError as error:
                raise _damaged(f"block {height}: {error.detail}") from None
            self.tip = LedgerTip(height, hash_, header, block.certificate)
            parent = hash_

    def _recheck_content(self, height: int, header: BlockHeader, block: Block, hash_: Hash) -> None:
        if height == 0:
            if hash_ != self.genesis.block_hash:
                raise _damaged("it is not the genesis block")
            return
        if block.certificate is None:
            raise _damaged("its certificate is missing")
        verify_certificate(self.chain_id, block.certificate, self.validators, height, hash_)
        ids = []
        for checked in self._stored_transactions(height, block):
            ids.append(checked.id)
            if self.blocks.location(checked.id) is None:
                raise _damaged("a transaction is missing from the index")
        if root_of_leaves(leaf_hashes(ids)) != header.tx_root:
            raise _damaged("its transactions are not the ones that were committed")
        if history.root_at(height, self.blocks.history_node) != header.history_root:
            raise _damaged("the history tree does not match")

    def _recover_state(self, progress: Progress | None) -> None:
        """Execute the blocks that the state database has not seen, from genesis if it is empty or of no use."""
        target = self.tip
        found = self.states.head()
        start = min(found.height, target.height) if found else 0
        if found is None or not self.tree.is_complete(self.header_at(start).state_root):
            start = 0
            self.states.commit(0, self.tree.update(ZERO_HASH, dict(self.genesis.entries)))
        for height in range(start + 1, target.height + 1):
            self._set_tip(height - 1)
            self._replay(height)
            if progress is not None:
                progress(height - start, target.height - start)
        self.tip = target
        self._decoded.start_at(target.header.state_root)

    def _replay(self, height: int) -> None:
        block = self._stored_block(height)
        transactions = self._stored_transactions(height, block)
        header = decode_header(block.header)
        executed = self._execute(self.tip, Execution.run, transactions, header.time_ms, header.proposer)
        if executed.proposal.header != block.header:
            raise _damaged(f"executing block {height} again gives another result")
        self.states.commit(height, executed.update)

    def _stored_transactions(self, height: int, block: Block) -> list[CheckedTransaction]:
        """The transactions of a block, payloads verified; of erased ones what stays of them."""
        erased = self.blocks.erased_payloads(height)
        found = []
        for index, transaction in enumerate(self.blocks.transactions(height)):
            if index in erased and index < len(block.outcomes):
                found.append(check_stored_erased(self.chain_id, transaction, erased[index], block.outcomes[index]))
            else:
                found.append(check_stored(self.chain_id, transaction))
        return found

    def _stored_block(self, height: int) -> Block:
        """The block at ``height``, whatever the tip is while recovering."""
        block = self.blocks.block(height)
        if block is None:
            raise _damaged(f"block {height} is missing")
        return block

    def _set_tip(self, height: int) -> None:
        block = self._stored_block(height)
        hash_ = block_hash(self.chain_id, block.header)
        self.tip = LedgerTip(height, hash_, decode_header(block.header), block.certificate)


def verify_clock(header: BlockHeader, now_ms: int) -> None:
    """Check a fresh proposal's time against this node's clock; raises ``bad_block``."""
    if abs(header.time_ms - now_ms) > LIMITS.clock_drift_ms:
        raise _bad_block(f"its time is {abs(header.time_ms - now_ms)} ms from this node's clock")


def _damaged(detail: str) -> PoolError:
    return PoolError(ErrorCode.DATABASE_DAMAGED, detail)


def _bad_block(detail: str) -> PoolError:
    return PoolError(ErrorCode.BAD_BLOCK, detail)
