"""Records from standard input, and files that are none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import run
from tests.processes import RunningNetwork

ROOT = Path(__file__).resolve().parents[2]


def piped(content: bytes, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    """Runs a command with its standard input a pipe."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *map(str, arguments)],
        input=content,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": os.environ.get("TMPDIR", "/tmp")},
        timeout=60,
        check=False,
    )


def test_fields_are_proposed_from_a_pipe_whose_format_is_said() -> None:
    done = piped("编号,n\n001,2\n".encode("gb18030"), "dataset", "infer", "-", "--format", "csv", "--json")
    assert done.returncode == 0, done.stderr
    assert b'"name": "\xe7\xbc\x96\xe5\x8f\xb7"' in done.stdout
    unsaid = piped(b"a\n1\n", "dataset", "infer", "-")
    assert unsaid.returncode == 2
    assert b"say --format" in unsaid.stderr


def test_the_format_that_is_said_goes_before_the_names_end(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("a\tb\n1;2\t3\n")
    assert run("dataset", "infer", tmp_path / "r.txt").code == 2
    done = run("dataset", "infer", tmp_path / "r.txt", "--format", "tsv", "--json")
    assert [field["name"] for field in done.json["fields"]] == ["a", "b"]


def test_a_pipe_as_a_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "r.csv")
    done = run("dataset", "infer", tmp_path / "r.csv")
    assert done.code == 2
    assert "no regular file" in done.err


@pytest.mark.integration
def test_a_pipe_is_shared_once(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    signing = ("--genesis", running_network.genesis_file, "--key", running_network.key_file())
    content = b"".join(b'{"n":%d}\n' % number for number in range(95))
    for _ in range(2):
        done = piped(content, "submit", "-", "--format", "ndjson", "--dataset", dataset, "--batch", 10, *signing)
        assert done.returncode == 0, done.stderr
    assert running_network.record_counts(dataset) == {95}
