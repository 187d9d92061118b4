"""Imports point one way: chain <- contracts, chain <- consensus, both <- evidence, all of these <- node; cli and
blockpool stand outside.

The rule is what lets a part be read, tested and trusted on its own. Three sharper cases:

- `consensus` is synchronous and pure. It gets time as ticks and hands out effects, so nothing that reads a clock,
  a socket, a disk or randomness may come in, from the standard library either.
- Only `cli` has a terminal: what computes tells a callback how far it is.
- `cli` may start the daemon, through `node.daemon` and nothing else of `node`; otherwise it speaks HTTP like anyone.

Every import statement counts, inside functions and under `TYPE_CHECKING` too: a type is a dependency as well.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

ALLOWED_PACKAGES: dict[str, frozenset[str]] = {
    "chain": frozenset({"chain"}),
    "consensus": frozenset({"chain", "consensus"}),
    "sealing": frozenset({"chain", "sealing"}),
    "contracts": frozenset({"chain", "contracts"}),
    "evidence": frozenset({"chain", "consensus", "sealing", "contracts", "evidence"}),
    "audit": frozenset({"chain", "consensus", "sealing", "contracts", "evidence", "audit"}),
    "records": frozenset({"chain", "sealing", "records"}),
    "node": frozenset({"chain", "consensus", "sealing", "contracts", "evidence", "records", "node"}),
    "blockpool": frozenset({"chain", "sealing", "contracts", "evidence", "audit", "records", "blockpool"}),
    "cli": frozenset({"chain", "sealing", "contracts", "evidence", "audit", "records", "blockpool", "cli"}),
}
OUTSIDE = frozenset({"tests", "bench", "examples"})
"""May import anything of ours, and nothing of ours may import them."""

ALLOWED_MODULES: dict[str, frozenset[str]] = {
    "cli": frozenset({"node.daemon"}),
    "contracts": frozenset({"blockpool.contract"}),
}
"""Single modules a package may import beyond its packages. The contracts of ``contracts/library`` are texts that run in
the sandbox, where ``blockpool.contract`` is the guest's own."""

# fmt: off
IMPURE_MODULES = frozenset({
    "asyncio", "concurrent", "datetime", "fcntl", "glob", "http", "io", "logging", "mmap", "multiprocessing", "os",
    "pathlib", "platform", "plyvel", "plyvel_next", "queue", "random", "secrets", "select", "selectors", "shutil",
    "signal", "socket", "socketserver", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time",
    "urllib", "uuid", "uvloop",
})
# fmt: on
TERMINAL_MODULES = frozenset({"click", "rich"})


class Violation(NamedTuple):
    """One import that breaks the rule."""

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


def imported_modules(tree: ast.Module, package: str) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted module) for every import; `from a import b` yields `a.b`, which may name a module or a value.

    `package` is the dotted package that the module lies in, to which relative imports are resolved.
    """
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield statement.lineno, alias.name
        elif isinstance(statement, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - statement.level + 1] if statement.level else []
            base = ".".join([*parts, *([statement.module] if statement.module else [])])
            for alias in statement.names:
                yield statement.lineno, f"{base}.{alias.name}"


def reason_against(importer: str, module: str) -> str | None:
    """Say why top-level package `importer` must not import dotted `module`, or None if it may."""
    target = module.split(".")[0]
    if importer == "consensus" and target in IMPURE_MODULES:
        return (
            f"consensus imports {target}: the consensus core is pure and gets time, I/O and randomness "
            "only through its inputs, so that the simulator and the daemon run the same code"
        )
    if target in TERMINAL_MODULES and importer != "cli":
        return f"{importer} imports {module}: only cli has a terminal"
    if target not in ALLOWED_PACKAGES and target not in OUTSIDE:
        return None
    if target in ALLOWED_PACKAGES[importer]:
        return None
    if any(module == name or module.startswith(name + ".") for name in ALLOWED_MODULES.get(importer, ())):
        return None
    allowed = ", ".join(sorted(ALLOWED_PACKAGES[importer] | ALLOWED_MODULES.get(importer, frozenset())))
    return f"{importer} imports {module}: imports point one way, and {importer} may import only {allowed}"


def find_violations(root: Path) -> list[Violation]:
    """Check every module of our packages under `root`."""
    violations = []
    for importer in ALLOWED_PACKAGES:
        for path in sorted((root / importer).rglob("*.py")):
            relative = path.relative_to(root)
            package = ".".join(relative.parent.parts)
            tree = ast.parse(path.read_bytes(), filename=str(relative))
            for line, module in imported_modules(tree, package):
                if reason := reason_against(importer, module):
                    violations.append(Violation(relative, line, reason))
    return violations


def test_imports_point_one_way() -> None:
    violations = find_violations(ROOT)
    assert not violations, "\n" + "\n".join(map(str, violations))


def test_rule_knows_every_package() -> None:
    """A renamed or new package would otherwise pass without having been looked at."""
    packages = {folder.parent.name for folder in ROOT.glob("*/__init__.py")}
    assert packages <= set(ALLOWED_PACKAGES) | OUTSIDE
    assert packages >= {"chain", "consensus", "node", "cli", "blockpool"}


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("chain/blocks.py", "import node.links", "chain imports node.links"),
        ("chain/blocks.py", "\ndef f():\n    from consensus import core", "chain imports consensus.core"),
        ("chain/state/tree.py", "from ...node import links", "chain imports node.links"),
        ("consensus/core.py", "import time", "consensus imports time"),
        ("consensus/core.py", "from random import Random", "consensus imports random"),
        ("audit/walk.py", "from rich.progress import Progress", "audit imports rich.progress.Progress: only cli"),
        ("contracts/engine.py", "from consensus.core import Core", "contracts imports consensus.core.Core"),
        ("node/api.py", "from cli.main import main", "node imports cli.main.main"),
        ("blockpool/client.py", "from node.daemon import run", "blockpool imports node.daemon.run"),
        ("cli/main.py", "from node import links", "cli imports node.links"),
        ("cli/main.py", "from node import daemon_helpers", "cli imports node.daemon_helpers"),
        ("node/api.py", "from tests.node import fakes", "node imports tests.node.fakes"),
    ],
)
def test_checker_finds_a_violation(tmp_path: Path, path: str, source: str, expected: str) -> None:
    module = tmp_path / path
    module.parent.mkdir(parents=True)
    module.write_text(source)
    found = find_violations(tmp_path)
    assert len(found) == 1
    assert str(found[0]).startswith(f"{path}:{1 + source.strip(' ').count(chr(10))}: {expected}")


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("chain/state/tree.py", "import os\nfrom ..blocks import BlockHeader\nfrom . import node_of_tree"),
        ("consensus/core.py", "from chain.quorum import quorum\nfrom .quorum import tally"),
        ("node/loop.py", "from consensus.core import Core\nimport chain.blocks"),
        ("cli/node.py", "from node.daemon import run\nfrom node import daemon\nimport node.daemon"),
    ],
)
def test_checker_lets_allowed_imports_pass(tmp_path: Path, path: str, source: str) -> None:
    module = tmp_path / path
    module.parent.mkdir(parents=True)
    module.write_text(source)
    assert find_violations(tmp_path) == []
