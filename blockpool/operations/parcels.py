"""Parcels and records that are verified before they are handed on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from blockpool.answers import ParcelSummary, Record, VerifiedReceipt
from blockpool.exchange import Operation, Reply, expect_ok, untrue_unless
from blockpool.operations.erasure import verify_records_erased, verify_refusal
from blockpool.operations.members import member_at
from blockpool.operations.session import Session, download_request
from blockpool.signing import RecordId
from chain.access.policy import granted_part
from chain.erasure import LeftParcel, bodies_left, check_absent, places_gone
from chain.errors import ErrorCode, InvariantBroken, PoolError
from chain.granularity import Part
from chain.primitives.encoding import decode
from chain.record_keys import split_keys
from chain.state.entries import RecordPlaces, RequestEntry
from chain.state.members import signing_key
from chain.transactions.base import CheckedTransaction, Transaction, verify_payload, verify_signed_by
from chain.transactions.correction import CorrectionHeader
from chain.transactions.parcel import ParcelHeader
from chain.transactions.registry import decode_stored, decode_transaction
from chain.transactions.sealed import decode_envelope


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel that was verified: signed by its member, its records under the signed root, accepted by a quorum."""

    id: bytes
    """Transaction id: 32 bytes."""
    header: ParcelHeader
    bodies: tuple[bytes | None, ...]
    """As they stand in the payload: sealed ones sealed. None for a record that was erased."""
    height: int
    index: int
    """Place in its block."""
    leaves: tuple[bytes, ...] | None = None
    """RFC 6962 leaf hashes of all records, where some bodies are not there."""

    @property
    def is_sealed(self) -> bool:
        """Whether its records have to be opened first."""
        return bool(self.header.envelope)

    def record(self, index: int, body: bytes, corrected: RecordPlaces) -> Record:
        """Record ``index`` with the body that it shall have; ``corrected`` says which of the parcel's were."""
        header = self.header
        corrects = RecordId(*header.corrected) if isinstance(header, CorrectionHeader) else None
        return Record(
            RecordId(self.id, index), header.dataset, header.member, self.height, body, corrected.has(index), corrects
        )


def part_granted(entry: RequestEntry, parcel: Parcel) -> Part:
    """What a request opens of a sealed parcel that it covers; raises ``not_covered`` if that is nothing."""
    header = parcel.header
    keys, granularity = split_keys(header.record_keys), decode_envelope(header.envelope).granularity
    return granted_part(entry, parcel.id, keys, header.record_count, granularity)


def listed_parcel(session: Session, dataset: str | None, summary: ParcelSummary) -> Operation[Parcel]:
    """A parcel from a list of accepted ones.

    Raises:
        PoolError: code ``bad_proof`` if it does not stand where the list has it.
    """
    receipt = yield from session.receipt(bytes.fromhex(summary.transaction_id))
    if not receipt.outcome.is_ok or (receipt.height, receipt.receipt.index) != (summary.height, summary.index):
        raise PoolError(
            ErrorCode.BAD_PROOF, f"parcel {summary.transaction_id[:16]} was listed as what its receipt says it is not"
        )
    return (yield from parcel_of(session, dataset, receipt))


def parcel_of(session: Session, dataset: str | None, receipt: VerifiedReceipt) -> Operation[Parcel]:
    """The accepted parcel that a receipt is about; of ``dataset``, or of any. Records of it that were erased are left
    out, which is proven.

    Raises:
        PoolError: code ``parcel_erased``; that it was is proven, a node's word for it is not enough.
    """
    found = yield from _take(session, receipt, "raw", dataset)
    if found is _Absence.OF_RECORDS:
        found = yield from _take(session, receipt, "left", dataset)
    if not isinstance(found, CheckedTransaction):
        raise (yield from verify_refusal(session, receipt.transaction_id))
    header = found.header
    if not isinstance(header, ParcelHeader):  # what ``_take`` has made sure of
        raise InvariantBroken("a parcel that was read is none")
    kept = None if found.absent is None else found.absent.kept
    leaves = None if kept is None else kept.leaves
    return Parcel(found.id, header, bodies_left(found), receipt.height, receipt.receipt.index, leaves)


class _Absence(Enum):
    """What a node says that it has not."""

    OF_ALL = auto()
    OF_RECORDS = auto()


def _take(
    session: Session, receipt: VerifiedReceipt, form: Literal["raw", "left"], dataset: str | None
) -> Operation[CheckedTransaction | _Absence]:
    """A parcel, or what is left of it, verified; or what a node says of its absence."""
    chain_id, id_ = session.trust.chain_id, receipt.transaction_id

    def read(reply: Reply) -> CheckedTransaction | _Absence:
        if reply.status == ErrorCode.PARCEL_ERASED.info.http_status:
            return _Absence.OF_RECORDS if form == "raw" and _is_of_records(reply) else _Absence.OF_ALL
        body = expect_ok(reply)
        parse = _read_parcel if form == "raw" else _read_left
        return untrue_unless(lambda: parse(chain_id, body, dataset, receipt))

    def check(found: CheckedTransaction | _Absence) -> Operation[None]:
        if found is _Absence.OF_ALL:
            yield from verify_refusal(session, id_)
        if not isinstance(found, CheckedTransaction):
            return
        name, key_id = found.header.member, found.header.key_id
        member = yield from member_at(session, name, receipt.height)
        untrue_unless(lambda: verify_signed_by(found, signing_key(member, name, key_id, receipt.height)))
        if found.absent is not None:
            yield from verify_records_erased(session, id_, places_gone(found))

    request = download_request(f"/v1/transactions/{id_.hex()}/{form}")
    return (yield from session.exchange(request, read, check))


def _is_of_records(reply: Reply) -> bool:
    try:
        expect_ok(reply)
    except PoolError as error:
        return error.code is ErrorCode.RECORD_ERASED
    return False


def _read_parcel(chain_id: bytes, content: bytes, dataset: str | None, receipt: VerifiedReceipt) -> CheckedTransaction:
    """Check the bytes of the parcel that a receipt is about. Who signed it is not known yet.

    Raises:
        PoolError: codes ``bad_proof`` (another transaction), ``payload_mismatch`` and others.
    """
    checked = decode_transaction(chain_id, content)
    _verify_meant(checked, dataset, receipt)
    verify_payload(checked)
    return checked


def _read_left(chain_id: bytes, content: bytes, dataset: str | None, receipt: VerifiedReceipt) -> CheckedTransaction:
    """The same for what is left of one. That the records that are missing were erased is not known yet."""
    left = decode(LeftParcel, content)
    checked = decode_stored(chain_id, Transaction(left.header, left.signature, b""))
    _verify_meant(checked, dataset, receipt)
    return check_absent(checked, left.payload, receipt.outcome)


def _verify_meant(checked: CheckedTransaction, dataset: str | None, receipt: VerifiedReceipt) -> None:
    header = checked.header
    is_meant = isinstance(header, ParcelHeader) and dataset in (None, header.dataset)
    if not is_meant or checked.id != receipt.transaction_id:
        raise PoolError(ErrorCode.BAD_PROOF, "the node gave another transaction than it was asked for")
