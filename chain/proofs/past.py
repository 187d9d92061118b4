"""The past of a chain for a node that does not execute it: an anchor to stand on, and what lies before it in spans.

An *anchor* is a certified block with the hand-overs that lead to it and the peaks of the history tree before it. Its
header names the state, which comes in chunks (``chain.state.chunks``), and the hash of every earlier block.

Besides the state, execution asks two things: whether a transaction is in the chain already, and which parcel it has
accepted under an id (docs/adr/0010). Both follow from the headers of blocks and transactions and from the outcomes.
They come in *spans* of ``SPAN_BLOCKS`` blocks: the headers of all of them, a path from their subtree to its peak, and
of as many blocks as fit what is in them. Each span is verified by itself.
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from msgspec import Meta

from chain.blocks import BlockHeader, Certificate, Outcome, block_hash, decode_header
from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS, MIB
from chain.primitives.crypto import Hash
from chain.primitives.encoding import Wire, decode, encode, encode_array
from chain.primitives.types import Hash32
from chain.proofs import history
from chain.proofs.handover import HandOver
from chain.proofs.merkle import leaf_hash, leaf_hashes, node_hash, root_of_leaves
from chain.proofs.trust import TrustHistory
from chain.storage.blocks import BlockStore
from chain.transactions.base import CheckedTransaction, Transaction, transaction_id
from chain.transactions.registry import decode_transaction_header, type_of

SPAN_LEVEL = 8
SPAN_BLOCKS = 1 << SPAN_LEVEL
"""Blocks of a span; an anchor's height is a multiple of it."""
SPAN_BYTES = MIB
"""A span ends with the block whose content brings it to this size, or with its last one."""
ANCHOR_HANDOVERS = 64
"""Hand-overs that come with an anchor; of more, the next are asked for."""
_PEAKS = 64
_NO_SIGNATURE = bytes(64)

_Outcomes = Annotated[tuple[Outcome, ...], Meta(max_length=LIMITS.block_transactions)]


class Anchor(Wire, frozen=True):
    """A block to stand on without the past."""

    handovers: Annotated[tuple[HandOver, ...], Meta(max_length=ANCHOR_HANDOVERS)]
    """Those after the height that was asked for, in their order."""
    header: Annotated[bytes, Meta(max_length=1024)]
    certificate: Certificate
    peaks: Annotated[tuple[Hash32, ...], Meta(max_length=_PEAKS)]
    """Of the history of all blocks before this one (``chain.proofs.history``)."""


class PastContent(Wire, frozen=True):
    """What is in a block, without payloads and signatures."""

    outcomes: bytes
    """Encoded array of its outcomes."""
    headers: Annotated[
        tuple[Annotated[bytes, Meta(max_length=LIMITS.header_size_bytes)], ...],
        Meta(max_length=LIMITS.block_transactions),
    ]
    """Of its transactions, in order."""

    @property
    def size_bytes(self) -> int:
        """Length of what it holds."""
        return len(self.outcomes) + sum(map(len, self.headers))


class Span(Wire, frozen=True):
    """``SPAN_BLOCKS`` blocks before an anchor."""

    headers: Annotated[
        tuple[Annotated[bytes, Meta(max_length=1024)], ...], Meta(min_length=SPAN_BLOCKS, max_length=SPAN_BLOCKS)
    ]
    path: Annotated[tuple[Hash32, ...], Meta(max_length=_PEAKS)]
    """Sibling hashes from the subtree over these blocks up to its peak."""
    contents: Annotated[tuple[PastContent, ...], Meta(min_length=1, max_length=SPAN_BLOCKS)]
    """Of the blocks from the one on that was asked for."""


class PastBlock(NamedTuple):
    """A block of a span, verified."""

    height: int
    header: bytes
    hash: Hash
    outcomes: bytes
    """Encoded array."""
    accepted: list[bool]
    """Which of the transactions took effect."""
    transactions: list[CheckedTransaction]
    """Without payloads and signatures."""


def verify_anchor(trust: TrustHistory, anchor: Anchor, height: int) -> BlockHeader:
    """Check that an anchor is the final block at a height. ``trust`` is extended by its hand-overs.

    Raises:
        PoolError: those of ``TrustHistory.extend`` and ``verify_header``; ``bad_block``, ``bad_proof``.
    """
    for handover in anchor.handovers:
        trust.extend(handover)
    header = trust.verify_header(anchor.header, anchor.certificate)
    if header.height != height:
        raise PoolError(ErrorCode.BAD_BLOCK, f"the anchor is block {header.height}, not {height}")
    places = history.peaks_of(height)
    if len(anchor.peaks) != len(places) or history.root_of_peaks(anchor.peaks) != header.history_root:
        raise _bad("the peaks lead to another history than the anchor's")
    return header


def read_anchor(store: BlockStore, trust: TrustHistory, height: int, since_height: int) -> Anchor | None:
    """The anchor at a height, with the hand-overs to what begins after ``since_height``; None if it is not there."""
    final = store.final_header(height)
    if final is None or final.certificate is None:
        return None
    handovers = [item for item in trust.handovers_until(height) if decode_header(item.header).height >= since_height]
    peaks = tuple(store.history_node(level, index) for level, index in history.peaks_of(height))
    return Anchor(tuple(handovers[:ANCHOR_HANDOVERS]), final.header, final.certificate, peaks)


def read_span(store: BlockStore, anchor_height: int, first: int, offset: int) -> Span | None:
    """The span that begins at the height ``first``, with what is in its blocks from the place ``offset`` on; None if
    not all of it is there.
    """
    if store.past_height >= max(1, first):
        return None
    headers = []
    for height in range(first, first + SPAN_BLOCKS):
        final = store.final_header(height)
        if final is None:
            return None
        headers.append(final.header)
    contents: list[PastContent] = []
    size = 0
    for height in range(first + offset, first + SPAN_BLOCKS):
        heads = store.transaction_heads(height)
        contents.append(PastContent(encode_array(store.outcomes(height)), tuple(head.header for head in heads)))
        size += contents[-1].size_bytes
        if size >= SPAN_BYTES:
            break
    level, index, path = SPAN_LEVEL, first >> SPAN_LEVEL, []
    peak = _peak_level(anchor_height, first)
    while level < peak:
        path.append(store.history_node(level, index ^ 1))
        level, index = level + 1, index >> 1
    return Span(tuple(headers), tuple(path), tuple(contents))


def verify_span(
    chain_id: bytes, anchor: Anchor, anchor_height: int, first: int, offset: int, span: Span
) -> list[PastBlock]:
    """Check a span before a verified anchor.

    Args:
        chain_id: of the chain.
        anchor: verified.
        anchor_height: its height.
        first: height of the first block that was asked for.
        offset: place in the span of the first block whose content was asked for.
        span: what came.

    Returns:
        The blocks whose content came.

    Raises:
        PoolError: codes ``bad_proof``, ``bad_block``, and those of decoding.
    """
    hashes = [block_hash(chain_id, header) for header in span.headers]
    result, index = root_of_leaves(leaf_hashes(hashes)), first >> SPAN_LEVEL
    peak = _peak_level(anchor_height, first)
    if len(span.path) != peak - SPAN_LEVEL:
        raise _bad("the path from a span to its peak has another length")
    for sibling in span.path:
        result = node_hash(sibling, result) if index & 1 else node_hash(result, sibling)
        index >>= 1
    if result != anchor.peaks[history.peaks_of(anchor_height).index((peak, index))]:
        raise _bad("a span leads to another history than the anchor's")
    end = offset + len(span.contents)
    is_full = sum(content.size_bytes for content in span.contents) >= SPAN_BYTES
    if end > SPAN_BLOCKS or (end < SPAN_BLOCKS and not is_full):
        raise _bad("a span ends where it was not asked to")
    return [
        _verify_content(chain_id, first + at, span.headers[at], hashes[at], content)
        for at, content in enumerate(span.contents, offset)
    ]


def span_nodes(first: int, hashes: Sequence[Hash]) -> list[tuple[int, int, Hash]]:
    """The nodes of the history tree up to the one over a span: (level, index, hash)."""
    level, index, nodes = 0, first, [leaf_hash(hash_) for hash_ in hashes]
    found = []
    while True:
        found += [(level, index + at, node) for at, node in enumerate(nodes)]
        if len(nodes) == 1:
            return found
        nodes = [node_hash(left, right) for left, right in zip(nodes[::2], nodes[1::2], strict=True)]
        level, index = level + 1, index >> 1


def _verify_content(chain_id: bytes, height: int, data: bytes, hash_: Hash, content: PastContent) -> PastBlock:
    header = decode_header(data)
    if header.height != height:
        raise PoolError(ErrorCode.BAD_BLOCK, f"block {header.height} stands in the place of block {height}")
    outcomes: tuple[Outcome, ...] = decode(_Outcomes, content.outcomes)
    transactions = [_checked(chain_id, data) for data in content.headers]
    if root_of_leaves(leaf_hashes([encode(outcome) for outcome in outcomes])) != header.result_root:
        raise _bad(f"block {height} has other outcomes")
    if root_of_leaves(leaf_hashes([checked.id for checked in transactions])) != header.tx_root:
        raise _bad(f"block {height} has other transactions")
    if len(outcomes) != len(transactions):
        raise _bad(f"block {height} has one outcome for each transaction")
    accepted = [outcome.is_ok for outcome in outcomes]
    return PastBlock(height, data, hash_, content.outcomes, accepted, transactions)


def _checked(chain_id: bytes, data: bytes) -> CheckedTransaction:
    """A transaction of which the header alone is here. What stands in for its signature is never kept."""
    header = decode_transaction_header(chain_id, data)
    id_, transaction = transaction_id(chain_id, data), Transaction(data, _NO_SIGNATURE, b"")
    return CheckedTransaction(id_, type_of(header), header, transaction, len(data))


def _peak_level(anchor_height: int, first: int) -> int:
    """Level of the peak that a span lies under."""
    for level, index in history.peaks_of(anchor_height):
        if first >> level == index:
            return level
    raise PoolError(ErrorCode.BAD_REQUEST, f"block {first} is not before the anchor at {anchor_height}")


def _bad(detail: str) -> PoolError:
    return PoolError(ErrorCode.BAD_PROOF, detail)
