"""Merkle trees: RFC 6962's vectors, and a naive recursive implementation that follows the RFC's own definitions."""

import hashlib
import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.errors import ErrorCode, PoolError
from chain.proofs import merkle
from tests.chain.naive_merkle import naive_consistency, naive_inclusion, naive_root
from tests.refusals import refuses

VECTORS = Path(__file__).parents[2].parent / "shared" / "vectors"
needs_vectors = pytest.mark.skipif(
    not (VECTORS / "rfc6962_inclusion").is_dir(), reason=f"the RFC 6962 vectors are not under {VECTORS}"
)

items_lists = st.lists(st.binary(max_size=8), max_size=40)


def vectors(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((VECTORS / folder).rglob("*.json")):
        yield str(path.relative_to(VECTORS)), json.loads(path.read_text())


def hashes(values: list[str] | None) -> list[bytes]:
    return [b64decode(value) for value in values or ()]


def filled(root: bytes) -> bytes:
    """Some vectors have a text such as "don't care 1" for a root; this library also asks that a hash has 32 bytes."""
    return hashlib.sha256(root).digest() if root.startswith(b"don't care") else root


def is_refused(verify: Callable[..., None], *arguments: object) -> bool:
    """Whether ``verify`` finds that a proof does not hold; any other error fails the test."""
    try:
        verify(*arguments)
    except PoolError as error:
        if error.code is not ErrorCode.BAD_PROOF:
            raise
        return True
    return False


@needs_vectors
def test_rfc6962_inclusion_vectors() -> None:
    verdicts = []
    for name, case in vectors("rfc6962_inclusion"):
        leaf, root = b64decode(case["leafHash"]), b64decode(case["root"])
        refused = is_refused(
            merkle.verify_inclusion, leaf, case["leafIdx"], case["treeSize"], hashes(case["proof"]), root
        )
        assert refused == case["wantErr"], name
        verdicts.append(refused)
    assert (verdicts.count(False), verdicts.count(True)) == (6, 92)


@needs_vectors
def test_rfc6962_consistency_vectors() -> None:
    verdicts = []
    for name, case in vectors("rfc6962_consistency"):
        roots = (filled(b64decode(case["root1"])), filled(b64decode(case["root2"])))
        refused = is_refused(merkle.verify_consistency, case["size1"], case["size2"], *roots, hashes(case["proof"]))
        assert refused == case["wantErr"], name
        verdicts.append(refused)
    assert (verdicts.count(False), verdicts.count(True)) == (6, 92)


def test_known_roots() -> None:
    assert merkle.root([]) == hashlib.sha256(b"").digest()
    assert merkle.root([b""]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


@given(items_lists)
def test_root_agrees_with_the_definition(items: list[bytes]) -> None:
    leaves = merkle.leaf_hashes(items)
    assert leaves == [merkle.leaf_hash(item) for item in items]
    assert merkle.root(items) == merkle.MerkleTree(leaves).root == naive_root(items)


@given(items_lists.filter(bool), st.data())
def test_inclusion_proofs_agree_and_verify(items: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(items) - 1))
    leaves, root = merkle.leaf_hashes(items), merkle.root(items)
    proof = merkle.inclusion_proof(leaves, index)
    assert proof == naive_inclusion(index, items)
    merkle.verify_inclusion(leaves[index], index, len(items), proof, root)


@given(items_lists.filter(bool), st.data())
def test_a_forged_inclusion_proof_is_refused(items: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(items) - 1))
    leaves, root, size = merkle.leaf_hashes(items), merkle.root(items), len(items)
    proof = merkle.inclusion_proof(leaves, index)
    forgeries = [
        (merkle.leaf_hash(b"another record"), index, size, proof, root),
        (leaves[index], index, size, [*proof, bytes(32)], root),
        (leaves[index], index, size, [bytes(32), *proof], root),
        (leaves[index], -1, size, proof, root),
        (leaves[index], size, size, proof, root),
        (leaves[index], index, 0, proof, root),
        (leaves[index][:31], index, size, proof, root),
        (leaves[index], index, size, proof, bytes(32)),
        (leaves[index], index, size, [bytes(32)] * 67, root),
    ]
    if proof:
        position = data.draw(st.integers(0, len(proof) - 1))
        forgeries += [
            (leaves[index], index, size, proof[:-1], root),
            (leaves[index], index, size, [*proof[:position], bytes(32), *proof[position + 1 :]], root),
            (leaves[index], index, size, [*proof[:position], b"short", *proof[position + 1 :]], root),
        ]
    for forgery in forgeries:
        with refuses(ErrorCode.BAD_PROOF):
            merkle.verify_inclusion(*forgery)


def test_consistency_proofs_verify_for_all_small_sizes() -> None:
    items = [bytes([number]) for number in range(20)]
    roots = [naive_root(items[:size]) for size in range(21)]
    for new in range(21):
        for old in range(1, new + 1):
            proof = naive_consistency(old, items[:new])
            merkle.verify_consistency(old, new, roots[old], roots[new], proof)


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_a_forged_consistency_proof_is_refused(first: int, second: int, data: st.DataObject) -> None:
    old, new = sorted((first, second))
    items = [bytes([number]) for number in range(new)]
    old_root, new_root, proof = naive_root(items[:old]), naive_root(items), naive_consistency(old, items)
    rewritten = naive_root([b"rewritten", *items[1:old]])
    forgeries = [
        (old, new, rewritten, new_root, proof),
        (old, new, old_root, bytes(32), proof),
        (old, new, old_root, new_root, [*proof, bytes(32)]),
        (old, new, old_root, new_root, [bytes(32), *proof]),
        (new + 1, new, old_root, new_root, proof),
        (-1, new, old_root, new_root, proof),
        (0, new, merkle.EMPTY_ROOT, new_root, []),
        (0, 0, merkle.EMPTY_ROOT, new_root, []),
        (0, 0, new_root, new_root, []),
        (old, new, old_root[:31], new_root, proof),
    ]
    if proof:
        position = data.draw(st.integers(0, len(proof) - 1))
        forgeries += [
            (old, new, old_root, new_root, proof[:-1]),
            (old, new, old_root, new_root, [*proof[:position], bytes(32), *proof[position + 1 :]]),
        ]
    for forgery in forgeries:
        with refuses(ErrorCode.BAD_PROOF):
            merkle.verify_consistency(*forgery)


@pytest.mark.parametrize("index", [-1, 3, 100])
def test_a_proof_outside_the_tree_is_a_callers_fault(index: int) -> None:
    with pytest.raises(IndexError):
        merkle.inclusion_proof(merkle.leaf_hashes([b"a", b"b", b"c"]), index)


@pytest.mark.parametrize(("size", "split"), [(2, 1), (3, 2), (4, 2), (5, 4), (8, 4), (9, 8), (2**40 + 1, 2**40)])
def test_where_a_tree_splits(size: int, split: int) -> None:
    assert merkle.largest_power_of_two_below(size) == split
