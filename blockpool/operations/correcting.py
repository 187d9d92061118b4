"""Correcting a record, and knowing which records were corrected."""

from blockpool.answers import VerifiedReceipt
from blockpool.exchange import Operation
from blockpool.operations.erasure import erasable_parcel, erased_records
from blockpool.operations.proofs import newest_header, state_entry
from blockpool.operations.session import Session
from blockpool.operations.submitting import known_dataset
from blockpool.record_keys import KeyMaker
from blockpool.sealing import SEALED_RECORD_SIZE_MAX_BYTES, sealed_content
from blockpool.signing import RecordBody, RecordId, encode_record, sign_correction
from chain.blocks import BlockHeader
from chain.errors import ErrorCode, PoolError, Refusal
from chain.limits import LIMITS
from chain.primitives.types import verify_owner
from chain.schema import record_rules
from chain.state.entries import (
    DatasetTotals,
    OwnerAct,
    RecordPlaces,
    corrected_records_key,
    correction_key,
    dataset_totals_key,
)
from chain.transactions.parcel import open_content
from chain.transactions.sealed import CommitmentKind, decode_envelope


def correct(
    session: Session,
    record: RecordId,
    body: RecordBody,
    legal_basis: str,
    reason: str,
    key_secret: bytes | None = None,
) -> Operation[VerifiedReceipt]:
    """Commit the record that takes the place of another. It is sealed as its dataset demands, committed to as the old
    one is.

    Raises:
        PoolError: codes ``unknown_parcel``, ``unknown_source``, ``not_owner``, ``parcel_erased``, ``record_erased``,
            ``record_corrected``, ``schema_violation``, ``key_secret_needed``: nothing was sent then.
    """
    header = yield from erasable_parcel(session, record.transaction_id)
    verify_owner(header.dataset, session.identity.member)
    if record.index >= header.record_count:
        raise Refusal(ErrorCode.UNKNOWN_SOURCE, parcel=record.transaction_id, record_index=record.index)
    if (yield from erased_records(session, record.transaction_id)).has(record.index):
        raise PoolError(ErrorCode.RECORD_ERASED, f"record {record} was erased")
    present = yield from correction_of(session, record)
    if present is not None:
        parcel, index = record.transaction_id, record.index
        raise Refusal(ErrorCode.RECORD_CORRECTED, parcel=parcel, record_index=index, by=present.transaction_id)
    _, entry, kem_keys = yield from known_dataset(session, header.dataset)
    size_max_bytes = LIMITS.record_size_bytes if kem_keys is None else SEALED_RECORD_SIZE_MAX_BYTES
    data = encode_record(body, size_max_bytes)
    violation = record_rules(entry.schema).check([data])
    if violation is not None:
        raise violation
    genesis, dataset = session.genesis, header.dataset
    if kem_keys is None:
        content = open_content(genesis.chain_id, [data])
    else:
        kind = decode_envelope(header.envelope).commitments if header.envelope else CommitmentKind.WHOLE
        content = sealed_content(genesis, dataset, [data], kem_keys, kind, entry.granularity)
    key = KeyMaker(genesis.chain_id, dataset, entry.schema, key_secret, kem_keys is not None).of([data])
    signed = sign_correction(genesis, session.identity, dataset, content, record, legal_basis, reason, key)
    return (yield from session.commit(signed))


def correction_of(session: Session, record: RecordId) -> Operation[OwnerAct | None]:
    """What a record was corrected by, as the state has it after the newest block; None if it was not."""
    header = yield from newest_header(session)
    return (yield from state_entry(session, correction_key(record.transaction_id, record.index), OwnerAct, header))


class CorrectionLookup:
    """Which records of a dataset's parcels were corrected, proven as of one block. Where none was, that is one proof
    for all parcels.

    Args:
        session: whom to ask.
        dataset: which dataset.
        header: of the block, verified.
    """

    def __init__(self, session: Session, dataset: str, header: BlockHeader) -> None:
        self._session = session
        self._dataset = dataset
        self._header = header
        self._has_any: bool | None = None

    def of(self, parcel: bytes) -> Operation[RecordPlaces]:
        """Those of one parcel, by its id."""
        session, header = self._session, self._header
        if self._has_any is None:
            totals = yield from state_entry(session, dataset_totals_key(self._dataset), DatasetTotals, header)
            self._has_any = totals is not None and totals.corrected > 0
        found = None
        if self._has_any:
            found = yield from state_entry(session, corrected_records_key(parcel), RecordPlaces, header)
        return found or RecordPlaces()
