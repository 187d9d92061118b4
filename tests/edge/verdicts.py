"""What every reader of outside bytes must do with whatever comes."""

import json
import time

import msgpack

from chain.errors import PoolError
from tests.edge.targets import Target

READ_S_MAX = 2.0
"""For any one input, on a machine with other things to do."""


def attempt(target: Target, data: bytes) -> bool:
    """Whether ``data`` is taken; it must not be if it is not exactly the encoding of what was read."""
    started_s = time.monotonic()
    try:
        value = target.read(data)
    except PoolError:
        return False
    finally:
        assert time.monotonic() - started_s < READ_S_MAX, (target.name, data[:200].hex())
    if target.write is not None and target.form != "json":
        assert target.write(value) == data, (target.name, data.hex())
    if target.form == "messagepack":
        assert packed_anew(data) == data, (target.name, data.hex())
    if target.form == "json":
        assert is_strict_json(data), (target.name, data)
    return True


def packed_anew(data: bytes) -> bytes:
    """The shortest encoding of the same values according to another implementation of the format."""
    packed: bytes = msgpack.packb(msgpack.unpackb(data, strict_map_key=False))
    return packed


def is_strict_json(data: bytes) -> bool:
    """Whether another parser finds no key twice and no number that is none."""

    def no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len(dict(pairs)) == len(pairs), "a key twice"
        return dict(pairs)

    def no_constant(name: str) -> None:
        raise AssertionError(name)

    json.loads(data, object_pairs_hook=no_duplicates, parse_constant=no_constant)
    return True
