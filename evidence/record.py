"""Evidence of a record: who shared it, in which parcel, when it was ordered and by which quorum, under which dataset,
schema and contract. And what came of it up to a height: is it erased, who read its parcel, what was made of it.

Of a sealed record the file holds the ciphertext: it proves who shared it, when and in which place, not what it says.
``evidence.disclosure`` proves that. Of an erased record it holds the leaf alone, and says so.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chain.limits import LIMITS
from evidence.parts import (
    LISTED_MAX,
    BlockPart,
    EntryPart,
    EvidenceFile,
    HeaderBytes,
    Hex32,
    Part,
    Proof,
    TransactionPart,
)

Listed = Annotated[tuple[HeaderBytes, ...], Meta(max_length=LISTED_MAX)] | None
"""Headers of all transactions of a history, in chain order; None if there are too many to list."""


class RecordPart(Part, frozen=True):
    """The record, and its place in its parcel."""

    transaction_id: Hex32
    index: Annotated[int, Meta(ge=0, lt=LIMITS.transaction_records)]
    body: Annotated[bytes, Meta(max_length=LIMITS.record_size_bytes)] | None
    """As it stands in the parcel: a sealed one sealed. None for an erased record."""
    leaf: Hex32 | None
    """The leaf hash of an erased record, which is all that is left of it; otherwise None, it follows from the body."""
    proof: Proof
    """From the leaf to the parcel's ``records_root``."""


class UsesPart(Part, frozen=True):
    """What came of a parcel, after one block."""

    block: BlockPart
    """The block as of which all of this holds; not before the parcel's."""
    erasure: EntryPart
    """``erasure/ID``: no entry unless it was erased."""
    reads: EntryPart
    """``parcel-reads/DATASET/ID``."""
    read_transactions: Listed
    """Requests and receipts that name the parcel."""
    derived: EntryPart
    """``derived/ID``."""
    derived_transactions: Listed
    """Accepted parcels that name one of its records as a source."""


class ParcelEvidence(EvidenceFile, frozen=True):
    """What files about a parcel prove: ordered, accepted, and signed by the dataset's owner."""

    block: BlockPart
    """The block that ordered the parcel. The entries below are those after it."""
    parcel: TransactionPart
    member: EntryPart
    """``member/NAME`` of the sharing member: which keys sign for it."""
    dataset: EntryPart
    """``dataset/DATASET``: owner, schema, sharing class, contract."""
    contract: EntryPart | None
    """``contract/CONTRACT`` of the dataset's access contract; None if the dataset names none."""


class RecordEvidence(ParcelEvidence, frozen=True, tag_field="kind", tag="record"):
    """A record's evidence."""

    record: RecordPart
    uses: UsesPart
