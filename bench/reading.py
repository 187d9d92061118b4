"""Sections about reading sealed data with the SDK: one parcel when nothing else goes on, and in bulk."""

import time
from dataclasses import dataclass, replace

from bench.bench import PURPOSE, Bench, conditional_dataset
from bench.figures import Figure, Section
from bench.network import Node
from bench.rates import PARCEL_RECORDS
from bench.records import flight_records, mean_size_bytes
from bench.statistics import percentile
from bench.workload import sender_of
from blockpool import Client, KemPrivateKey
from chain.errors import ErrorCode, PoolError

OWNER, READER = "aviation", "meteorology"
SINGLE, BULK = "single", "archive"
"""Datasets of the owner: with one parcel, and with many."""
PAUSE_S = 0.1
"""Between two reads, so that the nodes are idle when the next one begins."""
FILL_RATE = 20_000
"""Records a second at which the archive is filled."""


@dataclass(frozen=True, slots=True)
class TimedRead:
    """How long one read took, in ms."""

    verdict_ms: float
    """Until the verdict was committed and proven."""
    plaintext_ms: float
    """Until the last record was there, the verdict included."""


def access(bench: Bench) -> Section:
    """Request and read one sealed parcel again and again; nothing else goes on."""
    owner, reader = bench.network.node(OWNER), bench.network.node(READER)
    with owner.client() as client:
        client.define(conditional_dataset(OWNER, SINGLE))
        receipt, *_ = client.submit(
            flight_records()[:PARCEL_RECORDS], f"{OWNER}.{SINGLE}", parcel_records=PARCEL_RECORDS
        )
    bench.network.wait_idle()
    key = reader.reader_key()
    with reader.client() as client:
        _read_parcel(client, key, receipt.transaction_id)
        reads = []
        for _ in range(bench.durations.reads):
            time.sleep(PAUSE_S)
            reads.append(_read_parcel(client, key, receipt.transaction_id))
    taken = sorted(read.plaintext_ms for read in reads)
    verdict_ms = percentile(sorted(read.verdict_ms for read in reads), 50)
    what = f"request to plaintext of {PARCEL_RECORDS} records, idle"
    how = f"{len(reads)} reads; the verdict was there after {verdict_ms:.1f} ms (p50)"
    bench.say(f"{what}: p50 {percentile(taken, 50):.1f} ms, p99 {percentile(taken, 99):.1f} ms; {how}")
    figures = [
        Figure(
            f"access_p{percent}", f"{what}, p{percent}", percentile(taken, percent), "ms", how if percent == 50 else ""
        )
        for percent in (50, 95, 99)
    ]
    setting = (
        f"A member asks to read one sealed parcel of {PARCEL_RECORDS} records, {mean_size_bytes()} bytes on average, "
        f"through its own node: the request is signed, ordered and decided by a contract (`purpose_bound`), "
        "synced to disk as in all sections; receipt, verdict and grant are verified, the parcel is fetched, a quorum "
        "of the validators release their key shares, every share and every record is checked. Each read is a request "
        f"of its own, {PAUSE_S * 1000:.0f} ms after the last. The reader runs on the same machine, in one process."
    )
    return Section("access", "Reading one sealed parcel", setting, figures)


def _read_parcel(client: Client, key: KemPrivateKey, parcel_id: bytes) -> TimedRead:
    started = time.perf_counter()
    request = client.request(f"{OWNER}.{SINGLE}", PURPOSE, key, parcels=(parcel_id,), person="Li Wei")
    request.raise_for_denial()
    verdict_s = time.perf_counter() - started
    count = sum(1 for _ in client.read(request.id, key))
    plaintext_s = time.perf_counter() - started
    _expect(count, PARCEL_RECORDS)
    return TimedRead(verdict_s * 1000, plaintext_s * 1000)


def reading(bench: Bench) -> Section:
    """Read a sealed dataset of many parcels to its end."""
    owner, reader = bench.network.node(OWNER), bench.network.node(READER)
    records = _fill_archive(bench, owner)
    key = reader.reader_key()
    with reader.client() as client:
        request = client.request(f"{OWNER}.{BULK}", PURPOSE, key, person="Li Wei")
        request.raise_for_denial()
        nodes_s, own_s, started = bench.network.cpu_seconds(), time.process_time(), time.perf_counter()
        read = client.read(request.id, key)
        _expect(sum(1 for _ in read), records)
        taken_s = time.perf_counter() - started
        own_s, nodes_s = time.process_time() - own_s, bench.network.cpu_seconds() - nodes_s
        started = time.perf_counter()
        client.acknowledge(read)
        report_s = time.perf_counter() - started
    rate = records / taken_s
    how = (
        f"{records:,} records in {taken_s:.1f} s; of processor time, {own_s * 1e6 / records:.0f} us a record in the "
        f"reader and {nodes_s * 1e6 / records:.0f} us in the nodes; the read report took {report_s * 1000:.0f} ms more"
    )
    bench.say(f"{rate:,.0f} records/s; {how}")
    setting = (
        f"A sealed dataset of parcels of {PARCEL_RECORDS} records, {mean_size_bytes()} bytes on average, read by one "
        "process with the SDK through the reader's own node: the list of parcels is proven complete, every parcel's "
        "signature and receipt, every key share and every record is checked. No other load."
    )
    return Section(
        "reading", "Reading in bulk", setting, [Figure("reading_rate", "bulk reading, sealed", rate, "records/s", how)]
    )


def _fill_archive(bench: Bench, owner: Node) -> int:
    """Share sealed parcels in a dataset of their own; gives the number of records."""
    with owner.client() as client:
        client.define(conditional_dataset(OWNER, BULK))
    parcels = bench.durations.records_for_reading // PARCEL_RECORDS
    rate = FILL_RATE / PARCEL_RECORDS
    plan = bench.plan(BULK, PARCEL_RECORDS, rate, parcels / rate, sealed=True)
    _, summary = bench.run(replace(plan, senders=(sender_of(owner),)))
    return summary.committed


def _expect(count: int, expected: int) -> None:
    if count != expected:
        raise PoolError(ErrorCode.NOT_COVERED, f"{count} records were read, {expected} were shared")
