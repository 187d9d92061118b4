"""Answers calls of one contract: the part that runs inside the guest, and in ``contracts.local`` outside of it.

Calls and answers are JSON arrays of fixed shape, in the order of the fields of the types in ``contracts.author``: half
of what objects with names would cost to read. The host believes no answer before it has checked it
(``contracts.answers``). Standard library only, and only what the guest has frozen into its snapshot.
"""

from __future__ import annotations

import json
from typing import Any

from contracts.author import Approval, Context, Dataset, Grant, GrantCounts, Member, ReaderTotals, Request, Verdict
from contracts.loader import ENTRY_POINT, SOURCE_NAME, BadContract, ContractModule, printed

LOADED = "[]"
_MESSAGE_CHARACTERS_MAX = 300
_KINDS = {"MemoryError": "memory", "NotAVerdict": "verdict", "BadContract": "definition", "BadParameters": "definition"}
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().raw_decode


class NotAVerdict(Exception):
    """The contract returned something else than a verdict."""


class ContractRuntime:
    """One contract, loaded."""

    def __init__(self) -> None:
        self._module: ContractModule | None = None
        self._parameters = "{}"

    def load(self, source: str, parameters: str) -> str:
        """Compile the contract and run its module once.

        Args:
            source: the contract.
            parameters: a JSON object.

        Returns:
            JSON: ``[]``; ``[members]`` where the parameters name some; or an error as ``decide`` answers it.
        """
        try:
            self._module = ContractModule(source)
            self._parameters = parameters
            members = self._module.verify(_decode(parameters)[0])
            return _encode([sorted(set(members))]) if members else LOADED
        except BaseException as error:
            return _encode(_description(error))

    def decide(self, call: str) -> str:
        """Call the contract.

        Args:
            call: JSON ``[request, dataset, ctx]``, each an array of its type's fields (``ctx`` without parameters).

        Returns:
            JSON ``[verdict fields, state, printed]``, or ``[kind, message, line]`` of an error.
        """
        printed.clear()
        try:
            if self._module is None:
                raise BadContract("no contract is loaded")
            request, dataset, facts = _decode(call)[0]
            state: dict[str, Any] = facts[-1]
            context = _context(facts, _decode(self._parameters)[0])
            request[5], request[9:] = tuple(request[5]), map(tuple, request[9:])
            verdict = self._module.entry_point()(Request._make(request), Dataset._make(dataset), context)
            return _answer(verdict, state)
        except BaseException as error:
            return _encode(_description(error))


def _member(facts: list[Any]) -> Member:
    facts[2] = tuple(facts[2])
    return Member._make(facts)


def _context(facts: list[Any], parameters: dict[str, Any]) -> Context:
    height, time_ms, reader, owner, approvals, grants, grant_counts, reader_totals, state = facts
    return Context(
        height,
        time_ms,
        _member(reader),
        _member(owner),
        tuple(map(Approval._make, approvals)),
        tuple(map(Grant._make, grants)),
        GrantCounts._make(grant_counts),
        ReaderTotals._make(reader_totals),
        parameters,
        state,
    )


def _answer(verdict: object, state: dict[str, Any]) -> str:
    if type(verdict) is not Verdict:
        raise NotAVerdict(f"{ENTRY_POINT} returned {_short(repr(verdict), 100)}, not allow(), deny() or ask()")
    try:
        return _encode([verdict, state, printed.text])
    except (TypeError, ValueError) as error:
        raise NotAVerdict(f"verdict or ctx.state is not plain JSON: {error}") from None


def _description(error: BaseException) -> tuple[str, str, int]:
    """Kind, message and line of an error."""
    name = type(error).__name__
    if isinstance(error, SyntaxError):
        text = f"{error.msg}: {error.text.strip()}" if error.text else str(error.msg)
        return "definition", _short(f"{name}: {text}"), error.lineno or 0
    try:
        text = str(error)
    except BaseException:  # an author's own exception may fail to describe itself
        text = ""
    message = text if name in ("NotAVerdict", "BadContract", "BadParameters") else f"{name}: {text}" if text else name
    return _KINDS.get(name, "exception"), _short(message), _author_line(error)


def _author_line(error: BaseException) -> int:
    """The innermost line of the contract that the error passed through; 0 for none."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == SOURCE_NAME:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _short(text: str, length: int = _MESSAGE_CHARACTERS_MAX) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
