"""The strict reading of what a guest answers.

A contract can change anything inside its guest, so an answer is hostile bytes: bounded, of exactly one shape, every
value in range. Anything else is refused with code ``contract_bad_answer`` and the ``part`` of it that is wrong:
``form``, ``size``, ``depth``, ``state``, ``reason``, ``until``, ``fields`` or ``approvers``.
"""

import re
from typing import Any

from chain.access.decision import CallResult, Decision, denied
from chain.errors import ErrorCode, Refusal
from chain.facts import unpack
from chain.limits import LIMITS
from chain.primitives.crypto import Hash
from chain.primitives.json_reader import BadJson, Fault, JsonValue, read_json
from chain.primitives.types import is_name
from contracts.runtime import LOADED

_FAILURES = {
    "exception": ErrorCode.CONTRACT_FAILED,
    "memory": ErrorCode.CONTRACT_OUT_OF_MEMORY,
    "verdict": ErrorCode.CONTRACT_BAD_VERDICT,
    "definition": ErrorCode.CONTRACT_FAILED,  # it did load: this is an error of its own, such as eval("(")
}
"""By the kind of error that the guest reports (``contracts.runtime``)."""
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}]')


def verify_loaded(answer: str) -> tuple[str, ...]:
    """Check a guest's answer to loading a contract: names of the members that its parameters name.

    Raises:
        Refusal: codes ``bad_contract``, with the guest's words and the line at fault; ``contract_bad_answer``.
    """
    if answer == LOADED:
        return ()
    found = _read(_bounded(answer))
    if isinstance(found, list) and len(found) == 1 and isinstance(names := found[0], list):
        if not all(isinstance(name, str) for name in names):
            raise Refusal(ErrorCode.CONTRACT_BAD_ANSWER)
        return tuple(map(str, names))
    raise Refusal.of(ErrorCode.BAD_CONTRACT, _reported(found).facts)


def reading_fuel(answer: str) -> int:
    """The price of reading an answer."""
    return min(len(answer), LIMITS.contract_answer_length) * LIMITS.contract_answer_character_fuel


def read_answer(answer: str, time_ms: int, fuel: int, inputs_hash: Hash) -> CallResult:
    """Read the guest's answer to a call.

    Args:
        answer: untrusted JSON text.
        time_ms: the block's time.
        fuel: spent.
        inputs_hash: of the call.

    Raises:
        Refusal: the call has failed, for whatever reason; or code ``contract_bad_answer``.
    """
    text = _bounded(answer)
    match value := _read(text):
        case [list(verdict), dict(state), str(printed)]:
            decision = _decision(verdict, time_ms, fuel, inputs_hash)
            # Kept as it was written: decoded and encoded again, its numbers would be whatever a library makes of them.
            kept = _first_object(text)
            if not _has_small_integers(state) or len(kept) > LIMITS.contract_state_size_bytes:
                raise _bad("state")
            return CallResult(decision, kept, printed)
    raise _reported(value)


def failed(refusal: Refusal, fuel: int = 0, inputs_hash: Hash = b"") -> CallResult:
    """The deny that stands for a call that failed, when ``fuel`` was spent before what the refusal counts."""
    return CallResult(denied(refusal.code, fuel + refusal.fuel, inputs_hash, **unpack(refusal.facts)), None)


def _bad(part: str) -> Refusal:
    return Refusal(ErrorCode.CONTRACT_BAD_ANSWER, part=part)


def _bounded(answer: str) -> bytes:
    if len(answer) > LIMITS.contract_answer_length:
        raise _bad("size")
    return answer.encode("utf-8", "surrogatepass")


def _read(text: bytes) -> JsonValue:
    try:
        return read_json(text)
    except BadJson as bad:
        raise _bad("depth" if bad.fault is Fault.DEPTH else "form") from None


def _reported(value: JsonValue) -> Refusal:
    """The error that a guest reports: kind, message, line of the author's source or 0."""
    match value:
        case [str(kind), str(message), line] if (
            kind in _FAILURES and len(message) <= LIMITS.reason_length and _is_unsigned(line)
        ):
            facts: dict[str, Any] = {"line": line, "text": message} if line else {"text": message}
            return Refusal(_FAILURES[kind], **facts)
    return _bad("form")


def _decision(verdict: list[Any], time_ms: int, fuel: int, inputs_hash: Hash) -> Decision:
    """The decision that a verdict makes, given by its fields (``contracts.author.Verdict``)."""
    if len(verdict) != 7:
        raise _bad("form")
    name, reason, until_ms, fields, approvers, needed, note = verdict
    is_formed = (
        name in ("allow", "deny", "ask")
        and _is_text(reason, 0, LIMITS.reason_length)
        and _is_unsigned(until_ms)
        and (fields is None or _are_texts(fields, LIMITS.contract_fields, LIMITS.title_length))
        and _are_texts(approvers, LIMITS.contract_approvers, LIMITS.name_length)
        and all(map(is_name, approvers))
        and _is_unsigned(needed)
        and _is_text(note, 0, LIMITS.text_length)
    )
    if not is_formed:
        raise _bad("form")
    if bool(reason) != (name == "deny"):
        raise _bad("reason")
    if until_ms and until_ms <= time_ms:
        raise _bad("until")
    if len(set(fields or ())) != len(fields or ()):
        raise _bad("fields")
    if not (1 <= needed <= len(approvers) == len(set(approvers)) if name == "ask" else not approvers and not needed):
        raise _bad("approvers")
    facts = denied(ErrorCode.ACCESS_DENIED, text=reason).facts if reason else ()
    fields = None if fields is None else tuple(fields)
    return Decision(name, until_ms, facts, fields, tuple(approvers), needed, note, fuel, inputs_hash)


def _is_unsigned(value: JsonValue) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_text(value: JsonValue, length_min: int, length_max: int) -> bool:
    return isinstance(value, str) and length_min <= len(value) <= length_max


def _are_texts(value: JsonValue, count_max: int, length_max: int) -> bool:
    return isinstance(value, list) and len(value) <= count_max and all(_is_text(item, 1, length_max) for item in value)


def _first_object(text: bytes) -> bytes:
    """The text of the first object in a JSON text that has one."""
    start = depth = 0
    for token in _TOKENS.finditer(text):
        if token[0] == b"{":
            start = start if depth else token.start()
            depth += 1
        elif token[0] == b"}":
            depth -= 1
            if not depth:
                return text[start : token.end()]
    raise _bad("form")


def _has_small_integers(state: dict[str, Any]) -> bool:
    """Whether every integer is one that each JSON reader takes for the same: 64 bits, signed."""
    pending: list[Any] = list(state.values())
    while pending:
        value = pending.pop()
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return False
        pending += value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return True
