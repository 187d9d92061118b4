"""``parcel``: a set of records of one dataset is shared."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from chain.errors import ErrorCode, PoolError, Refusal
from chain.limits import LIMITS
from chain.primitives.crypto import Hash, domain, hash_tagged
from chain.primitives.encoding import Wire, decode, encode
from chain.primitives.kem import verify_suite
from chain.primitives.types import DatasetId, Hash32
from chain.proofs.merkle import MerkleTree, leaf_hash, root_of_leaves
from chain.record_keys import KEY_SIZE, open_keys, split_keys
from chain.schema import RecordCheck, record_rules
from chain.state.entries import (
    DatasetEntry,
    DatasetTotals,
    DerivedParcels,
    MemberTotals,
    PresentRecord,
    dataset_key,
    dataset_totals_key,
    derived_key,
    member_totals_key,
    record_key_key,
)
from chain.state.members import kem_keys
from chain.state.working import StateReader
from chain.transactions.base import (
    CheckedTransaction,
    Content,
    Header,
    Index,
    Payload,
    Sender,
    Transaction,
    TransactionType,
)
from chain.transactions.context import AcceptedParcel, Effect, ExecutionContext
from chain.transactions.sealed import decode_envelope, sealed_record_leaves, verify_envelope_keys, verify_sealed_shares

Source = tuple[Hash32, Annotated[int, Meta(ge=0, le=LIMITS.transaction_records - 1)]]
"""A record's id: (transaction id, index in its parcel)."""


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

    @property
    def record_keys(self) -> bytes:
        """Keys of the records in their order, 24 bytes each; empty where records have none."""
        return b""


Records = Annotated[tuple[bytes, ...], Meta(min_length=1)]
"""``LIMITS`` bounds their number and their sizes."""


class SealedPayload(Wire, frozen=True):
    """Payload of a sealed parcel. Of an open one it is the array of records alone."""

    sealed_shares: Annotated[tuple[bytes, ...], Meta(max_length=LIMITS.validators)]
    """Shares of the parcel's key, each sealed to its validator, in the order of the envelope's shares."""
    bodies: Records
    """Sealed bodies: commitment, ciphertext, tag."""


@dataclass(frozen=True, slots=True)
class ParcelContent:
    """What a parcel's records add to its header, and its payload."""

    record_count: int
    records_root: Hash
    payload: bytes
    envelope: bytes = b""
    """Empty for an open parcel."""


def source_parcels(header: ParcelHeader) -> tuple[Hash, ...]:
    """The parcels that a parcel's sources are in, each once, in the order of their first mention."""
    return tuple(dict.fromkeys(parcel_id for parcel_id, _ in header.derived_from))


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


def encode_records(records: Sequence[bytes], sealed_shares: Sequence[bytes] = ()) -> bytes:
    """Payload of a parcel: the encoded array of record bodies, or if there are sealed shares a ``SealedPayload``."""
    bodies = tuple(records)
    return encode(SealedPayload(tuple(sealed_shares), bodies) if sealed_shares else bodies)


def decode_content(header: ParcelHeader, payload: bytes) -> Content:
    """What a parcel's payload holds.

    Raises:
        PoolError: codes ``malformed``, ``not_canonical``, ``too_large``, ``too_many_records``.
    """
    if header.envelope:
        sealed = decode(SealedPayload, payload)
        content = Content(sealed.sealed_shares, sealed.bodies)
    else:
        content = Content((), decode(Records, payload))
    if len(content.records) > LIMITS.transaction_records:
        found = len(content.records)
        raise Refusal(ErrorCode.TOO_MANY_RECORDS, found=found, limit=LIMITS.transaction_records)
    for index, record in enumerate(content.records):
        if len(record) > LIMITS.record_size_bytes:
            limit = LIMITS.record_size_bytes
            raise Refusal(ErrorCode.TOO_LARGE, record_index=index, found=len(record), limit=limit)
    return content


def decode_sealed_shares(payload: bytes) -> tuple[bytes, ...]:
    """Sealed shares in the payload of a sealed parcel.

    Raises:
        PoolError: codes ``malformed``, ``not_canonical``.
    """
    return decode(SealedPayload, payload).sealed_shares


def open_content(chain_id: bytes, records: Sequence[bytes]) -> ParcelContent:
    """The content of an open parcel; raises ``too_many_records`` for a number of records that no parcel has."""
    if not 1 <= len(records) <= LIMITS.transaction_records:
        raise Refusal(ErrorCode.TOO_MANY_RECORDS, found=len(records), limit=LIMITS.transaction_records)
    return ParcelContent(len(records), records_root(chain_id, records), encode_records(records))


def verify_sources(sources: Sequence[Source]) -> None:
    """Check what a parcel names as its sources; raises ``too_large``, ``bad_request``, ``source_repeated``."""
    if len(sources) > LIMITS.derived_from:
        raise _too_large(f"{len(sources)} sources", LIMITS.derived_from)
    for parcel, index in sources:
        if not 0 <= index < LIMITS.transaction_records:
            limit = LIMITS.transaction_records
            raise PoolError(ErrorCode.BAD_REQUEST, f"{parcel.hex()}/{index}: a parcel has at most {limit} records")
    seen = set()
    for source in sources:
        if source in seen:
            raise Refusal(ErrorCode.SOURCE_REPEATED, parcel=source[0], record_index=source[1])
        seen.add(source)


def sign_parcel(
    sender: Sender,
    dataset: str,
    content: ParcelContent,
    sources: Sequence[Source] = (),
    nonce: bytes | None = None,
    type_: "TransactionType[Any] | None" = None,
    **more: Any,
) -> Transaction:
    """A parcel of ``dataset``, made from the records in ``sources``.

    Args:
        type_: another type that shares records, with what its header has ``more``.

    Raises:
        PoolError: codes of ``verify_sources``, and of the type.
    """
    return (type_ or PARCEL).sign(
        sender,
        content.payload,
        nonce=nonce,
        dataset=dataset,
        record_count=content.record_count,
        records_root=content.records_root,
        envelope=content.envelope,
        derived_from=tuple(sources),
        **more,
    )


def _too_large(found: str, limit: int) -> PoolError:
    return PoolError(ErrorCode.TOO_LARGE, f"{found}; at most {limit}")


def _index(header: ParcelHeader) -> Index:
    keys = len(header.record_keys) // KEY_SIZE
    return Index(parcels_of=header.dataset, sources=source_parcels(header), keys=keys)


def _verify_envelope(header: ParcelHeader) -> None:
    if header.envelope:
        decode_envelope(header.envelope)


def _verify_shares(header: ParcelHeader, sealed_shares: Sequence[bytes]) -> None:
    if header.envelope:
        verify_sealed_shares(header.chain_id, decode_envelope(header.envelope), sealed_shares)
    elif sealed_shares:
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, "an open parcel has no sealed shares")


def _verify_content(header: ParcelHeader, content: Content) -> None:
    _verify_shares(header, content.sealed_shares)
    verify_leaves(header, parcel_leaves(header, content.records))


def verify_leaves(header: ParcelHeader, leaves: Sequence[Hash]) -> None:
    """Check the leaf hashes of a parcel's records; raises ``payload_mismatch``."""
    if len(leaves) != header.record_count:
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, f"{len(leaves)} records came, {header.record_count} were signed")
    if root_of_leaves(list(leaves)) != header.records_root:
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, "the records' root differs from the one that was signed")


def _execute(context: ExecutionContext, checked: CheckedTransaction, header: ParcelHeader) -> Effect:
    entry = context.dataset(header.dataset)
    if entry.owner != header.member:
        raise Refusal(ErrorCode.NOT_OWNER, dataset=header.dataset, owner=entry.owner)
    for source, index in header.derived_from:
        parcel = context.parcel(source)
        if parcel is None or index >= parcel.record_count:
            raise Refusal(ErrorCode.UNKNOWN_SOURCE, parcel=source, record_index=index)
    rules, record_keys = record_rules(entry.schema), split_keys(header.record_keys)
    expected = header.record_count if rules.key_fields else 0
    if len(record_keys) != expected:
        raise Refusal(ErrorCode.KEYS_MISSING, expected=expected, found=len(record_keys), dataset=header.dataset)
    if header.envelope and entry.sharing == "open":
        raise Refusal(ErrorCode.OPEN_PARCEL_REQUIRED, dataset=header.dataset)
    if not header.envelope and entry.sharing != "open":
        raise Refusal(ErrorCode.SEALING_REQUIRED, dataset=header.dataset, sharing=entry.sharing)
    if header.envelope:
        envelope = decode_envelope(header.envelope)
        verify_suite(envelope.suite, context.protocol.kem_suite)
        keys = kem_keys(context.state.read, context.validators)
        verify_envelope_keys(envelope, keys)
        if envelope.granularity != entry.granularity:
            raise Refusal(ErrorCode.WRONG_GRANULARITY, dataset=header.dataset)
    else:
        violation = verdict_on_records(checked, rules)
        if violation is not None:
            raise violation
    _count(context, header, checked.payload_size_bytes)
    for source in source_parcels(header):
        key = derived_key(source)
        derived = context.state.read(key, DerivedParcels) or DerivedParcels()
        context.state.write(key, DerivedParcels(derived.history.extended(context.chain_id, checked.id)))
    for index, key in enumerate(record_keys):
        place = record_key_key(header.dataset, key)
        before = context.state.read(place, PresentRecord)
        context.state.write(place, PresentRecord.after(before, checked.id, index, context.height))
    context.accept_parcel(checked.id, AcceptedParcel(header.dataset, header.record_count))
    return Effect()


def _count(context: ExecutionContext, header: ParcelHeader, size_bytes: int) -> None:
    key = dataset_totals_key(header.dataset)
    totals = context.state.read(key, DatasetTotals) or DatasetTotals(0, 0, 0, 0)
    totals = DatasetTotals(
        totals.parcels + 1,
        totals.records + header.record_count,
        totals.size_bytes + size_bytes,
        context.height,
        totals.corrected,
    )
    context.state.write(key, totals)
    key = member_totals_key(header.member)
    shared = context.state.read(key, MemberTotals) or MemberTotals()
    shared = MemberTotals(shared.parcels + 1, shared.records + header.record_count, context.height, context.time_ms)
    context.state.write(key, shared)


def verdict_on_records(checked: CheckedTransaction, schema: RecordCheck) -> Refusal | None:
    """What ``schema`` says of a parcel's records. Asked once: the node asks on arrival, so that execution finds it
    there. Of an erased parcel it is what the committed outcome says.
    """
    if checked.absent is not None:
        return checked.absent.violation
    verdicts: dict[Hash, Refusal | None] = checked.schema_verdicts
    if schema.hash not in verdicts:
        values, violation = schema.read(checked.records)
        header = checked.header
        if violation is None and schema.key_fields and isinstance(header, ParcelHeader):
            violation = _verdict_on_keys(header, schema.key_fields, values)
        verdicts[schema.hash] = violation
    return verdicts[schema.hash]


def _verdict_on_keys(header: ParcelHeader, names: Sequence[str], records: Sequence[Any]) -> Refusal | None:
    """The first record whose key is not the one that its values give."""
    given = split_keys(header.record_keys)
    keys = open_keys(header.chain_id, header.dataset, names, records)
    wrong = next((index for index, (key, found) in enumerate(zip(keys, given, strict=False)) if key != found), None)
    return None if wrong is None else Refusal(ErrorCode.KEY_MISMATCH, record_index=wrong)


def _prepare(checked: CheckedTransaction, header: ParcelHeader, read: StateReader) -> None:
    entry = read(dataset_key(header.dataset), DatasetEntry)
    if entry is not None and not header.envelope:
        verdict_on_records(checked, record_rules(entry.schema))


def _checked_by(header: ParcelHeader, read: StateReader) -> str:
    entry = read(dataset_key(header.dataset), DatasetEntry)
    return "" if entry is None else entry.schema


PARCEL = TransactionType(
    name="parcel",
    header=ParcelHeader,
    execute=_execute,
    check=lambda header: verify_sources(header.derived_from),
    index=_index,
    prepare=_prepare,
    checked_by=_checked_by,
    payload=Payload(
        decode=decode_content,
        encode=lambda content: encode_records(content.records, content.sealed_shares),
        verify=_verify_content,
        verify_envelope=_verify_envelope,
        leaves=parcel_leaves,
        verify_leaves=verify_leaves,
        verify_shares=_verify_shares,
        record_count=lambda header: header.record_count,
    ),
)
