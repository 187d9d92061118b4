"""Erasing all that a department has of one person."""

import json
from pathlib import Path

import pytest

from tests.cli.access import as_member
from tests.cli.test_find import SCHEMA, share
from tests.processes import RunningNetwork, get

pytestmark = pytest.mark.integration

BASIS = ("--legal-basis", "PIPL art. 47")


def test_all_records_of_a_key_go_from_all_datasets(running_network: RunningNetwork, tmp_path: Path) -> None:
    network, schema = running_network, json.dumps(SCHEMA)
    open_, sealed = network.new_dataset(schema=schema), network.new_dataset(schema=schema, sharing="closed")
    file = tmp_path / "rows.ndjson"
    share(network, open_, file, {"id": "Zhang", "n": 1}, {"id": "Li", "n": 1})
    share(network, open_, file, {"id": "Zhang", "n": 2})
    share(network, sealed, file, {"id": "Li", "n": 3}, {"id": "Zhang", "n": 3})
    named = ("id=Zhang", "--dataset", open_, "--dataset", sealed, *BASIS)

    def forget(*options: str) -> dict[str, object]:
        done = as_member(network, "aviation", "forget", *named, *options, "--json")
        assert done.code == 0, done.err
        return done.json

    listed = forget("--dry-run")
    records = listed["records"]
    assert isinstance(records, list)
    assert (len(records), listed["erased_before"], listed["erasures"]) == (3, 0, [])
    assert listed["datasets"] == [open_, sealed]
    asked = as_member(network, "aviation", "forget", *named)
    assert (asked.code, "Erase these 3 records" in asked.err) == (1, True)
    done = forget("--yes")
    assert isinstance(done["erasures"], list)
    assert (done["records"], len(done["erasures"])) == (records, 3)
    network.network.settle()
    for url in network.network.urls:
        codes = [get(url, f"/v1/records/{record}").json().get("code") for record in records]
        assert codes == ["record_erased"] * 3
    again = forget("--yes")
    assert (again["records"], again["erased_before"], again["erasures"]) == ([], 3, [])
    read = as_member(network, "meteorology", "read", open_, "--out", tmp_path / "left.ndjson", "--json")
    assert (read.json["records"], len(read.json["erased_records"])) == (1, 2)
    found = as_member(network, "aviation", "find", open_, "Zhang")
    assert "erased" in found.out


def test_what_is_not_searched_is_said_and_what_is_not_ours_refused(running_network: RunningNetwork) -> None:
    plain = running_network.new_dataset()
    done = as_member(running_network, "aviation", "forget", "id=A", "--dataset", plain, *BASIS, "--dry-run", "--json")
    assert (done.code, done.json["datasets"], done.json["not_searched"]) == (0, [], [plain])
    for arguments in (("id",), ("id=1", "id=2"), ("id=A", "--dataset", "meteorology.none")):
        assert as_member(running_network, "aviation", "forget", *arguments, *BASIS, "--dry-run").code == 2
    assert as_member(running_network, "aviation", "forget", "id=A", *BASIS, "--json").code == 2, "nobody is asked"
