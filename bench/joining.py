"""Joining a long chain by its state: everything that peers give and the node that joins verifies, in this process."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from bench.figures import Figure
from chain.arrival import Arrival
from chain.ledger import Ledger
from chain.packages import read_package
from chain.primitives.encoding import decode, encode
from chain.proofs.past import SPAN_BLOCKS, Span, read_anchor, read_span, verify_anchor
from chain.proofs.trust import TrustHistory
from chain.state.chunks import StateChunk, read_chunk
from chain.storage.head import HeadFile
from chain.storage.level import LevelDatabase

Result = TypeVar("Result")


class Joining:
    """A node that takes the state of a chain that is here.

    Args:
        source: the chain, at least one span long.
        folder: for what is taken.
    """

    def __init__(self, source: Ledger, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._height = source.tip.height // SPAN_BLOCKS * SPAN_BLOCKS
        self.serving_s = 0.0
        """What all peers together have spent on it."""
        self.taken_bytes = 0

    def run(self) -> float:
        """Take all of it, and open it; seconds of the joining node alone."""
        begun = time.perf_counter()
        databases = LevelDatabase(self._folder / "blocks"), LevelDatabase(self._folder / "state")
        arrival = Arrival(self._source.genesis, *databases)
        arrival.open()
        self._begin(arrival)
        self._take(arrival)
        anchor = HeadFile(self._folder / "HEAD")
        package = self._served(lambda: read_package(self._source.blocks, self._height))
        if package is None:
            raise RuntimeError("the anchor's block is missing")
        arrival.finish(package, anchor)
        for database in databases:
            database.close()
        databases = LevelDatabase(self._folder / "blocks"), LevelDatabase(self._folder / "state")
        ledger = Ledger(self._source.genesis, *databases, anchor)
        ledger.open()
        taken_s = time.perf_counter() - begun - self.serving_s
        ledger.close()
        return taken_s

    def _begin(self, arrival: Arrival) -> None:
        source, trust = self._source, TrustHistory(self._source.genesis)
        anchor = self._served(lambda: read_anchor(source.blocks, source.trust, self._height, 0))
        if anchor is None:
            raise RuntimeError("the anchor is missing")
        verify_anchor(trust, anchor, self._height)
        arrival.begin(anchor, trust)

    def _take(self, arrival: Arrival) -> None:
        source, height = self._source, self._height
        view = self._served(lambda: source.state_at(height))
        while missing := arrival.missing_state():
            stretch = missing[0]
            chunk = partial(read_chunk, view.nodes, view.root, stretch.first, stretch.until)
            arrival.take_chunk(stretch, decode(StateChunk, self._reply(chunk)))
        while (piece := arrival.next_span()) is not None:
            span = partial(read_span, source.blocks, height, *piece)
            arrival.take_span(*piece, decode(Span, self._reply(span)))

    def _reply(self, read: Callable[[], object]) -> bytes:
        reply = self._served(lambda: encode(read()))
        self.taken_bytes += len(reply)
        return reply

    def _served(self, work: Callable[[], Result]) -> Result:
        begun = time.perf_counter()
        result = work()
        self.serving_s += time.perf_counter() - begun
        return result


def joining_figures(source: Ledger, folder: Path, key: str) -> list[Figure]:
    """How long a node takes that joins this chain by its state."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="joining-") as place:
        joining = Joining(source, Path(place))
        taken_s = joining.run()
    blocks = source.tip.height
    return [
        Figure(
            f"growth_join{key}",
            f"join by the state, at {blocks:,} blocks",
            taken_s,
            "s",
            f"verified, written, opened; {joining.taken_bytes / 1e6:.0f} MB came, for which the peers, all together, "
            f"spent {joining.serving_s:.1f} s; without the network",
        )
    ]
