"""Turns in which peers are served what is large: blocks and transactions that they lack.

Reading and packing an answer takes processor time, and until the peer has taken it, memory. So a peer gets one answer
at a time, the next once it has taken most of that one and has paid for it from its allowance; and members that do not
vote are served one after the other. What somebody asks for then delays nobody but itself and its like.
"""

import asyncio
from collections.abc import Awaitable, Callable

from chain.limits import MIB
from node.links import Links
from node.links.allowance import Allowances
from node.pool import Pool

_SHARE = 0.15
"""Of the loop's time, for what validators that may be faulty ask for, all together."""
_OTHERS_SHARE = 0.125
_UNTAKEN_BYTES = MIB
_BYTE_S = 2e-9
"""What sending a byte costs besides: TLS and copies."""

MakeAnswer = Callable[[], Awaitable[tuple[bytes, float]]]
"""Gives an answer, and how long it took, seconds."""


class Serving:
    """See the module.

    Args:
        pool: knows who votes.
        links: that answers go out on.
    """

    def __init__(self, pool: Pool, links: Links) -> None:
        self._pool = pool
        self._links = links
        self._allowances = Allowances(lambda: pool.ledger.validators, _SHARE, _OTHERS_SHARE)
        self._peers: dict[str, asyncio.Lock] = {}
        self._others = asyncio.Lock()

    async def serve(self, member: str, make: MakeAnswer) -> bytes:
        """The answer that ``make`` gives, when it is the member's turn.

        Raises:
            PoolError: those of ``make``.
        """
        async with self._peers.setdefault(member, asyncio.Lock()):
            await self._links.taken(member, _UNTAKEN_BYTES)
            if member in self._pool.ledger.validators:
                return await self._serve(member, make)
            async with self._others:
                return await self._serve(member, make)

    async def _serve(self, member: str, make: MakeAnswer) -> bytes:
        allowance = self._allowances.of(member)
        if allowance.wait_s:
            await asyncio.sleep(allowance.wait_s)
        answer, spent_s = await make()
        allowance.spend(spent_s + len(answer) * _BYTE_S)
        return answer
