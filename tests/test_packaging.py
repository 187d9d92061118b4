"""A wheel holds every file that the packages need at run time: modules come by themselves, other files are listed."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("blockpool", "chain", "cli", "consensus", "contracts", "evidence", "node")
LEFT_OUT = (".py", ".pyc", ".md")
"""Modules and what is made of them; documents."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGE_DATA = PROJECT["tool"]["setuptools"]["package-data"]


def is_packaged(path: Path) -> bool:
    """Whether ``pyproject.toml`` lists a data file, given relative to the root."""
    for package, patterns in PACKAGE_DATA.items():
        folder = path.parent if package == "*" else Path(*package.split("."))
        if path.is_relative_to(folder) and any(fnmatch(str(path.relative_to(folder)), pattern) for pattern in patterns):
            return True
    return False


def test_every_data_file_is_packaged() -> None:
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    data = [path.relative_to(ROOT) for path in paths if path.suffix not in LEFT_OUT]
    assert Path("contracts/guest/guest.wasm.xz") in data
    assert [str(path) for path in data if not is_packaged(path)] == []


def test_every_package_is_typed() -> None:
    assert [package for package in PACKAGES if not (ROOT / package / "py.typed").is_file()] == []
