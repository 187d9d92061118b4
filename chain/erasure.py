"""Payloads that are not there: what stays of an erased, a rejected or a dropped one, and the proof that one had to go.

An ``erase`` transaction of a dataset's owner has every node drop the payload of one parcel. The leaf hashes of its
records stay, so every proof about them still holds, and the payload's length, which the state counts. A block with such
a parcel can be executed again: what the payload would have to be read for is taken from the block's own outcome.

The payload of a parcel that was rejected goes in the batch that commits its block, on every node: it was never shared,
and nobody could erase it. The same stays of it but the length, which nothing counts. That needs no proof beyond the
outcome, which stands under the block's root.

A node whose policy has it drop a payload (``node.payloads``) keeps the same, and the sealed shares of its key. That
needs no proof: others have the payload, and whoever wants it asks them.
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from msgspec import Meta

from chain.blocks import Certificate, Outcome
from chain.errors import ErrorCode, PoolError, Refusal
from chain.limits import LIMITS
from chain.primitives.crypto import Hash
from chain.primitives.encoding import Wire
from chain.proofs.trust import TrustHistory
from chain.state.entries import Erasure, erasure_key
from chain.state.tree import StateProof, verify_presence
from chain.state.working import StateReader
from chain.storage.blocks import BlockStore, Location
from chain.transactions.base import (
    AbsentPayload,
    CheckedTransaction,
    DroppedPayload,
    ErasedPayload,
    Transaction,
)
from chain.transactions.erase import EraseHeader
from chain.transactions.registry import check_stored, decode_stored


class ErasureProofs(Wire, frozen=True):
    """That parcels were erased: ``erasure/ID`` is in the state after a block that a quorum has certified."""

    header: Annotated[bytes, Meta(max_length=1024)]
    """Bytes of that block's header."""
    certificate: Certificate
    proofs: Annotated[tuple[StateProof, ...], Meta(max_length=LIMITS.block_transactions)]
    """One for each parcel, in the order in which they are asked about."""


class ErasedAt(NamedTuple):
    """A payload that a block has erased, and where its parcel stands."""

    location: Location
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
    """What is kept of a parcel's payload that others keep. It must be there, and verified.

    Raises:
        PoolError: code ``payload_mismatch`` for what is no parcel, or one whose payload is not there.
    """
    erased = payload_erased(checked)
    if checked.absent is not None:
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, f"there is no payload of {checked.id.hex()} to drop")
    return DroppedPayload(erased.size_bytes, erased.leaves, checked.sealed_shares)


def _erased(kept: ErasedPayload | DroppedPayload, *, is_rejected: bool = False) -> ErasedPayload:
    """What stays once the payload is erased."""
    return ErasedPayload(0 if is_rejected else kept.size_bytes, kept.leaves)


def payloads_erased_by(
    store: BlockStore, height: int, transactions: Sequence[CheckedTransaction], erasures: Sequence[EraseHeader]
) -> list[ErasedAt]:
    """What stays of the payloads that the block at ``height`` erases; parcels of the block itself may be among them.

    A payload that is not in the store has no place in the list: it came erased, or (an auditor's) the store keeps none.

    Raises:
        PoolError: codes of ``check_stored`` if a stored payload is not what its member signed.
    """
    if not erasures:
        return []
    in_block = {checked.id: index for index, checked in enumerate(transactions)}
    found = []
    for erasure in erasures:
        if (index := in_block.get(erasure.parcel)) is not None:
            found.append(ErasedAt(Location(height, index), payload_erased(transactions[index])))
            continue
        location = store.location(erasure.parcel)
        if location is None:
            continue
        if (dropped := store.dropped_payload(location)) is not None:
            found.append(ErasedAt(location, _erased(dropped)))
        elif (stored := store.transaction(location)) is not None and stored.payload:
            found.append(ErasedAt(location, payload_erased(check_stored(erasure.chain_id, stored))))
    return found


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
    absent = AbsentPayload(kept.size_bytes, _violation(outcome), kept)
    found = checked.without_payload(absent, checked.size_bytes + kept.size_bytes)
    found.sealed_shares = kept.sealed_shares if isinstance(kept, DroppedPayload) else ()
    return found


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


def verify_erasures(trust: TrustHistory, parcels: Sequence[Hash], erasures: ErasureProofs | None) -> None:
    """Check that parcels, named by their ids, were erased. The proof's block may be any: what is erased stays erased.

    Raises:
        PoolError: code ``payload_mismatch`` without a proof for each; ``bad_certificate``, ``bad_proof``, and those of
            decoding.
    """
    if not parcels:
        return
    if erasures is None or len(erasures.proofs) != len(parcels):
        raise PoolError(ErrorCode.PAYLOAD_MISMATCH, "parcels came without payload, and without proof of their erasure")
    header = trust.verify_header(erasures.header, erasures.certificate)
    for parcel, proof in zip(parcels, erasures.proofs, strict=True):
        verify_presence(trust.chain_id, header.state_root, erasure_key(parcel), proof)


def verify_not_erased(read: StateReader, parcel: Hash) -> None:
    """Check that a parcel, named by its id, has not been erased.

    Raises:
        PoolError: code ``parcel_erased``, with the parcel, the height and the legal basis of its erasure.
    """
    erasure = read(erasure_key(parcel), Erasure)
    if erasure is not None:
        raise parcel_erased(parcel, erasure)


def parcel_erased(parcel: Hash, erasure: Erasure) -> PoolError:
    """The refusal of a parcel that was erased, code ``parcel_erased``."""
    return PoolError(
        ErrorCode.PARCEL_ERASED,
        f"parcel {parcel.hex()} was erased at height {erasure.height}: {erasure.legal_basis}",
        parcel=parcel.hex(),
        height=erasure.height,
        legal_basis=erasure.legal_basis,
    )


def _violation(outcome: Outcome) -> Refusal | None:
    """What schema and keys had against a parcel's records, going by its outcome: no other rule reads the payload."""
    codes = (ErrorCode.SCHEMA_VIOLATION, ErrorCode.KEY_MISMATCH)
    return next((Refusal.of(code, outcome.facts) for code in codes if outcome.code == code), None)
