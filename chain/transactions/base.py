"""What all transactions share: how one is signed and encoded, what a checked one is, and what each type declares.

On the wire a transaction is ``[header, signature, payload]``. The header's exact bytes are what is signed and
hashed; the payload (a parcel's record bodies, and the shares of their key if they are sealed) is bound to the header by
a Merkle root and hashes, so it can be hashed once, kept apart, and erased later without breaking a proof.

Each type is one module beside this one. It says all there is to say of it in one ``TransactionType``;
``chain.transactions.registry`` lists them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from msgspec import Meta

from chain.errors import ErrorCode, PoolError, Refusal
from chain.limits import LIMITS
from chain.primitives.crypto import Hash, Signer, domain, hash_tagged, key_id, verify_signature
from chain.primitives.encoding import Wire, encode
from chain.primitives.types import Hash32, KeyId, Name, Nonce, Signature, Unsigned
from chain.state.working import StateReader
from chain.transactions.context import Effect, ExecutionContext

NONCE_SIZE = 16


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


def verify_named_once(parcels: Sequence[Hash]) -> None:
    """Check that a header names no parcel twice; raises ``parcel_repeated``."""
    seen = set()
    for parcel_id in parcels:
        if parcel_id in seen:
            raise Refusal(ErrorCode.PARCEL_REPEATED, parcel=parcel_id)
        seen.add(parcel_id)


class Transaction(Wire, frozen=True):
    """A transaction as it is sent and stored."""

    header: bytes
    """Exact bytes of the encoded header."""
    signature: Signature
    """Ed25519 over ``signing_message``."""
    payload: Annotated[bytes, Meta(max_length=LIMITS.transaction_size_bytes)]
    """``chain.transactions.parcel.encode_records`` for a parcel; empty for other types."""


class ErasedPayload(Wire, frozen=True):
    """What stays of a parcel's payload once it, or some of its records, are erased, or it was rejected: its records'
    places can still be proved, and its block be executed again.
    """

    size_bytes: Annotated[int, Meta(ge=0, le=LIMITS.transaction_size_bytes)]
    """Length of the payload: the state counts it. 0 for a rejected parcel, which counts nowhere."""
    leaves: Annotated[tuple[Hash32, ...], Meta(min_length=1, max_length=LIMITS.transaction_records)]
    """RFC 6962 leaf hashes of its records, in order; ``records_root`` is their root."""
    places: Annotated[bytes, Meta(max_length=LIMITS.transaction_records // 8)] = b""
    """The records that are gone, as ``chain.primitives.places`` has it; empty if all are."""
    left: Annotated[bytes, Meta(max_length=LIMITS.transaction_size_bytes)] = b""
    """The payload of the others: the parcel's, where bodies that are gone are empty. Empty if all are gone."""


class DroppedPayload(Wire, frozen=True):
    """What a node keeps of a payload that its policy does not have it keep: all that proofs, execution and its own key
    share need. Others have the payload.
    """

    size_bytes: Annotated[int, Meta(ge=1, le=LIMITS.transaction_size_bytes)]
    """Length of the payload: the state counts it."""
    leaves: Annotated[tuple[Hash32, ...], Meta(min_length=1, max_length=LIMITS.transaction_records)]
    """As in ``ErasedPayload``."""
    sealed_shares: Annotated[tuple[bytes, ...], Meta(max_length=LIMITS.validators)]
    """As in the payload: validators give out their shares all the same."""


class AbsentPayload(NamedTuple):
    """What execution is told of a payload that is not there. Only a block that a quorum has certified may hold such a
    transaction: its outcome and its state root vouch for both.
    """

    size_bytes: int
    violation: Refusal | None
    """What the dataset's schema had against its records."""
    kept: ErasedPayload | DroppedPayload | None
    """None for one that was never seen whole."""


class Content(NamedTuple):
    """What a payload holds."""

    sealed_shares: tuple[bytes, ...]
    """Shares of the key that the records are sealed under; none in an open parcel."""
    records: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who signs transactions of a chain."""

    chain_id: bytes
    member: str
    signer: Signer
    expiry_ms: int = 0
    """When its transactions expire, milliseconds since 1970; 0 for never."""


@dataclass(frozen=True, slots=True)
class Index:
    """Where a transaction is listed besides its id. The first two lists have rejected ones too."""

    parcels_of: str = ""
    """Dataset whose list of parcels it is in; empty for none."""
    reads_of: str = ""
    """Dataset whose list of requests, approvals and read reports it is in; empty for none."""
    read_parcels: tuple[Hash, ...] = ()
    """Parcels in whose lists of reads it is, once accepted."""
    sources: tuple[Hash, ...] = ()
    """Parcels in whose lists of what was made from them it is, once accepted."""
    keys: int = 0
    """Keys of records that it changes the state of."""
    proofs: int = 0
    """Signatures that it brings besides its own."""


HeaderType = TypeVar("HeaderType", bound=Header)


@dataclass(frozen=True, slots=True)
class Payload(Generic[HeaderType]):
    """How a type's payload is read, and held against the header that was signed."""

    decode: Callable[[HeaderType, bytes], Content]
    encode: Callable[[Content], bytes]
    """The reverse of ``decode``."""
    verify: Callable[[HeaderType, Content], None]
    """Raises ``payload_mismatch``, and what the content itself may be refused for."""
    verify_envelope: Callable[[HeaderType], None]
    """What ``verify`` checks of the header alone: execution counts on it though the payload be gone."""
    leaves: Callable[[HeaderType, Sequence[bytes]], list[Hash]]
    """RFC 6962 leaf hashes of the records: they stay when the payload is erased."""
    verify_leaves: Callable[[HeaderType, Sequence[Hash]], None]
    """Raises ``payload_mismatch``."""
    verify_shares: Callable[[HeaderType, Sequence[bytes]], None]
    """Raises as ``verify`` for sealed shares that are not those signed."""
    record_count: Callable[[HeaderType], int]


def _any_header(header: Header) -> None:
    """What is said of a type whose header needs no check beyond its shape."""


def _nowhere(header: Header) -> Index:
    """A type that is found by its id alone."""
    return Index()


def _without_schema(header: Header) -> str:
    """A type that brings no schema."""
    return ""


def _unchecked(header: Header, read: StateReader) -> str:
    """A type without records that a schema checks."""
    return ""


def _at_execution(checked: CheckedTransaction, header: Header, read: StateReader) -> None:
    """A type of which nothing can be worked out beforehand."""


@dataclass(frozen=True, slots=True)
class TransactionType(Generic[HeaderType]):
    """All that the rest of the system has to know of one type of transaction."""

    name: str
    """As documents, the API and the command line have it."""
    header: type[HeaderType]
    execute: Callable[[ExecutionContext, CheckedTransaction, HeaderType], Effect]
    """Checks everything, then changes the state. Raises a ``Refusal``, which leaves the state as it was."""
    check: Callable[[HeaderType], None] = _any_header
    """Refuses what is wrong whatever the state, beyond the shape of each field: it is never ordered."""
    payload: Payload[HeaderType] | None = None
    """None for a type that has none."""
    index: Callable[[HeaderType], Index] = _nowhere
    prepare: Callable[[CheckedTransaction, HeaderType, StateReader], None] = _at_execution
    """Works out on arrival what execution will ask for, and keeps it with the transaction."""
    checked_by: Callable[[HeaderType, StateReader], str] = _unchecked
    """The schema that execution asks about its records; empty for none."""
    schema_of: Callable[[HeaderType], str] = _without_schema
    """The schema that executing it compiles; empty for none."""
    calls_contract: bool = False
    """Whether executing it may run a contract: such work is bounded per block and done off the loop."""

    @property
    def tag(self) -> int:
        """First element of the encoded header. A tag is never used for another type, in whatever version."""
        tag = self.header.__struct_config__.tag
        if not isinstance(tag, int):
            raise TypeError(f"{self.header.__name__} has no tag")
        return tag

    def of(self, header: Header | None) -> HeaderType | None:
        """A decoded header if it is of this type."""
        return header if isinstance(header, self.header) else None

    def sign(self, sender: Sender, payload: bytes = b"", *, nonce: bytes | None = None, **fields: Any) -> Transaction:
        """A transaction of this type.

        Args:
            sender: who signs it.
            payload: for a type that has one.
            nonce: 16 bytes; random if not given. All else being equal, the same nonce gives the same transaction.
            fields: of the header, beyond those that every header has.

        Raises:
            PoolError: what the type itself refuses.
        """
        header = self.header(
            chain_id=sender.chain_id,
            member=sender.member,
            key_id=key_id(sender.signer.public_key),
            nonce=secrets.token_bytes(NONCE_SIZE) if nonce is None else nonce,
            expiry_ms=sender.expiry_ms,
            **fields,
        )
        self.check(header)
        return sign_transaction(header, sender.signer, payload)


class CheckedTransaction:
    """A decoded transaction whose payload is known to match its header. The signature is checked apart, by
    ``verify_sender``.

    Attributes:
        id: hash of the header's bytes, 32 bytes.
        type: of the transaction.
        header: the decoded header.
        transaction: the bytes as received.
        size_bytes: length of the encoded transaction.
        signed_by: public key under which its signature is known to verify; empty if none is.
        schema_verdicts: verdicts on the records by schema hash, so that a schema is applied once and not again at
        execution.
        absent: stands for the payload of a parcel that was erased or dropped; the payload itself is empty then. None
            otherwise.
    """

    __slots__ = (
        "_records",
        "_sealed_shares",
        "absent",
        "header",
        "id",
        "schema_verdicts",
        "signed_by",
        "size_bytes",
        "transaction",
        "type",
    )

    def __init__(
        self,
        id_: Hash,
        type_: TransactionType[Any],
        header: Header,
        transaction: Transaction,
        size_bytes: int,
        absent: AbsentPayload | None = None,
    ) -> None:
        self.id = id_
        self.type = type_
        self.header = header
        self.transaction = transaction
        self.size_bytes = size_bytes
        self.absent = absent
        self.signed_by = b""
        self._sealed_shares: tuple[bytes, ...] | None = None
        self.schema_verdicts: dict[Hash, Refusal | None] = {}
        self._records: tuple[bytes, ...] | None = None

    @property
    def block_size_bytes(self) -> int:
        """What it takes of a block's size. A name costs its 32 bytes, but every node several look-ups and entries, a
        record's key the same; a schema costs compiling it, a proof checking it."""
        index = self.type.index(self.header)
        named = len(index.read_parcels) + len(index.sources)
        compiled = LIMITS.schema_block_size_bytes if self.type.schema_of(self.header) else 0
        keys = index.keys * LIMITS.key_size_bytes
        proofs = index.proofs * LIMITS.proof_size_bytes
        return self.size_bytes + named * LIMITS.named_parcel_size_bytes + compiled + keys + proofs

    @property
    def record_count(self) -> int:
        """Records of a parcel; 0 for other types."""
        return self.type.payload.record_count(self.header) if self.type.payload else 0

    @property
    def payload_size_bytes(self) -> int:
        """Length of the payload, which may have been erased."""
        return len(self.transaction.payload) if self.absent is None else self.absent.size_bytes

    @property
    def records(self) -> tuple[bytes, ...]:
        """Record bodies of a parcel whose payload is there, else empty. Decoded anew if they were released."""
        if self._records is not None:
            return self._records
        if self.absent is not None or self.type.payload is None:
            return ()
        return self.type.payload.decode(self.header, self.transaction.payload).records

    @property
    def sealed_shares(self) -> tuple[bytes, ...]:
        """Of a sealed parcel, as they stand in its payload, or as they were kept of it."""
        if self._sealed_shares is None:
            payload = None if self.absent is not None else self.type.payload
            shares = payload.decode(self.header, self.transaction.payload).sealed_shares if payload else ()
            self.keep_shares(shares)
            return shares
        return self._sealed_shares

    @property
    def records_size_bytes(self) -> int:
        """Sum of the record bodies of a parcel whose payload is there."""
        return sum(map(len, self.records))

    def without_payload(self, absent: AbsentPayload, size_bytes: int) -> CheckedTransaction:
        """The same with something else in the place of its payload."""
        changed = CheckedTransaction(self.id, self.type, self.header, self.transaction, size_bytes, absent)
        changed.signed_by = self.signed_by
        return changed

    def keep_shares(self, sealed_shares: tuple[bytes, ...]) -> None:
        """Hold the sealed shares, which were decoded or are kept apart from the payload."""
        self._sealed_shares = sealed_shares

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


def sign_transaction(header: Header, signer: Signer, payload: bytes = b"") -> Transaction:
    """Encode and sign ``header``. The header's ``key_id`` must be the signer's."""
    if header.key_id != key_id(signer.public_key):
        raise PoolError(ErrorCode.UNKNOWN_KEY, "the header names another key than the one that signs")
    data = encode(header)
    return Transaction(data, signer.sign(signing_message(header.chain_id, data)), payload)


def verify_signed_by(checked: CheckedTransaction, public_key: bytes) -> None:
    """Check the signature over the header, if it is not known to be this key's.

    Raises:
        PoolError: code ``bad_signature``.
    """
    if checked.signed_by == public_key:
        return
    message = signing_message(checked.header.chain_id, checked.transaction.header)
    if not verify_signature(public_key, message, checked.transaction.signature):
        raise PoolError(ErrorCode.BAD_SIGNATURE, f"the signature of {checked.header.member} does not verify")
    checked.signed_by = public_key


def verify_payload(checked: CheckedTransaction) -> None:
    """Decode the payload, check it against the header's root and envelope, and hold its content. Called after the
    signature check, since it costs more.

    Raises:
        PoolError: codes ``malformed``, ``not_canonical``, ``too_large``, ``too_many_records``, ``payload_mismatch``,
            ``bad_sealing``, ``envelope_order``, ``envelope_threshold``.
    """
    payload = checked.type.payload
    if payload is None:
        if checked.transaction.payload:
            raise PoolError(ErrorCode.PAYLOAD_MISMATCH, "this type of transaction has no payload")
        return
    content = payload.decode(checked.header, checked.transaction.payload)
    payload.verify(checked.header, content)
    checked.keep_shares(content.sealed_shares)
    checked.keep_records(content.records)
