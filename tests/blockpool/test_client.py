"""The clients against real nodes."""

import json
import threading
from pathlib import Path

import pytest

import blockpool
from chain.primitives.crypto import Ed25519Signer
from cli.networks import create_network
from tests.blockpool.access import sealed_dataset, values
from tests.processes import RunningNetwork
from tests.refusals import refuses

pytestmark = pytest.mark.integration

SOON = blockpool.RetryPolicy(attempts_max=2, total_max_s=5)


def records(count: int) -> list[dict[str, object]]:
    return [{"n": number} for number in range(count)]


def test_submitted_records_come_back_verified(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    with running_network.client() as client:
        receipts = client.submit(records(25), dataset, parcel_records=10)
        assert [receipt.record_count for receipt in receipts] == [10, 10, 5]
        assert all(receipt.outcome.is_ok for receipt in receipts)
        found = list(client.records(dataset))
    assert [record.json() for record in found] == records(25)
    assert [record.id for record in found] == [id_ for receipt in receipts for id_ in receipt.record_ids]
    assert {record.member for record in found} == {"aviation"}


def test_a_record_is_found_by_its_id_and_proven(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    with running_network.client() as client:
        id_ = client.submit(records(3), dataset)[0].record_ids[2]
        answer = client.record(id_)
        content = client.evidence(id_)
    assert (answer.record, answer.dataset, answer.value, answer.outcome) == (str(id_), dataset, {"n": 2}, "ok")
    assert [step.number for step in blockpool.verify_evidence(content, running_network.network.genesis)] == list(
        range(1, 10)
    )


def test_a_rejection_comes_with_its_proof(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    with running_network.client() as client:
        with pytest.raises(blockpool.TransactionRejected) as raised:
            client.submit([{"n": 1}, {"n": "two"}], dataset)
        rejection = raised.value
        assert rejection.code is blockpool.ErrorCode.SCHEMA_VIOLATION
        assert "record 1" in rejection.detail
        receipt = client.receipt(rejection.receipt.transaction_id)
        transaction = client.transaction(rejection.receipt.transaction_id)
        assert (receipt.outcome, receipt.height) == (rejection.receipt.outcome, rejection.receipt.height)
        assert transaction.outcome is not None
        assert transaction.outcome["code"] == "schema_violation"
    assert running_network.record_counts(dataset) == {0}


def test_a_key_of_nobody_is_refused_at_the_door(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    stranger = blockpool.Identity("aviation", Ed25519Signer(bytes(32)))
    with (
        blockpool.Client(running_network.network.urls, running_network.network.genesis, stranger) as client,
        refuses(blockpool.ErrorCode.UNKNOWN_KEY) as raised,
    ):
        client.submit(records(1), dataset)
    assert not isinstance(raised.value, blockpool.TransactionRejected)


def test_an_error_names_the_transaction_that_may_still_commit(running_network: RunningNetwork) -> None:
    genesis, identity = running_network.network.genesis, running_network.identity()
    parcel = blockpool.sign_parcel(genesis, identity, "aviation.flights", [b"1"])
    with (
        blockpool.Client("http://127.0.0.1:1", genesis, identity, retry=SOON) as client,
        refuses(blockpool.ErrorCode.UNREACHABLE, transaction_id=parcel.transaction_id.hex()),
    ):
        client.commit(parcel)


def test_another_networks_genesis_is_noticed(running_network: RunningNetwork, tmp_path: Path) -> None:
    other = create_network(tmp_path / "other", "Other", ["aviation"], [(7000, 8000)])
    identity = blockpool.Identity.load(tmp_path / "other" / "aviation" / "system.pem", other)
    with (
        blockpool.Client(running_network.network.urls, other, identity) as client,
        refuses(blockpool.ErrorCode.WRONG_CHAIN),
    ):
        client.submit(records(1), "aviation.mine")


def test_an_idempotency_key_makes_repetition_harmless(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    with running_network.client() as client:
        before = client.submit(records(20), dataset, parcel_records=5, idempotency_key="k")
        after = client.submit(records(25), dataset, parcel_records=5, idempotency_key="k")
        assert [receipt.is_earlier for receipt in after] == [True] * 4 + [False]
        assert [receipt.transaction_id for receipt in after[:4]] == [receipt.transaction_id for receipt in before]
        client.submit(records(5), dataset, parcel_records=5, idempotency_key="other")
    assert running_network.record_counts(dataset) == {30}


def test_what_is_missing_is_said(running_network: RunningNetwork) -> None:
    with blockpool.Client(running_network.network.urls) as client, refuses(blockpool.ErrorCode.BAD_GENESIS):
        client.evidence(blockpool.RecordId(bytes(32), 0))
    with blockpool.Client(running_network.network.urls, running_network.network.genesis) as client:
        with refuses(blockpool.ErrorCode.BAD_KEY):
            client.submit(records(1), "aviation.mine")
        with refuses(blockpool.ErrorCode.NOT_FOUND):
            client.receipt(bytes(32))


def test_events_give_every_height_once_from_where_asked(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    with running_network.client() as client:
        client.submit(records(3), dataset, parcel_records=1)
        newest = client.status().height
        heights = []
        for event in client.events(from_height=1):
            heights.append(event.height)
            if event.height == newest:
                break
    assert heights == list(range(1, newest + 1))


def test_events_follow_new_blocks(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    seen: list[int] = []

    def follow() -> None:
        with running_network.client() as client:
            for event in client.events(from_height=first):
                seen.append(event.height)
                if len(seen) == 2:
                    return

    with running_network.client() as client:
        first = client.status().height + 1
        follower = threading.Thread(target=follow)
        follower.start()
        client.submit(records(2), dataset, parcel_records=1, in_flight=1)
        follower.join(timeout=20)
    assert seen == [first, first + 1]


async def test_async_receipts_come_in_the_order_of_the_records(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()

    network = running_network.network
    async with blockpool.AsyncClient(network.urls, network.genesis, running_network.identity()) as client:
        receipts = await client.submit(records(60), dataset, parcel_records=5, in_flight=6)
        assert sum(receipt.record_count for receipt in receipts) == 60
        found = {record.id: record.json() async for record in client.records(dataset)}
        ids = [id_ for receipt in receipts for id_ in receipt.record_ids]
        assert [found[id_] for id_ in ids] == records(60)
        again = await client.receipt(receipts[3].transaction_id)
        assert again.header == receipts[3].header


async def test_async_repetition_commits_nothing_twice(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    network = running_network.network
    async with blockpool.AsyncClient(network.urls, network.genesis, running_network.identity()) as client:
        for _ in range(2):
            receipts = await client.submit(records(40), dataset, parcel_records=4, idempotency_key="k", in_flight=3)
    assert [receipt.is_earlier for receipt in receipts] == [True] * 10
    assert running_network.record_counts(dataset) == {40}


async def test_async_rejection_ends_the_stream(running_network: RunningNetwork) -> None:
    network, dataset = running_network.network, running_network.new_dataset()
    committed = []
    bodies: list[dict[str, object]] = [{"n": 1}, {"n": 2}, {}, {"n": 4}]

    async def submit() -> None:
        async with blockpool.AsyncClient(network.urls, network.genesis, running_network.identity()) as client:
            async for receipt in client.submit_stream(bodies, dataset, parcel_records=1):
                committed.append(receipt.record_count)

    with pytest.raises(blockpool.TransactionRejected) as raised:
        await submit()
    assert raised.value.code is blockpool.ErrorCode.SCHEMA_VIOLATION
    assert committed == [1, 1]


async def test_async_events_and_reads(running_network: RunningNetwork) -> None:
    async with blockpool.AsyncClient(running_network.network.urls, running_network.network.genesis) as client:
        async for event in client.events(from_height=1):
            block = await client.block(event.height)
            assert (block.hash, block.height) == (event.hash, 1)
            break
        assert (await client.block()).height >= 1
        assert (await anext(client.chain(0))).transactions == ()


def test_genesis_and_key_files_that_cannot_be_used(tmp_path: Path, running_network: RunningNetwork) -> None:
    with refuses(blockpool.ErrorCode.BAD_GENESIS):
        blockpool.load_genesis(tmp_path / "missing.json")
    (tmp_path / "genesis.json").write_text(json.dumps({"format": "other"}))
    with refuses(blockpool.ErrorCode.BAD_GENESIS):
        blockpool.load_genesis(tmp_path / "genesis.json")
    other = create_network(tmp_path / "other", "Other", ["aviation"], [(7000, 8000)])
    with refuses(blockpool.ErrorCode.UNKNOWN_KEY):
        blockpool.Identity.load(running_network.key_file(), other)
    assert blockpool.Identity.load(running_network.key_file(), other, member="new-member").member == "new-member"


async def test_both_clients_follow_a_sealed_record_to_what_was_made_of_it(
    running_network: RunningNetwork, tmp_path: Path
) -> None:
    network, made = running_network.network, running_network.new_dataset("meteorology")
    shared = sealed_dataset(running_network, values(2))
    source = shared.receipts[0].record_ids[1]
    with running_network.client("aviation") as client:
        (between,) = client.submit(values(1), shared.id, journal=tmp_path / "journal", derived_from=[source])
        with pytest.raises(blockpool.PoolError) as raised:
            client.submit(values(1), shared.id, journal=tmp_path / "journal")
        assert raised.value.code is blockpool.ErrorCode.BAD_REQUEST, (
            "a journal is for one submission: sources belong to it"
        )
    with running_network.client("meteorology") as client:
        (last,) = client.submit(values(1), made, derived_from=between.record_ids)
    network.settle()
    with blockpool.Client(network.urls, network.genesis) as client:
        graph = client.provenance(source)
    async with blockpool.AsyncClient(network.urls, network.genesis) as asynchronous:
        walked = await asynchronous.provenance(source, blockpool.ProvenanceBounds(depth=2))
    assert list(graph.parcels) == [source.transaction_id, between.transaction_id, last.transaction_id]
    assert graph.is_complete
    assert walked.parcels == graph.parcels
