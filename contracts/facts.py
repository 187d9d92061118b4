"""What a contract is told, as the host holds it: from the chain's state in a node, from a case file for authors.

The fields are those of ``contracts.author``, in the same order; see there for meanings and units. A call of a contract
is their JSON: an array ``[request, dataset, ctx]`` of arrays, members in the order of the fields, no spaces;
``state`` is verbatim what the contract wrote. Its hash stands in the decision.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import astuple

from chain.errors import ErrorCode, Refusal
from chain.limits import LIMITS
from chain.state.members import MemberKind

_encoder = msgspec.json.Encoder(order="sorted")


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the facts: immutable, and read from JSON objects strictly."""


class MemberFacts(Facts, frozen=True):
    """A member, from its entry in the state."""

    name: str
    kind: MemberKind = "government"
    roles: tuple[str, ...] = ()


class RequestFacts(Facts, frozen=True):
    """The request to decide on."""

    id: str = "0" * 64
    purpose: str = ""
    legal_basis: str = ""
    case_number: str = ""
    person: str = ""
    parcels: tuple[str, ...] = ()
    from_height: int = 0
    until_height: int = 0
    until_ms: int = 0
    fields: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    records: tuple[str, ...] = ()


class DatasetFacts(Facts, frozen=True):
    """The dataset's catalogue entry."""

    id: str
    owner: str
    sharing: str = "conditional"
    legal_basis: str = ""
    title_zh: str = ""
    title_en: str = ""
    version: int = 1
    registered_height: int = 0


class ApprovalFacts(Facts, frozen=True):
    """A committed answer to an ``ask``."""

    member: str
    verdict: str = "approve"
    height: int = 0
    time_ms: int = 0
    reason: str = ""


class GrantFacts(Facts, frozen=True):
    """An earlier grant of this reader on this dataset."""

    request: str = "0" * 64
    height: int = 0
    time_ms: int = 0
    until_ms: int = 0
    purpose: str = ""
    note: str = ""
    report_ms: int = 0


class GrantCountFacts(Facts, frozen=True):
    """Read counters."""

    reader_grants: int = 0
    dataset_grants: int = 0


class ReaderTotalsFacts(Facts, frozen=True):
    """What the reader has shared itself."""

    parcels: int = 0
    records: int = 0
    last_height: int = 0
    last_time_ms: int = 0


class ContextFacts(Facts, frozen=True):
    """Everything else. ``approvals`` oldest first; ``grants`` newest first, at most the newest 100."""

    reader: MemberFacts
    owner: MemberFacts
    height: int = 1
    time_ms: int = 0
    approvals: tuple[ApprovalFacts, ...] = ()
    grants: tuple[GrantFacts, ...] = ()
    grant_counts: GrantCountFacts = GrantCountFacts()
    reader_totals: ReaderTotalsFacts = ReaderTotalsFacts()
    state: dict[str, Any] = {}
    """The contract's state, as its last successful decision left it."""


class CallParts(NamedTuple):
    """A call whose parts are encoded already (``encode_part``): what calls have in common is encoded once."""

    request: msgspec.Raw
    dataset: msgspec.Raw
    height: int
    time_ms: int
    reader: msgspec.Raw
    owner: msgspec.Raw
    approvals: Sequence[msgspec.Raw]
    grants: Sequence[msgspec.Raw]
    grant_counts: msgspec.Raw
    reader_totals: msgspec.Raw
    state: msgspec.Raw
    """As the contract wrote it."""


def encode_part(facts: Facts) -> msgspec.Raw:
    """One part of a call: the fields' JSON array."""
    return msgspec.Raw(_encoder.encode(astuple(facts)))


def encode_parts(parts: CallParts) -> bytes:
    """The JSON that a contract is called with: with as many of the grants, newest first, as there is room for.

    Raises:
        Refusal: code ``contract_inputs_too_large``; it cannot be for what stands on a chain, whose texts are bounded.
    """
    call = _encoder.encode((parts.request, parts.dataset, parts[2:]))
    excess, grants = len(call) - LIMITS.contract_inputs_size_bytes, list(parts.grants)
    if excess > 0:
        while grants and excess > 0:
            excess -= len(bytes(grants.pop())) + len(",")
        parts = parts._replace(grants=grants)
        call = _encoder.encode((parts.request, parts.dataset, parts[2:]))
    if len(call) > LIMITS.contract_inputs_size_bytes:
        raise Refusal(ErrorCode.CONTRACT_INPUTS_TOO_LARGE, found=len(call), limit=LIMITS.contract_inputs_size_bytes)
    return call


def encode_call(request: RequestFacts, dataset: DatasetFacts, ctx: ContextFacts) -> bytes:
    """As ``encode_parts``, from the facts themselves.

    Raises:
        Refusal: code ``contract_inputs_too_large``.
    """
    parts = CallParts(
        request=encode_part(request),
        dataset=encode_part(dataset),
        height=ctx.height,
        time_ms=ctx.time_ms,
        reader=encode_part(ctx.reader),
        owner=encode_part(ctx.owner),
        approvals=[encode_part(approval) for approval in ctx.approvals],
        grants=[encode_part(grant) for grant in ctx.grants],
        grant_counts=encode_part(ctx.grant_counts),
        reader_totals=encode_part(ctx.reader_totals),
        state=msgspec.Raw(_encoder.encode(ctx.state)),
    )
    return encode_parts(parts)
