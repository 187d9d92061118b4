"""One case, one person, three fields, from the command line: defined, sealed, asked for, read, audited."""

import json
from pathlib import Path

import pytest

from tests.cli.access import CATALOGUE, as_member, deploy, read
from tests.cli.commands import run
from tests.processes import RunningNetwork

pytestmark = pytest.mark.integration

SCHEMA = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("id", "name", "phone", "diagnosis")},
    "required": ["id"],
    "key": ["id"],
}
PURPOSE = ("--purpose", "flight safety", "--json")


def test_s120_one_person_and_some_fields_are_read_and_nobody_else(
    running_network: RunningNetwork, tmp_path: Path
) -> None:
    contract, dataset = deploy(running_network, tmp_path), f"aviation.people-{running_network.new_number()}"
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    titles = ("--title-zh", "人员", "--title-en", "People", "--schema", tmp_path / "schema.json")
    parts = ("--column", "name,id", "--column", "phone", "--by-record")
    define = ("dataset", "define", dataset, *titles, "--sharing", "conditional", "--contract", contract, *CATALOGUE)
    defined = as_member(running_network, "aviation", *define, *parts, "--json")
    assert defined.json["granularity"] == {"columns": [["name", "id"], ["phone"], ["diagnosis"]], "by_record": True}
    running_network.network.settle()
    assert "record and column" in run("dataset", "show", dataset, "--node", running_network.network.urls[0]).out

    rows = [{"id": f"p{n}", "name": f"n{n}", "phone": f"{n}00", "diagnosis": "secret"} for n in range(40)]
    (tmp_path / "people.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    submit = ("submit", tmp_path / "people.ndjson", "--dataset", dataset)
    assert as_member(running_network, "aviation", *submit).code == 0
    running_network.network.settle()
    found = as_member(running_network, "aviation", "find", dataset, "p7", "--json")

    out = tmp_path / "one.ndjson"
    asked = ("--record-key", found.json["key"], "--field", "name", "--field", "id", "--out", out)
    done = read(running_network, dataset, *asked, *PURPOSE)
    assert (done.code, done.json["records"]) == (0, 1), done.err
    assert json.loads(out.read_text()) == {"name": "n7", "id": "p7"}

    record = read(running_network, dataset, "--record", found.json["record"], "--out", out, *PURPOSE)
    assert (record.code, json.loads(out.read_text())) == (0, rows[7])
    part = read(running_network, dataset, "--field", "name", "--out", out, *PURPOSE)
    assert (part.code, part.json["error"]["code"]) == (1, "fields_not_openable")
    everybody = read(running_network, dataset, "--field", "phone", "--out", out, *PURPOSE)
    assert (everybody.json["records"], json.loads(out.read_text().splitlines()[3])) == (40, {"phone": "300"})

    shown = tmp_path / "d.json"
    disclose = ("disclose", found.json["record"], "--request", record.json["request"], "--out", shown)
    assert as_member(running_network, "meteorology", *disclose, "--field", "phone").code == 0
    verified = run("verify", shown, "--genesis", running_network.genesis_file)
    assert (verified.code, "phone" in verified.out) == (0, True), verified.out

    genesis = ("--genesis", running_network.genesis_file)
    urls = running_network.network.urls[0]
    audited = run("audit", "reads", urls, "--dataset", dataset, "--proof", *genesis, "--json")
    assert audited.code == 0, audited.err
    first = next(line for line in audited.json["reads"] if line["keys"])
    assert (first["keys"], first["fields"]) == ([found.json["key"]], ["name", "id"])
    assert [report["fields"] for report in first["read_reports"]] == [["id", "name"]]
    told = run("audit", "reads", urls, "--dataset", dataset, "--proof", *genesis)
    assert "2 fields of 1 records" in told.out


def test_records_with_a_field_in_no_column_are_named_before_anything_is_sent(
    running_network: RunningNetwork, tmp_path: Path
) -> None:
    dataset = f"aviation.people-{running_network.new_number()}"
    (tmp_path / "schema.json").write_text(json.dumps({"type": "object", "properties": {"a": {"type": "string"}}}))
    titles = ("--title-zh", "人员", "--title-en", "People", "--schema", tmp_path / "schema.json")
    define = ("dataset", "define", dataset, *titles, "--sharing", "closed", *CATALOGUE, "--column", "a")
    assert as_member(running_network, "aviation", *define).code == 0
    running_network.network.settle()
    (tmp_path / "r.ndjson").write_text('{"a":"1"}\n{"a":"2","b":"3"}\n')
    done = as_member(running_network, "aviation", "submit", tmp_path / "r.ndjson", "--dataset", dataset)
    assert done.code == 1
    assert "the field b is in no column" in done.err + done.out
