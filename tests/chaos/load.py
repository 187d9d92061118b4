"""Clients that keep a cluster busy, and remember every acknowledgement that they were given.

Each client signs a transaction once and sends it until it is acknowledged, to whichever node answers, as a careful
program does; so at the end everything that was ever sent must be on the chain exactly once.
"""

import hashlib
import random
import secrets
import threading
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson

import blockpool
from contracts.library import source_of
from evidence.record import parse_record_evidence
from tests.chaos.cluster import Cluster
from tests.signing import DESCRIPTION

OWNER, READER = "aviation", "meteorology"
OPEN_DATASET = "{member}.open"
SEALED_DATASET = f"{OWNER}.sealed"
PURPOSE = "flood warning"
_PASSING = frozenset(
    {
        blockpool.ErrorCode.UNREACHABLE,
        blockpool.ErrorCode.TIMEOUT,
        blockpool.ErrorCode.NOT_READY,
        blockpool.ErrorCode.MEMPOOL_FULL,
        blockpool.ErrorCode.QUOTA_EXCEEDED,
        blockpool.ErrorCode.NOT_ENOUGH_SHARES,
    }
)
"""What a client may be told while faults last; anything else is a violation."""
_PAUSE_S = 0.25
"""A client's longest pause between two steps. The load is there to have something under way whenever a fault strikes,
not to measure: faults, not transactions, are what a run has to have many of.
"""
_STEPS = 10
"""After so many a client begins anew with its own node. It stays with one that answers, so all would come together at
the node that has lived longest, and wait for it together when it freezes.
"""
_LAST_WORD_S = 90.0
"""How long a client goes on for its last transaction when the load is over and the network whole."""
_JOIN_S = 200.0


def digest(content: bytes) -> bytes:
    """SHA-256 by which content is compared."""
    return hashlib.sha256(content).digest()


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A verified receipt that a client was given."""

    transaction_id: bytes
    kind: str
    height: int
    index: int
    content_digest: bytes
    """Of the transaction's bytes as they were sent; empty where the client library made them."""
    record_digests: tuple[bytes, ...]
    """Of the records' bodies, before sealing."""
    moment_s: float
    """Monotonic."""


@dataclass
class AcknowledgementLog:
    """Everything that was acknowledged, and what went wrong on the way. Used from several threads."""

    acknowledged: list[Acknowledgement] = field(default_factory=list)
    given_up: list[bytes] = field(default_factory=list)
    """Ids of transactions that were never acknowledged."""
    passing: Counter[str] = field(default_factory=Counter)
    """Passing refusals that clients were given, by code."""
    reads: int = 0
    """Records read back and found to be what was acknowledged."""
    violations: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledge(
        self, kind: str, receipt: blockpool.VerifiedReceipt, content: bytes = b"", records: Sequence[bytes] = ()
    ) -> None:
        """Note a receipt."""
        acknowledgement = Acknowledgement(
            receipt.transaction_id,
            kind,
            receipt.height,
            receipt.receipt.index,
            digest(content) if content else b"",
            tuple(map(digest, records)),
            time.monotonic(),
        )
        with self._lock:
            self.acknowledged.append(acknowledgement)

    def give_up(self, transaction_id: bytes) -> None:
        """Note a transaction of which the client never heard."""
        with self._lock:
            self.given_up.append(transaction_id)

    def refused(self, error: blockpool.PoolError) -> None:
        """Note a passing refusal."""
        with self._lock:
            self.passing[error.code] += 1

    def confirmed(self, records: int) -> None:
        """Note records that were read and are what they should be."""
        with self._lock:
            self.reads += records

    def violation(self, text: str) -> None:
        """Note what must not happen."""
        with self._lock:
            self.violations.append(text)

    def pick(self, chooser: random.Random, kind: str) -> Acknowledgement | None:
        """A random acknowledgement of a kind, the newest 200 only."""
        with self._lock:
            found = [item for item in self.acknowledged[-200:] if item.kind == kind]
        return chooser.choice(found) if found else None

    def moments_s(self) -> list[float]:
        """When each acknowledgement came, in order."""
        with self._lock:
            return sorted(item.moment_s for item in self.acknowledged)


class LoadClient(threading.Thread):
    """One client. It repeats ``step`` until it is told to stop."""

    def __init__(self, cluster: Cluster, log: AcknowledgementLog, member: str, seed: int) -> None:
        super().__init__(name=f"{type(self).__name__}-{member}", daemon=True)
        self.cluster = cluster
        self.log = log
        self.member = member
        self.random = random.Random(seed)
        self._is_over = threading.Event()
        self._over_at_s = 0.0

    def stop(self) -> None:
        """Let it finish what it is about."""
        self._over_at_s = time.monotonic()
        self._is_over.set()

    def run(self) -> None:
        """Work."""
        try:
            while not self._is_over.is_set():
                with self.cluster.client(self.member) as client:
                    self._work(client)
        except Exception as error:
            self.log.violation(f"{self.name}: {error!r}")

    @abstractmethod
    def step(self, client: blockpool.Client) -> None:
        """One unit of work; a ``PoolError`` with a passing code ends it."""

    def commit(
        self, client: blockpool.Client, kind: str, transaction: blockpool.SignedTransaction, records: Sequence[bytes]
    ) -> None:
        """Send a transaction until it is acknowledged, and note that."""
        while True:
            try:
                receipt = client.commit(transaction)
            except blockpool.PoolError as error:
                if error.code not in _PASSING:
                    raise
                self.log.refused(error)
                if self._is_over.is_set() and time.monotonic() - self._over_at_s > _LAST_WORD_S:
                    self.log.give_up(transaction.transaction_id)
                    return
                continue
            self.log.acknowledge(kind, receipt, transaction.content, records)
            return

    def _work(self, client: blockpool.Client) -> None:
        for _ in range(_STEPS):
            if self._is_over.wait(_PAUSE_S * self.random.random()):
                return
            self._try(client)

    def _try(self, client: blockpool.Client) -> None:
        try:
            self.step(client)
        except blockpool.PoolError as error:
            if error.code in _PASSING:
                self.log.refused(error)
            else:
                self.log.violation(f"{self.name}: {error.code}: {error.detail} {error.context}")

    def _records(self) -> list[bytes]:
        """Records like no others."""
        count = self.random.randint(1, 12)
        return [orjson.dumps({"by": self.name, "n": secrets.token_hex(16), "i": index}) for index in range(count)]


class OpenWriter(LoadClient):
    """Shares open records; now and then it sends an acknowledged parcel again, to another node."""

    def step(self, client: blockpool.Client) -> None:
        """Share one parcel."""
        cluster, records = self.cluster, self._records()
        dataset = OPEN_DATASET.format(member=self.member)
        transaction = blockpool.sign_parcel(cluster.genesis, cluster.identities[self.member], dataset, records)
        self.commit(client, "open", transaction, records)
        if self.random.random() < 0.05:
            self.repeat(transaction)

    def repeat(self, transaction: blockpool.SignedTransaction) -> None:
        """What is on the chain stays where it is, whoever is asked to add it again."""
        url = self.random.choice(self.cluster.urls)
        with blockpool.Client(url, self.cluster.genesis, retry=blockpool.RetryPolicy(attempts_max=1)) as other:
            again = other.commit(transaction)
        first = next(item for item in reversed(self.log.acknowledged) if item.transaction_id == again.transaction_id)
        if (again.height, again.receipt.index) != (first.height, first.index):
            self.log.violation(f"{again.transaction_id.hex()} is at {first.height} and, sent again, at {again.height}")


class SealedWriter(LoadClient):
    """Shares sealed records."""

    def step(self, client: blockpool.Client) -> None:
        """Share one parcel."""
        cluster, records = self.cluster, self._records()
        identity = cluster.identities[self.member]
        transaction = blockpool.sign_sealed_parcel(
            cluster.genesis, identity, SEALED_DATASET, records, client.sealing_keys()
        )
        self.commit(client, "sealed", transaction, records)


class Reader(LoadClient):
    """Asks for access, which the contract decides, reads a sealed parcel with the key shares, and reports it."""

    def step(self, client: blockpool.Client) -> None:
        """One request, one parcel, one read report."""
        wanted = self.log.pick(self.random, "sealed")
        if wanted is None:
            return
        key = self.cluster.reader_key(self.member)
        asked = client.request(SEALED_DATASET, PURPOSE, key, parcels=[wanted.transaction_id])
        self.log.acknowledge("request", asked.receipt)
        asked.raise_for_denial()
        reading = client.read(asked.id, key)
        found = [record.body for record in reading]
        if tuple(map(digest, found)) != wanted.record_digests:
            self.log.violation(f"sealed parcel {wanted.transaction_id.hex()} was read with other records")
        self.log.confirmed(len(found))
        for receipt in client.acknowledge(reading):
            self.log.acknowledge("read_report", receipt)


class Auditor(LoadClient):
    """Asks one node, whatever is being done to it, for the proof of an acknowledged record."""

    def step(self, client: blockpool.Client) -> None:
        """Verify one record's evidence. A node that is behind may not have it yet."""
        known = self.log.pick(self.random, "open")
        if known is None:
            return
        index = self.random.randrange(len(known.record_digests))
        url = self.random.choice(self.cluster.urls)
        policy = blockpool.RetryPolicy(attempts_max=1, total_max_s=5)
        with blockpool.Client(url, self.cluster.genesis, retry=policy) as node:
            try:
                content = node.evidence(blockpool.RecordId(known.transaction_id, index))
            except blockpool.PoolError as error:
                if error.code is not blockpool.ErrorCode.NOT_FOUND:
                    raise
                self.log.refused(error)
                return
        if digest(parse_record_evidence(content).record.body or b"") != known.record_digests[index]:
            self.log.violation(f"record {known.transaction_id.hex()}/{index} is another one at {url}")
        self.log.confirmed(1)


def found_datasets(cluster: Cluster) -> None:
    """What the load is written to: an open dataset for each member, and a sealed one with a contract."""
    for member in cluster.nodes:
        with cluster.client(member) as client:
            client.define(blockpool.DatasetDefinition(OPEN_DATASET.format(member=member), "公开", "Open"))
    with cluster.client(OWNER) as client:
        rule = f"{OWNER}.rule"
        client.deploy(rule, source_of("purpose_bound"), {"purposes": {PURPOSE: None}})
        client.define(
            blockpool.DatasetDefinition(
                SEALED_DATASET, "密封", "Sealed", sharing="conditional", contract=rule, description=DESCRIPTION
            )
        )


@contextmanager
def load(cluster: Cluster, log: AcknowledgementLog, seed: int) -> Iterator[None]:
    """Keep the cluster busy with several clients at once while the block lasts. All have finished when it is left."""
    clients: list[LoadClient] = [
        *(OpenWriter(cluster, log, member, seed + index) for index, member in enumerate(cluster.nodes)),
        SealedWriter(cluster, log, OWNER, seed + 10),
        Reader(cluster, log, READER, seed + 11),
        Auditor(cluster, log, READER, seed + 12),
    ]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        for client in clients:
            client.stop()
        for client in clients:
            client.join(_JOIN_S)
            if client.is_alive():
                log.violation(f"{client.name} has not finished")
