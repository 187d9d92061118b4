"""What waits here for longer than spreading takes is told to the primary before it is held against it.

A member can send its transactions to everybody but the primary, and links lose frames. So a node names to the primary,
by id, what it has held for a while; the primary fetches what it lacks. From then on the clocks of suspicion run
(``consensus.watch``). A new primary is told at once.
"""

import asyncio
from collections import deque

from chain.errors import PoolError
from chain.primitives.crypto import Hash
from chain.primitives.encoding import encode
from node.dissemination import request_transactions
from node.frames import FrameKind, decode_ids
from node.intake import Intake
from node.links import Links
from node.pool import CommittedBlock, Pool

_NAMED_AT_ONCE = 256
_WANTED = 4096
"""Ids that one peer has named and that are still to be fetched from it."""


class Overdue:
    """See the module.

    Args:
        pool: of this node.
        links: to the other nodes.
        intake: takes what is fetched.
        told_after_s: how long a transaction waits here before the primary is told, seconds.
    """

    def __init__(self, pool: Pool, links: Links, intake: Intake, told_after_s: float) -> None:
        self._pool = pool
        self._links = links
        self._intake = intake
        self._told_after_s = told_after_s
        self._primary = ""
        self._untold: deque[Hash] = deque()
        """By arrival; some may wait no more."""
        self._told_s: dict[Hash, float] = {}
        self._wanted: dict[str, dict[Hash, None]] = {}
        self._fetching: dict[str, asyncio.Task[None]] = {}
        pool.on_admitted = self._untold.append
        pool.add_listener(self._on_committed)

    def tell(self, primary: str) -> None:
        """Name to the primary what it has not been told and is due; called every tick."""
        pool = self._pool
        if primary != self._primary:
            self._primary = primary
            self._told_s.clear()
            self._untold.clear()
            self._untold.extend(pool.mempool.ids)
        due: list[Hash] = []
        while self._untold and len(due) < _NAMED_AT_ONCE:
            if self._untold[0] in pool.mempool:
                if pool.waiting_s(self._untold[0]) < self._told_after_s:
                    break
                due.append(self._untold[0])
            self._untold.popleft()
        if due:
            # Whether or not it arrives: a primary that cannot be reached is to be replaced too.
            self._links.send(primary, FrameKind.OVERDUE, encode(tuple(due)))
            self._told_s |= dict.fromkeys(due, pool.monotonic_s())

    def known_s(self, id_: Hash) -> float | None:
        """How long ago the primary was told of a transaction, seconds; None if it was not."""
        told_s = self._told_s.get(id_)
        return None if told_s is None else self._pool.monotonic_s() - told_s

    def hear(self, peer: str, body: bytes) -> None:
        """A peer names what we should have ordered.

        Raises:
            PoolError: the frame does not decode.
        """
        wanted = self._wanted.setdefault(peer, {})
        wanted |= dict.fromkeys(id_ for id_ in decode_ids(body)[:_NAMED_AT_ONCE] if self._is_missing(id_))
        while len(wanted) > _WANTED:
            del wanted[next(iter(wanted))]
        if wanted and peer not in self._fetching:
            self._fetching[peer] = asyncio.get_running_loop().create_task(self._fetch_all(peer))

    async def close(self) -> None:
        """Drop what is under way."""
        for task in self._fetching.values():
            task.cancel()
        await asyncio.gather(*self._fetching.values(), return_exceptions=True)

    def _is_missing(self, id_: Hash) -> bool:
        is_here = id_ in self._pool.mempool or id_ in self._intake
        return not is_here and self._pool.ledger.blocks.location(id_) is None

    async def _fetch_all(self, peer: str) -> None:
        try:
            while wanted := self._wanted.pop(peer, {}):
                missing = tuple(id_ for id_ in wanted if self._is_missing(id_))
                for at in range(0, len(missing), _NAMED_AT_ONCE):
                    ids = missing[at : at + _NAMED_AT_ONCE]
                    self._intake.receive(peer, await request_transactions(self._links, peer, ids))
        except PoolError as error:
            self._links.is_at_fault(peer, error)
        finally:
            del self._fetching[peer]

    def _on_committed(self, block: CommittedBlock) -> None:
        for id_ in block.executed.proposal.transaction_ids:
            self._told_s.pop(id_, None)
        if len(self._told_s) > 2 * len(self._pool.mempool) + _WANTED:  # others have expired
            self._told_s = {id_: told_s for id_, told_s in self._told_s.items() if id_ in self._pool.mempool}
