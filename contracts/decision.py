"""What a contract decided, and the strict reading of what the guest says it decided.

A contract can change anything inside its guest, so an answer is hostile bytes: bounded, of exactly one shape, every
value in range. Anything else is a deny with code ``contract_bad_answer``.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chain.blocks import VerdictName
from chain.errors import ErrorCode
from chain.facts import Facts, FactValue, pack
from chain.limits import LIMITS
from chain.messages import denial
from chain.primitives.crypto import Hash
from chain.primitives.json_reader import BadJson, read_json
from chain.primitives.types import Name, Text, Unsigned

ANSWER_SIZE_BYTES_MAX = 128 * 1024
"""A larger answer is not even read."""

FAILURES: dict[str, ErrorCode] = {
    "exception": ErrorCode.CONTRACT_FAILED,
    "memory": ErrorCode.CONTRACT_OUT_OF_MEMORY,
    "verdict": ErrorCode.CONTRACT_BAD_VERDICT,
    "definition": ErrorCode.BAD_CONTRACT,
}
"""By the kind of error that the guest reports (``contracts.runtime``)."""

_FieldName = Annotated[str, Meta(min_length=1, max_length=LIMITS.title_length)]
_Reason = Annotated[str, Meta(max_length=LIMITS.reason_length)]


class Decision(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The outcome of one call of a contract."""

    verdict: VerdictName
    code: ErrorCode | None
    """Why the call failed, which denies; None if the contract itself decided."""
    facts: Facts
    """Why it was denied, with the author's line if the contract failed; else empty."""
    until_ms: int
    """When the grant ends, milliseconds since 1970; 0 for no end."""
    fields: tuple[str, ...] | None
    """The only fields that may be used; None for all."""
    approvers: tuple[str, ...]
    """Members that are asked."""
    needed: int
    """How many of them must approve."""
    note: str
    state: bytes | None
    """The contract's new state, the bytes that the guest wrote; None leaves it as it was (the call failed)."""
    fuel: int
    """Spent on the call, and on loading the contract if this call was the first in its instance."""
    inputs_hash: Hash
    printed: str = ""
    """For the author only; never recorded."""

    @property
    def sentence(self) -> str:
        """Why it was denied, for people; else empty."""
        return denial(self.facts)


class _VerdictFields(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    verdict: VerdictName
    reason: _Reason
    until_ms: Unsigned
    fields: Annotated[tuple[_FieldName, ...], Meta(max_length=LIMITS.contract_fields)] | None
    approvers: Annotated[tuple[Name, ...], Meta(max_length=LIMITS.contract_approvers)]
    needed: Unsigned
    note: Text


class _Answer(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    verdict: msgspec.Raw
    state: msgspec.Raw
    printed: str


class GuestError(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """An error as the guest reports it."""

    kind: Literal["exception", "memory", "verdict", "definition"]
    message: _Reason
    line: Unsigned

    @property
    def facts(self) -> dict[str, FactValue]:
        """What the guest says, as data, and where in the author's source."""
        return {"line": self.line, "text": self.message} if self.line else {"text": self.message}


_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_answers = msgspec.json.Decoder(_Answer)
_errors = msgspec.json.Decoder(GuestError)


class BadAnswer(Exception):
    """The guest's answer is not valid.

    Args:
        part: what of it: ``form``, ``size``, ``depth``, ``state``, ``reason``, ``until``, ``fields``, ``approvers``.
    """

    def __init__(self, part: str) -> None:
        super().__init__(part)
        self.part = part


def read_error(answer: str) -> GuestError:
    """Read an error that the guest reports.

    Raises:
        BadAnswer: it is none.
    """
    try:
        return _errors.decode(_bounded(answer))
    except (msgspec.MsgspecError, UnicodeError):
        raise BadAnswer("form") from None


def read_decision(answer: str, time_ms: int, fuel: int, inputs_hash: Hash) -> Decision:
    """Read the guest's answer to a call.

    Args:
        answer: untrusted JSON text.
        time_ms: the block's time.
        fuel: spent.
        inputs_hash: of the call.

    Raises:
        BadAnswer: it is not a valid verdict.
    """
    data = _bounded(answer)
    if data.startswith(b'["'):
        error = read_error(answer)
        return failure(FAILURES[error.kind], fuel, inputs_hash, **error.facts)
    try:
        # The protocol's reader says what is JSON; its values are checked for their types. The state is then kept as it
        # was written: decoded and encoded again, its numbers would be whatever a library's version makes of them.
        verdict, state, printed = msgspec.convert(read_json(data), type=tuple[_VerdictFields, dict[str, Any], str])
        kept = bytes(_answers.decode(data).state)
    except (BadJson, msgspec.MsgspecError, UnicodeError):
        raise BadAnswer("form") from None
    if not _has_small_integers(state) or len(kept) > LIMITS.contract_state_size_bytes:
        raise BadAnswer("state")
    _verify_sense(verdict, time_ms)
    return Decision(
        verdict=verdict.verdict,
        code=None,
        facts=pack({"denial": ErrorCode.ACCESS_DENIED.value, "text": verdict.reason}) if verdict.reason else (),
        until_ms=verdict.until_ms,
        fields=verdict.fields,
        approvers=verdict.approvers,
        needed=verdict.needed,
        note=verdict.note,
        state=kept,
        fuel=fuel,
        inputs_hash=inputs_hash,
        printed=printed,
    )


def failure(code: ErrorCode, fuel: int, inputs_hash: Hash, **facts: FactValue) -> Decision:
    """The deny that stands for a call that failed."""
    return Decision("deny", code, pack({"denial": code.value, **facts}), 0, None, (), 0, "", None, fuel, inputs_hash)


def _bounded(answer: str) -> bytes:
    data = answer.encode("utf-8", "surrogatepass")
    if len(data) > ANSWER_SIZE_BYTES_MAX:
        raise BadAnswer("size")
    # Measured without recursion: how deep a decoder may nest would depend on the stack it is called on.
    if data.count(b"[") + data.count(b"{") > LIMITS.json_depth and _depth(data) > LIMITS.json_depth:
        raise BadAnswer("depth")
    return data


def _depth(data: bytes) -> int:
    """Nesting of a JSON text, or of what is not JSON and will be refused anyway."""
    deepest = depth = 0
    for token in _TOKENS.finditer(data):
        if token[0] in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in b"]}":
            depth -= 1
    return deepest


def _has_small_integers(state: dict[str, Any]) -> bool:
    """Whether every integer is one that each JSON reader takes for the same: 64 bits, signed."""
    pending: list[Any] = list(state.values())
    while pending:
        value = pending.pop()
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return False
        pending += value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return True


def _verify_sense(verdict: _VerdictFields, time_ms: int) -> None:
    if verdict.verdict == "deny" and not verdict.reason:
        raise BadAnswer("reason")
    if verdict.verdict != "deny" and verdict.reason:
        raise BadAnswer("reason")
    if verdict.until_ms and verdict.until_ms <= time_ms:
        raise BadAnswer("until")
    if verdict.fields is not None and len(set(verdict.fields)) != len(verdict.fields):
        raise BadAnswer("fields")
    if verdict.verdict == "ask":
        if len(set(verdict.approvers)) != len(verdict.approvers):
            raise BadAnswer("approvers")
        if not 1 <= verdict.needed <= len(verdict.approvers):
            raise BadAnswer("approvers")
    elif verdict.approvers or verdict.needed:
        raise BadAnswer("approvers")
