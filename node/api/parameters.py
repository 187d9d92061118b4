"""Parameters and answers that several routes share."""

from collections.abc import Callable

import orjson
from starlette.responses import Response

from chain.primitives.crypto import HASH_SIZE, Hash
from node.api.bodies import JSON
from node.api.problems import bad_request
from node.api.turns import counted
from node.service import NodeService


def json_response(value: object) -> Response:
    """An answer in JSON."""
    return Response(orjson.dumps(value), media_type="application/json")


async def read_bytes(service: NodeService, work: Callable[[], bytes], media_type: str = JSON) -> Response:
    """An answer that ``work`` reads from the stores beside the loop, in the request's time."""
    return Response(await counted(service.pool.read, work), media_type=media_type)


async def read_json(service: NodeService, work: Callable[[], object]) -> Response:
    """The same, of what JSON is made of."""
    return await read_bytes(service, lambda: orjson.dumps(work()))


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
