"""Tables of cases: what a contract must decide on given facts. Authors write them beside their contracts.

A case file is a JSON object:

- ``defaults``: optional ``parameters``, ``request``, ``dataset`` and ``ctx`` that every case starts from;
- ``cases``: list of objects with ``name``, any of the four (members given here replace those of the defaults,
  ``parameters`` as a whole), and ``expect``.

The facts are those of ``contracts.facts``. A ``time_ms`` or ``until_ms`` may be written as a moment in ISO 8601 with a
time zone. ``{"library": NAME}`` in ``parameters.parts`` stands for that contract's source.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec
from msgspec import UNSET, UnsetType, field

from chain.access.decision import CallResult, VerdictName
from chain.errors import ErrorCode, PoolError
from contracts.facts import ContextFacts, DatasetFacts, Facts, RequestFacts
from contracts.library import expand_parts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Contract(Protocol):
    """Whatever decides: a session of the sandbox, or a contract loaded locally."""

    def decide(self, request: RequestFacts, dataset: DatasetFacts, ctx: ContextFacts) -> CallResult:
        """Call the contract."""
        ...


class Expectation(Facts, frozen=True):
    """What must come out; what is not given is not looked at."""

    verdict: VerdictName
    code: str | UnsetType | None = UNSET
    reason: str | UnsetType = UNSET
    """A part of the reason."""
    note: str | UnsetType = UNSET
    """A part of the note."""
    until_ms: int | UnsetType = UNSET
    fields: tuple[str, ...] | UnsetType | None = UNSET
    approvers: tuple[str, ...] | UnsetType = UNSET
    needed: int | UnsetType = UNSET
    state: dict[str, Any] | UnsetType = UNSET

    def differences(self, called: CallResult) -> list[str]:
        """What is not as expected, one line each."""
        decision = called.decision
        found: dict[str, Any] = {
            "verdict": decision.verdict,
            "code": decision.failure or None,
            "until_ms": decision.until_ms,
            "fields": decision.fields,
            "approvers": decision.approvers,
            "needed": decision.needed,
            "state": json.loads(called.state or b"null"),
        }
        lines = [
            f"{name} is {value!r}, not {getattr(self, name)!r}"
            for name, value in found.items()
            if getattr(self, name) is not UNSET and getattr(self, name) != value
        ]
        for name, text in (("reason", decision.sentence), ("note", decision.note)):
            part = getattr(self, name)
            if part is not UNSET and part not in text:
                lines.append(f"{name} is {text!r}, without {part!r}")
        if lines and self.reason is UNSET and decision.facts:
            lines.append(f"reason: {decision.sentence}")
        return lines


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table."""

    name: str
    parameters: str
    """JSON object, as it would be deployed."""
    request: RequestFacts
    dataset: DatasetFacts
    ctx: ContextFacts
    expect: Expectation

    def run(self, contract: Contract) -> "CaseResult":
        """Call the contract with this case's facts."""
        called = contract.decide(self.request, self.dataset, self.ctx)
        return CaseResult(self.name, called, tuple(self.expect.differences(called)))


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came out of one case."""

    name: str
    called: CallResult
    differences: tuple[str, ...]
    """Empty if all is as expected."""


class _CaseRow(Facts, frozen=True):
    name: str
    expect: dict[str, Any]
    parameters: dict[str, Any] | None = None
    request: dict[str, Any] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    ctx: dict[str, Any] = field(default_factory=dict)


class _Defaults(Facts, frozen=True):
    parameters: dict[str, Any] = field(default_factory=dict)
    request: dict[str, Any] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    ctx: dict[str, Any] = field(default_factory=dict)


class _CaseFile(Facts, frozen=True):
    cases: tuple[_CaseRow, ...]
    defaults: _Defaults = _Defaults()


def read_cases(text: str | bytes) -> list[Case]:
    """Read a case file.

    Raises:
        PoolError: code ``malformed``, saying which case and where.
    """
    try:
        file = msgspec.json.decode(text, type=_CaseFile)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise PoolError(ErrorCode.MALFORMED, f"case file: {error}") from None
    return [_read_case(row, file.defaults) for row in file.cases]


def _read_case(row: _CaseRow, defaults: _Defaults) -> Case:
    parameters = defaults.parameters if row.parameters is None else row.parameters
    try:
        return Case(
            name=row.name,
            parameters=json.dumps(expand_parts(parameters), ensure_ascii=False, sort_keys=True),
            request=msgspec.convert(_in_ms({**defaults.request, **row.request}), RequestFacts),
            dataset=msgspec.convert(_in_ms({**defaults.dataset, **row.dataset}), DatasetFacts),
            ctx=msgspec.convert(_in_ms({**defaults.ctx, **row.ctx}), ContextFacts),
            expect=msgspec.convert(_in_ms(row.expect), Expectation),
        )
    except (msgspec.ValidationError, ValueError) as error:
        raise PoolError(ErrorCode.MALFORMED, f"case {row.name!r}: {error}") from None


def _in_ms(value: Any, name: str = "") -> Any:
    """The facts with every moment as milliseconds since 1970. State is the contract's own affair and left alone."""
    if isinstance(value, dict):
        return {key: item if key == "state" else _in_ms(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_in_ms(item) for item in value]
    if isinstance(value, str) and name.endswith("_ms"):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError(f"{name} needs a time zone: {value}")
        return (moment - _EPOCH) // timedelta(milliseconds=1)
    return value
