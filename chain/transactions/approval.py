"""``approval``: a request to read is answered."""

from __future__ import annotations

from chain.primitives.types import Answer, DatasetId, Hash32, Reason
from chain.transactions.base import Header, Index, TransactionType


class ApprovalHeader(Header, frozen=True, tag=5):
    """Answers a request: signed by a member that the contract asks; ``revoke`` also by the dataset's owner and, to
    withdraw it, the reader.
    """

    dataset: DatasetId
    request: Hash32
    """Transaction id of the request."""
    answer: Answer
    reason: Reason


APPROVAL = TransactionType(
    name="approval",
    header=ApprovalHeader,
    index=lambda header: Index(reads_of=header.dataset),
    calls_contract=True,
)
