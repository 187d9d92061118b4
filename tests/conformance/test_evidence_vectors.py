"""Good and bad evidence files: the project's verifier and one that shares no code with it say the same of all of them.

Expected codes and steps stand in the index, which was written by hand: neither verifier has made them up.
"""

import ast
import importlib.util
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

from chain.errors import PoolError
from chain.genesis import Genesis, parse_genesis
from chain.proofs.checkpoints import trusted_head
from chain.proofs.history import TreeHead
from chain.proofs.trust import TrustHistory
from evidence.kinds import verify_any_evidence
from tests.edge.damage import SPOIL
from tests.vectors.evidence_files import FOLDER, evidence_contents

SCRIPT = Path(__file__).parents[2] / "examples" / "verify_evidence.py"
INDEX = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
GOOD = {case["file"]: case for case in INDEX["good"]}
BAD = {case["file"]: case for case in INDEX["bad"]}
DAMAGED_EACH = 12
"""Damaged copies of each good file in the comparison of both verifiers."""

SPLICED_EACH = 12
"""Copies of each good file with a part of another."""

Finding = tuple[str, ...]
"""Titles of all steps, or of the step that refuses, its number, and the code."""


@cache
def genesis() -> Genesis:
    return parse_genesis((FOLDER / INDEX["genesis"]).read_bytes())


@cache
def tree() -> TreeHead:
    keys = TrustHistory(genesis())
    return trusted_head((FOLDER / INDEX["checkpoint"]).read_bytes(), keys)


@cache
def independent() -> ModuleType:
    spec = importlib.util.spec_from_file_location("independent_verifier", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def network() -> Any:
    return independent().Network((FOLDER / INDEX["genesis"]).read_bytes())


@cache
def checkpoint() -> Any:
    return independent().trusted_checkpoint(network(), (FOLDER / INDEX["checkpoint"]).read_bytes())


def project_finding(content: bytes, with_checkpoint: bool) -> Finding:
    try:
        steps = list(verify_any_evidence(content, TrustHistory(genesis()), tree() if with_checkpoint else None))
    except PoolError as error:
        return "refused", str(error.context["step"]), str(error.context["step_title"]), error.code.value
    return tuple(step.title for step in steps)


def independent_finding(content: bytes, with_checkpoint: bool) -> Finding:
    module = independent()
    try:
        steps = list(module.verify(content, network(), checkpoint() if with_checkpoint else None))
    except module.Refused as error:
        return "refused", str(error.step), error.title, error.code
    return tuple(title for number, title, _ in steps if number)


def findings(content: bytes, with_checkpoint: bool) -> Finding:
    """What both verifiers say, who must agree."""
    found = project_finding(content, with_checkpoint)
    assert independent_finding(content, with_checkpoint) == found
    return found


def test_the_files_are_what_this_code_makes() -> None:
    """After a deliberate change: ``python -m tests.vectors.make``."""
    contents = evidence_contents()
    there = {str(path.relative_to(FOLDER)): path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}
    assert sorted(there) == sorted(contents)
    assert [name for name, content in contents.items() if there[name] != content] == []


def test_every_kind_has_good_files_and_bad_ones_of_every_step() -> None:
    kinds = {case["file"]: case["kind"] for case in INDEX["good"]}
    assert set(kinds.values()) == {"record", "disclosure", "read", "no-grant", "no-read", "misbehaviour"}
    refused = {(kinds[case["made_from"]], case["step"]) for case in INDEX["bad"]}
    steps = {(case["kind"], step) for case in INDEX["good"] for step in case["steps"]}
    shared = {  # verified by the same code for every kind, and spoiled in files of records
        *((kind, "chain") for kind in kinds.values()),
        *(("disclosure", step) for step in ("block", "quorum", "order", "member", "signature", "dataset")),
    }
    undecided = {("read", "decision")}  # no step but a sentence: what it says follows from steps 2 and 3
    assert steps - refused <= shared | undecided
    assert len(BAD) >= 40
    assert min(Counter(kinds[case["made_from"]] for case in INDEX["bad"]).values()) >= 5


@pytest.mark.parametrize("file", GOOD)
@pytest.mark.parametrize("with_checkpoint", [False, True])
def test_good_files_hold(file: str, with_checkpoint: bool) -> None:
    found = findings((FOLDER / file).read_bytes(), with_checkpoint)
    if GOOD[file]["needs_checkpoint"] and not with_checkpoint:
        assert found == ("refused", "3", "quorum", "bad_certificate")
    else:
        assert found == tuple(GOOD[file]["steps"])


@pytest.mark.parametrize("file", BAD)
def test_s58_bad_files_are_refused_at_their_step_with_their_code(file: str) -> None:
    case, content = BAD[file], (FOLDER / file).read_bytes()
    steps = GOOD[case["made_from"]]["steps"]
    refused = ("refused", str(steps.index(case["step"]) + 1), case["step"], case["code"])
    assert findings(content, with_checkpoint=True) == refused
    without = findings(content, with_checkpoint=False)
    assert without == (tuple(steps) if case["needs_checkpoint"] else refused)


@pytest.mark.parametrize("file", GOOD)
def test_s58_both_say_the_same_of_damaged_files(file: str) -> None:
    random, content = Random(file), (FOLDER / file).read_bytes()
    for _ in range(DAMAGED_EACH):
        findings(SPOIL["json"](content, random), with_checkpoint=True)


def places_of(value: Any, holder: Any = None, key: Any = None) -> Iterator[tuple[Any, Any, str]]:
    """Every part of a file: what holds it, under which key, and its shape."""
    if holder is not None:
        yield holder, key, ",".join(sorted(value)) if isinstance(value, dict) else type(value).__name__
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for child_key, child in items:
        yield from places_of(child, value, child_key)


@cache
def parts_by_shape() -> dict[str, list[Any]]:
    """Parts of all good files, to put in the place of others."""
    found = defaultdict(list)
    for file in GOOD:
        for holder, key, shape in places_of(json.loads((FOLDER / file).read_bytes())):
            found[shape].append(holder[key])
    return found


@pytest.mark.parametrize("file", GOOD)
def test_s58_both_say_the_same_of_spliced_files(file: str) -> None:
    """A part from another place or another file, of the same shape: each true by itself, and seldom where it stands."""
    random = Random(f"splice {file}")
    for _ in range(SPLICED_EACH):
        value = json.loads((FOLDER / file).read_bytes())
        holder, key, shape = random.choice(list(places_of(value)))
        holder[key] = random.choice(parts_by_shape()[shape])
        findings(json.dumps(value).encode(), with_checkpoint=random.random() < 0.5)


def test_the_other_verifier_needs_nothing_of_the_project() -> None:
    tree_ = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else name.name
        for node in ast.walk(tree_)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    tops = {name.partition(".")[0] for name in imported}
    assert tops - set(sys.stdlib_module_names) == {"cryptography"}


def run_script(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_the_script_prints_its_steps_and_what_was_proved(tmp_path: Path) -> None:
    genesis_file, note = FOLDER / INDEX["genesis"], FOLDER / INDEX["checkpoint"]
    erased = run_script(FOLDER / "good/record_erased.json", "--genesis", genesis_file, "--checkpoint", note)
    assert (erased.returncode, erased.stderr) == (0, "")
    lines = erased.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == [
        f"{number}. {title}" for number, title in enumerate(GOOD["good/record_erased.json"]["steps"], start=1)
    ]
    assert lines[-1].startswith("VERIFIED: ")
    assert "ERASED" in lines[-1]
    bad = run_script(FOLDER / "bad/record_duplicate_signer.json", "--genesis", genesis_file)
    assert (bad.returncode, len(bad.stdout.splitlines())) == (1, 2)
    assert bad.stderr.startswith("REFUSED at step 3, quorum: bad_certificate: ")


def test_the_script_tells_a_wrong_file_from_a_wrong_command(tmp_path: Path) -> None:
    good, genesis_file = FOLDER / "good/record.json", FOLDER / INDEX["genesis"]
    assert run_script(good).returncode == 2
    assert run_script(tmp_path / "nothing.json", "--genesis", genesis_file).returncode == 3
    assert run_script(good, "--genesis", good).returncode == 3
    forged = tmp_path / "forged.note"
    forged.write_bytes((FOLDER / INDEX["checkpoint"]).read_bytes().replace(b"\n11\n", b"\n12\n"))
    refused = run_script(good, "--genesis", genesis_file, "--checkpoint", forged)
    assert refused.returncode == 1
    assert "bad_checkpoint" in refused.stderr
