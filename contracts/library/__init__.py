"""Ready contracts. Each file is one whole contract, to deploy as it is; cases/NAME.json says what it must decide.

They run inside the sandbox, where ``blockpool.contract`` is the guest's own; nothing of ours imports them.
"""

import ast
from importlib.resources import files
from typing import Any

from chain.errors import ErrorCode, PoolError

NAMES = (
    "open",
    "allow_list",
    "by_kind",
    "purpose_bound",
    "time_limited",
    "approval_required",
    "quota",
    "reciprocal",
    "break_glass",
    "all_of",
    "any_of",
)


def source_of(name: str) -> str:
    """The source of a library contract.

    Raises:
        PoolError: code ``not_found``.
    """
    if name not in NAMES:
        raise PoolError(ErrorCode.NOT_FOUND, f"the library has no contract {name!r}; it has {', '.join(NAMES)}")
    return files(__name__).joinpath(f"{name}.py").read_text(encoding="utf-8")


def summary_of(name: str) -> str:
    """The first line of its documentation."""
    documentation = ast.get_docstring(ast.parse(source_of(name))) or ""
    return documentation.partition("\n")[0]


def expand_parts(parameters: dict[str, Any]) -> dict[str, Any]:
    """Put sources in place of ``{"library": NAME}`` in ``parts``, at every depth, so that what is deployed is whole.

    Raises:
        PoolError: code ``not_found`` for a name that the library does not have.
    """
    parts = parameters.get("parts")
    if not isinstance(parts, list):
        return parameters
    return {**parameters, "parts": [_expand_part(part) for part in parts]}


def _expand_part(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    whole = {name: value for name, value in part.items() if name != "library"}
    if "library" in part:
        whole["source"] = source_of(part["library"])
    if isinstance(whole.get("parameters"), dict):
        whole["parameters"] = expand_parts(whole["parameters"])
    return whole
