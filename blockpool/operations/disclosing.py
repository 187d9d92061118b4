"""Proving fields of one sealed record to somebody who may not read it."""

from collections.abc import Sequence

from blockpool.exchange import Operation
from blockpool.operations.evidence_files import record_evidence
from blockpool.operations.key_shares import ShareCollector
from blockpool.operations.parcels import parcel_of, part_granted
from blockpool.operations.proofs import newest_header, state_entry
from blockpool.operations.session import Session
from blockpool.signing import RecordId
from chain.errors import ErrorCode, PoolError
from chain.state.entries import RequestEntry, request_key
from evidence.disclosure import make_disclosure_evidence
from sealing import KemPrivateKey


def disclose(
    session: Session, record: RecordId, request_id: bytes, reader_key: KemPrivateKey, names: Sequence[str]
) -> Operation[bytes]:
    """An evidence file that shows fields of a sealed record, or all of it, and nothing else of its parcel.

    Raises:
        PoolError: codes ``not_found`` (no such record or field), ``bad_request`` (an open parcel, or fields named or
            not named against the parcel's kind of commitment), and as for reading.
    """
    receipt = yield from session.receipt(record.transaction_id)
    parcel = yield from parcel_of(session, None, receipt)
    if not parcel.is_sealed:
        raise PoolError(ErrorCode.BAD_REQUEST, "the record is open: its evidence proves it to anybody")
    if not 0 <= record.index < len(parcel.bodies):
        raise PoolError(ErrorCode.NOT_FOUND, f"the parcel has {len(parcel.bodies)} records, none is {record.index}")
    if parcel.bodies[record.index] is None:
        raise PoolError(ErrorCode.RECORD_ERASED, f"record {record} was erased: there is nothing to disclose")
    block = yield from newest_header(session)
    entry = yield from state_entry(session, request_key(request_id), RequestEntry, block)
    if entry is None:
        raise PoolError(ErrorCode.UNKNOWN_REQUEST, f"there is no request {request_id.hex()[:16]}")
    part = part_granted(entry, parcel)
    (cipher,) = yield from ShareCollector(session, request_id, reader_key).ciphers([(parcel, part)])
    content = yield from record_evidence(session, record)
    bodies = [body or b"" for body in parcel.bodies]
    return make_disclosure_evidence(session.trust, content, bodies, cipher, names, parcel.leaves)
