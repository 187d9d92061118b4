"""What nodes answer, as typed values. Fields that a newer node adds are passed over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import orjson

from blockpool.exchange import known_code
from blockpool.signing import RecordId
from chain.blocks import BlockHeader, Outcome, block_hash
from chain.errors import ErrorCode, PoolError
from chain.receipts import Receipt


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of JSON answers: what one node says, not verified."""


class PeerStatus(_Answer, frozen=True, kw_only=True):
    """A node's link to another."""

    member: str
    connected: bool
    rtt_ms: float | None = None
    height: int | None = None


class MempoolStatus(_Answer, frozen=True, kw_only=True):
    """Transactions that wait in a node."""

    transactions: int
    size_bytes: int


class NodeStatus(_Answer, frozen=True, kw_only=True):
    """What a node says about itself."""

    network: str
    chain_id: str
    member: str
    role: Literal["validator", "observer"]
    version: str
    height: int
    block_hash: str
    time_ms: int
    view: int
    primary: str
    is_ready: bool
    unready_reason: str | None = None
    syncing: bool
    peers: tuple[PeerStatus, ...] = ()
    mempool: MempoolStatus
    limits: dict[str, int] = {}


class Usage(_Answer, frozen=True, kw_only=True):
    """How much a dataset holds."""

    parcels: int
    records: int
    size_bytes: int
    last_height: int


class Dataset(_Answer, frozen=True, kw_only=True):
    """A catalogue entry."""

    dataset: str
    owner: str
    version: int
    title_zh: str
    title_en: str
    schema: str
    sharing: Literal["open", "conditional", "closed"]
    legal_basis: str
    contract: str
    registered_height: int
    updated_height: int
    transaction_id: str
    usage: Usage


class DatasetList(_Answer, frozen=True, kw_only=True):
    """The catalogue."""

    datasets: tuple[Dataset, ...]


class ParcelSummary(_Answer, frozen=True, kw_only=True):
    """A parcel in the list of its dataset's."""

    transaction_id: str
    height: int
    index: int
    record_count: int
    code: str


class ParcelPage(_Answer, frozen=True, kw_only=True):
    """Some parcels, and where to go on."""

    parcels: tuple[ParcelSummary, ...]
    next: str | None = None


class BlockSummary(_Answer, frozen=True, kw_only=True):
    """A block in short."""

    height: int
    hash: str
    time_ms: int
    proposer: str
    transaction_count: int


class Vote(_Answer, frozen=True, kw_only=True):
    """One validator's commit vote."""

    member: str
    signature: str


class CertificateAnswer(_Answer, frozen=True, kw_only=True):
    """The votes that finalised a block."""

    view: int
    votes: tuple[Vote, ...]


class TransactionSummary(_Answer, frozen=True, kw_only=True):
    """A transaction in its block."""

    transaction_id: str
    code: str
    reason: str = ""


class BlockAnswer(BlockSummary, frozen=True, kw_only=True):
    """A block in full, without the transactions' content."""

    parent_hash: str
    tx_root: str
    result_root: str
    state_root: str
    history_root: str
    validators_hash: str
    certificate: CertificateAnswer | None = None
    transactions: tuple[TransactionSummary, ...] = ()


class TransactionAnswer(_Answer, frozen=True, kw_only=True):
    """Where a transaction stands, and what it says."""

    transaction_id: str
    status: Literal["pending", "committed"]
    type: str = ""
    member: str = ""
    height: int | None = None
    index: int | None = None
    outcome: dict[str, Any] | None = None
    fields: dict[str, Any] = {}


class RecordAnswer(_Answer, frozen=True, kw_only=True):
    """A record as one node gives it. For proof, use its evidence."""

    record: str
    dataset: str
    member: str
    height: int
    time_ms: int
    outcome: str
    body: bytes
    value: Any = None


class ReceiptAnswer(_Answer, frozen=True, kw_only=True):
    """A receipt in JSON: byte strings base64, proof hashes hexadecimal."""

    header: bytes
    certificate: bytes
    outcome: bytes
    index: int
    proof: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """Proof, checked here against the genesis file, that a quorum of validators ordered a transaction."""

    transaction_id: bytes
    """32 bytes."""
    header: BlockHeader
    """The block that holds it."""
    outcome: Outcome
    """What became of it."""
    receipt: Receipt
    """The bytes of the proof."""
    record_count: int = 0
    """Records of a parcel that this program sent itself; 0 otherwise."""
    is_earlier: bool = False
    """Whether an earlier run of a repeatable submission had committed it."""

    @property
    def height(self) -> int:
        """The block's height."""
        return self.header.height

    @property
    def record_ids(self) -> list[RecordId]:
        """Ids of the parcel's records, in the order they were given."""
        return [RecordId(self.transaction_id, index) for index in range(self.record_count)]

    def block_hash(self, chain_id: bytes) -> bytes:
        """Hash of the block: 32 bytes."""
        return block_hash(chain_id, self.receipt.header)


class TransactionRejected(PoolError):
    """All validators refused a transaction, and the refusal is proven by ``receipt``. ``code`` and ``detail`` say
    why.
    """

    def __init__(self, receipt: VerifiedReceipt) -> None:
        outcome = receipt.outcome
        code = known_code(outcome.code) or ErrorCode.BAD_REQUEST
        super().__init__(code, outcome.reason, transaction_id=receipt.transaction_id.hex(), height=receipt.height)
        self.receipt = receipt


@dataclass(frozen=True, slots=True)
class Record:
    """A record whose parcel was verified here: signature by its member, Merkle root, and the receipt of its block."""

    id: RecordId
    dataset: str
    member: str
    height: int
    body: bytes

    def json(self) -> Any:
        """The body read as JSON.

        Raises:
            PoolError: code ``malformed`` if it is none.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise PoolError(ErrorCode.MALFORMED, f"record {self.id}: {error}") from None
