"""Transactions: what a member signs, how it is encoded, and the checks that need no state.

On the wire a transaction is ``[header, signature, payload]``. The header's exact bytes are what is signed and
hashed; the payload (a parcel's record bodies, and the shares of their key if they are sealed) is bound to the header by
a Merkle root and hashes, so it can be hashed once, kept apart, and erased later without breaking a proof.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.crypto import Hash, Signer, domain, hash_tagged, key_id, verify_signature
from chain.primitives.encoding import EncodingError, Wire, decode, encode
from chain.primitives.kem import KemKey
from chain.primitives.types import DatasetId, Hash32, KeyId, Name, Nonce, Reason, Signature, Text, Title, Unsigned
from chain.proofs.merkle import MerkleTree, leaf_hash, root_of_leaves
from chain.transactions.sealed import decode_envelope, sealed_record_leaves, verify_sealed_shares

Sharing = Literal["open", "conditional", "closed"]
"""Sharing classes of government data: open 无条件共享, conditional 有条件共享, closed 不予共享."""

Source = tuple[Hash32, Annotated[int, Meta(ge=0, le=LIMITS.transaction_records - 1)]]
"""A record's id: (transaction id, index in its parcel)."""

Answer = Literal["approve", "refuse", "revoke"]
"""What an approver says of a request."""

Version = Annotated[int, Meta(ge=1, le=2**31)]
"""1 for a new entry, the present version plus one for an update."""


class Header(Wire, frozen=True):
    """What every transaction's header begins with, after its type tag."""

    chain_id: Hash32
    member: Name
    """Member that signs."""
    key_id: KeyId
    """Which of the member's keys signs."""
    nonce: Nonce
    """Random bytes; they make two otherwise equal transactions different."""
    expiry_ms: Unsigned
    """Milliseconds since 1970 after which it must not be ordered; 0 for never."""


class DatasetHeader(Header, frozen=True, tag=1):
    """Registers or updates a catalogue entry. Signed by the owner."""

    dataset: DatasetId
    """``owner.name``."""
    version: Version
    title_zh: Title
    title_en: Title
    schema: Annotated[str, Meta(max_length=LIMITS.schema_size_bytes)]
    """JSON Schema that every record must satisfy, as JSON text; empty for records of any bytes."""
    sharing: Sharing
    legal_basis: Text
    contract: DatasetId
    """Access contract of a dataset that is shared conditionally, one of the owner's; empty for none."""


class ParcelHeader(Header, frozen=True, tag=2):
    """Shares a set of records of one dataset. Signed by a system of the dataset's owner."""

    dataset: DatasetId
    record_count: Annotated[int, Meta(ge=1, le=LIMITS.transaction_records)]
    records_root: Hash32
    """RFC 6962 root over the record leaves."""
    envelope: Annotated[bytes, Meta(max_length=LIMITS.header_size_bytes)]
    """How the records are sealed; empty for an open parcel."""
    derived_from: Annotated[tuple[Source, ...], Meta(max_length=LIMITS.derived_from)]
    """Records that these were made from."""


class ContractHeader(Header, frozen=True, tag=3):
    """Deploys or updates an access contract. Signed by its owner."""

    contract: DatasetId
    """``owner.name``."""
    version: Version
    source: Annotated[str, Meta(max_length=LIMITS.contract_source_size_bytes)]
    """Python source text."""
    parameters: Annotated[str, Meta(max_length=LIMITS.contract_parameters_size_bytes)]
    """JSON object that the contract finds in ``ctx.parameters``."""


class RequestHeader(Header, frozen=True, tag=4):
    """Asks to read a dataset. Signed by a system of the reader."""

    dataset: DatasetId
    parcels: Annotated[tuple[Hash32, ...], Meta(max_length=LIMITS.request_parcels)]
    """Transaction ids of the parcels wanted; empty for all in the range of heights."""
    from_height: Unsigned
    """First block whose parcels are wanted; 0 for the first of all."""
    until_height: Unsigned
    """Last such block; 0 for no end, parcels to come included."""
    until_ms: Unsigned
    """How long access is wanted, milliseconds since 1970; 0 for as long as it is given."""
    purpose: Annotated[str, Meta(min_length=1, max_length=LIMITS.title_length)]
    legal_basis: Text
    case_number: Title
    person: Title
    """Who answers for it on the reader's side."""
    kem_key: KemKey
    """The reader's key that key shares are sealed to."""


class ApprovalHeader(Header, frozen=True, tag=5):
    """Answers a request: signed by a member that the contract asks; ``revoke`` also by the dataset's owner and, to
    withdraw it, the reader.
    """

    dataset: DatasetId
    request: Hash32
    """Transaction id of the request."""
    answer: Answer
    reason: Reason


class ReadReceiptHeader(Header, frozen=True, tag=6):
    """Reports what a read returned: the second side of the read. Signed by a system of the reader."""

    dataset: DatasetId
    request: Hash32
    """Transaction id of the request."""
    parcels: Annotated[tuple[Hash32, ...], Meta(min_length=1, max_length=LIMITS.receipt_parcels)]
    """Transaction ids of the parcels that were read, each once."""
    record_count: Annotated[int, Meta(ge=1, le=LIMITS.receipt_parcels * LIMITS.transaction_records)]
    digest: Hash32
    """Of the plaintexts returned: ``chain.access.policy.ReadDigest``."""


class EraseHeader(Header, frozen=True, tag=7):
    """Has every node drop a parcel's payload. Signed by the owner of its dataset."""

    dataset: DatasetId
    parcel: Hash32
    """Transaction id of the parcel."""
    legal_basis: Annotated[str, Meta(min_length=1, max_length=LIMITS.text_length)]
    """Why it has to go: which law, which order."""
    reason: Reason


AnyHeader = (
    DatasetHeader | ParcelHeader | ContractHeader | RequestHeader | ApprovalHeader | ReadReceiptHeader | EraseHeader
)
ReadHeader = RequestHeader | ApprovalHeader | ReadReceiptHeader
"""Headers that make up the history of reads."""

_TYPE_NAMES: dict[type[Header], str] = {
    DatasetHeader: "dataset",
    ParcelHeader: "parcel",
    ContractHeader: "contract",
    RequestHeader: "request",
    ApprovalHeader: "approval",
    ReadReceiptHeader: "receipt",
    EraseHeader: "erase",
}


def transaction_type(header: AnyHeader) -> str:
    """Name of a transaction's type, as documents, the API and the command line have it."""
    return _TYPE_NAMES[type(header)]


def source_parcels(header: ParcelHeader) -> tuple[Hash, ...]:
    """The parcels that a parcel's sources are in, each once, in the order of their first mention."""
    return tuple(dict.fromkeys(parcel_id for parcel_id, _ in header.derived_from))


def calls_contract(header: AnyHeader) -> bool:
    """Whether executing the transaction may run a contract: such work is bounded per block and done off the loop."""
    return isinstance(header, ContractHeader | RequestHeader | ApprovalHeader)


class Transaction(Wire, frozen=True):
    """A transaction as it is sent and stored."""

    header: Annotated[bytes, Meta(max_length=LIMITS.header_size_bytes)]
    """Exact bytes of the encoded header."""
    signature: Signature
    """Ed25519 over ``signing_message``."""
    payload: Annotated[bytes, Meta(max_length=LIMITS.transaction_size_bytes)]
    """``encode_records`` for a parcel; empty for other types."""


Records = Annotated[
    tuple[Annotated[bytes, Meta(max_length=LIMITS.record_size_bytes)], ...],
    Meta(min_length=1, max_length=LIMITS.transaction_records),
]


class SealedPayload(Wire, frozen=True):
    """Payload of a sealed parcel. Of an open one it is the array of records alone."""

    sealed_shares: Annotated[tuple[bytes, ...], Meta(max_length=LIMITS.validators)]
    """Shares of the parcel's key, each sealed to its validator, in the order of the envelope's shares."""
    bodies: Records
    """Sealed bodies: commitment, ciphertext, tag."""


class ErasedPayload(Wire, frozen=True):
    """What stays of a parcel's payload once it is erased: its records' places can still be proved, and its block be
    executed again.
    """

    size_bytes: Annotated[int, Meta(ge=1, le=LIMITS.transaction_size_bytes)]
    """Length of the payload: the state counts it."""
    leaves: Annotated[tuple[Hash32, ...], Meta(min_length=1, max_length=LIMITS.transaction_records)]
    """RFC 6962 leaf hashes of its records, in order; ``records_root`` is their root."""


class AbsentPayload(NamedTuple):
    """What execution is told of a payload that is not there. Only a block that a quorum has certified may hold such a
    transaction: its outcome and its state root vouch for both.
    """

    size_bytes: int
    offence: PoolError | None
    """What the dataset's schema had against its records."""
    kept: ErasedPayload | None
    """None for one that was never seen whole."""


class CheckedTransaction:
    """A decoded transaction whose payload is known to match its header. The signature is checked apart, by
    ``verify_sender``.

    Attributes:
        id: hash of the header's bytes, 32 bytes.
        header: the decoded header.
        transaction: the bytes as received.
        size_bytes: length of the encoded transaction.
        sealed_shares: of a sealed parcel, as they stand in its payload; empty until ``verify_payload``.
        schema_verdicts: verdicts on the records by schema hash, so that a schema is applied once and not again at
        execution.
        absent: stands for the payload of a parcel that was erased; the payload itself is empty then. None otherwise.
    """

    __slots__ = (
        "_records",
        "absent",
        "header",
        "id",
        "schema_verdicts",
        "sealed_shares",
        "size_bytes",
        "transaction",
    )

    def __init__(
        self,
        id_: Hash,
        header: AnyHeader,
        transaction: Transaction,
        size_bytes: int,
        absent: AbsentPayload | None = None,
    ) -> None:
        self.id = id_
        self.header = header
        self.transaction = transaction
        self.size_bytes = size_bytes
        self.absent = absent
        self.sealed_shares: tuple[bytes, ...] = ()
        self.schema_verdicts: dict[Hash, PoolError | None] = {}
        self._records: tuple[bytes, ...] | None = None

    @property
    def record_count(self) -> int:
        """Records of a parcel; 0 for other types."""
        return self.header.record_count if isinstance(self.header, ParcelHeader) else 0

    @property
    def payload_size_bytes(self) -> int:
        """Length of the payload, which may have been erased."""
        return len(self.transaction.payload) if self.absent is None else self.absent.size_bytes

    @property
    def records(self) -> tuple[bytes, ...]:
        """Record bodies of a parcel whose payload is there, else empty. Decoded anew if they were released."""
        if self._records is not None:
            return self._records
        if self.absent is not None:
            return ()
        return decode_records(self.header, self.transaction.payload) if isinstance(self.header, ParcelHeader) else ()

    @property
    def records_size_bytes(self) -> int:
        """Sum of the record bodies of a parcel whose payload is there."""
        return sum(map(len, self.records))

    def keep_records(self, records: tuple[bytes, ...]) -> None:
        """Hold the decoded records while they are being worked on."""
        self._records = records

    def release_records(self) -> None:
        """Hold the payload only: a transaction that waits would otherwise take its size in memory twice."""
        self._records = None


def transaction_id(chain_id: bytes, header: bytes) -> Hash:
    """A transaction's id: the hash of its signed header, never of the signature."""
    return hash_tagged("transaction", chain_id, header)


def signing_message(chain_id: bytes, header: bytes) -> bytes:
    """The bytes that a transaction's signature covers."""
    return domain("transaction-signature", chain_id) + header


def record_leaves(chain_id: bytes, records: Sequence[bytes]) -> list[Hash]:
    """RFC 6962 leaf hashes of open records; a leaf's data is the tagged hash of the record's body."""
    prefix, sha = domain("record", chain_id), hashlib.sha256
    return [sha(b"\x00" + sha(prefix + body).digest()).digest() for body in records]


def record_leaf(chain_id: bytes, body: bytes) -> Hash:
    """RFC 6962 leaf hash of one open record."""
    return leaf_hash(hash_tagged("record", chain_id, body))


def records_root(chain_id: bytes, records: Sequence[bytes]) -> Hash:
    """Root over a parcel's records."""
    return root_of_leaves(record_leaves(chain_id, records))


def parcel_leaves(header: ParcelHeader, records: Sequence[bytes]) -> list[Hash]:
    """RFC 6962 leaf hashes of a parcel's records, open or sealed.

    Raises:
        PoolError: code ``bad_sealing`` for a body that is too short to be sealed.
    """
    if header.envelope:
        return sealed_record_leaves(header.chain_id, records)
    return record_leaves(header.chain_id, records)


def record_proof(header: ParcelHeader, records: Sequence[bytes], index: int) -> list[Hash]:
    """Proof that record ``index`` is in its parcel."""
    return MerkleTree(parcel_leaves(header, records)).inclusion_proof(index)


def sign_transaction(header: AnyHeader, signer: Signer, payload: bytes = b"") -> Transaction:
    """Encode and sign ``header``. The header's ``key_id`` must be the signer's."""
    if header.key_id != key_id(signer.public_key):
        raise PoolError(ErrorCode.UNKNOWN_KEY, "the header names another key than the one that signs")
    data = encode(header)
    return Transaction(data, signer.sign(signing_message(header.chain_id, data)), payload)


def decode_transaction(chain_id: bytes, data: bytes) -> CheckedTransaction:
    """Decode a transaction and check everything about it that needs neither state nor its signer's key, payload last.

    Raises:
        PoolError: codes ``too_large``, ``malformed``, ``not_canonical``, ``wrong_chain``.
    """
    if len(data) > LIMITS.transaction_size_bytes:
        raise PoolError(
            ErrorCode.TOO_LARGE, f"{len(data)} bytes; a transaction has at most {LIMITS.transaction_size_bytes}"
        )
    transaction = decode(Transaction, data)
    header = decode_transaction_header(chain_id, transaction.header)
    return CheckedTransaction(transaction_id(chain_id, transaction.header), header, transaction, len(data))


def decode_transaction_header(chain_id: bytes, data: bytes) -> AnyHeader:
    """Decode a transaction's header and check that it is meant for this chain.

    Raises:
        PoolError: codes ``malformed``, ``not_canonical``, ``wrong_chain``.
    """
    header: AnyHeader = decode(AnyHeader, data)  # type: ignore[arg-type]
    if header.chain_id != chain_id:
        raise PoolError(
            ErrorCode.WRONG_CHAIN, f"signed for chain {header.chain_id.hex()[:16]}, this is {chain_id.hex()[:16]}"
        )
    return header


def verify_signed_by(checked: CheckedTransaction, public_key: bytes) -> None:
    """Check the signature over the header.

    Raises:
        PoolError: code ``bad_signature``.
    """
    message = signing_message(checked.header.chain_id, checked.transaction.header)
    if not verify_signature(public_key, message, checked.transaction.signature):
        raise PoolError(ErrorCode.BAD_SIGNATURE, f"the signature of {checked.header.member} does not verify")


def verify_payload(checked: CheckedTransaction) -> None:
    """Decode the payload, check it against the header's root and envelope, and hold its content. Called after the
    signature check, since it costs more.

    Raises:
        PoolError: codes ``malformed``, ``not_canonical``, ``too_large``, ``payload_mismatch``, ``bad_sealing``,
            ``bad_envelope``.
    """
    header, payload = checked.header, checked.transaction.payload
    if not isinstance(header, ParcelHeader):
        if payload:
            raise PoolError(ErrorCode.PAYLOAD_MISMATCH, "this type of transaction has no payload")
        return
    sealed_shares, records = _decode_payload(header, payload)
    if header.envelope:
        verify_sealed_shares(header.chain_id, decode_envelope(header.envelope), sealed_shares)
    if len(records) != header.record_count:
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, f"{len(records)} records came, {header.record_count} were signed")
    if root_of_leaves(parcel_leaves(header, records)) != header.records_root:
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, "the records' root differs from the one that was signed")
    checked.sealed_shares = sealed_shares
    checked.keep_records(records)


def check_stored(chain_id: bytes, transaction: Transaction) -> CheckedTransaction:
    """Decode a transaction from its parts and check its payload, for one whose signature was checked before it was
    stored.

    Raises:
        PoolError: codes as in ``decode_transaction`` and ``verify_payload``.
    """
    checked = decode_stored(chain_id, transaction)
    verify_payload(checked)
    return checked


def decode_stored(chain_id: bytes, transaction: Transaction) -> CheckedTransaction:
    """Decode a transaction from its parts; its payload is not looked at.

    Raises:
        PoolError: codes as in ``decode_transaction``.
    """
    header = decode_transaction_header(chain_id, transaction.header)
    size = len(encode(transaction))
    return CheckedTransaction(transaction_id(chain_id, transaction.header), header, transaction, size)


def encode_records(records: Sequence[bytes], sealed_shares: Sequence[bytes] = ()) -> bytes:
    """Payload of a parcel: the encoded array of record bodies, or if there are sealed shares a ``SealedPayload``."""
    bodies = tuple(records)
    return encode(SealedPayload(tuple(sealed_shares), bodies) if sealed_shares else bodies)


def decode_records(header: ParcelHeader, payload: bytes) -> tuple[bytes, ...]:
    """Record bodies in a parcel's payload.

    Raises:
        PoolError: codes ``malformed``, ``not_canonical``, ``too_large`` (a record over its limit).
    """
    return _decode_payload(header, payload)[1]


def decode_sealed_shares(payload: bytes) -> tuple[bytes, ...]:
    """Sealed shares in the payload of a sealed parcel.

    Raises:
        PoolError: codes ``malformed``, ``not_canonical``.
    """
    return decode(SealedPayload, payload).sealed_shares


def _decode_payload(header: ParcelHeader, payload: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Sealed shares (none in an open parcel) and record bodies."""
    try:
        if not header.envelope:
            return (), decode(Records, payload)
        sealed = decode(SealedPayload, payload)
        return sealed.sealed_shares, sealed.bodies
    except EncodingError as error:
        if "length <=" in error.detail:
            raise PoolError(ErrorCode.TOO_LARGE, f"payload: {error.detail}") from None
        raise
