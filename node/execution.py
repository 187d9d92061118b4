"""Executing blocks beside the event loop: those that call contracts, which can take some hundred milliseconds.

One thread does it, in order. What it gives back counts only while the tip is still the one that it began with; whoever
asked has to look.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from chain.errors import ErrorCode, PoolError
from chain.ledger import ExecutedBlock
from chain.transactions import CheckedTransaction, calls_contract
from node.engine import ContractEngine
from node.priorities import keep_priority


class ExecutionThread:
    """See the module.

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
        return self._engine is not None and any(calls_contract(checked.header) for checked in transactions)

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
