"""The sparse Merkle tree: against a naive definition, independent of history, proofs of presence and absence."""

import hashlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import hash_tagged
from chain.primitives.encoding import decode, encode
from chain.state.tree import (
    EMPTY,
    MemoryNodes,
    StateProof,
    StateTree,
    children_of,
    hash_of,
    is_leaf,
    place_of,
    verify_node,
    verify_state_proof,
)
from tests.refusals import refuses

CHAIN = bytes(range(32))
keys = st.binary(max_size=2)
contents = st.dictionaries(keys, st.binary(max_size=3), max_size=24)
histories = st.lists(st.dictionaries(keys, st.none() | st.binary(max_size=3), max_size=8), max_size=8)


def naive_root(content: Mapping[bytes, bytes]) -> bytes:
    """The definition: empty subtrees are zeros, a subtree of one entry is its leaf, others split by the next bit."""
    entries = []
    for key, value in content.items():
        path = hashlib.sha256(b"blockpool/2\x00state-key\x00" + CHAIN + key).digest()
        bits = "".join(f"{byte:08b}" for byte in path)
        entries.append((bits, path + hashlib.sha256(b"blockpool/2\x00state-value\x00" + CHAIN + value).digest()))
    return _naive_subtree(entries, 0)


def _naive_subtree(entries: list[tuple[str, bytes]], depth: int) -> bytes:
    if not entries:
        return bytes(32)
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0][1]).digest()
    sides = [[entry for entry in entries if entry[0][depth] == bit] for bit in "01"]
    return hashlib.sha256(b"\x01" + b"".join(_naive_subtree(side, depth + 1) for side in sides)).digest()


def tree_of(content: Mapping[bytes, bytes]) -> tuple[StateTree, bytes]:
    nodes = MemoryNodes()
    tree = StateTree(CHAIN, nodes)
    update = tree.update(EMPTY, dict(content))
    nodes.add(update)
    return tree, update.root


@given(histories)
def test_any_history_gives_the_root_of_what_is_left(history: list[dict[bytes, bytes | None]]) -> None:
    nodes = MemoryNodes()
    tree, root = StateTree(CHAIN, nodes), EMPTY
    content: dict[bytes, bytes] = {}
    earlier = []
    for changes in history:
        update = tree.update(root, changes)
        assert update.changes == changes
        nodes.add(update)
        root = update.root
        for key, value in changes.items():
            content.pop(key, None)
            if value is not None:
                content[key] = value
        assert hash_of(root) == naive_root(content)
        earlier.append((root, dict(content)))
    for old_root, old_content in earlier:
        for key in {key for changes in history for key in changes}:
            assert tree.get(old_root, key) == old_content.get(key)


@given(contents, st.randoms())
def test_the_order_of_changes_does_not_matter(content: dict[bytes, bytes], random: object) -> None:
    items = list(content.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    nodes = MemoryNodes()
    tree, root = StateTree(CHAIN, nodes), EMPTY
    for key, value in items:
        update = tree.update(root, {key: value})
        nodes.add(update)
        root = update.root
    assert hash_of(root) == hash_of(tree_of(content)[1])


@given(contents, keys)
def test_every_key_is_provably_present_or_absent(content: dict[bytes, bytes], other: bytes) -> None:
    tree, root = tree_of(content)
    for key in [*content, other]:
        verify_state_proof(CHAIN, hash_of(root), key, content.get(key), tree.prove(root, key))


@given(contents, keys, st.binary(max_size=3))
def test_nothing_else_can_be_proved(content: dict[bytes, bytes], key: bytes, claim: bytes) -> None:
    tree, root = tree_of(content)
    proof, truth = tree.prove(root, key), content.get(key)
    for wrong in (claim, None, b"something else"):
        if wrong != truth:
            assert_refused(root, key, wrong, proof)
    assert_refused(EMPTY if content else b"\x01" * 44, key, truth, proof)
    path = tree.path(key)
    forged_value = b"forged"
    value_hash = hash_tagged("state-value", CHAIN, forged_value)
    assert_refused(root, key, forged_value, StateProof(proof.siblings, path, value_hash))
    if truth is not None:
        assert_refused(root, key, None, StateProof(proof.siblings, b"", b""))
        assert_refused(root, key, None, StateProof((), b"", b""))


@given(contents.filter(lambda content: len(content) > 1), st.data())
def test_a_changed_proof_is_refused(content: dict[bytes, bytes], data: st.DataObject) -> None:
    tree, root = tree_of(content)
    key = data.draw(st.sampled_from(sorted(content)))
    proof = tree.prove(root, key)
    position = data.draw(st.integers(0, len(proof.siblings) - 1))
    siblings = list(proof.siblings)
    siblings[position] = bytes(31) + bytes([siblings[position][31] ^ 1])
    leaf = (proof.leaf_path, proof.leaf_value_hash)
    for forged in (
        StateProof(tuple(siblings), *leaf),
        StateProof(proof.siblings[:-1], *leaf),
        StateProof((*proof.siblings, bytes(32)), *leaf),
    ):
        assert_refused(root, key, content[key], forged)


@pytest.mark.parametrize(
    ("siblings", "path_length", "value_length"), [(257, 32, 32), (1, 32, 0), (1, 0, 32), (1, 31, 31), (1, 33, 33)]
)
def test_a_proof_of_another_shape_is_malformed(siblings: int, path_length: int, value_length: int) -> None:
    with refuses(ErrorCode.MALFORMED):
        decode(StateProof, encode(((bytes(32),) * siblings, bytes(path_length), bytes(value_length))))


def test_a_leaf_from_elsewhere_in_the_tree_proves_no_absence() -> None:
    """The proof of one key's neighbour, given for a key on the other side of the tree."""
    content = {bytes([number]): b"x" for number in range(64)}
    tree, root = tree_of(content)
    present = next(key for key in content if tree.path(key)[0] < 0x80)
    foreign = next(key for key in content if tree.path(key)[0] >= 0x80)
    assert_refused(root, present, None, tree.prove(root, foreign))


def test_deleting_everything_gives_the_empty_root() -> None:
    tree, root = tree_of({b"a": b"1", b"b": b"2", b"c": b"3"})
    assert tree.update(root, {b"a": None, b"b": None, b"c": None, b"never there": None}).root == EMPTY


def test_an_empty_value_is_not_an_absent_one() -> None:
    tree, root = tree_of({b"a": b""})
    assert root != EMPTY
    assert tree.get(root, b"a") == b""
    assert_refused(root, b"a", None, tree.prove(root, b"a"))


def test_another_chain_has_another_tree() -> None:
    update = StateTree(bytes(32), MemoryNodes()).update(EMPTY, {b"a": b"1"})
    tree, root = tree_of({b"a": b"1"})
    assert hash_of(update.root) != hash_of(root)
    with pytest.raises(PoolError):
        verify_state_proof(bytes(32), hash_of(root), b"a", b"1", tree.prove(root, b"a"))


def test_a_missing_node_is_damage() -> None:
    with pytest.raises(PoolError) as caught:
        StateTree(CHAIN, MemoryNodes()).get(b"\x01" * 44, b"a")
    assert caught.value.code is ErrorCode.DATABASE_DAMAGED


@given(histories)
def test_what_is_superseded_is_what_the_new_tree_does_not_have(history: list[dict[bytes, bytes | None]]) -> None:
    nodes = MemoryNodes()
    tree, root = StateTree(CHAIN, nodes), EMPTY
    held: set[bytes] = set()
    for height, changes in enumerate(history):
        update = tree.update(root, changes, height)
        assert held.isdisjoint(update.nodes)
        assert set(update.superseded) <= held
        assert len(set(update.superseded)) == len(update.superseded)
        nodes.add(update)
        root, held = update.root, held.difference(update.superseded) | update.nodes.keys()
        assert held == references_under(nodes, root)
        places = [place_of(reference) for reference in update.nodes]
        assert places == [height.to_bytes(8, "big") + number.to_bytes(4, "big") for number in range(len(places))]


def references_under(nodes: MemoryNodes, root: bytes) -> set[bytes]:
    found, pending = set(), [root]
    while pending:
        reference = pending.pop()
        if reference == EMPTY:
            continue
        node = nodes.node(reference)
        verify_node(CHAIN, reference, node)
        found.add(reference)
        pending += [] if is_leaf(node) else children_of(node)
    return found


def test_writing_what_is_there_already_makes_nothing() -> None:
    content = {bytes([number]): b"x" for number in range(20)}
    tree, root = tree_of(content)
    assert tree.update(root, {b"\x03": b"x", b"other": None}, 7)[:3] == (root, {}, [])


@given(contents.filter(bool), st.data())
def test_no_other_bytes_pass_for_a_node(content: dict[bytes, bytes], data: st.DataObject) -> None:
    nodes = MemoryNodes()
    nodes.add(StateTree(CHAIN, nodes).update(EMPTY, dict(content)))
    reference, node = data.draw(st.sampled_from(sorted(nodes.nodes.items())))
    hashed = range(len(node)) if is_leaf(node) else [*range(33), *range(45, 77)]
    at = data.draw(st.sampled_from(hashed))
    for wrong in (node[:at] + bytes([node[at] ^ 1]) + node[at + 1 :], node[:at], node + b"x"):
        with pytest.raises(PoolError) as caught:
            verify_node(CHAIN, reference, wrong)
        assert caught.value.code is ErrorCode.DATABASE_DAMAGED


def test_a_leaf_whose_key_is_cut_off_is_refused() -> None:
    """With its own length the node would be right: a key and a value of nothing."""
    nodes = MemoryNodes()
    nodes.add(StateTree(CHAIN, nodes).update(EMPTY, {b"": b""}))
    [(reference, node)] = nodes.nodes.items()
    with refuses(ErrorCode.DATABASE_DAMAGED):
        verify_node(CHAIN, reference, node[:-2] + b"\x01\x00")


def assert_refused(root: bytes, key: bytes, value: bytes | None, proof: StateProof) -> None:
    with refuses(ErrorCode.BAD_PROOF):
        verify_state_proof(CHAIN, hash_of(root), key, value, proof)
