"""Payloads that are not there: what stays of an erased, a rejected or a dropped one, and the proof that one had to go.

An ``erase`` transaction of a dataset's owner has every node drop the payload of one parcel, or the bodies of some of
its records. The leaf hashes of all its records stay, so every proof about them still holds, and the payload's length,
which the state counts. A block with such a parcel can be executed again: what the payload would have to be read for is
taken from the block's own outcome.

Where records go, the payload is written anew with nothing in their places, and so the others stay readable. Of a sealed
parcel the sealed bodies go, each with its commitment; the key's shares stay, since the others are under the same key.
With the whole parcel they go too.

The payload of a parcel that was rejected goes in the batch that commits its block, on every node: it was never shared,
and nobody could erase it. The same stays of it but the length, which nothing counts. That needs no proof beyond the
outcome, which stands under the block's root.

A node whose policy has it drop a payload (``node.payloads``) keeps the same, and the sealed shares of its key. That
needs no proof: others have the payload, and whoever wants it asks them.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

from msgspec import Meta

from chain.blocks import Certificate, Outcome
from chain.errors import ErrorCode, PoolError, Refusal
from chain.limits import LIMITS
from chain.primitives.crypto import Hash
from chain.primitives.encoding import Wire, encode
from chain.primitives.places import all_places, count_of, has_place, is_canonical, joined, without
from chain.proofs.trust import TrustHistory
from chain.state.entries import OwnerAct, RecordPlaces, erased_records_key, erasure_key, record_erasure_key
from chain.state.tree import StateProof, verify_presence, verify_state_proof
from chain.state.working import StateReader
from chain.storage.blocks import BlockStore, Location
from chain.transactions.base import (
    AbsentPayload,
    CheckedTransaction,
    Content,
    DroppedPayload,
    ErasedPayload,
    Transaction,
)
from chain.transactions.registry import check_stored, decode_stored


class ErasureProof(Wire, frozen=True):
    """That a parcel, or some of its records, were erased."""

    places: Annotated[bytes, Meta(max_length=LIMITS.transaction_records // 8)]
    """The value of ``erased-records/ID``; empty for a whole parcel."""
    proof: StateProof
    """That ``erased-records/ID`` has this value; for a whole parcel that ``erasure/ID`` has some value."""


class ErasureProofs(Wire, frozen=True):
    """That parcels were erased: what is in the state after a block that a quorum has certified says so."""

    header: Annotated[bytes, Meta(max_length=1024)]
    """Bytes of that block's header."""
    certificate: Certificate
    proofs: Annotated[tuple[ErasureProof, ...], Meta(max_length=LIMITS.block_transactions)]
    """One for each parcel, in the order in which they are asked about."""


class ErasedParcelPart(NamedTuple):
    """What of a parcel is not there."""

    parcel: Hash
    places: bytes
    """Its records that are gone; empty if all are."""


class ErasedAt(NamedTuple):
    """A payload that a block has erased, and where its parcel stands."""

    location: Location
    payload: ErasedPayload | DroppedPayload
    """What stays of it. A dropped one stays as it is, but bytes of it may still be in the files."""
    dead: int = 0
    """How many versions of what is left (``BlockStore``) may be in the files and have to go."""


class LeftParcel(Wire, frozen=True):
    """A parcel of which some records were erased, for a reader of the others."""

    header: Annotated[bytes, Meta(max_length=LIMITS.header_size_bytes)]
    """As in ``Transaction``."""
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]
    """As in ``Transaction``."""
    payload: ErasedPayload


def payload_erased(checked: CheckedTransaction, *, is_rejected: bool = False) -> ErasedPayload:
    """What stays of a parcel's payload; of a rejected one without its length.

    Raises:
        PoolError: code ``payload_mismatch`` for what is no parcel, or one that was never seen whole.
    """
    if checked.absent is not None and checked.absent.kept is not None:
        return _erased(checked.absent.kept, is_rejected=is_rejected)
    if checked.type.payload is None or checked.absent is not None:
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, f"there is no payload of {checked.id.hex()} to erase")
    leaves = checked.type.payload.leaves(checked.header, checked.records)
    return ErasedPayload(0 if is_rejected else checked.payload_size_bytes, tuple(leaves))


def records_erased(checked: CheckedTransaction, places: bytes) -> ErasedPayload | DroppedPayload:
    """What stays of a parcel's payload without some records, and those that are gone already. Of one that is erased or
    dropped it is what there is.

    Raises:
        PoolError: code ``payload_mismatch`` for what is no parcel, or one that was never seen whole.
    """
    kept = None if checked.absent is None else checked.absent.kept
    if isinstance(kept, DroppedPayload) or (kept is not None and not kept.places):
        return kept
    payload, whole = checked.type.payload, kept or payload_erased(checked)
    if payload is None:
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, f"{checked.id.hex()} is no parcel")
    content = payload.decode(checked.header, whole.left or checked.transaction.payload)
    gone = joined(whole.places, places)
    bodies = tuple(b"" if has_place(gone, index) else body for index, body in enumerate(content.records))
    left = payload.encode(Content(content.sealed_shares, bodies))
    return ErasedPayload(whole.size_bytes, whole.leaves, gone, left)


def bodies_left(checked: CheckedTransaction) -> tuple[bytes | None, ...]:
    """The bodies of a parcel's records; None for each that is not there."""
    kept = None if checked.absent is None else checked.absent.kept
    if not isinstance(kept, ErasedPayload) or not kept.places or checked.type.payload is None:
        return checked.records or (None,) * checked.record_count
    records = checked.type.payload.decode(checked.header, kept.left).records
    return tuple(None if has_place(kept.places, index) else body for index, body in enumerate(records))


def places_gone(checked: CheckedTransaction) -> bytes:
    """The records of a parcel whose bodies are not there."""
    if checked.absent is None:
        return b""
    kept = checked.absent.kept
    if isinstance(kept, ErasedPayload) and kept.places:
        return kept.places
    return all_places(checked.record_count)


def payloads_rejected(
    height: int, transactions: Sequence[CheckedTransaction], outcomes: Sequence[Outcome]
) -> list[ErasedAt]:
    """What stays of the payloads of the parcels that the block at ``height`` rejects. One whose payload was never seen
    whole (by an auditor) has no place in the list.
    """
    return [
        ErasedAt(Location(height, index), payload_erased(checked, is_rejected=True))
        for index, (checked, outcome) in enumerate(zip(transactions, outcomes, strict=True))
        if not outcome.is_ok
        and checked.type.payload is not None
        and (checked.absent is None or checked.absent.kept is not None)
    ]


def payload_dropped(checked: CheckedTransaction) -> DroppedPayload:
    """What is kept of a parcel's payload that others keep. It must be there, or some of it, and verified.

    Raises:
        PoolError: code ``payload_mismatch`` for what is no parcel, or one whose payload is not there.
    """
    kept = None if checked.absent is None else checked.absent.kept
    if checked.absent is not None and not (isinstance(kept, ErasedPayload) and kept.places):
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, f"there is no payload of {checked.id.hex()} to drop")
    erased = payload_erased(checked)
    return DroppedPayload(erased.size_bytes, erased.leaves, checked.sealed_shares)


def _erased(kept: ErasedPayload | DroppedPayload, *, is_rejected: bool = False) -> ErasedPayload:
    """What stays once the payload is erased."""
    return ErasedPayload(0 if is_rejected else kept.size_bytes, kept.leaves)


class Erasing(NamedTuple):
    """What is erased of a parcel after a block that has erased some of it."""

    places: bytes
    """Its records that were erased one by one, in this block and before."""
    is_whole: bool
    """Whether the whole parcel is."""


def payloads_erased_by(
    chain_id: bytes,
    store: BlockStore,
    height: int,
    transactions: Sequence[CheckedTransaction],
    erasures: Mapping[Hash, Erasing],
) -> list[ErasedAt]:
    """What stays of the payloads that the block at ``height`` erases; parcels of the block itself may be among them.

    A payload that is not in the store has no place in the list: it came erased, or (an auditor's) the store keeps none.

    Raises:
        PoolError: codes of ``check_stored`` if a stored payload is not what its member signed.
    """
    in_block = {checked.id: index for index, checked in enumerate(transactions)} if erasures else {}
    found = []
    for parcel, erasing in erasures.items():
        index = in_block.get(parcel)
        location = Location(height, index) if index is not None else store.location(parcel)
        checked = transactions[index] if index is not None else location and checked_at(chain_id, store, location)
        if location is None or checked is None:
            continue
        if checked.absent is not None and (checked.absent.kept is None or _is_whole(checked.absent.kept)):
            continue
        stays = payload_erased(checked) if erasing.is_whole else records_erased(checked, erasing.places)
        dead = count_of(erasing.places)
        found.append(ErasedAt(location, stays, dead + 1 if erasing.is_whole and dead else dead))
    return found


def _is_whole(kept: ErasedPayload | DroppedPayload) -> bool:
    return isinstance(kept, ErasedPayload) and not kept.places


def checked_at(chain_id: bytes, store: BlockStore, location: Location) -> CheckedTransaction | None:
    """The stored transaction at a place, checked; with what stays of its payload, if that is not there. None for a
    store that keeps no transactions.

    Raises:
        PoolError: codes of ``check_stored`` and ``check_absent``.
    """
    head = store.transaction_head(location)
    if head is None:
        return None
    kept = store.dropped_payload(location) or store.erased_payload(location)
    if kept is not None:
        bare = Transaction(head.header, head.signature, b"")
        return check_stored_absent(chain_id, bare, kept, store.outcome(location))
    stored = store.transaction(location)
    return None if stored is None else check_stored(chain_id, stored)


def check_absent(
    checked: CheckedTransaction, kept: ErasedPayload | DroppedPayload, outcome: Outcome
) -> CheckedTransaction:
    """A parcel without its payload, to be executed in a block that a quorum has certified.

    Args:
        checked: the parcel as it was decoded, its payload empty.
        kept: what stays of the payload.
        outcome: the parcel's, as the block has it.

    Raises:
        PoolError: code ``payload_mismatch`` if it is no parcel, has a payload, its leaves or shares were not signed, or
            a rejected one has a length, for which nothing would vouch; codes of ``decode_envelope``.
    """
    payload = checked.type.payload
    if payload is None or checked.transaction.payload:
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, "what stays of a payload is given for what has not lost one")
    if outcome.is_ok == (kept.size_bytes == 0) or (isinstance(kept, DroppedPayload) and not outcome.is_ok):
        raise PoolError(
            ErrorCode.PAYLOAD_MISMATCH, "of an accepted parcel the length stays, of a rejected one it does not"
        )
    payload.verify_leaves(checked.header, kept.leaves)
    payload.verify_envelope(checked.header)
    if isinstance(kept, DroppedPayload):
        payload.verify_shares(checked.header, kept.sealed_shares)
    shares = kept.sealed_shares if isinstance(kept, DroppedPayload) else verify_left(checked, kept, outcome)
    absent = AbsentPayload(kept.size_bytes, _violation(outcome), kept)
    found = checked.without_payload(absent, checked.size_bytes + kept.size_bytes)
    found.keep_shares(shares)
    return found


def verify_left(checked: CheckedTransaction, kept: ErasedPayload, outcome: Outcome) -> tuple[bytes, ...]:
    """Check what is left of a payload without some records, whose leaves are verified; its sealed shares.

    Raises:
        PoolError: code ``payload_mismatch`` if there is something in the place of a record that is gone, or something
            else than was signed in that of another; codes of ``decode``.
    """
    payload, count = checked.type.payload, checked.record_count
    if payload is None or bool(kept.left) != bool(kept.places) or (kept.places and not outcome.is_ok):
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, "what is left goes with the places of what is not")
    if not kept.places:
        return ()
    if not is_canonical(kept.places) or without(kept.places, all_places(count)):
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, f"records are gone of which the parcel has only {count}")
    content = payload.decode(checked.header, kept.left)
    if len(content.records) != count:
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, f"{len(content.records)} records are left or empty of {count}")
    payload.verify_shares(checked.header, content.sealed_shares)
    there = [index for index in range(count) if not has_place(kept.places, index)]
    if any(body for index, body in enumerate(content.records) if has_place(kept.places, index)):
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, "there is a body in the place of a record that is gone")
    leaves = payload.leaves(checked.header, [content.records[index] for index in there])
    if leaves != [kept.leaves[index] for index in there]:
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, "a record that is left is not the one that was signed")
    return content.sealed_shares


def check_stored_absent(
    chain_id: bytes, transaction: Transaction, kept: ErasedPayload | DroppedPayload, outcome: Outcome
) -> CheckedTransaction:
    """The same for a transaction that was checked before it was stored.

    Raises:
        PoolError: codes as in ``check_absent``, and those of decoding.
    """
    return check_absent(decode_stored(chain_id, transaction), kept, outcome)


def without_payload(checked: CheckedTransaction, outcome: Outcome) -> CheckedTransaction:
    """A parcel whose payload is not the one that was signed, to be executed in a certified block all the same: for an
    auditor who notes that and goes on. It goes no further if the length differs too, since the state counts it.

    Raises:
        PoolError: codes of ``decode_envelope``.
    """
    if checked.type.payload is not None:
        checked.type.payload.verify_envelope(checked.header)
    absent = AbsentPayload(checked.payload_size_bytes, _violation(outcome), None)
    return checked.without_payload(absent, checked.size_bytes)


def verify_erasures(trust: TrustHistory, parts: Sequence[ErasedParcelPart], erasures: ErasureProofs | None) -> None:
    """Check that parcels, or records of them, were erased. The proof's block may be any: what is erased stays erased.

    Raises:
        PoolError: code ``payload_mismatch`` without a proof for each; ``bad_certificate``, ``bad_proof``, and those of
            decoding.
    """
    if not parts:
        return
    if erasures is None or len(erasures.proofs) != len(parts):
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, "parcels came without payload, and without proof of their erasure")
    root = trust.verify_header(erasures.header, erasures.certificate).state_root
    for part, erasure in zip(parts, erasures.proofs, strict=True):
        if not part.places:
            verify_presence(trust.chain_id, root, erasure_key(part.parcel), erasure.proof)
            continue
        if without(part.places, erasure.places):
            raise PoolError(ErrorCode.PAYLOAD_MISMATCH, "a record came without its body, which was not erased")
        value = encode(RecordPlaces(erasure.places))
        verify_state_proof(trust.chain_id, root, erased_records_key(part.parcel), value, erasure.proof)


def verify_not_erased(read: StateReader, parcel: Hash, index: int | None = None) -> None:
    """Check that a parcel, named by its id, has not been erased, nor the record of it that ``index`` names.

    Raises:
        PoolError: codes ``parcel_erased``, ``record_erased``, with the parcel, the height and the legal basis of the
            erasure.
    """
    erasure = read(erasure_key(parcel), OwnerAct)
    if erasure is not None:
        raise parcel_erased(parcel, erasure)
    erasure = None if index is None else read(record_erasure_key(parcel, index), OwnerAct)
    if index is not None and erasure is not None:
        raise record_erased(parcel, index, erasure)


def parcel_erased(parcel: Hash, erasure: OwnerAct) -> PoolError:
    """The refusal of a parcel that was erased, code ``parcel_erased``."""
    return PoolError(
        ErrorCode.PARCEL_ERASED,
        f"parcel {parcel.hex()} was erased at height {erasure.height}: {erasure.legal_basis}",
        parcel=parcel.hex(),
        height=erasure.height,
        legal_basis=erasure.legal_basis,
    )


def record_erased(parcel: Hash, index: int, erasure: OwnerAct) -> PoolError:
    """The refusal of a record that was erased, code ``record_erased``."""
    return PoolError(
        ErrorCode.RECORD_ERASED,
        f"record {parcel.hex()}/{index} was erased at height {erasure.height}: {erasure.legal_basis}",
        parcel=parcel.hex(),
        record_index=index,
        height=erasure.height,
        legal_basis=erasure.legal_basis,
    )


def _violation(outcome: Outcome) -> Refusal | None:
    """What schema and keys had against a parcel's records, going by its outcome: no other rule reads the payload."""
    codes = (ErrorCode.SCHEMA_VIOLATION, ErrorCode.KEY_MISMATCH)
    return next((Refusal.of(code, outcome.facts) for code in codes if outcome.code == code), None)
