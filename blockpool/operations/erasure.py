"""Erasing a parcel or records of it, and being sure that they were erased."""

from collections.abc import Sequence

from blockpool.answers import VerifiedReceipt
from blockpool.exchange import Operation, UntrueAnswer
from blockpool.operations.headers import committed_header
from blockpool.operations.proofs import newest_header, state_entry
from blockpool.operations.session import Session
from blockpool.signing import sign_erasure
from chain.erasure import parcel_erased
from chain.errors import ErrorCode, PoolError, Refusal
from chain.primitives.places import without
from chain.primitives.types import verify_owner
from chain.state.entries import OwnerAct, RecordPlaces, erased_records_key, erasure_key
from chain.transactions.parcel import ParcelHeader


def erase(
    session: Session, parcel: bytes, legal_basis: str, reason: str, records: Sequence[int] = ()
) -> Operation[VerifiedReceipt]:
    """Have every node drop the payload of a parcel for good, or the bodies of some of its records.

    Raises:
        PoolError: codes ``unknown_parcel``, ``unknown_source``, ``not_owner``, ``parcel_erased``, ``record_erased`` (it
            was before): nothing was signed then.
    """
    header = yield from erasable_parcel(session, parcel)
    verify_owner(header.dataset, session.identity.member)
    erased = (yield from erased_records(session, parcel)) if records else RecordPlaces()
    for index in records:
        if not 0 <= index < header.record_count:
            raise Refusal(ErrorCode.UNKNOWN_SOURCE, parcel=parcel, record_index=index)
        if erased.has(index):
            raise PoolError(ErrorCode.RECORD_ERASED, f"record {parcel.hex()}/{index} was erased before")
    genesis, dataset = session.genesis, header.dataset
    signed = sign_erasure(genesis, session.identity, dataset, parcel, legal_basis, reason, records)
    return (yield from session.commit(signed))


def erasable_parcel(session: Session, parcel: bytes) -> Operation[ParcelHeader]:
    """The header of an accepted parcel that has not been erased; verified.

    Raises:
        PoolError: codes ``unknown_parcel``, ``parcel_erased``.
    """
    try:
        receipt, header = yield from committed_header(session, parcel)
    except PoolError as error:
        if error.code is not ErrorCode.NOT_FOUND:
            raise
        raise PoolError(ErrorCode.UNKNOWN_PARCEL, f"there is no transaction {parcel.hex()}") from None
    if not isinstance(header, ParcelHeader) or not receipt.outcome.is_ok:
        raise PoolError(ErrorCode.UNKNOWN_PARCEL, f"{parcel.hex()} is no parcel that was accepted")
    erasure = yield from erasure_of(session, parcel)
    if erasure is not None:
        raise parcel_erased(parcel, erasure)
    return header


def erasure_of(session: Session, parcel: bytes) -> Operation[OwnerAct | None]:
    """Why a parcel's payload is gone, as the state has it after the newest block; None if it was not erased."""
    header = yield from newest_header(session)
    return (yield from state_entry(session, erasure_key(parcel), OwnerAct, header))


def erased_records(session: Session, parcel: bytes) -> Operation[RecordPlaces]:
    """Which records of a parcel were erased one by one, as the state has it after the newest block."""
    header = yield from newest_header(session)
    found = yield from state_entry(session, erased_records_key(parcel), RecordPlaces, header)
    return found or RecordPlaces()


def verify_records_erased(session: Session, parcel: bytes, places: bytes) -> Operation[None]:
    """A node has left out records of a parcel: check that they were erased.

    Raises:
        UntrueAnswer: one was not.
    """
    erased = yield from erased_records(session, parcel)
    if without(places, erased.places):
        detail = f"it leaves out records of parcel {parcel.hex()[:16]} that were not erased"
        raise UntrueAnswer(ErrorCode.BAD_PROOF, detail)


def verify_refusal(session: Session, parcel: bytes) -> Operation[PoolError]:
    """A node says that a parcel was erased: the error to be raised for it, proven.

    Raises:
        UntrueAnswer: it was not.
    """
    erasure = yield from erasure_of(session, parcel)
    if erasure is None:
        raise UntrueAnswer(ErrorCode.BAD_PROOF, f"it says that parcel {parcel.hex()[:16]} was erased, but it was not")
    return parcel_erased(parcel, erasure)
