"""Section about the audit of a whole chain, on one core and on two."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.bench import Bench
from bench.figures import Figure, Section
from bench.long_chain import OWNER, TIME_MS, LongChain
from bench.rates import PARCEL_RECORDS
from bench.records import flight_schema, mean_size_bytes, record_groups
from chain.access import MissingEngine
from chain.blocks import Certificate, commit_message
from chain.genesis import Genesis
from chain.members import Member
from chain.packages import BlockPackage
from chain.storage.head import Head, HeadFile
from chain.storage.level import LevelEngine
from chain.transactions import CheckedTransaction, DatasetHeader, ParcelHeader, encode_records, records_root
from cli.audit.ahead import AheadAudit, open_store
from cli.audit.sources import open_home
from cli.audit.workers import Workers
from cli.output import progress

PLAIN, CHECKED = f"{OWNER}.plain", f"{OWNER}.checked"
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


class AuditedChain(LongChain):
    """A chain in a node's home. Every other parcel is in a dataset with the schema of flights.

    Args:
        home: an empty folder.
        members: of a network.
    """

    def __init__(self, home: Path, members: tuple[Member, ...]) -> None:
        data = home / "data"
        data.mkdir(parents=True)
        (home / "config.toml").write_text("[node]\n")
        super().__init__(members, LevelEngine(data / "blocks"), LevelEngine(data / "state"))
        self._head = HeadFile(data / "HEAD")

    def fill_blocks(self, shape: Shape, records: int) -> None:
        """Commit at least so many records."""
        self._commit_all([self._registered(PLAIN, ""), self._registered(CHECKED, flight_schema())])
        blocks = -(-records // (shape.transactions * shape.records))
        groups = iter(record_groups(shape.records, blocks * shape.transactions))
        for _ in range(blocks):
            datasets = [CHECKED if number % 2 else PLAIN for number in range(shape.transactions)]
            self._commit_all([self._filled(dataset, next(groups)) for dataset in datasets])

    def close(self) -> None:
        """Stop the node."""
        self.ledger.make_durable()
        self._head.write(Head(self.ledger.tip.height, self.ledger.tip.block_hash))
        self._head.close()
        self.ledger.close()

    def _commit_all(self, transactions: Sequence[CheckedTransaction]) -> None:
        executed = self.ledger.execute(transactions, TIME_MS, OWNER)
        height, hash_ = executed.header.height, executed.block_hash
        message = commit_message(self.genesis.chain_id, height, 0, hash_)
        signers = self._names[: self.genesis.validators.quorum]
        votes = tuple((name, self._consensus[name].sign(message)) for name in signers)
        self.ledger.commit(executed, Certificate(height, 0, hash_, votes), durable=False)

    def _registered(self, dataset: str, schema: str) -> CheckedTransaction:
        fields = (dataset, 1, "", "Benchmark", schema, "open", "", "")
        return self._checked(DatasetHeader(*self._signed_by_owner(), *fields))

    def _filled(self, dataset: str, records: Sequence[bytes]) -> CheckedTransaction:
        fields = (dataset, len(records), records_root(self.genesis.chain_id, records), b"", ())
        return self._checked(ParcelHeader(*self._signed_by_owner(), *fields), encode_records(records))


def audit(bench: Bench) -> Section:
    """Audit chains of parcels and of single records as ``blockpool audit chain`` does."""
    figures = []
    for shape, records in zip(
        SHAPES, (bench.durations.audit_bulk_records, bench.durations.audit_single_records), strict=True
    ):
        with tempfile.TemporaryDirectory(dir=bench.network.folder, prefix="audit-") as folder:
            home = Path(folder) / "node"
            chain = AuditedChain(home, bench.network.genesis.members)
            chain.fill_blocks(shape, records)
            chain.close()
            rates = measure(home, chain.genesis)
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
        open_home(home, genesis) as packages,
        open_store(None, genesis) as store,
        Workers(genesis, jobs if jobs > 1 else 0) as workers,
        progress() as bar,
    ):
        first: list[BlockPackage] = [next(packages.blocks(0))]
        for _ in workers.process_ids:
            list(workers.ahead(0, first))  # answered once the worker has started
        auditing = AheadAudit(genesis, MissingEngine("a chain without contracts"), store, workers)
        started_s = time.perf_counter()
        failure = auditing.run(packages, bar)
        if failure is not None:
            raise failure
        return auditing.audit.report.records / (time.perf_counter() - started_s)
