"""What a start checks of the blocks on disk, without executing them."""

from chain.blocks import Block, BlockHeader, FinalHeader, LedgerTip, block_hash, decode_header
from chain.erasure import check_stored_absent
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.primitives.crypto import Hash
from chain.proofs import history
from chain.proofs.merkle import leaf_hashes, root_of_leaves
from chain.proofs.trust import TrustHistory
from chain.storage.blocks import BlockStore
from chain.storage.head import Head
from chain.transactions.base import CheckedTransaction, DroppedPayload, ErasedPayload
from chain.transactions.registry import check_stored

RECHECKED_BLOCKS = 64
"""How many of the newest blocks are verified at every start."""


def recheck(blocks: BlockStore, genesis: Genesis, head: Head, last: int) -> tuple[LedgerTip, TrustHistory]:
    """Verify the newest blocks as far as they can be without executing them, and all hand-overs.

    Args:
        blocks: where they are stored.
        genesis: of the chain.
        head: what HEAD names.
        last: height of the newest block that is stored.

    Returns:
        The tip, and the trust history up to it.

    Raises:
        PoolError: code ``database_damaged``; ``unknown_protocol`` for blocks that another program has made.
    """
    trust, past = stored_trust(blocks, genesis), blocks.past_height
    parent: Hash | None = None
    for height in range(max(0, min(head.height, last - RECHECKED_BLOCKS)), last + 1):
        block = stored_block(blocks, height)
        hash_ = block_hash(genesis.chain_id, block.header)
        if height == head.height and hash_ != head.block_hash:
            raise damaged(f"block {height} is not the one that HEAD names")
        try:
            header = _recheck_header(trust, block, is_whole=not 0 < height <= past)
            if header.height != height or (parent is not None and header.parent_hash != parent):
                raise damaged("it does not follow its parent")
            if height > past:
                _recheck_content(blocks, genesis.chain_id, header, block)
        except PoolError as error:
            if error.code is ErrorCode.UNKNOWN_PROTOCOL:
                raise
            raise damaged(f"block {height}: {error.detail}") from None
        parent = hash_
    return tip_at(blocks, genesis.chain_id, last), trust


def stored_trust(blocks: BlockStore, genesis: Genesis) -> TrustHistory:
    """The trust history that is stored.

    Raises:
        PoolError: code ``database_damaged``; ``unknown_protocol``.
    """
    try:
        return TrustHistory(genesis, blocks.handovers(0))
    except PoolError as error:
        if error.code is ErrorCode.UNKNOWN_PROTOCOL:
            raise
        raise damaged(f"a hand-over: {error.detail}") from None


def stored_transactions(blocks: BlockStore, chain_id: bytes, height: int, block: Block) -> list[CheckedTransaction]:
    """The transactions of a block, payloads verified; of erased and dropped ones what stays of them."""
    absent: dict[int, ErasedPayload | DroppedPayload] = dict(blocks.erased_payloads(height))
    absent |= {place.position: kept for place, kept in blocks.dropped_payloads(height, height)}
    found = []
    for index, transaction in enumerate(blocks.transactions(height)):
        if index in absent and index < len(block.outcomes):
            found.append(check_stored_absent(chain_id, transaction, absent[index], block.outcomes[index]))
        else:
            found.append(check_stored(chain_id, transaction))
    return found


def stored_block(blocks: BlockStore, height: int) -> Block:
    """The block at ``height``; raises ``database_damaged`` if it is not there."""
    block = blocks.block(height)
    if block is None:
        raise damaged(f"block {height} is missing")
    return block


def stored_header(blocks: BlockStore, height: int) -> FinalHeader:
    """Header and certificate of the block at ``height``; raises ``database_damaged`` if they are not there."""
    found = blocks.final_header(height)
    if found is None:
        raise damaged(f"block {height} is missing")
    return found


def tip_at(blocks: BlockStore, chain_id: bytes, height: int) -> LedgerTip:
    """The stored block at ``height`` as a tip."""
    block = stored_header(blocks, height)
    return LedgerTip(height, block_hash(chain_id, block.header), decode_header(block.header), block.certificate)


def damaged(detail: str) -> PoolError:
    """What is stored is not what was written."""
    return PoolError(ErrorCode.DATABASE_DAMAGED, detail)


def _recheck_header(trust: TrustHistory, block: Block, *, is_whole: bool) -> BlockHeader:
    """A block's header, verified; the certificate of one that is not whole is still to come."""
    if is_whole:
        return trust.verify_header(block.header, block.certificate)
    header = decode_header(block.header)
    trust.verify_named(header)
    return header


def _recheck_content(blocks: BlockStore, chain_id: bytes, header: BlockHeader, block: Block) -> None:
    if header.height == 0:
        return
    ids = []
    for checked in stored_transactions(blocks, chain_id, header.height, block):
        ids.append(checked.id)
        if blocks.location(checked.id) is None:
            raise damaged("a transaction is missing from the index")
    if root_of_leaves(leaf_hashes(ids)) != header.tx_root:
        raise damaged("its transactions are not the ones that were committed")
    if history.root_at(header.height, blocks.history_node) != header.history_root:
        raise damaged("the history tree does not match")
