"""Giving the state at an anchor, and what can be looked up before it, to nodes that join (``node.state_sync``)."""

import time
from collections.abc import Callable

from chain.errors import ErrorCode, PoolError
from chain.primitives.encoding import encode
from chain.proofs.past import SPAN_BLOCKS, Anchor, Span, read_anchor, read_span
from chain.state.chunks import StateChunk, read_chunk
from node.frames import AnchorQuery, ChunkQuery, SpanQuery
from node.pool import Pool


class StateServing:
    """Answers from a node's own chain. Reading happens beside the loop; each answer comes with how long it took,
    seconds.

    Args:
        pool: has the chain.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def anchor(self, query: AnchorQuery) -> tuple[bytes, float]:
        """The anchor at a height; raises ``not_here_yet``."""
        self._verify_anchor(query.height)
        ledger = self._pool.ledger
        return await self._read(lambda: read_anchor(ledger.blocks, ledger.trust, query.height, query.since_height))

    async def chunk(self, query: ChunkQuery) -> tuple[bytes, float]:
        """A chunk of the state at an anchor; raises ``not_here_yet``, ``bad_request``."""
        self._verify_anchor(query.height)
        if query.first > query.until:
            raise PoolError(ErrorCode.BAD_REQUEST, "a stretch of the state ends before it begins")

        def read() -> StateChunk:
            view = self._pool.ledger.state_at(query.height)
            return read_chunk(view.nodes, view.root, query.first, query.until)

        return await self._read(read)

    async def span(self, query: SpanQuery) -> tuple[bytes, float]:
        """A span before an anchor; raises ``not_here_yet``, ``bad_request``."""
        self._verify_anchor(query.anchor_height)
        if query.first % SPAN_BLOCKS or query.first >= query.anchor_height:
            raise PoolError(ErrorCode.BAD_REQUEST, f"no span before the anchor begins at {query.first}")
        blocks = self._pool.ledger.blocks
        return await self._read(lambda: read_span(blocks, query.anchor_height, query.first, query.offset))

    def _verify_anchor(self, height: int) -> None:
        if height % SPAN_BLOCKS or height == 0:
            raise PoolError(ErrorCode.BAD_REQUEST, f"no anchor is at height {height}")
        if not self._pool.ledger.blocks.anchor_height <= height <= self._pool.height:
            raise _not_here()

    async def _read(self, read: Callable[[], Anchor | StateChunk | Span | None]) -> tuple[bytes, float]:
        began_s = time.perf_counter()

        def answer() -> bytes:
            found = read()
            if found is None:
                raise _not_here()
            return encode(found)

        return await self._pool.read(answer), time.perf_counter() - began_s


def _not_here() -> PoolError:
    return PoolError(ErrorCode.NOT_HERE_YET, "this node does not hold that")
