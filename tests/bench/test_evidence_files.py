"""The section about evidence files, on a chain that is short enough for a test."""

from bench.evidence_files import evidence_figures
from bench.long_chain import LongChain
from chain.storage.database import MemoryDatabase
from tests.networks import TestNetwork


def figures(blocks: int) -> dict[str, float]:
    members = tuple(TestNetwork(has_contracts=True).genesis.founders)
    chain = LongChain(members, MemoryDatabase(), MemoryDatabase())
    return {figure.key: figure.value for figure in evidence_figures(chain, blocks)}


def test_evidence_grows_with_the_logarithm_of_the_chain() -> None:
    """Sixteen times as many blocks: four more hashes in each of two places in the history, and in five state proofs."""
    short, long = figures(32), figures(512)
    assert 0 < short["evidence_size"] < long["evidence_size"] < 10_240
    for key in ("evidence_size", "evidence_size_included"):
        assert long[key] - short[key] < 13 * 4 * 80
    assert short["evidence_size"] < short["evidence_size_included"]
