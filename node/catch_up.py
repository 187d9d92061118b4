"""Catching up: fetching blocks that others have and this node lacks, verifying each one in full before it is used. A
node that is far behind takes the state first (``node.state_sync``).

What a peer claims is only a reason to ask it. A peer that has nothing to show for its claim, answers too slowly or
sends something wrong loses the claim, and the next one is asked; so no peer can hold a node up for longer than one
request, nor for long while another one claims as much that has failed no more often. Nor can one that drips blocks:
whoever sends less than would fit, and less than it claims to hold, loses the claim too.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from chain.blocks import Block, block_hash
from chain.errors import ErrorCode, PoolError
from chain.ledger import ExecutedBlock
from chain.limits import LIMITS
from chain.packages import BlockPackage, Packages, open_package, verify_erased
from chain.primitives.encoding import decode, encode, encode_array
from chain.proofs.past import ANCHOR_HANDOVERS
from chain.proofs.trust import TrustHistory
from chain.proofs.validators import verify_certificate
from chain.transactions.base import CheckedTransaction
from node.execution import ExecutionThread, is_local_fault
from node.frames import BlockRange, FrameKind, HandOverQuery, HandOvers
from node.links import Links
from node.pool import Pool
from node.state_sync import StateSync

_REQUEST_TIMEOUT_S = 10.0
_LONG_S = 1.0
"""An answer that takes so long may be that of a peer that is frozen, while others could give theirs."""
_FAILURES_COUNTED = 9
"""The time that a peer gets falls with its failures in succession, to a tenth at the most."""
_CLOSE_BLOCKS = 2
_GRACE_S = 0.25
"""Consensus gets so much time to close a gap of so few blocks by itself."""
_HEARING_S = 1.0
_HEARING_TRIES = 20
_REPLY_BYTES = LIMITS.frame_size_bytes // 4
"""A reply is closed once it holds this much, so that one large block more still fits a frame."""


class _Reply(NamedTuple):
    """What a peer sent."""

    packages: tuple[BlockPackage, ...]
    is_full: bool
    """Whether no more would have fitted: only then may a reply end before what its sender claims to hold."""


class CatchUp:
    """Pulls blocks while any peer is ahead."""

    def __init__(
        self,
        pool: Pool,
        links: Links,
        execution: ExecutionThread,
        state_sync: StateSync,
        on_fatal: Callable[[Exception], None],
    ) -> None:
        self._pool = pool
        self._links = links
        self._execution = execution
        self._state_sync = state_sync
        self._on_fatal = on_fatal
        self._claims: dict[str, int] = {}
        self._failures: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_pulling = False
        self._ahead: TrustHistory | None = None
        self._log = logging.getLogger("blockpool.catch_up")
        self.blocks = 0
        """Blocks taken this way since the start."""

    @property
    def is_running(self) -> bool:
        """Whether blocks are being pulled now."""
        return self._is_pulling

    def hint(self, peer: str, height: int) -> None:
        """A peer says that it holds the block at ``height``."""
        if height <= self._pool.height or self._pool.is_closing or self._pool.ledger.unknown_rules is not None:
            return
        self._claims[peer] = max(height, self._claims.get(peer, 0))
        if self._task is None:
            is_close = height <= self._pool.height + _CLOSE_BLOCKS
            self._task = asyncio.get_running_loop().create_task(self._run(_GRACE_S if is_close else 0))

    async def serve(self, wanted: BlockRange) -> tuple[bytes, float]:
        """Answer a peer that catches up, and say how long it took, seconds. Reading happens beside the loop."""
        began_s = time.perf_counter()
        answer = encode_array(await self._pool.read_packages(wanted.first, wanted.limit, _REPLY_BYTES))
        return answer, time.perf_counter() - began_s

    async def serve_handovers(self, wanted: HandOverQuery) -> tuple[bytes, float]:
        """Answer a peer that needs later sets than it knows."""
        began_s = time.perf_counter()
        answer = encode(self._pool.ledger.trust.handovers_since(wanted.since_height)[:ANCHOR_HANDOVERS])
        return answer, time.perf_counter() - began_s

    async def close(self) -> None:
        """Stop pulling."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, pause_s: float) -> None:
        first = self._pool.height
        try:
            await asyncio.sleep(pause_s)
            first = self._pool.height
            self._is_pulling = True
            await self._hear_others()
            while (peer := self._next_peer()) is not None:
                if self._state_sync.is_wanted:
                    await self._state_sync.run()
                else:
                    await self._pull(peer)
        except Exception as error:
            self._on_fatal(error)
        finally:
            self._task, self._is_pulling = None, False
            if self._pool.height > first:
                self._log.info("caught up", extra={"from_height": first, "to_height": self._pool.height})

    async def _hear_others(self) -> None:
        """A node that has nothing yet, and hears that the chain is long, waits a moment for more of the others to say
        so: then it need not begin with blocks that it will not use.
        """
        for _ in range(_HEARING_TRIES):
            if self._pool.height or self._state_sync.is_wanted:
                return
            if not self._state_sync.may_be_wanted(max(self._claims.values(), default=0)):
                return
            await asyncio.sleep(_HEARING_S / _HEARING_TRIES)

    def _next_peer(self) -> str | None:
        """A connected peer with a claim beyond our height, the most reliable first; claims that are met or cannot be
        followed are dropped. None if there is none, or if the next block's rules are unknown here.
        """
        if self._pool.ledger.unknown_rules is not None:
            return None
        connected = set(self._links.connected)
        self._claims = {
            peer: height for peer, height in self._claims.items() if height > self._pool.height and peer in connected
        }
        return min(self._claims, key=lambda peer: (self._failures.get(peer, 0), -self._claims[peer]), default=None)

    async def _pull(self, peer: str) -> None:
        """Pull from one peer until its claim is met or it fails. The next request is under way while blocks are
        verified.
        """
        request = self._request(peer, self._pool.height + 1)
        try:
            while True:
                before = self._pool.height
                packages, is_full = await self._reply(peer, request)
                if not packages:
                    self._drop(peer, "it holds no block that follows ours")
                    return
                following = self._pool.height + 1 + len(packages)
                is_last = following > self._claims.get(peer, 0)
                if not is_last and is_full:
                    request = self._request(peer, following)
                await self._take_all(peer, packages)
                if self._pool.height == before:
                    self._drop(peer, "it sends blocks that are here already")
                    return
                if not is_last and not is_full:
                    self._drop(peer, "its reply ends before what it claims to hold")
                    return
                self._failures.pop(peer, None)
                if self._state_sync.is_wanted or is_last or self._pool.height + 1 != following:
                    return
        except PoolError as error:
            if is_local_fault(error):
                raise
            self._drop(peer, error.detail)
        finally:
            request.cancel()

    async def _reply(self, peer: str, request: asyncio.Task[_Reply]) -> _Reply:
        """What the peer sends, unless that takes long and another one may be faster."""
        while not (await asyncio.wait((request,), timeout=_LONG_S))[0]:
            if self._has_other(peer):
                raise PoolError(ErrorCode.TIMEOUT, "it takes long, and another peer may have the blocks too")
        return await request

    def _has_other(self, peer: str) -> bool:
        """Whether another peer that claims to hold more has failed no more often. In a network where all are slow, the
        last of them is waited for.
        """
        most = self._failures.get(peer, 0)
        others = [other for other, height in self._claims.items() if other != peer and height > self._pool.height]
        return any(self._links.is_connected(other) and self._failures.get(other, 0) <= most for other in others)

    def _request(self, peer: str, first: int) -> asyncio.Task[_Reply]:
        task = asyncio.get_running_loop().create_task(self._ask(peer, first))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # it may fail after we lost interest
        return task

    async def _ask(self, peer: str, first: int) -> _Reply:
        body = encode(BlockRange(first, LIMITS.catch_up_blocks))
        timeout_s = _REQUEST_TIMEOUT_S / (1 + self._failures.get(peer, 0))
        reply = await self._links.request(peer, FrameKind.FETCH_BLOCKS, body, timeout_s=timeout_s)
        packages = decode(Packages, reply)
        return _Reply(packages, len(packages) == LIMITS.catch_up_blocks or len(reply) > _REPLY_BYTES)

    async def _take_all(self, peer: str, packages: tuple[BlockPackage, ...]) -> None:
        """Verify and store what one reply brought; it is made durable at once, since each sync waits for the disk."""
        try:
            await self._store_all(peer, packages)
        finally:
            self._pool.flush()

    async def _store_all(self, peer: str, packages: tuple[BlockPackage, ...]) -> None:
        ledger = self._pool.ledger
        for package in packages:
            block, transactions = open_package(ledger.chain_id, package, self._pool.recognise)
            if block.certificate is not None and block.certificate.height <= self._pool.height:
                continue  # consensus delivered it while it was under way
            await self._verify_erased(peer, package, block, transactions)
            if self._execution.is_wanted(transactions):
                executed = await self._check_beside(block, transactions)
            else:
                executed = ledger.check_certified(block, transactions)
            if block.certificate is not None and executed is not None:
                self._pool.store(executed, block.certificate)
                self.blocks += 1
            await asyncio.sleep(0)

    async def _verify_erased(
        self, peer: str, package: BlockPackage, block: Block, transactions: list[CheckedTransaction]
    ) -> None:
        """Check that what came without its payload was erased. The peer proves it by a newer block of its own, which
        may be of a later epoch than this node knows yet: then it has to show the hand-overs up to there.
        """
        try:
            verify_erased(self._trust, package, block, transactions)
        except PoolError as error:
            if error.code is not ErrorCode.UNKNOWN_VALIDATORS:
                raise
            await self._learn_of_later_sets(peer)
            verify_erased(self._trust, package, block, transactions)

    @property
    def _trust(self) -> TrustHistory:
        """The longer of the histories that are known: the chain's, and what peers have shown of its continuation."""
        known, ahead = self._pool.ledger.trust, self._ahead
        return known if ahead is None or ahead.since_height <= known.since_height else ahead

    async def _learn_of_later_sets(self, peer: str) -> None:
        trust = self._trust.copy()
        while True:
            since = trust.since_height
            reply = await self._links.request(peer, FrameKind.FETCH_HANDOVERS, encode(HandOverQuery(since)))
            for handover in decode(HandOvers, reply):
                trust.extend(handover)
                await asyncio.sleep(0)
            self._ahead = trust
            if trust.since_height == since:
                return

    async def _check_beside(self, block: Block, transactions: Sequence[CheckedTransaction]) -> ExecutedBlock | None:
        """Check a block that calls contracts: its certificate and its senders here, since senders are looked up in the
        ledger's own cache, then all of it in the execution thread. None if consensus has delivered it meanwhile.
        """
        ledger, height = self._pool.ledger, self._pool.height + 1
        if block.certificate is not None:
            hash_ = block_hash(ledger.chain_id, block.header)
            verify_certificate(ledger.chain_id, block.certificate, ledger.validators, height, hash_)
            for checked in transactions:
                ledger.verify_signature(checked)
        try:
            executed = await self._execution.submit(
                partial(ledger.check_certified, block, transactions, are_signed=True)
            )
        except PoolError as error:
            if self._pool.height < height or is_local_fault(error):
                raise
            return None
        return executed if self._pool.height + 1 == height else None

    def _drop(self, peer: str, reason: str) -> None:
        """Forget a peer's claim, and trust it less: others are asked before it, and it gets less time."""
        self._claims.pop(peer, None)
        self._failures[peer] = min(self._failures.get(peer, 0) + 1, _FAILURES_COUNTED)
        self._log.warning("peer is no help in catching up", extra={"peer": peer, "reason": reason})
