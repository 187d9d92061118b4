"""What nodes say to each other over the links: the kinds of frames, and their bodies."""

from enum import IntEnum
from typing import Annotated

from msgspec import Meta

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.crypto import Hash
from chain.primitives.encoding import Wire, decode
from chain.primitives.types import Hash32, Unsigned
from chain.proofs.handover import HandOver
from chain.proofs.past import ANCHOR_HANDOVERS, SPAN_BLOCKS
from node.links import FIRST_MESSAGE_KIND


class FrameKind(IntEnum):
    """Kinds of messages and requests between nodes."""

    CONSENSUS = FIRST_MESSAGE_KIND
    """One consensus message: ``consensus.messages.encode_message``."""
    TRANSACTIONS = FIRST_MESSAGE_KIND + 1
    """New transactions: ``TransactionList``."""
    NEWS = FIRST_MESSAGE_KIND + 2
    """The sender's height, told to nodes that do not vote: ``News``."""
    COSIGNATURE = FIRST_MESSAGE_KIND + 3
    """What the sender's member has cosigned: ``chain.proofs.checkpoints.Cosignature``."""
    OVERDUE = FIRST_MESSAGE_KIND + 4
    """What waits at the sender and was to be ordered by now, told to the primary: ``TransactionIds``."""
    FETCH_TRANSACTIONS = FIRST_MESSAGE_KIND + 16
    """Request: ``TransactionIds``. Response: ``TransactionList`` of those that the peer has, as far as a frame goes."""
    FETCH_BLOCKS = FIRST_MESSAGE_KIND + 17
    """Request: ``BlockRange``. Response: ``chain.packages.Packages``."""
    FETCH_SHARES = FIRST_MESSAGE_KIND + 18
    """Request: ``sealing.ShareQuery``. Response: ``ShareAnswer`` of the peer's own."""
    FETCH_VOTES = FIRST_MESSAGE_KIND + 19
    """Request: empty. Response: ``node.rollback.Statements``, the asking validator's own at the peer's height."""
    FETCH_ANCHOR = FIRST_MESSAGE_KIND + 20
    """Request: ``AnchorQuery``. Response: ``chain.proofs.past.Anchor``."""
    FETCH_CHUNK = FIRST_MESSAGE_KIND + 21
    """Request: ``ChunkQuery``. Response: ``chain.state.chunks.StateChunk``."""
    FETCH_SPAN = FIRST_MESSAGE_KIND + 22
    """Request: ``SpanQuery``. Response: ``chain.proofs.past.Span``."""
    FETCH_HANDOVERS = FIRST_MESSAGE_KIND + 23
    """Request: ``HandOverQuery``. Response: ``HandOvers``, the first of those that the peer knows."""


TransactionList = Annotated[
    tuple[Annotated[bytes, Meta(max_length=LIMITS.transaction_size_bytes)], ...],
    Meta(max_length=LIMITS.block_transactions),
]
"""Encoded transactions."""

TransactionIds = Annotated[tuple[Hash32, ...], Meta(max_length=LIMITS.block_transactions)]
"""Each once."""


class News(Wire, frozen=True):
    """Where the sender stands."""

    height: Unsigned


class BlockRange(Wire, frozen=True):
    """Which blocks are wanted."""

    first: Unsigned
    limit: Annotated[int, Meta(ge=1, le=LIMITS.catch_up_blocks)]


class AnchorQuery(Wire, frozen=True):
    """Which anchor is wanted."""

    height: Unsigned
    since_height: Unsigned
    """Height from which the newest set is that the asking node knows: hand-overs to later ones are wanted."""


class ChunkQuery(Wire, frozen=True):
    """Which stretch of the state after a block is wanted."""

    height: Unsigned
    first: Hash32
    until: Hash32


class SpanQuery(Wire, frozen=True):
    """Which blocks before an anchor are wanted."""

    anchor_height: Unsigned
    first: Unsigned
    """Height of the span's first block."""
    offset: Annotated[int, Meta(ge=0, le=SPAN_BLOCKS - 1)]
    """Place in the span of the first block whose content is wanted."""


class HandOverQuery(Wire, frozen=True):
    """Which hand-overs are wanted."""

    since_height: Unsigned
    """Height from which the newest set is that the asking node knows: those to later ones are wanted."""


HandOvers = Annotated[tuple[HandOver, ...], Meta(max_length=ANCHOR_HANDOVERS)]
"""In their order."""


def decode_ids(body: bytes) -> tuple[Hash, ...]:
    """The ids in a frame that names transactions.

    Raises:
        PoolError: codes ``malformed``, ``not_canonical``.
    """
    ids: tuple[Hash, ...] = decode(TransactionIds, body)
    if len(set(ids)) < len(ids):
        raise PoolError(ErrorCode.MALFORMED, "a transaction is named twice")
    return ids
