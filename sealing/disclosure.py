"""Proving single fields of one sealed record, or a record as a whole, to somebody who may not read the rest.

Whoever holds the seed (the owner, a granted reader) makes a disclosure; whoever has the parcel's committed header
checks it, offline and without asking anybody. What is not disclosed stays hidden behind salts of 128 bits.
"""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from chain.primitives.crypto import HASH_SIZE, Hash, hash_tagged
from chain.primitives.encoding import Wire, decode
from chain.primitives.json_reader import BadJson, read_json
from chain.primitives.types import Hash32
from chain.proofs.merkle import MerkleTree, root_from_inclusion_proof
from chain.transactions.sealed import CommitmentKind, Salt, sealed_leaf, sealed_record_leaves
from sealing.cell_cipher import columns_commitment
from sealing.commitments import Field, field_leaf, fields_commitment, split_fields, whole_commitment
from sealing.context import ParcelContext
from sealing.parcels import ParcelCipher
from sealing.records import RecordCipher, verify_bodies

Proof = Annotated[tuple[Hash32, ...], Meta(max_length=LIMITS.transaction_records.bit_length())]
Index = Annotated[int, Meta(ge=0, le=LIMITS.transaction_records - 1)]


class RecordPlace(Wire, frozen=True):
    """Where the record stands, and the proof that its leaf is under the parcel's records root."""

    parcel_id: Hash32
    """Transaction id of the parcel: which header to check against."""
    index: Index
    body_hash: Hash32
    """Tagged hash of the ciphertext, which itself is not needed."""
    proof: Proof
    columns: Annotated[tuple[Hash32, ...], Meta(max_length=LIMITS.columns)]
    """Commitments of the record's columns, of which what is disclosed is one; empty where there is one column."""


class DisclosedField(Wire, frozen=True):
    """One field with what opens it."""

    position: Annotated[int, Meta(ge=0, le=LIMITS.record_fields - 1)]
    name: Annotated[str, Meta(max_length=LIMITS.record_size_bytes)]
    value: Annotated[str, Meta(max_length=LIMITS.record_size_bytes)]
    """JSON text, exactly as it stands in the record."""
    salt: Salt
    proof: Proof


class FieldDisclosure(Wire, frozen=True, tag=1):
    """Some fields of a record whose fields are committed to."""

    place: RecordPlace
    field_count: Annotated[int, Meta(ge=1, le=LIMITS.record_fields)]
    """Fields that the record has: the reader of a disclosure sees how many are withheld."""
    fields: Annotated[tuple[DisclosedField, ...], Meta(min_length=1, max_length=LIMITS.record_fields)]
    """In strictly ascending order of position."""


class RecordDisclosure(Wire, frozen=True, tag=2):
    """A whole record that is committed to as a whole."""

    place: RecordPlace
    record: Annotated[bytes, Meta(max_length=LIMITS.record_size_bytes)]
    salt: Salt


Disclosure = FieldDisclosure | RecordDisclosure


def disclose(
    bodies: Sequence[bytes],
    key: bytes | ParcelCipher,
    context: ParcelContext,
    commitments: CommitmentKind,
    parcel_id: Hash,
    index: int,
    names: Sequence[str] = (),
    leaves: Sequence[Hash] | None = None,
) -> Disclosure:
    """Make a disclosure of record ``index`` of a parcel.

    Args:
        bodies: sealed bodies of the parcel; empty ones for records that were erased.
        key: the parcel's seed, if it is opened whole; else what opens it, or the part that was granted.
        context: of the parcel.
        commitments: as in the parcel's envelope.
        parcel_id: the parcel's transaction id.
        index: which record.
        names: fields to show, of one column; none if the record is committed to as a whole.
        leaves: of all records, where some bodies are not there; by default they follow from the bodies.

    Raises:
        PoolError: codes ``payload_mismatch``, ``bad_sealing``, ``not_found`` (no such record or field),
        ``bad_request`` (fields named or not named against the kind of commitment).
    """
    if leaves is None:
        verify_bodies(bodies, context)
        leaves = sealed_record_leaves(context.chain_id, bodies)
    if not 0 <= index < len(bodies):
        raise PoolError(ErrorCode.NOT_FOUND, f"the parcel has {len(bodies)} records, none is {index}")
    if (commitments is CommitmentKind.FIELDS) != bool(names):
        raise PoolError(ErrorCode.BAD_REQUEST, "name fields exactly if the parcel commits to its records by fields")
    cipher, body, columns = _column(key, context, commitments, index, bodies[index], names)
    record = cipher.open(index, body)
    body_hash = hash_tagged("sealed-record", context.chain_id, bodies[index][HASH_SIZE:])
    proof = MerkleTree(list(leaves)).inclusion_proof(index)
    leaf = sealed_leaf(body_hash, bodies[index][:HASH_SIZE])
    if root_from_inclusion_proof(leaf, index, len(bodies), proof) != context.records_root:
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, "the sealed record is not the one whose root was signed")
    place = RecordPlace(parcel_id, index, body_hash, tuple(proof), columns)
    if commitments is CommitmentKind.WHOLE:
        return RecordDisclosure(place, record, cipher.salts(index, 1)[0])
    return _disclose_fields(context, cipher, place, split_fields(record), names)


def _column(
    key: bytes | ParcelCipher,
    context: ParcelContext,
    commitments: CommitmentKind,
    index: int,
    body: bytes,
    names: Sequence[str],
) -> tuple[RecordCipher, bytes, tuple[Hash, ...]]:
    """What opens the column that is disclosed, its sealed body, and all columns' commitments if there are some."""
    if isinstance(key, bytes):
        return RecordCipher(context, key, commitments), body, ()
    if isinstance(key, RecordCipher):
        return key, body, ()
    return key.column_with(index, body, names)


def _disclose_fields(
    context: ParcelContext, cipher: RecordCipher, place: RecordPlace, fields: Sequence[Field], names: Sequence[str]
) -> FieldDisclosure:
    missing = set(names) - {field.name for field in fields}
    if missing:
        raise PoolError(ErrorCode.NOT_FOUND, f"record {place.index} has no field {min(missing)!r}")
    salts = cipher.salts(place.index, len(fields))
    leaves = [field_leaf(context.chain_id, salt, field) for salt, field in zip(salts, fields, strict=True)]
    tree = MerkleTree(leaves)
    shown = tuple(
        DisclosedField(
            position, field.name, field.value.decode(), salts[position], tuple(tree.inclusion_proof(position))
        )
        for position, field in enumerate(fields)
        if field.name in names
    )
    return FieldDisclosure(place, len(fields), shown)


def verify_disclosure(
    disclosure: Disclosure, context: ParcelContext, parcel_id: Hash, record_count: int
) -> list[Field] | bytes:
    """Check a disclosure against a parcel's committed header.

    Args:
        disclosure: as it came.
        context: chain, dataset and records root of the header.
        parcel_id: the header's transaction id.
        record_count: the header's.

    Returns:
        The disclosed fields, or the whole record.

    Raises:
        PoolError: code ``bad_disclosure``.
    """
    place = disclosure.place
    if place.parcel_id != parcel_id:
        raise _bad("it is about another parcel")
    if isinstance(disclosure, RecordDisclosure):
        commitment = whole_commitment(context.chain_id, disclosure.salt, disclosure.record)
    else:
        commitment = _verify_fields(context.chain_id, disclosure)
    if place.columns:
        if commitment not in place.columns:
            raise _bad("it is of none of the record's columns")
        commitment = columns_commitment(context, place.columns)
    leaf = sealed_leaf(place.body_hash, commitment)
    if _implied_root(leaf, place.index, record_count, place.proof) != context.records_root:
        raise _bad(f"it does not lead to the records of parcel {parcel_id.hex()[:16]}")
    if isinstance(disclosure, RecordDisclosure):
        return disclosure.record
    return [Field(shown.name, shown.value.encode()) for shown in disclosure.fields]


def _verify_fields(chain_id: bytes, disclosure: FieldDisclosure) -> Hash:
    """The record's commitment, if all disclosed fields lead to the same one."""
    positions = [shown.position for shown in disclosure.fields]
    if positions != sorted(set(positions)):
        raise _bad("its fields are not in strictly ascending order")
    roots = set()
    for shown in disclosure.fields:
        try:
            read_json(shown.value.encode())
        except BadJson:
            raise _bad(f"the value of {shown.name!r} is not JSON") from None
        leaf = field_leaf(chain_id, shown.salt, Field(shown.name, shown.value.encode()))
        roots.add(_implied_root(leaf, shown.position, disclosure.field_count, shown.proof))
    if len(roots) != 1:
        raise _bad("its fields are not of one record")
    return fields_commitment(chain_id, disclosure.field_count, roots.pop())


def _implied_root(leaf: Hash, index: int, size: int, proof: Sequence[Hash]) -> Hash:
    try:
        return root_from_inclusion_proof(leaf, index, size, proof)
    except PoolError as error:
        raise _bad(error.detail) from None


def decode_disclosure(data: bytes) -> Disclosure:
    """Decode a disclosure's MessagePack form.

    Raises:
        PoolError: codes ``malformed``, ``not_canonical``.
    """
    disclosure: Disclosure = decode(Disclosure, data)  # type: ignore[arg-type]
    return disclosure


def _bad(detail: str) -> PoolError:
    return PoolError(ErrorCode.BAD_DISCLOSURE, f"disclosure: {detail}")
