"""Parameters and answers that several routes share."""

from typing import Annotated

import orjson
from fastapi import Query
from starlette.responses import Response

from chain.limits import LIMITS
from chain.primitives.crypto import HASH_SIZE, Hash
from chain.storage.blocks import Location
from node.api.problems import bad_request, parse_number

Limit = Annotated[int, Query(ge=1, le=1000)]
"""How many entries of a list are wanted."""
After = Annotated[str | None, Query(description="HEIGHT.INDEX, as `next` of the last answer has it")]
"""Where a list goes on."""


def json_response(value: object) -> Response:
    """An answer in JSON."""
    return Response(orjson.dumps(value), media_type="application/json")


def parse_hash(text: str) -> Hash:
    """A transaction id.

    Raises:
        PoolError: code ``bad_request``.
    """
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != HASH_SIZE or len(text) != 2 * HASH_SIZE:
        raise bad_request(f"a transaction id is {2 * HASH_SIZE} hexadecimal digits")
    return value


def parse_place(text: str | None) -> Location | None:
    """The place that a list goes on after, ``HEIGHT.INDEX``; none for its beginning.

    Raises:
        PoolError: code ``bad_request``.
    """
    if not text:
        return None
    height, _, position = text.partition(".")
    refusal = "after has the form HEIGHT.INDEX"
    index = parse_number(position, refusal)
    if index >= LIMITS.block_transactions:
        raise bad_request(refusal)
    return Location(parse_number(height, refusal), index)


def place_text(location: Location) -> str:
    """A place as ``parse_place`` reads it."""
    return f"{location.height}.{location.position}"
