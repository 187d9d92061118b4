"""``python -m tests.roots [--locked] [--python PATH ...]``: compares every root of the same long, hostile chains across
interpreters and library versions. Exit code 1 with the first difference if there is one.

Each interpreter executes the recording with the locked versions of the libraries, and without --locked also with the
oldest and with the newest that pyproject.toml permits; each time with another hash seed, locale and time zone, and with
or without -O. Environments are kept in the user's cache folder.
"""

import argparse
import fcntl
import hashlib
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from tests.roots.compare import Result, first_difference

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"
MINORS = range(11, 15)
SURROUNDINGS = (("C", "UTC"), ("C.UTF-8", "Asia/Shanghai"), ("tr_TR.UTF-8", "Pacific/Chatham"), ("zh_CN.GB18030", ""))
"""(locale, time zone)."""
LISTED = ("cryptography", "msgspec", "orjson", "pycryptodome", "pynacl", "plyvel", "plyvel-next", "wasmtime")
"""Of the libraries whose versions are printed: those that consensus executes with."""

Versions = Literal["locked", "oldest", "newest"]


class Combination(NamedTuple):
    """An interpreter with versions of the libraries."""

    python: Path
    versions: Versions


def interpreters() -> Iterator[Path]:
    """The newest of each minor version that the machine has: on the PATH, or installed by pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in MINORS:
        name = f"python3.{minor}"
        places = [Path(folder) / name for folder in os.get_exec_path()]
        places += sorted(pyenv.glob(f"3.{minor}.*/bin/{name}"), reverse=True)
        for place in places:
            works = place.is_file() and subprocess.run(
                [place, "-c", "import ensurepip"], capture_output=True, check=False
            )
            if works and works.returncode == 0:
                yield place
                break


def requirements(versions: Versions) -> list[str]:
    """What pip is to install."""
    if versions == "locked":
        return ["--require-hashes", "--no-deps", "-r", str(LOCK)]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["audit"]]
    return ["--upgrade", *(each.replace(">=", "==", 1) if versions == "oldest" else each for each in wanted)]


def environment_of(combination: Combination, cache: Path) -> Path:
    """The interpreter of an environment with these libraries, made if it is not there yet."""
    arguments = requirements(combination.versions)
    content = LOCK.read_bytes() if combination.versions == "locked" else b""
    digest = hashlib.sha256(repr((str(combination.python), arguments)).encode() + content).hexdigest()[:16]
    name = f"{combination.python.name}-{combination.versions}"
    folder = cache / f"{name}-{digest}"
    python, stamp = folder / "bin" / "python", folder / ".made"
    if not stamp.is_file() or combination.versions == "newest":
        for old in cache.glob(f"{name}-*"):
            shutil.rmtree(old)
        subprocess.run([combination.python, "-m", "venv", folder], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
        subprocess.run([*pip, *arguments], check=True)
        stamp.touch()
    return python


def versions_of(python: Path) -> str:
    """An interpreter and the libraries that consensus executes with."""
    code = (
        "import sys; from importlib.metadata import version, PackageNotFoundError as E\n"
        "def f(n):\n try: return [f'{n} {version(n)}']\n except E: return []\n"
        f"print('CPython', sys.version.split()[0], *(x for n in {LISTED} for x in f(n)), sep=', ')"
    )
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def execute(python: Path, recording: Path, number: int) -> tuple[str, list[str]]:
    """Execute the recording; how it was run, and every root."""
    locale, zone = SURROUNDINGS[number % len(SURROUNDINGS)]
    hash_seed = str(random.SystemRandom().randrange(2**32))
    options = ["-O"] if number % 2 else []
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "LC_ALL": locale, "TZ": zone, "PYTHONPATH": str(ROOT)}
    command = [python, *options, "-m", "tests.roots.execute", recording]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return (
        f"hash seed {hash_seed}, LC_ALL {locale}, TZ {zone or 'none'}{', -O' if options else ''}",
        done.stdout.splitlines(),
    )


def compare(pythons: Sequence[Path], kinds: Sequence[Versions], cache: Path) -> int:
    """Compare all combinations; the exit code."""
    from tests.roots.hostile import record

    combinations = [Combination(*each) for each in itertools.product(pythons, kinds)]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        recording = Path(folder) / "recording.json"
        record(recording)
        made = list(pool.map(lambda each: environment_of(each, cache), combinations))
        runs = list(pool.map(lambda numbered: execute(numbered[1], recording, numbered[0]), enumerate(made)))
    results = []
    for combination, python, (how, lines) in zip(combinations, made, runs, strict=True):
        print(f"{combination.versions}: {versions_of(python)}\n    {how}: {len(lines):,} roots and outcomes")
        results.append(Result(f"{combination.python.name}, {combination.versions}", lines))
    if (difference := first_difference(results)) is not None:
        print(difference)
        return 1
    print(f"{len(results)} combinations agree on {len(results[0].lines):,} roots and outcomes.")
    return 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.roots", description=__doc__)
    parser.add_argument("--locked", action="store_true", help="the locked versions only")
    parser.add_argument("--python", action="append", type=Path, help="an interpreter; by default all that are found")
    options = parser.parse_args()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "blockpool" / "roots"
    cache.mkdir(parents=True, exist_ok=True)
    kinds: Sequence[Versions] = ("locked",) if options.locked else get_args(Versions)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other checkouts of this user share the environments
        return compare(options.python or list(interpreters()), kinds, cache)


if __name__ == "__main__":
    sys.exit(main())
