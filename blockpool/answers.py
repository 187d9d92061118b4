"""What nodes answer, as typed values. Fields that a newer node adds are passed over."""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from blockpool.signing import RecordId, parse_transaction_id
from chain.access.decision import RequestStatus
from chain.blocks import BlockHeader, Outcome, block_hash
from chain.catalogue import Description
from chain.errors import ErrorCode, PoolError, known_code
from chain.facts import shown, unpack
from chain.granularity import Granularity
from chain.messages import sentence
from chain.messages.languages import Language
from chain.primitives.json_reader import BadJson, read_json
from chain.primitives.types import Unsigned
from chain.proofs.receipts import Receipt
from evidence.parts import CertificatePart, HandOverPart


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of JSON answers: what one node says, not verified."""


class PeerStatus(_Answer, frozen=True, kw_only=True):
    """A node's link to another."""

    member: str
    connected: bool
    rtt_ms: float | None = None
    clock_offset_ms: int | None = None
    """That node's clock less this one's, as it says itself."""
    height: Unsigned | None = None


class MempoolStatus(_Answer, frozen=True, kw_only=True):
    """Transactions that wait in a node."""

    transactions: Unsigned
    size_bytes: Unsigned


class NodeStatus(_Answer, frozen=True, kw_only=True):
    """What a node says about itself."""

    network: str
    chain_id: str
    member: str
    role: Literal["validator", "observer"]
    version: str
    height: Unsigned
    block_hash: str
    time_ms: Unsigned
    """Of that block."""
    clock_ms: Unsigned = 0
    """What the node's clock said."""
    view: Unsigned
    primary: str
    is_ready: bool
    unready_reason: str | None = None
    syncing: bool
    peers: tuple[PeerStatus, ...] = ()
    mempool: MempoolStatus
    limits: dict[str, int] = {}


class CatalogueTotals(_Answer, frozen=True, kw_only=True):
    """How much a dataset holds."""

    parcels: Unsigned
    records: Unsigned
    size_bytes: Unsigned
    last_height: Unsigned


class CatalogueDescription(_Answer, frozen=True):
    """What the catalogue says of a dataset beside title, schema and sharing class: ``chain.catalogue.Description``."""

    summary: str = ""
    contact: str = ""
    update_cycle: str = ""
    theme: str = ""
    grade: str = ""
    format: str = ""
    method: str = ""
    scope: str = ""
    use: str = ""
    conditions: str = ""
    impact_assessment: str = ""
    source: str = ""

    def wire(self) -> Description:
        """As an owner signs it; raises ``ValidationError`` for what none can say."""
        return msgspec.convert(tuple(getattr(self, name) for name in self.__struct_fields__), Description)


class CatalogueGranularity(_Answer, frozen=True):
    """What a dataset's sealed parcels can be opened by: ``chain.granularity.Granularity``."""

    columns: tuple[tuple[str, ...], ...] = ()
    by_record: bool = False

    def wire(self) -> Granularity:
        """As an owner signs it; raises ``ValidationError`` for what none can say."""
        return msgspec.convert((self.columns, self.by_record), Granularity)


class CatalogueEntry(_Answer, frozen=True, kw_only=True):
    """A catalogue entry."""

    dataset: str
    owner: str
    version: Unsigned
    title_zh: str
    title_en: str
    schema: str
    sharing: Literal["open", "conditional", "closed"]
    legal_basis: str
    contract: str
    description: CatalogueDescription
    registered_height: Unsigned
    updated_height: Unsigned
    transaction_id: str
    totals: CatalogueTotals
    granularity: CatalogueGranularity = CatalogueGranularity()


class DatasetList(_Answer, frozen=True, kw_only=True):
    """A page of the catalogue."""

    datasets: tuple[CatalogueEntry, ...]
    next: str | None = None


class ContractAnswer(_Answer, frozen=True, kw_only=True):
    """A deployed access contract."""

    contract: str
    owner: str
    version: Unsigned
    hash: str
    """Of source and parameters, hexadecimal."""
    deployed_height: Unsigned
    updated_height: Unsigned
    transaction_id: str
    source: str = ""
    """Left out in lists, as are the parameters."""
    parameters: str = ""


class ContractList(_Answer, frozen=True, kw_only=True):
    """A page of the contracts."""

    next: str | None = None
    contracts: tuple[ContractAnswer, ...]


class ApproverAnswer(_Answer, frozen=True, kw_only=True):
    """What an approver has said of a request."""

    member: str
    answer: Literal["approve", "refuse", "revoke"]
    reason: str
    height: Unsigned
    time_ms: Unsigned


class RequestState(_Answer, frozen=True, kw_only=True):
    """A request to read as it stands; the fields of ``RequestEntry`` and its parts, and of
    ``RequestTotals``: ``chain.state.entries`` says what each means."""

    request: str
    reader: str
    dataset: str
    parcels: tuple[str, ...] = ()
    from_height: Unsigned
    until_height: Unsigned
    wanted_until_ms: Unsigned
    purpose: str
    legal_basis: str
    case_number: str
    person: str
    kem_key: bytes
    height: Unsigned
    time_ms: Unsigned
    status: RequestStatus
    facts: dict[str, str | int]
    sentence: str
    """Why it was denied or revoked, for people; else empty."""
    until_ms: Unsigned
    fields: tuple[str, ...] | None = None
    approvers: tuple[str, ...] = ()
    needed: Unsigned
    note: str
    contract: str
    contract_version: Unsigned
    contract_hash: str
    inputs_hash: str
    fuel: Unsigned
    decided_height: Unsigned
    decided_ms: Unsigned
    answers: tuple[ApproverAnswer, ...] = ()
    read_reports: Unsigned
    records_read: Unsigned
    first_report_ms: Unsigned
    keys: tuple[str, ...] = ()
    records: tuple[tuple[str, int], ...] = ()
    wanted_fields: tuple[str, ...] = ()

    @property
    def id(self) -> bytes:
        """Transaction id of the request: 32 bytes."""
        return parse_transaction_id(self.request)


class RequestPage(_Answer, frozen=True, kw_only=True):
    """Some requests, and where to go on."""

    requests: tuple[RequestState, ...]
    next: str | None = None


class ReadSummary(_Answer, frozen=True, kw_only=True):
    """A request, approval or read report in the list of its dataset's."""

    transaction_id: str
    height: Unsigned
    index: Unsigned
    type: Literal["request", "approval", "read_report"]
    member: str
    code: str


class ReadPage(_Answer, frozen=True, kw_only=True):
    """Some of a dataset's reads, and where to go on."""

    reads: tuple[ReadSummary, ...]
    next: str | None = None


class ParcelSummary(_Answer, frozen=True, kw_only=True):
    """A parcel in the list of its dataset's."""

    transaction_id: str
    height: Unsigned
    index: Unsigned
    record_count: Unsigned
    code: str


class ParcelPage(_Answer, frozen=True, kw_only=True):
    """Some parcels, and where to go on."""

    parcels: tuple[ParcelSummary, ...]
    next: str | None = None


class BlockSummary(_Answer, frozen=True, kw_only=True):
    """A block in short."""

    height: Unsigned
    hash: str
    time_ms: Unsigned
    proposer: str
    transaction_count: Unsigned


class DatasetCount(_Answer, frozen=True, kw_only=True):
    """How much a dataset holds after a block."""

    dataset: str
    parcels: Unsigned
    records: Unsigned
    corrected: Unsigned = 0
    """Records of it that were corrected."""


class BlockEvent(BlockSummary, frozen=True, kw_only=True):
    """A block that has become final."""

    datasets: tuple[DatasetCount, ...] | None = None
    """The datasets that it has added to, by name; None where the node does not know, for a block of long ago."""

    def concerns(self, dataset: str) -> bool:
        """Whether it may have added to a dataset."""
        return self.datasets is None or any(count.dataset == dataset for count in self.datasets)


class TransactionSummary(_Answer, frozen=True, kw_only=True):
    """A transaction in its block."""

    transaction_id: str
    code: str
    sentence: str = ""


class HandOversAnswer(msgspec.Struct, frozen=True):
    """Proof of every change of validators and rules after a height."""

    handovers: tuple[HandOverPart, ...]


class BlockAnswer(BlockSummary, frozen=True, kw_only=True):
    """A block in full, without the transactions' content."""

    parent_hash: str
    tx_root: str
    result_root: str
    state_root: str
    history_root: str
    validators_hash: str
    next_validators_hash: str
    next_version: int
    header: bytes = b""
    """Exact bytes, which are what was signed."""
    certificate: CertificatePart | None = None
    transactions: tuple[TransactionSummary, ...] = ()


class TransactionAnswer(_Answer, frozen=True, kw_only=True):
    """Where a transaction stands, and what it says."""

    transaction_id: str
    status: Literal["pending", "committed"]
    type: str = ""
    member: str = ""
    height: Unsigned | None = None
    index: Unsigned | None = None
    outcome: dict[str, Any] | None = None
    header: bytes = b""
    """Exact bytes, which are what was signed; empty while it is pending."""
    signature: bytes = b""
    fields: dict[str, Any] = {}
    erasure: dict[str, Any] | None = None
    """Why the payload of a parcel is gone: the fields of ``chain.state.entries.OwnerAct``; None if it is there."""
    erased_records: tuple[Unsigned, ...] = ()
    """Places of its records that were erased one by one."""


class RecordAnswer(_Answer, frozen=True, kw_only=True):
    """A record as one node gives it. For proof, use its evidence."""

    record: str
    dataset: str
    member: str
    height: Unsigned
    time_ms: Unsigned
    outcome: str
    sealed: bool = False
    """Whether ``body`` is ciphertext."""
    body: bytes
    value: Any = None
    correction: dict[str, Any] | None = None
    """What it was corrected by: the fields of ``chain.state.entries.OwnerAct``; None if it was not."""
    corrects: str | None = None
    """The record that it corrects."""


class StateAnswer(_Answer, frozen=True, kw_only=True):
    """A state entry, or its absence, with the proof; byte strings base64."""

    value: bytes | None = None
    proof: bytes


class ReceiptAnswer(_Answer, frozen=True, kw_only=True):
    """A receipt in JSON: byte strings base64, proof hashes hexadecimal."""

    header: bytes
    certificate: CertificatePart
    outcome: bytes
    index: Unsigned
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
        place: dict[str, str | int] = {"transaction_id": receipt.transaction_id.hex(), "height": receipt.height}
        super().__init__(code, outcome.sentence, **(shown(outcome.facts) | place))
        self.receipt = receipt

    def detail_in(self, language: Language) -> str:
        """The same in a reader's language."""
        outcome = self.receipt.outcome
        return sentence(outcome.code, unpack(outcome.facts), language)


@dataclass(frozen=True, slots=True)
class Record:
    """A record whose parcel was verified here: signature by its member, Merkle root, and the receipt of its block."""

    id: RecordId
    dataset: str
    member: str
    height: int
    body: bytes
    is_corrected: bool = False
    """Whether another record has taken its place, as of the block when reading began; proven."""
    corrects: RecordId | None = None
    """The record, wrong, whose place it has taken."""

    def json(self) -> Any:
        """The body read as JSON: numbers are ``int`` or ``Decimal``, exactly as they were shared.

        Raises:
            PoolError: code ``malformed`` if it is none.
        """
        try:
            return read_json(self.body)
        except BadJson as bad:
            detail = f"record {self.id}: {bad.fault} at {bad.pointer or 'the top level'}"
            raise PoolError(ErrorCode.MALFORMED, detail) from None
