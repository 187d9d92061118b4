"""Parcels and records that are verified before they are handed on."""

from __future__ import annotations

from dataclasses import dataclass

from blockpool.answers import ParcelSummary, Record, VerifiedReceipt
from blockpool.exchange import Operation, Reply, expect_ok, untrue_unless
from blockpool.operations.erasure import verify_refusal
from blockpool.operations.members import member_at
from blockpool.operations.session import Session, download_request
from blockpool.signing import RecordId
from chain.errors import ErrorCode, InvariantBroken, PoolError
from chain.state.entries import RecordPlaces
from chain.state.members import signing_key
from chain.transactions.base import CheckedTransaction, verify_payload, verify_signed_by
from chain.transactions.correction import CorrectionHeader
from chain.transactions.parcel import ParcelHeader
from chain.transactions.registry import decode_transaction


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel that was verified: signed by its member, its records under the signed root, accepted by a quorum."""

    id: bytes
    """Transaction id: 32 bytes."""
    header: ParcelHeader
    bodies: tuple[bytes, ...]
    """As they stand in the payload: sealed ones sealed."""
    height: int
    index: int
    """Place in its block."""

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
    """The accepted parcel that a receipt is about; of ``dataset``, or of any.

    Raises:
        PoolError: code ``parcel_erased``; that it was is proven, a node's word for it is not enough.
    """
    chain_id, id_ = session.trust.chain_id, receipt.transaction_id
    erased: list[PoolError] = []

    def read(reply: Reply) -> CheckedTransaction | None:
        if reply.status == ErrorCode.PARCEL_ERASED.info.http_status:
            return None
        body = expect_ok(reply)
        return untrue_unless(lambda: _read_parcel(chain_id, body, dataset, id_))

    def check(checked: CheckedTransaction | None) -> Operation[None]:
        if checked is None:
            erased[:] = [(yield from verify_refusal(session, id_))]
            return
        name, key_id = checked.header.member, checked.header.key_id
        member = yield from member_at(session, name, receipt.height)
        untrue_unless(lambda: verify_signed_by(checked, signing_key(member, name, key_id, receipt.height)))

    request = download_request(f"/v1/transactions/{id_.hex()}/raw")
    checked = yield from session.exchange(request, read, check)
    if checked is None:
        raise erased[0]
    header = checked.header
    if not isinstance(header, ParcelHeader):  # what ``read`` has made sure of
        raise InvariantBroken("a parcel that was read is none")
    return Parcel(checked.id, header, checked.records, receipt.height, receipt.receipt.index)


def _read_parcel(chain_id: bytes, content: bytes, dataset: str | None, id_: bytes) -> CheckedTransaction:
    """Check the bytes of the parcel with this id. Who signed it is not known yet.

    Raises:
        PoolError: codes ``bad_proof`` (another transaction), ``payload_mismatch`` and others.
    """
    checked = decode_transaction(chain_id, content)
    header = checked.header
    if not isinstance(header, ParcelHeader) or checked.id != id_ or dataset not in (None, header.dataset):
        raise PoolError(ErrorCode.BAD_PROOF, "the node gave another transaction than it was asked for")
    verify_payload(checked)
    return checked
