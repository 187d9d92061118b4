"""``blockpool audit compare`` names the first height and the key at which two nodes differ."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chain.blocks import FinalHeader, Outcome
from chain.primitives.encoding import decode, encode
from chain.state.entries import dataset_key, dataset_totals_key, member_key
from chain.state.tree import REFERENCE_SIZE, is_leaf, leaf_of, place_of
from chain.storage.blocks import StoredHead
from chain.storage.level import LevelDatabase
from chain.transactions.base import ErasedPayload
from tests.audit.audit_world import EventfulChain
from tests.cli.commands import Done, run
from tests.processes import RunningNetwork


@pytest.fixture(scope="module")
def chain() -> EventfulChain:
    return EventfulChain(has_contracts=False)


@pytest.fixture
def homes(chain: EventfulChain, tmp_path: Path) -> tuple[Path, Path]:
    """Two nodes that hold the same."""
    (tmp_path / "genesis.json").write_bytes(chain.network.genesis.content)
    return chain.make_home(tmp_path / "one"), chain.make_home(tmp_path / "other")


def compare(first: Path, second: Path, *more: str) -> Done:
    return run("audit", "compare", first, second, "--genesis", first.parent / "genesis.json", *more)


def edit(home: Path, database: str, prefix: bytes, change: Callable[[bytes], bytes | None], index: int = 0) -> bytes:
    """Change one of the values whose key begins with ``prefix``. Gives its key."""
    engine = LevelDatabase(home / "data" / database)
    key, value = sorted(engine.scan(prefix, prefix + b"\xff"))[index]
    engine.write([(key, change(value))], sync=True)
    engine.close()
    return key


def test_nothing_differs(homes: tuple[Path, Path]) -> None:
    done = compare(*homes, "--json")
    assert (done.code, done.json["same"], done.json["height"], done.json["block"]) == (0, True, 7, None)
    assert done.json["state"] == {"height": 7, "keys": [], "damage": {str(home): [] for home in homes}}
    assert "Nothing differs." in compare(*homes).out


def test_a_chain_that_is_only_shorter_does_not_differ(
    chain: EventfulChain, homes: tuple[Path, Path], tmp_path: Path
) -> None:
    shorter = chain.make_home(tmp_path / "shorter", chain.blocks[:3])
    for pair in ((homes[0], shorter), (shorter, homes[1])):
        done = compare(*pair, "--json")
        assert (done.code, done.json["same"], done.json["height"]) == (0, True, 3)
        assert done.json["state"]["keys"] == [], "states are compared after the last block that both have"


def test_a_fork_is_found_at_its_first_block_with_the_keys_that_differ(
    chain: EventfulChain, homes: tuple[Path, Path], tmp_path: Path
) -> None:
    fork = [*chain.blocks[:5], [chain.network.parcel([b'{"n":5}', b'{"n":6}'])], *chain.blocks[6:]]
    done = compare(homes[0], chain.make_home(tmp_path / "fork", fork), "--json")
    assert (done.code, done.json["same"], done.json["block"]["height"]) == (1, False, 6)
    parts = {part["part"]: part for part in done.json["block"]["parts"]}
    assert (parts["header transaction_count"]["first"], parts["header transaction_count"]["second"]) == ("2", "1")
    assert {"header state_root", "header tx_root", "transaction 0", "transaction 1"} <= set(parts)
    assert parts["transaction 1"]["second"] == "absent"
    changed = {key["key"]: key["fields"] for key in done.json["state"]["keys"]}
    assert set(changed) == {"dataset-totals/a.flights", "member-totals/a"}
    (records,) = [part for part in changed["dataset-totals/a.flights"] if part["part"] == "entry records"]
    assert int(records["second"]) == int(records["first"]) + 1
    shown = compare(homes[0], tmp_path / "fork").out
    assert "Differ from height 6 on" in shown
    assert "Differ in the state after height 6: dataset-totals/a.flights" in shown


def _block_key(height: int) -> bytes:
    return b"b" + height.to_bytes(8, "big")


def _payload_key(height: int) -> bytes:
    return b"p" + height.to_bytes(8, "big")


def _outcomes_key(height: int) -> bytes:
    return b"x" + height.to_bytes(8, "big")


def _without_outcome_facts(data: bytes) -> bytes:
    outcomes = decode(tuple[Outcome, ...], data)
    return encode(tuple(msgspec.structs.replace(outcome, facts=()) for outcome in outcomes))


def _resigned(data: bytes) -> bytes:
    return encode(msgspec.structs.replace(decode(StoredHead, data), signature=bytes(64)))


@pytest.mark.parametrize(
    ("prefix", "index", "change", "height", "part"),
    [
        (_block_key(2), 0, lambda data: None, 2, "block"),
        (_block_key(3), 0, lambda data: data[:-1], 3, "block"),
        (_outcomes_key(2), 0, _without_outcome_facts, 2, "outcome 1 facts"),
        (b"t" + (3).to_bytes(8, "big"), 2, _resigned, 3, "transaction 2 signature"),
        (_payload_key(2), 1, lambda data: data[:-1] + b"!", 2, "transaction 3 payload"),
        (_payload_key(5), 0, lambda data: None, 5, "transaction 0 payload"),
    ],
    ids=["block lost", "block cut off", "outcome", "signature", "payload", "payload lost"],
)
def test_the_first_height_and_what_differs_there(
    homes: tuple[Path, Path], prefix: bytes, index: int, change: Callable[[bytes], bytes | None], height: int, part: str
) -> None:
    edit(homes[1], "blocks", prefix, change, index)
    edit(homes[1], "blocks", _payload_key(6), lambda data: data[:-1] + b"?")
    for pair in (homes, homes[::-1]):
        done = compare(*pair, "--json")
        assert (done.code, done.json["block"]["height"]) == (1, height)
        assert [found["part"] for found in done.json["block"]["parts"]] == [part]


def test_certificates_of_other_quorums_are_no_difference(chain: EventfulChain, homes: tuple[Path, Path]) -> None:
    def other_quorum(data: bytes) -> bytes:
        block = decode(FinalHeader, data)
        assert block.certificate is not None
        votes = (*block.certificate.votes[1:], ("d", bytes(64)))
        return encode(
            msgspec.structs.replace(block, certificate=msgspec.structs.replace(block.certificate, votes=votes))
        )

    edit(homes[1], "blocks", _block_key(4), other_quorum)
    assert compare(*homes).code == 0
    edit(
        homes[1],
        "blocks",
        _block_key(4),
        lambda data: encode(msgspec.structs.replace(decode(FinalHeader, data), certificate=None)),
    )
    assert compare(*homes, "--json").json["block"]["parts"] == [
        {"part": "certificate", "first": "there", "second": "absent"}
    ]


def test_a_node_that_has_not_erased_what_its_chain_erases_differs(
    chain: EventfulChain, homes: tuple[Path, Path], tmp_path: Path
) -> None:
    not_yet = chain.make_home(tmp_path / "not yet", chain.blocks[:3])
    assert compare(homes[0], not_yet).code == 0, "its chain does not say so yet"
    payload = next(value for key, value in _payloads(not_yet) if key[-4:] == (2).to_bytes(4, "big"))
    engine = LevelDatabase(homes[1] / "data" / "blocks")
    ((key, stub),) = (kept for kept in engine.scan(b"e", b"f") if decode(ErasedPayload, kept[1]).size_bytes)
    assert decode(ErasedPayload, stub).size_bytes == len(payload)
    engine.write([(key, None), (b"p" + key[1:], payload)], sync=True)
    engine.close()
    done = compare(*homes, "--json")
    assert (done.code, done.json["block"]["height"]) == (1, 2)
    assert done.json["block"]["parts"] == [{"part": "transaction 2 payload", "first": "erased", "second": "there"}]


def _payloads(home: Path) -> list[tuple[bytes, bytes]]:
    engine = LevelDatabase(home / "data" / "blocks")
    found = list(engine.scan(_payload_key(2), _payload_key(3)))
    engine.close()
    return found


@pytest.mark.parametrize(
    ("change", "what"),
    [(lambda value: None, "is missing"), (lambda value: value[:-1] + b"\x7f", "has other bytes")],
    ids=["lost", "changed"],
)
def test_an_entry_that_a_state_database_has_not_as_it_should_is_named(
    homes: tuple[Path, Path], change: Callable[[bytes], bytes | None], what: str
) -> None:
    edit_leaf(homes[1], dataset_totals_key("a.flights"), change)
    done = compare(*homes, "--json")
    assert (done.code, done.json["same"], done.json["block"]) == (1, False, None)
    damage = done.json["state"]["damage"]
    assert damage[str(homes[0])] == []
    (found,) = damage[str(homes[1])]
    assert found["keys"] == ["dataset-totals/a.flights"]
    assert what in found["what"]
    assert f"{found['what']}: dataset-totals/a.flights" in " ".join(compare(*homes).out.split())


def edit_leaf(home: Path, key: bytes, change: Callable[[bytes], bytes | None]) -> None:
    """Change the newest leaf of a state key."""
    engine = LevelDatabase(home / "data" / "state")
    leaves = [(place, node) for place, node in engine.scan(b"n", b"o") if is_leaf(node) and leaf_of(node).key == key]
    engine.write([(leaves[-1][0], change(leaves[-1][1]))], sync=True)
    engine.close()


def test_a_lost_tree_node_is_named_by_the_keys_below_it(homes: tuple[Path, Path]) -> None:
    engine = LevelDatabase(homes[0] / "data" / "state")
    *_, (_, root) = engine.scan(b"r", b"s")
    engine.write([(b"n" + place_of(root[:REFERENCE_SIZE]), None)], sync=True)
    engine.close()
    (damage,) = compare(*homes, "--json").json["state"]["damage"][str(homes[0])]
    assert "is missing" in damage["what"]
    assert {member_key("a").decode(), dataset_key("a.flights").decode()} <= set(damage["keys"])


def test_a_state_that_is_not_there_is_not_compared(homes: tuple[Path, Path]) -> None:
    engine = LevelDatabase(homes[1] / "data" / "state")
    engine.write([(key, None) for key, _ in engine.scan(b"", b"\xff")], sync=True)
    engine.close()
    done = compare(*homes, "--json")
    assert (done.code, done.json["state"]["keys"], list(done.json["state"]["damage"])) == (0, None, [str(homes[0])])
    assert f"of the states only that of {homes[0]} could be looked at" in compare(*homes).out


@pytest.mark.integration
def test_two_running_nodes(running_network: RunningNetwork) -> None:
    running_network.network.settle()
    urls: list[Any] = list(running_network.network.urls[:2])
    done = run("audit", "compare", *urls, "--genesis", running_network.genesis_file, "--json")
    assert (done.code, done.json["same"], done.json["state"]["keys"]) == (0, True, None)
