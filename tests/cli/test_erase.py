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
