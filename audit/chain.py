"""Audit of a whole chain: every block, from genesis on, verified and executed as a validator would, trusting nobody.

For each block, in this order:

1. the package decodes canonically and every payload matches its signed root (each record hashed again), or, where it
   was erased, the leaves that stay of it do;
2. a quorum of that height's validators signed the block's hash;
3. every transaction is signed by a key that its member's entry allowed at that height;
4. the block follows its parent: height, parent hash, time, proposer; no transaction stands in the chain twice;
5. executing it on the state after its parent gives the same outcomes and every root in its header.

The first thing that does not hold ends the audit, with two exceptions that are counted: a payload that is not the one
that was signed, and one that is not there although nothing later in the chain erases it. What its block did is certain
all the same: the leaves are signed, outcome and state certified. So it is where the source says that it leaves payloads
to others (``node.payloads``), which is no fault and has a count of its own.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from audit.store import AuditProgress, AuditStore, IndexStore
from chain.access.policy import AccessPolicy
from chain.blocks import Block, LedgerTip, Outcome, block_hash, decode_header
from chain.erasure import bodies_left, places_gone
from chain.errors import ErrorCode, PoolError
from chain.examination.facts import BlockFacts, open_examined
from chain.genesis import Genesis
from chain.ledger import ExecutedBlock, Ledger
from chain.packages import BlockPackage, open_package
from chain.primitives.crypto import Hash
from chain.primitives.encoding import Value, decode, encode
from chain.primitives.places import count_of, left_after
from chain.recovery import stored_trust
from chain.storage.head import MemoryHead
from chain.transactions.base import CheckedTransaction, DroppedPayload
from chain.transactions.erase import ERASE
from chain.transactions.parcel import PARCEL

PARCELS_NAMED = 100
"""Parcels with wrong payloads that an audit names; it counts them all."""


@dataclass
class AuditReport:
    """What has been verified so far. Counts, never one green tick."""

    height: int = 0
    """Last block verified."""
    block_hash: bytes = b""
    time_ms: int = 0
    """That block's time: how old the chain is that was given."""
    blocks: int = 0
    transactions: int = 0
    records: int = 0
    """Records in all parcels: ``verified + erased + rejected + not kept + missing + wrong``."""
    record_bytes: int = 0
    """Bytes of those that were verified."""
    records_wrong: int = 0
    """Records of parcels whose payload is not the one that was signed."""
    wrong_parcels: list[Hash] = field(default_factory=list)
    """Ids of the first of those parcels, at most ``PARCELS_NAMED``."""
    records_erased: Counter[str] = field(default_factory=Counter)
    """Records whose bodies were not there because they or their parcel were erased, by legal basis."""
    records_rejected: int = 0
    """Records of parcels that were rejected: no node keeps their bodies."""
    records_not_kept: int = 0
    """Records whose bodies the source does not keep, and says so; others have them."""
    awaiting_erasure: dict[Hash, bytes] = field(default_factory=dict)
    """Parcels that came without records whose erasure has not been met so far: the places of these, by id."""
    certificate_signatures: int = 0
    transaction_signatures: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """Transactions by outcome code."""
    records_by_dataset: Counter[str] = field(default_factory=Counter)
    """Accepted records by dataset."""
    verdicts: Counter[str] = field(default_factory=Counter)
    """Verdicts on requests to read: ``allow``, ``deny``, ``ask``; those that needed no contract included."""
    contract_calls: int = 0
    """Contracts run again: to decide, or to see that one can be deployed."""
    fuel: int = 0
    """Spent on those calls."""

    @property
    def records_missing(self) -> int:
        """Records whose bodies were not there although nothing up to here has erased them."""
        return sum(map(count_of, self.awaiting_erasure.values()))

    @property
    def records_hash_only(self) -> int:
        """Records that could be verified by their leaf hash alone: erased, rejected, not kept or missing."""
        return self.records_erased.total() + self.records_rejected + self.records_not_kept + self.records_missing

    @property
    def records_verified(self) -> int:
        """Records whose bodies were hashed again."""
        return self.records - self.records_hash_only - self.records_wrong

    @property
    def is_complete(self) -> bool:
        """Whether every record is what was signed, was erased or rejected, or is left to others. Known once the chain
        has been read to its end.
        """
        return not self.records_wrong and not self.awaiting_erasure

    def count(self, executed: ExecutedBlock) -> None:
        """Count a block that holds."""
        self.height, self.block_hash = executed.header.height, executed.block_hash
        self.time_ms = executed.header.time_ms
        self.blocks += 1
        self.transactions += len(executed.transactions)
        self.transaction_signatures += len(executed.transactions)
        for checked, outcome in zip(executed.transactions, executed.outcomes, strict=True):
            self.outcomes[outcome.code] += 1
            self._count_records(checked, outcome)
            self._count_access(outcome)
        for _, parcel in executed.accepted(PARCEL):
            self.records_by_dataset[parcel.dataset] += parcel.record_count
        for _, erasure in executed.accepted(ERASE):
            awaiting = self.awaiting_erasure.pop(erasure.parcel, b"")
            left = left_after(awaiting, erasure.records)
            if left:
                self.awaiting_erasure[erasure.parcel] = left
            if records := count_of(awaiting) - count_of(left):
                self.records_erased[erasure.legal_basis] += records

    def _count_records(self, checked: CheckedTransaction, outcome: Outcome) -> None:
        self.records += checked.record_count
        if checked.absent is None:
            self.record_bytes += checked.records_size_bytes
        elif checked.absent.kept is None:
            self.records_wrong += checked.record_count
            if len(self.wrong_parcels) < PARCELS_NAMED:
                self.wrong_parcels.append(checked.id)
        elif not outcome.is_ok:
            self.records_rejected += checked.record_count
        elif isinstance(checked.absent.kept, DroppedPayload):
            self.records_not_kept += checked.record_count
        else:
            self.awaiting_erasure[checked.id] = places_gone(checked)
            self.record_bytes += sum(len(body) for body in bodies_left(checked) if body is not None)

    def _count_access(self, outcome: Outcome) -> None:
        verdict = outcome.verdict
        if verdict is not None:
            self.verdicts[verdict.verdict] += 1
        if outcome.fuel or (verdict is not None and verdict.contract):
            self.contract_calls += 1
            self.fuel += outcome.fuel


class AuditLedger(Ledger):
    """A ledger that keeps no bodies, over what an audit keeps.

    Args:
        genesis: of the chain.
        store: what is kept.
        policy: runs the contracts.
    """

    def __init__(self, genesis: Genesis, store: AuditStore, policy: AccessPolicy | None) -> None:
        super().__init__(genesis, store.blocks, store.states, MemoryHead(), policy)
        self.blocks = IndexStore(store.blocks)

    def go_on_from(self, progress: AuditProgress) -> None:
        """Take the place that an audit had reached for the tip: it was verified then.

        Raises:
            PoolError: code ``database_damaged`` if the state that belongs to it is missing or cannot be read.
        """
        header = decode_header(progress.header)
        hash_ = block_hash(self.chain_id, progress.header)
        self.trust = stored_trust(self.blocks, self.genesis)
        self.tip = LedgerTip(header.height, hash_, header, progress.certificate)
        self._stand_on_state()
        _ = self.protocol  # raises if the state cannot be read


class ChainAudit:
    """Verifies a chain block by block. Feed it packages from ``next_height`` on, wherever they come from.

    Args:
        genesis: of the chain.
        policy: runs the contracts again; a chain that has none can be audited without.
        on_block: told of every block that holds, such as by a list of reads.
        store: what is kept of the blocks; an audit that was saved there goes on from that place. By default all of it
            is in memory.

    Raises:
        PoolError: codes ``database_damaged``, ``database_version`` if ``store`` holds no audit that can go on.
    """

    def __init__(
        self,
        genesis: Genesis,
        policy: AccessPolicy | None = None,
        on_block: Callable[[ExecutedBlock], None] = lambda block: None,
        store: AuditStore | None = None,
    ) -> None:
        self._genesis = genesis
        self._on_block = on_block
        self._store = store if store is not None else AuditStore(genesis.chain_id)
        self._ledger = AuditLedger(genesis, self._store, policy)
        progress = self._store.progress()
        if progress is None:
            self._ledger.open()
            self.report = AuditReport(block_hash=genesis.block_hash, time_ms=genesis.file.time_ms)
        else:
            self._ledger.go_on_from(progress)
            self.report = decode_report(progress.report)

    @property
    def next_height(self) -> int:
        """Height of the block to be added next; 0 before the genesis block has been compared."""
        return self.report.height + 1 if self.report.blocks else 0

    @property
    def unsaved_bytes(self) -> int:
        """What is in memory until ``save``, roughly."""
        return self._store.unsaved_bytes

    def entry(self, key: bytes, type_: type[Value]) -> Value | None:
        """A state entry after the last block that was verified, or None."""
        return self._ledger.entry(key, type_)

    def value(self, key: bytes) -> bytes | None:
        """An encoded state entry after the last block that was verified, or None."""
        return self._ledger.state_value(key)

    def entries(self, prefix: bytes) -> dict[bytes, bytes]:
        """All state entries after the last block that was verified whose keys begin with ``prefix``, in key order."""
        return self._ledger.entries(prefix)

    def add(self, package: BlockPackage, facts: BlockFacts | None = None) -> None:
        """Verify the next block.

        Args:
            package: the block.
            facts: what ``chain.examination`` has found about this very package at this height: it is taken for
                granted. None to do everything here.

        Raises:
            PoolError: what does not hold, with ``height`` in its context; a code that ``is_engine`` if this machine
                cannot run the chain's contracts, which says nothing about the chain. The audit cannot go on after that.
        """
        height = self.next_height
        try:
            if height == 0:
                self._add_genesis(package)
            else:
                self._add_block(package, facts)
        except PoolError as error:
            raise PoolError(error.code, error.detail, **(error.context | {"height": height})) from None

    def save(self) -> None:
        """Make durable what was verified so far, so that another audit goes on from here.

        Raises:
            PoolError: codes ``disk_full``, ``storage_failed``.
        """
        tip = self._ledger.tip
        self._ledger.states.flush()
        self._store.save(AuditProgress(encode_report(self.report), encode(tip.header), tip.certificate))

    def _add_genesis(self, package: BlockPackage) -> None:
        if decode(Block, package.block) != self._genesis.block or package.transactions:
            raise PoolError(ErrorCode.BAD_BLOCK, "block 0 is not the one that the genesis file gives")
        self.report.blocks = 1

    def _add_block(self, package: BlockPackage, facts: BlockFacts | None) -> None:
        block, executed = self._check(package, facts)
        if block.certificate is None:
            raise PoolError(ErrorCode.BAD_CERTIFICATE, "there is none")
        self._ledger.commit(executed, block.certificate, durable=False)
        self.report.certificate_signatures += len(block.certificate.votes)
        self.report.count(executed)
        self._on_block(executed)

    def _check(self, package: BlockPackage, facts: BlockFacts | None) -> tuple[Block, ExecutedBlock]:
        if facts is None:
            block, transactions = open_package(self._genesis.chain_id, package, tolerates_wrong_payloads=True)
            return block, self._ledger.check_certified(block, transactions)
        block, transactions = open_examined(package, facts)
        is_certified = facts.certified_by == self._ledger.validators.hash(self._genesis.chain_id)
        return block, self._ledger.check_certified(block, transactions, is_certified=is_certified)


def encode_report(report: AuditReport) -> bytes:
    """A report as it is kept between two parts of an audit."""
    return msgspec.msgpack.encode(report)


def decode_report(data: bytes) -> AuditReport:
    """The report in ``data``; raises ``database_damaged``."""
    try:
        return msgspec.msgpack.decode(data, type=AuditReport, dec_hook=_counter)
    except msgspec.MsgspecError as error:
        raise PoolError(ErrorCode.DATABASE_DAMAGED, f"an audit's counts: {error}") from None


def _counter(type_: object, value: dict[str, int]) -> Counter[str]:
    return Counter(value)
