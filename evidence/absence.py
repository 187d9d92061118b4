"""Evidence of an absence: that a member had no grant on a dataset, or that nobody reported a read of a parcel, from one
height to another.

Both rest on counters in the state that never fall: equal before and after, nothing was counted between.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chain.limits import LIMITS
from chain.types import DatasetId, Name
from evidence.parts import BlockPart, EntryPart, EvidenceFile, HeaderBytes, Hex32, Part

Height = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class ReaderBefore(Part, frozen=True):
    """What a member had asked of a dataset before the range of heights."""

    block: BlockPart
    """The range's first block: its time is when the range begins."""
    parent: Annotated[bytes, Meta(max_length=1024)]
    """Header of the block before; the first block names its hash. The entries are those after it."""
    reader: EntryPart
    """``reader/DATASET/MEMBER``."""
    requests: Annotated[dict[Hex32, EntryPart], Meta(max_length=LIMITS.contract_grants)]
    """``request/ID`` of every request that the reader's entry names as granted."""


class ReaderAfter(Part, frozen=True):
    """What the member had asked of the dataset after the range's last block."""

    block: BlockPart
    reader: EntryPart
    """``reader/DATASET/MEMBER``."""


class NoGrantEvidence(EvidenceFile, frozen=True, tag_field="kind", tag="no-grant"):
    """That a member had no grant on a dataset at any height of a range."""

    dataset: DatasetId
    reader: Name
    from_height: Height
    until_height: Height
    before: ReaderBefore | None
    """None: it never had one up to ``until_height``."""
    after: ReaderAfter


class ReadsBefore(Part, frozen=True):
    """A parcel's read counters before the range of heights."""

    block: BlockPart
    """At ``from_height - 1``."""
    reads: EntryPart
    """``parcel-reads/DATASET/ID``."""


class ReadsAfter(Part, frozen=True):
    """The same after the range's last block."""

    block: BlockPart
    reads: EntryPart
    dataset_reads: EntryPart
    """``reads/DATASET``: whether anybody had a grant on the dataset, and could have read without a receipt."""


class NoReadEvidence(EvidenceFile, frozen=True, tag_field="kind", tag="no-read"):
    """That no receipt for a sealed parcel was committed at any height of a range."""

    parcel: HeaderBytes
    """Header of the parcel: its hash is the parcel's id, and it names the dataset."""
    from_height: Height
    until_height: Height
    before: ReadsBefore | None
    """None: there was none up to ``until_height``."""
    after: ReadsAfter
