"""Evidence of a read: who asked for what and why, what was decided, who approved, and what the reader says it fetched;
complete up to a height.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chain.types import Name
from evidence.parts import LISTED_MAX, BlockPart, CommittedPart, EntryPart, EvidenceFile, Part

CommittedList = Annotated[tuple[CommittedPart, ...], Meta(max_length=LISTED_MAX)] | None
"""All of them in chain order; None if there are too many to list."""


class RequestStatePart(Part, frozen=True):
    """Where a request stood after a block."""

    block: BlockPart
    """The block as of which all of this holds; not before the request's."""
    request: EntryPart
    """``request/ID``: the decision that held then, all answers, and the number of receipts."""


class ReadEvidence(EvidenceFile, frozen=True, tag_field="kind", tag="read"):
    """A read's evidence."""

    request: CommittedPart
    state: RequestStatePart
    answers: CommittedList
    """Approvals, refusals and revocations."""
    receipts: CommittedList
    """Receipts of the reader."""
    members: dict[Name, EntryPart]
    """``member/NAME`` after the state's block, of everybody who signed something above, and of nobody else."""
