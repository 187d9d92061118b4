"""``approval``: a request to read is answered."""

from typing import Any

from msgspec.structs import replace

from chain.access.decision import AccessVerdict, RequestStatus, denied
from chain.access.rules import AccessRules
from chain.errors import ErrorCode, Refusal
from chain.limits import LIMITS
from chain.primitives.types import Answer, DatasetId, Hash32, Reason
from chain.state.entries import RequestAnswer, request_key
from chain.transactions.base import CheckedTransaction, Header, Index, TransactionType
from chain.transactions.context import Effect, ExecutionContext


class ApprovalHeader(Header, frozen=True, tag=5):
    """Answers a request: signed by a member that the contract asks; ``revoke`` also by the dataset's owner and, to
    withdraw it, the reader.
    """

    dataset: DatasetId
    request: Hash32
    """Transaction id of the request."""
    answer: Answer
    reason: Reason


def _execute(context: ExecutionContext, checked: CheckedTransaction, header: ApprovalHeader) -> Effect:
    rules = AccessRules(context)
    entry = rules.request(header.request, header.dataset)
    dataset = context.dataset(header.dataset)
    answer = RequestAnswer(header.member, header.answer, header.reason, context.height, context.time_ms)
    may_end = header.answer == "revoke" and header.member in (dataset.owner, entry.terms.reader)
    open_for: tuple[RequestStatus, ...] = ("asked", "granted") if header.answer == "revoke" else ("asked",)
    if not may_end and header.member not in entry.decision.approvers:
        raise Refusal(ErrorCode.NOT_AN_APPROVER, member=header.member, request=header.request)
    if (status := entry.decision.status) not in open_for:
        raise Refusal(ErrorCode.REQUEST_SETTLED, request=header.request, status=status)
    rules.list_read(header.dataset, checked.id)
    # Each member has one: whoever answers again and again takes no room from the others.
    others = [given for given in entry.answers if given.member != header.member]
    entry = replace(entry, answers=(*others, answer)[-LIMITS.request_answers :])
    if not may_end:
        return rules.decide(header.request, entry, dataset)
    words: dict[str, Any] = {"text": header.reason} if header.reason else {}
    facts = denied(ErrorCode.GRANT_REVOKED, member=header.member, **words).facts
    entry = replace(
        entry,
        decision=replace(entry.decision, verdict="deny", facts=facts),
        decided_height=context.height,
        decided_ms=context.time_ms,
    )
    context.state.write(request_key(header.request), entry)
    return Effect(0, facts, AccessVerdict("deny"))


APPROVAL = TransactionType(
    name="approval",
    header=ApprovalHeader,
    execute=_execute,
    index=lambda header: Index(reads_of=header.dataset),
    calls_contract=True,
)
