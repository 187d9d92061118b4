"""A real chain on real databases, and everything that a node could ever answer out of it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from audit.chain import AuditReport, ChainAudit
from chain.access.decision import CallResult
from chain.ledger import Ledger
from chain.packages import BlockPackage
from chain.primitives.encoding import decode, encode
from chain.state.entries import member_key
from chain.state.tree import StateProof
from chain.storage import level
from chain.storage.blocks import Location
from chain.storage.head import HeadFile
from chain.storage.level import LevelDatabase, open_emptied_if_damaged
from chain.transactions.base import Transaction
from tests import ledgers
from tests.chain.access_world import ScriptedPolicy, allow
from tests.ledgers import audited, packages_of
from tests.networks import TIME_MS, TestNetwork

MANY = 1 << 30
SMALL_BUFFER_BYTES = 64 * 1024
"""LevelDB's least: a chain of some hundred blocks then fills several tables, as a long one does on a node."""


def new_network() -> TestNetwork:
    """A network that seals, whose access contracts allow everything."""
    return TestNetwork(has_contracts=True, policy=ScriptedPolicy({"allow": _allow}))


def _allow(_case: object) -> CallResult:
    return allow()


@contextmanager
def open_files(network: TestNetwork, folder: Path) -> Iterator[Ledger]:
    """A ledger on a folder's files, opened and recovered; its files are released whatever happens.

    Raises:
        PoolError, InvariantBroken: as ``Ledger.open`` and its engines.
    """
    engines: list[LevelDatabase] = []
    anchor: HeadFile | None = None
    try:
        engines.append(LevelDatabase(folder / "blocks"))
        engines.append(open_emptied_if_damaged(folder / "state"))
        anchor = HeadFile(folder / "HEAD")
        ledger = Ledger(network.genesis, engines[0], engines[1], anchor, network.policy)
        ledger.open()
        yield ledger
    finally:
        for engine in engines:
            engine.close()
        if anchor is not None:
            anchor.close()


@dataclass(frozen=True)
class Contents:
    """Everything that reads of one ledger give."""

    head: tuple[int, bytes]
    packages: tuple[bytes, ...]
    """Each block with its transactions, from genesis on."""
    transactions: tuple[tuple[Location, Transaction | None, bytes], ...]
    """By the index: where each one is, what stands there, and the header bytes alone."""
    parcels: tuple[tuple[Location, ...], ...]
    """By dataset."""
    reads: tuple[tuple[Location, ...], ...]
    """Requests, approvals and read reports by dataset; the first list is of all."""
    state: tuple[tuple[bytes, bytes | None, StateProof], ...]
    """Every entry at the tip: key, value and proof."""
    old_state: tuple[tuple[bytes | None, StateProof], ...]
    """One entry after each of some earlier blocks."""
    history_roots: tuple[bytes, ...]


def read_everything(ledger: Ledger, ids: tuple[bytes, ...], datasets: tuple[str, ...]) -> Contents:
    """What ``ledger`` answers to every kind of question."""
    blocks, tip = ledger.blocks, ledger.tip
    transactions = []
    for id_ in ids:
        location = blocks.location(id_)
        head = None if location is None else blocks.transaction_head(location)
        if location is not None and head is not None:
            transactions.append((location, blocks.transaction(location), head.header))
    keys = sorted(ledger.states.keys(b""))
    return Contents(
        (tip.height, tip.block_hash),
        tuple(encoded_packages_of(ledger)),
        tuple(transactions),
        tuple(tuple(blocks.parcels(name, None, MANY)) for name in datasets),
        tuple(tuple(blocks.read_transactions(name, None, MANY)) for name in ("", *datasets)),
        tuple(found for key in keys if (found := (key, *ledger.state_proof(key)))[1] is not None),
        tuple(ledger.state_proof(member_key("a"), height) for height in range(0, tip.height + 1, 7)),
        tuple(ledger.header_at(height).history_root for height in range(tip.height + 1)),
    )


def encoded_packages_of(ledger: Ledger) -> list[bytes]:
    """Encoded packages of all blocks, as nodes and auditors get them."""
    return [encode(package) for package in packages_of(ledger)]


def audit(network: TestNetwork, packages: list[bytes]) -> AuditReport:
    """Verify and execute a whole chain as an auditor does; raises what does not hold."""
    return audited(
        ChainAudit(network.genesis, network.policy), (decode(BlockPackage, item) for item in packages)
    ).report


@dataclass(frozen=True)
class SeasonedFolder:
    """A data folder with a chain, closed in good order, and what it must answer."""

    network: TestNetwork
    folder: Path
    ids: tuple[bytes, ...]
    datasets: tuple[str, ...]
    contents: Contents

    def copy_to(self, target: Path) -> Path:
        """A copy to spoil."""
        return Path(shutil.copytree(self.folder, target))

    def read(self, ledger: Ledger) -> Contents:
        """Everything in another ledger on the same chain."""
        return read_everything(ledger, self.ids, self.datasets)


def make_seasoned(folder: Path, block_count: int, network: TestNetwork | None = None) -> SeasonedFolder:
    """Build a chain of ``block_count`` blocks with open and sealed parcels, requests, approvals and read reports."""
    network = network or new_network()
    ids: list[bytes] = []
    with mock.patch.object(level, "WRITE_BUFFER_SIZE", SMALL_BUFFER_BYTES), open_files(network, folder) as ledger:
        for number in range(block_count):
            transactions = _transactions_of(network, number, ids)
            ids += [network.id_of(transaction) for transaction in transactions]
            network.commit(ledger, transactions, TIME_MS + 1 + number)
        datasets = tuple(key.decode().partition("/")[2] for key in ledger.states.keys(b"dataset/"))
        contents = read_everything(ledger, tuple(ids), datasets)
    audit(network, list(contents.packages))
    return SeasonedFolder(network, folder, tuple(ids), datasets, contents)


def _transactions_of(network: TestNetwork, number: int, earlier: list[bytes]) -> list[Transaction]:
    if number == 0:
        return [
            network.contract("allow"),
            network.dataset(name="open"),
            network.dataset(name="flights", sharing="conditional", contract="a.rule"),
        ]
    records = [b'{"n":%d,"text":"%s"}' % (number, bytes([97 + number % 26]) * 200)] * 3
    match number % 6:
        case 1:
            return [network.sealed_parcel(records), network.parcel(records, dataset="a.open")]
        case 3:
            return [network.request(), network.parcel(records, member="b", dataset="a.open")]  # one of them is refused
        case 5:
            request, sealed = earlier[-5], earlier[-10]
            return [network.read_report(request, [sealed]), network.approval(request, "revoke", "a")]
        case _:
            return [network.parcel(records, dataset="a.open") for _ in range(3)]


def take(seasoned: SeasonedFolder, ledger: Ledger, height: int, *, durable: bool = True) -> None:
    """Verify and commit the next block of the reference chain."""
    ledgers.take(ledger, decode(BlockPackage, seasoned.contents.packages[height]), durable=durable)
