"""Makes a callable of a contract's source. Part of the guest, and of ``contracts.local`` outside of it.

Not a security boundary: a contract shares this interpreter and may change anything in it. WebAssembly is the
boundary. What is here makes contracts pleasant to write: only modules that answer the same everywhere, clear
errors, and module-level names that start anew at every call, so that nothing is carried over by accident.

Standard library only, and only what the guest has frozen into its snapshot.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any

from contracts.parameters import verify_parameters

SOURCE_NAME = "contract.py"
ENTRY_POINT = "can_read"
PARAMETERS = "PARAMETERS"
"""Name of what a contract says of its parameters: a dict of ``Parameter``."""
ALLOWED_MODULES = frozenset(
    (  # noqa: SIM905  (a table of words)
        "__future__ base64 binascii bisect blockpool.contract calendar collections collections.abc copy dataclasses "
        "datetime decimal enum fractions functools hashlib heapq hmac itertools json math operator re statistics "
        "string struct textwrap types typing unicodedata zlib"
    ).split()
)
"""What a contract may import. All of it is pure."""

PRINTED_CHARACTERS_MAX = 4096
_HIDDEN = frozenset({"breakpoint", "copyright", "credits", "exit", "help", "input", "license", "open", "quit"})
_NO_PLAIN_FUNCTION = 0x20 | 0x80 | 0x200
"""Code flags of generators, coroutines and asynchronous generators."""


class BadContract(Exception):
    """The source is no contract."""


class Printed:
    """What contracts print: shown to their authors by ``blockpool contract test``, seen by nobody else.

    Attributes:
        text: what was printed in this call; what exceeds the bound is dropped.
    """

    def __init__(self) -> None:
        self.text = ""

    def clear(self) -> None:
        """Begin a call."""
        self.text = ""

    def write(self, *values: object, sep: str | None = " ", end: str | None = "\n", **_: object) -> None:
        """Stands in for ``print``."""
        text = (" " if sep is None else sep).join(map(str, values)) + ("\n" if end is None else end)
        self.text = (self.text + text[:PRINTED_CHARACTERS_MAX])[:PRINTED_CHARACTERS_MAX]


printed = Printed()


class ContractModule:
    """One contract's compiled source.

    Args:
        source: Python source text.
        name: the file name that errors carry.

    Raises:
        SyntaxError: it does not compile.
    """

    def __init__(self, source: str, name: str = SOURCE_NAME) -> None:
        self._code: CodeType = compile(source, name, "exec", dont_inherit=True)

    def entry_point(self) -> Callable[[Any, Any, Any], object]:
        """Run the module in a fresh namespace and take its function from there.

        Raises:
            BadContract: there is none, or it does not take (request, dataset, ctx).
        """
        return self._function(self._run())

    def verify(self, parameters: Any) -> list[str]:
        """Check that there is a function, and that these are the parameters which the contract takes, if it lists them.

        Returns:
            Names of the members that they name.

        Raises:
            BadContract: as ``entry_point``.
            BadParameters: what is wrong with them.
        """
        namespace = self._run()
        self._function(namespace)
        if PARAMETERS not in namespace:
            return []

        def verify_part(source: str, own: Any) -> list[str]:
            return ContractModule(source).verify(own)

        return verify_parameters(namespace[PARAMETERS], parameters, verify_part)

    def _run(self) -> dict[str, Any]:
        namespace: dict[str, Any] = {"__builtins__": _contract_builtins, "__name__": "contract"}
        exec(self._code, namespace)  # noqa: S102  (what the sandbox is for)
        return namespace

    def _function(self, namespace: dict[str, Any]) -> Callable[[Any, Any, Any], object]:
        function = namespace.get(ENTRY_POINT)
        if function is None:
            raise BadContract(f"the contract defines no function {ENTRY_POINT}(request, dataset, ctx)")
        code = getattr(function, "__code__", None)
        if not isinstance(code, CodeType) or code.co_flags & _NO_PLAIN_FUNCTION:
            raise BadContract(f"{ENTRY_POINT} must be a plain function")
        if code.co_argcount != 3 or code.co_kwonlyargcount:
            raise BadContract(f"{ENTRY_POINT} must take exactly (request, dataset, ctx)")
        return function  # type: ignore[no-any-return]


def _import_allowed(
    name: str,
    globals_: Mapping[str, object] | None = None,
    locals_: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> Any:
    if level or name not in ALLOWED_MODULES:
        raise ImportError(f"a contract cannot import {'.' * level}{name}; docs/contracts.md lists what it can")
    return __import__(name, None, None, fromlist or (), 0)


_contract_builtins: dict[str, Any] = {
    **{name: value for name, value in vars(builtins).items() if name not in _HIDDEN},
    "__import__": _import_allowed,
    "print": printed.write,
}
