"""The first frame in both directions: who speaks, on which chain, in which version.

Two bytes of protocol version (big-endian) come first and keep their place in every version, so that nodes of different
versions can tell each other why they part. A `Hello` follows.
"""

import struct
from typing import Annotated

from msgspec import Meta

from chain.errors import ErrorCode, PoolError
from chain.primitives.encoding import Wire, decode, encode
from chain.primitives.types import Unsigned

LINK_VERSION = 2
"""Of the protocol between nodes."""

_VERSION = struct.Struct(">H")


class Hello(Wire, frozen=True):
    """What a node says about itself."""

    chain_id: Annotated[bytes, Meta(max_length=32)]
    """SHA-256 of the genesis file."""
    member: Annotated[str, Meta(max_length=64)]
    """Must be the member whose certificate the speaker has."""
    software: Annotated[str, Meta(max_length=64)]
    """Version of the node's software, for people."""
    height: Unsigned
    """Last committed height of the speaker: a hint where to fetch from, never believed."""
    payloads: Annotated[str, Meta(max_length=32)] = "all"
    """Which payloads the speaker keeps: `all`, `own` or so many days. A hint whom to ask, as `height`."""


def encode_hello(hello: Hello) -> bytes:
    """Body of a hello frame."""
    return _VERSION.pack(LINK_VERSION) + encode(hello)


def decode_hello(body: bytes, member: str, chain_id: bytes) -> Hello:
    """The hello of `member`, known by its certificate, on our chain.

    Raises:
        PoolError: codes `malformed` (another version, shape or member) and `wrong_chain`; the peer may see the reason.
    """
    if len(body) < _VERSION.size:
        raise PoolError(ErrorCode.MALFORMED, "hello without a version")
    (version,) = _VERSION.unpack_from(body)
    if version != LINK_VERSION:
        raise PoolError(ErrorCode.MALFORMED, f"link protocol version {version} meets version {LINK_VERSION}")
    hello = decode(Hello, body[_VERSION.size :])
    if hello.chain_id != chain_id:
        raise PoolError(ErrorCode.WRONG_CHAIN, f"chain {hello.chain_id.hex()} meets chain {chain_id.hex()}")
    if hello.member != member:
        raise PoolError(ErrorCode.MALFORMED, f"says it is {hello.member!r} but has the certificate of {member!r}")
    return hello
