"""What is decided on requests to read: one value from the sandbox to the state, and its part in the outcome.

Whether a call has failed and whether a grant was taken back is said by the decision's facts, and by nothing else:
their ``denial`` is the code that it is denied for.
"""

from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from chain.errors import ErrorCode
from chain.facts import Facts, FactValue, pack, unpack, verify
from chain.messages import denial
from chain.primitives.crypto import Hash
from chain.primitives.encoding import Wire
from chain.primitives.types import DatasetId, Unsigned

VerdictName = Literal["allow", "deny", "ask"]
RequestStatus = Literal["asked", "granted", "denied", "revoked"]
"""Where a request stands: approvers are asked, access is granted (until it expires), denied, or taken back for good."""

_STATUS: dict[VerdictName, RequestStatus] = {"allow": "granted", "deny": "denied", "ask": "asked"}
_DECIDED = {ErrorCode.ACCESS_DENIED, ErrorCode.NOT_SHARED, ErrorCode.NO_DECIDING_CONTRACT, ErrorCode.GRANT_REVOKED}
"""Why a request is denied otherwise than by a call that failed."""


class AccessVerdict(Wire, frozen=True):
    """What was decided on a request to read, and on which grounds: enough to decide it again years later."""

    verdict: VerdictName
    until_ms: Unsigned = 0
    """When the grant ends, milliseconds since 1970; 0 for no end."""
    contract: DatasetId = ""
    """The contract that was called; empty if none was."""
    contract_version: Unsigned = 0
    contract_hash: Annotated[bytes, Meta(max_length=32)] = b""
    """``chain.access.policy.contract_hash``; empty without a contract."""
    inputs_hash: Annotated[bytes, Meta(max_length=32)] = b""
    """Of everything that the contract was told; empty without a contract."""


class Decision(Wire, frozen=True):
    """What was decided on a request to read, with all that follows from it for the reader."""

    verdict: VerdictName
    until_ms: Unsigned = 0
    """When the grant ends, milliseconds since 1970; 0 for no end."""
    facts: Facts = ()
    """Why it is denied, or was taken back; else empty."""
    fields: tuple[str, ...] | None = None
    """The only fields that may be used; None for all."""
    approvers: tuple[str, ...] = ()
    """Members that are asked."""
    needed: Unsigned = 0
    """How many of them must approve."""
    note: str = ""
    """What the contract wrote down."""
    fuel: Unsigned = 0
    """Spent on the call, and on loading the contract if this call was the first in its instance."""
    inputs_hash: bytes = b""
    """Of everything that the contract was told; empty without a contract."""

    def __post_init__(self) -> None:
        if self.facts:
            verify(self.facts)

    @property
    def status(self) -> RequestStatus:
        """Where a request stands on which this was decided."""
        return status_of(self.verdict, self.facts)

    @property
    def failure(self) -> str:
        """Error code of a call that failed, which denies; else empty."""
        return failure_of(self.facts)

    @property
    def sentence(self) -> str:
        """Why it is denied, or was taken back, for people; else empty."""
        return denial(self.facts)


class CallResult(NamedTuple):
    """What came of one call of a contract."""

    decision: Decision
    state: bytes | None
    """The contract's new state, a JSON object as the guest wrote it; None leaves it as it was: the call failed."""
    printed: str = ""
    """For the author only; never recorded."""


def denied(code: ErrorCode, fuel: int = 0, inputs_hash: Hash = b"", **facts: FactValue) -> Decision:
    """A denial: ``code`` and the facts say why."""
    return Decision("deny", facts=pack({"denial": code.value, **facts}), fuel=fuel, inputs_hash=inputs_hash)


def status_of(verdict: VerdictName, facts: Facts) -> RequestStatus:
    """Where a request stands after a verdict with these facts."""
    is_revoked = facts and unpack(facts).get("denial") == ErrorCode.GRANT_REVOKED
    return "revoked" if is_revoked else _STATUS[verdict]


def failure_of(facts: Facts) -> str:
    """Error code of a contract's call that failed, which denies; empty if the contract itself decided."""
    code = str(unpack(facts).get("denial", ""))
    return "" if code in _DECIDED else code
