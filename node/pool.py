"""What a node holds and knows on its own, without a network: ledger, mempool, and who waits for what.

Every transaction comes in through ``verify``, whoever sent it; every block becomes final through ``commit``,
whether it came by consensus or by catch-up.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from chain.blocks import Certificate
from chain.errors import ErrorCode, PoolError
from chain.examination.facts import TransactionFacts, accept_facts
from chain.ledger import ExecutedBlock, Ledger
from chain.packages import read_packages
from chain.primitives.crypto import Hash
from chain.primitives.encoding import encode
from chain.proofs.receipts import Receipt, ReceiptMaker
from chain.schema import compile_schema, is_compiled
from chain.storage.blocks import Location
from chain.transactions.base import CheckedTransaction, verify_payload
from chain.transactions.registry import decode_transaction
from node.links.allowance import Allowance, step_s
from node.mempool import Mempool

Read = TypeVar("Read")

_COMPILING_SHARE = 0.03
"""Of the time, for what each member has made ready of schemas; the worst takes some 25 ms."""
_READERS = 2
"""Threads that read long stretches of the chain."""


class Verified(NamedTuple):
    """A transaction that came in: new and verified, waiting already, or committed already."""

    id: Hash
    checked: CheckedTransaction | None
    """None for one that is committed already."""
    location: Location | None
    """Where it was committed, if it was."""


class CommittedBlock(NamedTuple):
    """A block that has just become final on this node."""

    executed: ExecutedBlock
    certificate: Certificate
    waiting_ms: dict[Hash, float]
    """How long those of its transactions that this node held had waited here, milliseconds."""


Listener = Callable[[CommittedBlock], None]


class Pool:
    """Ledger, mempool and waiting callers. All methods run on the event loop's thread."""

    def __init__(self, ledger: Ledger, clock_ms: Callable[[], int], monotonic_s: Callable[[], float]) -> None:
        self.ledger = ledger
        self.mempool = Mempool()
        self.voted_for: dict[Hash, CheckedTransaction] = {}
        """Transactions of the blocks that this node's votes bind it to; they are on disk too."""
        self.clock_ms = clock_ms
        self.monotonic_s = monotonic_s
        self.on_admitted: Callable[[Hash], None] = lambda id_: None
        """Told of every transaction that begins to wait."""
        self._arrivals: dict[Hash, float] = {}
        self._compiling: dict[str, Allowance] = {}
        """Each member's share of the time that making schemas ready takes."""
        self._dropped: dict[Hash, int] = {}
        """Expiry of transactions that wait no more while somebody waits for them."""
        self._waiters: dict[Hash, list[asyncio.Future[Receipt]]] = {}
        self._height_waiters: set[asyncio.Future[None]] = set()
        self._listeners: list[Listener] = []
        self._stored: list[tuple[ExecutedBlock, Certificate]] = []
        self._readers = ThreadPoolExecutor(_READERS, "reader")
        self.is_closing = False

    @property
    def height(self) -> int:
        """Height of the newest block, which is durable unless it is stored and not yet flushed."""
        return self.ledger.tip.height

    def add_listener(self, listener: Listener) -> None:
        """Call ``listener`` after every block that becomes final, in the order of registration."""
        self._listeners.append(listener)

    def decode(self, data: bytes) -> CheckedTransaction:
        """Decode a transaction and check its shape and chain; nothing else about it is known yet.

        Raises:
            PoolError: codes ``too_large``, ``malformed``, ``not_canonical``, ``wrong_chain``.
        """
        return decode_transaction(self.ledger.chain_id, data)

    def recognise(self, checked: CheckedTransaction) -> CheckedTransaction | None:
        """The waiting transaction with the very same bytes, verified already; None if this one must be verified."""
        waiting = self.mempool.get(checked.id)
        if waiting is not None and waiting.transaction == checked.transaction:
            return waiting
        return None

    def verify(
        self, checked: CheckedTransaction, facts: TransactionFacts | None = None, *, is_proposed: bool = False
    ) -> Verified:
        """Verify all that can be without ordering a transaction: sender, signature, payload.

        What a primary has proposed may be signed with a key that ended while the transaction waited: every replica must
        decide the same on such a block, so that is left to execution.

        Cheap checks come first; nothing is stored or remembered before the signature has been checked. The dataset's
        schema, if it is known already, is applied here too, so that execution finds the verdict ready.

        Args:
            checked: decoded.
            facts: what ``chain.examination`` has found about it: it is taken for granted. None to do everything here.
            is_proposed: whether a primary has proposed it.

        Raises:
            PoolError: the code of the first check that fails.
        """
        if facts is not None:
            accept_facts(checked, facts)
        location = self.ledger.blocks.location(checked.id)
        if location is not None:
            head = self.ledger.blocks.transaction_head(location)
            if head is None or head.signature != checked.transaction.signature:
                self.ledger.verify_sender(checked)  # else it was verified then; its key may have been revoked since
            return Verified(checked.id, None, location)
        if is_proposed:
            self.ledger.verify_signature(checked)
        else:
            self.ledger.verify_sender(checked)
        waiting = self.mempool.get(checked.id)
        if waiting is not None:
            return Verified(checked.id, waiting, None)
        if facts is None:
            verify_payload(checked)
        if self._may_check(checked, is_proposed=is_proposed):
            checked.type.prepare(checked, checked.header, self.ledger.entry)
        checked.release_records()
        return Verified(checked.id, checked, None)

    def has_schema(self, checked: CheckedTransaction) -> bool:
        """Whether the records of a transaction can be checked without compiling a schema."""
        schema = checked.type.checked_by(checked.header, self.ledger.entry)
        return not schema or is_compiled(schema)

    def _may_check(self, checked: CheckedTransaction, *, is_proposed: bool) -> bool:
        """Whether the dataset's schema is ready. Compiling it may take longer than all else, however little is checked
        by it, so each member has a share of the time for that; what is proposed is bounded by the rules of blocks.

        Raises:
            PoolError: code ``quota_exceeded``.
        """
        if self.has_schema(checked):
            return True
        if is_proposed or checked.schema_verdicts:
            return False
        member = checked.header.member
        share = self._compiling.setdefault(member, Allowance(_COMPILING_SHARE))
        if share.wait_s:
            raise PoolError(ErrorCode.QUOTA_EXCEEDED, f"{member} uses more schemas at a time than can be made ready")
        began_s = time.perf_counter()
        compile_schema(checked.type.checked_by(checked.header, self.ledger.entry))
        share.spend(step_s(began_s))
        return True

    def admit(self, checked: CheckedTransaction) -> None:
        """Let a verified transaction wait to be ordered.

        Raises:
            PoolError: codes ``expired``, ``mempool_full``, ``quota_exceeded``.
        """
        expiry_ms = checked.header.expiry_ms
        if expiry_ms and expiry_ms < self.clock_ms():
            raise PoolError(ErrorCode.EXPIRED, f"it expired {self.clock_ms() - expiry_ms} ms ago by this node's clock")
        if checked.id in self.mempool:
            return
        self.mempool.add(checked)
        self._arrivals[checked.id] = self.monotonic_s()
        self.on_admitted(checked.id)

    def waiting_s(self, id_: Hash) -> float:
        """How long a transaction has waited here, seconds; 0 for one that does not wait."""
        arrived = self._arrivals.get(id_)
        return 0.0 if arrived is None else self.monotonic_s() - arrived

    def forget_expired(self) -> None:
        """Drop transactions that have expired by this node's clock.

        Another clock may be slower, so one may yet be ordered. Those who wait for it are told that it was not once a
        later block's time says so: after that none can apply it.
        """
        for id_, expiry_ms in self.mempool.drop_expired(self.clock_ms()).items():
            self._arrivals.pop(id_, None)
            if id_ in self._waiters:
                self._dropped[id_] = expiry_ms
        for id_, expiry_ms in list(self._dropped.items()):
            if id_ not in self._waiters:
                del self._dropped[id_]
            elif expiry_ms < self.ledger.tip.header.time_ms:
                del self._dropped[id_]
                for waiter in self._waiters.pop(id_):
                    if not waiter.done():
                        waiter.set_exception(PoolError(ErrorCode.EXPIRED, "it expired before it was ordered"))

    def commit(self, executed: ExecutedBlock, certificate: Certificate) -> None:
        """Make a certified block final and durable, then tell everybody who waits."""
        self.flush()
        self.ledger.commit(executed, certificate)
        self._announce(executed, certificate)

    def store(self, executed: ExecutedBlock, certificate: Certificate) -> None:
        """Make a certified block final, but neither durable nor known yet: ``flush`` does that for many at once."""
        self.ledger.commit(executed, certificate, durable=False)
        self._stored.append((executed, certificate))

    def flush(self) -> None:
        """Make all stored blocks durable, then tell everybody who waits."""
        if self._stored:
            self.ledger.make_durable()
            stored, self._stored = self._stored, []
            for executed, certificate in stored:
                self._announce(executed, certificate)

    def _announce(self, executed: ExecutedBlock, certificate: Certificate) -> None:
        ids = executed.proposal.transaction_ids
        self.mempool.remove(ids)
        now = self.monotonic_s()
        arrived = {id_: self._arrivals.pop(id_, None) for id_ in ids}
        waiting_ms = {id_: (now - moment) * 1000 for id_, moment in arrived.items() if moment is not None}
        self._answer(executed, certificate)
        for listener in self._listeners:
            listener(CommittedBlock(executed, certificate, waiting_ms))

    async def wait_for_receipt(self, id_: Hash, timeout_s: float) -> Receipt:
        """The receipt of a transaction that was admitted, once it is committed.

        Raises:
            PoolError: codes ``timeout``, ``expired``, ``not_ready`` (the node is shutting down).
        """
        if id_ not in self.mempool and (location := self.ledger.blocks.location(id_)) is not None:
            return self.receipt(location)  # committed since the caller looked
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(id_, []).append(future)
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise PoolError(ErrorCode.TIMEOUT, f"not committed within {timeout_s:g} s") from None
        finally:
            waiting = self._waiters.get(id_)
            if waiting is not None and future in waiting:
                waiting.remove(future)
                if not waiting:
                    del self._waiters[id_]

    async def wait_for_height(self, height: int) -> None:
        """Return once the block at ``height`` is final here.

        Raises:
            PoolError: code ``not_ready`` if the node shuts down first.
        """
        while self.height < height:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._height_waiters.add(future)
            try:
                await future
            finally:
                self._height_waiters.discard(future)

    def receipt(self, location: Location) -> Receipt:
        """The receipt of a committed transaction. It is a promise, so what it speaks of is durable first."""
        self.flush()
        return self.ledger.receipts_of(location.height).receipt(location.position)

    async def read_packages(self, first: int, limit: int, size_bytes: int) -> list[bytes]:
        """Encoded packages of blocks (see ``chain.packages``), up to the tip, read beside the loop.

        Raises:
            PoolError: code ``not_ready`` once the node has stopped reading.
        """
        limit = min(limit, self.height - first + 1)
        if limit <= 0:
            return []
        blocks, prove_erasures = self.ledger.blocks, self.ledger.prove_erasures
        return await self.read(lambda: read_packages(blocks, first, limit, size_bytes, prove_erasures))

    async def read(self, work: Callable[[], Read]) -> Read:
        """What ``work`` reads from the stores, beside the loop.

        Raises:
            PoolError: code ``not_ready`` once the node has stopped reading, and those of ``work``.
        """
        try:
            reading = self._readers.submit(work)
        except RuntimeError:
            raise PoolError(ErrorCode.NOT_READY, "the node is shutting down") from None
        return await asyncio.wrap_future(reading)

    async def finish_reading(self) -> None:
        """Return when no thread reads the databases any more: closing them under a reader would crash the process."""
        await asyncio.get_running_loop().run_in_executor(None, self._readers.shutdown)

    def close(self) -> None:
        """Answer everybody who still waits that the node is stopping."""
        self.is_closing = True
        stopping = PoolError(ErrorCode.NOT_READY, "the node is shutting down; the transaction may still be committed")
        for height_waiter in self._height_waiters:
            if not height_waiter.done():
                height_waiter.set_exception(stopping)
        for waiting in self._waiters.values():
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_exception(stopping)

    def _answer(self, executed: ExecutedBlock, certificate: Certificate) -> None:
        if self._waiters:
            maker: ReceiptMaker | None = None
            for position, id_ in enumerate(executed.proposal.transaction_ids):
                waiting = self._waiters.pop(id_, None)
                if waiting is None:
                    continue
                if maker is None:
                    outcomes = [encode(outcome) for outcome in executed.outcomes]
                    maker = ReceiptMaker(executed.proposal.header, certificate, outcomes)
                receipt = maker.receipt(position)
                for future in waiting:
                    if not future.done():
                        future.set_result(receipt)
        height_waiters, self._height_waiters = self._height_waiters, set()
        for waiter in height_waiters:
            if not waiter.done():
                waiter.set_result(None)
