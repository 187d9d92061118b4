"""The tree over block hashes: roots and proofs of every size against RFC 6962's own definitions."""

import pytest

from chain.proofs import history, merkle
from tests.chain.naive_merkle import naive_consistency, naive_inclusion, naive_root

SIZES = 70
ITEMS = [number.to_bytes(2, "big") for number in range(SIZES)]


@pytest.fixture(scope="module")
def nodes() -> dict[tuple[int, int], bytes]:
    """All complete subtrees of a history of ``SIZES`` leaves, as they come while it grows."""
    kept: dict[tuple[int, int], bytes] = {}
    for size, item in enumerate(ITEMS):
        completed = history.nodes_completed_by(size, merkle.leaf_hash(item), lambda *place: kept[place])
        for level, index, value in completed:
            assert (level, index) not in kept, "a complete subtree never changes"
            assert value == naive_root(ITEMS[index << level : (index + 1) << level])
            kept[level, index] = value
    return kept


def test_roots_of_all_sizes(nodes: dict[tuple[int, int], bytes]) -> None:
    for size in range(SIZES + 1):
        assert history.root_at(size, lambda *place: nodes[place]) == naive_root(ITEMS[:size])


def test_inclusion_proofs_of_all_sizes(nodes: dict[tuple[int, int], bytes]) -> None:
    for size in range(1, SIZES + 1):
        for index in range(size):
            proof = history.inclusion_proof_at(index, size, lambda *place: nodes[place])
            assert proof == naive_inclusion(index, ITEMS[:size])


def test_consistency_proofs_of_all_sizes(nodes: dict[tuple[int, int], bytes]) -> None:
    roots = [naive_root(ITEMS[:size]) for size in range(SIZES + 1)]
    for new in range(SIZES + 1):
        for old in range(new + 1):
            proof = history.consistency_proof(old, new, lambda *place: nodes[place])
            assert proof == naive_consistency(old, ITEMS[:new])
            if old:  # from the empty tree there is nothing to prove
                merkle.verify_consistency(old, new, roots[old], roots[new], proof)


def test_few_nodes_are_read_and_none_beyond_the_size(nodes: dict[tuple[int, int], bytes]) -> None:
    read: list[tuple[int, int]] = []

    def reader(level: int, index: int) -> bytes:
        read.append((level, index))
        return nodes[level, index]

    history.consistency_proof(37, 61, reader)
    assert all((index + 1) << level <= 61 for level, index in read)
    assert len(read) <= 2 * (61).bit_length()


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_a_leaf_outside_the_tree_is_a_callers_fault(index: int, size: int) -> None:
    with pytest.raises(IndexError):
        history.inclusion_proof_at(index, size, lambda level, place: bytes(32))


@pytest.mark.parametrize(("old", "new"), [(-1, 3), (4, 3)])
def test_sizes_out_of_order_are_a_callers_fault(old: int, new: int) -> None:
    with pytest.raises(IndexError):
        history.consistency_proof(old, new, lambda level, place: bytes(32))
