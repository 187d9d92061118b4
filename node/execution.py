"""Executing blocks: each once on a tip, on the event loop, which is the quickest way, unless it calls contracts.

Those that do can take some hundred milliseconds, and go to a thread, one after the other. What comes back from there
counts only while the tip is still the one that it began with; whoever asked has to look.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from chain.blocks import Proposal
from chain.errors import ErrorCode, PoolError
from chain.ledger import ExecutedBlock
from chain.primitives.crypto import Hash
from chain.transactions.base import CheckedTransaction
from node.engine_process import ContractEngine
from node.pool import Pool
from node.priorities import keep_priority

_OTHERS_ALLOWANCE = 2
"""How long the other nodes may take for a block that this one has executed, in terms of its own time for it. They begin
later than the one that made it, and may be slower."""


def is_local_fault(error: PoolError) -> bool:
    """Whether this machine failed: that says nothing about the block, and the node must stop."""
    return error.code.is_storage or error.code.is_engine


class ExecutionThread:
    """Executes blocks that call contracts.

    Args:
        engine: runs the contracts; None where the network has none, and then nothing belongs here.
        observe_s: told how long each block took, seconds, in the thread.
    """

    def __init__(self, engine: ContractEngine | None, observe_s: Callable[[float], None]) -> None:
        self._engine = engine
        self._observe_s = observe_s
        # Consensus waits for this thread, so it does not step back for the loop as others do.
        self._thread = ThreadPoolExecutor(1, "execution", initializer=keep_priority)

    def is_wanted(self, transactions: Iterable[CheckedTransaction]) -> bool:
        """Whether a block of these has to be executed here. All others are quicker than changing threads."""
        return self._engine is not None and any(checked.type.calls_contract for checked in transactions)

    def submit(self, work: Callable[[], ExecutedBlock]) -> asyncio.Future[ExecutedBlock]:
        """Execute a block when its turn comes. Cancelled before that, it never is.

        Raises:
            PoolError: code ``not_ready`` if the node is shutting down; the future has whatever ``work`` raises.
        """
        try:
            return asyncio.wrap_future(self._thread.submit(self._run, work))
        except RuntimeError:
            raise PoolError(ErrorCode.NOT_READY, "the node is shutting down") from None

    async def start_engine(self) -> None:
        """Start the contract engine; blocks that call contracts wait until it runs.

        Raises:
            PoolError: codes of ``ContractEngine.start``.
        """
        if self._engine is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.start)

    async def close(self) -> None:
        """End the engine, and return when the thread no longer reads the databases."""
        loop = asyncio.get_running_loop()
        if self._engine is not None:
            await loop.run_in_executor(None, self._engine.close)
        await loop.run_in_executor(None, lambda: self._thread.shutdown(cancel_futures=True))

    def _run(self, work: Callable[[], ExecutedBlock]) -> ExecutedBlock:
        start_s = time.perf_counter()
        try:
            return work() if self._engine is None else self._engine.run(work)
        finally:
            self._observe_s(time.perf_counter() - start_s)


class Executions:
    """The blocks that have been or are being executed on the present tip. All calls are made on the loop's thread.

    Args:
        pool: has the ledger and the tip.
        thread: for blocks that call contracts.
        me: this member's name, as proposer.
    """

    def __init__(self, pool: Pool, thread: ExecutionThread, me: str) -> None:
        self._pool = pool
        self._thread = thread
        self._me = me
        self._done: dict[Hash, ExecutedBlock] = {}
        self._checking: dict[Hash, asyncio.Future[ExecutedBlock]] = {}
        self._making: asyncio.Future[ExecutedBlock] | None = None
        self._others_until_s = 0.0

    @property
    def is_making(self) -> bool:
        """Whether a block of our own is being made beside the loop."""
        return self._making is not None

    @property
    def is_checking(self) -> bool:
        """Whether another's block is being checked beside the loop."""
        return any(not checking.done() for checking in self._checking.values())

    @property
    def is_holding_up(self) -> bool:
        """Whether the thread works for this tip, or the other nodes' threads probably still do."""
        is_busy = self.is_making or self.is_checking
        return is_busy or asyncio.get_running_loop().time() < self._others_until_s

    def is_for_thread(self, transactions: Iterable[CheckedTransaction]) -> bool:
        """Whether a block of these belongs beside the loop."""
        return self._thread.is_wanted(transactions)

    def find(self, hash_: Hash) -> ExecutedBlock | None:
        """A block that has been executed on this tip already."""
        return self._done.get(hash_)

    def make(self, transactions: Sequence[CheckedTransaction], time_ms: int) -> ExecutedBlock:
        """Make the next block; raises as ``Ledger.execute``."""
        executed = self._pool.ledger.execute(transactions, time_ms, self._me)
        self._keep(executed)
        return executed

    def make_beside(self, transactions: Sequence[CheckedTransaction], time_ms: int) -> asyncio.Future[ExecutedBlock]:
        """Make the next block in the thread. It is cancelled once the tip moves."""
        work = partial(self._pool.ledger.execute, transactions, time_ms, self._me)
        self._making = self._submit(work)
        return self._making

    def check(
        self, hash_: Hash, proposal: Proposal, transactions: Sequence[CheckedTransaction], now_ms: int | None
    ) -> ExecutedBlock:
        """Check another's block, by the clock too unless ``now_ms`` is None; raises as ``Ledger.check``."""
        executed = self._done[hash_] = self._pool.ledger.check(proposal, transactions, now_ms, self._pool.mempool)
        return executed

    def check_beside(
        self, hash_: Hash, proposal: Proposal, transactions: Sequence[CheckedTransaction]
    ) -> asyncio.Future[ExecutedBlock]:
        """Check another's block in the thread, once however many ask, but not by the clock. It is cancelled once the
        tip moves.
        """
        checking = self._checking.get(hash_)
        if checking is None:
            # The thread must not look into the mempool, which changes meanwhile.
            waiting = frozenset(checked.id for checked in transactions if checked.id in self._pool.mempool)
            work = partial(self._pool.ledger.check, proposal, transactions, None, waiting)
            checking = self._checking[hash_] = self._submit(work)
        return checking

    def forget(self) -> None:
        """The tip has moved: drop everything. What has begun in the thread runs to its end, which nobody waits for."""
        self._done.clear()
        self._others_until_s = 0.0
        for checking in self._checking.values():
            checking.cancel()
        self._checking.clear()
        if self._making is not None:
            self._making.cancel()
            self._making = None

    def _submit(self, work: Callable[[], ExecutedBlock]) -> asyncio.Future[ExecutedBlock]:
        """Have a block executed. It is kept before whoever awaits the future goes on, since that is asked for first."""
        execution = self._thread.submit(work)
        execution.add_done_callback(partial(self._on_done, asyncio.get_running_loop().time()))
        return execution

    def _on_done(self, start_s: float, execution: asyncio.Future[ExecutedBlock]) -> None:
        if self._making is execution:
            self._making = None
        if not execution.cancelled() and execution.exception() is None and self._keep(execution.result()):
            now_s = asyncio.get_running_loop().time()
            self._others_until_s = now_s + _OTHERS_ALLOWANCE * (now_s - start_s)

    def _keep(self, executed: ExecutedBlock) -> bool:
        is_current = executed.header.height == self._pool.height + 1
        if is_current:
            self._done[executed.block_hash] = executed
        return is_current
