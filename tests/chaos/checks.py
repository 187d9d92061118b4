"""What must hold in the end: on every node, every acknowledgement, exactly once, in the same blocks.

Two ways to the chains, so that neither is believed: over HTTP from the running nodes, and from the stopped nodes'
databases, where each block is verified and executed again from genesis on.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from audit.chain import ChainAudit
from audit.sources import open_database
from blockpool import Client
from chain.blocks import block_hash
from chain.errors import PoolError
from chain.genesis import Genesis
from chain.packages import BlockPackage, open_package
from cli.audit.sources import data_folder
from cli.network_policy import NetworkPolicy
from tests.chaos.cluster import RESIDENT_BYTES_MAX, Cluster
from tests.chaos.load import Acknowledgement, AcknowledgementLog, digest

RECEIPTS_ASKED = 100
"""Receipts that each node is asked for, at random, beside its whole chain."""
_NAMED_MAX = 3
"""Examples in a violation's text."""


@dataclass
class Chain:
    """What a node's chain holds."""

    source: str
    block_hashes: list[bytes] = field(default_factory=list)
    """By height, genesis included."""
    places: dict[bytes, tuple[int, int, bytes]] = field(default_factory=dict)
    """(height, index, digest of its bytes) of each accepted transaction."""
    times: Counter[bytes] = field(default_factory=Counter)
    """How often each transaction stands in it."""
    record_times: Counter[bytes] = field(default_factory=Counter)
    """How often each open record does, by digest of its body."""

    def add(self, genesis: Genesis, package: BlockPackage) -> None:
        """Take the next block; its payloads are held against their signed roots."""
        block, transactions = open_package(genesis.chain_id, package)
        height = len(self.block_hashes)
        self.block_hashes.append(block_hash(genesis.chain_id, block.header))
        for index, (checked, content) in enumerate(zip(transactions, package.transactions, strict=True)):
            self.times[checked.id] += 1
            self.record_times.update(map(digest, checked.records))
            if block.outcomes[index].is_ok:
                self.places[checked.id] = (height, index, digest(content))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the comparison found."""

    lost: int
    """Acknowledgements that some chain does not hold as they were given."""
    duplicated: int
    """Transactions and open records that stand in some chain more than once."""
    violations: tuple[str, ...]


def compare(acknowledged: Sequence[Acknowledgement], chains: Sequence[Chain]) -> Comparison:
    """Hold every chain against the acknowledgements and against the other chains."""
    violations: list[str] = []
    lost: set[bytes] = set()
    duplicated: set[bytes] = set()
    for chain in chains:
        missing = [item.transaction_id for item in acknowledged if not _holds(chain, item)]
        lost.update(missing)
        _say(violations, chain, "does not hold, as acknowledged,", missing)
        again = [id_ for times in (chain.times, chain.record_times) for id_, count in times.items() if count > 1]
        duplicated.update(again)
        _say(violations, chain, "holds more than once", again)
        if chain.block_hashes != chains[0].block_hashes:
            heights = f"{len(chain.block_hashes)} and {len(chains[0].block_hashes)} blocks"
            violations.append(f"{chain.source} has other blocks than {chains[0].source} ({heights})")
    return Comparison(len(lost), len(duplicated), tuple(violations))


def served_chains(cluster: Cluster) -> list[Chain]:
    """Every node's chain, as its API serves it."""
    chains = []
    for node in cluster.nodes.values():
        with Client(node.url) as client:
            chains.append(_read(f"the API of {node.member}", cluster.genesis, client.chain()))
    return chains


def stored_chains(cluster: Cluster, violations: list[str]) -> list[Chain]:
    """Every stopped node's chain, from its database, audited from genesis on."""
    chains = []
    for node in cluster.nodes.values():
        audit = ChainAudit(cluster.genesis, NetworkPolicy(cluster.genesis.chain_id, lambda line: None))
        chain = Chain(f"the database of {node.member}")
        with open_database(data_folder(node.home), cluster.genesis) as source:
            try:
                for package in source.blocks(0):
                    audit.add(package)
                    chain.add(cluster.genesis, package)
            except PoolError as error:
                violations.append(f"{chain.source} does not hold: {error.code} {error.detail} {error.context}")
        if audit.report.height != source.newest:
            violations.append(f"{chain.source} ends at {audit.report.height}, {source.newest} was promised")
        chains.append(chain)
    return chains


def check_receipts(cluster: Cluster, log: AcknowledgementLog, chooser: random.Random) -> list[str]:
    """Ask every node for the receipts of some acknowledged transactions; each is verified."""
    violations = []
    chosen = chooser.sample(log.acknowledged, min(RECEIPTS_ASKED, len(log.acknowledged)))
    for node in cluster.nodes.values():
        with Client(node.url, cluster.genesis) as client:
            for item in chosen:
                try:
                    receipt = client.receipt(item.transaction_id)
                except PoolError as error:
                    violations.append(f"{node.member} gives no receipt of {item.transaction_id.hex()}: {error.code}")
                    continue
                if (receipt.height, receipt.receipt.index) != (item.height, item.index) or not receipt.outcome.is_ok:
                    violations.append(f"{node.member} gives another receipt of {item.transaction_id.hex()}")
    return violations


def check_memory(resident_bytes: Mapping[str, int]) -> list[str]:
    """No daemon may ever have taken more than the bound."""
    return [
        f"the node of {member} took {size_bytes:,} bytes of memory"
        for member, size_bytes in resident_bytes.items()
        if size_bytes > RESIDENT_BYTES_MAX
    ]


def _read(source: str, genesis: Genesis, packages: Iterable[BlockPackage]) -> Chain:
    chain = Chain(source)
    for package in packages:
        chain.add(genesis, package)
    return chain


def _holds(chain: Chain, item: Acknowledgement) -> bool:
    place = chain.places.get(item.transaction_id)
    if place is None or place[:2] != (item.height, item.index):
        return False
    return not item.content_digest or place[2] == item.content_digest


def _say(violations: list[str], chain: Chain, what: str, ids: Sequence[bytes]) -> None:
    if ids:
        examples = ", ".join(id_.hex() for id_ in ids[:_NAMED_MAX])
        violations.append(f"{chain.source} {what} {len(ids)}: {examples}")
