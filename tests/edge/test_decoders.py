"""Everything that reads bytes from outside (scenarios 46, 47 and 49): whatever comes, it is a value whose one encoding
those bytes are, or a ``PoolError``, soon and without much memory.
"""

import importlib
import json
import pkgutil
import tracemalloc
from collections.abc import Iterator
from random import Random

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.errors import PoolError
from chain.limits import MIB
from chain.primitives.encoding import Wire
from chain.storage.blocks import _HeaderAlone
from tests.edge.damage import SPOIL
from tests.edge.messagepack import FOREIGN, not_shortest
from tests.edge.targets import WIRE_TYPES, targets
from tests.edge.verdicts import attempt

PACKAGES = ("audit", "blockpool", "chain", "cli", "consensus", "contracts", "evidence", "node", "sealing")
TARGETS = targets()
MESSAGEPACK = [name for name, target in TARGETS.items() if target.form == "messagepack"]
JSON = [name for name, target in TARGETS.items() if target.form == "json"]
INPUTS_EACH = 250
"""Spoiled inputs for each target in the normal run; ``make fuzz`` goes on for as long as it is told."""


def defined_wire_types() -> set[type]:
    """Every type of the wire that any module defines; JSON forms of them are no types of the wire."""
    for package in map(importlib.import_module, PACKAGES):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith("contracts.guest."):  # runs inside the sandbox, on Python's library alone
                importlib.import_module(module.name)
    return {type_ for type_ in _subclasses(Wire) if type_.__struct_config__.array_like and _is_ours(type_)}


def _subclasses(type_: type[Wire]) -> Iterator[type[Wire]]:
    for subclass in type_.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _is_ours(type_: type) -> bool:
    return type_.__module__.partition(".")[0] in PACKAGES


def test_s46_no_type_of_the_wire_is_left_out() -> None:
    """But a look at a part of one that is there."""
    assert set(WIRE_TYPES) == defined_wire_types() - {_HeaderAlone}


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_valid_is_taken_and_has_one_encoding(name: str) -> None:
    target = TARGETS[name]
    for sample in target.samples:
        assert attempt(target, sample)
        if target.write is not None:
            assert target.write(target.read(sample)) == sample


@pytest.mark.parametrize("name", TARGETS)
def test_s46_s47_spoiled_encodings_are_refused_or_exact(name: str) -> None:
    target, random = TARGETS[name], Random(f"{name} spoiled")
    others = [sample for other in TARGETS.values() if other.form == target.form for sample in other.samples[:1]]
    taken = 0
    for _ in range(INPUTS_EACH):
        taken += attempt(target, SPOIL[target.form](random.choice(target.samples), random, others))
    assert taken < INPUTS_EACH, "nothing was refused"


@pytest.mark.parametrize("name", MESSAGEPACK)
def test_s47_s49_no_longer_form_of_anything_is_taken(name: str) -> None:
    target, random = TARGETS[name], Random(f"{name} longer")
    for _ in range(100):
        longer = not_shortest(random.choice(target.samples), random)
        assert longer is not None
        assert msgpack.unpackb(longer, strict_map_key=False) is not None, "it is still valid MessagePack"
        with pytest.raises(PoolError):
            target.read(longer)


@pytest.mark.parametrize("name", JSON)
def test_s47_a_key_twice_is_refused_at_every_depth(name: str) -> None:
    target = TARGETS[name]
    for sample in target.samples:
        text = sample.decode()
        places = [place for place, character in enumerate(text) if character == "{"]
        for place in places:
            pairs = json.JSONDecoder(object_pairs_hook=lambda pairs: pairs).raw_decode(text, place)[0]
            if not pairs:
                continue
            key = json.dumps(pairs[0][0])
            value = json.dumps(json.JSONDecoder().raw_decode(text, place)[0][pairs[0][0]])
            doubled = f"{text[: place + 1]}{key}:{value},{text[place + 1 :]}"
            assert json.loads(doubled) == json.loads(text), "another parser would take it"
            with pytest.raises(PoolError):
                target.read(doubled.encode())


HOSTILE: dict[str, bytes] = {
    **FOREIGN,
    "an item of each in one": b"\x98" + b"".join(list(FOREIGN.values())[:8]),
    "lists in lists": b"[" * 100_000,
    "objects in objects": b'{"a":' * 100_000,
    "a long number": b"9" * 100_000,
    "NaN in JSON": b"NaN",
    "a segment of 4 GiB": b"\xff\xff\xff\xff\x14",
    "nothing": b"",
}


@pytest.mark.parametrize("name", TARGETS)
def test_s47_hostile_inputs_cost_neither_time_nor_memory(name: str) -> None:
    target = TARGETS[name]
    for title, data in HOSTILE.items():
        tracemalloc.start()
        taken = attempt(target, data)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert not taken or name in ("frames", "record under a schema") or not data, (title, name)
        assert peak_bytes < 4 * MIB + 64 * len(data), (title, name, peak_bytes)


@settings(max_examples=150)
@given(st.binary(max_size=300))
def test_s46_any_bytes_at_all(data: bytes) -> None:
    for target in TARGETS.values():
        attempt(target, data)


trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=70)
    | st.binary(max_size=70)
    | st.sampled_from([bytes(32), bytes(64), bytes(16), "a", "a.flights"]),
    lambda inner: st.lists(inner, max_size=16) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=30,
)


@settings(max_examples=100)
@given(st.lists(trees, max_size=20), st.integers(0, 9))
def test_s46_any_shape_in_another_encoders_bytes(fields: list[object], tag: int) -> None:
    for data in (msgpack.packb(fields), msgpack.packb([tag, *fields])):
        for name in MESSAGEPACK:
            attempt(TARGETS[name], data)
