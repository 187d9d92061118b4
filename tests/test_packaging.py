"""What is installed: a wheel holds every file that the packages need at run time (modules come by themselves, other
files are listed), a client needs none of the extras, and the folder that holds the checkout does not hide the package.
"""

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("audit", "blockpool", "chain", "cli", "consensus", "contracts", "evidence", "node", "sealing")
LEFT_OUT = (".py", ".pyc", ".md")
"""Modules and what is made of them; documents."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGE_DATA = PROJECT["tool"]["setuptools"]["package-data"]
EVIDENCE = ROOT / "tests" / "vectors" / "evidence"
GENESIS = str(EVIDENCE / "genesis.json")
RECORD = str(EVIDENCE / "good" / "record.json")


def modules_of(*extras: str) -> list[str]:
    """Modules that only these extras bring."""
    wanted = [entry for name in extras for entry in PROJECT["project"]["optional-dependencies"][name]]
    names = [re.split(r"[^a-z0-9-]", entry)[0].replace("-", "_") for entry in wanted]
    return [name for name in names if name != "blockpool"]


def run_without(modules: list[str], code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` where ``modules`` cannot be imported."""
    blocked = f"import sys; sys.modules.update(dict.fromkeys({modules}))\n"
    return subprocess.run(
        [sys.executable, "-c", blocked + code, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """``blockpool`` as a client's installation has it."""
    return run_without(modules_of("audit", "node", "parquet"), "import cli.main; cli.main.main()", *arguments)


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


def test_a_client_needs_no_extra() -> None:
    modules = modules_of("audit", "node")
    assert {"plyvel", "plyvel_next", "wasmtime", "fastapi", "uvicorn"} <= set(modules)
    done = run_without([*modules, "starlette", "pydantic"], "import blockpool, audit.chain, audit.parallel")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("verify", RECORD, "--genesis", GENESIS),
        ("audit", "chain", "--help"),
        ("node", "run", "--help"),
        ("genesis", "check", GENESIS),
    ],
)
def test_a_client_s_commands_need_no_extra(arguments: tuple[str, ...]) -> None:
    done = run_command(*arguments)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("node", "run", str(ROOT)), "node"),
        (("network", "init", "{new}", "--members", "a,b,c,d"), "audit"),
        (("contract", "check", str(ROOT / "contracts" / "library" / "open.py")), "audit"),
        (("audit", "chain", "{home}", "--genesis", GENESIS), "audit"),
        (("dataset", "infer", "{parquet}"), "parquet"),
    ],
)
def test_a_command_that_needs_an_extra_names_it(arguments: tuple[str, ...], extra: str, tmp_path: Path) -> None:
    (tmp_path / "data" / "blocks").mkdir(parents=True)
    (tmp_path / "config.toml").write_text("[node]\n")
    (tmp_path / "r.parquet").write_bytes(b"PAR1")
    places = {"new": tmp_path / "pool", "home": tmp_path, "parquet": tmp_path / "r.parquet"}
    done = run_command(*(argument.format_map(places) for argument in arguments))
    assert done.returncode == 3
    said = " ".join(done.stderr.split())
    assert "(extra_missing)" in said
    assert f"pip install 'blockpool[{extra}]'" in said
    assert "Traceback" not in said
    assert not (tmp_path / "pool").exists()


def test_the_folder_that_holds_the_checkout_does_not_hide_the_package(tmp_path: Path) -> None:
    (tmp_path / "blockpool").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", "import blockpool; print(blockpool.Client.__name__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "Client\n"), done.stderr
