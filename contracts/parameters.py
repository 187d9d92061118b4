"""What a contract says of its parameters, and whether those that it is deployed with are so. Part of the guest.

A contract that lists its parameters in ``PARAMETERS`` is deployed with these only: a misspelt name would otherwise be a
condition that is never checked, and let everybody in. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple


class Parameter(NamedTuple):
    """What one parameter has to be."""

    type: str
    """``text``; ``texts`` (a list of them, none twice); ``members`` (``texts``, each the name of a member of the pool);
    ``count`` (an integer from 1 on); ``number`` (more than 0); ``moment`` (ISO 8601 with its time zone);
    ``fields`` (for each text a list of names, or null); ``contracts`` (a list of ``source`` and ``parameters``)."""
    required: bool = False
    choices: tuple[str, ...] = ()
    """The only texts that may stand there; none for any."""


class BadParameters(Exception):
    """Parameters are not what the contract says of them."""


Verify = Callable[[str, Any], list[str]]
"""Checks another contract's parameters; gives the members that they name."""


def verify_parameters(declared: object, given: object, verify_part: Verify) -> list[str]:
    """Check a contract's parameters.

    Args:
        declared: its ``PARAMETERS``.
        given: what it is deployed with.
        verify_part: for the contracts among them.

    Returns:
        Names of all members that are named: whether they are there is for who knows the pool.

    Raises:
        BadParameters: what is wrong.
    """
    if type(declared) is not dict or any(type(wanted) is not Parameter for wanted in declared.values()):
        raise BadParameters("PARAMETERS must be a dict of Parameter values, by name")
    if type(given) is not dict:
        raise BadParameters("parameters are a JSON object")
    for name in sorted(given):
        if name not in declared:
            takes = ", ".join(declared) or "none"
            raise BadParameters(f"there is no parameter {name!r}; this contract takes {takes}")
    members: list[str] = []
    for name, wanted in declared.items():
        if name not in given:
            if wanted.required:
                raise BadParameters(f"the parameter {name!r} is missing")
            continue
        value = given[name]
        check = _CHECKS.get(wanted.type)
        if check is None and wanted.type != "contracts":
            raise BadParameters(f"PARAMETERS names the type {wanted.type!r}, which does not exist")
        if not (_are_contracts(value) if check is None else check(value)):
            raise BadParameters(f"the parameter {name!r} must be of the type {wanted.type!r}")
        if check is None:
            for part in value:
                members += verify_part(part["source"], part.get("parameters", {}))
        if wanted.choices and not set(value if type(value) in (list, dict) else [value]) <= set(wanted.choices):
            raise BadParameters(f"the parameter {name!r} takes only {', '.join(wanted.choices)}")
        if wanted.type == "members":
            members += value
    return members


def _is_text(value: object) -> bool:
    return type(value) is str and value.strip() != ""


def _are_texts(value: object) -> bool:
    return type(value) is list and bool(value) and all(map(_is_text, value)) and len(set(value)) == len(value)


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and value > 0  # type: ignore[operator]  # a bool is no number here


def _is_moment(value: object) -> bool:
    try:
        return type(value) is str and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _are_fields(value: object) -> bool:
    if type(value) is not dict:
        return False
    return all(_is_text(name) and (names is None or _are_texts(names)) for name, names in value.items())


def _are_contracts(value: object) -> bool:
    return type(value) is list and bool(value) and all(map(_is_contract, value))


def _is_contract(value: object) -> bool:
    return isinstance(value, Mapping) and type(value.get("source")) is str and value.keys() <= {"source", "parameters"}


_CHECKS: dict[str, Callable[[object], bool]] = {
    "text": _is_text,
    "texts": _are_texts,
    "members": _are_texts,
    "count": lambda value: type(value) is int and value >= 1,
    "number": _is_number,
    "moment": _is_moment,
    "fields": _are_fields,
}
