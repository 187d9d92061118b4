"""Two states are compared by their trees, and a tree by itself is searched for damage: against plain dictionaries."""

from random import Random

import pytest

from chain.primitives.crypto import sha256
from chain.state.difference import damage, differences
from chain.state.tree import EMPTY, MemoryNodes, StateTree

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
    tree, paths = StateTree(CHAIN, MemoryNodes()), {}
    for key in first.keys() | second.keys():
        paths[tree.path(key)] = key
    (nodes, root), (other_nodes, other_root) = tree_of(first), tree_of(second)
    found = {
        paths[path]: (None if one is None else nodes.value(one), None if other is None else other_nodes.value(other))
        for path, one, other in differences(nodes, root, other_nodes, other_root)
    }
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
def test_a_damaged_value_is_found_at_its_key(kept: tuple[MemoryNodes, bytes], key: bytes, is_lost: bool) -> None:
    nodes, root = kept
    tree = StateTree(CHAIN, nodes)
    hash_ = tree.prove(root, key).leaf_value_hash
    if is_lost:
        del nodes.values[hash_]
    else:
        nodes.values[hash_] = b"9999"
    (found,) = damage(CHAIN, nodes, root)
    assert found.what == ("its value is missing" if is_lost else "its value has other bytes")
    covered = [number for number in range(100) if found.place.covers(tree.path(b"key/%d" % number))]
    assert covered == [int(key[4:])]


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_damaged_node_is_found_with_all_keys_below_it(kept: tuple[MemoryNodes, bytes], is_lost: bool) -> None:
    nodes, root = kept
    tree = StateTree(CHAIN, nodes)
    right = nodes.nodes[root][33:]
    other = nodes.nodes[root][1:33]
    if is_lost:
        del nodes.nodes[right]
    else:
        nodes.nodes[right] = nodes.nodes[other]
    (found,) = damage(CHAIN, nodes, root)
    assert found.what == ("a tree node is missing" if is_lost else "a tree node has other bytes")
    for number in range(100):
        path = tree.path(b"key/%d" % number)
        assert found.place.covers(path) == (path[0] >= 128)


def test_damaged_subtrees_are_passed_over_when_states_are_compared(kept: tuple[MemoryNodes, bytes]) -> None:
    nodes, root = kept
    changed, changed_root = tree_of({b"key/%d" % number: b"%d" % (number % 50) for number in range(100)})
    right = nodes.nodes[root][33:]
    nodes.nodes[right] = nodes.nodes[root]
    found = list(differences(nodes, root, changed, changed_root))
    assert len([path for path, _, _ in found if path[0] < 128]) == len(
        [number for number in range(50, 100) if StateTree(CHAIN, nodes).path(b"key/%d" % number)[0] < 128]
    )
    assert all(one is None for path, one, _ in found if path[0] >= 128)
