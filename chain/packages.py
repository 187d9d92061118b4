"""A block with its transactions, as nodes hand it to each other and to auditors.

A parcel that was erased, or some of its records, comes without its payload; what stays of it comes beside, and from a
node with the proof that it was erased. Whoever stores a package must ask for that proof (``verify_erased``), or a lying
peer could make it lose payloads that are still needed. An auditor needs none: the erasure itself must follow later in
the chain. A parcel that was rejected comes without, too; that it was is its outcome in the block.

One whose payload the sender does not keep comes with what it keeps, and without proof: the block is whole without, and
whoever wants the payload asks others for it.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Annotated

from msgspec import Meta

from chain.blocks import Block, Outcome
from chain.erasure import ErasedParcelPart, ErasureProofs, check_absent, verify_erasures, without_payload
from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.encoding import Wire, decode, encode
from chain.proofs.trust import TrustHistory
from chain.storage.blocks import BlockStore
from chain.transactions.base import CheckedTransaction, DroppedPayload, ErasedPayload, verify_payload
from chain.transactions.registry import decode_transaction

_OVERHEAD_BYTES = 4 * 1024 * 1024
"""What outcomes, certificate, proofs of erasure and lengths add to the transactions of a block."""

MAX_PACKAGE_SIZE_BYTES = LIMITS.block_size_bytes + _OVERHEAD_BYTES


class ErasedParcel(Wire, frozen=True):
    """What stands in a package for the payload of one of its transactions."""

    index: Annotated[int, Meta(ge=0, le=LIMITS.block_transactions - 1)]
    """Place of the parcel in its block."""
    payload: ErasedPayload


class DroppedParcel(Wire, frozen=True):
    """The same for a payload that the sender does not keep."""

    index: Annotated[int, Meta(ge=0, le=LIMITS.block_transactions - 1)]
    """As in ``ErasedParcel``."""
    payload: DroppedPayload


class BlockPackage(Wire, frozen=True):
    """A block and its transactions, each as the bytes of its own encoding."""

    block: Annotated[bytes, Meta(max_length=_OVERHEAD_BYTES)]
    """Encoded ``chain.blocks.Block``."""
    transactions: Annotated[
        tuple[Annotated[bytes, Meta(max_length=LIMITS.transaction_size_bytes)], ...],
        Meta(max_length=LIMITS.block_transactions),
    ]
    """Encoded ``Transaction`` in the order of the block; the payload of an erased or dropped one is empty."""
    erased: Annotated[tuple[ErasedParcel, ...], Meta(max_length=LIMITS.block_transactions)] = ()
    """The parcels that were erased or rejected, or records of them erased, by ascending index."""
    erasures: ErasureProofs | None = None
    """That the accepted ones among them were erased, in their order. None if there are none, or if a stopped node's
    database was read."""
    dropped: Annotated[tuple[DroppedParcel, ...], Meta(max_length=LIMITS.block_transactions)] = ()
    """The parcels whose payload the sender does not keep, by ascending index; none of them is in ``erased``."""


Packages = Annotated[tuple[BlockPackage, ...], Meta(max_length=LIMITS.catch_up_blocks)]

ProveErasures = Callable[[Sequence[ErasedParcelPart]], ErasureProofs | None]
"""Proves that parcels, or records of them, were erased; None if the prover's own chain does not say so (yet)."""


def read_package(store: BlockStore, height: int, prove: ProveErasures | None = None) -> BlockPackage | None:
    """The package of the block at ``height``, or None if the store does not hold it, or not all of it.

    Args:
        store: of the blocks.
        height: of the block.
        prove: proves erasures; what it cannot prove is not handed out either. None to hand out what was erased without.
    """
    block = store.block_bytes(height)
    if block is None or 0 < height <= store.past_height:
        return None
    transactions = tuple(encode(transaction) for transaction in store.transactions(height))
    dropped = tuple(DroppedParcel(place.position, kept) for place, kept in store.dropped_payloads(height, height))
    kept = store.erased_payloads(height)
    erased = tuple(ErasedParcel(index, payload) for index, payload in kept.items())
    if not erased or prove is None:
        return BlockPackage(block, transactions, erased, None, dropped)
    outcomes = decode(Block, block).outcomes
    proved = [
        ErasedParcelPart(outcomes[index].transaction_id, stays.places)
        for index, stays in kept.items()
        if outcomes[index].is_ok
    ]
    if not proved:
        return BlockPackage(block, transactions, erased, None, dropped)
    erasures = prove(proved)
    return None if erasures is None else BlockPackage(block, transactions, erased, erasures, dropped)


def read_packages(
    store: BlockStore, first: int, limit: int, size_bytes: int, prove: ProveErasures | None = None
) -> list[bytes]:
    """Encoded packages from height ``first`` on: at most ``limit``, and no more once ``size_bytes`` are reached."""
    found: list[bytes] = []
    total = 0
    for height in range(first, first + min(limit, LIMITS.catch_up_blocks)):
        package = read_package(store, height, prove)
        if package is None:
            break
        found.append(encode(package))
        total += len(found[-1])
        if total >= size_bytes:
            break
    return found


Recognise = Callable[[CheckedTransaction], CheckedTransaction | None]
"""A transaction with the same bytes that was verified before, if there is one."""


def open_package(
    chain_id: bytes,
    package: BlockPackage,
    recognise: Recognise = lambda checked: None,
    *,
    tolerates_wrong_payloads: bool = False,
) -> tuple[Block, list[CheckedTransaction]]:
    """Decode a package and check payloads, or the leaves that stay of them, against their headers. Nothing is known yet
    about signatures, but for those transactions that ``recognise`` knows, which are taken as they are; nor about
    erasures (``verify_erased``).

    Args:
        chain_id: of the chain.
        package: to open.
        recognise: finds transactions that were verified before.
        tolerates_wrong_payloads: let a stand-in take the place of a payload that is not the one that was signed, rather
            than refuse it: for audits, which count them.

    Raises:
        PoolError: codes of ``decode_transaction``, ``verify_payload`` and ``check_absent``; ``bad_block`` if counts
            differ.
    """
    block = decode(Block, package.block)
    if len(block.outcomes) != len(package.transactions):
        raise PoolError(ErrorCode.BAD_BLOCK, "a package has one transaction for each outcome")
    absent = absent_by_index(package)
    transactions = []
    for index, data in enumerate(package.transactions):
        checked = decode_transaction(chain_id, data)
        known = recognise(checked)
        if known is None and index in absent:
            known = check_absent(checked, absent[index], block.outcomes[index])
        elif known is None:
            known = _with_payload(checked, block.outcomes[index], tolerates_wrong_payloads)
        transactions.append(known)
    return block, transactions


def verify_erased(
    trust: TrustHistory, package: BlockPackage, block: Block, transactions: Sequence[CheckedTransaction]
) -> None:
    """Check that each parcel of an opened package that came without its payload, or without records, was erased, or
    rejected: whoever stores the block checks its outcomes.

    Raises:
        PoolError: codes of ``chain.erasure.verify_erasures``.
    """
    parts = [
        ErasedParcelPart(transactions[parcel.index].id, parcel.payload.places)
        for parcel in package.erased
        if block.outcomes[parcel.index].is_ok
    ]
    verify_erasures(trust, parts, package.erasures)


def _with_payload(checked: CheckedTransaction, outcome: Outcome, tolerates_wrong: bool) -> CheckedTransaction:
    try:
        verify_payload(checked)
    except PoolError:
        if tolerates_wrong and checked.type.payload is not None and checked.transaction.payload:
            return without_payload(checked, outcome)
        raise
    return checked


def absent_by_index(package: BlockPackage) -> dict[int, ErasedPayload | DroppedPayload]:
    """What stands in a package for payloads, by the places of their parcels; raises ``bad_block``."""
    found: dict[int, ErasedPayload | DroppedPayload] = {}
    for parcels in (package.erased, package.dropped):
        indexes = [parcel.index for parcel in parcels]
        is_ascending = all(earlier < later for earlier, later in pairwise(indexes))
        if (
            not is_ascending
            or (indexes and indexes[-1] >= len(package.transactions))
            or not found.keys().isdisjoint(indexes)
        ):
            raise PoolError(ErrorCode.BAD_BLOCK, "a package names the parcels without payload in order, each once")
        found |= {parcel.index: parcel.payload for parcel in parcels}
    return found
