"""A block with its transactions, as nodes hand it to each other and to auditors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from chain.blocks import Block
from chain.encoding import Wire, decode, encode
from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.storage.blocks import BlockStore
from chain.transactions import CheckedTransaction, decode_transaction, verify_payload

_OVERHEAD_BYTES = 4 * 1024 * 1024
"""What outcomes, certificate and lengths add to the transactions of a block."""

MAX_PACKAGE_SIZE_BYTES = LIMITS.block_size_bytes + _OVERHEAD_BYTES


class BlockPackage(Wire, frozen=True):
    """A block and its transactions, each as the bytes of its own encoding."""

    block: Annotated[bytes, Meta(max_length=_OVERHEAD_BYTES)]
    """Encoded ``chain.blocks.Block``."""
    transactions: Annotated[
        tuple[Annotated[bytes, Meta(max_length=LIMITS.transaction_size_bytes)], ...],
        Meta(max_length=LIMITS.block_transactions),
    ]
    """Encoded ``chain.transactions.Transaction`` in the order of the block."""


Packages = Annotated[tuple[BlockPackage, ...], Meta(max_length=LIMITS.catch_up_blocks)]


def read_package(store: BlockStore, height: int) -> BlockPackage | None:
    """The package of the block at ``height``, or None if the store does not hold it."""
    block = store.block_bytes(height)
    if block is None:
        return None
    return BlockPackage(block, tuple(encode(transaction) for transaction in store.transactions(height)))


def read_packages(store: BlockStore, first: int, limit: int, size_bytes: int) -> list[bytes]:
    """Encoded packages from height ``first`` on: at most ``limit``, and no more once ``size_bytes`` are reached."""
    found: list[bytes] = []
    total = 0
    for height in range(first, first + min(limit, LIMITS.catch_up_blocks)):
        package = read_package(store, height)
        if package is None:
            break
        found.append(encode(package))
        total += len(found[-1])
        if total >= size_bytes:
            break
    return found


def join_packages(packages: list[bytes]) -> bytes:
    """The encoded array of already encoded packages."""
    count = len(packages)
    head = bytes([0x90 | count]) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
    return head + b"".join(packages)


Recognise = Callable[[CheckedTransaction], CheckedTransaction | None]
"""A transaction with the same bytes that was verified before, if there is one."""


def open_package(
    chain_id: bytes, package: BlockPackage, recognise: Recognise = lambda checked: None
) -> tuple[Block, list[CheckedTransaction]]:
    """Decode a package and check payloads against their headers; nothing is known yet about signatures, but for those
    transactions that ``recognise`` knows, which are taken as they are.

    Raises:
        PoolError: codes of ``decode_transaction`` and ``verify_payload``; ``bad_block`` if counts differ.
    """
    block = decode(Block, package.block)
    if len(block.outcomes) != len(package.transactions):
        raise PoolError(ErrorCode.BAD_BLOCK, "a package has one transaction for each outcome")
    transactions = []
    for data in package.transactions:
        checked = decode_transaction(chain_id, data)
        known = recognise(checked)
        if known is None:
            verify_payload(checked)
        transactions.append(known or checked)
    return block, transactions
