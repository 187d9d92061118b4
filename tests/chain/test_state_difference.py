"""Two states are compared by their trees, and a tree by itself is searched for damage: against plain dictionaries."""

from random import Random

import pytest

from chain.primitives.crypto import sha256
from chain.state.difference import damage, differences
from chain.state.tree import EMPTY, MemoryNodes, StateTree, children_of, is_leaf, leaf_of

CHAIN = sha256(b"chain")


def tree_of(entries: dict[bytes, bytes]) -> tuple[MemoryNodes, bytes]:
    nodes = MemoryNodes()
    update = StateTree(CHAIN, nodes).update(EMPTY, entries)
    nodes.add(update)
    return nodes, update.root


def entries_of(random: Random, count: int) -> dict[bytes, bytes]:
    return {b"key/%d" % random.randrange(200): b"%d" % random.randrange(3) for _ in range(count)}


@pytest.mark.parametrize("seed", range(40))
def test_every_entry_that_differs_is_found_and_no_other(seed: int) -> None:
    random = Random(seed)
    first = entries_of(random, random.choice([0, 1, 2, 50]))
    second = random.choice([dict, lambda _: entries_of(random, 50)])(first)
    for key in random.sample([b"key/%d" % number for number in range(200)], random.choice([0, 1, 5])):
        second[key] = b"another"
    for key in random.sample(sorted(second), min(len(second), random.choice([0, 1, 5]))):
        del second[key]
    found = {key: (one, other) for key, one, other in differences(CHAIN, *tree_of(first), *tree_of(second))}
    assert found == {
        key: (first.get(key), second.get(key))
        for key in first.keys() | second.keys()
        if first.get(key) != second.get(key)
    }


@pytest.fixture
def kept() -> tuple[MemoryNodes, bytes]:
    return tree_of({b"key/%d" % number: b"%d" % number for number in range(100)})


def test_a_sound_tree_has_no_damage(kept: tuple[MemoryNodes, bytes]) -> None:
    assert list(damage(CHAIN, *kept)) == []
    assert list(damage(CHAIN, MemoryNodes(), EMPTY)) == []


@pytest.mark.parametrize("key", [b"key/0", b"key/17", b"key/99"])
@pytest.mark.parametrize("is_lost", [True, False])
def test_a_damaged_entry_is_found_at_its_key(kept: tuple[MemoryNodes, bytes], key: bytes, is_lost: bool) -> None:
    nodes, root = kept
    tree = StateTree(CHAIN, nodes)
    (reference,) = [found for found, node in nodes.nodes.items() if is_leaf(node) and leaf_of(node).key == key]
    spoil(nodes, reference, is_lost=is_lost)
    (found,) = damage(CHAIN, nodes, root)
    assert ("missing" if is_lost else "other bytes") in found.what
    covered = [number for number in range(100) if found.place.covers(tree.path(b"key/%d" % number))]
    assert covered == [int(key[4:])]


def spoil(nodes: MemoryNodes, reference: bytes, *, is_lost: bool) -> None:
    if is_lost:
        del nodes.nodes[reference]
    else:
        nodes.nodes[reference] = nodes.nodes[reference][:-1] + b"?"


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_damaged_node_is_found_with_all_keys_below_it(kept: tuple[MemoryNodes, bytes], is_lost: bool) -> None:
    nodes, root = kept
    tree = StateTree(CHAIN, nodes)
    _, right = children_of(nodes.nodes[root])
    if is_lost:
        del nodes.nodes[right]
    else:
        nodes.nodes[right] = nodes.nodes[root]
    (found,) = damage(CHAIN, nodes, root)
    assert ("missing" if is_lost else "other bytes") in found.what
    for number in range(100):
        path = tree.path(b"key/%d" % number)
        assert found.place.covers(path) == (path[0] >= 128)


def test_damaged_subtrees_are_passed_over_when_states_are_compared(kept: tuple[MemoryNodes, bytes]) -> None:
    nodes, root = kept
    changed, changed_root = tree_of({b"key/%d" % number: b"%d" % (number % 50) for number in range(100)})
    _, right = children_of(nodes.nodes[root])
    nodes.nodes[right] = nodes.nodes[root]
    found = list(differences(CHAIN, nodes, root, changed, changed_root))
    paths = [StateTree(CHAIN, nodes).path(key) for key, _, _ in found]
    assert len([path for path in paths if path[0] < 128]) == len(
        [number for number in range(50, 100) if StateTree(CHAIN, nodes).path(b"key/%d" % number)[0] < 128]
    )
    assert all(one is None for (_, one, _), path in zip(found, paths, strict=True) if path[0] >= 128)
