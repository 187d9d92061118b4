"""What came of a record and its parcel up to a height: is it erased, was it corrected, which requests and read reports
name the parcel, what was made of it.

The state folds the ids of all such transactions into one hash each (``ReadHistory``), and ids are hashes of headers. So
a list of headers that leads to the state's hash is complete, in order, and exactly what was signed.
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from msgspec import Meta

from chain.blocks import BlockHeader
from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import Hash
from chain.record_keys import split_keys
from chain.state.entries import (
    EMPTY_HISTORY,
    DerivedParcels,
    OwnerAct,
    ParcelReads,
    PresentRecord,
    ReadHistory,
    correction_key,
    derived_key,
    erasure_key,
    parcel_reads_key,
    record_erasure_key,
    record_key_key,
)
from chain.storage.blocks import Location
from chain.transactions.base import Header, transaction_id
from chain.transactions.parcel import PARCEL, ParcelHeader, source_parcels
from chain.transactions.read_report import READ_REPORT
from chain.transactions.registry import decode_transaction_header, type_of
from evidence.making import PartMaker
from evidence.parcel import FinalParcel
from evidence.parts import LISTED_MAX, BlockPart, EntryPart, HeaderBytes, Part
from evidence.verification import Verifier, bad_evidence

Listed = Annotated[tuple[HeaderBytes, ...], Meta(max_length=LISTED_MAX)] | None
"""Headers of all transactions of a history, in chain order; None if there are too many to list."""


class SincePart(Part, frozen=True):
    """Whether a record still stands, after one block."""

    block: BlockPart
    """The block as of which all of this holds; not before the parcel's."""
    erasure: EntryPart
    """``erasure/ID``: no entry unless its whole parcel was erased."""
    record_erasure: EntryPart
    """``erasure/ID/INDEX``: no entry unless the record itself was erased."""
    correction: EntryPart
    """``correction/ID/INDEX``: no entry unless it was corrected."""
    present: EntryPart | None
    """``key/DATASET/KEY``: the newest record of its key; None where it has no key."""


class UsesPart(SincePart, frozen=True):
    """What came of a record and its parcel, after one block."""

    reads: EntryPart
    """``parcel-reads/DATASET/ID``."""
    read_transactions: Listed
    """Requests and read reports that name the parcel."""
    derived: EntryPart
    """``derived/ID``."""
    derived_transactions: Listed
    """Accepted parcels that name one of its records as a source."""


class ProvenSince(NamedTuple):
    """What a ``SincePart`` proves."""

    block: BlockHeader
    """As of this block."""
    erasure: OwnerAct | None
    """Of the record, or of its whole parcel."""
    correction: OwnerAct | None
    newer: tuple[Hash, int] | None
    """The present record of its key, if that is another one: (transaction id, index)."""
    is_present: bool
    """Whether it is the present record of its key itself."""

    def __str__(self) -> str:
        found = "not erased"
        if self.erasure is not None:
            found = f"erased at height {self.erasure.height} ({self.erasure.legal_basis})"
        if (correction := self.correction) is not None:
            found += f"; CORRECTED at height {correction.height} by {correction.transaction_id.hex()}/0"
            found += f" ({correction.legal_basis}: {correction.reason})"
        if self.is_present:
            found += "; the present record of its key"
        if self.newer is not None:
            found += f"; NOT the present record of its key, which is {self.newer[0].hex()}/{self.newer[1]}"
        return f"up to height {self.block.height}: {found}"


class ProvenUses(NamedTuple):
    """What a ``UsesPart`` proves."""

    since: ProvenSince
    reads: ParcelReads
    readers: tuple[str, ...] | None
    """Members with a read report that names the parcel, ascending; None if they are too many to list."""
    derived_parcels: int
    """Parcels made from this one."""
    record_parcels: int | None
    """Parcels made from the record itself; None if they are too many to list."""


def make_uses(maker: PartMaker, parcel_id: Hash, header: ParcelHeader, index: int) -> UsesPart:
    """The part for a parcel and its record ``index``, as of the maker's height."""
    height, blocks, keys = maker.height, maker.ledger.blocks, split_keys(header.record_keys)
    key_of_reads, key_of_derived = parcel_reads_key(header.dataset, parcel_id), derived_key(parcel_id)
    reads = maker.value(key_of_reads, height, ParcelReads) or ParcelReads()
    derived = maker.value(key_of_derived, height, DerivedParcels) or DerivedParcels()
    readers = blocks.parcel_reads(header.dataset, parcel_id, None, LISTED_MAX)
    made = blocks.derived(parcel_id, None, LISTED_MAX)
    return UsesPart(
        block=maker.block(height),
        erasure=maker.entry(erasure_key(parcel_id), height),
        record_erasure=maker.entry(record_erasure_key(parcel_id, index), height),
        correction=maker.entry(correction_key(parcel_id, index), height),
        present=maker.entry(record_key_key(header.dataset, keys[index]), height) if keys else None,
        reads=maker.entry(key_of_reads, height),
        read_transactions=_listed(maker, readers, reads.history),
        derived=maker.entry(key_of_derived, height),
        derived_transactions=_listed(maker, made, derived.history),
    )


def _listed(maker: PartMaker, locations: Sequence[Location], history: ReadHistory) -> Listed:
    """The headers of a history, whose transactions are the first of ``locations``: later ones came after the height."""
    if history.count > LISTED_MAX:
        return None
    return tuple(maker.header_bytes(location) for location in locations[: history.count])


def verify_uses(verifier: Verifier, part: UsesPart, parcel: FinalParcel, index: int) -> ProvenUses:
    """Check what a file says came of a parcel.

    Args:
        verifier: knows the chain.
        part: not believed.
        parcel: which parcel.
        index: of the record that is asked about.

    Raises:
        PoolError: codes ``bad_evidence``, ``bad_proof``, ``bad_certificate`` and those of decoding.
    """
    since = verify_since(verifier, part, parcel, index)
    root, dataset = since.block.state_root, parcel.header.dataset
    key_of_reads, key_of_derived = parcel_reads_key(dataset, parcel.id), derived_key(parcel.id)
    reads = verifier.entry(root, key_of_reads, part.reads, ParcelReads) or ParcelReads()
    derived = verifier.entry(root, key_of_derived, part.derived, DerivedParcels) or DerivedParcels()
    return ProvenUses(
        since=since,
        reads=reads,
        readers=_readers(_headers(verifier, part.read_transactions, reads.history), reads, parcel),
        derived_parcels=derived.history.count,
        record_parcels=_made_from(_headers(verifier, part.derived_transactions, derived.history), parcel.id, index),
    )


def verify_since(verifier: Verifier, part: SincePart, parcel: FinalParcel, index: int) -> ProvenSince:
    """Check what a file says of whether record ``index`` of a parcel still stands; raises as ``verify_uses``."""
    block = verifier.block(part.block)
    if block.height < parcel.block.height:
        raise bad_evidence(f"it says what came of the parcel up to height {block.height}, before it was there")
    root, dataset = block.state_root, parcel.header.dataset
    of_parcel = verifier.entry(root, erasure_key(parcel.id), part.erasure, OwnerAct)
    of_record = verifier.entry(root, record_erasure_key(parcel.id, index), part.record_erasure, OwnerAct)
    if any(found is not None and found.dataset != dataset for found in (of_parcel, of_record)):
        raise bad_evidence("the erasure is of a parcel of another dataset")
    erasure = of_record or of_parcel
    correction = verifier.entry(root, correction_key(parcel.id, index), part.correction, OwnerAct)
    if correction is not None and correction.dataset != dataset:
        raise bad_evidence("the correction is of a record of another dataset")
    keys = split_keys(parcel.header.record_keys)
    if (part.present is None) != (not keys):
        raise bad_evidence("the present record of its key is left out, or it has no key")
    if part.present is None:
        return ProvenSince(block, erasure, correction, None, is_present=False)
    present = verifier.present_entry(root, record_key_key(dataset, keys[index]), part.present, PresentRecord)
    found = present.transaction_id, present.index
    is_present = found == (parcel.id, index)
    return ProvenSince(block, erasure, correction, None if is_present else found, is_present=is_present)


def _headers(verifier: Verifier, listed: Listed, proven: ReadHistory) -> list[Header] | None:
    """The decoded headers of a list that is exactly the proven history; None if it is not listed."""
    if listed is None:
        if proven.count <= LISTED_MAX:
            raise bad_evidence(f"a list of {proven.count} transactions is left out, which is not too many")
        return None
    history = EMPTY_HISTORY
    for header in listed:
        history = history.extended(verifier.chain_id, transaction_id(verifier.chain_id, header))
    if history != proven:
        raise PoolError(
            ErrorCode.BAD_PROOF,
            f"{len(listed)} transactions are listed, which are not the {proven.count} of the state, or not in order",
        )
    return [decode_transaction_header(verifier.chain_id, header) for header in listed]


def _readers(headers: Sequence[Header] | None, reads: ParcelReads, parcel: FinalParcel) -> tuple[str, ...] | None:
    if headers is None:
        return None
    for header in headers:
        index = type_of(header).index(header)
        if index.reads_of != parcel.header.dataset or parcel.id not in index.read_parcels:
            raise bad_evidence(
                f"a listed transaction of {header.member} asks for no read of the parcel and reports none"
            )
    read_reports = [header for header in headers if READ_REPORT.of(header)]
    if (len(headers) - len(read_reports), len(read_reports)) != (reads.requests, reads.read_reports):
        raise bad_evidence("the listed requests and read reports are not as many as the state counts")
    return tuple(sorted({header.member for header in read_reports}))


def _made_from(headers: Sequence[Header] | None, parcel_id: Hash, index: int) -> int | None:
    if headers is None:
        return None
    count = 0
    for header in headers:
        made = PARCEL.of(header)
        if made is None or parcel_id not in source_parcels(made):
            raise bad_evidence(f"a listed transaction of {header.member} is not made from the parcel")
        count += (parcel_id, index) in made.derived_from
    return count
