"""Section about a chain that grows: opening and joining it, its disk, its memory, its commits, at several lengths."""

import tempfile
import time
from pathlib import Path

from bench.bench import Bench
from bench.figures import Figure, Section
from bench.joining import joining_figures
from bench.long_chain import SCHEMA, LongChain
from bench.statistics import percentile
from chain.state.entries import dataset_totals_key
from chain.storage.level import LevelDatabase

OLD_STATES = 50


def growth(bench: Bench) -> Section:
    """Let a chain with one record in a block grow, and measure it on the way."""
    with tempfile.TemporaryDirectory(dir=bench.network.folder, prefix="growth-") as folder:
        growing = GrowingChain(bench, Path(folder))
        figures = [figure for blocks in bench.durations.growth_blocks for figure in growing.grow_to(blocks)]
        growing.chain.ledger.close()
    setting = "one record of 31 bytes in a block, four validators, every tenth parcel made from the one before"
    return Section("growth", "A chain that grows", setting, figures)


class GrowingChain:
    """A chain on disk, in this process."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self._folder = folder
        self._targeted = max(bench.durations.growth_blocks)
        self.chain = LongChain(bench.network.genesis.founders, *self._databases())
        self.chain.commit([self.chain.dataset("flights", SCHEMA)])
        self._payload_bytes = 0
        self._last_id = b""

    def grow_to(self, blocks: int) -> list[Figure]:
        """What the chain is like at this length."""
        commits_s = sorted(self._commit(number) for number in range(self.chain.ledger.tip.height, blocks))
        self._freeze()
        self.chain.ledger.make_durable()
        resident = _resident_bytes()
        self.chain.ledger.close()
        disk = sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file())
        begun = time.perf_counter()
        self.chain.open(*self._databases())
        open_s = time.perf_counter() - begun
        key = "" if blocks == self._targeted else f"_{blocks}"
        at = f"at {blocks:,} blocks"
        return [
            *joining_figures(self.chain.ledger, self._folder.parent, key),
            Figure(f"growth_open{key}", f"open a ledger, {at}", open_s, "s", "databases, newest blocks and state"),
            Figure(
                f"growth_disk{key}",
                f"disk a block beyond its payload, {at}",
                (disk - self._payload_bytes) / blocks,
                "bytes",
                "both databases; a parcel of one record a block",
            ),
            Figure(f"growth_memory_{blocks}", f"resident memory, {at}", resident / 1e6, "MB", "of the whole benchmark"),
            Figure(
                f"growth_commit_{blocks}",
                f"execute and commit, p50, {at}",
                percentile(commits_s, 50) * 1e3,
                "ms",
                f"p99 {percentile(commits_s, 99) * 1e3:.2f} ms, longest {commits_s[-1] * 1e3:.0f} ms; three votes are "
                "signed; synced with many others",
            ),
            Figure(
                f"growth_old_state_{blocks}",
                f"proof about an old state, p99, {at}",
                percentile(sorted(self._old_state_s(blocks)), 99) * 1e3,
                "ms",
                f"{OLD_STATES} heights all over the chain",
            ),
        ]

    def _freeze(self) -> None:
        """Move old blocks into frames, which a node does by and by."""
        blocks = self.chain.ledger.blocks
        first = blocks.frozen_height
        while blocks.freeze():
            pass
        blocks.compact(first, blocks.frozen_height)

    def _commit(self, number: int) -> float:
        sources = ((self._last_id, 0),) if number % 10 == 9 and self._last_id else ()
        parcel = self.chain.parcel("flights", [b'{"flight":%d,"dest":"IAH"}' % number], sources)
        self._last_id = parcel.id
        self._payload_bytes += len(parcel.transaction.payload)
        begun = time.perf_counter()
        self.chain.commit([parcel])
        return time.perf_counter() - begun

    def _old_state_s(self, blocks: int) -> list[float]:
        found, key = [], dataset_totals_key(f"{self.chain.genesis.validators.names[0]}.flights")
        for height in range(blocks // OLD_STATES, blocks, blocks // OLD_STATES):
            begun = time.perf_counter()
            self.chain.ledger.state_proof(key, height)
            found.append(time.perf_counter() - begun)
        return found

    def _databases(self) -> tuple[LevelDatabase, LevelDatabase]:
        return LevelDatabase(self._folder / "blocks"), LevelDatabase(self._folder / "state")


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
