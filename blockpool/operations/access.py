"""Asking for access, answering those who ask, and reporting what was read."""

from dataclasses import dataclass

from blockpool.access_signing import AccessTerms, ReaderKey, sign_answer, sign_request
from blockpool.answers import VerifiedReceipt
from blockpool.exchange import Operation
from blockpool.operations.session import Session
from chain.access.decision import AccessVerdict, failure_of
from chain.errors import ErrorCode, PoolError
from chain.primitives.types import Answer


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """A committed request to read, with the verdict on it, proven by its receipt."""

    id: bytes
    """Transaction id of the request: 32 bytes. ``read`` wants it."""
    dataset: str
    receipt: VerifiedReceipt

    @property
    def verdict(self) -> AccessVerdict:
        """What was decided at once: ``allow``, ``deny`` or ``ask`` (others must approve)."""
        verdict = self.receipt.outcome.verdict
        if verdict is None:
            raise PoolError(ErrorCode.BAD_RECEIPT, "the receipt of a request says nothing of a verdict")
        return verdict

    @property
    def reason(self) -> str:
        """Why it was denied."""
        return self.receipt.outcome.sentence

    @property
    def is_granted(self) -> bool:
        """Whether reading can begin."""
        return self.verdict.verdict == "allow"

    def raise_for_denial(self) -> None:
        """Do nothing unless the request was denied.

        Raises:
            PoolError: code ``access_denied``, with the contract in the context and ``failure`` if it failed.
        """
        if self.verdict.verdict == "deny":
            raise PoolError(
                ErrorCode.ACCESS_DENIED,
                self.reason,
                contract=self.verdict.contract,
                failure=failure_of(self.receipt.outcome.facts),
            )


def request(session: Session, terms: AccessTerms, reader_key: ReaderKey, now_ms: int) -> Operation[AccessRequest]:
    """Commit a request. A denial is an answer, not an error."""
    signed = sign_request(session.genesis, session.identity, terms, reader_key, now_ms)
    receipt = yield from session.commit(signed)
    return AccessRequest(signed.transaction_id, terms.dataset, receipt)


def answer(
    session: Session, request_id: bytes, dataset: str, answer: Answer, reason: str
) -> Operation[VerifiedReceipt]:
    """Commit an answer to a request; the receipt's outcome has the verdict that it led to."""
    return session.commit(sign_answer(session.genesis, session.identity, dataset, request_id, answer, reason))
