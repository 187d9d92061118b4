"""Taking what is new: a reading goes on where the one before has ended."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from blockpool import AsyncClient, ErrorCode, Record
from tests.blockpool.access import READER, sealed_dataset, values
from tests.cli.access import as_member
from tests.processes import RunningNetwork
from tests.refusals import refuses

pytestmark = pytest.mark.integration


def numbers(records: list[Record]) -> list[int]:
    return [record.json()["n"] for record in records]


def test_a_cursor_brings_what_came_since_once(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    with running_network.client() as client:
        client.submit([{"n": 0}, {"n": 1}], dataset)
        reading = client.records(dataset)
        with refuses(ErrorCode.BAD_REQUEST):
            _ = reading.cursor
        assert (numbers(list(reading)), reading.expected_records) == ([0, 1], 2)
        nothing = client.records(dataset, since=reading.cursor)
        assert (list(nothing), nothing.expected_records, nothing.erased) == ([], 0, [])
        (receipt,) = client.submit([{"n": 2}], dataset)
        event = next(event for event in client.events(reading.cursor + 1) if event.concerns(dataset))
        assert event.datasets is not None
        assert (event.height, [count.records for count in event.datasets if count.dataset == dataset]) == (
            receipt.height,
            [3],
        )
        later = client.records(dataset, since=nothing.cursor)
        assert numbers(list(later)) == [2]
        assert later.cursor >= receipt.height
        beyond = client.records(dataset, since=later.cursor + 1000)
        assert (list(beyond), beyond.cursor) == ([], later.cursor + 1000), "a node that lags behind changes nothing"


def test_a_correction_comes_as_what_is_new_and_names_what_was_wrong(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    with running_network.client() as client:
        (receipt,) = client.submit([{"n": 1}, {"n": 2}], dataset)
        reading = client.records(dataset)
        assert [record.corrects for record in reading] == [None, None]
        client.correct(receipt.record_ids[1], {"n": 3}, "Data Order, Art. 7", "a digit was wrong")
        (new,) = client.records(dataset, since=reading.cursor)
    assert (new.json(), new.corrects) == ({"n": 3}, receipt.record_ids[1])


async def test_sealed_records_since_a_cursor(running_network: RunningNetwork) -> None:
    dataset = sealed_dataset(running_network, values(3))
    with running_network.client(READER) as client:
        request = dataset.request(client)
        reading = client.read(request.id, dataset.reader_key())
        assert len(list(reading)) == 3
        with running_network.client() as owner:
            (receipt,) = owner.submit(values(2), dataset.id)
        network = running_network.network
        async with AsyncClient(network.urls, network.genesis, client._session.identity) as other:
            later = other.read(request.id, dataset.reader_key(), since=reading.cursor)
            assert [record.id async for record in later] == list(receipt.record_ids)
            assert later.expected_records == 2
            named = other.read(request.id, dataset.reader_key(), parcels=dataset.parcel_ids, since=reading.cursor)
            assert [record async for record in named] == []


def test_the_command_goes_on_and_follows(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset = running_network.new_dataset()
    with running_network.client() as client:
        client.submit([{"n": 0}, {"n": 1}], dataset)
        out = tmp_path / "all.ndjson"
        first = as_member(running_network, "meteorology", "read", dataset, "--out", out, "--json")
        assert (first.code, first.json["records"]) == (0, 2)
        since = ("--since", first.json["cursor"])
        nothing = as_member(running_network, "meteorology", "read", dataset, *since, "--out", out, "--json").json
        assert (nothing["records"], nothing["cursor"] >= first.json["cursor"]) == (0, True)
        assert as_member(running_network, "meteorology", "read", dataset, "--follow", "--out", out).code == 2
        key = running_network.key_file("meteorology")
        command = [sys.executable, "-m", "cli.main", "read", dataset, "--follow", "--key", str(key)]
        command += ["--genesis", str(running_network.genesis_file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
            try:
                assert following.stdout is not None
                assert [json.loads(following.stdout.readline())["n"] for _ in range(2)] == [0, 1]
                for number in (2, 3):
                    client.submit([{"n": number}], dataset)
                    assert json.loads(following.stdout.readline())["n"] == number
                following.send_signal(signal.SIGINT)
                rest, talk = following.communicate(timeout=30)
            finally:
                following.kill()
    assert (rest, following.returncode) == ("", 0), talk
    assert "records" in talk
    assert "go on with --since" in talk
    assert "Traceback" not in talk
