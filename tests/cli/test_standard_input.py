"""Records from standard input, and files that are none."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.access import define_sealed
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


@pytest.mark.integration
def test_a_sealed_pipe_that_was_cut_is_sent_again_and_nothing_twice(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    dataset = define_sealed(running_network, contract, tmp_path)
    signing = ("--genesis", running_network.genesis_file, "--key", running_network.key_file())
    submit = ("submit", "-", "--format", "ndjson", "--dataset", dataset, "--batch", 10, *signing)
    content = b"".join(b'{"n":%d}\n' % number for number in range(95))
    unnamed = piped(content, *submit)
    assert unnamed.returncode == 2
    assert b"--journal" in unnamed.stderr
    assert running_network.record_counts(dataset) == {0}
    journal = ("--journal", tmp_path / "journals" / "daily")
    for sent in (content[: content.index(b'{"n":42}')], content, content):
        done = piped(sent, *submit, *journal)
        assert done.returncode == 0, done.stderr
    assert running_network.record_counts(dataset) == {95}
    shorter = piped(content[: content.index(b'{"n":7}')], *submit, *journal)
    assert shorter.returncode == 2
    assert b"not those that were shared" in shorter.stderr
    assert running_network.record_counts(dataset) == {95}


@pytest.mark.integration
def test_parquet_and_excel_are_shared_and_read_back(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset = running_network.new_dataset()
    signing = ("--genesis", running_network.genesis_file, "--key", running_network.key_file())
    pq.write_table(pa.table({"n": [1, 2, 3]}), tmp_path / "r.parquet")
    done = run("submit", tmp_path / "r.parquet", "--dataset", dataset, *signing, "--json")
    assert (done.code, done.json["records"]) == (0, 3), done.err
    for name in ("out.parquet", "out.xlsx"):
        read = run("read", dataset, "--out", tmp_path / name, *signing, "--json")
        assert (read.code, read.json["format"]) == (0, name[4:]), read.err
    assert pq.read_table(tmp_path / "out.parquet").to_pydict() == {"n": [1, 2, 3]}
    again = run("submit", tmp_path / "out.xlsx", "--dataset", dataset, *signing, "--json", "--dry-run")
    assert (again.code, again.json["records"]) == (0, 3), again.err
    assert list(tmp_path.glob(".*")) == [], "the spool has no name"
