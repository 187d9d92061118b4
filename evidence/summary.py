"""What a file proves, in one sentence for people. Believe it once the file is verified."""

from chain.blocks import BlockHeader, decode_header
from chain.primitives.encoding import decode
from chain.state.entries import OwnerAct, RequestEntry, RequestTotals
from chain.transactions.base import transaction_id
from chain.transactions.parcel import PARCEL, ParcelHeader
from chain.transactions.registry import decode_transaction_header
from evidence.disclosure import DisclosureEvidence
from evidence.kinds import AnyEvidence
from evidence.misbehaviour import MisbehaviourEvidence, proved_misbehaviour
from evidence.no_grant import NoGrantEvidence
from evidence.no_read import NoReadEvidence
from evidence.parcel import ParcelEvidence
from evidence.parts import HeaderBytes
from evidence.read import ReadEvidence
from evidence.record import RecordEvidence
from evidence.times import utc
from evidence.uses import SincePart
from evidence.verification import bad_evidence


def summary(file: AnyEvidence) -> str:
    """What a verified file proves, in one sentence.

    Raises:
        PoolError: for a file that would not be verified.
    """
    match file:
        case RecordEvidence():
            return _record(file)
        case DisclosureEvidence():
            place = file.disclosure.place
            said = f"What is shown stands in record {place.parcel_id.hex()}/{place.index}, {_origin(file)}."
            return said + _corrected(file.since)
        case ReadEvidence():
            return _read(file)
        case NoGrantEvidence():
            heights = f"from height {file.from_height} to {file.until_height}"
            return f"{file.reader} had no grant to read {file.dataset} {heights}."
        case NoReadEvidence():
            return _no_read(file)
        case MisbehaviourEvidence():
            return f"{proved_misbehaviour(file)}."


def _record(file: RecordEvidence) -> str:
    record, block = file.record, decode_header(file.uses.block.header)
    name = f"Record {record.transaction_id}/{record.index}"
    if record.body is None:
        return f"{name}, {_origin(file)}, is ERASED as of {_when(block)}: its place is proved, its content is gone."
    said = f"{name} says what is in the file, {_origin(file)}; what came of it is complete up to {_when(block)}."
    return said + _corrected(file.uses)


def _corrected(since: SincePart) -> str:
    if since.correction.value is None:
        return ""
    correction = decode(OwnerAct, since.correction.value)
    by = f"{correction.transaction_id.hex()}/0"
    return f" It was CORRECTED at height {correction.height}: {by} has taken its place ({correction.reason})."


def _read(file: ReadEvidence) -> str:
    if file.state.request.value is None:
        raise bad_evidence("the file is about no request")
    entry = decode(RequestEntry, file.state.request.value)
    totals = decode(RequestTotals, file.state.totals.value) if file.state.totals.value else RequestTotals()
    asked, as_of = (_when(decode_header(part.block.header)) for part in (file.request, file.state))
    return (
        f"{entry.terms.reader} asked to read {entry.terms.dataset} at {asked}; as of {as_of} the request is "
        f"{entry.decision.status}, with {len(entry.answers)} answers, and {totals.records_read} records were reported "
        f"as read."
    )


def _no_read(file: NoReadEvidence) -> str:
    chain_id = bytes.fromhex(file.chain_id)
    header = _parcel(chain_id, file.parcel)
    parcel_id = transaction_id(chain_id, file.parcel).hex()
    heights = f"from height {file.from_height} to {file.until_height}"
    return f"No read report for parcel {parcel_id} of {header.dataset} was committed {heights}."


def _origin(file: ParcelEvidence) -> str:
    header = _parcel(bytes.fromhex(file.chain_id), file.parcel.header)
    return f"shared by {header.member} in {header.dataset} at {_when(decode_header(file.block.header))}"


def _parcel(chain_id: bytes, data: HeaderBytes) -> ParcelHeader:
    header = PARCEL.of(decode_transaction_header(chain_id, data))
    if header is None:
        raise bad_evidence("the file is about no parcel")
    return header


def _when(block: BlockHeader) -> str:
    return f"height {block.height}, {utc(block.time_ms)}"
