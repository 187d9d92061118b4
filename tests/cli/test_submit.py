"""Submitting files to real nodes: interruption, repetition, bad records, rejections."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blockpool import Client, DatasetDefinition, ErrorCode, TransactionRejected
from cli.submit import journal_of, locate_rejection
from records.excel import ExcelWriter
from records.sources import NdjsonSource, SourceOptions, open_source, record_bodies
from tests.cli.commands import Done, run
from tests.processes import RunningNetwork
from tests.refusals import refuses

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


def submit_arguments(network: RunningNetwork, file: Path, dataset: str, *more: object) -> list[str]:
    signing = ("--genesis", network.genesis_file, "--key", network.key_file())
    return list(map(str, ("submit", file, "--dataset", dataset, *signing, *more)))


def submit(network: RunningNetwork, file: Path, dataset: str, *more: object) -> Done:
    return run(*submit_arguments(network, file, dataset, *more))


def write_records(path: Path, count: int) -> Path:
    path.write_text("".join(f'{{"n":{number}}}\n' for number in range(count)))
    return path


def test_a_file_is_shared_once_however_often_it_is_submitted(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset, file = running_network.new_dataset(), write_records(tmp_path / "r.ndjson", 95)
    first = submit(running_network, file, dataset, "--batch", 10, "--json")
    again = submit(running_network, file, dataset, "--batch", 10, "--json")
    assert (first.code, again.code) == (0, 0)
    assert (first.json["records"], first.json["parcels"], first.json["parcels_found"]) == (95, 10, 0)
    assert (again.json["records"], again.json["parcels_found"]) == (95, 10)
    assert again.json["first_record"] == first.json["first_record"]
    assert running_network.record_counts(dataset) == {95}


def test_csv_becomes_typed_records(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset = running_network.new_dataset()
    (tmp_path / "r.csv").write_text("n,name\n1,a\n2,\n")
    done = submit(running_network, tmp_path / "r.csv", dataset)
    assert done.code == 0
    assert "2 records in 1 parcels" in done.out
    with running_network.client() as client:
        assert [record.json() for record in client.records(dataset)] == [{"n": 1, "name": "a"}, {"n": 2, "name": ""}]


def test_killed_in_mid_stream_it_resumes_without_duplicates(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset, file = running_network.new_dataset(), write_records(tmp_path / "r.ndjson", 4000)
    arguments = submit_arguments(running_network, file, dataset, "--batch", 5, "--in-flight", 4)
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline_s = time.monotonic() + 30
    with Client(running_network.network.urls) as client:
        while client.dataset(dataset).totals.records < 200 and time.monotonic() < deadline_s:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
        before = client.dataset(dataset).totals.records
    assert 200 <= before < 4000
    done = submit(running_network, file, dataset, "--batch", 5, "--in-flight", 4, "--json")
    assert (done.code, done.json["records"]) == (0, 4000)
    assert done.json["parcels_found"] * 5 >= before
    assert running_network.record_counts(dataset) == {4000}


@pytest.mark.parametrize("has_journal", [True, False])
def test_a_file_that_grew_is_continued(running_network: RunningNetwork, tmp_path: Path, *, has_journal: bool) -> None:
    """Without the journal, whole parcels of the same size are known by their nonces."""
    dataset, file = running_network.new_dataset(), tmp_path / "r.ndjson"
    submit(running_network, write_records(file, 50), dataset, "--batch", 10)
    if not has_journal:
        shutil.rmtree(journal_of(file, dataset, running_network.network.genesis.chain_id))
    done = submit(running_network, write_records(file, 70), dataset, "--batch", 10, "--json")
    assert (done.json["parcels"], done.json["parcels_found"]) == (7, 5)
    assert running_network.record_counts(dataset) == {70}


def test_parcels_of_another_size_and_a_further_line_share_nothing_twice(
    running_network: RunningNetwork, tmp_path: Path
) -> None:
    dataset, file = running_network.new_dataset(), tmp_path / "r.ndjson"
    submit(running_network, write_records(file, 25), dataset, "--batch", 10)
    done = submit(running_network, write_records(file, 26), dataset, "--batch", 4, "--json")
    assert (done.json["parcels"], done.json["parcels_found"]) == (4, 3)
    assert running_network.record_counts(dataset) == {26}


def test_a_changed_record_is_named_and_nothing_is_shared(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset, file = running_network.new_dataset(), tmp_path / "r.ndjson"
    submit(running_network, write_records(file, 4), dataset, "--batch", 2)
    file.write_text(file.read_text().replace('{"n":3}', '{"n":30}'))
    done = submit(running_network, file, dataset, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "bad_request")
    assert "records 3 to 4 are not those" in done.json["error"]["detail"]
    assert running_network.record_counts(dataset) == {4}


def test_what_was_refused_is_sent_once_its_cause_is_mended(running_network: RunningNetwork, tmp_path: Path) -> None:
    """The schema forbids the records when they come to the validators, and allows them later."""
    dataset, file = running_network.new_dataset(), write_records(tmp_path / "r.ndjson", 3)
    network, identity = running_network.network, running_network.identity("aviation")
    strict = '{"type":"object","properties":{"n":{"type":"integer","maximum":1}}}'
    with running_network.client() as client:
        entry = client.dataset(dataset)

        def define(schema: str) -> None:
            client.define(DatasetDefinition(dataset, entry.title_zh, entry.title_en, schema))
            network.settle()

        define(strict)
        for options in ({"idempotency_key": "k"}, {"journal": tmp_path / "journal"}):
            with pytest.raises(TransactionRejected):
                client.submit(record_bodies(NdjsonSource(file, SourceOptions())), dataset, **options)
        define(entry.schema)
        for options in ({"idempotency_key": "k"}, {"journal": tmp_path / "journal"}):
            for is_earlier in (False, True):
                with Client(network.urls, network.genesis, identity) as again:
                    (receipt,) = again.submit(record_bodies(NdjsonSource(file, SourceOptions())), dataset, **options)
                assert receipt.is_earlier == is_earlier
    assert running_network.record_counts(dataset) == {6}


def test_a_file_whose_parcel_was_erased_is_no_success(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset, file = running_network.new_dataset(), write_records(tmp_path / "r.ndjson", 2)
    first = submit(running_network, file, dataset, "--json").json["first_record"]
    with running_network.client() as client:
        client.erase(bytes.fromhex(first.partition("/")[0]), "个人信息保护法")
    running_network.network.settle()
    done = submit(running_network, file, dataset, "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "parcel_erased")
    assert "--again" in done.json["error"]["detail"]
    assert submit(running_network, file, dataset, "--again").code == 0
    assert running_network.record_counts(dataset) == {4}


def test_a_bad_record_is_named_with_its_line_and_nothing_is_sent(
    running_network: RunningNetwork, tmp_path: Path
) -> None:
    dataset, file = running_network.new_dataset(), tmp_path / "r.ndjson"
    file.write_text('{"n":1}\n' * 700 + "\n" + '{"n":"two"}\n' + '{"n":3}\n')
    done = submit(running_network, file, dataset, "--json")
    assert done.code == 1
    error = done.json["error"]
    assert (error["code"], error["line"], error["column"]) == ("schema_violation", 702, "n")
    assert "/n breaks type" in error["detail"]
    assert running_network.record_counts(dataset) == {0}
    shown = submit(running_network, file, dataset)
    assert "line 702, column n: /n breaks type. Nothing was sent." in shown.err


def test_a_bad_csv_field_is_named_with_its_line(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset, file = running_network.new_dataset(), tmp_path / "r.csv"
    file.write_text("n\n1\nx\n")
    done = submit(running_network, file, dataset, "--json")
    assert (done.code, done.json["error"]["line"]) == (1, 3)
    assert running_network.record_counts(dataset) == {0}


def test_a_rejection_by_the_validators_is_located_in_the_file(running_network: RunningNetwork, tmp_path: Path) -> None:
    """The schema may change between check and commit; then the validators refuse, and name the record in its parcel."""
    dataset, file = running_network.new_dataset(), tmp_path / "r.ndjson"
    file.write_text('{"n":1}\n\n{"n":2}\n{"n":3}\n{}\n')
    source = NdjsonSource(file, SourceOptions())
    with running_network.client() as client, pytest.raises(TransactionRejected) as raised:
        client.submit(record_bodies(source), dataset, parcel_records=2)
    error = locate_rejection(raised.value, source, confirmed=2)
    assert error.code is ErrorCode.SCHEMA_VIOLATION
    assert (error.context["record_index"], error.context["line"]) == (3, 5)
    assert error.detail.startswith("line 5: record 1")
    assert error.detail.endswith("2 records before it are shared; of its parcel no node keeps any record.")


def test_records_for_anothers_dataset_never_leave_the_machine(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset = running_network.new_dataset("registry")
    file = write_records(tmp_path / "r.ndjson", 3)
    with running_network.client() as client:
        height = client.status().height
        done = submit(running_network, file, dataset, "--json")
        assert (done.code, done.json["error"]["code"]) == (1, "not_owner")
        with refuses(ErrorCode.NOT_OWNER):
            client.submit([b'{"n":1}'], dataset)
        assert client.status().height == height


def test_an_unknown_dataset_is_said(running_network: RunningNetwork, tmp_path: Path) -> None:
    done = submit(running_network, write_records(tmp_path / "r.ndjson", 3), "aviation.nothing", "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "not_found")


def test_a_file_without_records_is_no_success(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset = running_network.new_dataset()
    (tmp_path / "r.csv").write_text("n,name\n")
    for file in (write_records(tmp_path / "r.ndjson", 0), tmp_path / "r.csv"):
        done = submit(running_network, file, dataset, "--json")
        assert (done.code, done.json["error"]["code"]) == (1, "malformed")
        assert "holds no records" in done.json["error"]["detail"]


def test_a_dry_run_names_every_problem_and_sends_nothing(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset, file = running_network.new_dataset(), tmp_path / "r.csv"
    file.write_bytes("n,name\n1,航\nx,b\n2\n".encode("gb18030"))
    shown = submit(running_network, file, dataset, "--dry-run")
    assert shown.code == 1
    assert "CSV, GB18030, comma" in shown.err
    assert "2 problems" in shown.err
    assert "'x' is not integer" in shown.err
    assert "1 cells, but the first line names 2 columns" in shown.err
    file.write_bytes("n,name\n1,航\n".encode("gb18030"))
    good = submit(running_network, file, dataset, "--dry-run", "--json")
    assert (good.code, good.json["records"], good.json["read_as"]) == (0, 1, "CSV, GB18030, comma")
    assert running_network.record_counts(dataset) == {0}


def test_a_workbook_is_shared_and_read_again(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset = running_network.new_dataset()
    with (tmp_path / "r.xlsx").open("wb") as stream:
        sheet = ExcelWriter(stream)
        for row in (["n", "名"], [1, "007"], [2, "=x"]):
            sheet.write(row)
        sheet.close()
    assert submit(running_network, tmp_path / "r.xlsx", dataset).code == 0
    signing = ("--genesis", running_network.genesis_file, "--key", running_network.key_file())
    done = run("read", dataset, "--out", tmp_path / "back.xlsx", *signing, "--json")
    assert (done.code, done.json["format"]) == (0, "xlsx")
    bodies = list(record_bodies(open_source(tmp_path / "back.xlsx", '{"properties":{"n":{"type":"integer"}}}')))
    assert bodies == ['{"n":1,"名":"007"}'.encode(), '{"n":2,"名":"=x"}'.encode()]
    assert run("read", dataset, "--out", tmp_path / "back.xls", *signing).code == 2


def test_other_kinds_of_files_are_wrong_usage(running_network: RunningNetwork, tmp_path: Path) -> None:
    (tmp_path / "r.xls").write_bytes(b"PK")
    done = submit(running_network, tmp_path / "r.xls", running_network.new_dataset())
    assert done.code == 2


def test_the_member_of_an_unlisted_key_must_be_named(running_network: RunningNetwork, tmp_path: Path) -> None:
    run("keys", "new", tmp_path / "k.pem")
    arguments = ("submit", write_records(tmp_path / "r.ndjson", 1), "--dataset", "aviation.x")
    signing = ("--genesis", running_network.genesis_file, "--key", tmp_path / "k.pem", "--json")
    done = run(*arguments, *signing)
    assert (done.code, done.json["error"]["code"]) == (1, "unknown_key")


def test_what_records_were_made_from_is_signed_with_them(running_network: RunningNetwork, tmp_path: Path) -> None:
    source, dataset = running_network.new_dataset(), running_network.new_dataset()
    first = submit(running_network, write_records(tmp_path / "s.ndjson", 3), source, "--json").json["first_record"]
    running_network.network.settle()
    parcel = first.partition("/")[0]
    sources = ("--derived-from", f"{parcel}/2", "--derived-from", first)
    file = write_records(tmp_path / "r.ndjson", 20)
    made = submit(running_network, file, dataset, "--batch", 10, *sources, "--json").json
    assert made["parcels"] == 2
    with running_network.client() as client:
        fields = client.transaction(bytes.fromhex(made["first_record"].partition("/")[0])).fields
    assert fields["derived_from"] == [[parcel, 2], [parcel, 0]]


@pytest.mark.parametrize("source", ["{parcel}/3", "00" * 32 + "/0"])
def test_a_source_that_is_not_there_is_named_and_nothing_is_sent(
    running_network: RunningNetwork, tmp_path: Path, source: str
) -> None:
    dataset, file = running_network.new_dataset(), write_records(tmp_path / "r.ndjson", 3)
    first = submit(running_network, file, dataset, "--json").json["first_record"]
    running_network.network.settle()
    named = source.format(parcel=first.partition("/")[0])
    refused = submit(running_network, file, dataset, "--derived-from", named, "--json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "not_found")
    assert running_network.record_counts(dataset) == {3}
