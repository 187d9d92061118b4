"""Sealed sharing and reading, both clients, against real nodes."""

import time
from contextlib import aclosing
from pathlib import Path

import orjson
import pytest

from blockpool import AsyncClient, ErrorCode, PoolError, RecordId, RetryPolicy, TransactionRejected, verify_evidence
from chain.access.policy import ReadDigest
from chain.transactions.read_report import ReadReportHeader
from chain.transactions.registry import decode_transaction
from tests.blockpool.access import OWNER, READER, SealedDataset, sealed_dataset, values
from tests.processes import RunningNetwork
from tests.refusals import refuses

pytestmark = pytest.mark.integration


def digest_of(dataset: SealedDataset, records: list[dict[str, object]], parcel_records: int = 10) -> bytes:
    digest = ReadDigest(dataset.network.network.genesis.chain_id)
    for number, record in enumerate(records):
        digest.add(dataset.parcel_ids[number // parcel_records], number % parcel_records, orjson.dumps(record))
    return digest.digest()


def report_header(dataset: SealedDataset, transaction_id: bytes) -> ReadReportHeader:
    genesis = dataset.network.network.genesis
    with dataset.network.client() as client:
        content = client._runner.run(
            client._session.download(f"/v1/transactions/{transaction_id.hex()}/raw", lambda body: body)
        )
    header = decode_transaction(genesis.chain_id, content).header
    assert isinstance(header, ReadReportHeader)
    return header


@pytest.mark.parametrize("commitments", ["whole", "fields"])
def test_a_granted_request_reads_everything_and_reports_it(running_network: RunningNetwork, commitments: str) -> None:
    dataset = sealed_dataset(running_network, values(25), commitments=commitments)  # type: ignore[arg-type]
    with running_network.client(READER) as client:
        request = dataset.request(client)
        assert (request.is_granted, request.verdict.verdict, request.dataset) == (True, "allow", dataset.id)
        reading = client.read(request.id, dataset.reader_key())
        found = list(reading)
        assert (reading.expected_records, reading.returned_records, reading.culprits) == (25, 25, [])
        (receipt,) = client.acknowledge(reading)
        assert client.acknowledge(reading) == []
        view = client.request_view(request.id)
    assert [record.json() for record in found] == values(25)
    assert [record.id for record in found] == [id_ for sent in dataset.receipts for id_ in sent.record_ids]
    header = report_header(dataset, receipt.transaction_id)
    assert (list(header.parcels), header.record_count) == (dataset.parcel_ids, 25)
    assert header.digest == digest_of(dataset, values(25))
    assert (view.read_reports, view.records_read, view.status) == (1, 25, "granted")


def test_approval_and_revocation(running_network: RunningNetwork) -> None:
    dataset = sealed_dataset(running_network, values(3), "approval_required")
    key = dataset.reader_key()
    with running_network.client(READER) as reader, running_network.client(OWNER) as owner:
        asked = dataset.request(reader)
        assert asked.verdict.verdict == "ask"
        asked.raise_for_denial()
        with refuses(ErrorCode.APPROVAL_PENDING):
            list(reader.read(asked.id, key))
        started_s = time.monotonic()
        assert reader.request_view(asked.id, wait_s=0.3).status == "asked"
        assert time.monotonic() - started_s >= 0.3
        waiting = list(owner.requests(approver=OWNER, status="asked", dataset=dataset.id))
        assert [view.id for view in waiting] == [asked.id]
        receipt = owner.answer(asked.id, dataset.id, "approve", "it rains")
        assert receipt.outcome.verdict is not None
        assert receipt.outcome.verdict.verdict == "allow"
        view = reader.request_view(asked.id, wait_s=10)
        assert (view.status, view.answers[0].reason) == ("granted", "it rains")
        assert len(list(reader.read(asked.id, key))) == 3
        owner.answer(asked.id, dataset.id, "revoke")
        running_network.network.settle()
        with refuses(ErrorCode.GRANT_REVOKED):
            list(reader.read(asked.id, key))
        types = [(read.type, read.member) for read in reader.reads(dataset.id)]
    assert types == [("request", READER), ("approval", OWNER), ("approval", OWNER)]


def test_a_read_that_is_ended_early_reports_what_it_returned(running_network: RunningNetwork) -> None:
    dataset = sealed_dataset(running_network, values(30))
    with running_network.client(READER) as client:
        reading = client.read(dataset.request(client).id, dataset.reader_key())
        for _ in range(13):
            next(reading)
        (receipt,) = client.acknowledge(reading)
    header = report_header(dataset, receipt.transaction_id)
    assert (list(header.parcels), header.record_count) == (dataset.parcel_ids[:2], 13)
    assert header.digest == digest_of(dataset, values(13))


def test_a_contract_is_deployed_once_and_updated(running_network: RunningNetwork) -> None:
    source = "from blockpool.contract import deny\n\ndef can_read(request, dataset, ctx):\n    return deny('no')\n"
    with running_network.client() as client:
        assert client.deploy("aviation.never", source, {"a": 1}) is not None
        assert client.deploy("aviation.never", source, '{ "a": 1 }') is None
        assert client.deploy("aviation.never", source) is not None
        entry = client.contract("aviation.never")
        assert (entry.version, entry.source, entry.parameters, entry.owner) == (2, source, "{}", OWNER)
        assert "aviation.never" in [found.contract for found in client.contracts()]
        with pytest.raises(TransactionRejected) as raised:
            client.deploy("aviation.broken", "def can_read(:")
        assert raised.value.code is ErrorCode.BAD_CONTRACT
        combined: dict[str, object] = {"parts": [{"library": "open"}]}
        assert client.deploy("aviation.combined", source, combined) is not None
        assert "Everybody may read" in client.contract("aviation.combined").parameters


def test_a_journal_makes_a_sealed_submission_repeatable(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset = sealed_dataset(running_network, [])
    journal = tmp_path / "journal"
    with running_network.client(OWNER) as client:
        interrupted = client.submit_stream(values(30), dataset.id, parcel_records=10, journal=journal, in_flight=1)
        first = next(interrupted)
        with refuses(ErrorCode.DATA_FOLDER_LOCKED):
            client.submit(values(30), dataset.id, journal=journal)
        interrupted.close()
        again = client.submit(values(30), dataset.id, parcel_records=15, journal=journal)
        assert [receipt.is_earlier for receipt in again] == [True] * sum(receipt.is_earlier for receipt in again) + [
            False
        ] * sum(not receipt.is_earlier for receipt in again)
        assert again[0].transaction_id == first.transaction_id
        with refuses(ErrorCode.BAD_REQUEST):
            client.submit(values(31)[1:], dataset.id, parcel_records=10, journal=journal)
    assert running_network.record_counts(dataset.id) == {30}


def test_the_owner_reads_and_discloses_its_own(running_network: RunningNetwork) -> None:
    dataset = sealed_dataset(running_network, values(3), "approval_required", commitments="fields")
    key = dataset.reader_key(OWNER)
    record = dataset.receipts[0].record_ids[1]
    with running_network.client(OWNER) as client:
        request = client.request(dataset.id, "own records", key)
        assert [found.json() for found in client.read(request.id, key)] == values(3)
        content = client.disclose(record, request.id, key, ["name"])
        with pytest.raises(PoolError) as raised:
            client.disclose(RecordId(record.transaction_id, 3), request.id, key, ["name"])
    assert raised.value.code is ErrorCode.NOT_FOUND
    steps = list(verify_evidence(content, running_network.network.genesis))
    assert any("name" in step.detail for step in steps)
    assert b"flight 1" in content
    assert b"flight 0" not in content


async def test_async_sharing_and_reading(running_network: RunningNetwork, tmp_path: Path) -> None:
    dataset = sealed_dataset(running_network, [])
    network, key = running_network.network, dataset.reader_key()

    async with AsyncClient(network.urls, network.genesis, running_network.identity(OWNER)) as owner:
        for _ in range(2):
            receipts = await owner.submit(values(120), dataset.id, parcel_records=5, journal=tmp_path / "journal")
    assert all(receipt.is_earlier for receipt in receipts)
    async with AsyncClient(network.urls, network.genesis, running_network.identity(READER)) as reader:
        request = await reader.request(dataset.id, "flood warning", key)
        reading = reader.read(request.id, key)
        read = [record.json() async for record in reading]
        assert sorted(read, key=lambda value: value["n"]) == values(120)  # parcels in flight may change places
        (receipt,) = await reader.acknowledge(reading)
        assert receipt.outcome.is_ok
        partial = reader.read(request.id, key)
        async with aclosing(partial):
            assert (await anext(partial)).json() == read[0]
        assert (await reader.acknowledge(partial))[0].outcome.is_ok
        view = await reader.request_view(request.id)
        assert (view.records_read, view.read_reports) == (121, 2)
        assert [found.id async for found in reader.requests(dataset=dataset.id)] == [request.id]
        assert [read.type async for read in reader.reads(dataset.id)] == ["request", "read_report", "read_report"]
    assert running_network.record_counts(dataset.id) == {120}


def test_records_of_an_open_dataset_are_read_ahead_in_order(running_network: RunningNetwork) -> None:
    dataset = running_network.new_dataset()
    with running_network.client(OWNER) as client:
        client.submit(values(300), dataset, parcel_records=2, in_flight=1)
        assert [record.json()["n"] for record in client.records(dataset)] == list(range(300))


async def test_nothing_to_reach_ends_a_read(running_network: RunningNetwork) -> None:
    dataset = sealed_dataset(running_network, values(1))
    genesis = running_network.network.genesis
    soon = RetryPolicy(attempts_max=2, pause_first_s=0.01)
    with refuses(ErrorCode.UNREACHABLE):
        async with AsyncClient("http://127.0.0.1:1", genesis, retry=soon) as client:
            await anext(client.read(bytes(32), dataset.reader_key()))
