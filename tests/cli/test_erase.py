"""Erasing a parcel from the command line, and what the other commands make of it."""

from pathlib import Path

import pytest

from tests.cli.access import as_member
from tests.cli.commands import run
from tests.processes import RunningNetwork, get

pytestmark = pytest.mark.integration


def shared(network: RunningNetwork) -> tuple[str, list[str]]:
    """Two parcels of an open dataset; gives it and their ids."""
    dataset = network.new_dataset()
    with network.client() as client:
        receipts = client.submit([{"n": number} for number in range(4)], dataset, parcel_records=2)
    network.network.settle()
    return dataset, [receipt.transaction_id.hex() for receipt in receipts]


def test_an_owner_erases_a_parcel(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset, (gone, _) = shared(running_network)
    basis = ("--legal-basis", "PIPL art. 47", "--reason", "consent withdrawn")
    done = as_member(running_network, "aviation", "erase", gone, *basis, "--yes", "--json")
    assert done.code == 0, done.err
    assert (done.json["parcel"], done.json["legal_basis"]) == (gone, "PIPL art. 47")
    running_network.network.settle()
    for url in running_network.network.urls:
        response = get(url, f"/v1/records/{gone}/0")
        assert (response.status_code, response.json()["code"]) == (410, "parcel_erased")
    shown = as_member(running_network, "aviation", "show", "record", f"{gone}/0", "--json")
    assert (shown.code, shown.json["error"]["code"]) == (1, "parcel_erased")
    parcel = as_member(running_network, "aviation", "show", "transaction", gone)
    assert f"erased at height {done.json['height']:,}: PIPL art. 47" in parcel.out
    again = as_member(running_network, "aviation", "erase", gone, *basis, "--yes", "--json")
    assert (again.code, again.json["error"]["code"]) == (1, "parcel_erased")
    read = as_member(running_network, "meteorology", "read", dataset, "--out", tmp_path / "all.ndjson", "--json")
    assert read.code == 0, read.err
    assert (read.json["records"], read.json["erased"]) == (2, [gone])
    assert (tmp_path / "all.ndjson").read_text() == '{"n":2}\n{"n":3}\n'
    transaction = as_member(running_network, "aviation", "show", "transaction", done.json["transaction_id"], "--json")
    assert (transaction.json["type"], transaction.json["fields"]["parcel"]) == ("erase", gone)


def test_an_owner_erases_one_record(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset, (parcel, _) = shared(running_network)
    record = f"{parcel}/1"
    basis = ("--legal-basis", "PIPL art. 47")
    asked = as_member(running_network, "aviation", "erase", record, *basis)
    assert (asked.code, f"Erase 1 of 2 records of a parcel of {dataset}" in asked.err) == (1, True)
    done = as_member(running_network, "aviation", "erase", record, *basis, "--yes", "--json")
    assert done.code == 0, done.err
    assert (done.json["parcel"], done.json["records"]) == (parcel, [1])
    running_network.network.settle()
    for url in running_network.network.urls:
        gone, there = (get(url, f"/v1/records/{parcel}/{index}") for index in (1, 0))
        assert (gone.status_code, gone.json()["code"], gone.json()["record_index"]) == (410, "record_erased", 1)
        assert (there.status_code, there.json()["value"]) == (200, {"n": 0})
        listed = get(url, f"/v1/datasets/{dataset}/records").json()["records"]
        assert [(line["erased"], line.get("value")) for line in listed] == [
            (False, {"n": 0}), (True, None), (False, {"n": 2}), (False, {"n": 3}),
        ]  # fmt: skip
    read = as_member(running_network, "meteorology", "read", dataset, "--out", tmp_path / "all.ndjson", "--json")
    assert read.code == 0, read.err
    assert (read.json["records"], read.json["erased"], read.json["erased_records"]) == (3, [], [record])
    shown = as_member(running_network, "aviation", "show", "transaction", parcel)
    assert "records erased: 1" in shown.out
    for index, word in ((0, "not erased"), (1, "erased at height")):
        file = tmp_path / f"{index}.json"
        made = as_member(running_network, "aviation", "evidence", "record", f"{parcel}/{index}", "-o", file)
        assert made.code == 0, made.err
        genesis = running_network.genesis_file
        verified = run("verify", file, "--genesis", genesis)
        assert (verified.code, word in verified.out) == (0, True), verified.out
    source = running_network.network.urls[0]
    audited = run("audit", "chain", source, "--genesis", genesis, "--jobs", "1", "--json")
    assert audited.json["records_erased"]["PIPL art. 47"] >= 1
    assert audited.json["records_missing"] == 0


def test_records_of_several_parcels_are_not_mixed_up(running_network: RunningNetwork) -> None:
    _, (one, other) = shared(running_network)
    basis = ("--legal-basis", "PIPL art. 47", "--yes")
    for targets in ((f"{one}/0", f"{other}/0"), (one, f"{one}/0"), (one, other)):
        assert as_member(running_network, "aviation", "erase", *targets, *basis).code == 2


def test_nobody_erases_by_mistake_or_what_is_not_theirs(running_network: RunningNetwork) -> None:
    dataset, (parcel, _) = shared(running_network)
    basis = ("--legal-basis", "PIPL art. 47")
    unasked = as_member(running_network, "aviation", "erase", parcel, *basis, "--json")
    assert unasked.code == 2
    asked = as_member(running_network, "aviation", "erase", parcel, *basis)
    assert asked.code == 1
    assert f"Erase a parcel of {dataset}, all its 2 records" in asked.err
    foreign = as_member(running_network, "meteorology", "erase", parcel, *basis, "--yes", "--json")
    assert (foreign.code, foreign.json["error"]["code"]) == (1, "not_owner")
    assert run("erase", parcel, "--yes").code == 2, "without a legal basis"
    assert get(running_network.network.urls[0], f"/v1/records/{parcel}/0").status_code == 200
