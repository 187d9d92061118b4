"""Runs tests on copies of the source tree, one copy a mutant, so that nothing here is ever changed."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.definition import PACKAGES, Mutant, mutated_sources, selection_of

COPIED = (*PACKAGES, "examples", "pyproject.toml", "tests")
"""What the tests need of the tree."""
TIMEOUT_S = 180
"""For the tests of one mutant. One that makes them hang is caught too."""
_TESTS_FAILED = 1
"""pytest's exit code; all others but 0 say that the tests could not be run."""
_FAILURE = re.compile(r"^(?:FAILED|ERROR) \S+?::(.+?)(?: - |$)", re.MULTILINE)


class TestsBroken(Exception):
    """The tests could not be run, or fail without a mutant: nothing can be said."""

    __test__ = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant."""

    mutant: Mutant
    caught_by: str | None
    """The test that failed first; None if the mutant survived."""
    duration_s: float


def judge(
    mutants: Sequence[Mutant], root: Path, jobs: int, report: Callable[[Verdict], None], timeout_s: float = TIMEOUT_S
) -> list[Verdict]:
    """Run every mutant's tests; verdicts in the mutants' order.

    Args:
        mutants: at least one.
        root: of the source tree, which stays as it is.
        jobs: how many to run at once.
        report: told of each verdict as it comes.
        timeout_s: for each. Without a mutant the tests have as long as always.

    Raises:
        TestsBroken: the tests fail on the tree as it is, or cannot be run.
        BadMutant: one does not fit the tree.
    """
    with _copy_of(root) as pristine:
        _verify_pristine(pristine, selection_of(mutants), len(mutants) * TIMEOUT_S)
        found: dict[str, Verdict] = {}
        with ThreadPoolExecutor(jobs) as pool:
            running = [pool.submit(_judge_one, mutant, pristine, timeout_s) for mutant in mutants]
            try:
                for future in as_completed(running):
                    verdict = future.result()
                    found[verdict.mutant.name] = verdict
                    report(verdict)
            finally:
                pool.shutdown(cancel_futures=True)
    return [found[mutant.name] for mutant in mutants]


def _verify_pristine(tree: Path, tests: Sequence[str], timeout_s: float) -> None:
    """The same tests on the tree as it is: a test that fails anyway catches nothing. Leaves compiled sources behind,
    which the mutants' copies share.
    """
    done = _run_tests(tree, tests, timeout_s)
    if done is None:
        raise TestsBroken(f"without a mutant the tests take longer than {timeout_s:.0f} s")
    if done.returncode:
        raise TestsBroken(f"without a mutant the tests fail:\n{_ends_of(done)}")


def _judge_one(mutant: Mutant, pristine: Path, timeout_s: float) -> Verdict:
    started_s = time.monotonic()
    with _copy_of(pristine) as tree:
        for relative, source in mutated_sources(mutant, tree).items():
            path = tree / relative
            path.write_text(source, encoding="utf-8")
            for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
                compiled.unlink()
        done = _run_tests(tree, mutant.tests, timeout_s, "-x")
    caught_by = "the time limit" if done is None else _first_failure(mutant, done)
    return Verdict(mutant, caught_by, time.monotonic() - started_s)


def _first_failure(mutant: Mutant, done: subprocess.CompletedProcess[str]) -> str | None:
    if done.returncode == 0:
        return None
    failures = _FAILURE.findall(done.stdout)
    if done.returncode != _TESTS_FAILED or not failures:
        raise TestsBroken(f"the tests of {mutant.name} cannot be run:\n{_ends_of(done)}")
    return str(failures[0])


def _run_tests(
    tree: Path, tests: Sequence[str], timeout_s: float, *options: str
) -> subprocess.CompletedProcess[str] | None:
    """Run tests in a copied tree; None if they do not end in time."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *tests]
    # What is installed elsewhere must not be tested in place of the copy.
    environment = os.environ | {"PYTHONPATH": str(tree)}
    try:
        return subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return None


def _ends_of(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout[-4000:] + done.stderr[-2000:]


@contextmanager
def _copy_of(root: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="blockpool-mutant-") as folder:
        tree = Path(folder) / "tree"
        tree.mkdir()
        for name in COPIED:
            source = root / name
            if source.is_dir():
                shutil.copytree(source, tree / name)
            elif source.exists():
                shutil.copy2(source, tree / name)
        yield tree
