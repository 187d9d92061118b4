"""Transactions that a program makes and signs: catalogue entries and parcels of records.

A transaction's id is the hash of its signed header, so the same bytes are the same transaction however often they
are sent.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from blockpool.identity import Identity
from chain.catalogue import Description, verify_description
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.granularity import WHOLE, Granularity, verify_granularity
from chain.limits import LIMITS
from chain.primitives.crypto import hash_tagged
from chain.primitives.encoding import encode
from chain.primitives.typed import typed
from chain.primitives.types import SharingClass, verify_dataset_id
from chain.schema import compile_schema
from chain.transactions import parcel as parcels
from chain.transactions.base import NONCE_SIZE, Transaction, transaction_id
from chain.transactions.correction import CORRECTION
from chain.transactions.dataset import DATASET
from chain.transactions.erase import ERASE
from chain.transactions.keyed import KEYED_PARCEL
from chain.transactions.parcel import ParcelContent, Source, open_content, records_root, verify_sources
from records.json_values import json_text

NO_DESCRIPTION = Description()
RecordBody = bytes | str | Mapping[str, object]
"""A record as a program has it: exact bytes, text, or an object that becomes compact JSON."""

PARCEL_RECORDS = 500
"""Records in a parcel unless told otherwise: large enough to make signatures cheap, small enough to commit at once."""

_RECORDS_SIZE_MAX_BYTES = LIMITS.transaction_size_bytes - LIMITS.header_size_bytes
"""Records of a parcel. The rest is for the header and, if it is sealed, the shares of its key."""
_RECORD_OVERHEAD_BYTES = 5
"""MessagePack's longest head of a byte string."""


@dataclass(frozen=True, slots=True, order=True)
class RecordId:
    """Where a record is: ``str()`` gives ``<transaction id in hex>/<index>``."""

    transaction_id: bytes
    """The parcel's transaction id: 32 bytes."""
    index: int
    """Place in the parcel, from 0."""

    @classmethod
    def parse(cls, text: str) -> "RecordId":
        """Read the form that ``str()`` gives.

        Raises:
            PoolError: code ``bad_request``.
        """
        transaction, slash, index = text.partition("/")
        if not slash or not index.isascii() or not index.isdigit() or len(index) > 6:
            raise PoolError(ErrorCode.BAD_REQUEST, f"{text!r} is not a record id: it has the form TRANSACTION/INDEX")
        return cls(parse_transaction_id(transaction), int(index))

    def __str__(self) -> str:
        return f"{self.transaction_id.hex()}/{self.index}"


@dataclass(frozen=True, slots=True)
class DatasetDefinition:
    """What the catalogue should say about a dataset."""

    dataset: str
    """``owner.name``; the owner is the member that signs."""
    title_zh: str
    title_en: str
    schema: str = ""
    """JSON Schema that every record must satisfy, as JSON text; empty for records of any bytes."""
    sharing: SharingClass = "open"
    """``open`` 无条件共享, ``conditional`` 有条件共享, ``closed`` 不予共享."""
    legal_basis: str = ""
    contract: str = ""
    """Access contract of a conditional dataset; empty for none."""
    description: Description = NO_DESCRIPTION
    """What the catalogue says besides; what the sharing class needs must be there."""
    granularity: Granularity = WHOLE
    """What sealed parcels can be opened by: columns, each a group of fields; records; or both."""

    def verify(self) -> None:
        """Check what every validator will.

        Raises:
            PoolError: codes ``bad_name``, ``catalogue_incomplete``, ``field_in_two_columns``, and those of
                ``compile_schema``.
        """
        verify_dataset_id(self.dataset)
        verify_granularity(self.granularity)
        has_personal = bool(self.schema) and compile_schema(self.schema).has_personal
        verify_description(self.description, self.sharing, self.legal_basis, has_personal=has_personal)


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction ready to be sent, as often as needed."""

    transaction_id: bytes
    """32 bytes."""
    content: bytes
    """The encoded transaction."""
    record_count: int = 0
    """Records of a parcel."""


def parse_transaction_id(text: str) -> bytes:
    """Read a transaction id in hexadecimal; raises ``bad_request``."""
    try:
        id_ = bytes.fromhex(text)
    except ValueError:
        id_ = b""
    if len(id_) != 32 or len(text) != 64:
        raise PoolError(ErrorCode.BAD_REQUEST, f"{text!r} is not a transaction id: 64 hexadecimal digits")
    return id_


def sign_dataset(
    genesis: Genesis, identity: Identity, definition: DatasetDefinition, version: int
) -> SignedTransaction:
    """Sign a catalogue entry: version 1 registers it, the present version plus one updates it.

    Raises:
        PoolError: codes of ``DatasetDefinition.verify``.
    """
    definition.verify()
    transaction = DATASET.sign(
        identity.sender(genesis),
        dataset=definition.dataset,
        version=version,
        title_zh=definition.title_zh,
        title_en=definition.title_en,
        schema=definition.schema,
        sharing=definition.sharing,
        legal_basis=definition.legal_basis,
        contract=definition.contract,
        description=definition.description,
        granularity=definition.granularity,
    )
    return signed(genesis, transaction)


def sign_parcel(
    genesis: Genesis,
    identity: Identity,
    dataset: str,
    records: Sequence[bytes],
    *,
    nonce: bytes | None = None,
    derived_from: Sequence[RecordId] = (),
    keys: bytes = b"",
) -> SignedTransaction:
    """Sign an open parcel.

    Args:
        records: record bodies, 1 to 4,096.
        nonce: 16 bytes; random if not given. The same nonce and records give the same transaction.
        derived_from: records of other parcels that these were made from.
        keys: of the records, 24 bytes each, where the dataset's records have keys (``chain.record_keys``).

    Raises:
        PoolError: code ``too_large`` if it exceeds a limit of the network; ``bad_request`` for a source that no parcel
            can hold.
    """
    content = open_content(genesis.chain_id, records)
    return signed_parcel(genesis, identity, dataset, content, derived_from, keys, nonce)


def signed_parcel(
    genesis: Genesis,
    identity: Identity,
    dataset: str,
    content: ParcelContent,
    derived_from: Sequence[RecordId],
    keys: bytes,
    nonce: bytes | None = None,
) -> SignedTransaction:
    """Sign a parcel, open or sealed, of records with keys or without; raises as ``sign_parcel``."""
    sender, sources = identity.sender(genesis), source_links(derived_from)
    if keys:
        transaction = parcels.sign_parcel(sender, dataset, content, sources, nonce, KEYED_PARCEL, keys=keys)
    else:
        transaction = parcels.sign_parcel(sender, dataset, content, sources, nonce)
    return signed(genesis, transaction, content.record_count)


def sign_erasure(
    genesis: Genesis,
    identity: Identity,
    dataset: str,
    parcel: bytes,
    legal_basis: str,
    reason: str,
    records: Sequence[int] = (),
) -> SignedTransaction:
    """Sign the erasure of a parcel of ``dataset``, or of some of its records.

    Args:
        parcel: its transaction id, 32 bytes.
        records: places of the records in it, in any order; none for the whole parcel.
        legal_basis: why it has to go, 1 to 2,000 characters.
        reason: at most 300 characters.

    Raises:
        PoolError: codes ``bad_request``, ``too_large``.
    """
    legal_basis, reason = typed(legal_basis), typed(reason)
    if not legal_basis:
        raise PoolError(ErrorCode.BAD_REQUEST, "an erasure states its legal basis")
    _verify_reasons(legal_basis, reason)
    transaction = ERASE.sign(
        identity.sender(genesis),
        dataset=dataset,
        parcel=parcel,
        records=tuple(sorted(set(records))),
        legal_basis=legal_basis,
        reason=reason,
    )
    return signed(genesis, transaction)


def sign_correction(
    genesis: Genesis,
    identity: Identity,
    dataset: str,
    content: ParcelContent,
    corrected: RecordId,
    legal_basis: str,
    reason: str,
    key: bytes = b"",
) -> SignedTransaction:
    """Sign the correction of a record of ``dataset``.

    Args:
        content: the one record that takes its place, open (``chain.transactions.parcel.open_content``) or sealed.
        corrected: the record that was wrong.
        legal_basis: by which law, order or finding, 1 to 2,000 characters.
        reason: what was wrong, 1 to 300 characters.
        key: of the new record, where the dataset's records have keys.

    Raises:
        PoolError: codes ``bad_request``, ``too_large``.
    """
    legal_basis, reason = typed(legal_basis), typed(reason)
    if not legal_basis or not reason:
        raise PoolError(ErrorCode.BAD_REQUEST, "a correction states its legal basis, and what was wrong")
    _verify_reasons(legal_basis, reason)
    (source,) = source_links([corrected])
    more = {"legal_basis": legal_basis, "reason": reason, "key": key}
    transaction = parcels.sign_parcel(identity.sender(genesis), dataset, content, [source], None, CORRECTION, **more)
    return signed(genesis, transaction, 1)


def _verify_reasons(legal_basis: str, reason: str) -> None:
    for name, text, length in (
        ("legal_basis", legal_basis, LIMITS.text_length),
        ("reason", reason, LIMITS.reason_length),
    ):
        if len(text) > length:
            raise PoolError(ErrorCode.TOO_LARGE, f"{name} has {len(text)} characters; at most {length}")


def source_links(derived_from: Sequence[RecordId]) -> tuple[Source, ...]:
    """What a parcel's header says of the records that it was made from; raises as ``verify_sources``."""
    sources = tuple((source.transaction_id, source.index) for source in derived_from)
    verify_sources(sources)
    return sources


def repeatable_nonce(genesis: Genesis, key: str, first: int, records: Sequence[bytes]) -> bytes:
    """A nonce that depends only on what is submitted: repeating an interrupted submission gives the same transactions,
    which the chain recognises, so nothing is committed twice.

    Args:
        key: names the submission, such as the dataset and batch size.
        first: number of the parcel's first record in it, from 0, so that equal parcels stay different.
        records: the parcel's record bodies.
    """
    content = encode((key, first, records_root(genesis.chain_id, records)))
    return hash_tagged("submission-nonce", genesis.chain_id, content)[:NONCE_SIZE]


def encode_record(record: RecordBody, size_max_bytes: int = LIMITS.record_size_bytes) -> bytes:
    """A record's body: bytes as they are, text as UTF-8, objects as compact JSON.

    Raises:
        PoolError: code ``malformed`` for an object that JSON cannot express, ``too_large`` over the record limit.
    """
    if isinstance(record, bytes):
        body = record
    elif isinstance(record, str):
        body = record.encode()
    else:
        try:
            body = json_text(record).encode()
        except UnicodeEncodeError:
            raise PoolError(ErrorCode.MALFORMED, "a record is not JSON: half a surrogate pair is no text") from None
    if len(body) > size_max_bytes:
        raise PoolError(ErrorCode.TOO_LARGE, f"a record of {len(body)} bytes; at most {size_max_bytes}")
    return body


def group_records(
    bodies: Iterable[bytes],
    parcel_records: int,
    overhead_bytes: int = 0,
    lengths: Mapping[int, int] = MappingProxyType({}),
) -> Iterator[list[bytes]]:
    """Cut a stream of record bodies into parcels of ``parcel_records``, fewer where the size limit demands it: each
    record will take ``overhead_bytes`` more than its body.

    Only one group is held at a time. The same stream is always cut at the same places.

    Args:
        lengths: records in parcels that were cut before, by the number of their first record, from 0: these are cut so
            again.
    """
    group: list[bytes] = []
    first = size_bytes = 0
    for index, body in enumerate(bodies):
        added_bytes = len(body) + overhead_bytes + _RECORD_OVERHEAD_BYTES
        known = lengths.get(first)
        is_full = len(group) == (known or parcel_records) or (
            known is None and (index in lengths or size_bytes + added_bytes > _RECORDS_SIZE_MAX_BYTES)
        )
        if group and is_full:
            yield group
            group, first, size_bytes = [], index, 0
        group.append(body)
        size_bytes += added_bytes
    if group:
        yield group


def signed(genesis: Genesis, transaction: Transaction, record_count: int = 0) -> SignedTransaction:
    """A transaction ready to be sent; raises ``too_large`` for one over the network's limit."""
    content = encode(transaction)
    if len(content) > LIMITS.transaction_size_bytes:
        limit = LIMITS.transaction_size_bytes
        raise PoolError(ErrorCode.TOO_LARGE, f"{len(content)} bytes; a transaction has at most {limit}")
    return SignedTransaction(transaction_id(genesis.chain_id, transaction.header), content, record_count)
