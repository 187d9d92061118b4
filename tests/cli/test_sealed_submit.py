"""Sealed submissions to real nodes: nothing leaks, and an interrupted one is resumed from its journal."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blockpool import Client
from chain.storage.lock import FolderLock
from cli.submit import journal_of
from tests.cli.access import ROOT, as_member, define_sealed, read, write_records
from tests.cli.commands import Done, run
from tests.processes import RunningNetwork

pytestmark = pytest.mark.integration


def test_sealed_records_leave_no_plaintext(running_network: RunningNetwork, contract: str, tmp_path: Path) -> None:
    dataset = define_sealed(running_network, contract, tmp_path)
    (tmp_path / "r.ndjson").write_text('{"n":1,"name":"a very secret flight"}\n')
    done = as_member(running_network, "aviation", "submit", tmp_path / "r.ndjson", "--dataset", dataset, "--json")
    assert (done.code, done.json["records"]) == (0, 1)
    kept = [
        path.read_bytes()
        for path in journal_of(tmp_path / "r.ndjson", dataset, running_network.network.genesis.chain_id).iterdir()
    ]
    assert not any(b"secret" in content for content in kept)
    shown = as_member(running_network, "aviation", "show", "record", done.json["first_record"])
    assert "Sealed, " in shown.out
    running_network.network.settle()
    files = [path for node in running_network.network.nodes.values() for path in node.home.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert [path for path in files if b"a very secret flight" in path.read_bytes()] == []


def test_sealing_is_insisted_on(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset = running_network.new_dataset()
    write_records(tmp_path / "r.ndjson", 1)
    submit = ("submit", tmp_path / "r.ndjson", "--dataset", dataset, "--sealed", "--json")
    done = as_member(running_network, "aviation", *submit)
    assert (done.code, done.json["error"]["code"]) == (1, "open_parcel_required")
    assert running_network.record_counts(dataset) == {0}


def test_sealed_records_are_checked_before_anything_is_sent(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    dataset = define_sealed(running_network, contract, tmp_path)
    submit = ("submit", tmp_path / "r.ndjson", "--dataset", dataset, "--commitments", "fields", "--json")
    (tmp_path / "r.ndjson").write_text('{"n":1}\n{"n":"two"}\n')
    done = as_member(running_network, "aviation", *submit)
    assert (done.code, done.json["error"]["code"], done.json["error"]["line"]) == (1, "schema_violation", 2)
    (tmp_path / "r.ndjson").write_text('{"n":1}\n\n{"n":2, "n":3}\n')
    done = as_member(running_network, "aviation", *submit)
    assert (done.code, done.json["error"]["code"], done.json["error"]["line"]) == (1, "schema_violation", 3)
    assert "Nothing was sent" in done.json["error"]["detail"]
    assert running_network.record_counts(dataset) == {0}


def test_killed_in_mid_stream_a_sealed_submission_resumes_without_duplicates(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    dataset = define_sealed(running_network, contract, tmp_path)
    file = tmp_path / "r.ndjson"
    bodies = write_records(file, 1500)
    signing = ("--genesis", running_network.genesis_file, "--key", running_network.key_file())
    arguments = ("submit", file, "--dataset", dataset, "--batch", 5, *signing, "--json")
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline_s = time.monotonic() + 30
    with Client(running_network.network.urls) as client:
        while client.dataset(dataset).totals.records < 100 and time.monotonic() < deadline_s:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
        before = client.dataset(dataset).totals.records
    assert 100 <= before < 1500
    assert journal_of(file, dataset, running_network.network.genesis.chain_id).is_dir()
    done = run(*arguments)
    assert (done.code, done.json["records"]) == (0, 1500)
    assert done.json["parcels_found"] * 5 >= before
    assert running_network.record_counts(dataset) == {1500}
    assert not list(journal_of(file, dataset, running_network.network.genesis.chain_id).glob("*.parcel"))
    out = tmp_path / "out.ndjson"
    assert read(running_network, dataset, "--purpose", "flight safety", "--out", out).code == 0
    assert sorted(out.read_bytes().splitlines()) == sorted(bodies)  # parcels in flight may change places


def test_a_sealed_file_is_shared_once_and_continued_when_it_has_grown(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    dataset = define_sealed(running_network, contract, tmp_path)
    file = tmp_path / "r.ndjson"

    def submit(count: int, *more: object) -> Done:
        write_records(file, count)
        return as_member(running_network, "aviation", "submit", file, "--dataset", dataset, "--json", *more)

    assert submit(5, "--batch", 2).json["parcels_found"] == 0
    again = submit(5)
    assert (again.code, again.json["records"], again.json["parcels_found"]) == (0, 5, 3)
    assert running_network.record_counts(dataset) == {5}
    grown = submit(9, "--batch", 3)
    assert (grown.code, grown.json["parcels"], grown.json["parcels_found"]) == (0, 5, 3)
    assert running_network.record_counts(dataset) == {9}
    shorter = submit(8)
    assert (shorter.code, shorter.json["error"]["code"]) == (2, "bad_request")
    assert "--again" in shorter.json["error"]["detail"]
    assert running_network.record_counts(dataset) == {9}
    assert submit(8, "--again").json["records"] == 8
    assert running_network.record_counts(dataset) == {17}
    assert submit(8).json["parcels_found"] == 1
    assert running_network.record_counts(dataset) == {17}


def test_two_submissions_of_one_file_do_not_run_at_once(
    running_network: RunningNetwork, contract: str, tmp_path: Path
) -> None:
    dataset = define_sealed(running_network, contract, tmp_path)
    file = tmp_path / "r.ndjson"
    write_records(file, 3)
    lock = FolderLock(journal_of(file, dataset, running_network.network.genesis.chain_id))
    done = as_member(running_network, "aviation", "submit", file, "--dataset", dataset, "--json")
    lock.close()
    assert (done.code, done.json["error"]["code"]) == (3, "data_folder_locked")
    assert f"in use by process {os.getpid()}" in done.json["error"]["detail"]
    assert running_network.record_counts(dataset) == {0}
