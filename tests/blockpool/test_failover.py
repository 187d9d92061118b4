"""A client whose node is killed goes on with the others: nothing is lost, doubled or left out."""

import threading
from pathlib import Path

import pytest

from blockpool import BlockEvent, Client
from cli.processes import LocalNetwork
from tests.processes import MEMBERS, RunningNetwork

pytestmark = pytest.mark.integration

RECORDS = 300


def test_submission_and_events_survive_the_loss_of_their_node(tmp_path: Path) -> None:
    with LocalNetwork(tmp_path / "pool", MEMBERS) as network:
        network.start()
        running = RunningNetwork(network)
        dataset = running.new_dataset("aviation")
        with Client(network.urls) as client:
            victim = network.nodes[client.status().primary]
        urls = network.urls_from(victim.member)
        events: list[BlockEvent] = []
        follower = threading.Thread(target=follow, args=(urls, events))
        follower.start()
        with Client(urls, network.genesis, running.identity("aviation")) as client:
            receipts = []
            for receipt in client.submit_stream(({"n": n} for n in range(RECORDS)), dataset, parcel_records=10):
                receipts.append(receipt)
                if len(receipts) == 10:
                    victim.kill()
            values = [record.json()["n"] for record in client.records(dataset)]
            client.submit([{"n": 0}], running.new_dataset("aviation"))
        follower.join(timeout=30)
    assert not follower.is_alive()
    assert sum(receipt.record_count for receipt in receipts) == RECORDS
    assert sorted(values) == list(range(RECORDS))
    assert [event.height for event in events] == list(range(1, len(events) + 1))
    assert events[-1].height >= receipts[-1].height


def follow(urls: list[str], events: list[BlockEvent]) -> None:
    """Collect blocks until one comes after the last of ``RECORDS`` records."""
    transactions = 0
    with Client(urls) as client:
        for event in client.events(from_height=1):
            events.append(event)
            transactions += event.transaction_count
            if transactions > RECORDS // 10 + 1:
                return
