"""How a node makes the parts of evidence files from its ledger. Reads stores only, so it may run in any thread."""

from chain.errors import ErrorCode, PoolError
from chain.ledger import Ledger
from chain.primitives.crypto import Hash
from chain.primitives.encoding import Value, decode, encode
from chain.proofs import history
from chain.storage.blocks import Location, StoredHead
from chain.transactions.base import Header
from chain.transactions.registry import decode_transaction_header
from evidence.parts import (
    BlockPart,
    CertificatePart,
    CommittedPart,
    EntryPart,
    FileHead,
    InclusionPart,
    TransactionPart,
    file_head,
    hex_proof,
)


class PartMaker:
    """Makes the parts of one file.

    Args:
        ledger: where everything is taken from.
        tree_size: of the checkpoint that the auditor holds: the file then speaks of the chain up to its last block,
            and proves that its blocks are in that history. None for the chain as it is now.

    Raises:
        PoolError: code ``not_found`` if the chain is not as long as the checkpoint.
    """

    def __init__(self, ledger: Ledger, tree_size: int | None) -> None:
        newest = ledger.tip.height
        if tree_size is not None and not 1 <= tree_size <= newest + 1:
            raise PoolError(ErrorCode.NOT_FOUND, f"the chain has {newest + 1} blocks, the checkpoint {tree_size}")
        self.ledger = ledger
        self.chain_id = ledger.chain_id
        self.height = newest if tree_size is None else tree_size - 1
        """Last block that the file speaks of."""
        self._tree_size = tree_size

    @property
    def head(self) -> FileHead:
        """What the file begins with. The holder of a checkpoint needs no hand-overs."""
        head = file_head(self.ledger.trust, self.height)
        return head if self._tree_size is None else head._replace(handovers=())

    def range_end(self, from_height: int, until_height: int | None) -> int:
        """The last height of a range that is asked about; raises ``bad_request`` if there is no such range."""
        last = self.height if until_height is None else until_height
        if not 1 <= from_height <= last <= self.height:
            raise PoolError(ErrorCode.BAD_REQUEST, f"1 <= from <= until <= {self.height}")
        return last

    def location(self, id_: Hash) -> Location:
        """Where a transaction stands; raises ``not_found``."""
        location = self.ledger.blocks.location(id_)
        if location is None or location.height > self.height:
            raise PoolError(ErrorCode.NOT_FOUND, f"no transaction {id_.hex()} up to height {self.height}")
        return location

    def header(self, location: Location) -> Header:
        """The decoded header of a transaction."""
        return decode_transaction_header(self.chain_id, self.header_bytes(location))

    def header_bytes(self, location: Location) -> bytes:
        """Exact bytes of a transaction's header."""
        return self._head(location).header

    def took_effect(self, location: Location) -> bool:
        """Whether a transaction was accepted."""
        return self.ledger.outcome_at(location).is_ok

    def block(self, height: int) -> BlockPart:
        """A final block; raises ``not_found`` for genesis, which nobody had to commit."""
        block = self.ledger.final_header_at(height)
        if block.certificate is None:
            raise PoolError(ErrorCode.NOT_FOUND, "the genesis block has no certificate")
        return BlockPart(block.header, CertificatePart.of(block.certificate), self._inclusion(height))

    def transaction(self, location: Location) -> TransactionPart:
        """A transaction with its outcome, which must be that it took effect; raises ``not_found``."""
        outcome = self.ledger.outcome_at(location)
        if not outcome.is_ok:
            raise PoolError(ErrorCode.NOT_FOUND, f"the transaction was rejected ({outcome.code}): {outcome.sentence}")
        head, receipt = self._head(location), self.ledger.receipts_of(location.height).receipt(location.position)
        return TransactionPart(head.header, head.signature, receipt.outcome, receipt.index, hex_proof(receipt.proof))

    def committed(self, location: Location) -> CommittedPart:
        """A transaction with its block; raises as ``block`` and ``transaction``."""
        return CommittedPart(self.block(location.height), self.transaction(location))

    def entry(self, key: bytes, height: int) -> EntryPart:
        """A state entry after the block at ``height``, or its absence."""
        value, proof = self.ledger.state_proof(key, height)
        return EntryPart(value, encode(proof))

    def value(self, key: bytes, height: int, type_: type[Value]) -> Value | None:
        """The same, decoded and without its proof."""
        value, _ = self.ledger.state_proof(key, height)
        return None if value is None else decode(type_, value)

    def present_value(self, key: bytes, height: int, type_: type[Value]) -> Value:
        """The same for an entry that has to be there; raises ``not_found``."""
        value = self.value(key, height, type_)
        if value is None:
            raise PoolError(ErrorCode.NOT_FOUND, f"{key.decode()} is not in the state at height {height}")
        return value

    def _head(self, location: Location) -> StoredHead:
        return self.ledger.head_at(location)

    def _inclusion(self, height: int) -> InclusionPart | None:
        if self._tree_size is None:
            return None
        proof = history.inclusion_proof_at(height, self._tree_size, self.ledger.blocks.history_node)
        return InclusionPart(self._tree_size, hex_proof(proof))
