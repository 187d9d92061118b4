"""Section about evidence files: how large they are on a long chain, and what making and verifying one costs."""

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from bench.bench import Bench
from bench.figures import Figure, Section
from bench.long_chain import LongChain
from bench.statistics import percentile
from chain.proofs.history import TreeHead, root_at
from chain.storage.level import LevelDatabase
from evidence.kinds import parse_any_evidence, verify_any_evidence
from evidence.record import RecordEvidence, make_record_evidence

Item = TypeVar("Item")
Result = TypeVar("Result")

SAMPLES = 200
"""Files that are made and verified, of records from all over the chain."""


def evidence(bench: Bench) -> Section:
    """Make and verify evidence files of records of a chain with one record in a block."""
    with tempfile.TemporaryDirectory(dir=bench.network.folder, prefix="evidence-") as folder:
        engines = LevelDatabase(Path(folder) / "blocks"), LevelDatabase(Path(folder) / "state")
        chain = LongChain(bench.network.genesis.founders, *engines)
        with closing(chain.ledger):
            figures = evidence_figures(chain, bench.durations.evidence_blocks)
    setting = "one record in a block, four validators, every tenth parcel made from the one before; the ledger on disk"
    return Section("evidence", "Evidence files", setting, figures)


def evidence_figures(chain: LongChain, blocks: int) -> list[Figure]:
    """What evidence of records of a chain with so many blocks comes to."""
    ids = chain.fill(blocks)
    chosen = ids[:: max(1, len(ids) // SAMPLES)][:SAMPLES]
    ledger, size = chain.ledger, chain.ledger.tip.height + 1
    tree = TreeHead(size, root_at(size, ledger.blocks.history_node))
    plain, plain_ms = _timed(chosen, lambda id_: make_record_evidence(ledger, id_, 0))
    included, included_ms = _timed(chosen, lambda id_: make_record_evidence(ledger, id_, 0, size))
    _, verify_ms = _timed(plain, lambda file: list(verify_any_evidence(file, chain.ledger.trust)))
    _, checkpoint_ms = _timed(included, lambda file: list(verify_any_evidence(file, chain.ledger.trust, tree)))
    how = f"{len(chosen)} files, {size:,} blocks; median {{:.2f}} ms"
    return [
        Figure("evidence_size", "evidence of a record, largest", _largest(plain), "bytes", "beside the record"),
        Figure(
            "evidence_size_included",
            "the same with its blocks' place in a checkpoint",
            _largest(included),
            "bytes",
            "beside the record",
        ),
        _milliseconds("evidence_export", "making one, p99", plain_ms + included_ms, how),
        _milliseconds("evidence_verify", "verifying one from genesis, p99", verify_ms, how),
        _milliseconds("evidence_verify_checkpoint", "verifying one from a checkpoint, p99", checkpoint_ms, how),
    ]


def _timed(items: Sequence[Item], work: Callable[[Item], Result]) -> tuple[list[Result], list[float]]:
    """What ``work`` makes of each item, and how long each took, milliseconds."""
    results, times_ms = [], []
    for item in items:
        started = time.perf_counter()
        results.append(work(item))
        times_ms.append((time.perf_counter() - started) * 1000)
    return results, times_ms


def _largest(files: Sequence[bytes]) -> int:
    """Bytes of the largest file without its record."""
    return max(len(file) - _record_size_bytes(file) for file in files)


def _record_size_bytes(content: bytes) -> int:
    file = parse_any_evidence(content)
    return len(file.record.body or b"") if isinstance(file, RecordEvidence) else 0


def _milliseconds(key: str, what: str, times_ms: list[float], how: str) -> Figure:
    ordered = sorted(times_ms)
    return Figure(key, what, percentile(ordered, 99), "ms", how.format(percentile(ordered, 50)))
