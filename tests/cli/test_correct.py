"""Correcting a record from the command line, and what the other commands make of it."""

from pathlib import Path

import pytest

from tests.cli.access import as_member
from tests.processes import RunningNetwork

pytestmark = pytest.mark.integration

BASIS = ("--legal-basis", "Statistics Law 25", "--reason", "the hours were local time")


def test_an_owner_corrects_a_record(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset = running_network.new_dataset()
    with running_network.client() as client:
        (receipt,) = client.submit([{"n": 1}, {"n": 2}], dataset)
    old = str(receipt.record_ids[1])
    (tmp_path / "right.json").write_text('[{"n": 22}]')
    (tmp_path / "two.ndjson").write_text('{"n": 22}\n{"n": 23}\n')
    two = as_member(running_network, "aviation", "correct", old, tmp_path / "two.ndjson", *BASIS, "--json")
    assert (two.code, two.json["error"]["code"]) == (2, "bad_request")
    done = as_member(running_network, "aviation", "correct", old, tmp_path / "right.json", *BASIS, "--json")
    assert done.code == 0, done.err
    assert (done.json["record"], done.json["readers"]) == (old, [])
    running_network.network.settle()
    shown = as_member(running_network, "aviation", "show", "record", old)
    assert done.json["correction"] in shown.out
    assert "the hours were local time" in shown.out
    new = as_member(running_network, "aviation", "show", "record", done.json["correction"], "--json")
    assert (new.json["corrects"], new.json["correction"], new.json["value"]) == (old, None, {"n": 22})
    again = as_member(running_network, "aviation", "correct", old, tmp_path / "right.json", *BASIS, "--json")
    assert (again.code, again.json["error"]["code"]) == (1, "record_corrected")
    read = as_member(running_network, "meteorology", "read", dataset, "--out", tmp_path / "all.ndjson", "--json")
    assert (read.json["records"], read.json["corrected"], read.json["corrected_records"]) == (3, 1, [old])
    as_member(running_network, "aviation", "evidence", "record", old, "-o", tmp_path / "old.json")
    verified = as_member(running_network, "meteorology", "verify", tmp_path / "old.json", "--json")
    assert verified.json["verified"] is True
    assert f"{done.json['correction']} has taken its place" in verified.json["proves"]
