"""The clients: for ordinary, blocking programs, and for asyncio."""

import time
from collections.abc import Sequence
from functools import cached_property
from types import TracebackType
from typing import Self

from blockpool.async_runner import AsyncRunner
from blockpool.credentials import Credentials
from blockpool.exchange import NodePool, RetryPolicy
from blockpool.identity import Identity
from blockpool.methods import Methods
from blockpool.operations.session import Session
from blockpool.runner import Runner
from chain.genesis import Genesis
from chain.proofs.trust import TrustHistory


class _Connected(Methods):
    """A client with its nodes."""

    def __init__(
        self,
        urls: str | Sequence[str],
        genesis: Genesis | None = None,
        identity: Identity | None = None,
        *,
        retry: RetryPolicy | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        urls = [urls] if isinstance(urls, str) else list(urls)
        nodes = NodePool(urls, time.monotonic)
        trust = TrustHistory(genesis) if genesis is not None else None
        self._session = Session(nodes, retry or RetryPolicy(), trust, identity, credentials)


class Client(_Connected):
    """A connection to a pool through one or several of its nodes. It may be used from several threads, whose
    calls travel together. Close it, or use ``with``.

    No node is believed where proof is possible: receipts, records and evidence are verified against ``genesis``.
    Proxies named in the environment are not used.

    Args:
        urls: base URLs of nodes; the first that answers is used, the others when it fails.
        genesis: the network's genesis file, obtained from someone you trust. Needed for all that signs or verifies.
        identity: who signs. Needed for ``submit``, ``define`` and ``commit``'s transactions.
        retry: how long and how often to try.
        credentials: who asks, for nodes that do not answer strangers; by default the identity's signature, or the
            token of a node on this machine whose home ``BLOCKPOOL_HOME`` names.

    Every method raises ``PoolError`` with a stable code: a node's refusal, ``unreachable``, or what did not verify.
    """

    @cached_property
    def _runner(self) -> Runner:
        return Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._runner.close()


class AsyncClient(_Connected):
    """A connection to a pool from one event loop. Close it, or use ``async with``. It is ``Client`` with ``await``."""

    @cached_property
    def _runner(self) -> AsyncRunner:
        return AsyncRunner()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._runner.close()
