"""The blocking client's thread: many callers, and nothing left behind."""

import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from blockpool import Client, RecordId
from blockpool.answers import Record
from tests.processes import RunningNetwork

pytestmark = pytest.mark.integration


def threads() -> int:
    return sum(thread.name == "blockpool" for thread in threading.enumerate())


def test_threads_share_a_client_and_its_blocks(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    with running_network.client("aviation") as client, ThreadPoolExecutor(40) as callers:
        receipts = list(callers.map(lambda n: client.submit([{"n": n}], dataset)[0], range(120)))
        assert threads() == 1
        assert len({receipt.transaction_id for receipt in receipts}) == 120
        assert len({receipt.height for receipt in receipts}) < 60, "those that came together went together"
        assert sorted(record.json()["n"] for record in client.records(dataset)) == list(range(120))
    assert threads() == 0


def test_a_client_that_is_forgotten_ends_its_thread(running_network: RunningNetwork) -> None:
    client = running_network.client()
    events = client.events(from_height=0)
    assert next(events).height == 0
    assert threads() == 1
    del client, events
    gc.collect()
    assert threads() == 0


def test_an_iterator_outlives_its_client_without_harm(running_network: RunningNetwork) -> None:
    with running_network.client() as client:
        events = client.events(from_height=0)
        next(events)
    with pytest.raises(RuntimeError, match="closed"):
        next(events)
    with pytest.raises(RuntimeError, match="closed"):
        client.status()
    assert threads() == 0


def test_a_forked_process_connects_by_itself(running_network: RunningNetwork) -> None:
    with running_network.client() as client:
        height = client.status().height
        child = os.fork()
        if child == 0:
            os._exit(0 if client.status().height >= height else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert client.status().height >= height


def test_a_submission_can_say_how_many_are_in_flight(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    with running_network.client("aviation") as client:
        receipts = client.submit(({"n": n} for n in range(200)), dataset, parcel_records=2, in_flight=20)
        assert len({receipt.height for receipt in receipts}) < 60
        records: list[Record] = list(client.records(dataset))
        assert {RecordId.parse(str(record.id)) for record in records} == {
            id_ for receipt in receipts for id_ in receipt.record_ids
        }
    assert isinstance(client, Client)
