"""Section about the audit of a whole chain, on one core and on two."""

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from audit.parallel import ParallelAudit, open_store
from audit.sources import open_database
from audit.workers import Workers
from bench.bench import CHECKED, PLAIN, Bench
from bench.figures import Figure, Section
from bench.long_chain import LongChain
from bench.rates import PARCEL_RECORDS
from bench.records import flight_schema, mean_size_bytes, record_groups
from chain.access.policy import MissingEngine
from chain.genesis import Genesis
from chain.packages import BlockPackage
from chain.state.members import Member
from chain.storage.head import Head, HeadFile
from chain.storage.level import LevelDatabase
from cli.audit.sources import data_folder

ROUNDS = 3
"""Audits of each chain with each number of processes, in turn; the fastest counts."""


class Shape(NamedTuple):
    """What the blocks of a chain hold."""

    key: str
    what: str
    transactions: int
    """In each block."""
    records: int
    """In each transaction."""


SHAPES = (
    Shape("audit_bulk", "records in parcels", 8, PARCEL_RECORDS),
    Shape("audit_singles", "individually signed records", 150, 1),
)


def make_home(home: Path, members: tuple[Member, ...], shape: Shape, records: int) -> Genesis:
    """Make a stopped node's home with a chain of at least so many records. Every other parcel is in a dataset with the
    schema of flights.

    Args:
        home: an empty folder.
        members: of a network; those that vote make the chain.
        shape: of the chain.
        records: how many.
    """
    data = home / "data"
    data.mkdir(parents=True)
    (home / "config.toml").write_text("[node]\n")
    chain = LongChain(members, LevelDatabase(data / "blocks"), LevelDatabase(data / "state"))
    chain.commit([chain.dataset(PLAIN, ""), chain.dataset(CHECKED, flight_schema())])
    blocks = -(-records // (shape.transactions * shape.records))
    groups = iter(record_groups(shape.records, blocks * shape.transactions))
    for _ in range(blocks):
        names = [CHECKED if number % 2 else PLAIN for number in range(shape.transactions)]
        chain.commit([chain.parcel(name, next(groups)) for name in names])
    chain.ledger.make_durable()
    head = HeadFile(data / "HEAD")
    head.write(Head(chain.ledger.tip.height, chain.ledger.tip.block_hash))
    head.close()
    chain.ledger.close()
    return chain.genesis


def audit(bench: Bench) -> Section:
    """Audit chains of parcels and of single records as ``blockpool audit chain`` does."""
    figures = []
    for shape, records in zip(
        SHAPES, (bench.durations.audit_bulk_records, bench.durations.audit_single_records), strict=True
    ):
        with tempfile.TemporaryDirectory(dir=bench.network.folder, prefix="audit-") as folder:
            home = Path(folder) / "node"
            rates = measure(home, make_home(home, bench.network.genesis.founders, shape, records))
        one, two = rates[1], rates[2]
        bench.say(f"{shape.what}: {one:,.0f}/s with one process, {two:,.0f}/s with two: {two / one:.2f} times as many")
        how = f"{records:,} records, fastest of {ROUNDS}"
        figures += [
            Figure(shape.key, f"audit, {shape.what}, one core", one, "records/s", how),
            Figure(f"{shape.key}_scaling", f"audit, {shape.what}, two cores against one", two / one, "times", how),
        ]
    setting = (
        f"Chains of four validators in the home of a stopped node: {PARCEL_RECORDS} records of {mean_size_bytes()} "
        "bytes on average in a parcel, 8 parcels in a block; or one record in a parcel, 150 in a block. Half of the "
        "parcels are checked against the JSON Schema of flights. Read from LevelDB, decoded and verified as by "
        "blockpool audit chain: certificates, every signature, every record hashed, every block executed, every root "
        "compared. With two jobs two processes look ahead of the one that executes. The nodes were idle."
    )
    return Section("audit", "Audit of a whole chain", setting, figures)


def measure(home: Path, genesis: Genesis) -> dict[int, float]:
    """Records a second by number of jobs, the fastest of some rounds. Starting the processes is not part of it."""
    fastest = {1: 0.0, 2: 0.0}
    for _ in range(ROUNDS):
        for jobs in fastest:
            fastest[jobs] = max(fastest[jobs], _rate(home, genesis, jobs))
    return fastest


def _rate(home: Path, genesis: Genesis, jobs: int) -> float:
    with (
        open_database(data_folder(home), genesis) as source,
        open_store(None, genesis) as store,
        Workers(genesis, jobs if jobs > 1 else 0) as workers,
    ):
        first: list[BlockPackage] = [next(source.blocks(0))]
        for _ in workers.process_ids:
            list(workers.ahead(0, first))  # answered once the worker has started
        auditing = ParallelAudit(genesis, MissingEngine("a chain without contracts"), store, workers)
        started_s = time.perf_counter()
        failure = auditing.run(source)
        if failure is not None:
            raise failure
        return auditing.report.records / (time.perf_counter() - started_s)
